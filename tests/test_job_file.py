from dataclasses import dataclass

import pytest

from dense_det.job_file import checked, portable_words, preparation


@dataclass
class Part:
    file: str
    words: tuple = ()


def test_words_and_the_cache(monkeypatch):
    monkeypatch.setenv("DENSE_DET_CACHE", "/c")
    tree = {"file": "{cache}/a b.json", "words": "KEY {cache}/w"}
    assert checked(tree, Part, "part.", words=("words",)) == {"file": "/c/a b.json", "words": ("KEY", "/c/w")}
    assert checked({"file": "a", "words": ["b c", 1, [2, 3]]}, Part, "", words=("words",))["words"] == (
        "b c",
        "1",
        "[2, 3]",
    )
    assert preparation("tools/prepare_weights.py {cache}") == ("tools/prepare_weights.py", "/c")
    assert portable_words(("MODEL.WEIGHTS", "/c/w")) == "MODEL.WEIGHTS {cache}/w"


@pytest.mark.parametrize(
    ("tree", "error", "message"),
    [
        (["a"], TypeError, "part.: expected KEY: VALUE lines, got"),
        ({"fle": 1}, ValueError, "part.fle.*did you mean 'part.file'"),
        ({"words": "a"}, KeyError, "part.file"),
        ({"file": "a", "words": {"KEY": 1}}, TypeError, "part.words: expected words, as a list or .* got {'KEY': 1}"),
        ({"file": "a", "words": 3}, TypeError, "part.words: expected words, .* got 3"),
        ({"file": "a", "words": [{"KEY": 1}]}, TypeError, "part.words: expected words, .* got .{'KEY': 1}."),
    ],
)
def test_what_is_wrong_is_said(tree, error, message):
    with pytest.raises(error, match=message):
        checked(tree, Part, "part.", words=("words",))


@pytest.mark.parametrize("line", ["", "/bin/rm -rf {cache}", "tools/../evil/prepare_x.py", "tools/train_net.py"])
def test_only_tools_that_prepare_are_run(line):
    with pytest.raises(ValueError, match="prepare runs datasets/prepare_"):
        preparation(line)
