"""The heavy work: many scenes at once, written in parts, so that an interrupted run goes on."""

import json
import logging
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2

from dense_det.atomic_file import atomic_file
from dense_det.data.idcards.scene import Materials, make_scene

logger = logging.getLogger(__name__)

PART = 25  # scenes of a part
_materials: dict[str, Materials] = {}  # of this worker process


@dataclass(frozen=True, slots=True)
class Part:
    """Scenes `start` to `stop` - 1 of a split; `stamp` stands for all that they depend on."""

    split: str
    start: int
    stop: int
    seed: int
    longer: int
    folder: Path
    stamp: str

    @property
    def file(self) -> Path:
        return self.folder / "parts" / f"{self.split}_{self.start:06d}.json"


def image_name(split: str, index: int) -> str:
    return f"{split}_{index:06d}.jpg"


def make_parts(parts: list[Part], materials: dict[str, Materials], workers: int) -> list[dict]:
    """The records of all scenes, in order; those of parts made before by the same stamp are read.

    Each is {"index", "split", "width", "height", "record", "annotations"}.
    """
    results = {part: _kept(part) for part in parts}
    missing = [part for part in parts if results[part] is None]
    if missing:
        logger.info("making %d scenes", sum(part.stop - part.start for part in missing))
        for done, (part, result) in enumerate(zip(missing, _map(missing, materials, workers)), 1):
            results[part] = result
            if done % 10 == 0:
                logger.info("%d of %d parts done", done, len(missing))
    return [record for part in parts for record in results[part]]


def _map(parts, materials, workers: int):
    if workers <= 1 or len(parts) < 2:
        _start(materials)
        yield from map(_make_part, parts)
        return
    # forked: a fresh interpreter would import torch in every worker for nothing
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if "fork" in methods else None)
    with ProcessPoolExecutor(workers, context, _start, (materials,)) as pool:
        yield from pool.map(_make_part, parts)


def _start(materials: dict[str, Materials]) -> None:
    _materials.clear()
    _materials.update(materials)


def _make_part(part: Part) -> list[dict]:
    # one thread a worker: the workers are as many as the cores
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    part.file.unlink(missing_ok=True)  # of another request: its images are about to be replaced
    try:
        records = [_make_one(part, index) for index in range(part.start, part.stop)]
    finally:
        cv2.setNumThreads(threads)
    with atomic_file(part.file) as file:
        json.dump({"stamp": part.stamp, "records": records}, file, separators=(",", ":"))
    return records


def _make_one(part: Part, index: int) -> dict:
    scene = make_scene(part.seed, part.split, index, _materials[part.split], part.longer)
    _, encoded = cv2.imencode(".jpg", scene.image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, scene.jpeg_quality])
    with atomic_file(part.folder / "images" / image_name(part.split, index), "wb") as file:
        file.write(encoded.tobytes())
    height, width = scene.image.shape[:2]
    return {
        "index": index, "split": part.split, "width": width, "height": height, "record": scene.record,
        "annotations": scene.annotations,
    }  # fmt: skip


def _kept(part: Part) -> list[dict] | None:
    """The records of a part made before, when its images are still there."""
    try:
        kept = json.loads(part.file.read_text(encoding="utf-8"))
        records = kept["records"][: part.stop - part.start]
        there = all((part.folder / "images" / image_name(part.split, record["index"])).is_file() for record in records)
        return records if kept["stamp"] == part.stamp and there and len(records) == part.stop - part.start else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
