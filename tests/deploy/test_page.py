"""page.html as a person uses it, in a real browser, before a detector that is known."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from dense_det.deploy import web
from dense_det.deploy.runtime import Detections
from tests.chromium import Chromium

BOXES = np.array([[10.0, 20, 70, 60], [80, 20, 120, 90], [5, 70, 60, 95]])
FOUND = Detections(BOXES, np.array([0.9, 0.5, 0.2]), ["Table", "Text", "Table"])
TABLE, TEXT = [0, 114, 178], [213, 94, 0]  # the first colours of the page


class Finds:
    """FOUND on any image that can be read."""

    classes = ("Table", "Text")
    facts = {"thresholds": [0.3, 0.6], "least_score": 0.05}

    def predict(self, image, threshold, masks):
        with Image.open(image) as opened:
            opened.load()
        return FOUND


@pytest.fixture
def page(tmp_path):
    server = web.make_server(Finds(), "tiny.onnx", 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Image.new("RGB", (900, 120), "white").save(tmp_path / "page.png")  # lines of 2 whole pixels
    (tmp_path / "broken.png").write_bytes((tmp_path / "page.png").read_bytes()[:60])
    with Chromium(tmp_path / "profile") as browser:
        browser.open("http://{}:{}/".format(*server.server_address))
        browser.wait("facts")
        yield SimpleNamespace(browser=browser, picture=tmp_path / "page.png", broken=tmp_path / "broken.png")
    server.shutdown()
    server.server_close()


def counts(browser) -> list[str]:
    return browser.run("[...document.querySelectorAll('#classes tr')].map(row => row.innerText.trim())")


def pixel(browser, x: int, y: int) -> list[int]:
    return browser.run(f"[...at('canvas').getContext('2d').getImageData({x}, {y}, 1, 1).data].slice(0, 3)")


def status(browser) -> str:
    return browser.run("at('status').textContent")


def slide_to(browser, threshold: float) -> None:
    browser.run(f"at('threshold').value = {threshold}; at('threshold').dispatchEvent(new Event('input'))")


def test_choose_a_file_and_move_the_threshold(page):
    browser = page.browser
    assert browser.run("at('model').textContent") == "tiny.onnx" and counts(browser) == ["Table\t0", "Text\t0"]
    browser.choose("#file", page.picture)
    browser.wait("at('status').textContent.includes('pixels')")
    assert status(browser).startswith("900 × 120 pixels") and not browser.run("at('hint').offsetWidth")
    # each class's own threshold: 0.3 and 0.6
    assert counts(browser) == ["Table\t1", "Text\t0"]
    assert pixel(browser, 10, 40) == TABLE and pixel(browser, 80, 60) == [255] * 3
    slide_to(browser, 0.4)
    assert counts(browser) == ["Table\t1", "Text\t1"] and browser.run("at('value').textContent") == "0.40"
    assert pixel(browser, 80, 60) == TEXT and pixel(browser, 30, 95) == [255] * 3
    slide_to(browser, 0.1)
    assert counts(browser) == ["Table\t2", "Text\t1"] and pixel(browser, 30, 95) == TABLE
    slide_to(browser, 1)
    assert counts(browser) == ["Table\t0", "Text\t0"] and pixel(browser, 10, 40) == [255] * 3
    browser.run("at('own').click()")
    assert counts(browser) == ["Table\t1", "Text\t0"]
    assert browser.complaints == []


def test_drop_a_file_and_then_a_broken_one(page):
    browser = page.browser
    browser.run(
        "createImageBitmap(new ImageData(160, 120)).then(async picture => {"
        "  const canvas = new OffscreenCanvas(160, 120), moved = new DataTransfer();"
        "  canvas.getContext('2d').drawImage(picture, 0, 0);"
        "  moved.items.add(new File([await canvas.convertToBlob()], 'drawn.png', { type: 'image/png' }));"
        "  document.dispatchEvent(new DragEvent('drop', { dataTransfer: moved })); })"
    )
    browser.wait("at('status').textContent.includes('pixels')")
    assert counts(browser) == ["Table\t1", "Text\t0"]
    browser.choose("#another input", page.broken)
    browser.wait("at('status').classList.contains('bad')")
    assert "truncated" in status(browser) or "broken" in status(browser), status(browser)
    # an earlier picture beside this one's error would mislead
    assert counts(browser) == ["Table\t0", "Text\t0"] and browser.run("at('hint').offsetWidth") > 0


def test_a_file_that_the_server_would_refuse_is_not_sent(page, tmp_path, monkeypatch):
    """A browser would call the connection, closed amid the file, an error of the network."""
    asked = []
    monkeypatch.setattr(web.PageHandler, "do_POST", lambda self: asked.append(self.path))
    (tmp_path / "large.png").write_bytes(bytes(web.MAX_BYTES + 1))
    page.browser.choose("#file", tmp_path / "large.png")
    page.browser.wait("at('status').classList.contains('bad')")
    assert status(page.browser) == "65 MB are more than 64 MB: make the image smaller" and not asked
    assert page.browser.complaints == []
