"""Teachers from ONNX files, run by onnxruntime, through a small adapter for each kind of output."""

import ast
import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dense_det.data.augmentation import CanvasTransform
from dense_det.data.classes import CDLA
from dense_det.data.pdf.document import sha256_of
from dense_det.deploy.runtime import KEY
from dense_det.distillation.exported_teacher import ExportedTeacher, open_exported_teacher
from dense_det.distillation.fusion import Boxes, fuse
from dense_det.distillation.teacher import Identity
from dense_det.distillation.views import OWN_SIZE, View, look


class OnnxTeacher:
    """An ONNX detector of boxes; its adapter knows how images go in and boxes come out.

    Args:
        session: onnxruntime's InferenceSession, or anything with its get_inputs, get_outputs, get_modelmeta and run.
        floor: least score of a box.

    `thresholds`: class -> the best score, and `detections_per_image`, the most: nobody has told.
    """

    has_masks = False
    own_edge = OWN_SIZE
    thresholds: Mapping[str, float] = {}
    detections_per_image: int | None = None

    def __init__(self, session, floor: float, identity: Identity):
        self._adapter = adapter_for(session)
        self._session, self._floor, self.identity = session, floor, identity
        self.classes = self._adapter.classes
        self.views = (View(OWN_SIZE),)

    def find(self, image, view):
        if view.short_edge != OWN_SIZE:
            raise ValueError(f"{self.identity.name} takes images of one size only: its views are own and ownf")
        pixels, seen = look(image, view, max_size=max(image.shape))
        tensor, to_pixels = self._adapter.prepare(pixels)
        name = self._session.get_inputs()[0].name
        boxes, scores, classes = self._adapter.read(self._session.run(None, {name: tensor}), self._floor)
        boxes = to_pixels(boxes)
        height, width = pixels.shape[:2]
        boxes = boxes.clip(0, [width, height, width, height])
        kept = fuse("nms", Boxes.join([(boxes, scores, classes)]), 1, self._adapter.nms_iou)
        return seen.to_image(kept.boxes), kept.scores, kept.classes


def open_onnx_teacher(path, floor: float) -> OnnxTeacher | ExportedTeacher:
    """The teacher of an ONNX file, or of an exported file of OpenVINO, on one thread of the CPU.

    Raises:
        ImportError: onnxruntime is not installed.
        ValueError: no ONNX file, or one whose outputs no adapter knows.
    """
    if Path(path).suffix == ".xml":
        return open_exported_teacher(path, floor)
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError("an ONNX teacher needs onnxruntime: pip install 'dense_det[onnx]'") from error
    if not Path(path).is_file():
        raise ValueError(f"no file {path}: give the path of an ONNX detector")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own classes derive from Exception alone
        raise ValueError(f"{path}: onnxruntime cannot read it: {error}") from error
    if KEY in session.get_modelmeta().custom_metadata_map:
        return open_exported_teacher(path, floor)
    digest = sha256_of(path)
    try:
        config = hashlib.sha256(adapter_for(session).__class__.__name__.encode()).hexdigest()
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return OnnxTeacher(session, floor, Identity("onnx", config, digest, Path(path).name))


def adapter_for(session):
    """Raises ValueError for outputs that no adapter knows."""
    shapes = [output.shape for output in session.get_outputs()]
    if len(shapes) == 1 and len(shapes[0]) == 3:
        return YoloAdapter(session)
    if len(shapes) == 2 * len(PicoDetAdapter.strides) and all(len(shape) == 3 for shape in shapes):
        return PicoDetAdapter(session)
    raise ValueError(f"no adapter for outputs {shapes}: known are YOLOv8's 1x(4+K)xN and PicoDet's 4 scores + 4 boxes")


class YoloAdapter:
    """YOLOv8's export: RGB / 255 in the middle of a grey square; one output 1x(4+K)xN of centre, size and scores."""

    nms_iou = 0.7

    def __init__(self, session):
        self.size = _input_size(session)
        metadata = session.get_modelmeta().custom_metadata_map
        if "names" not in metadata:
            raise ValueError('the ONNX file has no "names" in its metadata: its classes are not known')
        self.classes = _class_names(metadata["names"])
        shape = session.get_outputs()[0].shape
        if not isinstance(shape[1], int):  # dynamic: an image shows it
            name = session.get_inputs()[0].name
            try:
                (output,) = session.run(None, {name: np.zeros((1, 3, *self.size), np.float32)})
            except Exception as error:  # onnxruntime's own classes derive from Exception alone
                raise ValueError(f"it does not take a black image of 32-bit floats: {error}") from error
            shape = output.shape
        if len(shape) != 3 or shape[1] != 4 + len(self.classes):
            num_classes = len(self.classes)
            raise ValueError(
                f"an output of {'x'.join(map(str, shape))}: expected YOLOv8's 1x{4 + num_classes}xN, 4 sides and "
                f'{num_classes} scores, a score for each of the "names"; YOLOv5, YOLOv10 and exports with NMS within '
                "have other outputs"
            )

    def prepare(self, pixels):
        height, width = pixels.shape[:2]
        scale = min(self.size[0] / height, self.size[1] / width)
        shown = max(1, round(height * scale)), max(1, round(width * scale))
        top, left = round((self.size[0] - shown[0]) / 2 - 0.1), round((self.size[1] - shown[1]) / 2 - 0.1)
        canvas = np.full((*self.size, 3), 114, np.uint8)
        canvas[top : top + shown[0], left : left + shown[1]] = _resized(pixels, shown)
        tensor = canvas.transpose(2, 0, 1)[None].astype(np.float32) / 255
        factor = np.tile([shown[1] / width, shown[0] / height], 2)
        return tensor, lambda boxes: (boxes - np.tile([left, top], 2)) / factor

    def read(self, outputs, floor: float):
        table = outputs[0][0].T.astype(np.float64)  # (N, 4 + K)
        classes = table[:, 4:].argmax(1)
        scores = table[np.arange(len(table)), 4 + classes]
        keep = scores >= floor
        centre, size = table[keep, :2], table[keep, 2:4]
        return np.concatenate([centre - size / 2, centre + size / 2], 1), scores[keep], classes[keep]


