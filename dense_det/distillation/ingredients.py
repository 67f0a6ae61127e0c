"""What a recipe's results hang on besides its words: files and folders that must be there, and what the files hold."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from dense_det.data.catalog import class_names
from dense_det.data.pdf.document import sha256_of
from dense_det.distillation.class_table import read_class_map
from dense_det.distillation.recipe import Recipe
from dense_det.distillation.sources import Expansion
from dense_det.distillation.verb_words import run_arguments
from dense_det.suggest import unknown


@dataclass(frozen=True)
class ConfigDoors:
    """Two functions of dense_det.config, which this room may not import: `digests` of a config's files, by path, and of
    (config, opts) the file of `initial_weights`, or ""."""

    digests: Callable[[str], dict[str, str]]
    initial_weights: Callable[[str, tuple[str, ...]], str]


def require_ingredients(recipe: Recipe, doors: ConfigDoors) -> None:
    """What a person may have misspelt in the recipe.

    Raises:
        ValueError: a file, a folder or a source that is not there, an option that no config has, or a class map that
            leads to a class that the labelled images do not have.
        FileNotFoundError: no such config.
    """
    data, teacher = recipe.data, recipe.teacher
    for what, path, is_there in (
        ("labelled images", data.labelled, os.path.isfile),
        ("validation images", data.validation, os.path.isfile),
        ("truth of the unlabelled images", data.truth, os.path.isfile),
        ("labelled_images", data.labelled_images, os.path.isdir),
        ("validation_images", data.validation_images, os.path.isdir),
        ("image_root", data.image_root, os.path.isdir),
        ("the teacher", teacher.onnx or teacher.weights, os.path.isfile),
        *(("MODEL.WEIGHTS", weights, os.path.isfile) for weights in _initial_weights(recipe, doors)),
    ):
        if path and not is_there(path):
            kind = "file" if is_there is os.path.isfile else "folder"
            raise ValueError(f"no {kind} {path} ({what}): make it, or name the right one in the recipe")
    for source in data.unlabelled:
        if not os.path.exists(source):
            next(Expansion().candidates(source), None)  # raises where a pattern finds nothing
    if teacher.class_map:
        _require_targets("teacher.class_map", teacher.class_map, class_names(data.labelled))
    for name, way in recipe.labels.items():
        args = run_arguments(way.run)
        if args.class_map:
            known = args.classes or class_names(data.labelled)
            _require_targets(f"labels.{name}: {args.class_map}", read_class_map(args.class_map), known)
        if args.opts and teacher.config:
            doors.initial_weights(teacher.config, tuple(args.opts))  # raises for a key that no config has


def ingredient_digests(recipe: Recipe, doors: ConfigDoors) -> dict[str, str]:
    """SHA-256 of the files, by path; of the unlabelled only of lists and tars, of configs what they say."""
    data, teacher = recipe.data, recipe.teacher
    files = (data.labelled, data.validation, data.truth, *data.unlabelled, teacher.onnx, teacher.weights)
    files = [file for file in (*files, *_initial_weights(recipe, doors)) if os.path.isfile(file)]
    digests = {file: sha256_of(file) for file in files}
    for config in filter(None, (teacher.config, recipe.student.config)):
        digests |= doors.digests(config)
    return digests


def require_same_classes(recipe: Recipe) -> None:
    """ValueError: labels are judged by the validation file, which has other classes, or another order of them."""
    labelled, validation = (class_names(file) for file in (recipe.data.labelled, recipe.data.validation))
    if labelled != validation:
        raise ValueError(
            f"{recipe.data.labelled} has the classes {labelled}, but {recipe.data.validation} has {validation}: they "
            "must be the same by rising id, also those without a box; mend the categories"
        )


def _require_targets(what: str, class_map: dict, classes) -> None:
    for target in class_map.values():
        if target is not None and target not in classes:
            raise ValueError(f"{what}: {unknown('class of the labelled images', target, classes)}")


def _initial_weights(recipe: Recipe, doors: ConfigDoors) -> list[str]:
    """The files that the trainings of the recipe begin from."""
    teacher, student = recipe.teacher, recipe.student
    trainings = [(student.config, (*student.opts, *way.opts)) for way in recipe.labels.values()]
    trainings.append((student.config, student.opts))
    if recipe.trains_teacher:
        trainings.append((teacher.config, teacher.opts))
    return sorted({doors.initial_weights(*training) for training in trainings} - {""})
