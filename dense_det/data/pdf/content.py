"""What a PDF page draws, before any understanding: runs of characters, pictures, rules and shapes."""

import ctypes
import math
from dataclasses import dataclass, field, replace

from dense_det.data.pdf.fonts import Font, font_named, read_font, widths_are_mono
from dense_det.data.pdf.geometry import Box, area, height, union, width

# a form (an embedded drawing) this large is a wrapper of the whole page: what it holds counts, not itself
_WRAPPER_SHARE = 0.7
_RULE_THICKNESS = 2.2
# looking up clip paths takes time: only for objects longer than this (points), which can overshoot by something
_MAY_BE_CLIPPED = 30.0
_SPACES = {9, 10, 13, 32, 0xA0, 0xFFFE, 0xFEFF}


@dataclass(slots=True)
class Run:
    """Neighbouring characters of one font on one line; `size` is the font's size on the page."""

    box: Box
    text: str
    size: float
    font: Font
    rotated: bool = False
    embedded: bool = False  # drawn by an embedded drawing, not by the page itself


@dataclass(slots=True)
class Content:
    """One page: its size, and what it draws, as boxes in points."""

    width: float
    height: float
    runs: list[Run] = field(default_factory=list)
    pictures: list[Box] = field(default_factory=list)  # images, embedded drawings, shadings
    rules: list[Box] = field(default_factory=list)  # horizontal lines
    posts: list[Box] = field(default_factory=list)  # vertical lines
    shapes: list[Box] = field(default_factory=list)  # every other path


def read_content(page) -> Content:
    """Read a pypdfium2 page. Its /Rotate is ignored: coordinates are those of the unrotated page."""
    left, bottom, right, top = page.get_bbox()
    content = Content(right - left, top - bottom)

    def to_page(x0, y0, x1, y1) -> Box:
        return x0 - left, top - y1, x1 - left, top - y0

    own_text = _read_objects(page, content, to_page)
    content.runs = _read_runs(page, content, to_page, own_text)
    return content


def _read_objects(page, content: Content, to_page) -> set[int]:
    """Sort pictures and paths into `content`; returns the addresses of text objects outside embedded drawings."""
    import pypdfium2.raw as pdfium

    edges = [ctypes.c_float() for _ in range(4)]
    matrix = pdfium.FS_MATRIX()
    own_text: set[int] = set()
    page_box = (0.0, 0.0, content.width, content.height)
    page_area = area(page_box)

    def visit(obj, transforms):
        kind = pdfium.FPDFPageObj_GetType(obj)
        if kind == pdfium.FPDF_PAGEOBJ_TEXT:
            own_text.add(ctypes.addressof(obj.contents))
            return
        if not pdfium.FPDFPageObj_GetBounds(obj, *edges):
            return
        x0, y0, x1, y1 = (edge.value for edge in edges)
        if max(x1 - x0, y1 - y0) > _MAY_BE_CLIPPED:
            x0, y0, x1, y1 = _clipped(obj, (x0, y0, x1, y1))
            if x1 <= x0 and y1 <= y0:
                return
        for a, b, c, d, e, f in transforms:
            corners = [(a * x + c * y + e, b * x + d * y + f) for x in (x0, x1) for y in (y0, y1)]
            x0, y0, x1, y1 = union([(x, y, x, y) for x, y in corners])
        box = to_page(x0, y0, x1, y1)
        if box[2] <= 0 or box[3] <= 0 or box[0] >= content.width or box[1] >= content.height:
            return
        box = (max(box[0], 0.0), max(box[1], 0.0), min(box[2], content.width), min(box[3], content.height))
        if kind == pdfium.FPDF_PAGEOBJ_FORM and area(box) > _WRAPPER_SHARE * page_area and len(transforms) < 4:
            pdfium.FPDFPageObj_GetMatrix(obj, matrix)
            own = (matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f)
            for index in range(pdfium.FPDFFormObj_CountObjects(obj)):
                visit(pdfium.FPDFFormObj_GetObject(obj, index), [own, *transforms])
        elif kind == pdfium.FPDF_PAGEOBJ_PATH:
            _sort_path(box, content, page_area)
        elif area(box) <= 0.85 * page_area and width(box) > 18 and height(box) > 18:
            content.pictures.append(box)

    for index in range(pdfium.FPDFPage_CountObjects(page.raw)):
        visit(pdfium.FPDFPage_GetObject(page.raw, index), [])
    return own_text


def _clipped(obj, box: Box) -> Box:
    """The part of `box` that the object's clip paths leave visible; both in the object's own coordinates, y up."""
    import pypdfium2.raw as pdfium

    clip = pdfium.FPDFPageObj_GetClipPath(obj)
    if not clip:
        return box
    x, y = ctypes.c_float(), ctypes.c_float()
    for path in range(max(0, pdfium.FPDFClipPath_CountPaths(clip))):
        points = []
        for index in range(max(0, pdfium.FPDFClipPath_CountPathSegments(clip, path))):
            segment = pdfium.FPDFClipPath_GetPathSegment(clip, path, index)
            if pdfium.FPDFPathSegment_GetPoint(segment, x, y):
                points.append((x.value, y.value))
        if len(points) > 2:
            xs, ys = zip(*points, strict=True)
            box = (max(box[0], min(xs)), max(box[1], min(ys)), min(box[2], max(xs)), min(box[3], max(ys)))
    return box


