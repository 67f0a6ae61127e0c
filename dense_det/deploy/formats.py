"""One detector in every format that is at hand, each with the same face."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from dense_det.data.pdf.document import sha256_of
from dense_det.deploy.parity import found_by
from dense_det.deploy.program import ProgramDetector
from dense_det.deploy.runtime import Detector
from dense_det.fold_bn import fold_bn

# what tools/export_model.py writes beside the weights: format -> what follows their name, and its words
EXPORTED = {
    "ONNX Runtime": (".onnx", ""),
    "ONNX Runtime int8": ("_int8.onnx", " --int8 IMAGES"),
    "OpenVINO": (".xml", " --format openvino"),
    "OpenVINO int8": ("_int8.xml", " --format openvino --int8 IMAGES"),
}
PROGRAM = {"torch.export": (".pt2", " --format torch-export")}  # in which torch may unpickle what runs any code
# facts that time and AP depend on; the digest of the whole config differs by channels_last, and by any new key of ours
SETTINGS = (
    "classes",
    "masks",
    "min_size",
    "max_size",
    "least_score",
    "candidates_per_level",
    "nms_iou",
    "detections_per_image",
)


class LiveDetector(Detector):
    """A network in torch with the face of an exported file.

    Args:
        model: in evaluation mode, on the CPU.
        facts: see build_facts.
    """

    def __init__(self, model: torch.nn.Module, facts: dict):
        self.run, self._threads = lambda image: found_by(model, image[0]), 1  # torch's own threads serve one image
        self.facts, self.classes, self.scaled_decode = facts, tuple(facts["classes"]), False


@dataclass(frozen=True)
class Format:
    """Attributes:
    name: of the format, for people.
    file: that holds the detector.
    detector: None where this machine cannot run it.
    missing: then what is missing, and what to do.
    """

    name: str
    file: Path
    detector: Detector | None
    missing: str = ""

    @property
    def megabytes(self) -> float | None:
        """Of the file, OpenVINO's weights beside it included; None without one."""
        return megabytes(self.file) if self.file.exists() else None


def megabytes(file: Path) -> float:
    """10^6 bytes of a file, and of the .bin that lies beside an .xml."""
    parts = [file, file.with_suffix(".bin")] if file.suffix == ".xml" else [file]
    return sum(part.stat().st_size for part in parts if part.exists()) / 1e6


def torch_formats(load: Callable[[bool], torch.nn.Module], weights: Path, facts: dict) -> list[Format]:
    """As it is, and as it is fastest: batch norms folded, NHWC in memory.

    Args:
        load: channels_last? -> the detector, in evaluation mode.
    """
    return [
        Format("torch", weights, LiveDetector(load(False), facts)),
        Format("torch, folded, channels_last", weights, LiveDetector(fold_bn(load(True)), facts)),
    ]


def exported_formats(weights: Path, facts: dict, threads: int, trust_pickle: bool = False) -> list[Format]:
    """The files beside the weights, in the order of EXPORTED; those that are not there, cannot run, leave suppression
    to who runs them, or are of other weights or settings say so.

    Args:
        facts: of the detector itself, see build_facts.
        threads: of the CPU; 0 is the engine's own choice. A .pt2 file has those of torch.
        trust_pickle: with PROGRAM.
    """
    formats, digest = [], sha256_of(weights)
    for name, (ending, words) in (EXPORTED | (PROGRAM if trust_pickle else {})).items():
        file = weights.with_name(weights.stem + ending)
        detector, missing = None, f"no {file.name}: tools/export_model.py{words} writes it"
        if file.is_file():
            try:
                detector, missing = (ProgramDetector if file.suffix == ".pt2" else Detector)(file, threads), ""
            except (ImportError, ValueError) as error:
                missing = str(error).removeprefix(f"{file} ").replace(str(file), file.name)
        if detector and detector.facts.get("weights_sha256") != digest:
            detector, missing = None, f"{file.name} is of other weights: export again"
        elif detector and "nms" in detector.facts:
            detector, missing = None, f"{file.name} was made with --nms outside: export again"
        elif detector and (others := _other_settings(detector.facts, facts)):
            detector, missing = None, f"{file.name} is of other settings: export again ({others})"
        formats.append(Format(name, file, detector, missing))
    return formats


def _other_settings(facts: dict, own: dict) -> str:
    """What a file says otherwise; "" where it is of the same. Files of older days say less."""
    others = [key for key in SETTINGS if key in facts.keys() & own.keys() and facts[key] != own[key]]
    return ", ".join(f"its {key} {facts[key]}, the detector's {own[key]}" for key in others)
