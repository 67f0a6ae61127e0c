"""A whole data distillation as one YAML file: data, teacher, student, and the pseudo-labels to compare."""

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from dense_det.distillation.known_truth import USES
from dense_det.distillation.verb_words import require_words, run_arguments
from dense_det.job_file import checked, preparation
from dense_det.suggest import unknown

ALONE = "labels alone"  # the student without pseudo-labels
_LONGEST_NAME = 60  # letters, some of three bytes; most file systems take 255 bytes, and more stands around it


@dataclass(frozen=True)
class Data:
    """Attributes:
    labelled: a COCO file that teacher and student train on.
    validation: another one, on which all is judged.
    unlabelled: sources of `pseudo_label.py plan`.
    labelled_images, validation_images: the folders of their images; "" is images/ beside the file.
    image_root: what names in .txt and .json sources are relative to; "" is labelled_images.
    truth: a COCO file of the unlabelled image files (names are relative to image_root), where somebody knows their
        boxes: the table then tells how right the pseudo-labels are. No student learns from it, but in ways of
        labelling that say so.
    """

    labelled: str
    validation: str
    unlabelled: tuple[str, ...]
    labelled_images: str = ""
    validation_images: str = ""
    image_root: str = ""
    truth: str = ""

    def __post_init__(self):
        for name in ("labelled", "validation"):
            if not getattr(self, f"{name}_images"):
                object.__setattr__(self, f"{name}_images", str(Path(getattr(self, name)).parent / "images"))
        object.__setattr__(self, "image_root", self.image_root or self.labelled_images)


@dataclass(frozen=True)
class Model:
    """Attributes:
    config: of tools/train_net.py.
    opts: KEY VALUE KEY VALUE ...
    weights: of a teacher that is trained already; "" trains it on the labelled images.
    onnx: a teacher's ONNX file, instead of all that.
    class_map: {the teacher's class: ours, or None}, for --class-map.
    deployed: a teacher labels by its file of tools/export_model.py, which is faster and has the config's
        TEST.DETECTIONS_PER_IMAGE and score threshold in it.
    """

    config: str = ""
    opts: tuple[str, ...] = ()
    weights: str = ""
    onnx: str = ""
    class_map: dict | None = None
    deployed: bool = False


_OF_ONE_TEACHER = "--views", "--class-map", "--opts"


@dataclass(frozen=True)
class Labels:
    """One way to make pseudo-labels.

    Attributes:
        run: words for `pseudo_label.py run`, such as --views 192,240,288 --fusion nms.
        select: words for `pseudo_label.py select`, such as --rule fixed --value 0.5.
        opts: KEY VALUE of the student's training on them.
        truth: what data.truth does to them: with "right" wrong ones are not judged, "all" are all true boxes of the
            planned images instead, "" is nothing. Of the first round; later ones have the teacher's labels.
    """

    run: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    opts: tuple[str, ...] = ()
    truth: str = ""

    def of_another_teacher(self) -> "Labels":
        """Views are sizes that one teacher knows, keys and names of classes are its own: another one has others. And
        its students learn what it finds."""
        words, is_kept = [], True
        for word in self.run:
            if word.startswith("--"):
                name = word.partition("=")[0]  # argparse takes the beginning of a name, too
                is_kept = not any(len(name) > 2 and own.startswith(name) for own in _OF_ONE_TEACHER)
            if is_kept:
                words.append(word)
        return dataclasses.replace(self, run=tuple(words), truth="")


@dataclass(frozen=True)
class Recipe:
    """Attributes:
    labels: name -> how; the first one is the recipe itself and the one that further rounds repeat.
    prepare: tools that fetch or make the data first, each with its words.
    seeds: one training of the student each.
    """

    data: Data
    teacher: Model
    student: Model
    labels: dict[str, Labels]
    seeds: tuple[int, ...] = (0, 1, 2)
    prepare: tuple[tuple[str, ...], ...] = ()
    title: str = "data distillation"

    @property
    def first(self) -> str:
        return next(iter(self.labels))

    @property
    def trains_teacher(self) -> bool:
        return not (self.teacher.onnx or self.teacher.weights)

    def sha256(self) -> str:
        """Changes when anything does that changes a result of the student alone, or of all ways of labelling; of files
        the name counts, not what they hold."""
        tree = dataclasses.asdict(self) | {"title": "", "labels": {}}
        if not self.data.truth:
            del tree["data"]["truth"]  # as before there was such a key
        for model in (tree["teacher"], tree["student"]):
            if not model["deployed"]:
                del model["deployed"]
        return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()

    def only(self, ways: list[str]) -> "Recipe":
        """The recipe with some of its labels, in its own order.

        Raises:
            ValueError: it has no labels of such a name.
        """
        for way in ways:
            if way not in self.labels:
                raise ValueError(unknown("labels of the recipe", way, list(self.labels)))
        return dataclasses.replace(self, labels={name: how for name, how in self.labels.items() if name in ways})


