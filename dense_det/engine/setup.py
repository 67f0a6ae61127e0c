"""From the command line to a job that any process can run: config, data sets, classes, anchors, folder."""

import functools
import logging
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.modeling import BACKBONE_REGISTRY, META_ARCH_REGISTRY

from dense_det.checkpoint import resumable
from dense_det.config import load_cfg
from dense_det.data.anchors import box_shapes, choose_anchors, measure_anchors
from dense_det.data.cache import cache_folder
from dense_det.data.check import check_once
from dense_det.data.training_record import training_record
from dense_det.engine.anchor_strides import anchor_strides
from dense_det.engine.launch import require_processes
from dense_det.engine.model import build_without_data
from dense_det.engine.run_datasets import choose_datasets, files_of, register, require_datasets
from dense_det.suggest import unknown
from dense_det.tta import build_tta
from dense_det.weights.weights_file import weights_file

logger = logging.getLogger(__name__)
# what says how a network's numbers are read, beside what its tensors' shapes tell
SAME_MEANING = (
    "MODEL.ANCHOR_GENERATOR", "MODEL.PIXEL_MEAN", "MODEL.PIXEL_STD", "MODEL.BOTTOM_UP.ACTIVATION",
    "MODEL.RETINANET.BBOX_REG_WEIGHTS", "MODEL.FCOS.BOX_QUALITY",
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """What every process of a run is given.

    Args:
        cfg: complete and frozen.
        datasets: (name, COCO file, image folder) of those given on the command line, to register.
        classes: their names in the order of the network's.
        resume, eval_only: as on the command line.
    """

    cfg: object
    datasets: tuple[tuple[str, str, str], ...]
    classes: tuple[str, ...]
    resume: bool
    eval_only: bool


def setup(args) -> Job:
    """Read, complete and check everything that can be wrong before a process starts.

    Raises:
        ValueError, FileNotFoundError: what the user typed or the data hold, with what to do.
    """
    require_processes(args.num_gpus, args.num_procs)
    cfg = load_cfg(args.config_file, args.opts)
    _require_registered(cfg)
    _choose_device(cfg, args)
    cfg.MODEL.TRUST_PICKLE = cfg.MODEL.TRUST_PICKLE or args.trust_pickle
    datasets = choose_datasets(cfg, args)
    register(datasets)
    require_datasets(cfg, args.eval_only)
    if cfg.DATASETS.CHECK and int(os.environ.get("RANK", 0)) == 0:
        _check(cfg, args.eval_only)
    classes = _set_classes(cfg, args.eval_only)
    if args.eval_only and not cfg.MODEL.WEIGHTS:
        raise ValueError("--eval-only needs MODEL.WEIGHTS: a checkpoint, such as output/mine/model_best.pth")
    if cfg.MODEL.WEIGHTS and not args.resume:
        weights_file(cfg.MODEL.WEIGHTS)
    if not args.eval_only:
        _require_masks(cfg)
        _require_trainable(cfg, args.resume)
        cfg.SEED = _seed(cfg, args.resume)
    if args.fit_anchors and not args.eval_only:
        _fit_anchors(cfg)
    if args.eval_only or args.resume:
        folder = Path(cfg.MODEL.WEIGHTS).parent if args.eval_only else Path(cfg.OUTPUT_DIR)
        _require_same_meaning(cfg, classes, folder)
    _require_buildable(cfg)
    cfg.freeze()
    return Job(cfg, datasets, tuple(classes), args.resume, args.eval_only)


def _require_registered(cfg) -> None:
    """Detectron2 answers an unknown name with a bare KeyError, after everything else was done."""
    for key, name, registry in (
        ("MODEL.META_ARCHITECTURE", cfg.MODEL.META_ARCHITECTURE, META_ARCH_REGISTRY),
        ("MODEL.BACKBONE.NAME", cfg.MODEL.BACKBONE.NAME, BACKBONE_REGISTRY),
    ):
        if name not in registry:
            raise ValueError(f"{key}: {unknown('entry of the registry', name, [known for known, _ in registry])}")


def _choose_device(cfg, args) -> None:
    if args.num_procs or (cfg.MODEL.DEVICE.startswith("cuda") and not torch.cuda.is_available()):
        cfg.MODEL.DEVICE = "cpu"


def _set_classes(cfg, eval_only: bool) -> list[str]:
    """NUM_CLASSES of every head, once, from the categories of the data, whose names are returned."""
    names = list(cfg.DATASETS.TEST) if eval_only else [*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST]
    classes = {}
    for name in names:
        DatasetCatalog.get(name)  # loading the file is what tells its metadata the classes
        classes[name] = list(MetadataCatalog.get(name).thing_classes)
    first = classes[names[0]]
    for name, others in classes.items():
        if others != first:
            raise ValueError(f"{names[0]} has the classes {first}, but {name} has {others}: they must be the same")
    for node in (cfg.MODEL.RETINANET, cfg.MODEL.FCOS, cfg.MODEL.ROI_HEADS):
        node.NUM_CLASSES = len(first)
    if cfg.MODEL.META_ARCHITECTURE == "PanopticFPN":
        cfg.MODEL.SEM_SEG_HEAD.NUM_CLASSES = len(MetadataCatalog.get(names[0]).stuff_classes)
    logger.info("%d classes: %s", len(first), ", ".join(first[:12]) + (" ..." if len(first) > 12 else ""))
    return first


def _require_masks(cfg) -> None:
    """A mask head that meets no mask would train on nothing, without a word."""
    if not cfg.MODEL.MASK_ON:
        return
    for name in cfg.DATASETS.TRAIN:
        if any(a.get("segmentation") for record in DatasetCatalog.get(name) for a in record.get("annotations", [])):
            return
    raise ValueError(
        f"MODEL.MASK_ON, but no object of {', '.join(cfg.DATASETS.TRAIN)} has a segmentation: "
        "MODEL.MASK_ON False trains boxes alone"
    )


def _require_trainable(cfg, resume: bool) -> None:
    if cfg.MODEL.BOTTOM_UP.NORM == "FrozenBN" and not cfg.MODEL.WEIGHTS and not resume:
        raise ValueError(
            "MODEL.BOTTOM_UP.NORM is FrozenBN without MODEL.WEIGHTS: a frozen norm starts as the identity, so "
            "activations grow a hundredfold and the loss becomes NaN. Give MODEL.WEIGHTS, or train with BN or GN"
        )
    if not cfg.MODEL.WEIGHTS and cfg.MODEL.BACKBONE.FREEZE_AT > 0 and not resume:
        logger.warning(
            "MODEL.BACKBONE.FREEZE_AT %d without MODEL.WEIGHTS freezes random layers", cfg.MODEL.BACKBONE.FREEZE_AT
        )
    if cfg.TEST.BEST_METRIC.startswith("segm/") and cfg.DATASETS.TEST and not cfg.MODEL.MASK_ON:
        raise ValueError(
            f"TEST.BEST_METRIC is {cfg.TEST.BEST_METRIC}, but MODEL.MASK_ON is False and nothing has masks: bbox/AP "
            "judges boxes"
        )
    if cfg.SOLVER.CHECKPOINT_PERIOD < 1:
        raise ValueError(
            f"SOLVER.CHECKPOINT_PERIOD is a number of steps from 1 on, got {cfg.SOLVER.CHECKPOINT_PERIOD}: one above "
            "SOLVER.MAX_ITER writes the last checkpoint alone"
        )
    folder = Path(cfg.OUTPUT_DIR)
    if resume and not resumable(folder):
        logger.warning("--resume, but %s holds no checkpoint: starting from the beginning", folder)
    elif not resume and resumable(folder):
        raise ValueError(
            f"{folder} already holds a training: --resume goes on with it, OUTPUT_DIR another/folder starts a new one, "
            "or remove the folder"
        )


def _require_same_meaning(cfg, classes: list[str], folder: Path) -> None:
    """Weights mean nothing under other anchors or pixel values, and no tensor's shape would tell: compare with the
    config.yaml that the training left beside them.
    """
    path = folder / "config.yaml"
    if not path.is_file():
        return
    trained = load_cfg(path)
    distances = (cfg.MODEL.FCOS.USE_RELU, list(cfg.MODEL.FCOS.IN_FEATURES))
    if distances != (trained.MODEL.FCOS.USE_RELU, list(trained.MODEL.FCOS.IN_FEATURES)):
        raise ValueError(
            f"the weights in {folder} were trained with other MODEL.FCOS.USE_RELU or IN_FEATURES than this config "
            f"gives: use --config-file {path}"
        )
    for key in SAME_MEANING:
        if _value(cfg, key) != _value(trained, key):
            raise ValueError(
                f"the weights in {folder} were trained with other {key} than this config gives: "
                f"use --config-file {path} (or repeat --fit-anchors with the same data to resume)"
            )
    if classes != (trained_on := training_record(folder).get("classes", classes)):
        raise ValueError(
            f"the weights in {folder} were trained on the classes {trained_on}, but the data have {classes}: the same "
            "names in the same order are needed, which is that of their ids in the COCO file"
        )
    if cfg.INPUT.FORMAT != trained.INPUT.FORMAT:
        raise ValueError(f"the weights in {folder} were trained on {trained.INPUT.FORMAT}: use --config-file {path}")


def _value(cfg, key: str):
    return functools.reduce(getattr, key.split("."), cfg)


def _require_buildable(cfg) -> None:
    """Build the network without memory, so that a wrong variant, norm or feature is answered before anything starts."""
    model = build_without_data(cfg)
    if cfg.TEST.AUG.ENABLED:
        build_tta(cfg, model)


def _seed(cfg, resume: bool) -> int:
    """SEED, or a random one where it is negative; the same again when a run resumes."""
    if cfg.SEED >= 0:
        return cfg.SEED
    earlier = Path(cfg.OUTPUT_DIR) / "config.yaml"
    if resume and earlier.is_file():
        return yaml.safe_load(earlier.read_text(encoding="utf-8"))["SEED"]
    return secrets.randbelow(2**31)


def _check(cfg, eval_only: bool) -> None:
    """check_data on every data set of the run; training refuses data with errors."""
    names = list(dict.fromkeys([*(() if eval_only else cfg.DATASETS.TRAIN), *cfg.DATASETS.TEST]))
    for position, name in enumerate(names):
        report = check_once(
            *files_of(name),
            cache_folder() / "checks",
            others=[files_of(other) for other in names[:position]],
            min_size=min(cfg.INPUT.MIN_SIZE_TRAIN),
            max_size=cfg.INPUT.MAX_SIZE_TRAIN,
            max_detections=most if (most := cfg.TEST.DETECTIONS_PER_IMAGE) >= 0 else sys.maxsize,  # below 0 are all
        )
        # a test set without objects is evaluated without a figure: what is found is written
        if any(not eval_only or finding.kind != "no-annotations" for finding in report.errors):
            raise ValueError(
                f"{report.to_text()}\ndata set {name} has errors: tools/check_data.py --fix OUT writes a cleaned copy "
                f"(DATASETS.CHECK False {'evaluates' if eval_only else 'trains'} all the same)"
            )
        logger.info("data set %s: no errors, %d warnings (tools/check_data.py shows them)", name, len(report.warnings))


def _fit_anchors(cfg) -> None:
    """Anchor sizes and aspect ratios of the config, replaced by those that fit the training boxes.

    Raises:
        ValueError: a detector that has no anchors.
    """
    try:
        strides = anchor_strides(cfg)
    except ValueError as error:
        raise ValueError(f"--fit-anchors: {error}: leave it out") from error
    sizes = [cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST]
    shapes = box_shapes([d for name in cfg.DATASETS.TRAIN for d in DatasetCatalog.get(name)], *sizes)
    node = cfg.MODEL.ANCHOR_GENERATOR
    before = measure_anchors(shapes, node.SIZES, node.ASPECT_RATIOS, strides)
    # as many per location as before: the head costs the same
    fit = choose_anchors(shapes, strides, len(before.sizes[0]) * len(before.aspect_ratios[0]))
    node.SIZES, node.ASPECT_RATIOS = fit.sizes, fit.aspect_ratios
    logger.info("anchors before: %s", before)
    logger.info("anchors fitted to %d boxes: %s\n%s", len(shapes), fit, fit.as_yaml())
