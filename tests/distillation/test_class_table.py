"""A teacher's classes in the data set's order; what leads nowhere is named."""

import pytest

from dense_det.data.classes import CDLA, DOCLAYNET, PAGE_CLASSES, PUBLAYNET
from dense_det.distillation.class_table import class_table, read_class_map


def test_by_hand():
    assert class_table(("Text", "Table"), ("Table", "Text")).tolist() == [1, 0]
    assert class_table(("a", "b"), ("x",), {"a": "x", "b": None}).tolist() == [0, -1]
    assert class_table(("x", "b"), ("x", "y"), {"x": "y", "b": "x"}).tolist() == [1, 0], "a map wins over a name"


def test_known_data_sets_need_no_map():
    table = class_table(CDLA, PAGE_CLASSES)
    assert PAGE_CLASSES[table[CDLA.index("equation")]] == "Formula"
    table = class_table(DOCLAYNET, PUBLAYNET)
    assert table[DOCLAYNET.index("Page-footer")] == -1 and PUBLAYNET[table[DOCLAYNET.index("Picture")]] == "figure"


@pytest.mark.parametrize(
    "mapping, message",
    [
        ({}, "classes b are none of the data set's"),
        ({"c": "x"}, "class of the teacher named 'c'"),
        ({"b": "z"}, "class of the data set named 'z'"),
    ],
)
def test_what_leads_nowhere(mapping, message):
    with pytest.raises(ValueError, match=message):
        class_table(("x", "b"), ("x",), mapping)


def test_files(tmp_path):
    (tmp_path / "a.json").write_text('{"a": "x", "b": null}')
    (tmp_path / "a.yaml").write_text("a: x\nb: null\n")
    assert read_class_map(tmp_path / "a.json") == read_class_map(tmp_path / "a.yaml") == {"a": "x", "b": None}
    (tmp_path / "b.yaml").write_text("- a\n")
    for name in ("b.yaml", "none.json"):
        with pytest.raises(ValueError, match=name):
            read_class_map(tmp_path / name)
