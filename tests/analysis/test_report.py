import json
from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model

import dense_det  # noqa: F401  registers
from dense_det.analysis.complexity import detector_row, macs_of_parts, markdown_table
from dense_det.analysis.cost_rows import part_costs
from dense_det.analysis.machine import Probe
from dense_det.analysis.part_latency import Subject
from dense_det.analysis.report import Report
from dense_det.analysis.sample_page import sample_jpeg
from dense_det.analysis.source import Source
from dense_det.analysis.sweep import BATCHES, SIZES
from dense_det.config import load_cfg
from dense_det.data.mapper import read_image

CONFIG = Path(__file__).parents[2] / "configs" / "retina_snet.yaml"


def make(device):
    cfg = load_cfg(CONFIG, ["MODEL.DEVICE", device, "MODEL.RETINANET.NUM_CLASSES", 1])
    with torch.device(device):
        return build_model(cfg).eval()


@pytest.fixture(scope="module")
def snet():
    return make("meta")


def report_of(models, shown, **given):
    report = Report((64, 96), shown.append, "python again.py")
    report.count(models, **{"with_costs": False, "depth": None} | given)
    return report


def test_without_wishes_it_is_the_table_of_readme(snet):
    shown = []
    report_of({"a": snet}, shown)
    assert shown == [
        markdown_table([detector_row("a", snet, [64, 96])])
        + "\n\nInput 64x96, one image; multiply-adds by torch.utils.flop_counter."
    ]


def test_tables_and_json_of_what_was_counted(snet, tmp_path):
    shown = []
    report = report_of({"a": snet, "b": snet}, shown, with_costs=True, depth=1)
    assert ["GMACs" in shown[0], "| a " in shown[1], "a at 64x96" in shown[2], "b at 64x96" in shown[3]] == [True] * 4
    report.write(tmp_path / "rows.json", tmp_path / "tables.md", None)
    content = json.loads((tmp_path / "rows.json").read_text())
    assert content["size"] == [64, 96] and content["counter"] == "torch.utils.flop_counter / 2"
    assert [row["name"] for row in content["rows"]] == ["a", "b"]
    assert [row["name"] for row in content["modules"]["b"]] == ["", "backbone", "head"]
    report.write(None, None, tmp_path / "figures")
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["stages.png"]
    assert "stages.png" in shown.pop()
    assert content["command"] == "python again.py"
    head, tables = (tmp_path / "tables.md").read_text().split("\n\n", 1)
    assert head.startswith("`python again.py` wrote this, on ")
    # a table is shown with an empty line before it, and written so
    assert tables == "\n".join(shown) + "\n"


def test_why_nothing_is_said_of_training(snet, monkeypatch):
    shown = []
    monkeypatch.setattr("dense_det.analysis.cost_rows.training_bytes", lambda *_: 5)
    report_of({"a": snet}, shown, with_costs=True)
    assert "cannot train" not in shown[1]

    def refuse(*_):
        raise ValueError("Expected more than 1 value per channel when training, got ...")

    monkeypatch.setattr("dense_det.analysis.cost_rows.training_bytes", refuse)
    report_of({"a": snet}, shown, with_costs=True)
    assert "-: at this size a batch norm gets one value" in shown[3]


def test_times_join_the_rows(snet, monkeypatch):
    monkeypatch.setattr(
        "dense_det.analysis.report.make_probes",
        lambda *_: {name: Probe(lambda: torch.ones(100).sum(), 1e6) for name in ("gemm", "conv", "copy")},
    )
    shown = []
    report = report_of({"a": snet}, shown, with_costs=True)
    source = Source(sample_jpeg((64, 96)), read_image, "RGB", (64, 96))
    report.measure([Subject("a", make("cpu"), source, num_candidates=7)], batch=1, seconds=0.01)
    row = report.rows[0]
    assert row["latency_ms"] > 0 and row["gmacs"] > 0
    assert list(row["parts"]) == ["decode", "resize", "prepare", "bottom_up", "fpn", "head", "post"]
    assert sum(part["percent"] for part in row["parts"].values()) == pytest.approx(100)
    assert "; 7 candidates" in shown[-1] and "a: bottom-up" in shown[-1]
    assert report.content["machine"]["peak_gflops"] > 0


def test_operations_are_those_of_the_picture_that_the_network_gets(snet, monkeypatch):
    monkeypatch.setattr(
        "dense_det.analysis.report.make_probes",
        lambda *_: {name: Probe(lambda: torch.ones(100).sum(), 1e6) for name in ("gemm", "conv", "copy")},
    )
    shown = []
    report = Report((256, 256), shown.append, "")
    report.count({"a": snet}, with_costs=True, depth=None)
    # four times as wide as high: 64 x 256 of the 256 x 256 that were asked for
    wide = Source(sample_jpeg((64, 256)), read_image, "RGB", (256, 256))
    subject = Subject("a", make("cpu"), wide)
    report.measure([subject], batch=1, seconds=0.01)
    expected = macs_of_parts(snet, (64, 256))["bottom_up"] / 1e9
    row, bottom_up = report.rows[0], report.rows[0]["parts"]["bottom_up"]
    assert subject.costs["gmacs_bottom_up"] == pytest.approx(expected)
    assert bottom_up["gflops"] * bottom_up["ms"] == pytest.approx(2e3 * expected)
    assert row["input_size"] == [64, 256] and "as counted here: 64x256." in shown[-1]
    assert row["gmacs_bottom_up"] == pytest.approx(4 * expected, rel=0.02)  # of --size, in the table above


