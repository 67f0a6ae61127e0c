"""What tools/analyze_model.py is asked."""

import argparse
import shlex
import sys
from pathlib import Path

from dense_det.analysis.machine import use_device
from dense_det.terminal import output_file, output_folder

EXAMPLES = """examples:
  python tools/analyze_model.py configs/retina_*.yaml --json rows.json
  python tools/analyze_model.py configs/retina_snet.yaml --size 224 224 --modules 2 --opts MODEL.RETINANET.NUM_CLASSES 1
  python tools/analyze_model.py configs/retina_snet.yaml COCO-Detection/retinanet_R_50_FPN_3x.yaml --size 320 320 \\
      --latency --figures figures/
"""


def parse_arguments(description: str, argv=None) -> argparse.Namespace:
    """The command line, `configs` as {name: path}, and the `command` itself; what has no meaning ends the program with
    what was expected."""
    parser = argparse.ArgumentParser(
        description=description, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add, flag = parser.add_argument, argparse.BooleanOptionalAction
    add("configs", nargs="+", metavar="CONFIG", help="YAML file, or the name of one in Detectron2's model zoo")
    add("--opts", nargs="+", default=[], metavar="KEY VALUE", help="override every config, e.g. MODEL.WEIGHTS file.pth")
    add("--size", nargs=2, type=int, default=[800, 1216], metavar=("H", "W"), help="input, in pixels")
    add("--costs", action="store_true", help="activations, memory access cost, CIO, traffic, memory of a training step")
    add("--modules", type=int, metavar="DEPTH", help="what each module costs, so many dots deep")
    add("--latency", action="store_true", help="time of each part, beside the peak that this machine shows meanwhile")
    add("--sweep", action="store_true", help="time over 256-1024 px and batch 1-16, and processes against threads")
    timing = parser.add_argument_group("of --latency and --sweep")
    add = timing.add_argument
    add("--seconds", type=float, default=20, metavar="S", help="about so long for each of both (default: %(default)s)")
    add("--batch", type=int, default=1, metavar="N", help="images at a time, of --latency (default: %(default)s)")
    add("--image", type=Path, metavar="FILE", help="picture to read, in its own aspect (default: a drawn page)")
    add("--device", metavar="NAME", help="cpu or cuda (default: a GPU if there is one)")
    add("--threads", type=int, metavar="N", help="of torch on the CPU (default: its own choice)")
    add("--amp", action="store_true", help="float16 on a GPU, bfloat16 on a CPU that computes in it")
    add("--channels-last", action=flag, default=True, help="NHWC in memory (default: yes)")
    add("--compile", action="store_true", help="torch.compile of bottom-up and heads; minutes before the first time")
    output = parser.add_argument_group("output, beside the tables that are printed")
    add = output.add_argument
    add("--json", type=output_file, metavar="FILE", help="write the rows to FILE, with every digit")
    add("--markdown", type=output_file, metavar="FILE", help="write the tables to FILE")
    add("--figures", type=output_folder, metavar="DIR", help="draw what was counted and measured into DIR")
    add("--results", type=Path, metavar="FILE", help='JSON {"name in the tables": AP, ...}, for --figures and --json')
    args = parser.parse_args(argv)
    args.command = shlex.join(["python", "tools/analyze_model.py", *(sys.argv[1:] if argv is None else argv)])
    try:
        args.configs, args.device = named_configs(args.configs), use_device(args.device)
    except ValueError as error:
        parser.error(str(error))
    if min(args.size) < 1:
        parser.error(f"--size must be positive, got {args.size[0]} {args.size[1]}")
    for name in ("modules", "seconds", "batch", "threads"):
        value = getattr(args, name)
        if value is not None and value <= 0:
            parser.error(f"--{name} must be positive, got {value}")
    return args


def named_configs(configs: list[str]) -> dict[str, str]:
    """{name: path}, in order: the file's name, or its folder's where that is config.yaml, as in a training's folder.

    Where two would have one name, so many folders come before it ("a/snet", "b/snet") that all differ.

    Raises:
        ValueError: a file that is given twice.
    """
    files = [Path(config).resolve() for config in configs]
    if twice := [config for config, file in zip(configs, files, strict=True) if files.count(file) > 1]:
        raise ValueError(f"each CONFIG once, got the same file as {' and '.join(twice)}: leave one out")
    words = [file.parent.parts if file.stem == "config" else file.with_suffix("").parts for file in files]
    names = {}
    for config, own in zip(configs, words, strict=True):
        tails = (own[-length:] for length in range(1, len(own) + 1))
        alone = (tail for tail in tails if sum(other[-len(tail) :] == tail for other in words) == 1)
        # none is alone beside a.yml and a.yaml
        names["/".join(next(alone, ())).replace("//", "/") or config] = config
    return names
