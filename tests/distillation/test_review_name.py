import pytest

from dense_det.distillation.review_name import ReviewNames, common_folder, local_files_url, names_below


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


def test_names_below_a_folder():
    files = ["/data/scans/a/1.jpg", "/data/scans/b/1.jpg", "/data/scans/2.jpg"]
    assert common_folder(files) == "/data/scans"
    assert common_folder(["/data/ab/1.jpg", "/data/a/1.jpg"]) == "/data"
    assert common_folder(files[:1]) == "/data/scans/a"
    assert common_folder([]) == "/"
    assert list(names_below("/data/scans", files).items()) == list(zip(files, ["a/1.jpg", "b/1.jpg", "2.jpg"]))
    assert names_below("/", files[:1]) == {"/data/scans/a/1.jpg": "data/scans/a/1.jpg"}
    assert names_below("/data", ["/data/..x/1.jpg"]) == {"/data/..x/1.jpg": "..x/1.jpg"}
    with pytest.raises(
        ValueError, match=r"/data/scans/b/1\.jpg does not lie below --root /data/scans/a: name a folder"
    ):
        names_below("/data/scans/a", files)


@pytest.mark.parametrize(
    "name, url",
    [
        ("a/1.jpg", "/data/local-files/?d=a/1.jpg"),
        ("s p/ü#1%+&?.jpg", "/data/local-files/?d=s%20p/%C3%BC%231%25%2B%26%3F.jpg"),
        ("100%25.jpg", "/data/local-files/?d=100%2525.jpg"),
        ("a\udcff\n.jpg", "/data/local-files/?d=a%FF%0A.jpg"),  # bytes that are no UTF-8
    ],
)
def test_label_studios_address_of_a_file(name, url):
    assert local_files_url(name) == url
    for names in (
        ReviewNames([f"/data/{name}"]),
        ReviewNames([f"/x/{name}", f"/data/{name}"], {name: [f"/data/{name}"]}),
    ):
        assert names.find(url) == names.find(f"http://host:8080{url}") == f"/data/{name}"


def test_an_exported_name_is_the_image_it_was_written_for():
    """As an end 1.jpg would be any of the three."""
    files = ["/data/1.jpg", "/data/a/1.jpg", "/data/b/1.jpg"]
    names = ReviewNames(files, {"1.jpg": files[:1], "a/1.jpg": files[1:2], "b/1.jpg": files[2:]})
    assert [names.find(name) for name in ("1.jpg", "a/1.jpg", "b/1.jpg")] == files
    assert names.find("data/a/1.jpg") == names.find("/data/a/1.jpg") == "/data/a/1.jpg"
    with pytest.raises(ValueError, match=r"no image of the labels is c/1\.jpg"):
        names.find("c/1.jpg")


def test_an_exported_name_of_two_exports():
    names = ReviewNames(["/data/1.jpg", "/data/a/1.jpg"], {"1.jpg": ["/data/a/1.jpg", "/data/1.jpg"]})
    with pytest.raises(ValueError, match=r"1\.jpg may be any of /data/1\.jpg, /data/a/1\.jpg"):
        names.find("1.jpg")


def test_exported_names_that_xml_cannot_hold():
    names = ReviewNames(["/x/a\n.jpg", "/y/a\n.jpg"], {"a\n.jpg": ["/y/a\n.jpg"]})
    assert names.find("a\\n.jpg") == "/y/a\n.jpg"
