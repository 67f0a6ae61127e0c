import http.client
import io
import json
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from dense_det.deploy import web
from dense_det.deploy.runtime import Detections


class Says:
    """A detector that finds one Table on every image."""

    classes = ("Table", "Text")

    def __init__(self, thresholds=(0.3, 0.4), **facts):
        self.facts, self.asked = {"thresholds": list(thresholds), **facts}, []

    def predict(self, image, threshold, masks):
        with Image.open(image) as opened:
            opened.load()
        assert not masks
        self.asked.append(threshold)
        return Detections(np.array([[1.0, 2.0, 3.456, 4.0]]), np.array([0.5]), ["Table"])


@pytest.fixture
def ask():
    detector = Says()
    server = web.make_server(detector, "tiny.onnx", 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host, port = server.server_address
    assert host == "127.0.0.1"

    def request(method, path, body=None, **headers):
        connection = http.client.HTTPConnection(host, port, timeout=30)
        connection.request(method, path, body, {key.replace("_", "-").title(): value for key, value in headers.items()})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        is_json = answer.getheader("Content-Type") == "application/json"
        is_page = answer.getheader("Content-Type", "").startswith("text/html")
        return answer.status, json.loads(content) if is_json else content.decode() if is_page else content, answer

    request.port, request.server, request.detector = port, server, detector
    yield request
    server.shutdown()
    server.server_close()


def picture(size=(8, 6), kind="PNG", **options) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, kind, **options)
    return file.getvalue()


def turned_picture(kind: str, orientation: int) -> bytes:
    """Red above blue once it is turned upright, to 32 x 48."""
    image = Image.new("RGB", (32, 48), "red")
    image.paste("blue", (0, 24, 32, 48))
    back = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    image.transpose(back[orientation]).save(file, kind, exif=exif)
    return file.getvalue()


def test_who_says_nothing_is_not_waited_for(ask, monkeypatch):
    monkeypatch.setattr(web.PageHandler, "timeout", 0.2)
    for said in (b"", b"POST /detect HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 9\r\n\r\nabc" % ask.port):
        with socket.create_connection(("127.0.0.1", ask.port), timeout=30) as connection:
            connection.sendall(said)
            assert connection.recv(99) == b"", "closed, without an answer"
    assert ask("GET", "/")[0] == 200


def test_the_page_asks_nobody_else(ask):
    status, page, answer = ask("GET", "/")
    assert status == 200 and "Drop an image here" in page
    assert "http://" not in page and "https://" not in page
    policy = answer.getheader("Content-Security-Policy")
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy


def test_facts_and_boxes(ask):
    facts = {"model": "tiny.onnx", "classes": ["Table", "Text"], "thresholds": [0.3, 0.4], "least": 0.05}
    assert ask("GET", "/facts")[1] == facts | {"most_bytes": 64 * 2**20}
    status, told, _ = ask("POST", "/detect", picture())
    assert status == 200 and told["found"] == [{"box": [1.0, 2.0, 3.46, 4.0], "score": 0.5, "name": "Table"}]
    assert told["size"] == [8, 6] and not told["turned"]
    assert told["milliseconds"] >= 0 and ask.detector.asked == [0.05]


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_an_image_that_is_to_be_turned_is_told_and_given_upright(ask, kind, orientation):
    content = turned_picture(kind, orientation)
    assert ask("POST", "/detect", content)[1]["turned"] is True
    status, given, answer = ask("POST", "/picture", content)
    assert status == 200 and answer.getheader("Content-Type") == "image/jpeg"
    with Image.open(io.BytesIO(given)) as upright:
        assert upright.format == "JPEG" and upright.size == (32, 48) and not upright.getexif()
        red, blue = upright.getpixel((16, 6)), upright.getpixel((16, 42))
    assert red[0] > 200 > 50 > red[2] and blue[2] > 200 > 50 > blue[0]


@pytest.mark.parametrize("kind", ["TIFF", "PPM"])
def test_what_a_browser_does_not_show_is_given_as_a_jpeg(ask, kind):
    status, given, _ = ask("POST", "/picture", picture(kind=kind))
    assert status == 200 and Image.open(io.BytesIO(given)).size == (8, 6)


def test_damaged_exif_data_are_no_matter(ask):
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(file, "PNG", exif=b"Exif\0\0II*\0")
    assert web.size_of(file.getvalue()) == ((40, 30), False)
    with Image.open(io.BytesIO(web.upright_jpeg(file.getvalue()))) as picture:
        assert picture.size == (40, 30)


