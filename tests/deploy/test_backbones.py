"""Every family of bottom-ups as ONNX finds what its RetinaNet finds; deep rows are cut to about a block a stage, since
torch.export takes its time for each operator."""

from dataclasses import replace

import pytest

from dense_det.backbones import blocknet, cspdensenet, cspnet, densenet, peleenet, snet, thundernet, vovnet
from dense_det.deploy.export import export_onnx
from dense_det.deploy.graph import deploy_graph
from dense_det.deploy.parity import Difference, difference, found_by
from dense_det.deploy.runtime import Detector

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

FACTS = {"classes": ["a", "b", "c"], "thresholds": [0.5] * 3, "min_size": 96, "max_size": 160}
ONE_LEVEL = ["MODEL.FPN.IN_FEATURES", ["stage5"], "MODEL.RETINANET.IN_FEATURES", ["p5"],
             "MODEL.ANCHOR_GENERATOR.SIZES", [[32, 64]]]  # fmt: skip
ROW = ["MODEL.BOTTOM_UP.BLOCKNET.BLOCK", ""]
RELU6 = ["MODEL.BOTTOM_UP.ACTIVATION", "ReLU6"]
LEAKY = ["MODEL.BOTTOM_UP.ACTIVATION", "LeakyReLU"]
FAMILIES = [
    # module, row, what is less in it, opts
    (vovnet, "V-19-slim-dw-eSE", {}, []),
    (vovnet, "V-19-eSE", {"mid_channels": (16,) * 4, "out_channels": (32,) * 4}, []),
    (densenet, "DenseNet-121", {"num_layers": (1, 1, 2, 1)}, []),
    (cspdensenet, "CSPDenseNet-121-standard", {"num_layers": (1, 1, 2, 1)}, []),
    (peleenet, "PeleeNet", {"num_layers": (1, 1, 2, 1)}, []),
    (snet, "SNet-18", {}, ["MODEL.BOTTOM_UP.NORM", "GN", "MODEL.FPN.DEPTHWISE", True]),
    (thundernet, "SNet49", {"num_blocks": (1, 2, 1)}, []),
    (blocknet, "MobileNetV2", {"widths": ((8,), (16,), (24, 24), (32,))}, ROW + RELU6),
    (blocknet, "ResNet-18-half-1ReLU", {"widths": ((32,), (32,), (64, 64), (64,))}, ROW),
    (cspnet, "CSPResNet-50", {"num_blocks": (1,) * 4, "out_channels": (16, 32, 64, 64)}, LEAKY),
    (cspnet, "CSPDarknet-53", {"num_blocks": (1,) * 4, "out_channels": (16, 32, 64, 64)}, LEAKY),
]


@pytest.fixture
def require_equal(make_detector, noise, tmp_path):
    """(opts): the detector's file finds what it finds."""

    def require(opts) -> None:
        model = make_detector("retinanet", opts=opts)
        export_onnx(deploy_graph(model), tmp_path / "model.onnx", FACTS)
        exported, total = Detector(tmp_path / "model.onnx", threads=1), Difference()
        for size in [(96, 128), (97, 131), (33, 70)]:
            total += difference(found_by(model, noise(*size)), exported.run(noise(*size)[None]))
        assert total.both > 10 and total.only_one == 0 and total.box_px <= 1e-3 and total.score < 1e-5

    return require


@pytest.mark.parametrize(("module", "row", "less", "opts"), FAMILIES, ids=[row for _, row, *_ in FAMILIES])
def test_equal_boxes(module, row, less, opts, require_equal, monkeypatch):
    monkeypatch.setitem(module.VARIANTS, row, replace(module.VARIANTS[row], **less))
    family = module.__name__.rpartition(".")[2]
    name = ["MODEL.BOTTOM_UP.NAME", f"build_{family}_backbone", "MODEL.BOTTOM_UP.VARIANT", row]
    require_equal([*ONE_LEVEL, *name, *opts])


def test_equal_boxes_of_any_block_under_the_exact_fusion_model(require_equal):
    block = ["MODEL.BOTTOM_UP.BLOCKNET.BLOCK", "InceptionBlock", "MODEL.BOTTOM_UP.BLOCKNET.WIDTHS", [16, 16, 16, 16]]
    require_equal([*block, "MODEL.BACKBONE.NAME", "build_efm_backbone"])


def test_equal_boxes_of_detectron2_s_resnet(require_equal):
    resnet = ["MODEL.RESNETS.DEPTH", 18, "MODEL.RESNETS.RES2_OUT_CHANNELS", 64, "MODEL.RESNETS.NORM", "BN"]
    level = ["MODEL.RESNETS.OUT_FEATURES", ["res5"], "MODEL.FPN.IN_FEATURES", ["res5"]]
    require_equal([*ONE_LEVEL, "MODEL.BOTTOM_UP.NAME", "build_resnet_backbone", *resnet, *level])
