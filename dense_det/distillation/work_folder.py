"""The work folder of a distillation: names of its files, and reading and writing them.

plan.json            what was asked for, and counts; it is written last, so a plan without it is no plan
inputs/              shard-000000.jsonl ...: one line an image
rejected.jsonl       what the plan left out, and why
manifest.json        classes, teachers, views and fusion: what all predictions of a folder have in common
predictions/         shard-000000.npz ...: see shard_file
failures/            shard-000000.jsonl ...: images of a finished shard that could not be labelled
failures.jsonl       all that failed, of both lists, and the bad files that the plan left out, each with its reason
seconds/             shard-000000.json ...: how long a shard took; apart, so that predictions are the same bytes
claims/              shard-000000.0.json ...: who labels a shard now; see claim
validation/          inputs/, predictions/, ... of labelled images, and truth.json, their COCO file
"""

import errno
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from dense_det.atomic_file import atomic_file, create_file
from dense_det.distillation.manifest import MANIFEST_VERSION, Manifest

VERSION = 1


@dataclass(frozen=True, slots=True)
class InputImage:
    """One image to label: a file, a `member` of a tar file, or a `page` (from 0) of a PDF.

    `sha256` is of the exact bytes; of a page, of the PDF's bytes and its number. `width` and `height` are pixels of
    the upright image. `id` counts from 1 over all; of a validation image it is COCO's.
    """

    id: int
    file_name: str
    member: str | None
    page: int | None
    sha256: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """What the plan left out; `kind` is "bad", "skipped" (nothing is wrong with it), "duplicate" or "labelled"."""

    file_name: str
    member: str | None
    page: int | None
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A bad file that the plan left out (`id` None), or a planned image that could not be read or labelled; of
    a `validation` image, `id` is COCO's."""

    id: int | None
    file_name: str
    member: str | None
    page: int | None
    reason: str
    validation: bool = False


