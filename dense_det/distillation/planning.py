"""The plan: a frozen list of images to label, cut into shards, without what is bad, double or labelled already."""

import fcntl
import filecmp
import logging
import os
import re
import shutil
import socket
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from dense_det.atomic_file import atomic_file
from dense_det.data.check_images import read_image_files
from dense_det.distillation.coco_files import CocoFiles
from dense_det.distillation.digest_set import DigestSet
from dense_det.distillation.image_name import full_name, printable
from dense_det.distillation.input_writer import InputWriter
from dense_det.distillation.inspected_files import InspectedFiles
from dense_det.distillation.inspection import Inspected
from dense_det.distillation.inspections import inspect_all
from dense_det.distillation.plan_text import in_words
from dense_det.distillation.sources import Candidate, Expansion
from dense_det.distillation.work_folder import InputImage, Plan, Rejected, WorkFolder, to_line
from dense_det.evaluation.ground_truth import GroundTruth

logger = logging.getLogger(__name__)

_LARGEST_ID = 2**63 - 1
_THE_LIST = ("shard_size", "num_images", "inputs_sha256", "labelled", "validation")  # the rest tells of its making


@dataclass(frozen=True)
class PlanSettings:
    """What a plan is asked for.

    Args:
        labelled: what teacher and student train on; its instances per image are what `select` aims at.
        validation: labelled images that the teacher labels, too, so that `select` can judge thresholds.
        exclude: more labelled files (a test set), whose images must not be pseudo-labelled either.
        max_pixels: larger images are left out.
        workers: threads that read and hash images.
        decode: decode every image in full.
    """

    sources: tuple[str, ...]
    shard_size: int = 256
    labelled: CocoFiles | None = None
    validation: CocoFiles | None = None
    exclude: tuple[CocoFiles, ...] = ()
    expansion: Expansion = Expansion()
    max_pixels: int = 100_000_000
    workers: int = 2
    decode: bool = False


def make_plan(work: WorkFolder, settings: PlanSettings) -> Plan:
    """Write the plan of a work folder, whole or not at all; planning the same again changes nothing. Image files that
    a plan has read are not read again, whatever ended it; tar files and PDFs are. Validation images may get other
    annotations meanwhile.

    Memory holds a few images; the hashes of all that went before lie on the disk meanwhile.

    Raises:
        ValueError: nothing to label, a source or COCO file that is not there, a validation image that cannot be
            read, or a folder that has another plan, or predictions without one.
        OSError: a full disk, among others.
    """
    _require_ours(work)
    work.root.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(work.root)
    draft = WorkFolder(tempfile.mkdtemp(prefix=f"{_draft_prefix()}{os.getpid()}-", dir=work.root))
    try:
        way = f"1 {settings.max_pixels} {settings.decode}"  # and which code did so
        with InspectedFiles(work.root / ".inspected.db", way) as known:
            look = partial(
                inspect_all,
                known=known,
                max_pixels=settings.max_pixels,
                decode=settings.decode,
                threads=settings.workers,
            )
            plan = _write_draft(draft, settings, look)
        with _locked(work.root):
            if work.plan_path.exists():
                plan = _same_plan(work, plan)
                _renew_truth(work, draft)
            elif work.manifest_path.exists() or work.images.finished():
                raise ValueError(
                    f"{work.root} has no plan, but predictions of one that is gone: they would be taken for those of "
                    "this list. Give another folder, or remove this one whole"
                )
            else:
                _publish(draft, work, plan)
        if not work.failures_path.exists():
            work.join_failures(plan)
        return plan
    finally:
        shutil.rmtree(draft.root, ignore_errors=True)


