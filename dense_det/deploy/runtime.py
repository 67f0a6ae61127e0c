"""Run a detector that tools/export_model.py wrote. This file stands alone, with NumPy, Pillow, OpenCV, and onnxruntime
for .onnx or openvino for .xml; quad.py lies beside it for corners, suppression.py for files without suppression."""

import contextlib
import functools
import importlib
import io
import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

KEY = "dense_det"  # of the metadata in the file, as JSON
DRAWINGS = ("EPS", "WMF")  # for which Pillow starts another program
LAYERED = ("MPO", "PSD")  # whose further frames are a phone's small preview, and the layers of the first
_TURNS = {1: 0, 3: 2, 6: 3, 8: 1}  # EXIF's orientation -> quarter turns to the left; the others are mirrored
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # what ends the scan of a JPEG


class Detections(NamedTuple):
    """R objects by falling score."""

    boxes: np.ndarray  # (R, 4) float64 xyxy in pixels of the upright image
    scores: np.ndarray  # (R,)
    names: list[str]  # R classes
    mask_scores: np.ndarray | None = None  # (R,): lower than the box's where the mask is doubtful; None without masks
    masks: np.ndarray | None = None  # (R, H, W) bool
    quads: np.ndarray | None = None  # (R, 4, 2) float32 x, y of the corners, clockwise from the top left