class PicoDetAdapter:
    """PicoDet's export without post-processing (arXiv 2111.00902): for each stride scores (1, N, K), already through
    the sigmoid, and distances (1, N, 4 x 8) to the four sides, as distributions over 0 ... 7 strides."""

    strides = (8, 16, 32, 64)
    nms_iou = 0.5
    _mean, _std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # ImageNet's, RGB
    _most_a_level = 1000

    def __init__(self, session):
        self.size = _input_size(session)
        names = session.get_modelmeta().custom_metadata_map.get("character", "\n".join(CDLA))
        self.classes = tuple(names.split("\n"))
        num_scores = session.get_outputs()[0].shape[2]
        if isinstance(num_scores, int) and num_scores != len(self.classes):
            raise ValueError(
                f"{num_scores} scores a place, but {len(self.classes)} names: {', '.join(self.classes)}; give the file "
                'its own, a line each, as "character" in its metadata (where that is missing, CDLA\'s are taken)'
            )

    def prepare(self, pixels):
        height, width = pixels.shape[:2]
        resized = _resized(pixels, self.size) / 255
        tensor = ((resized - self._mean) / self._std).transpose(2, 0, 1)[None].astype(np.float32)
        factor = np.tile([self.size[1] / width, self.size[0] / height], 2)
        return tensor, lambda boxes: boxes / factor

    def read(self, outputs, floor: float):
        parts = [
            self._level(outputs[level][0], outputs[level + len(self.strides)][0], stride, floor)
            for level, stride in enumerate(self.strides)
        ]
        return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))

    def _level(self, scores, distances, stride: int, floor: float):
        scores = scores.astype(np.float64)
        best = scores.max(1)
        rows = np.argsort(-best, kind="stable")[: self._most_a_level]
        rows = rows[best[rows] >= floor]
        logits = distances[rows].astype(np.float64).reshape(len(rows), 4, distances.shape[1] // 4)
        shares = np.exp(logits - logits.max(2, keepdims=True))
        shares /= shares.sum(2, keepdims=True)
        sides = stride * (shares @ np.arange(shares.shape[2]))  # (R, 4): to the left, top, right, bottom
        columns = -(-self.size[1] // stride)
        centre = stride * (np.stack([rows % columns, rows // columns], 1) + 0.5)
        boxes = np.concatenate([centre - sides[:, :2], centre + sides[:, 2:]], 1)
        return boxes, best[rows], scores[rows].argmax(1)


def _class_names(text: str) -> tuple[str, ...]:
    """What YOLOv8 writes as "names", "{0: 'a', 1: 'b'}", by rising number; a list will do.

    Raises:
        ValueError: something else.
    """
    try:
        tree = ast.literal_eval(text)
        names = {int(k): str(name) for k, name in (enumerate(tree) if isinstance(tree, list) else tree.items())}
    except (ValueError, TypeError, SyntaxError, AttributeError, RecursionError) as error:
        raise ValueError(f"the \"names\" in its metadata are {text[:80]!r}: expected {{0: 'a', 1: 'b'}}") from error
    return tuple(names[k] for k in sorted(names))


def _input_size(session) -> tuple[int, int]:
    """(height, width) of an input 1x3xHxW."""
    shape = session.get_inputs()[0].shape
    if len(shape) != 4 or shape[1] != 3 or not all(isinstance(side, int) for side in shape[2:]):
        raise ValueError(f"expected an ONNX file with an input of 1x3xHxW with fixed H and W, got {shape}")
    return shape[2], shape[3]


def _resized(pixels: np.ndarray, shown: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8 -> (*shown, 3), with the kernel of testing."""
    source = pixels.shape[:2]
    return CanvasTransform(source, shown, shown, (0, 0)).apply_image(pixels)
