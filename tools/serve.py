"""A page on this machine: drop in an image, see what an exported detector finds, move the threshold; see --help."""

import argparse
import sys
from pathlib import Path

from dense_det.deploy.runtime import Detector
from dense_det.deploy.web import HOST, make_server


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="example: python tools/serve.py output/mine/model.onnx"
    )
    parser.add_argument("model", type=Path, metavar="FILE", help=".onnx or .xml, as tools/export_model.py writes it")
    parser.add_argument("--port", type=int, default=8000, metavar="N", help="(default 8000; 0: any that is free)")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="of the CPU (default: the engine's choice)")
    args = parser.parse_args(argv)
    try:
        if not 0 <= args.port < 2**16:
            raise ValueError(f"--port is between 0 and 65535, got {args.port}")
        server = make_server(Detector(args.model, args.threads), args.model.name, args.port)
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"http://{HOST}:{server.server_address[1]}  (this machine alone can open it; Ctrl-C ends it)", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