class Detector:
    """A detector from a file, with its classes, thresholds and input size in `facts`.

    Args:
        path: .onnx, or the .xml of OpenVINO with its .bin beside it.
        threads: of the CPU; 0 is the engine's own choice.
        scaled_decode: read large JPEG files at 1/2, 1/4 or 1/8 of their size: faster, not exactly training's pixels.

    Raises:
        ImportError: the engine of the file is not installed, or quad.py or suppression.py is not found.
        ValueError: no such file, another kind of file, or one that was not written by this package.
    """

    most_at_once = 8  # images of predict_all: each holds its activations

    def __init__(self, path, threads: int = 0, scaled_decode: bool = False):
        self._path, self._threads, self.scaled_decode = (path := Path(path)), threads, scaled_decode
        if path.suffix not in self.openers:
            raise ValueError(f"{path}: expected a file named {' or '.join(f'*{suffix}' for suffix in self.openers)}")
        if not path.is_file():
            raise ValueError(f"no file {path}: tools/export_model.py writes one")
        if path.suffix == ".xml" and not path.with_suffix(".bin").is_file():
            raise ValueError(f"{path}: its weights are missing: expected {path.with_suffix('.bin').name} beside it")
        run, metadata = self._open(threads, 1)
        if metadata is None:
            raise ValueError(f"{path}: has no metadata {KEY!r}: expected a file that tools/export_model.py wrote")
        try:
            self.facts = _sound(json.loads(metadata))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"{path}: its metadata {KEY!r} was changed: {type(error).__name__}: {error}") from error
        self.classes, self.run = tuple(self.facts["classes"]), self._whole(run)
        self._to_quads = _beside("quad", "masks_to_quads") if self.facts.get("quads") else None

    def predict(self, image, threshold: float | None = None, masks: bool = True) -> Detections:
        """What is in an image.

        Args:
            image: path or bytes of a file, of any format that Pillow reads; or (H, W, 3) uint8 RGB, upright.
            threshold: least score; None takes the best one of each class in the validation of the training.
            masks: False goes without masks, which cost a byte for each pixel of the image and detection, and corners.
        """
        pixels, size = self.read(image)
        return self._found(self.run(pixels[None]), pixels.shape[:2], size, threshold, masks)

    def predict_all(self, images: Iterable, threshold: float | None = None, masks: bool = True) -> Iterator[Detections]:
        """`predict` of each image, in order; `threads` at once (up to `most_at_once`), a thread each: a small network
        makes little use of a second core. So many are taken ahead; the first that cannot be read ends it."""
        if isinstance(images, str | bytes | bytearray | os.PathLike) or hasattr(images, "read"):
            raise ValueError(f"expected several images, got {images!r}: predict() takes one")
        at_once, run = self._side_by_side
        free = threading.Semaphore(at_once)

        def look(image) -> tuple:
            pixels, size = self.read(image)
            with free:
                return run(pixels[None]), pixels.shape[:2], size

        for _, looked in read_ahead(look, images, at_once, at_once + 1):
            yield self._found(*looked(), threshold, masks)

    @functools.cached_property
    def _side_by_side(self) -> tuple[int, Callable]:
        """How many images at once, and a `run` for them, which holds the weights a second time."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        at_once = min(threads := self._threads or cores, self.most_at_once)
        return (at_once, self._whole(self._open(threads, at_once)[0])) if at_once > 1 else (1, self.run)

    def _whole(self, run: Callable) -> Callable:  # and behind it what a file without suppression leaves to do
        if "nms" not in self.facts:
            return run
        finish, nms = _beside("suppression", "finish"), self.facts["nms"]
        return lambda image: finish(run(image), image.shape[1:3], nms["iou"], nms["most"])

    def _open(self, threads: int, at_once: int) -> tuple[Callable, str | None]:
        try:
            return self.openers[self._path.suffix](self._path, threads, at_once)
        except ImportError as error:
            engine = (error.name or "").partition(".")[0]
            raise ImportError(f"{self._path} needs {f'{engine}: pip install {engine}' if engine else error}") from error
        except Exception as error:  # engines have kinds of their own
            raise ValueError(f"{self._path}: damaged, or no model of this kind: {error!r}") from error

    def _found(self, outputs, shown, size, threshold: float | None, masks: bool) -> Detections:
        if not isinstance(threshold, float | int | np.number | None) or threshold != threshold:  # NaN
            raise ValueError(f"expected a threshold between 0 and 1, or None, got {threshold!r}")
        boxes, scores, classes, *rest = outputs
        limits = np.array(self.facts["thresholds"]) if threshold is None else np.full(len(self.classes), threshold)
        good = scores >= limits[classes]
        boxes = boxes[good].astype(np.float64) * np.tile(np.divide(size, shown)[::-1], 2)
        found = Detections(boxes, scores[good], [self.classes[k] for k in classes[good]])
        if rest and masks:
            found = found._replace(mask_scores=rest[0][good], masks=paste(rest[1][good], boxes, size))
        return found._replace(quads=self._to_quads(found.masks, boxes)) if rest and masks and self._to_quads else found

    def read(self, image) -> tuple[np.ndarray, tuple[int, int]]:
        """The pixels that the network sees, (h, w, 3) uint8 RGB, and the image's (height, width). OSError: damaged."""
        if isinstance(image, np.ndarray):
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
                raise ValueError(f"expected an image (H, W, 3) uint8 in RGB order, got {image.shape} {image.dtype}")
            return _resized(image, self.shown_size(*image.shape[:2])), image.shape[:2]
        if not (isinstance(image, str | os.PathLike | bytes) or hasattr(image, "read")):
            raise ValueError(f"expected a file's path, its bytes, or pixels, got {type(image).__name__}")
        try:
            with Image.open(io.BytesIO(image) if isinstance(image, bytes) else image) as file:
                if file.format in DRAWINGS:
                    raise OSError(f"{file.format} is a drawing: save it as an image, such as PNG")
                if file.format not in LAYERED and (count := getattr(file, "n_frames", 1)) > 1:
                    raise OSError(f"{file.format} of {count} pages or frames; save each as a file")
                with contextlib.suppress(Exception):  # damaged EXIF data, of which Pillow tells at the first call alone
                    file.getexif()
                size = file.size if file.getexif().get(0x0112) in (5, 6, 7, 8) else file.size[::-1]  # turned, or not
                shrinking = min(np.divide(size, self.shown_size(*size))) if self.scaled_decode else 1
                pixels = _jpeg(file, min(1 << (max(int(shrinking), 1).bit_length() - 1), 8))
                if pixels is None:
                    size = (pixels := np.asarray(upright(file))).shape[:2]  # Pillow had swapped a turned TIFF's sides
        except Exception as error:  # decoders of broken files raise anything, and name no file
            if getattr(error, "filename", None):
                raise
            reason = "no image that Pillow can read" if isinstance(error, UnidentifiedImageError) else error
            raise OSError(f"{image if isinstance(image, str | os.PathLike) else 'image'}: {reason}") from error
        shown = self.shown_size(*size)
        if pixels.shape[:2] == size:
            return _resized(pixels, shown), size
        # decoded to fewer: where these are hardly more than what is shown, there is nothing to average
        kernel = cv2.INTER_LINEAR if max(np.divide(pixels.shape[:2], shown)) <= 1.25 else cv2.INTER_AREA
        return cv2.resize(pixels, shown[::-1], interpolation=kernel), size

    def shown_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) at which an image is shown to the network: by its shorter edge, if the longer one allows."""
        shortest, longest, least = self.facts["min_size"], self.facts["max_size"], min(height, width)
        if not shortest:
            return height, width
        shown = [shortest if side == least else shortest / least * side for side in (height, width)]
        return tuple(max(int(min(longest / max(shown), 1) * side + 0.5), 1) for side in shown)


def _sound(facts: dict) -> dict:
    """Facts as tools/export_model.py writes them; ValueError, KeyError or TypeError of others. Older files say less."""
    names, nms = facts["classes"], facts.get("nms", {"iou": 0, "most": 1})
    scores = [*facts["thresholds"], facts.get("least_score", 0), nms["iou"]]
    counts = [facts["min_size"], facts["max_size"], facts.get("detections_per_image", 1), nms["most"]]
    if type(names) is not list or {*map(type, names)} != {str} or len(facts["thresholds"]) != len(names):
        raise ValueError(f"expected names of classes, a threshold for each, got {names!r}, {facts['thresholds']!r}")
    if not all(type(x) in (int, float) and 0 <= x <= 1 for x in scores):
        raise ValueError(f"expected thresholds, least_score and nms.iou from 0 to 1, got {scores}")
    if not all(type(x) is int and x >= 0 for x in counts):
        raise ValueError(f"expected whole min_size, max_size, detections_per_image and nms.most, got {counts}")
    return facts


def paste(masks: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(R, H, W) bool: where masks (R, S, S), probabilities within boxes (R, 4) xyxy, reach a half in an image of `size`
    (H, W). Between the centres of the S x S cells they are interpolated linearly, beyond the outer ones down to 0."""
    pasted = np.zeros((len(masks), *size), bool)
    for image, mask, box in zip(pasted, masks, boxes, strict=True):
        sides = zip(np.floor(box[:2]).astype(int) - 1, np.ceil(box[2:]).astype(int) + 1, size[::-1], strict=True)
        columns, rows = (slice(max(start, 0), min(end, side)) for start, end, side in sides)
        y, x = (np.arange(part.start, part.stop) + 0.5 for part in (rows, columns))
        image[rows, columns] = resample(mask, box, x, y) >= 0.5
    return pasted


