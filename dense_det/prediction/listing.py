"""Which images a prediction looks at: the list of distillation's plan, told in the words of tools/predict.py."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from dense_det.distillation.image_name import full_name, printable
from dense_det.distillation.planning import PlanSettings, make_plan
from dense_det.distillation.sources import Expansion
from dense_det.distillation.work_folder import Failure, InputImage, Plan, Rejected, WorkFolder, write_json

FOUND = ("found.json", "found.csv")  # beside the work folder of a run that came to its end
SHARD_SIZE = 32  # images: progress is told after each shard, and a stop loses what was begun
_TOLD = 3  # reasons; the file has all


def list_images(work: WorkFolder, sources: list[str], skip: Iterable) -> Plan:
    """Freeze the list of images, or find the folder's own equal to it; what was left out is noted anew.

    A folder goes on in shards of the size that it was begun with.

    Args:
        skip: folders that are not walked into.

    Raises:
        ValueError: no image, a source that is not there, or a folder that was begun with other images, or not here.
    """
    expansion = Expansion(skip=tuple(map(os.path.abspath, (work.root, *skip))))
    settings = PlanSettings(tuple(sources), SHARD_SIZE, expansion=expansion)
    if not work.plan_path.exists():
        if work.manifest_path.exists() or work.images.finished():
            raise ValueError(f"{work.root} is damaged (it has no list of images): remove it, or give another --out")
        _mark(work)
        return _plan(work, settings)
    begun = _read_plan(work)
    if not begun_here(work):
        raise ValueError(
            f"{work.root} has a list of images, and no {mark_of(work)} tells that tools/predict.py made it: give "
            "another --out, or make that file, if you know that it did"
        )
    _mark(work)
    with tempfile.TemporaryDirectory(prefix=".again-", dir=work.root) as folder:
        now = WorkFolder(folder)
        plan = _plan(now, replace(settings, shard_size=begun.shard_size))
        _require_same_images(work, begun, plan)
        os.replace(now.rejected_path, work.rejected_path)
    work.write_plan(plan)
    return plan


def mark_of(work: WorkFolder) -> Path:
    """The file that tells that the folder was begun here, and not by tools/pseudo_label.py plan."""
    return work.root / "predict.json"


def begun_here(work: WorkFolder) -> bool:
    """Whether the mark is there, or what runs of the days before it left: the answers of one detector in one view on
    images without labelled ones, in shards of this size or with what was found beside them."""
    if mark_of(work).exists():
        return True
    try:
        plan, manifest = work.read_plan(), work.read_manifest()
    except ValueError:
        return False
    there = [(work.root.parent / name).exists() for name in FOUND]
    is_one = manifest.fusion == {"kind": "none"} and not (plan.labelled or plan.validation)
    return is_one and (all(there) or (not any(there) and plan.shard_size == SHARD_SIZE))


def _mark(work: WorkFolder) -> None:
    if not mark_of(work).exists():
        write_json(mark_of(work), {"begun_by": "tools/predict.py"})


def _plan(work: WorkFolder, settings: PlanSettings) -> Plan:
    try:
        return make_plan(work, settings)
    except ValueError as error:
        raise ValueError(str(error).replace("nothing to label in", "no image in", 1)) from error


def _read_plan(work: WorkFolder) -> Plan:
    try:
        return work.read_plan()
    except ValueError as error:
        raise ValueError(f"give another --out, this one cannot be gone on with: {error}") from error


def _require_same_images(work: WorkFolder, old: Plan, plan: Plan) -> None:
    if old.inputs_sha256 == plan.inputs_sha256:
        return
    change = f"{old.num_images} images -> {plan.num_images}"
    if old.num_images == plan.num_images:
        change = f"{old.num_images} images, but not the same ones"
    raise ValueError(
        f"{work.root.parent} was begun with other images ({change}), and its answers are numbered by that list: give "
        "another --out. It looks at all images; if you name only the new ones, at those alone"
    )


def read_copies(work: WorkFolder) -> dict[str, list[InputImage]]:
    """sha256 -> what was not looked at, for an image before it has the same bytes; its width and height are that one's.

    Numbers go on behind those of the list. An image that was named twice is its own copy, too.
    """
    copies, number = {}, work.read_plan().num_images
    doubles = (row for row in work.read_rejected() if row.kind == "duplicate")
    for name in dict.fromkeys((row.reason.rpartition(" ")[2], row.file_name, row.member, row.page) for row in doubles):
        number += 1
        copies.setdefault(name[0], []).append(InputImage(number, *name[1:], name[0], 0, 0))
    return copies


def count_failed_copies(work: WorkFolder, plan: Plan) -> int:
    """How many images have the bytes of one that has no answer."""
    copies, number = read_copies(work), 0
    for shard in range(plan.num_shards) if copies else ():
        failed = {failure.id for failure in work.images.read_failures(shard)}
        images = work.images.read_inputs(shard) if failed else ()
        same = ((image, copy) for image in images if image.id in failed for copy in copies.get(image.sha256, ()))
        number += sum(full_name(image) != full_name(copy) for image, copy in same)
    return number


def in_words(plan: Plan, work: WorkFolder) -> Iterator[str]:
    """How many images there are, how many files are none, and the first few reasons."""
    counts = plan.counts
    doubles = (
        f"; {counts['duplicate']} more have the bytes of one of them, and its boxes" if counts["duplicate"] else ""
    )
    others = f"; {counts['other_files']} files are not named like images" if counts["other_files"] else ""
    yield f"{plan.num_images} images{doubles}{others}"
    if left_out := counts["bad"] + counts["skipped"]:
        yield f"{left_out} left out, {work.rejected_path} names them:"
        yield from some_reasons(row for row in work.read_rejected() if row.kind in ("bad", "skipped"))


def some_reasons(rows: Iterable[Rejected | Failure]) -> Iterator[str]:
    """A line each, of the first few."""
    return (f"  {full_name(row)}: {printable(row.reason)}" for row in islice(rows, _TOLD))
