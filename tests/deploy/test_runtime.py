"""The runtime without an engine: what it reads, shows and tells, by hand."""

import importlib
import io
import json
import shutil
import struct
import sys
import threading

import numpy as np
import pytest
import torch
from detectron2.data.transforms import ResizeShortestEdge
from detectron2.layers import paste_masks_in_image
from PIL import Image

from dense_det import quad
from dense_det.data.jpeg import reduced_jpeg
from dense_det.data.mapper import read_image
from dense_det.deploy import runtime
from dense_det.deploy.runtime import Detector, paste, read_ahead
from dense_det.distillation.inspection import inspect
from dense_det.distillation.sources import Candidate
from dense_det.quad import masks_to_quads

FACTS = {"classes": ["Table", "Picture"], "thresholds": [0.5, 0.3], "min_size": 32, "max_size": 60}
FOUND = [
    np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 10, 10]], np.float32),
    np.array([0.6, 0.4, 0.4]),
    np.array([1, 0, 1]),
]


@pytest.fixture
def make_detector(tmp_path, monkeypatch):
    """A detector that always finds `found`, and has the images that it was shown in `seen`."""

    def make(scaled_decode=False, found=FOUND, **facts):
        seen = []
        monkeypatch.setitem(
            Detector.openers,
            ".onnx",
            lambda *_: (lambda image: seen.append(image) or found, json.dumps({**FACTS, **facts})),
        )
        (tmp_path / "model.onnx").touch()
        detector = Detector(tmp_path / "model.onnx", scaled_decode=scaled_decode)
        detector.seen = seen
        return detector

    return make


def test_boxes_in_pixels_of_the_image_and_a_threshold_for_each_class(make_detector):
    detector = make_detector()
    boxes, scores, names, *rest = detector.predict(np.zeros((64, 96, 3), np.uint8))
    assert rest == [None] * 3
    assert detector.seen[0].shape == (1, 32, 48, 3)
    assert boxes.tolist() == [[2, 4, 6, 8], [18, 18, 20, 20]]
    assert scores.tolist() == [0.6, 0.4] and names == ["Picture", "Picture"]
    assert detector.predict(np.zeros((64, 96, 3), np.uint8), threshold=0.4).names == ["Picture", "Table", "Picture"]
    assert detector.predict(np.zeros((64, 96, 3), np.uint8), threshold=0.9).boxes.shape == (0, 4)


@pytest.mark.parametrize("size", [(64, 96), (96, 64), (64, 64), (31, 200), (333, 417), (32, 32), (1, 500), (500, 1)])
def test_shown_at_the_size_of_testing(make_detector, size):
    height, width = ResizeShortestEdge.get_output_shape(*size, 32, 60)
    assert make_detector().shown_size(*size) == (max(height, 1), max(width, 1))
    assert make_detector(min_size=0).shown_size(*size) == size


def test_every_kind_of_file_as_training_reads_it(make_detector, tmp_path):
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (40, 30, 4), np.uint8)
    upright = Image.Exif()
    upright[0x0112] = 6
    kinds = {
        "rgb.png": (Image.fromarray(colours[..., :3]), {}),
        "grey.png": (Image.fromarray(colours[..., 0]), {}),
        "alpha.png": (Image.fromarray(colours), {}),
        "deep.png": (Image.fromarray(colours[..., 0].astype(np.uint16) * 257), {}),
        "turned.jpg": (Image.fromarray(colours[..., :3]), {"exif": upright}),
        "palette.gif": (Image.fromarray(colours[..., :3]).quantize(16), {}),
    }
    for name, (image, options) in kinds.items():
        image.save(tmp_path / name, **options)
        expected = read_image(tmp_path / name, "RGB")
        pixels, size = make_detector(min_size=0).read(tmp_path / name)
        assert np.array_equal(pixels, expected) and size == expected.shape[:2], name


def with_masks():
    """FOUND's first box is as wide as 2 x 2 cells, the upper ones full; of the others nothing is drawn."""
    masks = np.zeros((3, 2, 2), np.float32)
    masks[0, 0] = 1
    return [*FOUND, np.array([0.3, 0.2, 0.1], np.float32), masks]


