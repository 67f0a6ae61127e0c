import dataclasses
import json

import pytest

from dense_det.config import config_digests, initial_weights
from dense_det.distillation.ingredients import ConfigDoors, ingredient_digests, require_ingredients
from dense_det.distillation.recipe import parse_recipe

DOORS = ConfigDoors(config_digests, initial_weights)


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """recipe(labels, **teacher); as in training, weights that a config names are relative to the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("few.json", "val.json", "zoo.pth", "trained.pth"):
        (tmp_path / name).write_text(name)
    for name in ("images", "scans"):
        (tmp_path / name).mkdir()
    (tmp_path / "Base.yaml").write_text("MODEL: {WEIGHTS: zoo.pth}")
    for name in ("teacher", "student"):
        (tmp_path / f"{name}.yaml").write_text("_BASE_: Base.yaml")

    def make(labels=None, **teacher):
        tree = {
            "data": {"labelled": "few.json", "validation": "val.json", "unlabelled": "scans"},
            "teacher": {"config": "teacher.yaml", **teacher},
            "student": {"config": "student.yaml", "opts": ["MODEL.WEIGHTS", ""]},
            "labels": {"fused": labels or {}},
        }
        return parse_recipe(tree, "recipe.yaml")

    return make


def test_weights_that_a_config_names_are_compared_by_content(recipe, tmp_path):
    """The words of the config stay the same."""
    before = ingredient_digests(recipe(), DOORS)
    assert before.keys() == {"few.json", "val.json", "zoo.pth", "Base.yaml", "teacher.yaml", "student.yaml"}
    (tmp_path / "zoo.pth").write_text("other weights")
    after = ingredient_digests(recipe(), DOORS)
    assert [file for file in before if before[file] != after[file]] == ["zoo.pth"]


def test_a_teacher_with_weights_begins_from_no_others(recipe, tmp_path):
    """The config beside trained weights often names a file of the machine where they were trained."""
    (tmp_path / "zoo.pth").unlink()
    trained = recipe(weights="trained.pth")
    require_ingredients(trained, DOORS)
    assert {"trained.pth", "zoo.pth"} & ingredient_digests(trained, DOORS).keys() == {"trained.pth"}
    with pytest.raises(ValueError, match=r"no file zoo\.pth \(MODEL\.WEIGHTS\): make it, or name the right one"):
        require_ingredients(recipe(), DOORS)


def test_the_truth_of_the_unlabelled_is_one_of_them(recipe, tmp_path):
    known = recipe()
    known = dataclasses.replace(known, data=dataclasses.replace(known.data, truth="truth.json"))
    with pytest.raises(ValueError, match=r"no file truth\.json \(truth of the unlabelled images\)"):
        require_ingredients(known, DOORS)
    (tmp_path / "truth.json").touch()
    require_ingredients(known, DOORS)
    assert "truth.json" in ingredient_digests(known, DOORS)


@pytest.mark.parametrize(("run", "told"), [
    ("--class-map gone.json", "gone.json: cannot be read"), ("--opts SOLVER.BASE_RL 1", "SOLVER.BASE_LR"),
    ("--class-map map.json", "labels.fused: map.json: no class of the labelled images named 'Tabel'; did you mean"),
])  # fmt: skip
def test_words_of_a_way_of_labelling_are_looked_at(recipe, tmp_path, run, told):
    (tmp_path / "few.json").write_text(json.dumps({"categories": [{"id": 1, "name": "Table"}]}))
    (tmp_path / "map.json").write_text(json.dumps({"table": "Tabel", "text": None}))
    with pytest.raises(ValueError, match=told):
        require_ingredients(recipe({"run": run}), DOORS)


@pytest.mark.parametrize(("opts", "told"), [
    ("MODEL.WEIGHTS gone.pth", r"no file gone\.pth \(MODEL\.WEIGHTS\)"), ("SOLVER.BASE_RL 1", "SOLVER.BASE_LR"),
])  # fmt: skip
def test_options_of_a_way_of_labelling_are_looked_at(recipe, opts, told):
    with pytest.raises(ValueError, match=told):
        require_ingredients(recipe({"opts": opts}), DOORS)
