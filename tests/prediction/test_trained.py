import json

import pytest

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
    assert list(trained.thresholds.items()) == [("Table", 0.3), ("Text", 0.5)]
    (folder / "model_best.pth").touch()
    assert find_trained(folder).weights == folder / "model_best.pth"


def test_what_the_zoo_ships(folder):
    (folder / "model_final.pth").rename(folder / "model.safetensors")
    assert find_trained(folder).weights == folder / "model.safetensors"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.yaml", None, "no finished training: expected config.yaml"),
        ("model_final.pth", None, "model_best.pth, model_final.pth or model.safetensors"),
        ("evaluation/thresholds.json", None, "--eval-only.*FileNotFoundError"),
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
