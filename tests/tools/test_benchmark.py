"""tools/benchmark.py: which classes it judges."""

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

_PATH = Path(__file__).parents[2] / "tools" / "benchmark.py"
_SPEC = importlib.util.spec_from_file_location("benchmark_tool", _PATH)
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)


def test_labelled_classes_are_those_of_the_detector(tmp_path, monkeypatch):
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "thresholds.json").write_text(json.dumps({"page": None, "card": {"threshold": 0.7}}))
    for name in ("config.yaml", "model_best.pth"):
        (tmp_path / name).touch()
    Image.new("RGB", (20, 10)).save(tmp_path / "a.png")
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5], "area": 25}
    names = [{"id": 1, "name": "card"}, {"id": 2, "name": "page"}]
    image = {"id": 1, "file_name": "a.png", "width": 20, "height": 10}
    (tmp_path / "val.json").write_text(json.dumps({"images": [image], "categories": names, "annotations": [box]}))
    lineups = []
    monkeypatch.setattr(tool, "formats_of", lambda *_: [])
    monkeypatch.setattr(tool, "benchmark", lambda *args: lineups.extend(args[0]) or {"lineups": [[]]})
    folder = str(tmp_path)
    tool.measure(tool.build_parser().parse_args([folder, folder, "--labelled", str(tmp_path / "val.json"), folder]))
    assert lineups[0].truth.class_names == ["page", "card"] and lineups[0].truth.classes.tolist() == [1]


@pytest.mark.parametrize(("words", "trusted"), [([], False), (["--trust-pickle"], True)])
def test_programs_of_torch_are_run_where_they_are_trusted(monkeypatch, words, trusted):
    run, asked = SimpleNamespace(config="c", weights="w", thresholds={}), []
    for name, value in (("find_trained", run), ("load_cfg", None), ("build_facts", {}), ("torch_formats", [])):
        monkeypatch.setattr(tool, name, lambda *_, value=value: value)
    monkeypatch.setattr(tool, "exported_formats", lambda *given: asked.append(given) or [])
    assert tool.formats_of("run", tool.build_parser().parse_args(["run", "images", "--threads", "3", *words])) == []
    assert asked == [("w", {}, 3, trusted)]


def test_the_target_is_checked_before_anything_is_measured(tmp_path, capsys):
    with pytest.raises(SystemExit):
        tool.build_parser().parse_args([str(tmp_path), str(tmp_path), "--json", str(tmp_path)])
    assert f"{tmp_path} is a folder" in capsys.readouterr().err
