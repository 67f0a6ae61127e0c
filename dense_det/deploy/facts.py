"""What an exported file says of itself."""

import hashlib
import json
from pathlib import Path

import numpy as np
import yaml

from dense_det.data.pdf.document import sha256_of
from dense_det.data.training_record import recorded_classes

LICENCE = (
    "dense_det, which wrote this file, is Apache-2.0. The weights stand under the terms of the data and of the weights "
    "that they were trained from; this file does not change them."
)


def build_facts(cfg, config_file, classes, version: str, licence: str = "") -> dict:
    """Plain values for JSON: how images go in, what the classes are called, and what the file was made of.

    "thresholds" has a number for each class, "thresholds_from" the evaluation's file, or "" where there was none;
    "least_score" is the one below which the file has no boxes (FCOS: the class's alone); the best
    "candidates_per_level" of each level of the pyramid go into suppression; of two of a class that overlap by more than
    "nms_iou" it has one, and of an image at most "detections_per_image"; "precision" is that of a file in 32-bit
    floats, see delivery for those in 8-bit integers.

    Args:
        classes: names, in the order of training (by rising category id); () takes those of the training.
        version: of dense_det.
        licence: of the data and of the weights that the training began from; "" takes what a card beside the weights,
            as those of zoo/, says of them.

    Raises:
        ValueError: no names, or not as many as the network has classes.
    """
    retinanet, fcos = cfg.MODEL.RETINANET, cfg.MODEL.FCOS
    num_classes, least_score = retinanet.NUM_CLASSES, retinanet.SCORE_THRESH_TEST
    iou, most, candidates = retinanet.NMS_THRESH_TEST, cfg.TEST.DETECTIONS_PER_IMAGE, retinanet.TOPK_CANDIDATES_TEST
    if cfg.MODEL.PROPOSAL_GENERATOR.NAME == "DenseDetFCOS":
        num_classes, least_score = fcos.NUM_CLASSES, fcos.INFERENCE_TH_TEST
        iou, most, candidates = fcos.NMS_TH, fcos.POST_NMS_TOPK_TEST, fcos.PRE_NMS_TOPK_TEST
    outputs = "boxes float32 (R, 4) xyxy in pixels of the input, scores float32 (R,), classes int64 (R,)"
    masks = cfg.MODEL.MASK_ON and cfg.MODEL.META_ARCHITECTURE == "DenseDetCenterMask"
    if masks:
        outputs += ", mask_scores float32 (R,), masks float32 (R, S, S): probabilities within the boxes"
    source, points = find_points(cfg.MODEL.WEIGHTS, classes)
    classes = list(classes or points or recorded_classes(Path(cfg.MODEL.WEIGHTS).parent))
    if not classes:
        raise ValueError(
            f"the classes have no names: {cfg.MODEL.WEIGHTS} has neither evaluation/thresholds.json nor run.json "
            "beside it, so give --classes A B ... or --labelled JSON IMAGES"
        )
    if len(classes) != num_classes:
        raise ValueError(f"the network has {num_classes} classes, but {len(classes)} names: {', '.join(classes)}")
    what = cfg.clone()  # not where it lies and runs
    what.defrost()
    what.MODEL.WEIGHTS = what.MODEL.DEVICE = what.OUTPUT_DIR = ""
    return {
        "input": "image: uint8 (1, H, W, 3), RGB, upright, any H and W",
        "outputs": outputs,
        "masks": masks,
        "quads": masks and cfg.MODEL.ROI_MASK_HEAD.QUADS,
        "min_size": cfg.INPUT.MIN_SIZE_TEST,
        "max_size": cfg.INPUT.MAX_SIZE_TEST,
        "classes": classes,
        "thresholds": thresholds_of(points, classes),
        "thresholds_from": source,
        "least_score": least_score,
        "candidates_per_level": candidates,
        "nms_iou": iou,
        "detections_per_image": most,
        "precision": "float32",
        "config": Path(config_file).name,
        "config_sha256": hashlib.sha256(what.dump().encode()).hexdigest(),
        "weights": Path(cfg.MODEL.WEIGHTS).name,
        "weights_sha256": sha256_of(cfg.MODEL.WEIGHTS),
        "dense_det": version,
        "licence": " ".join(filter(None, (LICENCE, licence or _on_card(cfg.MODEL.WEIGHTS)))),
    }


