"""The command line of training and evaluation."""

import argparse

EXAMPLES = """examples:
  on your own COCO files (and on pseudo-labels that tools/pseudo_label.py wrote: --pseudo-json pseudo.json):
    python tools/train_net.py --config-file configs/retina_vovnet.yaml \\
        --train-json train.json --train-images images/ --val-json val.json --val-images images/
  two CPU processes, another learning rate, a folder for the results:
    python tools/train_net.py --config-file configs/retina_vovnet_19_slim.yaml --num-procs 2 \\
        SOLVER.BASE_LR 0.002 OUTPUT_DIR output/cards
  go on after an interruption, with the config and the data that it was begun with:
    python tools/train_net.py --config-file output/cards/config.yaml --resume
  evaluate on them, or on others (--val-json, --val-images):
    python tools/train_net.py --config-file output/cards/config.yaml --eval-only \\
        MODEL.WEIGHTS output/cards/model_best.pth
  several machines or a cluster: torchrun --nproc_per_node N tools/train_net.py ...
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of tools/train_net.py."""
    parser = argparse.ArgumentParser(
        description="Train or evaluate a detector.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config-file", required=True, metavar="YAML", help="what to build and how to train it")
    parser.add_argument("--train-json", metavar="A", help="COCO annotations to train on (else DATASETS.TRAIN by name)")
    parser.add_argument("--train-images", metavar="B", help="the folder of their images")
    parser.add_argument("--pseudo-json", metavar="P", help="and pseudo-labels, as tools/pseudo_label.py select writes")
    parser.add_argument(
        "--pseudo-images", metavar="Q", help="the folder of their images (default: /, since select writes whole paths)"
    )
    parser.add_argument("--val-json", metavar="C", help="COCO annotations to evaluate on (else DATASETS.TEST by name)")
    parser.add_argument("--val-images", metavar="D", help="the folder of their images")
    processes = parser.add_mutually_exclusive_group()
    processes.add_argument("--num-gpus", type=int, metavar="N", help="one process per GPU (default: 1 if there is one)")
    processes.add_argument("--num-procs", type=int, metavar="N", help="so many CPU processes (default: 1)")
    parser.add_argument("--resume", action="store_true", help="go on from the last good checkpoint in OUTPUT_DIR")
    parser.add_argument("--eval-only", action="store_true", help="evaluate MODEL.WEIGHTS, do not train")
    parser.add_argument("--fit-anchors", action="store_true", help="fit anchor sizes and ratios to the training boxes")
    parser.add_argument("--trust-pickle", action="store_true", help="read pickled weights, which may run any code")
    parser.add_argument("opts", nargs=argparse.REMAINDER, metavar="KEY VALUE", help="config keys to override")
    return parser


def parse(parser: argparse.ArgumentParser, argv=None) -> argparse.Namespace:
    """Parse and check what argparse cannot: pairs of arguments, and options written after KEY VALUE."""
    args = parser.parse_args(argv)
    for split in ("train", "val"):
        given = [bool(getattr(args, f"{split}_{kind}")) for kind in ("json", "images")]
        if any(given) and not all(given):
            parser.error(f"--{split}-json and --{split}-images go together: a COCO file and the folder of its images")
    if args.pseudo_images and not args.pseudo_json:
        parser.error("--pseudo-images is the folder of the images in --pseudo-json, which is not given")
    late = [word for word in args.opts if word.startswith("--")]
    if late:
        parser.error(f"{late[0]} stands after KEY VALUE overrides: options come first")
    for name in ("num_gpus", "num_procs"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1, got {getattr(args, name)}")
    if args.eval_only and args.resume:
        parser.error("--resume goes on with training, --eval-only does not train: give one of them")
    return args
