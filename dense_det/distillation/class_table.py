"""From a teacher's class names to those of the data set that it labels."""

import json
from pathlib import Path

import numpy as np
import yaml

from dense_det.data.classes import KNOWN_TABLES
from dense_det.suggest import unknown

DROPPED = -1


def class_table(teacher_names, names, mapping: dict | None = None) -> np.ndarray:
    """(K_teacher,) int64: the data set's class of each of the teacher's, DROPPED where it has none.

    A name stands for itself unless `mapping` says otherwise; names of known data sets are also translated by the
    tables of dense_det.data.classes.

    Args:
        names: the data set's class names, in order.
        mapping: the teacher's name -> the data set's, or None for "not labelled".

    Raises:
        ValueError: a name that leads nowhere, or a mapping with names that are not there.
    """
    mapping = dict(mapping or {})
    for name, target in mapping.items():
        if name not in teacher_names:
            raise ValueError(f"class map: {unknown('class of the teacher', name, teacher_names)}")
        if target is not None and target not in names:
            raise ValueError(f"class map: {unknown('class of the data set', target, names)}")
    known = next((t for t in KNOWN_TABLES if set(teacher_names) <= t.keys() and set(names) & set(t.values())), {})
    lost = [name for name in teacher_names if name not in mapping and name not in names and name not in known]
    if lost:
        raise ValueError(
            f"the teacher's classes {', '.join(lost)} are none of the data set's ({', '.join(names)}): "
            "say in --class-map what they are there, or null"
        )
    places = {name: place for place, name in enumerate(names)}
    targets = [mapping[n] if n in mapping else n if n in places else known.get(n) for n in teacher_names]
    return np.array([places.get(target, DROPPED) for target in targets], np.int64)


def read_class_map(path) -> dict[str, str | None]:
    """A JSON or YAML file {teacher's name: data set's name or null}.

    Raises:
        ValueError: not such a file.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        tree = json.loads(text) if str(path).endswith(".json") else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: cannot be read as JSON or YAML: {error}") from error
    if not isinstance(tree, dict) or not all(isinstance(v, str | None) for v in tree.values()):
        raise ValueError(f"{path}: expected {{teacher's class: class of the data set, or null}}")
    return {str(name): target for name, target in tree.items()}
