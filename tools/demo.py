"""A small detector on real document pages: prepare them, take the shipped weights or train anew, evaluate, show."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "configs" / "demo_docpages.yaml"
SHIPPED = ROOT / "zoo" / "vovnet_19_slim_dw_docpages"
CLASSES = ["Table", "Picture", "Formula"]


def step(title: str, *command) -> None:
    print(f"\n=== {title}\n$ {' '.join(map(str, command))}", flush=True)
    start = time.monotonic()
    if subprocess.run([sys.executable, *map(str, command)], cwd=ROOT).returncode:
        sys.exit(f"demo: '{title}' failed; what went wrong stands above")
    print(f"=== {title}: {(time.monotonic() - start) / 60:.1f} min", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "output" / "demo", help="folder of the run (%(default)s)")
    parser.add_argument("--train", action="store_true", help="train from scratch; README says how long it took")
    parser.add_argument("opts", nargs=argparse.REMAINDER, metavar="KEY VALUE", help="config keys to override")
    args = parser.parse_args()
    args.out = args.out.resolve()  # the steps run in the repository
    pages = args.out / "pages"
    step(
        "prepare real document pages", "datasets/prepare_docpages.py",
        "--out", pages, "--size", 640, "--classes", *CLASSES,
    )  # fmt: skip
    title, config, mode, options = "evaluate", args.out / "config.yaml", ["--eval-only"], []
    if not args.train:
        config, options = SHIPPED / "config.yaml", ["MODEL.WEIGHTS", SHIPPED / "model.safetensors"]
    elif (args.out / "model_final.pth").is_file():
        print(f"\n{args.out} holds a finished training: remove it to train anew; evaluating it again")
        options = ["MODEL.WEIGHTS", args.out / "model_best.pth"]
    else:
        title, config = "train and evaluate", CONFIG
        mode = ["--fit-anchors", "--train-json", pages / "train.json", "--train-images", pages / "images"]
        mode += ["--resume"] if any(args.out.glob("model_*.pth")) else []
    step(
        title, "tools/train_net.py", "--config-file", config, *mode,
        "--val-json", pages / "val.json", "--val-images", pages / "images",
        "OUTPUT_DIR", args.out, *options, *args.opts,
    )  # fmt: skip
    evaluation = args.out / "evaluation"
    metrics = json.loads((evaluation / "metrics.json").read_text())
    print("\n=== result on documents that were not trained on")
    print(", ".join(f"{name} {metrics[f'bbox/{name}']:.1f}" for name in ("AP", "AP50", "AP75")))
    print((evaluation / "per_class.md").read_text())
    curves = f"curves:   {args.out / 'results.png'}\n" if args.train else ""
    print(f"pictures: {evaluation / 'examples.png'}\n{curves}all:      {args.out}")
    detector = args.out if args.train else SHIPPED
    print(f"\nyour own: .venv/bin/python tools/predict.py {detector} paper.pdf scans/ --out found_demo --pictures")


if __name__ == "__main__":
    main()
