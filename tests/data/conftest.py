"""Hand-written PDFs: a few objects, one content stream a page."""

import pytest


@pytest.fixture
def write_pdf():
    """write_pdf(path, [content stream of each page], size=(612, 792)); y runs up, as PDF has it.

    Fonts: /F1 Times-Roman, /F2 Courier, /F3 Times-Bold, /F4 Helvetica, /F5 Symbol; an image: /Im1.
    """
    return _write_pdf


def _write_pdf(path, pages, size=(612, 792)):
    names = ["Times-Roman", "Courier", "Times-Bold", "Helvetica", "Symbol"]
    kind = "/Type /Font /Subtype /Type1 /Encoding /WinAnsiEncoding"
    objects = {3 + i: f"<< {kind} /BaseFont /{name} >>".encode() for i, name in enumerate(names)}
    pixels = bytes(range(0, 192, 3))
    header = "<< /Type /XObject /Subtype /Image /Width 8 /Height 8 /ColorSpace /DeviceGray /BitsPerComponent 8"
    objects[8] = f"{header} /Length {len(pixels)} >>\nstream\n".encode() + pixels + b"\nendstream"
    fonts = " ".join(f"/F{i + 1} {3 + i} 0 R" for i in range(len(names)))
    kids = []
    for index, stream in enumerate(pages):
        number = 9 + 2 * index
        kids.append(f"{number} 0 R")
        box = f"[0 0 {size[0]} {size[1]}]"
        resources = f"<< /Font << {fonts} >> /XObject << /Im1 8 0 R >> >>"
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox {box} /Resources {resources} /Contents {number + 1} 0 R >>"
        objects[number] = page.encode()
        data = stream.encode("latin1")
        objects[number + 1] = f"<< /Length {len(data)} >>\nstream\n".encode() + data + b"\nendstream"
    objects[1] = b"<< /Type /Catalog /Pages 2 0 R >>"
    objects[2] = f"<< /Type /Pages /Count {len(pages)} /Kids [{' '.join(kids)}] >>".encode()
    out, offsets = bytearray(b"%PDF-1.4\n"), {}
    for number in sorted(objects):
        offsets[number] = len(out)
        out += f"{number} 0 obj\n".encode() + objects[number] + b"\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offsets[number]:010d} 00000 n \n".encode() for number in sorted(objects))
    out += f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    path.write_bytes(out)
    return path


@pytest.fixture
def words():
    """words(font, size, x, y, text): the operators that show `text` with its baseline's left end at (x, y)."""
    return lambda font, size, x, y, text: f"BT /{font} {size} Tf {x} {y} Td ({text}) Tj ET\n"


@pytest.fixture
def prose(words):
    """prose(x, y, n): n lines of a paragraph in 10-point Times, 12 points apart, the first baseline at y."""
    line = "The quick brown fox jumps over the lazy dog and then runs back into the deep forest again"
    return lambda x, y, n: "".join(words("F1", 10, x, y - 12 * i, line) for i in range(n))
