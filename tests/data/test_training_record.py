import json

import pytest

from dense_det.data.training_record import recorded_classes, training_record


def test_a_record_that_is_none(tmp_path):
    assert training_record(tmp_path) == {}
    for text in ("{", "[1]", ""):
        (tmp_path / "run.json").write_text(text)
        assert training_record(tmp_path) == {}


@pytest.mark.parametrize(
    ("classes", "known"), [(["b", "a"], ("b", "a")), ([], ()), (None, ()), ("ab", ()), ([1, 2], ()), ({"a": 1}, ())]
)
def test_classes_in_the_order_of_the_network(tmp_path, classes, known):
    assert recorded_classes(tmp_path) == ()
    (tmp_path / "run.json").write_text(json.dumps({"classes": classes}))
    assert recorded_classes(tmp_path) == known
