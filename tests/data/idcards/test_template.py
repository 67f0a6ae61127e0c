import numpy as np

from dense_det.data.idcards.chance import happens, pick, stream
from dense_det.data.idcards.portrait import FACES
from dense_det.data.idcards.template import CLASSES, LAYOUTS, NUM_TEMPLATES
from dense_det.data.idcards.text import LOCALES, STATES, WORDS


def designs(materials, split):
    return [template for kind in CLASSES for template in materials[split].templates[kind]]


def test_nothing_of_a_design_is_in_both_splits(materials):
    train, val = designs(materials, "train"), designs(materials, "val")
    assert len(train) == len(CLASSES) * NUM_TEMPLATES["train"] and len(val) == len(CLASSES) * NUM_TEMPLATES["val"]
    for part in ("name", "layout", "locale", "state"):
        assert {getattr(t, part) for t in train}.isdisjoint({getattr(t, part) for t in val}), part
    assert {t.family.name for t in train}.isdisjoint({t.family.name for t in val})
    assert {t.family.machine_readable for t in train}.isdisjoint({t.family.machine_readable for t in val})
    assert {int(12 * t.hue) % 3 for t in val} == {2} and 2 not in {int(12 * t.hue) % 3 for t in train}


def test_tables_of_the_splits_share_nothing():
    for table in (LOCALES, STATES, FACES):
        assert set(table["train"]).isdisjoint(table["val"])
    for kind in CLASSES:
        assert set(LAYOUTS[kind]["train"].values()).isdisjoint(LAYOUTS[kind]["val"].values())
    assert set(LOCALES["train"]) | set(LOCALES["val"]) == WORDS.keys()


def test_streams_are_their_own():
    draws = {stream(s, split, i).random() for s in (0, 1) for split in ("train", "val", "unlabelled") for i in (0, 1)}
    assert len(draws) == 12
    assert stream(3, "val", 7).random() == stream(3, "val", 7).random()


def test_picks_follow_weights():
    rng = np.random.default_rng(0)
    picks = [pick(rng, "abc", [1, 0, 3]) for _ in range(2000)]
    assert picks.count("b") == 0 and 400 < picks.count("a") < 600
    assert not happens(rng, 0) and happens(rng, 1)
