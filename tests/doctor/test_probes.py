import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import dense_det.doctor
from dense_det.doctor import probes

ROOT = Path(dense_det.doctor.__file__).resolve().parents[2]


@pytest.fixture
def fakes(tmp_path, monkeypatch) -> Path:
    """A folder before all others on the path of child processes; every package the probes need is a light one there."""
    for name, text in {
        "torch": "raise ImportError('No module named torch, says the test')",
        "torchvision": "import torch",
        "detectron2": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "numpy": "__version__ = '1.26.4'",
        "cv2": "import sys; sys.exit(3)",
        "hotcoco": "print('noise on stdout')",
        "pycocotools": "raise ImportError('libgone.so: cannot open shared object file\\nsecond line')",
        "pypdfium2": "",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    return tmp_path


def test_a_crash_costs_only_its_own_probe(fakes):
    facts = probes.gather()
    assert list(probes.PROBES) == sorted(facts, key=list(probes.PROBES).index)
    assert facts["torch"] == {"error": "ImportError: No module named torch, says the test"}
    assert facts["detectron2"] == {"error": "crashed: SIGSEGV"}
    assert facts["numpy"] == {"version": "1.26.4"}
    assert facts["opencv"] == {"error": "ended Python with 3"}
    assert facts["pycocotools"] == {"error": "ImportError: libgone.so: cannot open shared object file"}
    assert "error" not in facts["hotcoco"] and "error" not in facts["pypdfium2"]


def test_a_hang_ends(fakes, monkeypatch):
    (fakes / "numpy.py").write_text("import time; time.sleep(600)")
    monkeypatch.setattr(probes, "PROBES", {name: probes.PROBES[name] for name in ("numpy", "hotcoco")})
    facts = probes.gather(timeout_s=3)
    assert facts["numpy"] == {"error": "did not end within 3 s"}
    assert "version" in facts["hotcoco"]


def test_the_doctor_runs_where_nothing_is_installed(fakes):
    (fakes / "detectron2.py").write_text("raise ImportError(\"No module named 'detectron2'\")")
    done = subprocess.run(
        [sys.executable, "-m", "dense_det.doctor", "--json"], capture_output=True, text=True, cwd=fakes, check=False
    )
    answer = json.loads(done.stdout)
    assert done.returncode == answer["exit_code"] == 11, done.stderr  # Python is well, NumPy 1 the first to mend
    ok = {name for name, found in answer["checks"].items() if found["ok"]}
    assert {"Python", "PDF", "CPU", "GPU"} <= ok
    assert not ok & {"NumPy", "torch", "torchvision", "Detectron2", "OpenCV", "evaluator", "dense_det"}
    assert "tools/install_detectron2.py" in answer["checks"]["Detectron2"]["mend"]


def test_this_environment_passes():
    facts = probes.gather()
    assert {name: found["error"] for name, found in facts.items() if "error" in found} == {}
