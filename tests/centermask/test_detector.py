import pytest
import torch
from detectron2.utils.events import EventStorage

ALL_LOSSES = {"loss_fcos_cls", "loss_fcos_loc", "loss_fcos_ctr", "loss_mask", "loss_maskiou"}


def train(model, *records) -> dict:
    with EventStorage():
        return model.train()(list(records))


def test_every_parameter_learns(build, record):
    model = build()
    losses = train(model, record(), record(boxes=[], classes=[]))
    assert set(losses) == ALL_LOSSES and all(loss.isfinite() for loss in losses.values())
    sum(losses.values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("norm", ["GN", "BN", "FrozenBN"])
def test_any_norm_everywhere(build, record, norm):
    model = build(FPN__OUT_CHANNELS=24, BOTTOM_UP__NORM=norm, FPN__NORM=norm, FCOS__NORM=norm, ROI_MASK_HEAD__NORM="")
    # two images: a batch norm cannot tell the spread of P7's only pixel
    assert all(loss.isfinite() for loss in train(model, record(), record()).values())


def test_fcos_alone_has_no_mask_and_learns_from_boxes(build, record):
    model = build(MASK_ON=False)
    losses = train(model, record(with_masks=False), record(boxes=[], classes=[], with_masks=False))
    assert set(losses) == {"loss_fcos_cls", "loss_fcos_loc", "loss_fcos_ctr"}
    assert not any("mask" in name for name, _ in model.named_parameters())
    model.proposal_generator.test_selection = model.proposal_generator.train_selection
    with torch.no_grad():
        (result,) = model.eval()([{"image": torch.rand(3, 225, 230) * 255, "height": 90, "width": 92}])
    assert set(result["instances"].get_fields()) == {"pred_boxes", "scores", "pred_classes"}


def permissive(model):
    """Every location is a detection."""
    from dataclasses import replace

    fcos = model.proposal_generator
    fcos.test_selection = replace(fcos.test_selection, threshold=0.0, post_nms_topk=5)
    return model.eval()


def test_detections_are_at_the_size_of_the_output(build):
    model = permissive(build(ROI_MASK_HEAD__QUADS=True))
    with torch.no_grad():
        model.proposal_generator.fcos_head.bbox_pred.bias.fill_(2.0)
        large, small = model(
            [
                {"image": torch.rand(3, 225, 230) * 255, "height": 450, "width": 460},
                {"image": torch.rand(3, 96, 128) * 255},
            ]
        )
    for result, size in ((large["instances"], (450, 460)), (small["instances"], (96, 128))):
        assert result.image_size == size and 0 < len(result) <= 5
        assert result.pred_masks.shape[1:] == size and result.pred_masks.dtype == torch.bool
        assert result.mask_scores.shape == result.scores.shape and result.pred_quads.shape == (len(result), 4, 2)
        x0, y0, x1, y1 = result.pred_boxes.tensor.unbind(1)
        assert (x0 >= 0).all() and (y0 >= 0).all() and (x1 <= size[1]).all() and (y1 <= size[0]).all()


def test_validation_losses_change_nothing(build, record):
    model = build().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random = torch.get_rng_state()
    losses = model.validation_losses([record()])
    assert torch.equal(torch.get_rng_state(), random)
    assert set(losses) == ALL_LOSSES and not any(loss.requires_grad for loss in losses.values())
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    model.eval().validation_losses([record()])
    assert not model.training


def test_it_is_a_dense_detector_for_whoever_counts(build):
    model = build()
    assert model.head is model.proposal_generator.fcos_head and model.head_in_features == ["p3", "p4", "p5", "p6", "p7"]
