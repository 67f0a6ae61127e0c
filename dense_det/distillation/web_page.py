"""HTML pages that need nothing but themselves: pictures, styles and scripts are inside."""

import base64
import html
import io

import numpy as np
from PIL import Image

from dense_det.drawing import resize

_STYLE = """
:root { --ink: #1e1e1e; --soft: #667; --line: #dde; --paper: #fff; --accent: #0072b2 }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: #f4f5f8; margin: 0 }
main { max-width: 1160px; margin: 0 auto; padding: 24px }
h1 { font-size: 26px; margin: 0 0 4px } h2 { font-size: 19px; margin: 0 0 10px } p { margin: 4px 0 10px }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 18px; margin: 16px 0 }
.soft { color: var(--soft) }
table { border-collapse: collapse; width: 100% } th { text-align: right; color: var(--soft); font-weight: 500 }
td { text-align: right; font-variant-numeric: tabular-nums }
td, th { padding: 4px 8px; border-bottom: 1px solid var(--line) }
td:first-child, th:first-child { text-align: left }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 10px }
figure { margin: 0; border: 1px solid var(--line); border-radius: 6px; padding: 6px; background: #fff }
figure img { width: 100%; display: block } figcaption { font-size: 12px; color: var(--soft); overflow-wrap: anywhere }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 14px }
svg { width: 100%; height: auto } svg text { font: 11px system-ui, sans-serif; fill: var(--soft) }
button { font: inherit; padding: 8px 18px; border: 1px solid var(--line); border-radius: 6px; background: #fff }
button.chosen { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent) }
.wide { overflow-x: auto } pre { white-space: pre-wrap; overflow-wrap: anywhere }
.card img { max-width: 100%; max-height: max(240px, 100vh - 350px) } .card p { overflow-wrap: anywhere }
"""


def html_page(title: str, body: str, script: str = "") -> str:
    """A whole document; `body` is HTML already, `title` is text."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n<body><main>\n"
        f"<h1>{html.escape(title)}</h1>\n{body}\n</main><script>{script}</script></body></html>\n"
    )


def table(header: list[str], rows: list[list]) -> str:
    """Text and numbers as an HTML table; NaN and None are a dash."""

    def cell(value) -> str:
        if value is None or value != value:
            return "&ndash;"
        if isinstance(value, str):
            return html.escape(value)
        return f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"

    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    lines = "".join("<tr>" + "".join(f"<td>{cell(value)}</td>" for value in row) + "</tr>\n" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>\n{lines}</table></div>'


def figure(picture: np.ndarray | None, caption: str, longest: int = 260) -> str:
    """A picture, (H, W, 3) RGB uint8, shrunk to `longest` pixels, above its caption (text); None has only that."""
    image = f'<img alt="" src="{jpeg_address(picture, longest)}">' if picture is not None else ""
    return f"<figure>{image}<figcaption>{html.escape(caption)}</figcaption></figure>"


def jpeg_address(picture: np.ndarray, longest: int, quality: int = 70) -> str:
    """The picture as a data: address."""
    small = resize(picture, min(1.0, longest / max(picture.shape[:2])))
    buffer = io.BytesIO()
    Image.fromarray(small).save(buffer, "JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def redact(picture: np.ndarray) -> np.ndarray:
    """A picture of the size of (H, W, 3) `picture` on which nothing can be read: 8 x 8 averages are left of it."""
    image = Image.fromarray(picture)
    coarse = image.resize((min(8, image.width), min(8, image.height)), Image.Resampling.BOX)
    return np.array(coarse.resize(image.size, Image.Resampling.BICUBIC))
