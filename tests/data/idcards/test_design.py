import colorsys

import pytest

from dense_det.data.idcards.design import CLASSES, NUM_DESIGNS, SIZES, make_design
from dense_det.data.idcards.fonts import FAMILIES
from dense_det.data.idcards.people import FACES, LOCALES


def designs(split):
    return [make_design(kind, split, number) for kind in CLASSES for number in range(NUM_DESIGNS[split])]


def twelfth(rgb) -> int:
    return int(12 * colorsys.rgb_to_hsv(*(channel / 255 for channel in rgb))[0] + 1e-9)


def test_validation_shares_no_template_hue_layout_or_font_with_training():
    train, val = designs("train"), designs("val")
    assert not {d.name for d in train} & {d.name for d in val}
    assert not {d.layout for d in train} & {d.layout for d in val}
    assert not {d.regular for d in train} & {d.regular for d in val}
    # strong colours, whose hue does not drown in rounding
    assert not {twelfth(d.accent) for d in train} & {twelfth(d.accent) for d in val}


def test_people_and_fonts_are_split_too():
    assert not set(LOCALES["train"]) & set(LOCALES["val"]) and not set(FACES["train"]) & set(FACES["val"])
    assert not {font for family in FAMILIES["train"] for font in family} & {f for fs in FAMILIES["val"] for f in fs}


def test_a_design_is_the_same_whenever_it_is_asked_for():
    assert make_design("passport", "val", 3) == make_design("passport", "val", 3)
    assert make_design("passport", "val", 3) != make_design("passport", "val", 4)


@pytest.mark.parametrize(("kind", "ratio"), [("id_card", 85.6 / 54), ("passport", 125 / 88), ("page", 1 / 2**0.5)])
def test_sizes_have_the_standards_proportions(kind, ratio):
    width, height = SIZES[kind]
    assert width / height == pytest.approx(ratio, rel=0.01)
