"""Every YAML in configs/ builds, takes a training step and finds boxes."""

from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

import dense_det  # noqa: F401  registers
from dense_det.config import load_cfg
from dense_det.engine.trainer import Trainer

CONFIGS = sorted((Path(__file__).parents[1] / "configs").rglob("*.yaml"))

# all parts, 80 classes, norms included
PARAMETERS = {
    "Base-RetinaNet": 36_963_444,
    "Base-DocPages": 1_789_356,
    "demo_docpages": 1_789_356,
    "docpages_all": 2_129_772,
    "retina_r50": 37_974_324,
    "retina_vovnet": 36_963_444,
    "retina_vovnet_19": 19_597_364,
    "retina_vovnet_19_dw": 9_047_284,
    "retina_vovnet_19_slim": 5_445_060,
    "retina_vovnet_19_slim_dw": 4_176_676,
    "retina_vovnet_57": 53_234_228,
    "retina_vovnet_99": 81_302_836,
}


def test_the_configs_are_found():
    assert set(PARAMETERS) <= {path.stem for path in CONFIGS}


@pytest.mark.parametrize("path", [p for p in CONFIGS if p.stem in PARAMETERS], ids=lambda p: p.stem)
def test_parameters(path):
    cfg = load_cfg(path, ["MODEL.DEVICE", "meta", "MODEL.RETINANET.NUM_CLASSES", 80])
    with torch.device("meta"):
        model = build_model(cfg)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[path.stem]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_optimizer_and_schedule(path):
    cfg = load_cfg(path)
    optimizer = Trainer.build_optimizer(cfg, torch.nn.Conv2d(3, 4, 1))
    scheduler = Trainer.build_lr_scheduler(cfg, optimizer)
    assert optimizer.param_groups[0]["initial_lr"] == cfg.SOLVER.BASE_LR
    optimizer.step()
    scheduler.step()
    assert 0 < scheduler.get_last_lr()[0] < cfg.SOLVER.BASE_LR  # warming up


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_a_config_builds_trains_and_detects(path):
    cfg = load_cfg(path, ["MODEL.DEVICE", "cpu", "MODEL.RETINANET.NUM_CLASSES", 3])
    torch.manual_seed(0)
    model = build_model(cfg)
    if sum(p.numel() for p in model.parameters()) < 40e6:  # the gradients of the largest are another network's test
        instances = Instances((64, 64))
        instances.gt_boxes = Boxes(torch.tensor([[4.0, 4.0, 50.0, 40.0]]))
        instances.gt_classes = torch.tensor([1])
        with EventStorage():
            losses = model.train()([{"image": torch.rand(3, 64, 64) * 255, "instances": instances}] * 2)
        assert set(losses) == {"loss_cls", "loss_box_reg"}
        assert all(loss.isfinite() for loss in losses.values())
        sum(losses.values()).backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)
    with torch.no_grad():
        (result,) = model.eval()([{"image": torch.rand(3, 64, 48) * 255, "height": 128, "width": 96}])
    assert result["instances"].image_size == (128, 96)
    assert len(result["instances"]) <= cfg.TEST.DETECTIONS_PER_IMAGE
