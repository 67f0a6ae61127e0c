import importlib.util
from pathlib import Path

import pytest

from dense_det.config import load_cfg

spec = importlib.util.spec_from_file_location(
    "convert_config", Path(__file__).parents[2] / "tools" / "convert_config.py"
)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


def test_what_is_written_loads_and_what_is_printed_names_the_dropped(tmp_path, capsys):
    theirs, ours = tmp_path / "theirs.yaml", tmp_path / "ours.yaml"
    theirs.write_text(
        "MODEL: {BACKBONE: {NAME: build_vovnet_fpn_backbone}, VOVNET: {CONV_BODY: V-57-eSE, OUT_CHANNELS: 256}}\n"
    )
    tool.main([str(theirs), str(ours)])
    assert load_cfg(ours).MODEL.BOTTOM_UP.VARIANT == "V-57-eSE"
    assert "dropped: MODEL.VOVNET.OUT_CHANNELS: it had no effect there either" in capsys.readouterr().out


def test_mistakes_are_answered_and_nothing_is_written(tmp_path):
    (tmp_path / "theirs.yaml").write_text("SOLVER: {MAX_ITER: many}\n")
    with pytest.raises(SystemExit, match="error: .*MAX_ITER"):
        tool.main([str(tmp_path / "theirs.yaml"), str(tmp_path / "ours.yaml")])
    with pytest.raises(SystemExit, match="error: .*did you mean 'theirs.yaml'"):
        tool.main([str(tmp_path / "their.yaml"), str(tmp_path / "ours.yaml")])
    with pytest.raises(SystemExit):
        tool.main([str(tmp_path / "theirs.yaml"), str(tmp_path / "theirs.yaml")])
    assert not (tmp_path / "ours.yaml").exists()
