import pytest

from dense_det.analysis.blame import blamed


@pytest.mark.parametrize("kind", [ImportError, RuntimeError, AssertionError])
def test_what_a_config_raises_names_it_in_one_line(kind):
    with pytest.raises(ValueError, match=rf"a.yaml does not run .*\({kind.__name__}: no such operation\)"):
        with blamed("a.yaml"):
            raise kind("no such\n  operation")


def test_other_errors_pass():
    with pytest.raises(KeyError), blamed("a.yaml"):
        raise KeyError("a mistake of ours")
