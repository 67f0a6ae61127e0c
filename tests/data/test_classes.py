import pytest

from dense_det.data.classes import DOCLAYNET, PAGE_CLASSES, PAGE_TO_PUBLAYNET, PUBLAYNET, label_names


def test_tables_fit_together():
    assert len(DOCLAYNET) == 11 and list(DOCLAYNET) == sorted(DOCLAYNET)
    assert set(PAGE_TO_PUBLAYNET) == set(PAGE_CLASSES)
    assert {name for name in PAGE_TO_PUBLAYNET.values() if name} == set(PUBLAYNET)


def test_classes_are_kept_in_the_given_order():
    assert label_names("doclaynet", ["Table", "Picture"]) == ("Table", "Picture")
    assert label_names("publaynet") == PUBLAYNET


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [("doclynet", None, "doclaynet"), ("doclaynet", ["Tabel"], "Table"), ("publaynet", ["Table"], "table"),
     ("doclaynet", ["Table", "Table"], "twice")],
)  # fmt: skip
def test_unknown_names_are_answered(labels, classes, message):
    with pytest.raises(ValueError, match=message):
        label_names(labels, classes)
