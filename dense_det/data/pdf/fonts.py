"""What a font is for: code, mathematics, emphasis. Told from its PostScript name, which TeX and word processors keep.

TeX's bitmap fonts have no names; there, equal widths of letters that should differ tell monospace.
"""

import ctypes
import re
from dataclasses import dataclass

_MONO = re.compile(
    r"(CM|LM|EC|EU|TX|PX|t1x|t1p|zi4)[A-Z0-9-]*TT|SF(TT|ST|IT|TC)\d|cmitt|cmsltt|txtt"
    r"|Mono(?!type|prop)|MonL|Monaco|Menlo|Cour|Typewr|Incons|Consol|Fixed|Luxi|LetterGoth|Andale"
    r"|FiraCode|CodePro|JetBrains|PTMono|Hack-",
    re.I,
)
_MATH = re.compile(
    r"CMMI|CMSY|CMEX|CMBSY|MSAM|MSBM|Math|RSFS|EUFM|EUSM|EURM|EUEX|StandardSym|Symbol|SymbMT"
    r"|tx[bm]*(sy|ex|mi)|px[bm]*(sy|ex|mi)|NewTXMI|stmary|wasy|LASY|esint|bbm\d|dsrom|MTMI|MTSY|MTEX",
    re.I,
)
_BOLD = re.compile(r"BX|Bold|-Bd\b|-B$|-Medi|Heavy|Black|SF(SX|BX|RB)|Demi|CMB\d|LMB\d", re.I)
_SANS = re.compile(r"Helvet|Arial|Sans|SanL|CMSS|SFSS|Univers|DIN-", re.I)


@dataclass(frozen=True, slots=True)
class Font:
    """`name` is without its subset tag; `is_sans` is here because plotting programs write with sans fonts."""

    name: str
    is_mono: bool
    is_math: bool
    is_bold: bool
    is_sans: bool

    @property
    def family(self) -> str:
        """The name up to its style and design size: "Helvetica" of "Helvetica-Bold", "CMR" of "CMR10"."""
        return re.split(r"[-,\d]", self.name, maxsplit=1)[0]


def font_named(name: str) -> Font:
    """The font of a PostScript name, with or without the tag of a subset: "ABCDEF+CMTT10"."""
    name = name.split("+", 1)[-1]
    is_math = bool(_MATH.search(name))
    is_mono = bool(_MONO.search(name)) and not is_math
    return Font(name, is_mono, is_math, bool(_BOLD.search(name)), bool(_SANS.search(name)))


def read_font(handle) -> Font:
    """The Font behind a pdfium font handle."""
    import pypdfium2.raw as pdfium

    buffer = ctypes.create_string_buffer(256)
    pdfium.FPDFFont_GetBaseFontName(handle, buffer, 256)
    return font_named(buffer.value.decode("latin1", "replace"))


def widths_are_mono(widths: dict[str, float]) -> bool:
    """Letters of a font, with their widths on the page: all alike, some narrow and some wide ones among them.

    Slanted fonts' boxes differ by up to 15 %; digits are alike in every font and do not count.
    """
    letters = {letter: w for letter, w in widths.items() if w > 0 and not letter.isdigit() and not letter.isspace()}
    narrow = [w for letter, w in letters.items() if letter in "iljtfrI.,:;'!|()[]"]
    wide = [w for letter, w in letters.items() if letter not in "iljtfrI.,:;'!|()[]"]
    return len(letters) >= 4 and bool(narrow) and bool(wide) and min(letters.values()) > 0.8 * max(letters.values())
