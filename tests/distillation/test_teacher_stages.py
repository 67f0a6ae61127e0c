"""Both ways from a file to boxes end with the same boxes."""

from pathlib import Path

import numpy as np
import torch
from detectron2.modeling import build_model

from dense_det.analysis.candidates import give_candidates
from dense_det.config import load_cfg
from dense_det.distillation.teacher_stages import NAMES, stages_of
from dense_det.speed.networks import BN
from dense_det.speed.pictures import write_jpeg

ROOT = Path(__file__).parents[2]


def test_the_same_boxes_and_nearly_the_same_pixels(tmp_path):
    path = str(write_jpeg(tmp_path / "a.jpg", (300, 200)))
    torch.manual_seed(0)
    options = ["MODEL.DEVICE", "cpu", "MODEL.RETINANET.NUM_CLASSES", 1, *BN]
    model = build_model(load_cfg(ROOT / "configs" / "retina_snet.yaml", options)).eval()
    theirs, ours = stages_of(model, 96)
    views = [way.resize(way.decode(path)) for way in (theirs, ours)]
    assert views[0].shape == views[1].shape == (96, 144, 3)
    assert np.abs(views[0].astype(float) - views[1]).mean() <= 0.02
    give_candidates(model, [{"image": torch.from_numpy(views[0].transpose(2, 0, 1).copy())}], 20)
    theirs, ours = stages_of(model, 96)
    with torch.inference_mode():
        (expected,), (found,) = (way.boxes(way.net(way.batch(views[0]))) for way in (theirs, ours))
    assert 0 < len(expected) <= 20
    torch.testing.assert_close(found.scores, expected.scores, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(found.pred_boxes.tensor, expected.pred_boxes.tensor, rtol=1e-3, atol=1e-2)
    whole, *alone = ours.calls(path)
    assert len(alone) == len(NAMES) and len(whole()[0]) > 0
