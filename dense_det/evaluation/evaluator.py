"""The evaluator that Detectron2's `inference_on_dataset` drives."""

import logging
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pycocotools.mask as coco_mask
from detectron2.data import MetadataCatalog
from detectron2.data.datasets.coco import convert_to_coco_json
from detectron2.evaluation import DatasetEvaluator, DatasetEvaluators
from detectron2.utils import comm

from dense_det.evaluation.coco_ap import STAT_NAMES, CocoStats, coco_stats
from dense_det.evaluation.detections import Detections, Prediction, gather_detections, write_results
from dense_det.evaluation.ground_truth import GroundTruth, load_ground_truth
from dense_det.evaluation.operating_points import best_points
from dense_det.evaluation.panoptic import panoptic_evaluators
from dense_det.evaluation.quads import quad_metrics
from dense_det.evaluation.report import write_report

logger = logging.getLogger(__name__)


def build_evaluator(cfg, dataset_name: str, output_dir=None) -> DatasetEvaluator:
    """An evaluator of boxes and masks by COCO's rules; with an `output_dir` it leaves numbers and pictures there.

    For a PanopticFPN also Detectron2's, of the classes of pixels ("sem_seg") and of both together ("panoptic_seg").
    """
    instances = CocoEvaluator(dataset_name, output_dir, worst_images=cfg.TEST.WORST_IMAGES)
    if cfg.MODEL.META_ARCHITECTURE != "PanopticFPN":
        return instances
    return DatasetEvaluators([instances, *panoptic_evaluators(dataset_name, output_dir)])


class CocoEvaluator(DatasetEvaluator):
    """COCO AP of boxes on a registered data set, in percent, under Detectron2's names; of masks and corners, too,
    where the detector gives them and the data set has them.

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
        """Keep the "instances" of a batch of outputs, as Detectron2's models give them; masks as RLE.

        Masks are ranked by `mask_scores` where instances have them (mask scoring), boxes by `scores`.
        """
        for image, output in zip(inputs, outputs, strict=True):
            instances = output["instances"].to("cpu")
            self._predictions.append(
                Prediction(
                    image["image_id"],
                    boxes=instances.pred_boxes.tensor.float().numpy(),
                    scores=instances.scores.float().numpy(),
                    classes=instances.pred_classes.numpy().astype(np.int16),
                    masks=encode_masks(instances.pred_masks.numpy()) if instances.has("pred_masks") else None,
                    mask_scores=instances.mask_scores.float().numpy() if instances.has("mask_scores") else None,
                    quads=instances.pred_quads.float().numpy() if instances.has("pred_quads") else None,
                )
            )

    def evaluate(self) -> OrderedDict | None:
        """{"bbox": {"AP", "AP50", "AP75", "APs", "APm", "APl", "AP-<class>" ...}} in percent, NaN without ground truth;
        "segm" alike for masks, "quad" for corners, see quads.quad_metrics.

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
        stats = {"bbox": coco_stats(truth.coco(), detections.rows())}
        if detections.masks is not None and truth.has_masks:
            stats["segm"] = coco_stats(truth.coco(with_masks=True), detections.mask_rows(), "segm")
        results = OrderedDict((task, self._summary(task, of_task, truth)) for task, of_task in stats.items())
        points = best_points(truth, detections)
        quads = self._quads(truth, detections, points)
        if quads:
            results["quad"] = quads
            logger.info("%s, quad: %s", self.dataset_name, _as_text(quads))
        if self.output_dir:
            image_root = metadata.get("image_root", "")
            table = write_report(
                self.output_dir, image_root, truth, detections, stats, points, quads, self.worst_images
            )
            logger.info("Boxes of %s by class, at the best thresholds:\n%s", self.dataset_name, table)
        return results

    def _summary(self, task: str, stats: CocoStats, truth: GroundTruth) -> dict[str, float]:
        results = {name: stats.percent(name) for name in STAT_NAMES[:6]}
        logger.info("%s, %s: %s", self.dataset_name, task, _as_text(results))
        if len(truth.class_names) > 1:
            class_ap = 100 * stats.class_ap()
            results |= {f"AP-{name}": float(ap) for name, ap in zip(truth.class_names, class_ap, strict=True)}
        return results

    def _quads(self, truth: GroundTruth, detections: Detections, points) -> dict[str, float]:
        if detections.quads is None or truth.quads is None:
            return {}
        return quad_metrics(truth, detections.select(points.kept), points.matches[points.kept])


def encode_masks(masks: np.ndarray) -> list[dict]:
    """R COCO RLE dicts of masks (R, H, W) bool; their counts are text, as JSON needs it."""
    if not len(masks):
        return []
    encoded = coco_mask.encode(np.asfortranarray(masks.transpose(1, 2, 0), dtype=np.uint8))
    return [{"size": list(rle["size"]), "counts": rle["counts"].decode("ascii")} for rle in encoded]


def _as_text(results: dict[str, float]) -> str:
    return ", ".join(f"{name} {'-' if np.isnan(value) else round(value, 2)}" for name, value in results.items())