def _write_draft(draft: WorkFolder, settings: PlanSettings, look: Callable) -> Plan:
    labelled_digests, labelled, trained_on = set(), None, frozenset()
    if settings.labelled:
        truth = settings.labelled.load()
        labelled_digests |= _digests(settings.labelled, truth)
        trained_on = frozenset(labelled_digests)
        counts = truth.counts().tolist()
        labelled = {
            "json_file": os.path.abspath(settings.labelled.json_file),
            "images": len(truth.images),
            "instances": sum(counts),
            "per_class": dict(zip(truth.class_names, counts, strict=True)),
        }
    for files in settings.exclude:
        labelled_digests |= _digests(files, files.load())
    validation = None
    if settings.validation:
        validation, digests = _write_validation(draft, settings, look)
        if shared := trained_on.intersection(digests):
            logger.warning(
                "%d of %d validation images stand in the labelled file, too: select judges on what the teacher learned",
                len(shared), validation["num_images"],
            )  # fmt: skip
        labelled_digests |= digests

    counts = Counter(bad=0, skipped=0, duplicate=0, labelled=0, other_files=0)
    writer = InputWriter(draft.images, settings.shard_size)
    with DigestSet(draft.root / "seen.db") as seen, atomic_file(draft.rejected_path) as rejected:
        for candidate, found in look(_candidates(settings)):
            if candidate.other:
                counts["other_files"] += 1
                continue
            if found.reason:
                kind, reason = "skipped" if candidate.skipped else "bad", found.reason
            elif found.digest in labelled_digests:
                kind, reason = "labelled", "stands in a labelled file"
            elif not seen.add(found.digest):
                kind, reason = "duplicate", f"the same bytes as an image before: sha256 {found.digest.hex()}"
            else:
                writer.add(_input(candidate, found, writer.num_images + 1))
                continue
            counts[kind] += 1
            rejected.write(to_line(Rejected(candidate.file_name, candidate.member, candidate.page, kind, reason)))
    digest = writer.close()
    if not writer.num_images:
        reasons = [f"\n  {full_name(row)}: {printable(row.reason)}" for row in islice(draft.read_rejected(), 3)]
        raise ValueError(f"nothing to label in {' '.join(settings.sources)}: {in_words(counts)}{''.join(reasons)}")
    sources = [os.path.abspath(source) for source in settings.sources]
    return Plan(
        settings.shard_size, writer.num_images, writer.num_shards, sources, dict(counts), digest, labelled, validation
    )


def _candidates(settings: PlanSettings) -> Iterator[Candidate]:
    for source in settings.sources:
        yield from settings.expansion.candidates(source)


def _input(candidate: Candidate, found: Inspected, number: int) -> InputImage:
    return InputImage(
        number, candidate.file_name, candidate.member, candidate.page, found.digest.hex(), found.width, found.height
    )


def _digests(files: CocoFiles, truth: GroundTruth) -> set[bytes]:
    """Content hashes of the images of a COCO file; those that are missing are told, since they guard nothing."""
    found = read_image_files([files.path(image) for image in truth.images])
    digests = {image.digest for image in found.values() if image.digest}
    if missing := [name for name, image in found.items() if not image.digest]:
        logger.warning(
            "%s: %d of %d images cannot be read (%s ...): they cannot be kept out of the plan",
            files.json_file, len(missing), len(found), missing[0],
        )  # fmt: skip
    return digests


