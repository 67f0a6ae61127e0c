"""What the detectors of given configs cost, counted and measured: see --help."""

import dense_det  # noqa: F401  first: sets the process environment before torch is imported

# isort: split
import sys
from functools import partial

import torch

from dense_det.analysis.arguments import parse_arguments
from dense_det.analysis.blame import blamed
from dense_det.analysis.candidates import give_candidates
from dense_det.analysis.compiled import compile_subject
from dense_det.analysis.part_latency import Subject
from dense_det.analysis.report import Report
from dense_det.analysis.source import Source
from dense_det.config import find_config, load_cfg
from dense_det.data.mapper import read_image
from dense_det.engine.model import build_model, build_without_data, load_model
from dense_det.engine.step import amp_dtype
from dense_det.environment import num_cpus


def main(argv=None) -> None:
    args = parse_arguments(__doc__, argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    report = Report(args.size, lambda table: print(table, flush=True), args.command, args.device)
    try:
        models = {name: without_data(config, args.opts) for name, config in args.configs.items()}
        report.count(models, args.costs or args.latency or bool(args.figures), args.modules)
        if args.results:
            report.add_results(args.results)
        subjects = []
        for name, config in args.configs.items() if args.latency or args.sweep else ():
            with report.faults.of(name):
                subjects.append(make_subject(name, config, args))
        if args.latency:
            report.measure(subjects, args.batch, args.seconds)
        if args.sweep:
            report.sweep(subjects, args.seconds)
        if args.sweep and args.device == "cpu":
            runs = {name: partial(make_run, name, config, args) for name, config in args.configs.items()}
            report.compare_processes(runs, num_cpus(), args.seconds, args.compile)
        report.write(args.json, args.markdown, args.figures)
        report.faults.tell()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


def without_data(config: str, opts) -> torch.nn.Module:
    with blamed(config):
        return build_without_data(load_cfg(find_config(config), opts))


def make_subject(name: str, config: str, args) -> Subject:
    """The detector of a config to time; with random weights, unless --opts names a file of others."""
    layout = ["MODEL.DEVICE", args.device, "MODEL.CHANNELS_LAST", args.channels_last]
    cfg = load_cfg(find_config(config), ["MODEL.WEIGHTS", "", *layout, *args.opts])
    if cfg.MODEL.LOAD_PROPOSALS:
        raise ValueError(f"{config}: detects in proposals of a file, and cannot be timed on an image: count it alone")
    source = Source.of(args.image, read_image, cfg.INPUT.FORMAT, args.size)
    with blamed(config):
        model = load_model(cfg) if cfg.MODEL.WEIGHTS else build_model(cfg).eval()
        candidates = None if cfg.MODEL.WEIGHTS else give_candidates(model, [source.resize(source.decode())])
        subject = Subject(name, model, source, {}, amp_dtype(args.device) if args.amp else None, candidates)
        if args.compile:
            compile_subject(subject, args.device, args.batch)
    return subject


def make_run(name: str, config: str, args):
    """In a process of its own: a function that detects on one image, from the file's bytes on."""
    subject = make_subject(name, config, args)
    return partial(subject.round, "cpu", 1)


if __name__ == "__main__":
    main()
