"""What is in a set of scenes: classes, how much of each document is seen, how large it is."""

import numpy as np

_SIZES = ((0, 96, "small"), (96, 192, "medium"), (192, 10**6, "large"))  # square root of the visible area, in pixels


def scene_statistics(tree: dict) -> dict:
    """Counts of a COCO tree whose annotations have "visible".

    {"pictures", "negatives", "documents": {class: number}, "visible": {"whole", "cut", "under half"}, "sizes":
    {"small", "medium", "large"}, "median_side_px"}: whole is at least 95 % seen, cut at least half.
    """
    names = {category["id"]: category["name"] for category in tree["categories"]}
    documents = dict.fromkeys(names.values(), 0)
    for annotation in tree["annotations"]:
        documents[names[annotation["category_id"]]] += 1
    visible = np.array([annotation["visible"] for annotation in tree["annotations"]])
    sides = np.sqrt([annotation["area"] for annotation in tree["annotations"]])
    with_documents = {annotation["image_id"] for annotation in tree["annotations"]}
    return {
        "pictures": len(tree["images"]),
        "negatives": len(tree["images"]) - len(with_documents),
        "documents": documents,
        "visible": {
            "whole": int((visible >= 0.95).sum()),
            "cut": int(((visible >= 0.5) & (visible < 0.95)).sum()),
            "under half": int((visible < 0.5).sum()),
        },
        "sizes": {name: int(((sides >= low) & (sides < high)).sum()) for low, high, name in _SIZES},
        "median_side_px": round(float(np.median(sides)), 1) if len(sides) else 0.0,
        "backgrounds": len({image["background"] for image in tree["images"]}),
    }


def statistics_lines(split: str, counts: dict) -> list[str]:
    """The numbers for people."""
    documents, visible, sizes = (
        ", ".join(f"{name} {number}" for name, number in counts[key].items())
        for key in ("documents", "visible", "sizes")
    )
    return [
        f"  {split}: {counts['pictures']} pictures on {counts['backgrounds']} photographs, "
        f"{counts['negatives']} of them without a document; {documents}",
        f"    seen: {visible}; sizes: {sizes}; median side {counts['median_side_px']} px",
    ]
