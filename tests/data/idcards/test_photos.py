import cv2
import numpy as np
import pytest

from dense_det.data.idcards.photos import SHIPPED, crop_photo, find_photos, folder_photos


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(20):
        cv2.imwrite(str(tmp_path / f"photo {number}.jpg"), rng.integers(0, 256, (150, 200, 3), np.uint8))
    return tmp_path


def test_the_wheels_photographs_are_there_and_in_one_split():
    photos, problems = find_photos()
    assert not problems and {split: len(found) for split, found in photos.items()} == {"train": 10, "val": 4}
    assert set(SHIPPED["train"]).isdisjoint(SHIPPED["val"])
    assert {photo.digest for photo in photos["train"]}.isdisjoint(photo.digest for photo in photos["val"])


def test_a_folder_is_split_by_content_and_copies_count_once(folder):
    before = {photo.digest: split for split, found in find_photos(folder_photos(folder))[0].items() for photo in found}
    (folder / "deep").mkdir()
    for number, path in enumerate(sorted(folder.glob("*.jpg"))):
        (folder / "deep" / f"{99 - number}.jpeg").write_bytes(path.read_bytes())
    after, _ = find_photos(folder_photos(folder))
    assert {photo.digest: split for split, found in after.items() for photo in found} == before
    assert sum(map(len, after.values())) == 14 + 20 and len(after["train"]) > 10 and len(after["val"]) > 4


def test_broken_files_are_named_and_survived(folder):
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    (folder / "empty.png").write_bytes(b"")
    cv2.imwrite(str(folder / "icon.png"), np.zeros((16, 16, 3), np.uint8))
    (folder / "notes.txt").write_text("no picture either")
    photos, problems = find_photos(folder_photos(folder))
    assert sum(map(len, photos.values())) == 34
    told = "\n".join(problems)
    assert len(problems) == 3 and "broken.jpg" in told and "empty.png" in told and "16 x 16 pixels are too few" in told


def test_no_folder_is_told(tmp_path):
    with pytest.raises(ValueError, match="no folder of photographs"):
        folder_photos(tmp_path / "nowhere")


def test_a_view_has_its_size(materials):
    for number, photo in enumerate(materials["val"].photos):
        view = crop_photo(np.random.default_rng(number), photo, (90, 70))
        assert view.shape == (70, 90, 3) and view.dtype == np.uint8 and view.std() > 1
