import pytest
import yaml

from dense_det.yaml_formula import numbers, read


def test_a_formula_by_hand():
    assert numbers("[[x, x * 2**(1.0/2), -x / 4] for x in [32, 64]]") == [
        [32, pytest.approx(45.2548), -8],
        [64, pytest.approx(90.5097), -16],
    ]
    assert numbers(" (1 + 2) - 7 ") == -4


def test_what_safe_yaml_says_stays():
    text = "a: {b: [1, 2.5, yes], c: 'x'}\nd:\n"
    assert read(text) == yaml.safe_load(text)
    assert read("SIZES: !!python/object/apply:eval ['[x + 1 for x in [1, 2]]']") == {"SIZES": [2, 3]}


@pytest.mark.parametrize(
    "formula",
    [
        "__import__('os')",
        "x",
        "[x for x in [1] if x]",
        "[x for x in range(3)]",
        "[[1] * 10**6]",
        "9**9**9",
        "2**1001",
        "(1).real",
        "True",
        "'a'",
        "lambda: 1",
        "1 if 1 else 2",
        "1 / 0",
        "1 +",
    ],
)
def test_nothing_else_is_worked_out(formula):
    with pytest.raises(yaml.YAMLError):
        read(f'!!python/object/apply:eval ["{formula}"]')


@pytest.mark.parametrize("text", ["!!python/object/apply:os.system ['true']", "!!python/object/apply:eval [1, 2]"])
def test_no_other_tag_is_read(text):
    with pytest.raises(yaml.YAMLError):
        read(text)