def test_a_file_without_suppression(make_detector):
    """The second box shares 9 / 11 with the first; the last one lies beside the 32 x 48 pixels that are shown."""
    boxes = np.array([[1, 2, 11, 4], [2, 2, 12, 4], [40, 30, 50, 40], [60, 0, 70, 9]], np.float32)
    candidates = [boxes, np.array([0.9, 0.8, 0.7, 0.6], np.float32), np.zeros(4, np.int64)]
    detector = make_detector(found=candidates, nms={"iou": 0.5, "most": 3})
    assert detector.predict(np.zeros((64, 96, 3), np.uint8), threshold=0.1).boxes.tolist() == [
        [2, 4, 22, 8],
        [80, 60, 96, 64],
    ]
    for nms in ({"iou": 0.5}, {"iou": "x", "most": 3}, 5, None):
        with pytest.raises(ValueError, match="its metadata 'dense_det' was changed: "):
            make_detector(nms=nms)


def test_masks_and_corners(make_detector):
    detector = make_detector(found=with_masks(), quads=True)
    found = detector.predict(np.zeros((64, 96, 3), np.uint8))
    assert found.mask_scores.tolist() == pytest.approx([0.3, 0.1]) and found.masks.dtype == bool
    # the box is (2, 4, 6, 8), a cell 2 x 2 pixels: 1 in the middle of the upper cells, a half between the rows
    assert np.argwhere(found.masks[0]).tolist() == [[y, x] for y in (4, 5) for x in (2, 3, 4, 5)]
    assert not found.masks[1].any()
    assert found.quads.tolist()[1] == [[18, 18], [20, 18], [20, 20], [18, 20]]  # an empty mask: its box
    assert np.array_equal(found.quads, masks_to_quads(found.masks, found.boxes))
    assert make_detector(found=with_masks()).predict(np.zeros((64, 96, 3), np.uint8)).quads is None
    assert detector.predict(np.zeros((64, 96, 3), np.uint8), masks=False)[3:] == (None, None, None)
    nothing = detector.predict(np.zeros((64, 96, 3), np.uint8), threshold=1.0)
    assert nothing.masks.shape == (0, 64, 96) and nothing.quads.shape == (0, 4, 2)


def test_masks_are_pasted_as_detectron2_does():
    rng = np.random.default_rng(0)
    masks = rng.random((40, 28, 28)).astype(np.float32)
    corners = rng.uniform(0, 150, (40, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0.3, 150, (40, 2))], 1).clip(0, [300, 200, 300, 200])
    boxes[0] = [0, 0, 300, 200]
    theirs = paste_masks_in_image(torch.from_numpy(masks), torch.from_numpy(boxes).float(), (200, 300), 0.5).numpy()
    ours = paste(masks, boxes, (200, 300))
    assert theirs.any() and (ours != theirs).sum() <= 1e-4 * theirs.sum()


def test_a_copy_takes_the_quad_beside_it(tmp_path, monkeypatch):
    shutil.copy(runtime.__file__, tmp_path / "copied_runtime.py")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "dense_det.quad", None)
    copy = importlib.import_module("copied_runtime")
    with pytest.raises(ImportError, match="copy dense_det/quad.py beside runtime.py"):
        copy._beside("quad", "masks_to_quads")
    shutil.copy(quad.__file__, tmp_path / "quad.py")
    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, "quad", raising=False)
    assert copy._beside("quad", "masks_to_quads").__module__ == "quad"


@pytest.mark.parametrize("size", [(200, 300), (78, 117)])  # decoded at a quarter, and at a half: 1.2 times as shown
@pytest.mark.parametrize("orientation", [1, 6])
def test_scaled_decoding_is_near(make_detector, tmp_path, orientation, size):
    y, x = np.mgrid[:200, :300][:, : size[0], : size[1]]
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = np.stack([x * 0.8, y, 255 - x * 0.8], 2).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "ramp.jpg", exif=exif, quality=95)
    exact, exact_size = make_detector().read(tmp_path / "ramp.jpg")
    near, near_size = make_detector(scaled_decode=True).read(tmp_path / "ramp.jpg")
    assert exact_size == near_size == (size if orientation == 1 else size[::-1])
    assert near.shape == exact.shape and np.abs(near.astype(int) - exact).mean() < 2


