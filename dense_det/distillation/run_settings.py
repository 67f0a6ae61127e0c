"""What a run is asked for, small and plain, so that it can be handed to other processes and machines."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from dense_det.deploy.facts import trained_classes
from dense_det.distillation.class_table import class_table, read_class_map
from dense_det.distillation.coco_files import CocoFiles
from dense_det.distillation.fusion import DEFAULT_IOU
from dense_det.distillation.labelling import Labeller
from dense_det.distillation.onnx_teacher import OnnxTeacher, open_onnx_teacher
from dense_det.distillation.teacher import Teacher, build_teacher
from dense_det.distillation.views import OWN_SIZE, View
from dense_det.distillation.work_folder import WorkFolder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Detectron2Doors:
    """The two functions of rooms that this one may not import: (file, opts) -> cfg, and (cfg) -> network."""

    load_cfg: Callable
    load_model: Callable


@dataclass(frozen=True)
class RunSettings:
    """Teachers and how they look.

    Args:
        work: the work folder.
        detectors: (config file, weights) of Detectron2 teachers.
        onnx: files of ONNX teachers.
        doors: None where nothing will be opened.
        opts: KEY VALUE ... for the configs.
        classes: names of the data set's classes; () is those of the plan's labelled file, or of an ONNX teacher.
        class_map: a file; see class_table.
        views: for every teacher; () is each teacher's own.
        fusion, iou: see fusion; iou None is the paper's.
        floor: least score that is kept.
        scaled_decode: read JPEG files no larger than the largest view needs; see reduced_jpeg.

    Raises:
        ValueError: a number out of its range, or a class named twice.
    """

    work: str
    detectors: tuple[tuple[str, str], ...]
    onnx: tuple[str, ...]
    doors: Detectron2Doors | None
    opts: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    class_map: str | None = None
    views: tuple[View, ...] = ()
    fusion: str = "wbf"
    iou: float | None = None
    floor: float = 0.05
    detections_per_image: int = 300
    scaled_decode: bool = False

    def __post_init__(self):
        if not 0 < self.floor < 1:
            raise ValueError(f"--floor must lie between 0 and 1, got {self.floor}")
        if self.detections_per_image < 1:
            raise ValueError(f"--detections must be at least 1, got {self.detections_per_image}")
        if self.iou is not None and not 0 < self.iou < 1:
            raise ValueError(f"--fusion-iou must lie between 0 and 1, got {self.iou}")
        if twice := [name for name in self.classes if self.classes.count(name) > 1]:
            raise ValueError(f"--classes names {twice[0]} twice: boxes of both would be of one; give each class a name")


def open_labeller(settings: RunSettings) -> Labeller:
    """Load all teachers.

    Raises:
        ValueError, FileNotFoundError: what the user typed, with what to do.
        ImportError: onnxruntime is missing.
    """
    if not settings.detectors and not settings.onnx:
        raise ValueError("no teacher: give --teacher CONFIG WEIGHTS or --onnx FILE")
    onnx = [open_onnx_teacher(path, settings.floor) for path in settings.onnx]
    classes = settings.classes or _labelled_classes(settings.work) or _named_by_teachers(settings, onnx)
    if not classes:
        raise ValueError("the classes have no names: give --classes A B ..., or plan with --labelled-json")
    teachers = [_detector(settings, *files, classes) for files in settings.detectors] + onnx
    mapping = read_class_map(settings.class_map) if settings.class_map else {}
    tables = tuple(
        class_table(t.classes, classes, {name: to for name, to in mapping.items() if name in t.classes})
        for t in teachers
    )
    unused = set(mapping) - {name for teacher in teachers for name in teacher.classes}
    if unused:
        raise ValueError(f"{settings.class_map}: no teacher has a class {', '.join(sorted(unused))}")
    views = tuple(_views(teacher, settings.views) for teacher in teachers)
    return Labeller(
        teachers=tuple(teachers),
        views=views,
        tables=tables,
        classes=tuple(classes),
        fusion=settings.fusion,
        iou=DEFAULT_IOU.get(settings.fusion, 0.5) if settings.iou is None else settings.iou,
        floor=settings.floor,
        detections_per_image=settings.detections_per_image,
        least_edge=_least_edge(views) if settings.scaled_decode else 0,
    )


def _least_edge(views) -> int:
    """The shorter edge that the largest of all views has."""
    edges = [view.short_edge for own in views for view in own]
    if OWN_SIZE in edges:
        raise ValueError(
            "--scaled-decode: a teacher takes images as they are (view own), so none can come smaller; give --views "
            "with sizes, or leave it out"
        )
    return max(edges)


def _detector(settings: RunSettings, config_file: str, weights: str, classes) -> Teacher:
    """Its classes are those that it was trained with, where that is known: a data set may have others, or another
    order. Where --classes names others, these are new names for the same classes."""
    own = trained_classes(weights)
    if own and (not settings.classes or set(own) == set(classes)):
        classes = own
    elif not own and not settings.classes:
        logger.warning(
            "%s: neither evaluation/ nor run.json beside it tells its classes: taken to be, in this order, %s; "
            "--classes gives others",
            weights, ", ".join(classes),
        )  # fmt: skip
    cfg = settings.doors.load_cfg(config_file, [*settings.opts, "MODEL.WEIGHTS", weights])
    return build_teacher(cfg, settings.doors.load_model, classes, settings.floor, settings.detections_per_image)


def _named_by_teachers(settings: RunSettings, onnx: list) -> tuple[str, ...]:
    """Of the first teacher that has names."""
    known = [trained_classes(weights) for _, weights in settings.detectors]
    return next(filter(None, known + [teacher.classes for teacher in onnx]), ())


def _labelled_classes(work: str) -> tuple[str, ...]:
    labelled = WorkFolder(work).read_plan().labelled
    return tuple(labelled["per_class"]) if labelled else ()


def require_judges(work: WorkFolder, classes) -> None:
    """ValueError, before anything is labelled: the validation images know a class less, and select judges by them."""
    validation = work.read_plan().validation
    known = CocoFiles(str(work.truth_path), "").load().class_names if validation else classes
    if missing := [name for name in classes if name not in known]:
        raise ValueError(
            f"{validation['json_file']} has no class {missing[0]!r}, only {', '.join(known)}, and select is to judge "
            "labels by it: add the category there, and plan again"
        )


def _views(teacher: Teacher, asked: tuple[View, ...]) -> tuple[View, ...]:
    """An ONNX file of other people has one size: of the views that are asked for, it takes the mirroring."""
    if isinstance(teacher, OnnxTeacher):
        return tuple(View(OWN_SIZE, flip) for flip in sorted({view.flip for view in asked})) or teacher.views
    own = (View(view.short_edge if view.short_edge != OWN_SIZE else teacher.own_edge, view.flip) for view in asked)
    return tuple(dict.fromkeys(own)) or teacher.views
