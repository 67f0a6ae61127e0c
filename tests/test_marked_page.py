"""A table is replaced in its place, or the page stays as it is."""

import pytest

from dense_det.marked_page import write_between

MARKS = "<!-- zoo -->", "<!-- /zoo -->"


def test_the_place_in_a_readme(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- zoo -->\nold\n<!-- /zoo -->\nafter\n")
    for _ in range(2):
        write_between(readme, *MARKS, "| a |")
        assert readme.read_text() == "before\n<!-- zoo -->\n| a |\n<!-- /zoo -->\nafter\n"


@pytest.mark.parametrize(
    "text", ["", "<!-- zoo -->", "<!-- /zoo --> <!-- zoo -->", "<!-- zoo --><!-- zoo --><!-- /zoo -->"]
)
def test_a_readme_without_the_place_stays_as_it_is(tmp_path, text):
    (tmp_path / "README.md").write_text(text)
    with pytest.raises(ValueError, match="expected the lines <!-- zoo --> and <!-- /zoo -->, once each"):
        write_between(tmp_path / "README.md", *MARKS, "table")
    assert (tmp_path / "README.md").read_text() == text
