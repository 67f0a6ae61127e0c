"""tools/analyze_model.py: what it prints and refuses; how it counts and measures is tested in tests/analysis."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from dense_det.analysis import report

ROOT = Path(__file__).parents[2]
_SPEC = importlib.util.spec_from_file_location("analyze_model", ROOT / "tools" / "analyze_model.py")
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)
SNET = str(ROOT / "configs" / "retina_snet.yaml")
ZOO = "COCO-Detection/retinanet_R_50_FPN_3x.yaml"


def test_ours_and_detectron2s_side_by_side(capsys, tmp_path):
    tool.main([SNET, ZOO, "--json", str(tmp_path / "rows.json")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] in (ROOT / "README.md").read_text(encoding="utf-8")
    assert lines[3].startswith("| retinanet_R_50_FPN_3x | 23.45 |")
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert [row["name"] for row in rows] == ["retina_snet", "retinanet_R_50_FPN_3x"]


def test_results_are_read_before_anything_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(tool, "make_subject", lambda *words: pytest.fail("measured"))
    (tmp_path / "ap.json").write_text('{"retina_sneet": 30}')
    with pytest.raises(SystemExit, match="did you mean 'retina_snet'"):
        tool.main([SNET, "--latency", "--results", str(tmp_path / "ap.json"), "--device", "cpu"])


def test_all_of_it_on_one_small_config(capsys):
    words = "--size 64 64 --modules 1 --latency --seconds 0.01 --opts MODEL.RETINANET.NUM_CLASSES 1".split()
    tool.main([SNET, *words, "--device", "cpu"])
    out = capsys.readouterr().out
    for text in (
        "| retina_snet |",
        "CIO, M",
        "the whole",
        "retina_snet: decode",
        "retina_snet: all",
        "Peak in the same",
    ):
        assert text in out


@pytest.mark.parametrize("words", [["--size", "0", "64"], ["--batch", "0"], ["--seconds", "-1"], ["--modules", "0"]])
def test_numbers_are_positive(words, capsys):
    with pytest.raises(SystemExit):
        tool.main([SNET, *words])
    assert "must be positive, got" in capsys.readouterr().err


def test_a_misspelt_config_is_answered():
    with pytest.raises(SystemExit, match="retina_snet.yaml"):
        tool.main([SNET.replace("snet", "snett")])


def test_files_of_the_same_name_stay_apart(capsys, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(tool, "make_subject", lambda name, config, *_: made.append((name, config)))
    monkeypatch.setattr(tool.Report, "measure", lambda *_: None)
    snet, peleenet = (str(ROOT / "zoo" / f"{name}_idcards" / "config.yaml") for name in ("snet", "peleenet"))
    (tmp_path / "ap.json").write_text('{"peleenet_idcards": 30}')
    words = ["--size", "240", "320", "--latency", "--device", "cpu", "--json", str(tmp_path / "rows.json")]
    tool.main([snet, peleenet, *words, "--results", str(tmp_path / "ap.json")])
    assert made == [("snet_idcards", snet), ("peleenet_idcards", peleenet)]
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert [(row["name"], row.get("ap")) for row in rows] == [("snet_idcards", None), ("peleenet_idcards", 30)]
    assert rows[0]["params"] < rows[1]["params"]


def test_the_same_file_twice_is_refused(capsys):
    with pytest.raises(SystemExit):
        tool.main([SNET, str(ROOT / "configs" / ".." / "configs" / "retina_snet.yaml")])
    assert "each CONFIG once" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([SNET, "--latency", "--opts", "MODEL.RETINANET.NUM_CLASSES", "0"], "retina_snet.yaml does not run.*weight"),
        (["COCO-Detection/fast_rcnn_R_50_FPN_1x.yaml", "--latency"], "_1x.yaml: detects in proposals"),
        ([SNET, "--latency", "--image", str(ROOT / "README.md")], "README.md: not a picture that Pillow knows"),
    ],
)
def test_what_cannot_run_is_one_line(words, message):
    with pytest.raises(SystemExit, match=message) as stopped:
        tool.main([*words, "--size", "64", "64", "--device", "cpu"])
    assert "\n" not in str(stopped.value)


def test_who_fails_leaves_the_others_their_rows(monkeypatch, tmp_path, capsys):
    """Peleenet where it is built, MobileNetV2 while it is measured."""
    make, runs = tool.make_subject, []

    def make_subject(name, *words):
        if name == "retina_peleenet":
            raise ValueError("no room for peleenet")
        subject = make(name, *words)
        if name == "retina_mobilenetv2":
            subject.model.head.register_forward_hook(lambda *_: torch.zeros(2) @ torch.zeros(3))
        return subject

    monkeypatch.setattr(tool, "make_subject", make_subject)
    monkeypatch.setattr(tool.Report, "sweep", lambda self, subjects, *_: None)
    monkeypatch.setattr(report, "images_per_second", lambda run, *_: runs.append(run.args[0]) or {(1, 1): 5.0})
    names = ("retina_mobilenetv2", "retina_snet", "retina_peleenet")
    files = ["--json", str(tmp_path / "rows.json"), "--figures", str(tmp_path)]
    words = "--size 64 64 --latency --sweep --seconds 0.01 --device cpu".split()
    with pytest.raises(SystemExit, match="error: no room for peleenet\nretina_mobilenetv2 does not run.*RuntimeError"):
        tool.main([*(str(ROOT / "configs" / f"{name}.yaml") for name in names), *words, *files])
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert [(row["name"], "latency_ms" in row) for row in rows] == list(zip(names, [False, True, False], strict=True))
    out = capsys.readouterr().out
    assert "retina_snet: all" in out and "retina_mobilenetv2: all" not in out
    assert runs == ["retina_snet"] and (tmp_path / "roofline.png").is_file()


def test_a_certain_gpu_is_used_and_named(monkeypatch, tmp_path):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    current = []
    monkeypatch.setattr("torch.cuda.set_device", current.append)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: f"GPU of {device}")
    tool.main([SNET, "--size", "64", "64", "--device", "cuda:1", "--markdown", str(tmp_path / "costs.md")])
    assert current == ["cuda:1"] and "wrote this, on GPU of cuda:1." in (tmp_path / "costs.md").read_text()


def test_what_is_compiled_is_compiled_before_it_is_timed(monkeypatch):
    told = []
    monkeypatch.setattr(tool, "compile_subject", lambda subject, *words: told.append((subject.name, *words)))
    monkeypatch.setattr(tool.Report, "measure", lambda *_: told.append("measure"))
    monkeypatch.setattr(tool.Report, "sweep", lambda *_: None)
    monkeypatch.setattr(tool.Report, "compare_processes", lambda *words: told.append(words[-1]))
    words = "--size 64 64 --latency --sweep --compile --batch 2 --seconds 0.01 --device cpu".split()
    tool.main([SNET, *words])
    assert told == [("retina_snet", "cpu", 2), "measure", True]


def test_a_device_that_is_not_there_is_refused_at_once(capsys):
    with pytest.raises(SystemExit):
        tool.main([SNET, "--device", "tpu"])
    assert "expected cpu, cuda or cuda:NUMBER, got 'tpu'" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "name"), [("--json", "."), ("--markdown", "."), ("--figures", "file")])
def test_targets_are_checked_before_anything_is_measured(option, name, tmp_path, capsys):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit):
        tool.main([SNET, option, str(tmp_path / name)])
    assert f"argument {option}: {tmp_path / name}" in capsys.readouterr().err