def resample(mask: np.ndarray, box, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(len(y), len(x)): a mask (S, S) within a box xyxy, at the columns x and the rows y of the box's image."""
    down, across = (
        np.maximum(1 - np.abs(((p - start) / (end - start) * cells - 0.5)[:, None] - np.arange(cells)), 0)
        for p, start, end, cells in ((y, box[1], box[3], mask.shape[0]), (x, box[0], box[2], mask.shape[1]))
    )
    return down.astype(np.float32) @ mask @ across.T.astype(np.float32)


def _beside(module: str, function: str) -> Callable:  # of a file that was copied beside this one, or of the package
    for name in (f"{__package__}.{module}" if __package__ else module, f"dense_det.{module}"):
        with contextlib.suppress(ModuleNotFoundError):
            return getattr(importlib.import_module(name), function)
    raise ImportError(f"this file needs {module}.py: copy dense_det/{module}.py beside runtime.py")


def read_ahead(read: Callable, items: Iterable, ahead: int = 1, threads: int = 1) -> Iterator[tuple[object, Callable]]:
    """(item, call) of each item, in order: `call()` gives `read(item)`, or raises what that raised. `threads` read up
    to `ahead` items more than were asked for: decoding and computing take turns no longer."""
    waiting, pool = [], ThreadPoolExecutor(threads, "read_ahead")
    try:
        for item in items:
            waiting.append((item, pool.submit(read, item).result))
            if len(waiting) > ahead:
                yield waiting.pop(0)
    except Exception:  # of `items`: what was read before it is not lost
        yield from waiting
        raise
    else:
        yield from waiting
    finally:
        pool.shutdown(cancel_futures=True)


def _jpeg(file: Image.Image, reduction: int) -> np.ndarray | None:
    """(H, W, 3) uint8 RGB, upright, of an opened JPEG as OpenCV decodes it, in half of the time and to Pillow's pixels,
    or to one of `reduction` (2, 4, 8) in either direction. None where Pillow should decode."""
    turns = _TURNS.get(file.getexif().get(0x0112, 1))
    if file.format != "JPEG" or file.mode not in ("RGB", "L") or turns is None:
        return None
    scan = file.fp.tell()  # Pillow has read up to there
    file.fp.seek(0)
    content = file.fp.read()
    after = _MARKER.search(content, scan)
    if not after or after.group() != b"\xff\xd9":  # damaged or cut off, which OpenCV fills up in silence
        return None
    flag = cv2.IMREAD_COLOR if reduction == 1 else getattr(cv2, f"IMREAD_REDUCED_COLOR_{reduction}")
    bgr = cv2.imdecode(np.frombuffer(content, np.uint8), flag | cv2.IMREAD_IGNORE_ORIENTATION)
    return None if bgr is None else np.ascontiguousarray(np.rot90(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, bgr), turns))


