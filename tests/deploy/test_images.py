import json

import pytest
from PIL import Image

from dense_det.deploy.images import images_in, images_of, some_of, some_readable
from dense_det.evaluation.ground_truth import load_ground_truth


def test_images_of_a_folder_by_name(tmp_path):
    for name in ("b.jpg", "a/c.PNG", "a/notes.txt", "d.pdf", "e.tif", "f.eps"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in images_in(tmp_path)] == ["c.PNG", "b.jpg", "e.tif"]
    with pytest.raises(ValueError, match="no folder"):
        images_in(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no images in"):
        images_in(tmp_path / "empty")


def test_images_of_a_labelled_set(tmp_path):
    images = [{"id": k, "file_name": f"{k}.png", "width": 9, "height": 9} for k in (5, 3, 4)]
    truth = {"images": images, "categories": [{"id": 1, "name": "card"}], "annotations": []}
    (tmp_path / "val.json").write_text(json.dumps(truth))
    truth = load_ground_truth(tmp_path / "val.json")
    (tmp_path / "5.png").touch()
    with pytest.raises(ValueError, match="no file .*3.png: 2 of the 3 labelled images are missing"):
        images_of(truth, tmp_path)
    for image in images:
        (tmp_path / image["file_name"]).touch()
    assert [file.name for file in images_of(truth, tmp_path)] == [image["file_name"] for image in truth.images]
    del truth.images[1]["file_name"]
    with pytest.raises(ValueError, match="the labelled image 4 has no file_name"):
        images_of(truth, tmp_path)


def test_some_are_spread_evenly():
    assert some_of("abcdefgh", 4) == ("a", "c", "e", "g")
    assert some_of("ab", 4) == ("a", "b") and some_of("", 4) == ()


def test_files_of_several_images_are_left_out_and_told(tmp_path, caplog):
    page = Image.new("RGB", (40, 30))
    files = [tmp_path / name for name in ("a.tif", "b.tif")]
    page.save(files[0], save_all=True, append_images=[page])
    page.save(files[1])
    assert some_readable(files, 9) == (files[1],)
    assert caplog.records[0].getMessage() == f"left out: {files[0]}: TIFF of 2 pages or frames; save each as a file"


def test_damaged_files_are_left_out_and_told(tmp_path, caplog):
    files = [tmp_path / f"{k}.png" for k in range(4)]
    for file in files:
        Image.new("RGB", (40, 30)).save(file)
    files[1].write_bytes(files[1].read_bytes()[:60])
    files[3].write_bytes(b"")
    assert some_readable(files, 9) == (files[0], files[2])
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2 and told[0].startswith(f"left out: {files[1]}: ") and told[1].endswith("3.png: 0 bytes")
    with pytest.raises(ValueError, match="none of 2 images can be read, for example .*1.png: "):
        some_readable(files[1::2], 9)
    assert some_readable([], 9) == ()
