import pytest

from dense_det.terminal import tell


def lines(*items):
    for item in items:
        if isinstance(item, BaseException):
            raise item
        yield item


@pytest.mark.parametrize(
    ("last", "code", "said"),
    [
        ("b", 0, ""),
        (ValueError("no such class"), 2, "error: no such class\n"),
        (FileNotFoundError("no file"), 2, "error: no file\n"),
        (ImportError("pip install x"), 2, "error: pip install x\n"),
        (KeyboardInterrupt(), 130, "stopped; what is finished stays, the same command goes on\n"),
    ],
)
def test_how_a_tool_ends(capsys, last, code, said):
    assert tell(lines("a", last)) == code
    out, err = capsys.readouterr()
    assert out.startswith("a\n") and err == said


def test_a_fault_of_ours_is_shown_in_full():
    with pytest.raises(AssertionError):
        tell(lines(AssertionError()))
