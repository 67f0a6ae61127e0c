"""A vovnet-detectron2 or centermask2 config -> one of ours, and a list of what was dropped: see --help."""

import dense_det  # noqa: F401  first: sets the process environment before torch is imported

# isort: split
import argparse
import sys
from pathlib import Path

import yaml

from dense_det.atomic_file import atomic_file
from dense_det.config_conversion import convert_config


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example: python tools/convert_config.py configs/faster_rcnn_V_39_FPN_3x.yaml faster_rcnn_v39.yaml",
    )
    parser.add_argument("config", type=Path, metavar="THEIRS", help="YAML file; its _BASE_ files are read, too")
    parser.add_argument("out", type=Path, metavar="OURS", help="YAML file to write, complete in itself")
    args = parser.parse_args(argv)
    if args.out.resolve() == args.config.resolve():
        parser.error("OURS is THEIRS: give another name")
    try:
        conversion = convert_config(args.config)
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")
    with atomic_file(args.out) as file:
        file.write(f"# made from {args.config.name} by tools/convert_config.py\n")
        yaml.safe_dump(conversion.tree, file, sort_keys=False, default_flow_style=None, width=120)
    print(f"{args.out} written\n{conversion.to_text()}")


if __name__ == "__main__":
    main()
