"""tools/pseudo_label.py: verbs, messages and exit codes."""

import importlib.util
from pathlib import Path

import pytest
from PIL import Image

_PATH = Path(__file__).parents[2] / "tools" / "pseudo_label.py"
_SPEC = importlib.util.spec_from_file_location("pseudo_label", _PATH)
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)


@pytest.mark.parametrize("verb", tool.VERBS)
def test_each_verb_has_an_example(verb, capsys):
    with pytest.raises(SystemExit):
        tool.main([verb, "--help"])
    out = capsys.readouterr().out
    assert f"python tools/pseudo_label.py {verb}" in out and tool.VERBS[verb].__doc__.splitlines()[0] in out


def test_plan(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (20, 10)).save(tmp_path / "in" / "a.png")
    assert tool.main(["plan", str(tmp_path / "work"), str(tmp_path / "in")]) == 0
    assert capsys.readouterr().out.startswith("1 images in 1 shards of 256\n")
    assert tool.main(["plan", str(tmp_path / "work"), str(tmp_path / "nowhere")]) == 2
    assert "error: nothing at" in capsys.readouterr().err
    assert tool.main(["plan", str(tmp_path / "work"), str(tmp_path / "in"), "--shard-size", "0"]) == 2
    assert "--shard-size must be at least 1, got 0" in capsys.readouterr().err
