"""The stages from a JPEG to a RetinaNet's boxes: as Detectron2's DefaultPredictor does them, and as teachers do."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from detectron2.data.detection_utils import read_image as read_as_detectron2
from detectron2.data.transforms import ResizeShortestEdge
from detectron2.modeling.meta_arch.retinanet import RetinaNet
from torch import nn

from dense_det.data.mapper import read_image
from dense_det.distillation.views import View, look
from dense_det.fold_bn import fold_bn
from dense_det.pointwise import use_onednn

NAMES = ("decode", "resize", "batch", "net", "boxes")
_MAX_SIZE = 1333  # of a view's longer edge


@dataclass(frozen=True)
class Stages:
    """Each takes what the one before gave.

    Attributes:
        decode: a path -> (H, W, 3) uint8.
        resize: pixels -> the view's.
        batch: pixels -> ImageList.
        net: ImageList -> it, features and predictions.
        boxes: those three -> Instances of each image.
    """

    decode: Callable
    resize: Callable
    batch: Callable
    net: Callable
    boxes: Callable

    @torch.inference_mode()
    def calls(self, path: str) -> list[Callable[[], object]]:
        """The whole, then each stage alone, on a file."""
        results = [path]
        for name in NAMES:
            results.append(getattr(self, name)(results[-1]))
        alone = [_call([getattr(self, name)], given) for name, given in zip(NAMES, results[:-1], strict=True)]
        return [_call([getattr(self, name) for name in NAMES], path), *alone]


def stages_of(model: nn.Module, edge: int) -> tuple[Stages, Stages]:
    """Detectron2's and ours, of a RetinaNet for RGB in evaluation mode; both with copies of its weights.

    Args:
        edge: short edge of the view, in pixels.
    """
    plain, folded = copy.deepcopy(model), fold_bn(copy.deepcopy(model).to(memory_format=torch.channels_last))
    use_onednn(folded)
    resize = ResizeShortestEdge(edge, _MAX_SIZE)
    theirs = Stages(
        lambda path: read_as_detectron2(path, "RGB"),
        lambda pixels: resize.get_transform(pixels).apply_image(pixels),
        lambda pixels: RetinaNet.preprocess_image(
            plain, [{"image": torch.as_tensor(pixels.astype("float32").transpose(2, 0, 1))}]
        ),
        lambda images: _net(plain, images),
        lambda given: RetinaNet.forward_inference(plain, *given[:2], _copied(given[2])),
    )
    ours = Stages(
        lambda path: read_image(path, "RGB"),
        lambda pixels: look(pixels, View(edge), _MAX_SIZE)[0],
        lambda pixels: folded.preprocess_image(
            [{"image": torch.from_numpy(np.require(pixels, None, "CW")).permute(2, 0, 1)}]
        ),
        lambda images: _net(folded, images),
        lambda given: folded.forward_inference(*given[:2], _copied(given[2])),
    )
    return theirs, ours


def _net(model: nn.Module, images):
    features = model.backbone(images.tensor)
    features = [features[name] for name in model.head_in_features]
    return images, features, model.head(features)


def _copied(predictions) -> list:
    """Detectron2 overwrites logits by scores."""
    return [[level.clone() for level in kind] for kind in predictions]


def _call(stages: list[Callable], given) -> Callable[[], object]:
    @torch.inference_mode()
    def run():
        result = given
        for stage in stages:
            result = stage(result)
        return result

    return run
