import pytest

from dense_det.analysis.blame import Faults, blamed


@pytest.mark.parametrize("kind", [ImportError, RuntimeError, MemoryError, AssertionError])
def test_what_a_config_raises_names_it_in_one_line(kind):
    with pytest.raises(ValueError, match=rf"a.yaml does not run .*\({kind.__name__}: no such operation\)"):
        with blamed("a.yaml"):
            raise kind("no such\n  operation")


def test_other_errors_pass():
    with pytest.raises(KeyError), blamed("a.yaml"):
        raise KeyError("a mistake of ours")


def test_a_fault_ends_its_part_only():
    faults = Faults()
    faults.tell()
    for name, error in (("a", RuntimeError("too small")), ("b", None), ("c", OSError("gone")), ("d", OSError("gone"))):
        with faults.of(name):
            if error:
                raise error
    assert list(faults.reasons) == ["a", "c", "d"]
    with pytest.raises(ValueError, match=r"^a does not run .*too small.*\ngone$"):
        faults.tell()
    with pytest.raises(KeyError), faults.of("a"):
        raise KeyError("a mistake of ours")
