import pytest

from dense_det.deploy.images import images_in, some_of


def test_images_of_a_folder_by_name(tmp_path):
    for name in ("b.jpg", "a/c.PNG", "a/notes.txt", "d.pdf", "e.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in images_in(tmp_path)] == ["c.PNG", "b.jpg", "e.tif"]
    with pytest.raises(ValueError, match="no folder"):
        images_in(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no images in"):
        images_in(tmp_path / "empty")


def test_some_are_spread_evenly():
    assert some_of("abcdefgh", 4) == ("a", "c", "e", "g")
    assert some_of("ab", 4) == ("a", "b") and some_of("", 4) == ()