def parse_recipe(tree: dict, path) -> Recipe:
    """The recipe of a YAML file's tree.

    "{cache}" stands for the cache folder; configs are relative to the file, all else to the working directory. Words
    may be a list or one string with blanks.

    Args:
        path: of the file, for names and messages.

    Raises:
        ValueError: a key that does not exist (the nearest ones are suggested), one that is missing, or contradictions.
    """
    folder = Path(path).parent
    try:
        known = checked(tree, Recipe, "")
        data = Data(**checked(known["data"], Data, "data.", words=("unlabelled",)))
        if not (data.labelled and data.validation and data.unlabelled):
            raise ValueError("data: labelled, validation and unlabelled name at least one file each")
        teacher, student = (_model(folder, known[name], f"{name}.") for name in ("teacher", "student"))
        labels = {
            str(name): Labels(**checked(how or {}, Labels, f"labels.{name}.", words=("run", "select", "opts")))
            for name, how in _ways(known["labels"])
        }
        prepare = _preparations(known.get("prepare", []))
        seeds = _seeds(known.get("seeds", [0, 1, 2]))
    except KeyError as error:
        raise ValueError(f"{path}: the key {error.args[0]} is missing") from error
    except (TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
    if not labels or ALONE in labels or not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(
            f"{path}: labels need one entry at least, and none called {ALONE!r}; seeds are different numbers"
        )
    if len({slug(name) for name in labels}) < len(labels):
        raise ValueError(f"{path}: labels need names that differ in letters and digits, got {list(labels)}")
    if too_long := next((name for name in labels if len(name) > _LONGEST_NAME), None):
        raise ValueError(f"{path}: files are called as labels, so at most {_LONGEST_NAME} letters, got {too_long}")
    if not student.config or student.onnx or student.weights:
        raise ValueError(
            f"{path}: the student needs a config, and is trained here; MODEL.WEIGHTS in its opts is what it begins from"
        )
    for name, how in labels.items():
        try:
            require_words(how.run, how.select)
        except ValueError as error:
            raise ValueError(f"{path}: labels.{name}: {error}") from error
        if teacher.class_map and run_arguments(how.run).class_map:
            raise ValueError(f"{path}: labels.{name}: --class-map, and teacher.class_map, too: leave out one of them")
        if teacher.deployed and run_arguments(how.run).opts:
            raise ValueError(f"{path}: labels.{name}: a deployed teacher takes no --opts: they belong into its config")
        if how.truth and how.truth not in USES:
            raise ValueError(f"{path}: {unknown(f'labels.{name}.truth', how.truth, USES)}")
        if how.truth and not data.truth:
            raise ValueError(f"{path}: labels.{name}.truth needs data.truth, a COCO file of the unlabelled images")
    if bool(teacher.config) == bool(teacher.onnx):
        raise ValueError(f"{path}: the teacher is either a config (weights: those that it has) or an onnx file")
    if student.deployed or (teacher.deployed and not teacher.config):
        raise ValueError(f"{path}: deployed is for a teacher with a config; an onnx file is one already")
    if teacher.opts and (teacher.weights or teacher.onnx):
        raise ValueError(
            f"{path}: teacher.opts are for its training, and this one is trained already: leave them out, or give a "
            "config that has them, such as the config.yaml beside its weights"
        )
    return Recipe(data, teacher, student, labels, seeds, prepare, str(known.get("title", Path(path).stem)))


def slug(name: str) -> str:
    """A name of labels, or words, as the name of a file: "three views, NMS" is three-views-nms."""
    return re.sub(r"[\W_]+", "-", name.lower()).strip("-") or "labels"


def words_name(words: tuple[str, ...]) -> str:
    """Words as the name of a file, no two alike: of long ones, and where more than options and numbers stand in them,
    such as the name of a file, with a part of their hash."""
    text = " ".join(words)
    if len(text) <= _LONGEST_NAME and all(re.fullmatch(r"--[a-z-]+|[a-z0-9.,]+", word) for word in words):
        return slug(text)
    return f"{slug(text)[:40]}-{hashlib.sha256(repr(words).encode()).hexdigest()[:8]}"


def _model(folder: Path, tree, place: str) -> Model:
    model = Model(**checked(tree, Model, place, words=("opts",)))
    table = {} if model.class_map is None else model.class_map
    names = (*table, *filter(None, table.values())) if isinstance(table, dict) else (None,)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"{place}class_map: expected {{teacher's class: ours, or null}}, got {table!r}")
    return dataclasses.replace(model, config=str(folder / model.config)) if model.config else model


def _ways(labels):
    if not isinstance(labels, dict):
        raise TypeError(f"labels: expected NAME: HOW lines, got {labels!r}")
    return labels.items()


def _preparations(lines) -> tuple[tuple[str, ...], ...]:
    if not isinstance(lines, list):
        raise TypeError(f"prepare: expected a list of lines, got {lines!r}")
    return tuple(preparation(line) for line in lines)


def _seeds(seeds) -> tuple[int, ...]:
    # Detectron2 draws a seed of its own for one below 0
    if not isinstance(seeds, list) or any(type(seed) is not int or seed < 0 for seed in seeds):
        raise TypeError(f"seeds: expected a list of whole numbers such as [0, 1, 2], none below 0, got {seeds!r}")
    return tuple(seeds)
