"""Detectron2's evaluators of panoptic networks, as far as the data set and the machine have what they need."""

import logging
from importlib.util import find_spec

import numpy as np
from detectron2.data import MetadataCatalog
from detectron2.evaluation import COCOPanopticEvaluator, DatasetEvaluator, SemSegEvaluator
from PIL import Image

logger = logging.getLogger(__name__)


def panoptic_evaluators(dataset_name: str, output_dir=None) -> list[DatasetEvaluator]:
    """The evaluators of "sem_seg" (mIoU ...) and "panoptic_seg" (PQ ...) of a registered data set.

    PQ needs the data set's panoptic_json, and panopticapi, whose releases ask for NumPy 1: it is no extra of ours, and
    without it PQ is left out, with a warning that says where it is.
    """
    metadata = MetadataCatalog.get(dataset_name)
    folder = str(output_dir) if output_dir is not None else None
    evaluators = []
    if metadata.get("sem_seg_root"):
        evaluators.append(SemSegEvaluator(dataset_name, output_dir=folder, sem_seg_loading_fn=_read_classes))
    if metadata.get("panoptic_json") and find_spec("panopticapi") is None:
        logger.warning(
            "no panoptic quality (PQ) of %s: it needs the package panopticapi, from "
            "https://github.com/cocodataset/panopticapi or by pip install --no-deps panopticapi-lite",
            dataset_name,
        )
    elif metadata.get("panoptic_json"):
        evaluators.append(COCOPanopticEvaluator(dataset_name, folder))
    return evaluators


def _read_classes(path, dtype) -> np.ndarray:
    # Detectron2's own function forbids NumPy the copy that another dtype needs: an error since NumPy 2
    with Image.open(path) as image:
        return np.array(image).astype(dtype)
