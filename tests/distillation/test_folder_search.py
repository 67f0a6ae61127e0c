"""Patterns find what glob finds, each file once; links in circles end, and what is skipped stays out."""

import glob
import os

import pytest

from dense_det.distillation.folder_search import FolderSearch, is_within
from dense_det.distillation.sources import NOT_FOLLOWED, Expansion

FILES = ("1.png", "a/2.png", "a/b/3.png", "a/b/c/4.png", "a-b/5.png", "d/6.txt", ".h/7.png", "a/.h/8.png", "d/.9.png")


@pytest.fixture
def tree(tmp_path):
    for name in FILES:
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).touch()
    return tmp_path / "data"


def search(pattern, *skip) -> list[str]:
    return [path for path, _ in FolderSearch(str(pattern), tuple(map(str, skip)))]


def files(tree, pattern, *skip) -> list[str]:
    """What a plan would look at, as names below `tree`; `pattern` is relative to the folder that holds it."""
    candidates = Expansion(skip=tuple(map(str, skip))).candidates(f"{tree.parent}/{pattern}")
    return [os.path.relpath(c.file_name, tree) for c in candidates if not c.reason and not c.other]


@pytest.mark.parametrize(
    "pattern",
    ["*.png", "*/*.png", "**/*.png", "a/**/*.png", "**/b/*.png", "*/b/**/*.png", "[ad]/*", "*/", ".h/*", "d/.*",
     "**/**/*.png", "?", "**/b", "no/*", "**/[!4].png", "a*/*.png"],
)  # fmt: skip
def test_a_pattern_finds_what_glob_finds(tree, pattern):
    found = search(tree / pattern if not pattern.endswith("/") else f"{tree}/{pattern}")
    assert found == sorted({name.rstrip("/") for name in glob.glob(f"{tree}/{pattern}", recursive=True)})


def test_relative_patterns(tree, monkeypatch):
    monkeypatch.chdir(tree / "d")
    assert search("*.txt") == [str(tree / "d" / "6.txt")] and search("../*.png") == [str(tree / "1.png")]


def test_dots_behind_a_wildcard(tree):
    """One stands for the folder itself; of two nothing would be found, without a word of why."""
    assert search(f"{tree}/*/./*.png") == search(tree / "*/*.png")
    assert search(f"{tree}/*/.") == search(f"{tree}/*/")
    with pytest.raises(ValueError, match=r"data/\*/\.\./a/\*\.png: \.\. behind a wildcard leads up again"):
        files(tree, "data/*/../a/*.png")


@pytest.mark.parametrize("pattern", ["data/**", "data/*", "data/**/*", "data/**/", "dat?", "dat?/**"])
def test_a_folder_that_is_named_gives_its_files_once(tree, pattern):
    (tree / "d" / "6.txt").unlink()  # a list of images
    assert sorted(files(tree, pattern)) == ["1.png", "a-b/5.png", "a/2.png", "a/b/3.png", "a/b/c/4.png"]


@pytest.mark.parametrize("pattern", ["data/**/*.png", "data/**", "data/**/*"])
def test_links_round_in_circles_end(tree, pattern):
    before = files(tree, pattern)
    for name, target in (("a/l1", "."), ("a/l2", "."), ("a/b/l3", ".."), ("l4", ".")):
        (tree / name).symlink_to(target)
    assert files(tree, pattern) == before
    assert {c.reason for c in Expansion().candidates(f"{tree.parent}/{pattern}")} == {"", NOT_FOLLOWED}


def test_two_links_to_one_folder_are_entered_once(tree):
    for name in ("l1", "l2"):
        (tree / name).symlink_to(tree / "d")
    (tree / "d" / "6.png").touch()
    assert [name for name in files(tree, "data/**/*.png") if name.endswith("6.png")] == ["d/6.png"]
    assert files(tree, "data/l*/*.png") == ["l1/6.png"], "named by the pattern, so followed"


def test_what_is_skipped_is_skipped_by_all_ways(tree):
    (tree / "link").symlink_to(tree / "a")
    skip, rest = tree / "a", ["1.png", "a-b/5.png"]
    for pattern in ("data/**/*.png", "data/**", "dat*", "data", "../" + tree.parent.name + "/data/**/*.png"):
        assert sorted(files(tree, pattern, skip)) == rest, pattern
    (tree / "d" / "6.txt").write_text("../a/2.png\n../1.png\n")
    assert files(tree, "data/d/6.txt", skip) == ["1.png"]
    told = [candidate.reason for candidate in Expansion(skip=(str(skip),)).candidates(str(tree / "d" / "6.txt"))]
    assert told == ["lies in the work folder, or in another one to skip", ""]


def test_what_is_named_in_a_folder_to_skip_is_wanted(tree):
    (tree / "link").symlink_to(tree / "a")
    for name, found in (("a/2.png", ["a/2.png"]), ("link/2.png", ["link/2.png"]), ("a/*.png", ["a/2.png"])):
        assert files(tree, f"data/{name}", tree / "a", tree) == found
    assert files(tree, "data/**/*.png", tree, tree / "a") == files(tree, "data", tree / "a")


def test_within():
    assert is_within("/a/b/c.png", ("/a/b",)) and is_within("/a/b", ("/a/b",)) and is_within("/a", ("/",))
    assert not is_within("/a/bc.png", ("/a/b",)) and not is_within("/a", ())
