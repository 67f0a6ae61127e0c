"""What losses keep, by hand and beside a training step with data."""

from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

import dense_det  # noqa: F401  registers
from dense_det.analysis.memory import kept_bytes, saved_bytes
from dense_det.analysis.network import Network, image_without_data
from dense_det.analysis.training_memory import training_bytes
from dense_det.config import find_config, load_cfg

CONFIGS = Path(__file__).parents[2] / "configs"
RETINA_R50 = "COCO-Detection/retinanet_R_50_FPN_3x.yaml"
C4 = "COCO-InstanceSegmentation/mask_rcnn_R_50_C4_3x.yaml"
SLIM = ("MODEL.BOTTOM_UP.VARIANT", "V-19-slim-dw-eSE")


def detector(name, *opts, device="meta"):
    path = name if "/" in name else CONFIGS / f"{name}.yaml"
    with torch.device(device):
        return build_model(load_cfg(find_config(path), ["MODEL.DEVICE", device, *opts])).train()


def losses_alone(model, size):
    """Bytes of the losses, without those of the network."""
    network, image = Network(model), image_without_data(model, size)
    return training_bytes(model, network, image) - saved_bytes(network, image)


@pytest.mark.parametrize(
    ("name", "num_anchors", "divisor"),
    [
        ("retina_snet", 6 * (14 * 14 + 7 * 7 + 4 * 4 + 2 * 2), 4),
        (RETINA_R50, 9 * (28 * 28 + 14 * 14 + 7 * 7 + 4 * 4 + 2 * 2), 0),  # divides by a number of Python's
    ],
)
@pytest.mark.parametrize("num_classes", [1, 80])
def test_the_focal_loss_by_hand(name, num_anchors, divisor, num_classes):
    model = detector(name, "MODEL.RETINANET.NUM_CLASSES", num_classes)
    # eight numbers a score: its logit and probability, the goal and what it lacks to one, how wrong, that by the
    # power of gamma, the cross-entropy, and alpha; of each anchor whether it is judged, and whether it has an object
    assert losses_alone(model, 224) == num_anchors * (8 * 4 * num_classes + 2) + divisor


def test_the_semantic_loss_by_hand():
    model = detector("panoptic_vovnet", *SLIM)
    # the log-probabilities of 54 classes of every pixel, and by how many pixels the mean is taken
    assert losses_alone(model, (64, 96)) == 54 * 64 * 96 * 4 + 4


@pytest.mark.parametrize(
    ("name", "opts"), [("retina_snet", ()), ("fcos_vovnet", SLIM), ("fcos_vovnet", ("MODEL.FCOS.BOX_QUALITY", "iou"))]
)
def test_a_training_step_keeps_as_much(name, opts):
    opts = (*opts, *(SLIM if "vovnet" in name else ()))
    model, empty = detector(name, *opts, device="cpu"), detector(name, *opts)
    nothing = Instances((128, 192), gt_boxes=Boxes(torch.zeros(0, 4)), gt_classes=torch.zeros(0, dtype=torch.int64))
    record = {"image": torch.zeros(3, 128, 192, dtype=torch.uint8), "instances": nothing}
    normalised = model.preprocess_image([record]).tensor
    with EventStorage():
        kept = kept_bytes(lambda: model([record]), [*model.parameters(), *model.buffers()])
    image = image_without_data(empty, (128, 192))
    assert training_bytes(empty, Network(empty), image) == kept - normalised.nbytes


def test_layers_that_boxes_and_masks_share_are_kept_once():
    model = detector(C4, "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", 16)
    boxes = detector(C4, "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", 16, "MODEL.MASK_ON", False)
    both, alone = (saved_bytes(Network(each), image_without_data(each, 64)) for each in (model, boxes))
    # of four objects: what the shared layers give, and what the mask head makes of it
    assert both - alone == 4 * (2048 * 7 * 7 + 256 * 14 * 14) * 4


def test_the_model_keeps_its_state():
    model = detector(RETINA_R50)
    before = dict(vars(model))
    training_bytes(model, Network(model), image_without_data(model, 64))
    assert vars(model) == before and model.head is not None and model.device.type == "meta"
