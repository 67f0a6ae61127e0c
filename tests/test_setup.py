"""What the extras install."""

import re
import runpy
from pathlib import Path

import pytest
import setuptools

ROOT = Path(__file__).parents[1]


@pytest.fixture
def extras(monkeypatch):
    given = {}
    monkeypatch.setattr(setuptools, "setup", lambda **words: given.update(words))
    runpy.run_path(str(ROOT / "setup.py"))
    return given["extras_require"]


def names(requirements: list[str]) -> set[str]:
    return {re.match(r"[\w.-]+", requirement)[0].lower() for requirement in requirements}


def test_what_exports_also_runs_what_it_wrote(extras):
    assert names(extras["export"]) == {"onnx", "onnxscript", "onnxruntime"}
    assert set(extras["onnx"]) <= set(extras["export"])  # with the same lower bound


def test_weights_of_the_zoo_are_exported_with_the_extras_that_readme_names(extras):
    (line,) = re.findall(r"^pip install '\.\[(.+)\]' .*make setup", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert {"onnxruntime", "safetensors"} <= names([each for extra in line.split(",") for each in extras[extra]])


def test_everything_is_pinned(extras):
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert names([each for own in extras.values() for each in own]) <= pinned
