import pytest

from dense_det.distillation.review_name import ReviewNames


@pytest.fixture
def names(tmp_path):
    """a/1.jpg and b/1.jpg, b/2.jpg, of which the labels have all but b/2.jpg; and a name that XML cannot hold."""
    for name in ("a/1.jpg", "b/1.jpg", "b/2.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return ReviewNames([str(tmp_path / "a/1.jpg"), str(tmp_path / "b/1.jpg"), "/gone/x\n.jpg", "/gone/y z.jpg"])


@pytest.mark.parametrize(
    "end, meant",
    [
        ("a/1.jpg", "a/1.jpg"),
        ("/data/local-files/?d=b/1.jpg", "b/1.jpg"),
        ("http://localhost:8080/data/local-files/?d=%2Fb%2F1.jpg", "b/1.jpg"),
        ("2.jpg", "b/2.jpg"),  # no image of the labels, but a file beside one
    ],
)
def test_the_end_of_a_path_is_enough(tmp_path, names, end, meant):
    assert names.find(end) == names.find(str(tmp_path / meant)) == str(tmp_path / meant)


def test_labels_need_no_files(names):
    assert names.find("/gone/x\\n.jpg") == names.find("x\\n.jpg") == "/gone/x\n.jpg"
    assert names.find("/data/local-files/?d=gone/y+z.jpg") == names.find("/gone/y z.jpg") == "/gone/y z.jpg"


@pytest.mark.parametrize("name", ["3.jpg", "/2.jpg", "c/1.jpg", "/data/local-files/?d=3.jpg", "/data/local-files/?d="])
def test_a_name_of_no_image(names, name):
    with pytest.raises(ValueError, match="no image of the labels is"):
        names.find(name)


def test_a_name_of_two_images(names):
    with pytest.raises(ValueError, match=r"1\.jpg may be any of .*/a/1\.jpg, .*/b/1\.jpg"):
        names.find("1.jpg")


def test_a_dropped_file_may_be_meant_as_well(tmp_path):
    """The labels have a/1.jpg alone: 1.jpg may also be the dropped b/1.jpg."""
    for folder in "ab":
        (tmp_path / folder).mkdir()
        for number in (1, 2):
            (tmp_path / folder / f"{number}.jpg").touch()
    with pytest.raises(ValueError, match="may be any of"):
        ReviewNames([str(tmp_path / "a/1.jpg"), str(tmp_path / "b/2.jpg")]).find("1.jpg")