@dataclass(frozen=True)
class Plan:
    """plan.json. `labelled`: {"json_file", "images", "instances", "per_class": {name: instances}} or None;
    `validation`: {"json_file", "image_root", "num_images"} or None; `counts`: left out, by kind."""

    shard_size: int
    num_images: int
    num_shards: int
    sources: list[str]
    counts: dict[str, int]
    inputs_sha256: str
    labelled: dict | None = None
    validation: dict | None = None
    version: int = VERSION

    @property
    def num_validation_shards(self) -> int:
        return -(-self.validation["num_images"] // self.shard_size) if self.validation else 0

    @property
    def num_bad(self) -> int:
        """Files that were left out because they cannot be read."""
        return self.counts.get("bad", 0)


class Shards:
    """The numbered files of one list of images; the work folder has one, its validation images another."""

    def __init__(self, root):
        self.root = Path(root)

    def inputs(self, shard: int) -> Path:
        return self.root / "inputs" / f"shard-{shard:06d}.jsonl"

    def predictions(self, shard: int) -> Path:
        return self.root / "predictions" / f"shard-{shard:06d}.npz"

    def failures(self, shard: int) -> Path:
        return self.root / "failures" / f"shard-{shard:06d}.jsonl"

    def seconds(self, shard: int) -> Path:
        return self.root / "seconds" / f"shard-{shard:06d}.json"

    def claim(self, shard: int, number: int) -> Path:
        return self.root / "claims" / f"shard-{shard:06d}.{number}.json"

    def is_finished(self, shard: int) -> bool:
        """The predictions are the last file that a shard writes."""
        return self.predictions(shard).exists()

    def finished(self) -> set[int]:
        """All that are; the folder is read once, however many shards there are."""
        numbers = (file.stem.removeprefix("shard-") for file in self.predictions(0).parent.glob("shard-*.npz"))
        return {int(number) for number in numbers if number.isdecimal()}

    def read_inputs(self, shard: int) -> Iterator[InputImage]:
        return (InputImage(**row) for row in read_lines(self.inputs(shard)))

    def read_failures(self, shard: int) -> Iterator[Failure]:
        return (Failure(**row) for row in read_lines(self.failures(shard)))


@dataclass(frozen=True)
class WorkFolder:
    """Paths of a work folder, its plan and its manifest."""

    root: Path
    images: Shards = field(init=False)
    validation: Shards = field(init=False)

    def __post_init__(self):
        root = Path(self.root)
        object.__setattr__(self, "root", root)
        object.__setattr__(self, "images", Shards(root))
        object.__setattr__(self, "validation", Shards(root / "validation"))

    @property
    def plan_path(self) -> Path:
        return self.root / "plan.json"

    @property
    def rejected_path(self) -> Path:
        return self.root / "rejected.jsonl"

    @property
    def manifest_path(self) -> Path:
        return self.root / "manifest.json"

    @property
    def failures_path(self) -> Path:
        return self.root / "failures.jsonl"

    @property
    def truth_path(self) -> Path:
        return self.root / "validation" / "truth.json"

    def read_plan(self) -> Plan:
        """Raises ValueError when the folder has no complete plan of this version."""
        tree = self._read(self.plan_path, VERSION, "no finished plan: run tools/pseudo_label.py plan first")
        return _made(Plan, tree, self.plan_path)

    def write_plan(self, plan: Plan) -> None:
        write_json(self.plan_path, asdict(plan))

    def read_manifest(self) -> Manifest:
        """Raises ValueError when nothing was run yet, or the file was changed by hand."""
        missing = "nothing was labelled yet: run tools/pseudo_label.py run first"
        tree = self._read(self.manifest_path, MANIFEST_VERSION, missing)
        claimed = tree.pop("sha256", None)
        manifest = _made(Manifest, tree, self.manifest_path)
        if claimed != manifest.sha256:
            raise ValueError(f"{self.manifest_path}: its sha256 is not that of its fields: it was changed by hand")
        return manifest

    def settle_manifest(self, manifest: Manifest) -> None:
        """Write `manifest` as the first run, or find the folder's own equal to it.

        Raises:
            ValueError: the folder was begun with another one; names the fields.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        if not self.manifest_path.exists():
            create_file(self.manifest_path, to_json(asdict(manifest) | {"sha256": manifest.sha256}))
        if differences := self.read_manifest().differences(manifest):
            raise ValueError(
                f"{self.root} was begun with another teacher or setting, and predictions of two do not mix:\n  "
                + "\n  ".join(differences)
                + "\nUse the old setting, or plan a new folder."
            )

    def read_rejected(self) -> Iterator[Rejected]:
        return (Rejected(**row) for row in read_lines(self.rejected_path))

    def join_failures(self, plan: Plan) -> int:
        """Write failures.jsonl anew, where one may; how many of the plan's `num_images` are in it."""
        try:
            write_lines(self.failures_path, self.read_failures(plan))
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):  # one may look at a colleague's folder
                raise
        return sum(failure.id is not None and not failure.validation for failure in self.read_failures(plan))

    def read_failures(self, plan: Plan) -> Iterator[Failure]:
        """The failures of the finished shards, those of validation, and behind them the plan's bad files."""
        for shard in filter(self.images.is_finished, range(plan.num_shards)):
            yield from self.images.read_failures(shard)
        for shard in filter(self.validation.is_finished, range(plan.num_validation_shards)):
            yield from (replace(failure, validation=True) for failure in self.validation.read_failures(shard))
        for row in self.read_rejected() if plan.num_bad and self.rejected_path.exists() else ():
            # plans of the days before "skipped" call links bad, too
            if row.kind == "bad" and not row.reason.startswith(("a link to ", "lies in the work folder")):
                yield Failure(None, row.file_name, row.member, row.page, row.reason)

    @staticmethod
    def _read(path: Path, known: int, missing: str) -> dict:
        try:
            tree = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ValueError(f"{path.parent}: {missing}") from error
        except ValueError as error:
            raise ValueError(f"{path}: not JSON ({error})") from error
        version = tree.get("version") if isinstance(tree, dict) else None
        if version != known:
            raise ValueError(
                f"{path}: version {version!r}, this program reads {known}: plan a new folder, or go on with the "
                "program that began this one"
            )
        return tree


def _made(kind, tree: dict, path: Path):
    try:
        return kind(**tree)
    except TypeError as error:  # a field that is missing, or one too many
        raise ValueError(f"{path}: not as this program wrote it: {error}") from error


def page_digest(pdf_sha256: str, page: int) -> str:
    """SHA-256 of a PDF's page: of the PDF's own digest (hexadecimal) and the page number, from 0."""
    return hashlib.sha256(f"{pdf_sha256}:{page}".encode()).hexdigest()


def to_line(row) -> str:
    """A dataclass as one line of JSON; names of files that are no UTF-8 survive as escapes."""
    return json.dumps(asdict(row)) + "\n"


def write_lines(path, rows: Iterable) -> None:
    with atomic_file(path) as file:
        file.writelines(to_line(row) for row in rows)


def read_lines(path) -> Iterator[dict]:
    """The rows of a .jsonl file, one after the other.

    Raises:
        ValueError: a line that is not a JSON object, with its number.
    """
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: not JSON ({error})") from error


def write_json(path, tree) -> None:
    with atomic_file(path) as file:
        file.write(to_json(tree))


def to_json(tree) -> str:
    return json.dumps(tree, indent=1) + "\n"