def test_a_long_comment_in_the_file_is_no_matter(ask):
    assert ask("POST", "/picture", picture(kind="GIF", comment=b"c" * 70_000))[0] == 200


def test_a_picture_is_limited_like_an_image_for_the_detector(ask, monkeypatch):
    assert ask("POST", "/picture", b"no picture")[0] == 400
    long = picture((70_000, 1))
    assert "70,000 pixels: expected at most 65,500" in ask("POST", "/picture", long)[1]["error"]
    monkeypatch.setattr(web, "MAX_PIXELS", 20)
    assert ask("POST", "/picture", picture())[1]["error"].startswith("8 x 6 pixels are more than 20")


@pytest.mark.parametrize(
    ("detector", "least"),
    [
        (Says([0.3, 0.03]), 0.03),  # a class's own threshold is lower
        (Says(least_score=0.01), 0.01),  # the file has boxes below
        (Says(least_score=0.2), 0.05),  # FCOS: of the class's alone; with the centerness scores are lower
    ],
)
def test_all_boxes_that_the_file_has_can_be_seen(detector, least):
    server = web.make_server(detector, "tiny.onnx", 0)
    server.RequestHandlerClass.find(None, picture())
    assert server.RequestHandlerClass.facts(None)["least"] == least  # where the page's slider begins
    server.server_close()
    assert detector.asked == [least]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("GET", "/../etc/passwd", None, 404, "nothing at"),
        ("POST", "/facts", b"x", 400, "to /detect"),
        ("POST", "/detect", b"no picture", 400, "no image that Pillow can read"),
        ("POST", "/detect", picture()[:40], 400, ""),
        ("POST", "/detect", picture(kind="EPS"), 400, "EPS is a drawing: save it as an image"),
    ],
)
def test_what_is_wrong_is_said_and_the_server_goes_on(ask, method, path, body, status, message):
    found, told, _ = ask(method, path, body)
    assert found == status and message in told["error"]
    assert ask("POST", "/detect", picture())[0] == 200


def test_what_would_fill_the_memory_is_refused(ask, monkeypatch):
    monkeypatch.setattr(web, "MAX_PIXELS", 20)
    assert ask("POST", "/detect", picture())[1]["error"].startswith("8 x 6 pixels are more than 20")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)  # twice as many and Pillow does not open it
    assert ask("POST", "/detect", picture())[1]["error"] == "more than 20 pixels: make the image smaller"
    monkeypatch.setattr(web, "MAX_BYTES", 10)
    assert ask("POST", "/detect", picture())[0] == 413


@pytest.mark.parametrize("digits", [10, 5000])
def test_a_length_of_many_digits_is_too_large(ask, digits):
    status, told, _ = ask("POST", "/detect", b"", content_length="9" * digits)
    assert status == 413 and told["error"] == "more than 64 MB: make the image smaller"


def test_pages_of_other_sites_cannot_ask(ask):
    for headers in ({"host": "evil.example"}, {"origin": "http://evil.example"}, {"origin": "null"}):
        assert ask("POST", "/detect", picture(), **headers)[0] == 403
    assert ask("POST", "/detect", picture(), origin=f"http://127.0.0.1:{ask.port}")[0] == 200


def test_port_80_is_not_named(ask):
    assert ask("GET", "/facts", host="127.0.0.1")[0] == ask("GET", "/facts", host="localhost")[0] == 403
    ask.server.server_address = ("127.0.0.1", 80)
    for headers in (
        {"host": "127.0.0.1"},
        {"host": "localhost", "origin": "http://localhost"},
        {"host": "localhost:80"},
    ):
        assert ask("GET", "/facts", **headers)[0] == 200
    assert ask("GET", "/facts", host="evil.example")[0] == 403


def test_who_has_gone_is_answered_once_and_leaves_no_traceback(ask, monkeypatch):
    answers, errors = [], []

    def answer(self, status, content, kind):
        answers.append(status)
        raise ConnectionResetError("gone")

    monkeypatch.setattr(web.PageHandler, "_answer", answer)
    monkeypatch.setattr(ask.server, "handle_error", lambda *about: errors.append(about))
    with pytest.raises(http.client.RemoteDisconnected):
        ask("POST", "/detect", picture())
    assert answers == [200] and not errors


def test_what_serves_needs_no_package_of_training():
    """`pip install .[runtime]` brings neither of them."""
    absent = "torch", "torchvision", "detectron2", "matplotlib", "fvcore", "yacs"
    code = f"import sys; sys.modules.update(dict.fromkeys({absent})); import dense_det.deploy.web"
    subprocess.run([sys.executable, "-c", code], check=True)
