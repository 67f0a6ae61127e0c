import numpy as np
import pytest
from PIL import Image

from dense_det.drawing import save_image
from dense_det.evaluation.matching import match
from dense_det.evaluation.worst import (
    FALSE_POSITIVE,
    MISSED,
    TRUE_POSITIVE,
    _draw_errors,
    count_errors,
    rank_worst,
    write_examples,
    write_worst,
)  # fmt: skip


@pytest.fixture
def pages(tmp_path):
    """The three pictures of the scene, white, 200 x 100."""
    for k in range(3):
        save_image(tmp_path / "pages" / f"{k}.png", np.full((100, 200, 3), 255, np.uint8))
    return tmp_path / "pages"


def test_errors_by_hand(scene):
    truth, detections = scene
    hits, false, missed = count_errors(truth, detections, match(truth, detections, 0.5))
    assert hits.tolist() == [2, 0, 0]
    assert false.tolist() == [2, 1, 1]  # c on b and b again; b on a; a on nothing
    assert missed.tolist() == [0, 1, 1]


def test_worst_first_ties_by_image_and_perfect_ones_left_out():
    false, missed = np.array([1, 0, 0, 3, 0]), np.array([0, 0, 2, 0, 1])
    assert rank_worst(false, missed, 10) == [3, 2, 0, 4]
    assert rank_worst(false, missed, 2) == [3, 2]
    assert rank_worst(false, missed, 0) == []


def test_hits_false_and_missed_boxes_have_their_colours(scene):
    truth, detections = scene
    matches = match(truth, detections, 0.5)
    page = np.full((100, 200, 3), 255, np.uint8)
    first = _draw_errors(page, 1.0, truth, detections, matches, 0, with_labels=False)
    assert tuple(first[10, 0]) == TRUE_POSITIVE and tuple(first[20, 60]) == FALSE_POSITIVE
    last = _draw_errors(page, 2.0, truth, detections, matches, 2, with_labels=False)
    assert last.shape == (200, 400, 3)
    assert tuple(last[100, 220]) == MISSED and tuple(last[0, 30]) == FALSE_POSITIVE
    assert not (last == TRUE_POSITIVE).all(-1).any()


def test_pictures_and_their_montage(tmp_path, pages, scene):
    truth, detections = scene
    out = tmp_path / "out"
    write_worst(out, pages, truth, detections, match(truth, detections, 0.5), limit=25)
    assert sorted(path.name for path in (out / "worst").iterdir()) == ["01_0.jpg", "02_1.jpg", "03_2.jpg"]
    with Image.open(out / "worst.png") as sheet:
        assert sheet.size == (3 * 420, 480)
    write_worst(out, pages, truth, detections, match(truth, detections, 0.5), limit=1)
    assert [path.name for path in (out / "worst").iterdir()] == ["01_0.jpg"]


def test_large_pictures_are_scaled_and_names_are_made_safe(tmp_path, pages, scene):
    truth, detections = scene
    save_image(pages / "a b" / "0 ü?.png", np.full((1500, 3000, 3), 255, np.uint8))
    truth.images[0]["file_name"] = "a b/0 ü?.png"
    write_worst(tmp_path, pages, truth, detections, match(truth, detections, 0.5), limit=1)
    with Image.open(tmp_path / "worst" / "01_0_ü_.jpg") as picture:
        assert picture.width == 1000 and 500 < picture.height < 600  # the legend stands above


def test_a_vanished_image_is_a_warning(tmp_path, pages, scene, caplog):
    truth, detections = scene
    (pages / "0.png").unlink()
    (pages / "1.png").write_bytes(b"no picture")
    write_worst(tmp_path, pages, truth, detections, match(truth, detections, 0.5), limit=25)
    assert [path.name for path in (tmp_path / "worst").iterdir()] == ["03_2.jpg"]
    assert caplog.text.count("is not drawn") == 2
    write_examples(tmp_path / "examples.png", tmp_path / "nowhere", truth, detections)
    assert not (tmp_path / "examples.png").exists()


def test_without_errors_there_is_no_montage_and_the_old_one_is_gone(tmp_path, pages, make_truth):
    truth = make_truth([])
    nothing = make_truth.detections(truth, [])
    (tmp_path / "worst.png").write_bytes(b"of the evaluation before")
    write_worst(tmp_path, pages, truth, nothing, match(truth, nothing, 0.5), limit=25)
    assert not (tmp_path / "worst.png").exists() and not list((tmp_path / "worst").iterdir())


def test_examples_are_drawn_evenly_from_the_set(tmp_path, pages, scene):
    truth, detections = scene
    write_examples(tmp_path / "e.png", pages, truth, detections, count=2)
    with Image.open(tmp_path / "e.png") as sheet:
        assert sheet.size == (2 * 480, 600)
        pixels = np.asarray(sheet)
    # the first has four boxes, the last one
    assert (pixels[:, :480] != 255).any(-1).sum() > (pixels[:, 480:] != 255).any(-1).sum() > 1000
