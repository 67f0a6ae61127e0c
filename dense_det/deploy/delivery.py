"""An exported file appears under its name only after it has found what its model finds."""

import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from dense_det.deploy.export import convert_to_openvino, export_onnx, folder_beside, save_openvino
from dense_det.deploy.facts import candidates_facts
from dense_det.deploy.formats import megabytes
from dense_det.deploy.graph import deploy_graph
from dense_det.deploy.parity import SAME_PX, average_precisions, compare, found_by
from dense_det.deploy.program import ProgramDetector, export_program
from dense_det.deploy.quantise import quantise_onnx, quantise_openvino
from dense_det.deploy.runtime import Detector
from dense_det.evaluation.ground_truth import GroundTruth
from dense_det.group_norm import written_out

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "torch-export": ".pt2"}
# how far the same computation in another order may lead
MOST_PX, MOST_SCORE, MOST_MASK = 1e-3, 1e-5, 1e-3
# boxes whose score or overlap lies within that of a threshold pass in one engine alone, and of two with nearly equal
# scores that suppress each other each may keep another (4 of 1,598 boxes, on one page): one in so many
ONE_ONLY_OF = 200
MOST_AP_LOST = 1.0  # by 8-bit integers


@dataclass(frozen=True)
class Delivery:
    """What to export, and what to check it with.

    Args:
        file: to write; .onnx, .xml or .pt2.
        images: files that the engine and the model are compared on.
        calibration: files for 8-bit integers; () stays with 32-bit floats.
        truth: to compute AP on, before and after; None computes none.
        truth_files: of its images.
        suppress: within the file; False leaves it to who runs it, see deploy_graph.
        allow_drop: keep a file that is not equal, or loses too much AP.
    """

    file: Path
    images: tuple[Path, ...]
    calibration: tuple[Path, ...] = ()
    truth: GroundTruth | None = None
    truth_files: tuple[Path, ...] = ()
    allow_drop: bool = False
    suppress: bool = True


def target(out: Path | None, weights: Path, kind: str, int8: bool) -> Path:
    """The file to write: `out`, or one in the folder `out` (that of the weights) that is named after the weights.

    Raises:
        ValueError: `out` is named like a file of another kind, or what is not an export's would be replaced.
    """
    suffix = SUFFIXES[kind]
    if out is not None and out.suffix in SUFFIXES.values() and not out.is_dir():
        if out.suffix != suffix:
            raise ValueError(f"--out {out}: --format {kind} writes *{suffix}: give such a name, or a folder")
        file = out
    else:
        file = (out or weights.parent) / f"{weights.stem}{'_int8' if int8 else ''}{suffix}"
    _require_no_other(file, weights)
    return file


def _require_no_other(file: Path, weights: Path) -> None:
    """Raises ValueError where `file`, or the .bin that comes with an .xml, would replace a checkpoint or the like."""
    network = file.with_suffix(".bin") if file.suffix == ".xml" else None
    for part in filter(None, (file, network)):
        if part.exists() and weights.exists() and part.samefile(weights):
            raise ValueError(f"{part} is the checkpoint itself, and would be replaced: give another --out")
    if network and network.exists() and not file.exists():
        raise ValueError(
            f"{network} would be replaced, and without {file.name} beside it it is no export's: give another --out, or "
            "move it away"
        )


def deliver(model: torch.nn.Module, facts: dict, delivery: Delivery) -> Iterator[str]:
    """Export a detector in evaluation mode; what was found on the way, a line each.

    Args:
        facts: see build_facts.

    Raises:
        ValueError: a detector without a graph, or a file that finds something else: then none is left.
        ImportError: a package is missing.
    """
    if delivery.calibration and delivery.file.suffix == ".pt2":
        raise ValueError("--int8 is for .onnx and .xml, not for .pt2: leave it out")
    with folder_beside(delivery.file) as folder:
        file = _write(model, facts, delivery, folder)
        detector = (ProgramDetector if file.suffix == ".pt2" else Detector)(file)
        faults = yield from _check(model, detector, delivery, exact=not delivery.calibration)
        if faults and not delivery.allow_drop:
            raise ValueError(f"{'; '.join(faults)}: nothing is written (--allow-drop writes it all the same)")
        for part in (file.with_suffix(".bin"), file):  # who sees the .xml finds its weights
            if part.exists():
                os.replace(part, delivery.file.with_suffix(part.suffix))
    yield f"{delivery.file} ({megabytes(delivery.file):.1f} MB)"


