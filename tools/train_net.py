"""Train or evaluate a detector on COCO data: see --help."""

import dense_det  # noqa: F401  first: sets the process environment before torch is imported

# isort: split
import sys

from dense_det.engine.arguments import build_parser, parse
from dense_det.engine.launch import launch
from dense_det.engine.run import run, start_logging
from dense_det.engine.setup import setup


def main(argv=None) -> None:
    args = parse(build_parser(), argv)
    start_logging()
    try:
        job = setup(args)
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")
    launch(run, job, num_gpus=args.num_gpus, num_procs=args.num_procs)


if __name__ == "__main__":
    main()
