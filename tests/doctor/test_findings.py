import sys
from types import SimpleNamespace

import pytest

from dense_det.doctor import findings
from dense_det.doctor.__main__ import table
from dense_det.doctor.findings import CHECKS, Finding, exit_code

WELL = {
    "torch": {"version": "2.14.1", "threads": 2, "gpus": []},
    "torchvision": {"version": "0.29.1"},
    "detectron2": {"version": "0.7.2", "folder": "/env/detectron2"},
    "numpy": {"version": "2.4.6"},
    "opencv": {"version": "5.0.0"},
    "pycocotools": {"version": "2.0.11"},
    "hotcoco": {"version": "1.3.0"},
    "pypdfium2": {"version": "5.15.2"},
    "dense_det": {"version": "0.1.0", "folder": "/src/dense_det"},
}
MISSING = "ModuleNotFoundError: No module named 'x'"


@pytest.fixture(autouse=True)
def roomy_machine(monkeypatch):
    monkeypatch.setattr(findings, "num_cpus", lambda: 2)
    monkeypatch.setattr(findings, "_free_memory", lambda: 16 * findings.GIB)
    monkeypatch.setattr(findings.shutil, "disk_usage", lambda path: SimpleNamespace(free=50 * findings.GIB))
    monkeypatch.setattr(findings.sysconfig, "get_path", lambda name: "/env/without/tools")
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def examine(**changed: dict) -> dict[str, Finding]:
    return {name: check(WELL | changed) for name, check in CHECKS.items()}


def test_all_is_well():
    assert {name: found.mend for name, found in examine().items() if found.mend} == {}
    assert exit_code(examine()) == 0


@pytest.mark.parametrize(
    "probe, error, name, mend",
    [
        ("numpy", MISSING, "NumPy", "pip install"),
        ("torch", MISSING, "torch", "torch torchvision"),
        ("torch", "crashed: SIGSEGV", "torch", "--force-reinstall --no-deps"),
        ("torchvision", "RuntimeError: operator torchvision::nms does not exist", "torchvision", "torchvision==0.29.*"),
        (
            "detectron2",
            "ModuleNotFoundError: No module named 'detectron2'",
            "Detectron2",
            "tools/install_detectron2.py",
        ),
        ("detectron2", "ModuleNotFoundError: No module named 'yaml'", "Detectron2", "PyYAML"),
        ("detectron2", "ModuleNotFoundError: No module named 'torch'", "Detectron2", "mend torch"),
        ("detectron2", "AttributeError: module 'PIL.Image' has no attribute 'LINEAR'", "Detectron2", "pip uninstall"),
        ("opencv", MISSING, "OpenCV", "opencv-python-headless"),
        ("opencv", "ImportError: libGL.so.1: cannot open shared object file", "OpenCV", "apt-get install -y libgl1"),
        ("pycocotools", MISSING, "evaluator", "pycocotools"),
        ("dense_det", "ImportError: what", "dense_det", "pip install"),
    ],
)
def test_what_is_broken_is_named_with_its_command(probe, error, name, mend):
    found = examine(**{probe: {"error": error}})
    assert [other for other in CHECKS if found[other].mend] == [name]
    assert mend in found[name].mend and error in found[name].detail
    assert exit_code(found) == 10 + list(CHECKS).index(name)


def test_old_numpy_is_mended():
    assert "numpy>=2" in examine(numpy={"version": "1.26.4"})["NumPy"].mend


@pytest.mark.parametrize("probe, name", [("hotcoco", "evaluator"), ("pypdfium2", "PDF")])
def test_an_extra_that_is_missing_is_only_noted(probe, name):
    found = examine(**{probe: {"error": MISSING}})[name]
    assert found.mend == "" and f"pip install -c {findings.CHECKOUT}/constraints.txt {probe}" in found.detail


def test_shadowing_tools_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(findings.sysconfig, "get_path", lambda name: str(tmp_path))
    (tmp_path / "tools").mkdir()
    assert examine()["Detectron2"].mend == ""
    (tmp_path / "tools" / "lazyconfig_train_net.py").touch()
    assert "tools/install_detectron2.py" in examine()["Detectron2"].mend


@pytest.mark.parametrize("variable, value", [("OMP_WAIT_POLICY", "ACTIVE"), ("OMP_NUM_THREADS", "3")])
def test_thread_settings_that_slow_down(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    assert examine()["OpenMP"].mend == f"unset {variable}"


def test_little_memory_and_disk(monkeypatch):
    monkeypatch.setattr(findings, "_free_memory", lambda: 2 * findings.GIB)
    monkeypatch.setattr(findings.shutil, "disk_usage", lambda path: SimpleNamespace(free=findings.GIB // 16))
    assert "SOLVER.IMS_PER_BATCH 2" in examine()["memory"].mend
    assert "pip cache purge" in examine()["disk"].mend


def test_a_containers_small_shared_memory(monkeypatch):
    free = {"/dev/shm": findings.GIB // 16}
    monkeypatch.setattr(findings.shutil, "disk_usage", lambda path: SimpleNamespace(free=free.get(path, 2**40)))
    assert "DATALOADER.NUM_WORKERS 0" in examine()["memory"].mend


def test_gpus_are_named():
    assert examine(torch=WELL["torch"] | {"gpus": ["NVIDIA T4"]})["GPU"].detail == "NVIDIA T4"


def test_the_first_to_mend_decides_the_code():
    found = examine(torch={"error": MISSING}, opencv={"error": MISSING})
    assert exit_code(found) == 12  # Python 10, NumPy 11, torch 12


def test_the_real_readings_are_plausible(monkeypatch):
    monkeypatch.undo()
    assert 2**26 < findings._free_memory() < 2**50


def test_table_is_plain_when_piped_and_coloured_on_a_terminal():
    found = {"Python": Finding("3.11"), "torch": Finding("gone", "pip install torch")}
    assert table(found, colour=False).splitlines() == [
        "OK    Python  3.11",
        "MEND  torch   gone",
        "              -> pip install torch",
        "to mend, in this order: torch",
    ]
    assert "\033[32mOK\033[0m" in table(found, colour=True)


def test_commands_name_this_python():
    assert sys.executable in examine(numpy={"error": MISSING})["NumPy"].mend
