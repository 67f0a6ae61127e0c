"""The kinds of finding that a check of a COCO data set can make: one row each, with what to do about it."""

from dataclasses import dataclass

BOX_TOLERANCE_PX = 1.0  # rounding of annotation tools: a box may stick out of its image by this much
MASK_TOLERANCE_PX = 2.0  # outlines and boxes are often drawn apart
MIN_SIDE_PX = 0.01  # a box with a shorter side has no area left in float32 at page size
SMALL_OBJECT_PX = 4.0  # shorter side at the training size, below which a stride-8 pyramid sees almost nothing
MAX_PX = 2**24  # float32, which boxes become, counts in whole pixels up to here
MAX_ID = 2**63 - 1  # evaluators hold ids in 64 bits
MAX_NESTING = 50  # levels of lists and objects inside a field that nobody here reads


@dataclass(frozen=True)
class Kind:
    """What is wrong, what a person can do, and what `--fix` does ("" where only a person can decide)."""

    severity: str
    what: str
    advice: str
    fix: str = ""


def _error(what, advice, fix=""):
    return Kind("error", what, advice, fix)


def _warning(what, advice, fix=""):
    return Kind("warning", what, advice, fix)


KINDS = {
    # the file
    "json-encoding": _error("not UTF-8 without byte order mark", "save the JSON as plain UTF-8", "rewritten as UTF-8"),
    "json-syntax": _error("not valid JSON", "make or copy the file again: it is damaged or cut short"),
    "json-constant": _warning("NaN or Infinity is not JSON", "write null or a number", "made null or dropped"),
    "json-nesting": _error(f"a field nested deeper than {MAX_NESTING}", "flatten or remove the field", "field dropped"),
    "not-an-object": _error("the top level is not an object", "give one with images, annotations and categories"),
    "no-images": _error("there are no images", 'list them under "images"'),
    "no-annotations": _error("there are no objects to learn", 'list them under "annotations", not all with iscrowd 1'),
    "no-categories": _error("there are no categories", 'list id and name of each under "categories"'),
    # categories
    "category-not-object": _error("an entry of categories is not an object", "give id and name", "dropped"),
    "category-id": _error("a category's id is not an integer >= 0", "number the categories", "renumbered"),
    "category-id-duplicate": _error("a category id is used twice", "keep one category per id", "all but one dropped"),
    "category-name": _error("a category has no name", "give each category a name that is text", "named category_<id>"),
    "category-name-duplicate": _warning("two categories share a name", "rename one, or merge them"),
    # images
    "image-not-object": _error("an entry of images is not an object", "give id, file_name, width, height", "dropped"),
    "image-id": _error("an image's id is not an integer >= 0", "number the images", "renumbered, or dropped"),
    "image-id-duplicate": _error(
        "an image id is used twice",
        "give each image its own id",
        "listed once if one file; if two files, both dropped: whose boxes are they?",
    ),
    "file-name": _error("no usable file_name", "give the file's path below the image folder", "image dropped"),
    "file-name-outside": _error(
        "file_name leads out of the image folder, or has '..' in it",
        "give plain paths below the image folder, or the folder that holds all images",
        "image dropped",
    ),
    "file-name-duplicate": _error("one file is listed as two images", "list it once, with all its boxes", "merged"),
    "image-size": _error("width or height is not an integer > 0", "write the file's size", "taken from the file"),
    "image-size-wrong": _error(
        "width and height are not the file's (after EXIF rotation, as Detectron2 applies it)",
        "write the file's size, and see whether the boxes fit it",
        "taken from the file",
    ),
    "image-missing": _error("the image file does not exist", "add the file, or correct the image folder", "dropped"),
    "image-unreadable": _error("the image file cannot be read", "replace the file", "dropped"),
    "image-too-large": _error("more pixels than Pillow opens", "make the image smaller", "dropped"),
    "image-duplicate": _warning("two files have exactly the same content", "remove one"),
    "image-in-two-splits": _error(
        "the same picture is in another split too: AP would measure memory", "keep it in one split", "dropped here"
    ),
    # annotations
    "annotation-not-object": _error("an entry of annotations is not an object", "give an object", "dropped"),
    "annotation-id": _error("an annotation's id is not an integer >= 0", "number the annotations", "renumbered"),
    "annotation-id-duplicate": _error("an annotation id is used twice", "number them anew", "renumbered"),
    "annotation-id-zero": _warning("COCO evaluation counts matches with id 0 as misses", "start at 1", "renumbered"),
    "annotation-image": _error("image_id is no image's id", "correct it", "12.0 and '12' made 12, others dropped"),
    "annotation-category": _error(
        "category_id is no category's id", "correct it, or add the category", "12.0 and '12' made 12, others dropped"
    ),
    "bbox-missing": _error("no bbox", "give [x, y, width, height] in pixels", "dropped"),
    "bbox-type": _error("bbox is not a list of numbers", "give [x, y, width, height] in pixels", "dropped"),
    "bbox-length": _error("bbox has not 4 numbers", "give [x, y, width, height] in pixels", "dropped"),
    "bbox-not-finite": _error("bbox holds NaN, infinity or a number beyond 2**24", "draw the box again", "dropped"),
    "bbox-negative": _error("bbox has a negative width or height", "give x, y, width, height of the box", "dropped"),
    "bbox-zero": _error(f"bbox has a side below {MIN_SIDE_PX} px", "draw the box again", "dropped"),
    "bbox-outside": _error("bbox lies wholly outside its image", "draw the box again", "dropped"),
    "bbox-partly-outside": _warning(
        f"bbox sticks out by more than {BOX_TOLERANCE_PX:g} px", "clip it: training clips it in silence", "clipped"
    ),
    "bbox-duplicate": _warning("the same box and class twice on one image", "remove one", "all but one dropped"),
    "object-small": _warning(
        f"shorter side below {SMALL_OBJECT_PX:g} px at the training size", "train at a larger size, or leave them out"
    ),
    "objects-many": _warning(
        "more objects than TEST.DETECTIONS_PER_IMAGE: recall cannot reach 1", "raise TEST.DETECTIONS_PER_IMAGE"
    ),
    "area-missing": _warning("no area: pycocotools' evaluation fails without", "write width * height", "filled in"),
    "area": _error("area is not a number >= 0", "write width * height", "filled in"),
    "iscrowd-missing": _warning("no iscrowd: pycocotools' evaluation fails without", "write 0", "filled in"),
    "iscrowd": _error("iscrowd is not 0 or 1: Detectron2 skips the object in silence", "write 0 or 1", "made 0 or 1"),
    "ignore": _error('"ignore" is not supported by Detectron2', "use iscrowd 1", "made iscrowd 1"),
    "segmentation": _error(
        "segmentation is no polygon of 3 points or more and no RLE of the image",
        "correct or remove it: Detectron2 fails, or drops the object in silence",
        "segmentation dropped, box kept",
    ),
    "segmentation-partly": _warning("some polygons are broken", "remove them", "broken polygons dropped"),
    "segmentation-empty": _error(
        "the mask has no pixel: a mask head learns that there is nothing",
        "draw the mask, or remove it: objects may have a box alone",
        "segmentation dropped, box kept",
    ),
    "segmentation-outside-box": _warning(
        f"the mask reaches out of its box by more than {MASK_TOLERANCE_PX:g} px", "correct the mask or the box"
    ),
    "quad": _error(
        "quad is not 8 finite numbers", "give x, y of four corners, top left first, clockwise", "quad dropped"
    ),
    "keypoints": _error("keypoints are not x, y, visibility triples", "correct or remove them", "keypoints dropped"),
}
