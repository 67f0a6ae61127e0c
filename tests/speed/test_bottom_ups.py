import json
from pathlib import Path

import pytest

from dense_det.speed.bottom_ups import bottom_ups_table, build_contender, time_contenders

CONFIG = Path(__file__).parents[2] / "configs" / "zoo" / "idcards.yaml"
SNET = ("MODEL.BOTTOM_UP.NAME", "build_snet_backbone", "MODEL.BOTTOM_UP.VARIANT", "SNet-18")
SMALL = ("INPUT.MIN_SIZE_TEST", "96", "INPUT.MAX_SIZE_TEST", "128")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("costs")


@pytest.fixture(scope="module")
def contender(folder):
    return build_contender("snet", str(CONFIG), (*SNET, *SMALL), 2, 1, folder / "snet")


def test_an_untrained_detector_in_torch_and_as_files(contender, folder):
    assert contender.size == (96, 128) and list(contender.formats)[:2] == ["torch", "onnxruntime"]
    assert contender.formats["onnxruntime"].file == folder / "snet" / "float.onnx"
    assert contender.formats["torch"].detector.classes == ("class 0", "class 1")
    # the shipped one of five classes has for each of three more 64 channels x 3 x 3 and a bias at 6 anchors
    five = json.loads((CONFIG.parents[2] / "zoo" / "snet_idcards" / "row.json").read_text())["params"]
    assert contender.params == five - 3 * 6 * (64 * 9 + 1)


def test_all_take_turns_on_one_picture(contender, folder):
    result = time_contenders([contender, contender], 3, folder)
    first, second = result["rows"]
    assert (first["name"], first["size"], first["params"]) == ("snet", [96, 128], contender.params)
    assert first["gmacs"] == contender.macs / 1e9
    assert first["ms"].keys() == contender.formats.keys() and min(first["ms"].values()) > 0
    assert first["megabytes"] == second["megabytes"] and "torch" not in first["megabytes"]
    assert first["megabytes"]["onnxruntime"] == pytest.approx(contender.formats["onnxruntime"].megabytes)
    assert result["rounds"] == 3 and result["peak_gflops"] > 0


def test_the_table():
    row = {"name": "a", "size": [240, 320], "params": 1_500_000, "gmacs": 0.25}
    row |= {"megabytes": {"onnxruntime": 6.0}, "ms": {"torch": 40.0, "onnxruntime": 20.0}}
    machine = {"cpu": "a CPU", "threads": 2, "torch": "9", "rounds": 5, "peak_gflops": 50.4}
    lines = bottom_ups_table(machine | {"rows": [row]}).splitlines()
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == [
        "a", "1.50", "0.250", "6.00", "-", "40.0", "20.0", "-"
    ]  # fmt: skip
    assert "240 x 320 pixels" in lines[-1] and "a CPU, 2 thread(s), torch 9, peak meanwhile 50 GFLOP/s" in lines[-1]
