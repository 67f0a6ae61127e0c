"""Importing the package where torch and Detectron2 are not."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# where a module stands as None in sys.modules, importing it fails as if it were not installed
BLOCK = "import sys; sys.modules.update(dict.fromkeys(('torch', 'torchvision', 'fvcore', 'yacs', 'matplotlib'{}))); "


def run(code: str, *blocked: str) -> str:
    code = BLOCK.format("".join(f", {name!r}" for name in blocked)) + code
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_the_runtime_needs_neither():
    code = "from dense_det.deploy.runtime import Detector; print(Detector.__name__, sys.modules['torch'])"
    assert run(code, "detectron2") == "Detector None\n"


def test_what_needs_detectron2_says_how_to_get_it():
    # hidden from the finders, since an entry of None is answered before them
    code = """
import importlib.machinery as m
find = m.PathFinder.find_spec
m.PathFinder.find_spec = lambda name, *rest: None if name == "detectron2" else find(name, *rest)
import dense_det
try:
    from dense_det.config import load_cfg
except ImportError as error:
    print(type(error).__name__, error)
"""
    assert run(code).startswith(
        "ModuleNotFoundError dense_det needs Detectron2, which is not installed: run `make setup`"
    )
