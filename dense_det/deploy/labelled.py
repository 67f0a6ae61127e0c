"""A labelled set in the order of a detector's classes."""

import logging

from dense_det.evaluation.ground_truth import GroundTruth, load_ground_truth

logger = logging.getLogger(__name__)


def load_labelled(json_file, classes=()) -> GroundTruth:
    """Read a COCO file, whose ids may order the categories in another way: they are known by their names.

    Categories that the detector does not have are left out, and a warning says so: AP is the mean over its own classes,
    each judged alone, so that it stays what it is. On such an object it has nothing to find: what it says there is
    wrong.

    Args:
        classes: names, in the detector's order; () takes the file's own.

    Raises:
        ValueError: a class that the file does not have as a category, or that one of both has twice.
    """
    truth, classes = load_ground_truth(json_file), list(classes)
    if not classes or truth.class_names == classes:
        return truth
    if len(set(classes)) < len(classes) or any(truth.class_names.count(name) != 1 for name in classes):
        raise ValueError(
            f"{json_file} has the categories {', '.join(truth.class_names)}, but the detector has the classes "
            f"{', '.join(classes)}: expected each of them once; rename categories, or add those of which there is no "
            "object"
        )
    ids = dict(zip(truth.class_names, truth.category_ids, strict=True))
    known = load_ground_truth(json_file, {ids[name]: k for k, name in enumerate(classes)})
    if others := [name for name in truth.class_names if name not in classes]:
        logger.warning(
            "%s: the detector has no class %s: these %d objects are left out, and AP is of %s alone",
            json_file, ", ".join(others), len(truth.classes) - len(known.classes), ", ".join(classes),
        )  # fmt: skip
    return known
