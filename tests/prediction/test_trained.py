import json

import pytest

from dense_det.deploy.facts import find_points, thresholds_of
from dense_det.prediction.trained import find_trained


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "evaluation").mkdir()
    for name in ("config.yaml", "model_final.pth"):
        (tmp_path / name).touch()
    rows = {"Table": {"threshold": 0.3, "f1": 0.5}, "Text": None}
    (tmp_path / "evaluation" / "thresholds.json").write_text(json.dumps(rows))
    return tmp_path


def test_what_a_training_leaves(folder):
    trained = find_trained(folder)
    assert trained.weights == folder / "model_final.pth"
    assert list(trained.thresholds.items()) == [("Table", 0.3), ("Text", 0.3)]
    (folder / "model_best.pth").touch()
    assert find_trained(folder).weights == folder / "model_best.pth"


@pytest.mark.parametrize(
    ("limits", "expected"),
    [((0.2, None, 0.4, 0.3), [0.2, 0.3, 0.4, 0.3]), ((None, None), [0.5, 0.5])],
)
def test_a_class_without_a_threshold_has_the_one_of_exported_files(folder, limits, expected):
    points = {f"class{k}": limit and {"threshold": limit} for k, limit in enumerate(limits)}
    (folder / "evaluation" / "thresholds.json").write_text(json.dumps(points))
    assert list(find_trained(folder).thresholds.values()) == expected == thresholds_of(points, points)


def test_what_the_zoo_ships(folder):
    (folder / "model_final.pth").rename(folder / "model.safetensors")
    assert find_trained(folder).weights == folder / "model.safetensors"


def test_of_several_data_sets_the_one_that_exported_files_take(folder):
    (folder / "evaluation" / "thresholds.json").unlink()
    for name, limit in (("a_val", 0.1), ("z_val", 0.9)):
        (folder / "evaluation" / name).mkdir()
        (folder / "evaluation" / name / "thresholds.json").write_text(json.dumps({"Table": {"threshold": limit}}))
    with pytest.raises(ValueError, match=r"several data sets \(a_val, z_val\)"):
        find_trained(folder)
    (folder / "config.yaml").write_text("DATASETS: {TEST: [z_val, a_val]}")
    assert find_trained(folder).thresholds == {"Table": 0.9}
    assert find_points(folder / "model_final.pth", ["Table"])[0] == "evaluation/z_val/thresholds.json"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.yaml", None, "no finished training: expected config.yaml"),
        ("model_final.pth", None, "model_best.pth, model_final.pth or model.safetensors"),
        ("evaluation/thresholds.json", None, "there is none; tools/train_net.py --eval-only"),
        ("evaluation/thresholds.json", "{", "thresholds.json: expected the classes"),
        ("evaluation/thresholds.json", "{}", "no class"),
        ("evaluation/thresholds.json", "[1]", "expected the classes"),
    ],
)
def test_what_is_missing_is_said(folder, name, content, message):
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        find_trained(folder)


def test_a_folder_that_is_misspelt(tmp_path):
    (tmp_path / "cards").mkdir()
    with pytest.raises(ValueError, match="no folder named '.*/card'; did you mean '.*/cards'"):
        find_trained(tmp_path / "card")
