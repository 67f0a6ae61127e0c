"""What is given away: 16 bits where they cost nothing, no place of the machine, and a card of measured figures."""

import dataclasses
import hashlib
from pathlib import Path

import pytest
import torch
import yaml

from dense_det.checkpoint import read_checkpoint
from dense_det.prediction.trained import find_trained
from dense_det.zoo import shipping
from dense_det.zoo.making import Making, finished_row
from dense_det.zoo.shipping import card, ship


@pytest.fixture
def shipped(entries, steps, tmp_path):
    """A function of (AP with 16 bits, seeds) -> the folder of the entry "small", whose AP with 32 bits is 30."""

    def make(half, seeds=(0, 1)):
        steps.half = half
        made = tmp_path / "out" / "small"
        row = Making(tmp_path / "out", steps, seeds, 1, {}).row("small", entries["small"])
        state = {"conv": torch.full((2, 1, 3, 3), 1 / 3), "norm": torch.full((2,), 1 / 3)}
        torch.save({"model": state}, made / "seed0" / "model_best.pth")
        return ship(row, entries["small"], made, tmp_path / "zoo", steps)

    return make


@pytest.mark.parametrize(("half", "dtype"), [(29.9, torch.float16), (29.8, torch.float32)])
def test_bits_are_what_the_ap_allows(shipped, half, dtype):
    folder = shipped(half)
    state = read_checkpoint(folder / "model.safetensors")["model"]
    assert state["conv"].dtype == dtype and state["norm"].dtype == torch.float32
    trained = find_trained(folder)
    assert trained.weights == folder / "model.safetensors"
    # those of the evaluation of these very weights, or of the training
    assert trained.thresholds == dict.fromkeys(("card", "page"), half / 100 if dtype == torch.float16 else 0.3)


def test_the_evaluation_sees_the_file(shipped, steps, tmp_path):
    shipped(30.0)
    words = steps.seen[-1].words
    trial = tmp_path / "out" / "small" / "shipped"
    assert words[1:4] == ("--config-file", str(trial / "config.yaml"), "--eval-only")
    assert words[-4:] == ("MODEL.WEIGHTS", str(trial / "model.safetensors"), "OUTPUT_DIR", str(trial))


def test_no_place_of_the_machine(shipped):
    text = (shipped(30.0) / "config.yaml").read_text()
    assert "/home/me" not in text and yaml.safe_load(text)["INPUT"]["MIN_SIZE_TEST"] == 240


def test_the_card(shipped):
    folder = shipped(29.95)
    text = (folder / "CARD.md").read_text()
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    for part in (
        "# small", "1,500,000 parameters, 0.250 GMACs at 240 x 320 px", "predict.py zoo/small scans/",
        "AP 29.95 with this file, whose kernels have 16 bits", "(30.00 with 32 bits, 29.95 with 16)",
        "Over the seeds, mean ± standard deviation: AP 30.5 ± 0.7, AP50 60.0 ± 0.0",
        "- card: threshold 0.299", "- page: nothing found",
        "`python datasets/prepare_cards.py`", "`python tools/prepare_weights.py w`", "a.yaml KEY 1", "commit: abc",
        "2 training(s) of 2 minutes each on a CPU", digest, "- data: ours", "- initial weights: theirs",
    ):  # fmt: skip
        assert part in text, part
    assert finished_row(folder)["AP"] == [30, 31]  # tables of later days


def test_the_card_of_one_seed(shipped):
    text = (shipped(30.0, (0,)) / "CARD.md").read_text()
    assert "One seed: AP 30.0, AP50 60.0" in text and "Over the seeds" not in text


@pytest.mark.parametrize(
    ("opts", "line"),
    [(("KEY", "1"), "random"), (("KEY", "1", "MODEL.WEIGHTS", "zoo/a/model.safetensors"), "`zoo/a/model.safetensors`")],
)
def test_the_card_of_one_that_begins_from_what_is_there(shipped, entries, opts, line):
    row = finished_row(shipped(30.0))
    facts = {"bits": 16, "AP of 16 bits": 30.0, "megabytes": 1.0, "sha256": "", "thresholds": {}}
    entry = dataclasses.replace(entries["small"], prepare=(), opts=opts)
    assert f"- initial weights: {line}\n" in card(row, entry, facts, Path("zoo/small"))


def test_code_in_no_commit_is_not_shipped_and_what_is_there_stays(shipped, entries, steps, tmp_path):
    folder = shipped(30.0)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    row, made = finished_row(folder) | {"commit": "abc-dirty"}, tmp_path / "out" / "small"
    words = f"small was trained at abc-dirty, .*: commit first, remove {made}, then train again"
    with pytest.raises(ValueError, match=words):
        ship(row, entries["small"], made, tmp_path / "zoo", steps)
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert ship(row | {"commit": None}, entries["small"], made, tmp_path / "zoo", steps) == folder  # no repository


def test_what_is_too_large_is_not_shipped(shipped, monkeypatch, tmp_path):
    monkeypatch.setattr(shipping, "MOST_MEGABYTES", 1e-6)
    with pytest.raises(ValueError, match="small is 0.0 MB, at most 0 are shipped"):
        shipped(30.0)
    assert not (tmp_path / "zoo").exists()
