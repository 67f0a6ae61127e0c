"""How good is a detector: COCO's numbers, and the pictures that explain them."""

from dense_det.evaluation.coco_ap import CocoStats, coco_stats
from dense_det.evaluation.evaluator import CocoEvaluator, build_evaluator

__all__ = ["CocoEvaluator", "CocoStats", "build_evaluator", "coco_stats"]
