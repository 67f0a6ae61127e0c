"""Detectors that differ in their bottom-up: what each will cost once it is deployed, before anybody trains it."""

from dataclasses import dataclass
from pathlib import Path

import torch

from dense_det.aligned_table import aligned_table
from dense_det.analysis.candidates import give_candidates
from dense_det.analysis.complexity import count_macs, count_parameters
from dense_det.analysis.sample_page import sample_jpeg
from dense_det.analysis.source import Source
from dense_det.config import load_cfg
from dense_det.data.mapper import read_image
from dense_det.deploy.benchmark import Lineup, benchmark
from dense_det.deploy.facts import build_facts
from dense_det.deploy.formats import Format, LiveDetector
from dense_det.deploy.runtime import Detector
from dense_det.deploy.trial import export_trials
from dense_det.engine.model import build_model

# engine -> its columns: as training leaves it, and the two kinds of file that differ most
ENGINES = {"torch": "torch", "onnxruntime": "ONNX Runtime", "OpenVINO int8": "OpenVINO int8"}


@dataclass(frozen=True)
class Contender:
    """Attributes:
    name: of its entry in the zoo.
    size: shorter and longer edge of its input, in pixels.
    params, macs: learnable numbers, and multiply-adds of one image.
    formats: engine -> the detector in it.
    """

    name: str
    size: tuple[int, int]
    params: int
    macs: int
    formats: dict[str, Format]


def build_contender(name: str, config: str, words, classes: int, threads: int, folder: Path) -> Contender:
    """The RetinaNet of a config, with random weights, in torch and as files; 1,000 candidates go into suppression.

    Args:
        words: KEY VALUE ... of the config.
        classes: how many.
        folder: to make, for its files; OpenVINO's only where it is installed.
    """
    torch.manual_seed(0)
    folder.mkdir(parents=True)
    weights = folder / "random.pth"
    cfg = load_cfg(config, [*words, "MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", str(weights)])
    cfg.MODEL.RETINANET.NUM_CLASSES = classes
    size = cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST
    model = build_model(cfg).eval()
    torch.save({"model": model.state_dict()}, weights)
    source = Source(sample_jpeg(size), read_image, cfg.INPUT.FORMAT, size)
    record = source.resize(source.decode())
    give_candidates(model, [record])
    facts = build_facts(cfg, config, [f"class {k}" for k in range(classes)], "timed only")
    files = export_trials(model, facts, folder, [record["image"].permute(1, 2, 0).contiguous().numpy()])
    formats = {"torch": Format(name, weights, LiveDetector(model, facts))}
    formats |= {engine: Format(name, file, Detector(file, threads)) for engine, file in files.items()}
    kept = {engine: formats[engine] for engine in ENGINES if engine in formats}
    return Contender(name, size, count_parameters(model), count_macs(model, size), kept)


def time_contenders(contenders: list[Contender], rounds: int, folder: Path) -> dict:
    """All engines of all contenders in turns, on one picture of the size that all of them take.

    Returns:
        {"rounds", "peak_gflops", "rows": in the order given, each "name", "size", "params", "gmacs", and by engine
        "megabytes" of the file and "ms" (median)}.
    """
    picture = folder / "page.jpg"
    picture.write_bytes(sample_jpeg(contenders[0].size))
    lineups = [Lineup(list(contender.formats.values()), [picture]) for contender in contenders]
    result = benchmark(lineups, rounds)
    rows = []
    for contender, measured in zip(contenders, result["lineups"], strict=True):
        figures = dict(zip(contender.formats, measured, strict=True))
        rows.append(
            {
                "name": contender.name,
                "size": list(contender.size),
                "params": contender.params,
                "gmacs": contender.macs / 1e9,
                "megabytes": {engine: own["megabytes"] for engine, own in figures.items() if engine != "torch"},
                "ms": {engine: own["ms"] for engine, own in figures.items()},
            }
        )
    return {"rounds": rounds, "peak_gflops": result["peak_gflops"], "rows": rows}


def bottom_ups_table(result: dict) -> str:
    """What `time_contenders` gave, with "cpu", "threads" and "torch", as Markdown; "-": an engine is not installed."""
    files = [engine for engine in ENGINES if engine != "torch"]
    header = ["model", "params, M", "GMACs", *(f"{ENGINES[engine]}, MB" for engine in files)]
    header += [f"{name}, ms" for name in ENGINES.values()]
    cells = [
        [row["name"], row["params"] / 1e6, row["gmacs"]]
        + [row["megabytes"].get(engine) for engine in files]
        + [row["ms"].get(engine) for engine in ENGINES]
        for row in result["rows"]
    ]
    height, width = result["rows"][0]["size"]
    return (
        f"{aligned_table(header, cells)}\n\n"
        f"Milliseconds from {height} x {width} pixels to boxes, medians of {result['rounds']} rounds in each of which "
        f"all take turns: {result['cpu']}, {result['threads']} thread(s), torch {result['torch']}, peak meanwhile "
        f"{result['peak_gflops']:.0f} GFLOP/s. Weights are random, 1,000 candidates go into suppression."
    )