def test_scaled_decoding_averages_what_it_leaves_out(make_detector, tmp_path):
    # two black columns and two white ones: one of each at a half, of which 1.9 are a column of the 32 shown
    stripes = np.broadcast_to(np.tile([0, 0, 255, 255], 30), (120, 120)).astype(np.uint8)
    Image.fromarray(stripes).save(tmp_path / "stripes.jpg", quality=95)
    shown, _ = make_detector(scaled_decode=True).read(tmp_path / "stripes.jpg")
    assert shown.shape == (32, 32, 3) and shown.mean() == pytest.approx(127.5, abs=3) and shown.std() < 15


@pytest.mark.parametrize("kept", [0.5, 0.02])
def test_scaled_decoding_tells_what_is_cut_off(make_detector, tmp_path, kept):
    rough = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(rough).save(file, "JPEG")
    content = file.getvalue()
    detector = make_detector(scaled_decode=True)
    assert detector.read(io.BytesIO(content))[0].shape == (32, 48, 3)
    with pytest.raises(OSError, match="truncated"):
        detector.read(io.BytesIO(content[: int(len(content) * kept)]))
    # what OpenCV cannot read at all, Pillow names
    (tmp_path / "broken.jpg").write_bytes(content[: content.index(b"\xff\xda") + 4] + b"\xff\xd9")
    with pytest.raises(OSError):
        detector.read(tmp_path / "broken.jpg")


@pytest.mark.parametrize("kind", ["PNG", "WebP", "JPEG"])
def test_damaged_exif_data_do_not_harm_an_image(make_detector, kind):
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(file, kind, exif=b"Exif\0\0II*\0", lossless=True)
    pixels, size = make_detector(min_size=0).read(file.getvalue())
    assert size == (30, 40) and np.abs(pixels.astype(int) - (255, 0, 0)).max() <= 2


def test_all_images_in_their_order_and_the_next_one_read_meanwhile(make_detector):
    detector = make_detector()
    images = [np.full((64, side, 3), side, np.uint8) for side in (64, 96, 128)]
    found = list(detector.predict_all(iter(images), threshold=0.4))
    assert [one.names for one in found] == [["Picture", "Table", "Picture"]] * 3
    assert sorted(shown.shape[2] for shown in detector.seen) == [32, 48, 60]  # two run at once
    assert [one.boxes[0].tolist() for one in found] == [detector.predict(im, 0.4).boxes[0].tolist() for im in images]


def test_several_images_at_once_each_on_a_thread(tmp_path, monkeypatch):
    opened, running, most, two = [], [], [], threading.Event()

    def open_engine(path, threads, at_once):
        opened.append((threads, at_once))

        def run(image):
            running.append(image)
            most.append(len(running))
            if len(running) > 1:
                two.set()
            assert at_once == 1 or two.wait(10)  # until another image runs meanwhile
            running.pop()
            return FOUND

        return run, json.dumps(FACTS)

    monkeypatch.setitem(Detector.openers, ".onnx", open_engine)
    (tmp_path / "model.onnx").touch()
    detector = Detector(tmp_path / "model.onnx", threads=2)
    pages = [np.zeros((64, 64 + k, 3), np.uint8) for k in range(6)]
    widths = [found.boxes[0, 0] for found in detector.predict_all(pages)]
    assert widths == [detector.predict(page).boxes[0, 0] for page in pages] and len(set(widths)) > 1
    assert opened == [(2, 1), (2, 2)] and max(most) == 2
    list(detector.predict_all(pages))
    assert len(opened) == 2
    alone = Detector(tmp_path / "model.onnx", threads=1)
    assert len(list(alone.predict_all(pages))) == 6 and opened[2:] == [(1, 1)]
    many = Detector(tmp_path / "model.onnx", threads=64)
    assert len(list(many.predict_all(pages))) == 6 and opened[3:] == [(64, 1), (64, 8)]


