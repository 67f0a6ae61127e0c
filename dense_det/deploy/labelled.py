"""A labelled set in the order of a detector's classes."""

from dense_det.evaluation.ground_truth import GroundTruth, load_ground_truth


def load_labelled(json_file, classes=()) -> GroundTruth:
    """Read a COCO file, whose ids may order the categories in another way: they are known by their names.

    Args:
        classes: names, in the detector's order; () takes the file's own.

    Raises:
        ValueError: the file names other categories.
    """
    truth, classes = load_ground_truth(json_file), list(classes)
    if not classes or truth.class_names == classes:
        return truth
    if sorted(truth.class_names) != sorted(classes) or len(set(classes)) < len(classes):
        raise ValueError(
            f"{json_file} has the categories {', '.join(truth.class_names)}, but the detector has the classes "
            f"{', '.join(classes)}: they must have the same names"
        )
    ids = zip(truth.category_ids, truth.class_names, strict=True)
    return load_ground_truth(json_file, {category: classes.index(name) for category, name in ids})
