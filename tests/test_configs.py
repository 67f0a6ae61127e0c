"""Every config in configs/ builds, takes a training step and finds boxes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances, PolygonMasks
from detectron2.utils.events import EventStorage

import dense_det  # noqa: F401  registers
from dense_det.config import load_cfg
from dense_det.config_file import read_yaml
from dense_det.distillation.recipe import parse_recipe
from dense_det.engine.trainer import Trainer
from dense_det.zoo.entries import parse_zoo

YAMLS = sorted((Path(__file__).parents[1] / "configs").rglob("*.yaml"))
RECIPES = [path for path in YAMLS if "teacher" in read_yaml(path)]  # of tools/distill.py
ZOO = Path(__file__).parents[1] / "configs" / "zoo.yaml"  # of tools/make_zoo.py
CONFIGS = [path for path in YAMLS if path not in (*RECIPES, ZOO)]

# all parts, 80 classes, norms included
PARAMETERS = {
    "Base-RetinaNet": 36_963_444,
    "Base-DocPages": 1_789_356,
    "Base-RCNN": 43_103_520,
    "demo_docpages": 1_789_356,
    "docpages_all": 2_129_772,
    "Base-IDCards": 3_660_394,
    "centermask_idcards": 3_660_394,
    "Base-IDCards-RetinaNet": 36_963_444,
    "idcards_student": 708_696,
    "idcards_teacher": 2_667_736,
    "docpages_student": 696_156,
    "retina_cspdarknet": 38_265_428,
    "retina_cspdensenet": 15_612_191,
    "retina_cspresnet": 32_239_412,
    "retina_densenet": 18_798_708,
    "retina_peleenet": 5_151_316,
    "retina_r50": 37_974_324,
    "retina_snet": 1_126_360,
    "retina_snet_efm": 1_156_696,
    "retina_snet_p3": 1_156_696,
    "retina_thundernet_snet146": 1_768_108,
    "retina_vovnet": 36_963_444,
    "retina_vovnet_19": 19_597_364,
    "retina_vovnet_19_dw": 9_047_284,
    "retina_vovnet_19_slim": 5_445_060,
    "retina_vovnet_19_slim_dw": 4_176_676,
    "retina_vovnet_57": 53_234_228,
    "retina_vovnet_99": 81_302_836,
    "retina_blocknet_inception": 10_991_100,
    "retina_resnet18_slim": 5_205_780,
    "retina_mobilenetv2": 4_292_340,
    "Base-CenterMask": 52_630_924,
    "Base-CenterMask-Lite": 35_130_124,
    "fcos_vovnet": 33_647_322,
    "centermask_vovnet_deform": 54_404_527,
    "panoptic_centermask_vovnet": 54_918_082,
}


# the authors' detectors, whose norms are frozen, and so not counted, and whose pyramid has none
FROZEN_PARAMETERS = {
    "faster_rcnn_vovnet": {"V-39-eSE": 43_081_056, "V-57-eSE": 59_340_640, "V-99-eSE": 87_386_720},
    "mask_rcnn_vovnet": {"V-39-eSE": 45_724_336, "V-57-eSE": 61_983_920, "V-99-eSE": 90_030_000},
    "panoptic_vovnet": {"V-39-eSE": 47_355_110, "V-57-eSE": 63_614_694},
    "centermask_vovnet": {"V-39-eSE": 52_608_972},
    "centermask_vovnet_57": {"V-57-eSE": 68_868_556},
    "centermask_vovnet_99": {"V-99-eSE": 96_914_636},
    "centermask_r50": {"": 51_227_852},
    "centermask_lite_vovnet_19_slim_dw": {"V-19-slim-dw-eSE": 11_176_924},
    "centermask_lite_vovnet_19_slim": {"V-19-slim-eSE": 12_445_756},
    "centermask_lite_vovnet_19": {"V-19-eSE": 20_115_788},
    "centermask_lite_vovnet_39": {"V-39-eSE": 35_108_940},
    "centermask_lite_mobilenetv2": {"MobileNetV2": 11_487_820},
}


def test_the_configs_are_found():
    assert set(PARAMETERS) <= {path.stem for path in CONFIGS}


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_recipes_name_configs_that_are_there(path):
    recipe = parse_recipe(read_yaml(path), path)
    for model in (recipe.teacher, recipe.student):
        assert bool(model.onnx) or load_cfg(model.config, model.opts).SOLVER.MAX_ITER > 0
    for labels in recipe.labels.values():
        load_cfg(recipe.student.config, labels.opts)


def test_the_zoo_names_configs_and_rows_that_are_there():
    entries = parse_zoo(read_yaml(ZOO), ZOO)
    for entry in entries.values():
        assert num_parameters(entry.config, *entry.opts) > 500_000
    assert {entry.config for entry in entries.values()} <= {str(path) for path in CONFIGS}
    # what is shipped has 2 bytes a parameter
    assert max(num_parameters(e.config, *e.opts) for e in entries.values() if e.ship) < 7_500_000


@pytest.mark.parametrize("path", [p for p in CONFIGS if p.stem in PARAMETERS], ids=lambda p: p.stem)
def test_parameters(path):
    assert num_parameters(path) == PARAMETERS[path.stem]


@pytest.mark.parametrize(
    ("name", "variant"), [(name, variant) for name, rows in FROZEN_PARAMETERS.items() for variant in rows]
)
def test_parameters_of_the_authors_detectors(name, variant):
    path = next(path for path in CONFIGS if path.stem == name)
    frozen = ["MODEL.BOTTOM_UP.NORM", "FrozenBN", "MODEL.RESNETS.NORM", "FrozenBN", "MODEL.FPN.NORM", ""]
    row = ["MODEL.BOTTOM_UP.VARIANT", variant] if variant else []
    assert num_parameters(path, *frozen, *row) == FROZEN_PARAMETERS[name][variant]


def num_classes(number: int) -> list:
    keys = ("MODEL.RETINANET.NUM_CLASSES", "MODEL.FCOS.NUM_CLASSES", "MODEL.ROI_HEADS.NUM_CLASSES")
    return [word for key in keys for word in (key, number)]


def num_parameters(path, *opts) -> int:
    cfg = load_cfg(path, ["MODEL.DEVICE", "meta", *num_classes(80), *opts])
    with torch.device("meta"):
        model = build_model(cfg)
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_optimizer_and_schedule(path):
    cfg = load_cfg(path)
    optimizer = Trainer.build_optimizer(cfg, torch.nn.Conv2d(3, 4, 1))
    scheduler = Trainer.build_lr_scheduler(cfg, optimizer)
    assert optimizer.param_groups[0]["initial_lr"] == cfg.SOLVER.BASE_LR
    optimizer.step()
    scheduler.step()
    assert 0 < scheduler.get_last_lr()[0] < cfg.SOLVER.BASE_LR  # warming up


def annotated_image(cfg) -> dict:
    """An image with one object, and what the config's detector learns from beside boxes."""
    instances = Instances((64, 64))
    instances.gt_boxes = Boxes(torch.tensor([[4.0, 4.0, 50.0, 40.0]]))
    instances.gt_classes = torch.tensor([1])
    record = {"image": torch.rand(3, 64, 64) * 255, "instances": instances}
    if cfg.MODEL.MASK_ON:
        instances.gt_masks = PolygonMasks([[np.array([4.0, 4.0, 50.0, 4.0, 50.0, 40.0])]])
    if cfg.MODEL.META_ARCHITECTURE == "PanopticFPN":
        record["sem_seg"] = torch.zeros(64, 64, dtype=torch.long)
    return record


