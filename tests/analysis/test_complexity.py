import pytest
import torch
from torch import nn

from dense_det.analysis.complexity import count_macs, count_parameters, detector_row, macs_of_parts, markdown_table
from dense_det.backbones.vovnet import VARIANTS, make_vovnet
from dense_det.layers.conv import LayerOptions

# multiply-adds of the convolutions at 224x224, counted on the published networks
MACS_224 = {
    "V-19-slim-dw-eSE": 397.56,
    "V-19-dw-eSE": 1332.47,
    "V-19-slim-eSE": 1679.70,
    "V-19-eSE": 4120.91,
    "V-39-eSE": 7074.81,
    "V-57-eSE": 8934.95,
    "V-99-eSE": 16494.53,
}


def make(variant, conv="plain"):
    with torch.device("meta"):
        return make_vovnet(
            VARIANTS[variant],
            stem_options=LayerOptions(),
            stage_options=[LayerOptions(conv=conv)] * 4,
            out_features=("stage5",),
        )


def test_macs_by_hand():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.Flatten())
    net.append(nn.Linear(4 * 4 * 5, 7))
    # 4x5 pixels after the stride
    assert count_macs(net, (8, 10)) == 20 * (3 * 4 * 9 + 4 * 9) + 80 * 7
    assert count_parameters(net) == (3 * 4 * 9 + 4) + (4 * 9 + 4) + (80 * 7 + 7)


@pytest.mark.parametrize("variant", MACS_224)
def test_macs_of_the_published_networks(variant):
    assert round(count_macs(make(variant), 224) / 1e6, 2) == MACS_224[variant]


def test_deformable_convolutions_count_as_plain_ones_plus_their_offsets():
    spec = VARIANTS["V-19-slim-eSE"]
    offsets, width = 0, spec.stem_widths[2]
    for mid, out, size in zip(spec.mid_channels, spec.out_channels, (56, 28, 14, 7)):
        offsets += size * size * 27 * 9 * (width + 2 * mid)
        width = out
    assert count_macs(make("V-19-slim-eSE", "deform"), 224) == count_macs(make("V-19-slim-eSE"), 224) + offsets


def test_counting_leaves_the_model_as_it_is():
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)).train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    assert count_macs(net, 4) == 16 * 6
    assert net.training and net[1].training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


class Pyramid(nn.Module):
    """A dense detector in Detectron2's shape: a bottom-up and one level of half the size."""

    size_divisibility = 4

    def __init__(self):
        super().__init__()
        self.bottom_up = nn.Conv2d(3, 2, 1)
        self.lateral = nn.Conv2d(2, 5, 1)

    def forward(self, x):
        return {"p1": self.lateral(self.bottom_up(x))[:, :, ::2, ::2]}


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(5, 1, 1)

    def forward(self, features):
        return [self.conv(x) for x in features]


class Detector(nn.Module):
    head_in_features = ("p1",)

    def __init__(self):
        super().__init__()
        self.backbone, self.head = Pyramid(), Head()


def test_parts_of_a_detector_by_hand():
    # 5x8 is padded to 8x8
    assert macs_of_parts(Detector(), (5, 8)) == {"bottom_up": 64 * 6, "fpn": 64 * 10, "head": 16 * 5}
    row = detector_row("tiny", Detector(), (5, 8))
    assert (row["params_bottom_up"], row["params_fpn"], row["params_head"], row["params"]) == (8, 15, 6, 29)
    assert row["gmacs"] == pytest.approx((64 * 16 + 80) / 1e9)
    assert markdown_table([row]).splitlines()[2] == "| tiny | 0.00 | 0.00 | 0.00 | 0.00 | 0.00 | 0.00 | 0.00 | 0.00 |"


class MaskHead(nn.Conv2d):
    def layers(self, x):
        return self(x)


class Judge(nn.Linear):
    def forward(self, rois, masks):
        return super().forward(torch.cat([rois, masks], dim=1).flatten(1))


def with_masks(model: nn.Module, **heads) -> nn.Module:
    model.roi_heads = nn.Module()
    model.roi_heads.in_features = ["p1"]
    model.roi_heads.batch_size_per_image, model.roi_heads.positive_fraction = 8, 0.25
    model.roi_heads.mask_pooler = nn.Module()
    model.roi_heads.mask_pooler.resolution = 2
    for name, head in heads.items():
        model.roi_heads.add_module(name, head)
    return model


def test_masks_of_fifty_boxes_by_hand():
    # RoIs of 5 channels and 2x2 cells: 3 logits for each cell; then 5 + 1 channels to one number
    model = with_masks(Detector(), mask_head=MaskHead(5, 3, 1), maskiou_head=Judge(6 * 4, 1))
    assert macs_of_parts(model, 8)["masks"] == 50 * (4 * 5 * 3 + 6 * 4)
    row = detector_row("tiny", model, 8)
    assert row["params_masks"] == (5 * 3 + 3) + (6 * 4 + 1) and row["params"] == 29 + 43
    assert macs_of_parts(with_masks(Detector(), mask_head=MaskHead(5, 3, 1), maskiou_head=None), 8)["masks"] == 3000
    assert "masks" not in macs_of_parts(with_masks(Detector(), mask_head=None, maskiou_head=None), 8)


def test_a_part_that_a_detector_lacks_is_a_dash():
    masked = with_masks(Detector(), mask_head=MaskHead(5, 3, 1))
    table = markdown_table([detector_row("plain", Detector(), 8), detector_row("masked", masked, 8)])
    header, _, plain, _ = table.splitlines()
    assert header == (
        "| model | bottom-up, M | FPN, M | head, M | masks, M | total, M "
        "| bottom-up, GMACs | FPN | head | masks | total |"
    )
    assert [cell.strip() for cell in plain.split("|")[5:11:5]] == ["-", "-"]