def _on_card(weights) -> str:
    """The list under "Licence" of the CARD.md beside weights; "" where there is none."""
    card = Path(weights).parent / "CARD.md"
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    lines = text.partition("\n## Licence\n")[2].partition("\n## ")[0].splitlines()
    return "; ".join(line.removeprefix("- ") for line in lines if line.startswith("- "))


def candidates_facts(facts: dict, iou: float, most: int) -> dict:
    """What a file without suppression says otherwise; `iou` and `most` as suppression.finish takes them."""
    todo = (
        "all candidates above least_score by falling score, before suppression: of two of a class that overlap by more "
        "than nms.iou drop the lower, keep the nms.most best, then cut them to the image"
    )
    return {"outputs": f"{facts['outputs']}; {todo}", "nms": {"iou": iou, "most": most}}


def find_points(weights, classes) -> tuple[str, dict]:
    """(file, {class: {"threshold", ...} or None}) of the evaluation beside a run's weights; ("", {}) if there is none.

    Args:
        classes: take only an evaluation of exactly these; () takes any.

    Raises:
        ValueError: evaluations of several data sets, see choose_evaluation; a file that is not JSON.
    """
    folder = Path(weights).parent
    files = sorted((folder / "evaluation").rglob("thresholds.json"))
    found = {file: _read(file) for file in files}
    fitting = [file for file, points in found.items() if not classes or list(points) == list(classes)]
    file = choose_evaluation(folder, fitting)
    return (str(file.relative_to(folder)), found[file]) if file else ("", {})


def trained_classes(weights) -> tuple[str, ...]:
    """The names of a network's classes, in its order, as the evaluation or the training beside its weights has them;
    () where there is neither. ValueError: as find_points.
    """
    return tuple(find_points(weights, ())[1]) or recorded_classes(Path(weights).parent)


def thresholds_of(points: dict, classes) -> list[float]:
    """One for each class; a class without a point of its own gets the median of the others', or 0.5."""
    known = [point["threshold"] for point in points.values() if point]
    other = float(np.median(known)) if known else 0.5
    return [points[name]["threshold"] if points.get(name) else other for name in classes]


def choose_evaluation(folder: Path, files: list[Path]) -> Path | None:
    """Of a run's thresholds.json the one to use; None of none.

    That is the file in evaluation/ itself; else, of several data sets, which have a folder each, the one of the first
    of DATASETS.TEST, on which the training chose its best weights; else the only one.

    Raises:
        ValueError: none of these.
    """
    own = folder / "evaluation"
    by_name = {str(file.parent.relative_to(own)): file for file in files}
    file = by_name.get(".") or by_name.get(_first_test_set(folder / "config.yaml"))
    if file is None and len(files) > 1:
        raise ValueError(
            f"{own} has thresholds of several data sets ({', '.join(by_name)}), and none of them is the first of "
            f"DATASETS.TEST in {folder / 'config.yaml'}: copy the thresholds.json to use into {own}"
        )
    return file or next(iter(files), None)


def _read(file: Path) -> dict:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: not JSON ({error}): mend it, or remove it") from error


def _first_test_set(config: Path) -> str | None:
    """In the config.yaml that a run wrote; None where it names none."""
    try:
        return str(yaml.safe_load(config.read_text(encoding="utf-8"))["DATASETS"]["TEST"][0])
    except (OSError, ValueError, KeyError, IndexError, TypeError, yaml.YAMLError):
        return None
