"""The data sets of a run: those of its command line, and those of the training whose config.yaml it is given."""

import logging
import os
from pathlib import Path

from detectron2.data import DatasetCatalog, MetadataCatalog

from dense_det.data.catalog import register_coco
from dense_det.data.training_record import training_record
from dense_det.suggest import unknown

logger = logging.getLogger(__name__)


def choose_datasets(cfg, args) -> tuple[tuple[str, str, str], ...]:
    """(name, COCO file, image folder) to register: of the command line, where a name is its file's path, and of those
    that the config names and the training beside it knew.
    """
    chosen, earlier = [], _remembered(Path(args.config_file).parent)
    for split, key in (("train", "TRAIN"), ("val", "TEST")):
        json_file, images = getattr(args, f"{split}_json"), getattr(args, f"{split}_images")
        if json_file:
            name = str(Path(json_file).resolve())
            chosen.append((name, name, str(Path(images).resolve())))
            cfg.DATASETS[key] = (name,)
    if args.pseudo_json:
        name = str(Path(args.pseudo_json).resolve())
        chosen.append((name, name, str(Path(args.pseudo_images or Path(name).anchor).resolve())))
        if name not in cfg.DATASETS.TRAIN:  # the config of a training that had them, too
            cfg.DATASETS.TRAIN = (*cfg.DATASETS.TRAIN, name)
    forgotten = not args.val_json and "DATASETS.TEST" not in args.opts and not {*cfg.DATASETS.TEST} <= earlier.keys()
    if args.train_json and (forgotten or not cfg.DATASETS.TEST):
        logger.warning("no --val-json: training without evaluation, so without a best checkpoint")
        cfg.DATASETS.TEST = ()
    needed = {*cfg.DATASETS.TEST, *(() if args.eval_only else cfg.DATASETS.TRAIN)}
    needed -= {*(name for name, *_ in chosen), *DatasetCatalog.list()}
    return (*chosen, *(dataset for name, dataset in earlier.items() if name in needed))


def register(datasets) -> None:
    """Make them known by name in this process."""
    for name, json_file, image_root in datasets:
        register_coco(name, json_file, image_root)


def require_datasets(cfg, eval_only: bool) -> None:
    """The data sets that the config names for this run, before anything is read of them.

    Raises:
        ValueError: no data set, or one that nobody registered.
        FileNotFoundError: one whose files are not there.
    """
    needed = cfg.DATASETS.TEST if eval_only else cfg.DATASETS.TRAIN
    if not needed:
        split = "val" if eval_only else "train"
        raise ValueError(
            f"no data: give --{split}-json and --{split}-images, or DATASETS.{'TEST' if eval_only else 'TRAIN'}"
        )
    for name in (*(() if eval_only else cfg.DATASETS.TRAIN), *cfg.DATASETS.TEST):
        if name not in DatasetCatalog and Path(name).is_absolute():  # as those of a command line are called
            raise FileNotFoundError(
                f"data set {name}: it, or the folder of its images, is not where this config's training had it: give "
                "--train-json/--train-images and --val-json/--val-images"
            )
        if name not in DatasetCatalog:
            raise ValueError(unknown("data set", name, sorted(DatasetCatalog.list())))
        for path in (*files_of(name), *_more_files(cfg, name)):
            if not Path(path).exists():
                raise FileNotFoundError(
                    f"data set {name}: {path} does not exist. Put it there, set DETECTRON2_DATASETS, or give "
                    "--train-json/--train-images and --val-json/--val-images"
                )


def files_of(name: str) -> tuple[str, str]:
    """COCO file and folder of images of a registered data set."""
    meta = MetadataCatalog.get(name)
    return meta.json_file, meta.image_root


def _more_files(cfg, name: str) -> list[str]:
    """What a panoptic network needs beside boxes and masks.

    Raises:
        ValueError: a data set that has no classes of pixels.
    """
    if cfg.MODEL.META_ARCHITECTURE != "PanopticFPN":
        return []
    meta = MetadataCatalog.get(name)
    if not meta.get("sem_seg_root") or not meta.get("stuff_classes"):
        raise ValueError(
            f"PanopticFPN learns the classes of pixels, too, and data set {name} has none: register it with "
            "Detectron2's register_coco_panoptic_separated, or train configs/mask_rcnn_vovnet.yaml"
        )
    return [meta.sem_seg_root]


def _remembered(folder: Path) -> dict[str, tuple[str, str, str]]:
    """By name those of a training in `folder` that are still where they were."""
    datasets = training_record(folder).get("datasets")
    datasets = datasets if isinstance(datasets, list) else []  # of a file that somebody has changed
    triples = [tuple(map(str, dataset)) for dataset in datasets if isinstance(dataset, list) and len(dataset) == 3]
    return {triple[0]: triple for triple in triples if all(os.path.exists(place) for place in triple[1:])}