def test_one_image_is_not_several(make_detector):
    with pytest.raises(ValueError, match=r"expected several images, got 'page.jpg': predict\(\) takes one"):
        next(make_detector().predict_all("page.jpg"))


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_files_to_the_pixels_of_training(make_detector, tmp_path, mode, orientation):
    rough = np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name, options in {"halved": {}, "whole": {"subsampling": 0}, "late": {"progressive": True}}.items():
        Image.fromarray(rough).convert(mode).save(tmp_path / f"{name}.jpg", exif=exif, **options)
        pixels, size = make_detector(min_size=0).read(tmp_path / f"{name}.jpg")
        assert size == ((37, 53) if orientation < 5 else (53, 37))
        assert np.array_equal(pixels, read_image(tmp_path / f"{name}.jpg", "RGB")), name


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize(("suffix", "mode"), [("jpg", "RGB"), ("png", "RGB"), ("tif", "RGB"), ("tif", "L")])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_files_of_any_format(make_detector, tmp_path, suffix, mode, orientation, scaled):
    """Pillow itself swaps the sides of a turned TIFF, which was then shown, and its boxes told, as if it were not."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    y, x = np.mgrid[:90, :150]
    picture = Image.fromarray(np.stack([x, y, 255 - x], 2).astype(np.uint8)).convert(mode)
    path = tmp_path / f"page.{suffix}"
    picture.save(path, **({"tiffinfo": exif} if suffix == "tif" else {"exif": exif, "quality": 95}))
    upright = read_image(path, "RGB")
    pixels, size = make_detector(scaled).read(path)
    assert size == upright.shape[:2] == ((90, 150) if orientation < 5 else (150, 90))
    shown = make_detector().read(upright)[0]
    assert pixels.shape == shown.shape == ((32, 53, 3) if orientation < 5 else (53, 32, 3))
    assert np.abs(pixels.astype(int) - shown).mean() < (2 if scaled else 1e-9)


def test_a_damaged_file_is_named(make_detector, tmp_path):
    rough = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))
    Image.fromarray(np.full((40, 60), 0.9, np.float32)).save(tmp_path / "floats.tif")
    with pytest.raises(OSError, match="floats.tif: 32-bit floats, .* save it with 8 or 16 bits"):
        make_detector().read(tmp_path / "floats.tif")
    for name, pattern in {"a.jpg": "truncated", "b.png": "", "c.gif": ""}.items():
        rough.save(tmp_path / name)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(OSError, match=f"{name}: .*{pattern}"):
            make_detector().read(tmp_path / name)
    with pytest.raises(OSError, match="none.jpg"):
        make_detector().predict("none.jpg")


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("marker", [0xC0, 0xDA, 0xD8])
def test_a_damaged_jpeg_is_not_filled_up_in_silence(make_detector, marker, scaled):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)).save(file, "JPEG")
    content, middle = file.getvalue(), len(file.getvalue()) // 2
    stray = content[:middle] + bytes([0xFF, marker]) + content[middle + 2 :]
    for damaged in (stray, content[:middle] + content):
        with pytest.raises(OSError, match="^image: broken data stream"):
            make_detector(scaled).read(damaged)
        assert reduced_jpeg(damaged, 32) is None  # labelling says so, too
    assert reduced_jpeg(content, 32) is not None


def test_ordinary_jpeg_files_are_decoded_by_opencv(make_detector, tmp_path, monkeypatch):
    Image.new("RGB", (60, 40), "red").save(tmp_path / "a.jpg", exif=Image.Exif())
    monkeypatch.setattr(runtime.cv2, "imdecode", lambda *_: np.full((40, 60, 3), 7, np.uint8))
    assert (make_detector(min_size=0).read(tmp_path / "a.jpg")[0] == 7).all()
    assert (make_detector(min_size=0).read((tmp_path / "a.jpg").read_bytes())[0] == 7).all()


def test_images_that_end_in_an_error_do_not_lose_what_was_read_before():
    def images():
        yield from (1, 2, 3)
        raise RuntimeError("the camera is gone")

    read = []
    with pytest.raises(RuntimeError, match="camera"):
        read.extend(call() for _, call in read_ahead(lambda item: 10 * item, images(), 8, 2))
    assert read == [10, 20, 30]


def test_reading_ahead_by_hand():
    started = []
    third = threading.Event()

    def read(item):
        started.append(item)
        if item == 3:
            third.set()
        if item == 2:
            raise ValueError("two")
        return 10 * item

    reading = read_ahead(read, iter(range(1, 9)), 2)
    item, call = next(reading)
    assert (item, call()) == (1, 10)
    assert third.wait(10)  # 2 and 3 are read while 1 is looked at
    assert started == [1, 2, 3]
    item, call = next(reading)
    with pytest.raises(ValueError, match="two"):
        call()
    reading.close()  # what was not begun is not read any more
    assert started[-1] <= 4 and not [t for t in threading.enumerate() if t.name.startswith("read_ahead")]
    assert list(read_ahead(read, [])) == []
    assert [call() for _, call in read_ahead(read, (1, 3))] == [10, 30]


@pytest.mark.parametrize("tag", [9, 99, 0])
def test_an_orientation_that_is_none_turns_nothing(make_detector, tmp_path, tag):
    exif = Image.Exif()
    exif[0x0112] = tag
    Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=exif)
    assert make_detector().read(tmp_path / "a.jpg")[1] == (20, 40)
    assert make_detector(scaled_decode=True).read(tmp_path / "a.jpg")[1] == (20, 40)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pages_are_laid_on_white_in_strips(make_detector, tmp_path, mode):
    colours = np.random.default_rng(0).integers(0, 256, (600, 30, 4), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 8
    image = Image.fromarray(colours)
    image = image.quantize(16) if mode == "P" else image.convert(mode)
    image.save(tmp_path / "a.png", exif=exif, **({"transparency": 3} if mode == "P" else {}))
    pixels, size = make_detector(min_size=0).read(tmp_path / "a.png")
    assert size == (30, 600) and np.array_equal(pixels, read_image(tmp_path / "a.png", "RGB"))


def test_drawings_start_no_other_program(make_detector, tmp_path, monkeypatch):
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_, **__: pytest.fail("another program"))
    Image.new("RGB", (40, 20)).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    with pytest.raises(OSError, match="a.png: EPS is a drawing: save it as an image"):
        make_detector().read(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "PNG", "WEBP"])
def test_a_file_of_several_images_is_refused(make_detector, tmp_path, kind):
    colours = [Image.new("RGB", (40, 20), colour) for colour in ("red", "blue", "green")]
    colours[0].save(tmp_path / "a", kind, save_all=True, append_images=colours[1:])
    detector = make_detector()
    for image, name in ((tmp_path / "a", ".*/a"), ((tmp_path / "a").read_bytes(), "image")):
        with pytest.raises(OSError, match=f"^{name}: {kind} of 3 pages or frames; save each as a file$"):
            detector.predict(image)
    colours[0].save(tmp_path / "a", kind, save_all=True)
    assert detector.read(tmp_path / "a")[1] == (20, 40) and len(detector.seen) == 0


def test_the_preview_of_a_phone_and_the_layers_of_a_psd_are_no_other_images(make_detector, tmp_path):
    picture = Image.new("RGB", (40, 20), "red")
    picture.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[Image.new("RGB", (8, 4))])
    layer = struct.pack(">4IH8s4sI", 0, 0, 1, 1, 0, b"8BIMnorm", b"\xff\0\0\0", 0)  # no channels of its own
    layers = struct.pack(">H", 2) + 2 * layer
    layers = struct.pack(">II", len(layers) + 4, len(layers)) + layers
    head = struct.pack(">4sH6sHIIHH", b"8BPS", 1, bytes(6), 3, 20, 40, 8, 3) + bytes(8)
    red = b"\0\0" + b"\xff" * 800 + bytes(1600)
    (tmp_path / "a.psd").write_bytes(head + layers + red)
    for name in ("a.jpg", "a.psd"):
        with Image.open(tmp_path / name) as file:
            assert file.n_frames == 2
        pixels, size = make_detector(min_size=0).read(tmp_path / name)
        assert size == (20, 40) and abs(pixels.astype(int) - (255, 0, 0)).max() <= 2
        assert not inspect(Candidate(str(tmp_path / name)), 10**6).reason  # nor for tools/predict.py


def test_the_bytes_of_a_file(make_detector, tmp_path):
    Image.new("RGB", (40, 20), "red").save(tmp_path / "a.png")
    pixels, size = make_detector().read((tmp_path / "a.png").read_bytes())
    assert size == (20, 40) and (pixels == make_detector().read(tmp_path / "a.png")[0]).all()
    (tmp_path / "b.png").write_bytes(b"abc")
    for wrong, name in ((b"abc", "image"), (io.BytesIO(b"abc"), "image"), (tmp_path / "b.png", ".*b.png")):
        with pytest.raises(OSError, match=f"^{name}: no image that Pillow can read$"):
            make_detector().predict(wrong)
    for wrong in (None, [1], bytearray(b"")):
        with pytest.raises(ValueError, match="expected a file's path, its bytes, or pixels, got"):
            make_detector().read(wrong)
    with pytest.raises(ValueError, match=r"got \(0, 5, 3\) uint8"):
        make_detector().read(np.zeros((0, 5, 3), np.uint8))


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x08\x12\x07pytorch"])
def test_a_damaged_model_is_named(tmp_path, content):
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ValueError, match="model.onnx: damaged, or no model of this kind"):
        Detector(tmp_path / "model.onnx")
    (tmp_path / "model.xml").write_bytes(content)
    with pytest.raises(ValueError, match="model.xml: its weights are missing: expected model.bin beside it"):
        Detector(tmp_path / "model.xml")


@pytest.mark.parametrize("metadata", ["{", "[]", "{}", '{"classes": ["a"]}', '{"classes": 5}', "[" * 10**5])
def test_metadata_changed_by_hand(tmp_path, monkeypatch, metadata):
    (tmp_path / "model.onnx").touch()
    monkeypatch.setitem(Detector.openers, ".onnx", lambda *_: (None, metadata))
    with pytest.raises(ValueError, match="model.onnx: its metadata 'dense_det' was changed"):
        Detector(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"classes": "ab"}, "names of classes, a threshold for each, got 'ab'"),
        ({"classes": ["a", 5]}, "names of classes"),
        ({"classes": []}, "names of classes"),
        ({"thresholds": [0.5]}, r"names .* a threshold for each, got \['Table', 'Picture'\], \[0.5\]"),
        ({"thresholds": [0.5, "0.3"]}, r"thresholds, least_score and nms.iou from 0 to 1, got \[0.5, '0.3', 0, 0\]"),
        ({"thresholds": [0.5, float("nan")]}, "thresholds"),
        ({"thresholds": [0.5, 30]}, "thresholds"),
        ({"thresholds": [0.5, None]}, "thresholds"),
        ({"least_score": [0.1]}, "thresholds, least_score"),
        ({"min_size": "32"}, r"whole min_size, max_size, detections_per_image and nms.most, got \['32', 60, 1, 1\]"),
        ({"min_size": -5}, "whole min_size"),
        ({"max_size": 60.5}, "whole min_size, max_size"),
        ({"detections_per_image": "300"}, r"whole .*, got \[32, 60, '300', 1\]"),
        ({"detections_per_image": None}, "whole min_size"),
        ({"nms": {"iou": 0.5, "most": -1}}, r"whole .*, got \[32, 60, 1, -1\]"),
    ],
)
def test_values_that_no_export_writes(make_detector, facts, expected):
    with pytest.raises(ValueError, match=f"model.onnx: its metadata .* was changed: ValueError: expected {expected}"):
        make_detector(**facts)


def test_what_is_wrong(make_detector, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"expected an image \(H, W, 3\) uint8 in RGB order, got \(3, 4\) float64"):
        make_detector().predict(np.zeros((3, 4)))
    with pytest.raises(ValueError, match=r"expected a file named \*.onnx or \*.xml"):
        Detector("model.pth")
    with pytest.raises(ValueError, match="no file none.onnx: tools/export_model.py writes one"):
        Detector("none.onnx")
    monkeypatch.setitem(Detector.openers, ".onnx", lambda *_: (None, None))
    with pytest.raises(ValueError, match="has no metadata 'dense_det'"):
        Detector(tmp_path / "model.onnx")
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match="pip install onnxruntime"):
        Detector(tmp_path / "model.onnx")


@pytest.mark.parametrize("threshold", [float("nan"), np.float32("nan"), "0.5", [0.5, 0.3]])
def test_a_threshold_is_a_number(make_detector, threshold):
    page = np.zeros((64, 96, 3), np.uint8)
    with pytest.raises(ValueError, match="expected a threshold between 0 and 1, or None, got"):
        make_detector().predict(page, threshold)
    assert len(make_detector().predict(page, np.float32(0.5)).boxes) == 1
