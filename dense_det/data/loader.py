"""Loaders whose batches depend on the seed and the step, and on nothing else."""

import itertools
import logging
import random
from contextlib import contextmanager

import cv2
import numpy as np
import torch
from detectron2.data import DatasetCatalog, DatasetFromList, MapDataset, MetadataCatalog
from detectron2.data.build import filter_images_with_only_crowd_annotations, print_instances_class_histogram
from detectron2.data.samplers import InferenceSampler, RepeatFactorTrainingSampler
from detectron2.utils import comm
from torch.utils.data import BatchSampler, DataLoader, Dataset

from dense_det.data.mapper import build_mapper
from dense_det.data.sampler import MixedSampler, PositionSampler, ShapeSampler, seeded_state
from dense_det.suggest import unknown

logger = logging.getLogger(__name__)


def build_train_loader(cfg, start_iter: int = 0, histogram: bool = True) -> DataLoader:
    """Endless batches (lists of dicts, see PageMapper) from training step `start_iter` on.

    The global batch of step t is a pure function of cfg.SEED, t and the data: the same for any number of loader
    workers, of processes, and after a resume; by DATALOADER.ASPECT_RATIO_GROUPING, which Detectron2 has on, nearly
    every batch has images of one shape, see ShapeSampler.

    Args:
        histogram: log how many objects each class has.

    Raises:
        ValueError: a batch that the processes cannot share evenly, an unknown sampler, data sets
            that are unknown, empty or have different classes, an image size or augmentation without meaning.
    """
    assert cfg.SEED >= 0, f"SEED must be drawn before the loader is built, got {cfg.SEED}"
    processes = comm.get_world_size()
    batch_size = cfg.SOLVER.IMS_PER_BATCH
    if batch_size < 1 or batch_size % processes:
        raise ValueError(
            f"SOLVER.IMS_PER_BATCH is {batch_size}, which {processes} processes cannot share evenly: "
            f"choose a multiple of {processes}"
        )
    datasets = load_datasets(cfg.DATASETS.TRAIN)
    mixed, records = is_mixed(cfg.DATALOADER.LABELLED_SHARE, datasets), list(itertools.chain(*datasets))
    if cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS:
        records = filter_images_with_only_crowd_annotations(records)
        if not records:
            raise ValueError(
                f"no image of {', '.join(cfg.DATASETS.TRAIN)} has an object to learn from; "
                "DATALOADER.FILTER_EMPTY_ANNOTATIONS False would train on empty images"
            )
    if histogram:
        print_instances_class_histogram(records, MetadataCatalog.get(cfg.DATASETS.TRAIN[0]).thing_classes)

    repeats = build_repeats(cfg, records)
    dataset = PositionedImages(records, build_mapper(cfg, is_train=True, with_annotations=True), cfg.SEED)
    stream = (repeats, cfg.SEED, start_iter * batch_size, comm.get_rank(), processes)
    sampler = build_mixed_sampler(cfg, records, stream) if mixed else PositionSampler(*stream)
    # Detectron2 asks no data set for the sizes of its images
    upright = [record.get("height", 0) > record.get("width", 0) for record in records]
    if cfg.DATALOADER.ASPECT_RATIO_GROUPING and len(set(upright)) == 2:
        sampler = ShapeSampler(sampler, upright, batch_size)
    return _loader(
        dataset,
        cfg.DATALOADER.NUM_WORKERS,
        batch_sampler=BatchSampler(sampler, batch_size // processes, drop_last=True),
        persistent_workers=cfg.DATALOADER.NUM_WORKERS > 0,
    )


def is_mixed(share: float, datasets: list[list[dict]]) -> bool:
    """Whether `share`, DATALOADER.LABELLED_SHARE, applies: to data sets with pseudo-labels beside others without.

    A file of pseudo-labels alone is not mixed: where a person reviewed a few of its images, these few would fill most
    of every batch. One of which every image was reviewed has none.

    Raises:
        ValueError: a share that leaves nothing to one kind.
    """
    if share and not 0.001 <= share <= 0.999:
        raise ValueError(f"DATALOADER.LABELLED_SHARE is between 0.001 and 0.999, or 0 (do not mix), got {share}")
    are_pseudo = [any(record.get("pseudo") for record in records) for records in datasets]
    if share and all(are_pseudo):
        logger.info("DATALOADER.LABELLED_SHARE does not apply: no data set of DATASETS.TRAIN is without pseudo-labels")
    return share > 0 and len(set(are_pseudo)) == 2


def build_mixed_sampler(cfg, records: list[dict], stream: tuple) -> MixedSampler:
    """Batches of which DATALOADER.LABELLED_SHARE is labelled by people.

    Raises:
        ValueError: a kind of which no image is left.
    """
    share, kinds = cfg.DATALOADER.LABELLED_SHARE, ([], [])
    for index, record in enumerate(records):
        kinds[bool(record.get("pseudo"))].append(index)
    for what, of_kind in zip(("labelled", "pseudo-labelled"), kinds, strict=True):
        if not of_kind:
            raise ValueError(
                f"DATALOADER.LABELLED_SHARE {share} mixes labelled and pseudo-labelled images, but DATASETS.TRAIN "
                f"{list(cfg.DATASETS.TRAIN)} have no {what} one with an object; 0 does not mix"
            )
    logger.info(
        "each batch: %g %% of the %d labelled images, %g %% of the %d pseudo-labelled ones (DATALOADER.LABELLED_SHARE)",
        100 * share,
        len(kinds[0]),
        100 - 100 * share,
        len(kinds[1]),
    )
    return MixedSampler(*kinds, share, cfg.SOLVER.IMS_PER_BATCH, *stream)


def build_repeats(cfg, records: list[dict]) -> list[float]:
    """How often each image stands in an epoch, by DATALOADER.SAMPLER_TRAIN.

    TrainingSampler: once. RepeatFactorTrainingSampler: images of rare classes more often (LVIS, arXiv 1908.03195,
    appendix B), so that a class on fewer than DATALOADER.REPEAT_THRESHOLD of the images is met more often.

    Raises:
        ValueError: another sampler, or no REPEAT_THRESHOLD.
    """
    name = cfg.DATALOADER.SAMPLER_TRAIN
    if name == "TrainingSampler":
        return [1.0] * len(records)
    if name != "RepeatFactorTrainingSampler":
        samplers = ["TrainingSampler", "RepeatFactorTrainingSampler"]
        raise ValueError(f"DATALOADER.SAMPLER_TRAIN: {unknown('sampler', name, samplers)}")
    threshold = cfg.DATALOADER.REPEAT_THRESHOLD
    if not 0 < threshold <= 1:
        raise ValueError(f"{name} needs DATALOADER.REPEAT_THRESHOLD in (0, 1], got {threshold}")
    # ignore regions are no objects: nothing is learned of their class
    learned = [
        {**record, "annotations": [a for a in record.get("annotations", []) if not a.get("iscrowd")]}
        for record in records
    ]
    return RepeatFactorTrainingSampler.repeat_factors_from_category_frequency(learned, threshold).tolist()


def build_test_loader(cfg, dataset_name: str, with_annotations: bool = False) -> DataLoader:
    """Every image of a data set once, in order, at the test size, one by one; each process reads its share.

    Args:
        with_annotations: give "instances", too, for the losses on a test set.

    Raises:
        ValueError: a data set that is unknown or empty, an image size without meaning.
    """
    records = load_records([dataset_name])
    mapper = build_mapper(cfg, is_train=False, with_annotations=with_annotations)
    dataset = MapDataset(DatasetFromList(records, copy=False), mapper)
    return _loader(dataset, cfg.DATALOADER.NUM_WORKERS, batch_size=1, sampler=InferenceSampler(len(records)))


def load_records(names) -> list[dict]:
    """The records of `load_datasets`, one after the other."""
    return list(itertools.chain(*load_datasets(names)))


def load_datasets(names) -> list[list[dict]]:
    """The records (Detectron2's dataset dicts) of each of some registered data sets.

    Raises:
        ValueError: no data set, an unknown or empty one, or sets whose class names differ.
    """
    if not names:
        raise ValueError("no data set given: set DATASETS.TRAIN and DATASETS.TEST, or --train-json and --val-json")
    datasets, classes = [], {}
    for name in names:
        if name not in DatasetCatalog.list():
            raise ValueError(unknown("data set", name, DatasetCatalog.list()))
        of_this = DatasetCatalog.get(name)
        if not of_this:
            raise ValueError(f"data set {name!r} has no images")
        datasets.append(of_this)
        classes[name] = list(MetadataCatalog.get(name).thing_classes)
    first = names[0]
    for name in names:
        if classes[name] != classes[first]:
            raise ValueError(
                f"data sets that are used together need the same classes in the same order: {first!r} has "
                f"{classes[first]}, {name!r} has {classes[name]}"
            )
    return datasets


class PositionedImages(Dataset):
    """Maps a (position, index) of PositionSampler to image `index`, with the randomness of that position."""

    def __init__(self, records: list[dict], mapper, seed: int):
        self.records = DatasetFromList(records, copy=False)
        self.mapper = mapper
        self.seed = seed

    def __getitem__(self, place: tuple[int, int]) -> dict:
        position, index = place
        with _seeded(self.seed, position):
            return self.mapper(self.records[index])


@contextmanager
def _seeded(*numbers: int):
    """NumPy's and Python's global generators (Detectron2 and its plugins draw from them) seeded within the block."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    state = seeded_state(*numbers)
    np.random.set_state(state.get_state())
    random.seed(state.bytes(16))
    try:
        yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)


def _loader(dataset: Dataset, num_workers: int, **kwargs) -> DataLoader:
    return DataLoader(
        dataset,
        num_workers=num_workers,
        collate_fn=_as_list,
        worker_init_fn=_single_thread,
        # an iterator draws one number from torch's global generator unless it has its own
        generator=torch.Generator().manual_seed(0),
        **kwargs,
    )


def _as_list(batch: list[dict]) -> list[dict]:
    return batch


def _single_thread(worker_id: int) -> None:
    """torch gives each worker one thread by itself, OpenCV does not."""
    cv2.setNumThreads(0)
