"""A page on this machine alone: drop in an image, see what an exported detector finds, move the threshold."""

import contextlib
import io
import json
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from dense_det.data.orientation import orientation
from dense_det.deploy.runtime import DRAWINGS, Detector, upright
from dense_det.drawing import JPEG_EDGE

HOST = "127.0.0.1"  # nobody else can reach it
MAX_BYTES = 64 * 2**20
MAX_PIXELS = 100_000_000
LEAST_SCORE = 0.05  # where the page's threshold ends, unless the file has boxes, or a class its own threshold, below
PAGE = Path(__file__).with_name("page.html")
# nothing from anywhere else, whatever a name of a class might hold, and no place in another site's page
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src blob:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
SILENCE_SECONDS = 60  # more than a browser on this machine ever waits amid a request


def make_server(detector: Detector, name: str, port: int) -> ThreadingHTTPServer:
    """A server of the page for one detector, not yet running.

    Args:
        name: of the detector, for people.
        port: 0 takes any that is free.

    Raises:
        OSError: the port is taken.
    """
    least = min(LEAST_SCORE, detector.facts.get("least_score", LEAST_SCORE), *detector.facts["thresholds"])
    lock = threading.Lock()  # one image at a time: the engine uses all cores for it

    class Handler(PageHandler):
        def facts(self) -> dict:
            told = {"model": name, "classes": detector.classes, "thresholds": detector.facts["thresholds"]}
            return told | {"least": least, "most_bytes": MAX_BYTES}

        def find(self, content: bytes) -> dict:
            require_image(content)
            with lock:
                start = time.perf_counter()
                found = detector.predict(io.BytesIO(content), least, masks=False)
                milliseconds = 1000 * (time.perf_counter() - start)
                size, turned = size_of(content)
            rows = zip(found.boxes.round(2).tolist(), found.scores.tolist(), found.names, strict=True)
            listed = [{"box": box, "score": score, "name": kind} for box, score, kind in rows]
            return {"found": listed, "milliseconds": milliseconds, "size": size, "turned": turned}

        def picture(self, content: bytes) -> bytes:
            require_image(content)
            with lock:  # one decoded at a time: the memory for it is bounded
                return upright_jpeg(content)

    return ThreadingHTTPServer((HOST, port), Handler)


def require_image(content: bytes) -> None:
    """Raises ValueError for bytes that are no image, or one that would fill the memory."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            kind, (width, height) = image.format, image.size
    except Image.DecompressionBombError as error:
        raise ValueError(f"more than {MAX_PIXELS:,} pixels: make the image smaller") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise ValueError(f"this is no image that Pillow can read ({type(error).__name__})") from error
    if kind in DRAWINGS:
        raise ValueError(f"{kind} is a drawing: save it as an image, such as PNG")
    if width * height > MAX_PIXELS:
        raise ValueError(f"{width} x {height} pixels are more than {MAX_PIXELS:,}: make the image smaller")


def size_of(content: bytes) -> tuple[tuple[int, int], bool]:
    """(width, height) of an image in pixels, as its file states them, and whether it says to be turned or mirrored.

    Browsers turn a JPEG, but not every other format, and not by every place where Pillow finds an orientation.

    Raises:
        OSError: damaged.
    """
    with Image.open(io.BytesIO(content)) as image:
        return image.size, orientation(image) in range(2, 9)


def upright_jpeg(content: bytes) -> bytes:
    """A JPEG of an image of any format that Pillow reads, upright as the detector sees it, for a browser to show.

    Raises:
        OSError: damaged, 32-bit floats, or an edge longer than the 65,500 pixels of a JPEG.
    """
    with Image.open(io.BytesIO(content)) as image:
        if max(image.size) > JPEG_EDGE:
            raise OSError(f"an edge of {max(image.size):,} pixels: expected at most {JPEG_EDGE:,}: cut the image")
        orientation(image)  # for Pillow to say nothing of damaged EXIF data when it is asked again
        file = io.BytesIO()
        upright(image).save(file, "JPEG", quality=90, comment=b"")  # none from the file: it may be too long
    return file.getvalue()


class PageHandler(BaseHTTPRequestHandler):
    """GET / is the page, GET /facts its model; POST /detect takes an image's bytes and gives boxes as JSON, POST
    /picture takes them and gives an upright JPEG, for what a browser does not show or does not turn."""

    server_version = "dense_det"
    sys_version = ""
    timeout = SILENCE_SECONDS  # of a connection that says nothing: it would keep a thread

    def facts(self) -> dict:
        raise NotImplementedError

    def find(self, content: bytes) -> dict:
        raise NotImplementedError

    def picture(self, content: bytes) -> bytes:
        raise NotImplementedError

    def handle(self):
        with contextlib.suppress(ConnectionError):  # who asked has gone
            super().handle()

    def do_GET(self):
        if not self._is_ours():
            return
        if self.path == "/":
            self._answer(HTTPStatus.OK, PAGE.read_bytes(), "text/html; charset=utf-8")
        elif self.path == "/facts":
            self._json(HTTPStatus.OK, self.facts())
        else:
            self._json(HTTPStatus.NOT_FOUND, {"error": f"nothing at {self.path}"})

    def do_POST(self):
        if not self._is_ours():
            return
        length = self.headers.get("Content-Length", "")
        if self.path not in ("/detect", "/picture") or not length.isdecimal():
            self.close_connection = True
            self._json(HTTPStatus.BAD_REQUEST, {"error": "POST an image's bytes to /detect or /picture"})
        elif len(length) > 20 or int(length) > MAX_BYTES:  # int() raises for thousands of digits
            self.close_connection = True
            told = {"error": f"more than {MAX_BYTES // 2**20} MB: make the image smaller"}
            self._json(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, told)
        else:
            content = self.rfile.read(int(length))
            try:
                told = self.find(content) if self.path == "/detect" else self.picture(content)
            except Exception as error:  # decoders of broken files raise anything; the server goes on
                self._json(HTTPStatus.BAD_REQUEST, {"error": str(error) or type(error).__name__})
                return
            if isinstance(told, bytes):
                self._answer(HTTPStatus.OK, told, "image/jpeg")
            else:
                self._json(HTTPStatus.OK, told)

    def log_message(self, *arguments):
        """Nothing: names of files and images are nobody's business."""

    def _is_ours(self) -> bool:
        """Other sites' pages cannot ask, neither under their own name (Host) nor across (Origin)."""
        port = self.server.server_address[1]
        names = {f"{HOST}:{port}", f"localhost:{port}"}
        if port == 80:  # which clients leave out
            names |= {HOST, "localhost"}
        origin = self.headers.get("Origin")
        ours = self.headers.get("Host") in names and (origin is None or origin.removeprefix("http://") in names)
        if not ours:
            self.close_connection = True
            self._json(HTTPStatus.FORBIDDEN, {"error": f"this page is at http://{HOST}:{port}"})
        return ours

    def _json(self, status: HTTPStatus, tree: dict) -> None:
        self._answer(status, json.dumps(tree).encode(), "application/json")

    def _answer(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(content))),
            ("Content-Security-Policy", POLICY),
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-store"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
