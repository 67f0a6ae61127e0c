import numpy as np
import pytest
import torch
from detectron2.structures import Boxes, Instances

from dense_det.data.preview import draw_batch, to_rgb
from dense_det.drawing import class_color


def record(rgb, input_format, box=None, label=0):
    order = [2, 1, 0] if input_format == "BGR" else [0, 1, 2]
    image = torch.tensor(rgb, dtype=torch.uint8)[order][:, None, None].repeat(1, 120, 100)
    result = {"image": image}
    if box:
        result["instances"] = Instances(
            (120, 100), gt_boxes=Boxes(torch.tensor([box], dtype=torch.float32)), gt_classes=torch.tensor([label])
        )
    return result


def count(picture, color):
    return int((picture == color).all(axis=2).sum())


@pytest.mark.parametrize("input_format", ["BGR", "RGB"])
def test_colours_are_put_right_and_boxes_drawn(input_format):
    batch = [record((200, 100, 50), input_format, [20, 30, 60, 80], 1), record((10, 20, 30), input_format)]
    picture = draw_batch(batch, ["Text", "Table"], input_format)
    outline = 2 * (40 + 50) - 4
    assert picture.dtype == np.uint8
    assert count(picture, (200, 100, 50)) == pytest.approx(100 * 120 - outline, abs=60)
    assert count(picture, (10, 20, 30)) == 100 * 120
    assert count(picture, class_color(1)) >= outline - 10  # and the legend's square
    assert count(picture, class_color(0)) == 0


def test_float_images_and_more_classes_than_names():
    assert (to_rgb(torch.full((3, 4, 5), 300.0), "BGR") == 255).all()
    assert draw_batch([record((9, 9, 9), "RGB", [1, 1, 50, 50], 5)], ["Text"], "RGB").shape[2] == 3


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match="without images"):
        draw_batch([], ["Text"], "RGB")
