import importlib.util
from pathlib import Path

import pytest
import timm
import torch

from dense_det.checkpoint import load_weights
from dense_det.config import load_cfg
from dense_det.engine.model import build_model

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs" / "retina_vovnet_19_slim_dw.yaml"

spec = importlib.util.spec_from_file_location("convert_weights", ROOT / "tools" / "convert_weights.py")
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


def test_timms_file_becomes_ours_with_a_report_and_the_pixels(tmp_path, capsys):
    net = timm.create_model("ese_vovnet19b_slim_dw")
    torch.save(net.state_dict(), tmp_path / "timm.pth")
    tool.main([str(tmp_path / "timm.pth"), str(tmp_path / "ours.pth"), "--config-file", str(CONFIG)])
    out = capsys.readouterr().out
    assert "132 of backbone.bottom_up's 132 tensors loaded; source: timm ese_vovnet*_dw" in out
    assert "  PIXEL_MEAN: [123.675, 116.28, 103.53]\n" in out
    model = build_model(load_cfg(CONFIG, ["MODEL.DEVICE", "cpu"]))
    load_weights(model, tmp_path / "ours.pth", complete=False)
    assert torch.equal(model.backbone.bottom_up.stem.conv1.weight, net.stem[0].conv.weight)


@pytest.mark.parametrize(
    ("flag", "bias", "told"), [([], 3.0, "their gradient is 0"), (["--trainable-gates"], 2.99, "to be trained")]
)
def test_gates_that_the_file_lacks(tmp_path, capsys, flag, bias, told):
    torch.save(timm.create_model("ese_vovnet39b").state_dict(), tmp_path / "timm.pth")
    files = [str(tmp_path / "timm.pth"), str(tmp_path / "ours.pth")]
    tool.main([*files, *flag, "--config-file", str(ROOT / "configs" / "retina_vovnet.yaml")])
    assert told in capsys.readouterr().out
    written = torch.load(tmp_path / "ours.pth", weights_only=True)["model"]
    gate = "backbone.bottom_up.stage4.0.attention.fc"
    assert written[f"{gate}.bias"].unique().tolist() == [torch.tensor(bias).item()]
    assert written[f"{gate}.weight"].unique().tolist() == [0.0]


def test_a_file_for_another_network_is_refused(tmp_path):
    state = {"stem.0.conv.weight": torch.zeros(64, 3, 3, 3), "stages.0.blocks.0.attn.fc.bias": torch.zeros(256)}
    torch.save(state, tmp_path / "timm.pth")
    with pytest.raises(SystemExit, match="error: .* of backbone.bottom_up's"):
        tool.main([str(tmp_path / "timm.pth"), str(tmp_path / "ours.pth"), "--config-file", str(CONFIG)])
    assert not (tmp_path / "ours.pth").exists()


def test_a_name_under_which_the_result_could_not_be_read_is_refused(tmp_path):
    files = [str(tmp_path / "timm.pth"), str(tmp_path / "ours.safetensors")]
    with pytest.raises(SystemExit, match=r"error: OUT .*ours.safetensors: .* call it .*ours\.pth"):
        tool.main([*files, "--config-file", str(CONFIG)])
    assert list(tmp_path.iterdir()) == []


def test_the_original_is_not_overwritten(tmp_path, monkeypatch):
    torch.save(timm.create_model("ese_vovnet19b_slim_dw").state_dict(), tmp_path / "timm.pth")
    before = (tmp_path / "timm.pth").read_bytes()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="error: OUT timm.pth is FILE"):
        tool.main([str(tmp_path / "timm.pth"), "timm.pth", "--config-file", str(CONFIG)])
    assert (tmp_path / "timm.pth").read_bytes() == before