def _write(model, facts: dict, delivery: Delivery, folder: Path) -> Path:
    """The file as it is to be delivered, but in `folder` and under another name."""
    graph = deploy_graph(model, delivery.suppress)
    if graph.gives_candidates:
        facts = facts | candidates_facts(facts, graph.nms_iou, graph.most)
    # 8 bits have no use for all digits, and would go into every step of a norm that is written out
    with nullcontext() if delivery.calibration else written_out(model):
        if delivery.file.suffix == ".pt2":
            program = folder / "program.pt2"
            export_program(graph, program, facts)
            return program
        plain = folder / "float.onnx"
        export_onnx(graph, plain, facts)
    openvino = delivery.file.suffix == ".xml"
    if openvino:
        network, plain = convert_to_openvino(plain), folder / "float.xml"
        save_openvino(network, facts, plain)
    if not delivery.calibration:
        return plain
    reader, final = Detector(plain), folder / f"int8{delivery.file.suffix}"
    images = [reader.read(path)[0][None] for path in delivery.calibration]
    if facts.get("masks"):  # where nothing is found there is no mask to calibrate on
        images = [image for image in images if len(reader.run(image)[0])]
        if not images:
            raise ValueError(f"nothing is found in the {len(delivery.calibration)} images of --int8: give others")
    facts = facts | {"precision": "int8", "calibration_images": len(images)}
    if openvino:
        save_openvino(quantise_openvino(network, images), facts, final)
    else:
        quantise_onnx(plain, final, images, facts)
    return final


def _check(model, detector: Detector, delivery: Delivery, exact: bool):
    """Lines; returns what is not as it should be."""
    faults = []
    found = compare(model, detector, delivery.images)
    near = "" if exact else f", or of both but over {SAME_PX:g} px apart: 8 bits move boxes, AP says at what cost"
    yield (
        f"{len(delivery.images)} images, {found.both} boxes of both: at most {found.box_px:.3g} px "
        f"and {found.score:.2g} of score apart; {found.only_one} boxes of one alone{near}"
    )
    if detector.facts.get("masks"):
        yield f"masks: at most {found.mask:.2g} of probability apart"
    if not found.both + found.only_one:
        faults.append(
            f"nothing is found in {len(delivery.images)} images, so nothing was compared: give images with objects"
        )
    if not exact and found.only_one and not found.both:
        faults.append(
            f"none of the {found.only_one} boxes is found by both within {SAME_PX:g} px: calibrate on other images of "
            "--int8, or compare on more with --labelled"
        )
    if np.isnan([found.box_px, found.score, found.mask]).any():
        faults.append("not all that is found is a number (NaN)")
    if exact and not (found.box_px <= MOST_PX and found.score <= MOST_SCORE):
        faults.append(f"boxes may differ by {MOST_PX} px and {MOST_SCORE} of score")
    if exact and not found.mask <= MOST_MASK:
        faults.append(f"masks may differ by {MOST_MASK} of probability")
    if exact and found.only_one > found.both / ONE_ONLY_OF:
        others = f" and {len(found.images) - 3} more" if len(found.images) > 3 else ""
        faults.append(f"{found.only_one} boxes are found by one alone, in {', '.join(found.images[:3])}{others}")
    if delivery.truth is not None:
        faults += yield from _check_ap(model, detector, delivery, exact)
    return faults


def _check_ap(model, detector: Detector, delivery: Delivery, exact: bool):
    """As _check, of the AP before and after. A file that is equal needs none."""
    faults = []
    before, after = (
        average_precisions(find, detector, delivery.truth_files, delivery.truth)
        for find in (lambda pixels: found_by(model, pixels), lambda pixels: detector.run(pixels[None]))
    )
    for kind, value in before.items():
        if np.isnan(value):
            classes = ", ".join(detector.facts["classes"])
            nothing = f"{kind} has no value: no object of {classes} that counts is in the labelled images"
            yield nothing
            faults += [] if exact else [f"{nothing}, so nobody knows what 8 bits cost: give others"]
            continue
        yield f"{kind} {value:.2f} before, {after[kind]:.2f} after"
        if not after[kind] >= value - MOST_AP_LOST:
            faults.append(f"{kind} may fall by {MOST_AP_LOST}")
    return faults
