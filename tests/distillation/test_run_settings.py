"""What is typed for a run becomes a labeller, or is answered before anything begins."""

import dataclasses
import json
from types import SimpleNamespace

import pytest

from dense_det.distillation import run_settings as module
from dense_det.distillation.run_settings import Detectron2Doors, RunSettings, open_labeller, require_judges
from dense_det.distillation.views import OWN_SIZE, View
from dense_det.distillation.work_folder import Plan, WorkFolder


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """A function of keywords; the data set has the classes a, b, c, and a teacher is its names alone."""
    labelled = {"json_file": "", "images": 1, "instances": 3, "per_class": {"a": 1, "b": 1, "c": 1}}
    WorkFolder(tmp_path / "work").write_plan(Plan(2, 3, 2, [], {}, "", labelled))
    monkeypatch.setattr(
        module,
        "build_teacher",
        lambda cfg, load, classes, *_: SimpleNamespace(classes=classes, views=(View(64),), own_edge=64),
    )
    doors = Detectron2Doors(lambda file, opts: None, lambda cfg: None)
    files = (("config.yaml", str(tmp_path / "model.pth")),)
    return lambda **words: RunSettings(str(tmp_path / "work"), files, (), doors, **words)


@pytest.mark.parametrize(
    ("evaluated", "words", "order"),
    [
        (None, {}, "abc"),
        ("cab", {}, "cab"),  # the names of its own evaluation: the same, in the order of its own training
        ("cab", {"classes": ("a", "b", "c")}, "cab"),
        ("xyz", {"classes": ("a", "b", "c")}, "abc"),  # new names, in its own order
    ],
)
def test_a_teacher_s_classes_come_in_its_own_order(settings, tmp_path, evaluated, words, order):
    if evaluated:
        (tmp_path / "evaluation").mkdir()
        (tmp_path / "evaluation" / "thresholds.json").write_text(json.dumps(dict.fromkeys(evaluated)))
    labeller = open_labeller(settings(**words))
    assert "".join(labeller.teachers[0].classes) == order and labeller.classes == ("a", "b", "c")
    assert labeller.tables[0].tolist() == ["abc".index(name) for name in order]


def test_a_training_without_evaluation_tells_its_classes_too(settings, tmp_path, caplog):
    open_labeller(settings())
    assert "model.pth: neither evaluation/ nor run.json beside it tells its classes" in caplog.text
    assert "in this order, a, b, c" in caplog.text
    caplog.clear()
    (tmp_path / "run.json").write_text(json.dumps({"classes": ["c", "a", "b"]}))
    labeller = open_labeller(settings())
    assert labeller.teachers[0].classes == ("c", "a", "b") and labeller.tables[0].tolist() == [2, 0, 1]
    assert not caplog.text


def test_validation_images_that_cannot_judge_are_told_before_the_work(settings, tmp_path):
    work = WorkFolder(tmp_path / "work")
    validation = {"json_file": "val.json", "image_root": "", "num_images": 0}
    work.write_plan(dataclasses.replace(work.read_plan(), validation=validation))
    work.truth_path.parent.mkdir()
    for names in ("ab", "dcba"):
        categories = [{"id": k, "name": name} for k, name in enumerate(names, 1)]
        work.truth_path.write_text(json.dumps({"images": [], "annotations": [], "categories": categories}))
        if names == "ab":
            with pytest.raises(ValueError, match="val.json has no class 'c', only a, b, and select is to judge"):
                require_judges(work, ("a", "b", "c"))
    require_judges(work, ("a", "b", "c"))


def test_own_is_the_size_of_its_tests(settings):
    views = open_labeller(settings(views=(View(OWN_SIZE, True), View(64), View(OWN_SIZE), View(80)))).views
    assert views == ((View(64, True), View(64), View(80)),)


def test_where_nobody_names_the_classes_the_teacher_does(settings, tmp_path):
    WorkFolder(tmp_path / "work").write_plan(Plan(2, 3, 2, [], {}, ""))
    with pytest.raises(ValueError, match="the classes have no names: give --classes A B"):
        open_labeller(settings())
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "thresholds.json").write_text(json.dumps(dict.fromkeys("cab")))
    labeller = open_labeller(settings())
    assert labeller.classes == labeller.teachers[0].classes == ("c", "a", "b")


def test_names_of_a_teacher_that_are_none_of_ours_are_mapped_or_refused(settings, tmp_path):
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "thresholds.json").write_text(json.dumps(dict.fromkeys("bxa")))
    with pytest.raises(ValueError, match="x"):
        open_labeller(settings())
    (tmp_path / "map.json").write_text(json.dumps({"x": "c"}))
    labeller = open_labeller(settings(class_map=str(tmp_path / "map.json")))
    assert labeller.teachers[0].classes == ("b", "x", "a") and labeller.classes == ("a", "b", "c")
    assert labeller.tables[0].tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"iou": 1.5}, "--fusion-iou must lie between 0 and 1, got 1.5"),
        ({"floor": 0.0}, "--floor must lie between 0 and 1"),
        ({"detections_per_image": 0}, "--detections must be at least 1"),
        ({"classes": ("a", "b", "a")}, "--classes names a twice"),
    ],
)
def test_what_is_wrong_is_said_at_once(settings, words, message):
    with pytest.raises(ValueError, match=message):
        open_labeller(settings(**words))
