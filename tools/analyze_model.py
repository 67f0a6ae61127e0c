"""What the detectors of given configs cost, counted and measured: see --help."""

import dense_det  # noqa: F401  first: sets the process environment before torch is imported

# isort: split
import os
import sys
from functools import partial

import torch
from detectron2.modeling import build_model as build_without_weights

from dense_det.analysis.arguments import parse_arguments
from dense_det.analysis.candidates import give_candidates
from dense_det.analysis.compiled import compile_parts
from dense_det.analysis.part_latency import Subject
from dense_det.analysis.report import Report
from dense_det.analysis.sample_page import sample_jpeg
from dense_det.analysis.source import Source
from dense_det.config import find_config, load_cfg
from dense_det.data.mapper import read_image
from dense_det.engine.model import build_model, load_model
from dense_det.engine.step import amp_dtype


def main(argv=None) -> None:
    args = parse_arguments(__doc__, argv)
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if args.threads:
        torch.set_num_threads(args.threads)
    report = Report(args.size, show=lambda table: print(table, flush=True))
    try:
        models = {name: without_data(config, args.opts) for name, config in args.configs.items()}
        report.count(models, args.costs or args.latency or bool(args.figures), args.modules)
        if args.results:
            report.add_results(args.results)
        if args.latency or args.sweep:
            subjects = [make_subject(name, config, args, device) for name, config in args.configs.items()]
        if args.latency:
            report.measure(subjects, device, args.batch, args.seconds)
        if args.sweep:
            report.sweep(subjects, device, args.seconds)
        if args.sweep and device == "cpu":
            runs = {name: partial(make_run, name, config, args) for name, config in args.configs.items()}
            report.compare_processes(runs, len(os.sched_getaffinity(0)), args.seconds)
        report.write(args.json, args.markdown, args.figures)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


def without_data(config: str, opts) -> torch.nn.Module:
    """The detector of a config with shapes only, so even V-99 takes no memory."""
    cfg = load_cfg(find_config(config), [*opts, "MODEL.DEVICE", "meta"])
    with torch.device("meta"):
        return build_without_weights(cfg)


def make_subject(name: str, config: str, args, device: str) -> Subject:
    """The detector of a config to time; with random weights, unless --opts names a file of others."""
    content = args.image.read_bytes() if args.image else sample_jpeg(args.size)
    layout = ["MODEL.DEVICE", device, "MODEL.CHANNELS_LAST", args.channels_last]
    cfg = load_cfg(find_config(config), ["MODEL.WEIGHTS", "", *layout, *args.opts])
    model = load_model(cfg) if cfg.MODEL.WEIGHTS else build_model(cfg).eval()
    if args.compile:
        compile_parts(model)
    source = Source(content, read_image, cfg.INPUT.FORMAT, args.size)
    candidates = None if cfg.MODEL.WEIGHTS else give_candidates(model, [source.resize(source.decode())])
    dtype = amp_dtype(device) if args.amp else None
    return Subject(name, model, source, dtype=dtype, num_candidates=candidates)


def make_run(name: str, config: str, args):
    """In a process of its own: a function that detects on one image, from the file's bytes on."""
    subject = make_subject(name, config, args, "cpu")
    return partial(subject.round, "cpu", 1)


if __name__ == "__main__":
    main()
