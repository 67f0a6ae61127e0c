"""The data sets of a run: those of its command line, and those of the training whose config.yaml it is given."""

import json
import logging
from pathlib import Path

from detectron2.data import DatasetCatalog

from dense_det.data.catalog import register_coco

logger = logging.getLogger(__name__)
RECORD = "run.json"  # of a training: under "datasets" those of its command line, under "classes" what they hold


def choose_datasets(cfg, args) -> tuple[tuple[str, str, str], ...]:
    """(name, COCO file, image folder) to register: of the command line, where a name is its file's path, and of those
    that the config names and the training beside it knew.
    """
    chosen = []
    for split, key in (("train", "TRAIN"), ("val", "TEST")):
        json_file, images = getattr(args, f"{split}_json"), getattr(args, f"{split}_images")
        if json_file:
            name = str(Path(json_file).resolve())
            chosen.append((name, name, str(Path(images).resolve())))
            cfg.DATASETS[key] = (name,)
    if args.pseudo_json:
        name = str(Path(args.pseudo_json).resolve())
        chosen.append((name, name, str(Path(args.pseudo_images or Path(name).anchor).resolve())))
        cfg.DATASETS.TRAIN = (*cfg.DATASETS.TRAIN, name)
    if args.train_json and not args.val_json and "DATASETS.TEST" not in args.opts:
        logger.warning("no --val-json: training without evaluation, so without a best checkpoint")
        cfg.DATASETS.TEST = ()
    named = {*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST} - {name for name, *_ in chosen} - {*DatasetCatalog.list()}
    earlier = training_record(Path(args.config_file).parent).get("datasets", [])
    return (*chosen, *(tuple(dataset) for dataset in earlier if dataset[0] in named))


def register(datasets) -> None:
    """Make them known by name in this process."""
    for name, json_file, image_root in datasets:
        register_coco(name, json_file, image_root)


def training_record(folder: Path) -> dict:
    """What a training left in its folder about itself; {} where there is none."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
