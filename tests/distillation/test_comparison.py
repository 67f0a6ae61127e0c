import dataclasses

import pytest

from dense_det.distillation.comparison import Results, comparison_table, gains, mean_and_spread
from dense_det.distillation.known_truth import Agreement


def results(name, *values):
    return Results(name, {metric: values for metric in ("AP", "AP50", "AP75")})


def test_mean_and_spread_by_hand():
    assert mean_and_spread((1.0, 2.0, 3.0)) == "2.0 ± 1.0"  # the squares of -1, 0, 1 over n - 1 = 2
    assert mean_and_spread((4.25,)) == "4.2"


def test_gains_are_of_the_same_seed():
    assert gains(results("a", 3.0, 5.0), results("b", 1.0, 4.0), "AP") == (2.0, 1.0)


def test_the_table():
    base, better, worse, teacher = (
        results("alone", 10.0, 12.0), results("a", 13.0, 15.0), results("b", 9.0, 12.0), results("teacher", 40.0)
    )  # fmt: skip
    teacher = dataclasses.replace(teacher, is_teacher=True)
    lines = comparison_table([base, better, worse, teacher], base).splitlines()
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == ["alone"] + ["11.0 ± 1.4"] * 3 + ["-", "2"]
    assert "+3.0 ± 0.0" in lines[3] and "| -0.5 ± 0.7 |" in lines[4]
    assert [cell.strip() for cell in lines[5].split("|")[1:-1]] == ["teacher"] + ["40.0"] * 3 + ["-", "1"]
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_teacher_has_no_gain(seeds):
    """With one seed it has as many values as a student."""
    base, teacher = results("alone", *[10.0] * seeds), results("teacher", 40.0)
    lines = comparison_table([base, dataclasses.replace(teacher, is_teacher=True)], base).splitlines()
    assert [cell.strip() for cell in lines[3].split("|")[1:-1]] == ["teacher", "40.0", "40.0", "40.0", "-", "1"]


def test_the_mean():
    assert results("a", 1.0, 4.0).mean("AP50") == pytest.approx(2.5)


def test_how_right_labels_are_stands_beside_what_they_are_worth():
    base, way = results("alone", 10.0), results("a", 13.0)
    lines = comparison_table([base, dataclasses.replace(way, agreement=Agreement(2400, 1200, 4800))], base).splitlines()
    assert [cell.strip() for cell in lines[0].split("|")[6:-1]] == ["seeds", "labels", "right", "found"]
    assert [cell.strip() for cell in lines[2].split("|")[6:-1]] == ["1", "-", "-", "-"]
    assert [cell.strip() for cell in lines[3].split("|")[6:-1]] == ["1", "2,400", "50", "25"]
    nothing = dataclasses.replace(way, agreement=Agreement(0, 0, 4800))
    assert comparison_table([base, nothing], base).splitlines()[3].endswith("|      0 |     - |     0 |")
