"""Pictures with what was found drawn in them, and crops of it: OUT/pictures and OUT/crops."""

import json
import re
import unicodedata
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from dense_det.distillation.image_reader import BadImage, ImageReader
from dense_det.distillation.rule import Rule
from dense_det.distillation.work_folder import Failure, WorkFolder, write_json
from dense_det.drawing import class_color, draw_boxes, draw_quads, save_image
from dense_det.prediction.crop import crop_box, straighten
from dense_det.prediction.found import Found, read_found, title
from dense_det.prediction.listing import read_copies


@dataclass(frozen=True)
class Drawings:
    """Those of one run. work/drawn.json notes what they show; it is written before the first of them, so where there is
    none, none of the files is ours.

    Args:
        out: the folder that holds both.
        work: of the run.
        pictures, crops: which are asked for.
    """

    out: Path
    work: WorkFolder
    pictures: bool
    crops: bool

    def require_free(self) -> None:
        """Raises ValueError where another's file has a number of our images: it would be taken for ours."""
        if self._noted() is None and (self.pictures or self.crops):
            for path in self._numbered(len(self._copies())):
                raise ValueError(
                    f"{path} is there, and {self._note} does not tell that it was drawn here: move it away, or give "
                    "another --out"
                )

    def draw(self, rule: Rule) -> Iterator[Failure]:
        """Write what is asked for and not there yet; those of other thresholds are drawn anew. An image that gives no
        pixels any more is told, and the others follow."""
        self.settle(rule)
        if not (self.pictures or self.crops):
            return
        classes = self.work.read_manifest().classes
        with closing(ImageReader()) as reader:
            for found in read_found(self.work, rule):
                try:
                    self._draw(found, classes, reader)
                except BadImage as error:
                    image = found.image
                    yield Failure(image.id, image.file_name, image.member, image.page, str(error))

    def _draw(self, found: Found, classes: list[str], reader: ImageReader) -> None:
        picture = self.out / "pictures" / f"{found.stem()}.jpg"
        names = [f"{found.stem()}-{k}-{file_part(classes[kind])}.png" for k, kind in enumerate(found.classes, 1)]
        paths = [self.out / "crops" / name for name in names]
        draws, cuts = self.pictures and not picture.exists(), self.crops and not all(path.exists() for path in paths)
        if not len(found.boxes) or not (draws or cuts):
            return
        pixels = reader.read(found.image)
        if draws:
            colors = [class_color(int(kind)) for kind in found.classes]
            labels = [f"{classes[k]} {score:.2f}" for k, score in zip(found.classes, found.scores, strict=True)]
            drawn = draw_boxes(pixels, found.boxes, labels, colors)
            save_image(picture, drawn if found.quads is None else draw_quads(drawn, found.quads, colors))
        for k, path in enumerate(paths if cuts else ()):
            crop = crop_box(pixels, found.boxes[k]) if found.quads is None else straighten(pixels, found.quads[k])
            if crop is not None:
                save_image(path, crop)

    @property
    def _note(self) -> Path:
        return self.work.root / "drawn.json"

    def _noted(self) -> dict | None:
        return json.loads(self._note.read_text(encoding="utf-8")) if self._note.exists() else None

    def settle(self, rule: Rule) -> int:
        """Remove what shows other boxes, as thresholds or the numbers of copies were others, and note today's; how many
        files that were."""
        before = self._noted()
        now = {"thresholds": [float(threshold) for threshold in rule.thresholds], "copies": self._copies()}
        if before == now or (before is None and not (self.pictures or self.crops)):
            return 0
        removed = 0
        for path in self._numbered(len(before.get("copies", ()))) if before else ():
            path.unlink()
            removed += 1
        for folder in ("pictures", "crops"):
            with suppress(OSError):  # something else is in it, or it is not there
                (self.out / folder).rmdir()
        write_json(self._note, now)
        return removed

    def _copies(self) -> list[str]:
        return [f"{copy.id} {title(copy)}" for same in read_copies(self.work).values() for copy in same]

    def _numbered(self, num_copies: int) -> Iterator[Path]:
        """The files whose names begin as ours do, with the number of an image or of a copy behind them."""
        last = self.work.read_plan().num_images + num_copies
        for path in (*(self.out / "pictures").glob("*.jpg"), *(self.out / "crops").glob("*.png")):
            number = re.match("([0-9]{6}|[1-9][0-9]{6,})-", path.name)
            if number and 1 <= int(number[1]) <= last:
                yield path


def file_part(name: str) -> str:
    """A class's name as a part of a file's: letters of any language, but nothing that a file system refuses."""
    safe = "".join("_" if sign == "/" or unicodedata.category(sign) in ("Cc", "Cs") else sign for sign in name)
    return safe[:60].encode()[:120].decode(errors="ignore")