def expected_losses(cfg) -> set[str]:
    if cfg.MODEL.META_ARCHITECTURE == "DenseDetRetinaNet":
        return {"loss_cls", "loss_box_reg"}
    losses = {"loss_rpn_cls", "loss_rpn_loc", "loss_cls", "loss_box_reg"}
    if cfg.MODEL.PROPOSAL_GENERATOR.NAME == "DenseDetFCOS":
        losses = {"loss_fcos_cls", "loss_fcos_loc", "loss_fcos_ctr"}
    losses |= {"loss_maskiou"} if cfg.MODEL.MASK_ON and cfg.MODEL.MASKIOU_ON else set()
    losses |= {"loss_mask"} if cfg.MODEL.MASK_ON else set()
    return losses | ({"loss_sem_seg"} if cfg.MODEL.META_ARCHITECTURE == "PanopticFPN" else set())


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_a_config_builds_trains_and_detects(path):
    cfg = load_cfg(path, ["MODEL.DEVICE", "cpu", *num_classes(3)])
    torch.manual_seed(0)
    model = build_model(cfg)
    if sum(p.numel() for p in model.parameters()) < 48e6:  # the gradients of the largest are another network's test
        with EventStorage():
            losses = model.train()([annotated_image(cfg)] * 2)
        assert set(losses) == expected_losses(cfg)
        assert all(loss.isfinite() for loss in losses.values())
        sum(losses.values()).backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)
    with torch.no_grad():
        (result,) = model.eval()([{"image": torch.rand(3, 64, 48) * 255, "height": 128, "width": 96}])
    assert result["instances"].image_size == (128, 96)
    assert len(result["instances"]) <= cfg.TEST.DETECTIONS_PER_IMAGE
    if cfg.MODEL.MASK_ON:
        assert result["instances"].pred_masks.shape[1:] == (128, 96)
    if cfg.MODEL.META_ARCHITECTURE == "PanopticFPN":
        assert result["sem_seg"].shape == (cfg.MODEL.SEM_SEG_HEAD.NUM_CLASSES, 128, 96)
        assert result["panoptic_seg"][0].shape == (128, 96)
