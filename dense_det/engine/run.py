"""What one process of a run does: record what it is, then train or evaluate."""

import functools
import json
import logging
import os
import platform
import sys
import time
from pathlib import Path

import torch
from detectron2.utils import comm
from detectron2.utils.collect_env import collect_env_info
from detectron2.utils.env import seed_all_rng
from detectron2.utils.logger import setup_logger

from dense_det.atomic_file import atomic_file
from dense_det.data.training_record import RECORD
from dense_det.engine.model import load_model
from dense_det.engine.run_datasets import register
from dense_det.engine.setup import Job
from dense_det.engine.trainer import Trainer, evaluate
from dense_det.environment import code_version, cpu_name

logger = logging.getLogger(__name__)

# one line per loader that is built, and an evaluation builds two
TALKATIVE = ("detectron2.data.common", "detectron2.data.dataset_mapper", "detectron2.data.datasets.coco")


def run(job: Job) -> None:
    """Train, or evaluate MODEL.WEIGHTS; everything that is left behind lies in OUTPUT_DIR."""
    register(job.datasets)
    cfg = _with_one_seed(job.cfg)
    folder = Path(cfg.OUTPUT_DIR) / ("evaluation" if job.eval_only else "")
    start_logging(folder)
    seed_all_rng(max(cfg.SEED, 0) + comm.get_rank())
    begun, whole = time.monotonic(), True
    if job.eval_only:
        work = functools.partial(evaluate, cfg, load_model(cfg), folder)
    else:
        trainer = Trainer(cfg, job.resume)
        work, whole = trainer.train, trainer.start_iter == 0
    # once all is built: a resume that cannot go on leaves the records of the run that it met
    facts = record(cfg, folder, {"datasets": job.datasets, "classes": job.classes}) if comm.is_main_process() else {}
    work()
    if comm.is_main_process():
        # of a resumed run, the time of its last part says nothing
        _write_facts(folder, facts | {"seconds": round(time.monotonic() - begun, 1) if whole else None})
        logger.info("results, curves and pictures: %s", folder.resolve())


def _with_one_seed(cfg):
    """Under torchrun each process has set up its own job, and drawn its own SEED where none was given."""
    seed = comm.all_gather(cfg.SEED)[0]
    if seed != cfg.SEED:
        cfg = cfg.clone()
        cfg.defrost()
        cfg.SEED = seed
        cfg.freeze()
    return cfg


def start_logging(folder=None) -> None:
    """Log on the terminal and to log.txt of `folder`; Detectron2's logger shows only the names it is told."""
    output = None if folder is None else str(folder)
    setup_logger.cache_clear()  # it remembers its calls, and would not start anew for another run
    for name in ("fvcore", "detectron2", "dense_det"):
        logging.getLogger(name).handlers.clear()
        setup_logger(output, distributed_rank=comm.get_rank(), name=name, abbrev_name=name).setLevel(logging.INFO)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def record(cfg, folder, more: dict) -> dict:
    """config.yaml, environment.txt and run.json (command, git commit, versions, `more`) of a run; returns the last."""
    folder = Path(folder)
    with atomic_file(folder / "config.yaml") as file:
        file.write(cfg.dump())
    with atomic_file(folder / "environment.txt") as file:
        file.write(collect_env_info() + "\n")
    facts = {
        "command": sys.argv,
        "git": code_version(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cpu": cpu_name(),
        "gpu": torch.cuda.get_device_name() if torch.device(cfg.MODEL.DEVICE).type == "cuda" else None,
        "threads": torch.get_num_threads(),
        "processes": comm.get_world_size(),
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY"),
        **more,
    }
    _write_facts(folder, facts)
    return facts


def _write_facts(folder: Path, facts: dict) -> None:
    with atomic_file(folder / RECORD) as file:
        json.dump(facts, file, indent=1)