def _write_validation(draft: WorkFolder, settings: PlanSettings, look: Callable) -> tuple[dict, set[bytes]]:
    """The shards of the validation images, and their truth; what the plan says of them, and their hashes."""
    files = settings.validation
    truth = files.load()
    if not truth.annotated or not truth.images:
        raise ValueError(f"{files.json_file}: validation needs images with annotations")
    ids = [image["id"] for image in truth.images]
    if odd := [number for number in ids if not isinstance(number, int) or abs(number) > _LARGEST_ID]:
        raise ValueError(
            f"{files.json_file}: image ids must be whole numbers of 64 bits, as COCO's are, got {odd[0]!r}"
        )
    writer, digests = InputWriter(draft.validation, settings.shard_size), set()
    candidates = (Candidate(files.path(image)) for image in truth.images)
    pairs = zip(truth.images, look(candidates), strict=True)
    for image, (candidate, found) in pairs:
        if found.reason:
            raise ValueError(f"validation image {candidate.file_name}: {found.reason}; tools/check_data.py lists all")
        digests.add(found.digest)
        writer.add(_input(candidate, found, image["id"]))
    writer.close()
    shutil.copyfile(files.json_file, draft.truth_path)
    plan = {
        "json_file": os.path.abspath(files.json_file),
        "image_root": os.path.abspath(files.image_root),
        "num_images": writer.num_images,
    }
    return plan, digests


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Nobody else publishes a plan meanwhile; the kernel ends it with the process, however that ends."""
    with open(root / ".plan.lock", "a") as file:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _same_plan(work: WorkFolder, plan: Plan) -> Plan:
    """The folder's own plan, which has the same list."""
    old = work.read_plan()
    pairs = [(key, getattr(old, key), getattr(plan, key)) for key in _THE_LIST]
    differences = [f"{key}: {before} -> {now}" for key, before, now in pairs if before != now]
    if differences:
        raise ValueError(
            f"{work.root} has a plan already, and a list that changes under its labels is no list:\n  "
            + "\n  ".join(differences)
            + "\nGive another folder, or remove this one whole."
        )
    return old


def _renew_truth(work: WorkFolder, draft: WorkFolder) -> None:
    """Take the annotations of validation images as they are now: predictions do not hang on them.

    Raises:
        ValueError: other images, or other ids, than the folder's predictions are of.
    """
    old, new = work.truth_path, draft.truth_path
    if not new.exists() or (old.exists() and filecmp.cmp(new, old, shallow=False)):
        return
    names = [file.name for file in draft.validation.inputs(0).parent.iterdir()]
    pairs = [tuple(folder.validation.inputs(0).parent / name for folder in (work, draft)) for name in names]
    if not all(old.exists() and filecmp.cmp(old, new, shallow=False) for old, new in pairs):
        raise ValueError(
            f"{work.root} has a plan already, of validation images with other files or ids: give another folder, or "
            "remove this one whole"
        )
    os.replace(draft.truth_path, work.truth_path)
    logger.warning("the validation images have other annotations than before: %s is theirs now", work.truth_path)


def _require_ours(work: WorkFolder) -> None:
    """ValueError: the folder has no plan, but something else in the places that a plan empties."""
    if work.plan_path.exists():
        return
    inputs = re.compile(r"\.?shard-\d+\.jsonl.*")
    parts = re.compile("inputs|predictions|failures|seconds|claims|truth.json")
    folders = [(work.images.inputs(0).parent, inputs), (work.validation.root, parts)]
    for folder, ours in [*folders, (work.validation.inputs(0).parent, inputs)]:
        with suppress(FileNotFoundError, NotADirectoryError):
            if other := next((name for name in os.listdir(folder) if not ours.fullmatch(name)), None):
                raise ValueError(
                    f"{printable(folder / other)} is not of a plan, whose place {folder} is: give another folder"
                )


def _publish(draft: WorkFolder, work: WorkFolder, plan: Plan) -> None:
    """Move the draft to its place; plan.json comes last, and without it the rest is only an attempt."""
    for name in ("inputs", "validation"):
        shutil.rmtree(work.root / name, ignore_errors=True)
        if (draft.root / name).exists():
            os.rename(draft.root / name, work.root / name)
    work.failures_path.unlink(missing_ok=True)
    os.replace(draft.rejected_path, work.rejected_path)
    work.write_plan(plan)


def _draft_prefix() -> str:
    return f".planning-{socket.gethostname()}-"


def _remove_abandoned(root: Path) -> None:
    """Drafts of planning processes of this machine that are no more."""
    # whole: "node" is not to take a draft of the machine "node-gpu" for its own
    draft = re.compile(re.escape(_draft_prefix()) + r"(\d+)-[^-]+")
    for folder in root.iterdir():
        if (own := draft.fullmatch(folder.name)) and not Path(f"/proc/{own[1]}").exists():
            shutil.rmtree(folder, ignore_errors=True)