def _sort_path(box: Box, content: Content, page_area: float) -> None:
    if height(box) < _RULE_THICKNESS and width(box) > 25:
        content.rules.append(box)
    elif width(box) < _RULE_THICKNESS and height(box) > 8:
        content.posts.append(box)
    elif area(box) < _WRAPPER_SHARE * page_area and max(width(box), height(box)) > 1.5:
        content.shapes.append(box)


def _read_runs(page, content: Content, to_page, own_text: set[int]) -> list[Run]:
    import pypdfium2.raw as pdfium

    holder = page.get_textpage()  # closes itself when it is collected
    text_page = holder.raw
    left, right, bottom, top = (ctypes.c_double() for _ in range(4))
    styles = _Styles(text_page)
    runs: list[Run] = []
    open_object = None
    for index in range(pdfium.FPDFText_CountChars(text_page)):
        code = pdfium.FPDFText_GetUnicode(text_page, index)
        if code in _SPACES:
            continue
        text_object = pdfium.FPDFText_GetTextObject(text_page, index)
        if not text_object:
            continue
        address = ctypes.addressof(text_object.contents)
        letter = chr(code) if code else "\x00"
        size, font, rotated = styles.of(address, text_object, index, letter)
        pdfium.FPDFText_GetCharBox(text_page, index, left, right, bottom, top)
        box = to_page(left.value, bottom.value, right.value, top.value)
        if (box[2] <= box[0] and box[3] <= box[1]) or box[2] < 0 or box[3] < 0:
            continue
        if box[0] > content.width or box[1] > content.height:
            continue
        run = runs[-1] if runs and open_object == address else None
        if run and not rotated and -0.6 * size < box[0] - run.box[2] < 0.9 * size:
            space = " " if box[0] - run.box[2] > 0.18 * size else ""
            run.box, run.text = union([run.box, box]), run.text + space + letter
        elif run and rotated and min(abs(box[3] - run.box[1]), abs(box[1] - run.box[3])) < 0.9 * size:
            run.box, run.text = union([run.box, box]), run.text + letter
        else:
            runs.append(Run(box, letter, size, font, rotated, embedded=address not in own_text))
            open_object = address
    for run in runs:
        run.font = styles.settled(run.font)
    return [run for run in runs if area(run.box) > 0]


class _Styles:
    """Size on the page, font and direction of each text object, looked up once; and widths of nameless fonts."""

    def __init__(self, text_page):
        self._text_page = text_page
        self._styles: dict[int, tuple[float, Font, bool]] = {}
        self._fonts: dict[int, Font] = {}
        self._widths: dict[Font, dict[str, float]] = {}

    def of(self, address: int, text_object, index: int, letter: str) -> tuple[float, Font, bool]:
        """The style of the text object at `address`, whose character number `index` is `letter`."""
        if address not in self._styles:
            self._styles[address] = self._read(text_object, index)
        style = self._styles[address]
        widths = self._widths.get(style[1])
        if widths is not None and letter not in widths:
            widths[letter] = self._width(index) / max(style[0], 0.1)
        return style

    def settled(self, font: Font) -> Font:
        """`font`, or its monospace twin, when the widths seen on the page say so."""
        widths = self._widths.get(font)
        return replace(font, is_mono=True) if widths and widths_are_mono(widths) else font

    def _read(self, text_object, index: int) -> tuple[float, Font, bool]:
        import pypdfium2.raw as pdfium

        matrix = pdfium.FS_MATRIX()
        size = ctypes.c_float()
        pdfium.FPDFTextObj_GetFontSize(text_object, size)
        pdfium.FPDFText_GetMatrix(self._text_page, index, matrix)
        handle = pdfium.FPDFTextObj_GetFont(text_object)
        address = ctypes.addressof(handle.contents) if handle else 0
        if address not in self._fonts:
            font = read_font(handle) if handle else font_named("")
            if not font.name:
                font = replace(font, name=f"#{len(self._fonts)}")  # nameless fonts are not one font
                self._widths[font] = {}
            self._fonts[address] = font
        return size.value * math.hypot(matrix.c, matrix.d), self._fonts[address], abs(matrix.b) > abs(matrix.a)

    def _width(self, index: int) -> float:
        """Advance of a character on the page; 0 where there is none."""
        import pypdfium2.raw as pdfium

        box = pdfium.FS_RECTF()
        return box.right - box.left if pdfium.FPDFText_GetLooseCharBox(self._text_page, index, box) else 0.0
