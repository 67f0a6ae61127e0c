import pytest

from dense_det.aligned_table import aligned_table


def test_a_table_by_hand():
    assert aligned_table(["a|b", "n"], [["one", 2], ["three | four", None], ["x", 1234.5]]).splitlines() == [
        "| a|b           |     n |",
        "| ------------- | ----: |",
        "| one           |     2 |",
        "| three \\| four |     - |",
        "| x             | 1,234 |",
    ]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (0.00123, "0.0012"),
        (0.0123, "0.012"),
        (0.9994, "0.999"),
        (1.0, "1.00"),
        (-9.994, "-9.99"),
        (9.996, "10.0"),
        (99.94, "99.9"),
        (99.96, "100"),
    ],
)
def test_about_three_digits(number, text):
    assert text in aligned_table(["a", "b"], [["", number]])
