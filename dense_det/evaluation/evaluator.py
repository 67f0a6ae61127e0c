"""The evaluator that Detectron2's `inference_on_dataset` drives."""

import logging
from collections import OrderedDict
from pathlib import Path

import numpy as np
from detectron2.data import MetadataCatalog
from detectron2.data.datasets.coco import convert_to_coco_json
from detectron2.evaluation import DatasetEvaluator
from detectron2.utils import comm

from dense_det.evaluation.coco_ap import STAT_NAMES, coco_stats
from dense_det.evaluation.detections import gather_detections, write_results
from dense_det.evaluation.ground_truth import load_ground_truth
from dense_det.evaluation.report import write_report

logger = logging.getLogger(__name__)


def build_evaluator(cfg, dataset_name: str, output_dir=None) -> "BoxEvaluator":
    """An evaluator of boxes by COCO's rules; with an `output_dir` it leaves numbers and pictures there."""
    return BoxEvaluator(dataset_name, output_dir, worst_images=cfg.TEST.WORST_IMAGES)


class BoxEvaluator(DatasetEvaluator):
    """COCO AP of boxes on a registered data set, in percent, under Detectron2's names.

    Predictions are kept as small arrays on the CPU; all processes hand theirs to the main one, which computes.
    The result does not depend on the number of processes.

    Args:
        dataset_name: registered; its metadata have "json_file", or it is written in COCO's format first.
        output_dir: where results and the report go; None writes nothing.
        worst_images: how many of the worst images the report draws.

    Raises:
        ValueError: a data set that is no COCO file, and no `output_dir` to write one in.
    """

    def __init__(self, dataset_name: str, output_dir=None, worst_images: int = 25):
        metadata = MetadataCatalog.get(dataset_name)
        if not metadata.get("json_file"):
            if output_dir is None:
                raise ValueError(f"{dataset_name!r} has no COCO file: give an output_dir to write one in")
            metadata.json_file = str(Path(output_dir) / f"{dataset_name}_coco_format.json")
            convert_to_coco_json(dataset_name, metadata.json_file)
        self.dataset_name = dataset_name
        self.output_dir = Path(output_dir) if output_dir is not None else None
        self.worst_images = worst_images
        self.reset()

    def reset(self):
        self._predictions = []

    def process(self, inputs, outputs):
        """Keep the "instances" of a batch of outputs, as Detectron2's models give them."""
        for image, output in zip(inputs, outputs, strict=True):
            instances = output["instances"].to("cpu")
            boxes = instances.pred_boxes.tensor.float().numpy()
            scores = instances.scores.float().numpy()
            classes = instances.pred_classes.numpy().astype(np.int16)
            self._predictions.append((image["image_id"], boxes, scores, classes))

    def evaluate(self) -> OrderedDict | None:
        """{"bbox": {"AP", "AP50", "AP75", "APs", "APm", "APl", "AP-<class>" ...}} in percent, NaN without ground truth.

        None in all but the main process; empty for a test set without annotations.
        """
        comm.synchronize()
        gathered = comm.gather(self._predictions, dst=0)
        if not comm.is_main_process():
            return None
        predictions = [prediction for part in gathered for prediction in part]
        metadata = MetadataCatalog.get(self.dataset_name)
        truth = load_ground_truth(metadata.json_file, metadata.get("thing_dataset_id_to_contiguous_id"))
        detections = gather_detections(predictions, truth)
        if self.output_dir:
            write_results(self.output_dir / "coco_instances_results.json", detections, truth)
        if not truth.annotated:
            logger.info("%s has no annotations: results are written, but not evaluated", metadata.json_file)
            return OrderedDict()
        stats = coco_stats(truth.coco(), detections.rows())
        results = {name: stats.percent(name) for name in STAT_NAMES[:6]}
        summary = ", ".join(f"{name} {'-' if np.isnan(value) else round(value, 2)}" for name, value in results.items())
        logger.info("%s: %s", self.dataset_name, summary)
        if len(truth.class_names) > 1:
            class_ap = 100 * stats.class_ap()
            results |= {f"AP-{name}": float(ap) for name, ap in zip(truth.class_names, class_ap, strict=True)}
        if self.output_dir:
            table = write_report(
                self.output_dir, metadata.get("image_root", ""), truth, detections, stats, self.worst_images
            )
            logger.info("Boxes of %s by class, at the best thresholds:\n%s", self.dataset_name, table)
        return OrderedDict(bbox=results)