def upright(file: Image.Image) -> Image.Image:
    """RGB of an opened image: turned by EXIF, 16 bits scaled to 8, transparent is white. OSError: floats, damaged."""
    if file.mode == "F":
        raise OSError("32-bit floats, which do not say what is white: save it with 8 or 16 bits")
    file.filename = ""  # or Pillow maps some files into memory, and takes the rows of a turned TIFF for others
    file.load()
    ImageOps.exif_transpose(file, in_place=True)
    if file.mode.startswith("I"):
        file = Image.fromarray((np.asarray(file).clip(0, 65535).astype(np.uint16) >> 8).astype(np.uint8))
    if file.has_transparency_data:
        page = Image.new("RGB", file.size)
        for top in range(0, file.height, 256):  # in strips: whole, a large image would need five times its memory
            strip = file.crop((0, top, file.width, min(top + 256, file.height))).convert("RGBA")
            page.paste(Image.alpha_composite(Image.new("RGBA", strip.size, "white"), strip).convert("RGB"), (0, top))
        return page
    return file if file.mode == "RGB" else file.convert("RGB")


def _resized(image: np.ndarray, shown: tuple[int, int]) -> np.ndarray:  # as in training; OpenCV has no such kernel
    return image if image.shape[:2] == shown else np.asarray(Image.fromarray(image).resize(shown[::-1], Image.BILINEAR))


def _open_onnx(path: Path, threads: int, at_once: int):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads and max(threads - at_once + 1, 1)  # those that call count as one
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {"image": image}), session.get_modelmeta().custom_metadata_map.get(KEY)


def _open_openvino(path: Path, threads: int, at_once: int):
    import openvino

    model = (core := openvino.Core()).read_model(path)
    # boxes would move in some CPUs' bfloat16; pinned, several programs would share the first core and leave the others
    options = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": at_once, "ENABLE_CPU_PINNING": False}
    compiled = core.compile_model(model, "CPU", options | ({"INFERENCE_NUM_THREADS": threads} if threads else {}))
    metadata = model.get_rt_info([KEY]).astype(str) if model.has_rt_info([KEY]) else None
    own = threading.local()  # a request answers one thread at a time

    def run(image) -> list:
        own.request = getattr(own, "request", None) or compiled.create_infer_request()
        return [np.array(output) for output in own.request.infer([image]).to_tuple()]

    return run, metadata


Detector.openers = {".onnx": _open_onnx, ".xml": _open_openvino}  # (path, threads, images at once) -> (run, metadata)
