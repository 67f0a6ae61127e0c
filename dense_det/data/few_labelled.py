"""A few labelled images of a COCO file, as if the others had never been labelled."""

import json
from pathlib import Path

import numpy as np

from dense_det.atomic_file import atomic_file


def few_labelled(tree: dict, count: int, seed: int) -> dict:
    """`count` images of a COCO tree, drawn at random, and their annotations; ids as they were.

    Images without objects are drawn as others are: how many objects an image has is to be that of all of them.

    Raises:
        ValueError: there are fewer images, or none of those that are drawn has an object.
    """
    ids = sorted(image["id"] for image in tree["images"])
    if not 1 <= count <= len(ids):
        raise ValueError(f"{count} labelled images were asked for, there are {len(ids)}")
    drawn = set(np.random.default_rng(seed).choice(ids, count, replace=False).tolist())
    images = [image for image in tree["images"] if image["id"] in drawn]
    annotations = [annotation for annotation in tree["annotations"] if annotation["image_id"] in drawn]
    if not annotations:
        raise ValueError(f"none of {count} labelled images has an object: ask for more, or give another seed")
    return {**tree, "images": images, "annotations": annotations}


def write_few_labelled(json_file, out, count: int, seed: int) -> dict:
    """`few_labelled` of a COCO file, as the file `out`; returns its tree."""
    tree = few_labelled(json.loads(Path(json_file).read_text(encoding="utf-8")), count, seed)
    with atomic_file(out) as file:
        json.dump(tree, file, separators=(",", ":"))
        file.write("\n")
    return tree