def test_sweeps_and_processes(snet, monkeypatch):
    shown = []
    report = report_of({"a": snet}, shown)
    monkeypatch.setattr(
        "dense_det.analysis.report.sweep", lambda *_: {(size, batch): 2.0 for size in SIZES for batch in BATCHES}
    )
    report.sweep([Subject("a", None, None, {})], seconds=1)
    assert "| 1024 x 1024 |" in shown[-1] and report.content["sweep"]["a"][0]["ms"]["16"] == 2.0
    monkeypatch.setattr(
        "dense_det.analysis.report.images_per_second", lambda _run, settings, *_: dict.fromkeys(settings, 5.0)
    )
    report.compare_processes({"a": None}, num_cores=2, seconds=1)
    assert "2 x 1 |" in shown[-1]
    # a portrait at 64 x 96 is 96 x 64 pixels, a square 64 x 64
    assert "the picture within 64x96 in its own aspect" in shown[-1]
    assert report.content["images_per_second"] == {"a": {"1 x 1": 5.0, "1 x 2": 5.0, "2 x 1": 5.0}}


@pytest.mark.parametrize(("compiled", "patience"), [(False, 180), (True, 1800)])
def test_processes_that_compile_have_longer(snet, monkeypatch, compiled, patience):
    asked = []
    monkeypatch.setattr(
        "dense_det.analysis.report.images_per_second", lambda *words: asked.append(words[2:]) or {(1, 1): 5.0}
    )
    report_of({"a": snet}, []).compare_processes({"a": None}, num_cores=1, seconds=6, compiled=compiled)
    assert asked == [(3, patience)]


@pytest.fixture
def timed_on(monkeypatch):
    """The devices on which bottom-ups took two milliseconds, and probes one."""
    devices, probes = [], dict.fromkeys(("gemm", "conv", "copy"), Probe(lambda: None, 1e6))

    def take_times(subjects, _probes, device, *_):
        devices.append(device)
        for subject in subjects:
            subject.times.append({"bottom_up": 2.0})
        return [dict.fromkeys(probes, 1.0)]

    monkeypatch.setattr("dense_det.analysis.report.make_probes", lambda *_: probes)
    monkeypatch.setattr("dense_det.analysis.report.take_times", take_times)
    return devices


def test_costs_are_those_of_the_batch(snet, timed_on):
    report = report_of({"a": snet}, [])
    subject = Subject("a", snet, Source(sample_jpeg((64, 96)), read_image, "RGB", (64, 96)))
    report.measure([subject], batch=3, seconds=1)
    costs = part_costs(snet, (64, 96), num_images=3)
    macs, traffic = costs["gmacs_bottom_up"] * 1e9, costs["traffic_bottom_up"]
    assert report.rows[0]["parts"]["bottom_up"]["flop_per_byte"] == pytest.approx(2 * macs / (4 * traffic))


def test_the_chip_that_was_measured_is_named(snet, timed_on, monkeypatch, tmp_path):
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: {"cuda:1": "the second GPU"}[device])
    shown = []
    report = Report((64, 96), shown.append, "python again.py", "cuda:1")
    report.count({"a": snet}, with_costs=False, depth=None)
    source = Source(sample_jpeg((64, 96)), read_image, "RGB", (64, 96))
    report.measure([Subject("a", snet, source)], batch=1, seconds=1)
    report.write(None, tmp_path / "tables.md", None)
    assert timed_on == ["cuda:1"]
    assert "float32, cuda:1: the second GPU, " in shown[-1] and report.content["machine"]["chip"] == "the second GPU"
    assert (tmp_path / "tables.md").read_text().startswith("`python again.py` wrote this, on the second GPU.\n")


def test_what_cannot_be_counted_is_named(snet, monkeypatch):
    def refuse(*_):
        raise RuntimeError("kernel larger than input")

    monkeypatch.setattr("dense_det.analysis.report.detector_row", refuse)
    with pytest.raises(ValueError, match="^a does not run .*kernel larger than input"):
        report_of({"a": snet}, [])


def test_results_join_the_rows(snet, tmp_path):
    report = report_of({"a": snet, "b": snet}, [])
    results = tmp_path / "results.json"
    results.write_text('{"b": 32.5}')
    report.add_results(results)
    assert "ap" not in report.rows[0] and report.rows[1]["ap"] == 32.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[1]", "expected"),
        ('{"a": "x"}', "expected"),
        ('{"a": NaN}', "finite"),
        ('{"a": -Infinity}', "finite"),
        ('{"a": true}', "finite"),
        ('{"aa": 1}', "did you mean 'a'"),
    ],
)
def test_results_that_mean_nothing_are_refused(snet, tmp_path, text, message):
    results = tmp_path / "results.json"
    results.write_text(text)
    with pytest.raises(ValueError, match=message):
        report_of({"a": snet}, []).add_results(results)
