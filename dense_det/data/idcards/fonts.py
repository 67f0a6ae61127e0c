"""Typefaces: matplotlib's, which are always there, and those of a folder; each family in one split only."""

import functools
import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.ft2font import FT2Font
from PIL import ImageFont

logger = logging.getLogger(__name__)

# families of matplotlib's own folder: regular and bold file
_BUNDLED = {
    "train": {
        "DejaVu Sans": ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
        "DejaVu Sans Mono": ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf"),
        "DejaVu Serif": ("DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf"),
    },
    "val": {"STIXGeneral": ("STIXGeneral.ttf", "STIXGeneralBol.ttf")},
}
_MACHINE_READABLE = {"train": "DejaVuSansMono.ttf", "val": "cmtt10.ttf"}
_NEEDED = set(map(ord, "AZaz09<>.,-/()ÄÖÜßéèñçøåłşğČřž"))
_VAL_EVERY = 3  # of the folder's families


@dataclass(frozen=True, slots=True)
class Family:
    """Files of a typeface; `machine_readable` is the face of the split's MRZ lines."""

    name: str
    regular: str
    bold: str
    machine_readable: str
    digest: str


def bundled_folder() -> Path:
    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def find_families(folder=None) -> dict[str, list[Family]]:
    """The families of "train" and "val": matplotlib's, then those below a folder with a regular and a bold face.

    Raises:
        ValueError: no such folder.
    """
    if folder is not None and not Path(folder).is_dir():
        raise ValueError(f"no folder of typefaces: {folder}")
    ttf = bundled_folder()
    families = {}
    for split, bundled in _BUNDLED.items():
        mrz = str(ttf / _MACHINE_READABLE[split])
        families[split] = [_family(name, ttf / a, ttf / b, mrz) for name, (a, b) in bundled.items()]
    known = {family.name for split in families.values() for family in split}
    for name, (regular, bold) in sorted(_scan(folder).items()) if folder is not None else ():
        if name not in known and not name.startswith(("DejaVu", "STIX")):
            split = "train" if int(hashlib.sha256(name.encode()).hexdigest(), 16) % _VAL_EVERY else "val"
            families[split].append(_family(name, regular, bold, families[split][0].machine_readable))
    return families


@functools.lru_cache(512)
def load_font(file: str, pixels: int) -> ImageFont.FreeTypeFont:
    # the simple layout: the same with and without libraqm
    return ImageFont.truetype(file, max(6, pixels), layout_engine=ImageFont.Layout.BASIC)


def _family(name: str, regular, bold, mrz: str) -> Family:
    content = Path(regular).read_bytes() + Path(bold).read_bytes() + Path(mrz).read_bytes()
    return Family(name, str(regular), str(bold), mrz, hashlib.sha256(content).hexdigest()[:12])


def _scan(folder) -> dict[str, tuple[Path, Path]]:
    """Latin families below `folder` that have both faces."""
    faces: dict[str, dict[str, Path]] = {}
    for path in sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in (".ttf", ".otf")):
        try:
            face = FT2Font(str(path))
            if not _NEEDED <= face.get_charmap().keys():
                continue
            style = {"regular": "regular", "book": "regular", "roman": "regular", "bold": "bold"}
            kind = style.get(face.style_name.lower())
        except (RuntimeError, OSError, ValueError) as error:
            logger.warning("font %s is left out: %s", path, error)
            continue
        if kind:
            faces.setdefault(face.family_name, {}).setdefault(kind, path)
    return {name: (found["regular"], found["bold"]) for name, found in faces.items() if len(found) == 2}
