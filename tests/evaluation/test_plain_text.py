import pytest
from matplotlib.figure import Figure

from dense_det.evaluation.plain_text import plain_text


@pytest.mark.parametrize("text", ["a_$x_$", r"US$ \frac$", "5 $", r"a\$b", "$$", "plain"])
def test_matplotlib_shows_what_is_written(text):
    drawn = Figure().text(0, 0, plain_text(text))
    assert drawn._preprocess_math(drawn.get_text()) == (text, False)  # what is drawn, and that it is no formula
