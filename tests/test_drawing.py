import numpy as np
import pytest
from PIL import Image

from dense_det.drawing import (
    JPEG_EDGE,
    _place,
    add_legend,
    class_color,
    draw_boxes,
    draw_masks,
    draw_quads,
    line_width,
    montage,
    resize,
    save_image,
)

WHITE, RED = (255, 255, 255), (200, 0, 0)


def blank(height=60, width=80, value=255):
    return np.full((height, width, 3), value, dtype=np.uint8)


def test_a_box_is_an_outline_of_its_pixels_and_the_input_stays():
    image = blank()
    drawn = draw_boxes(image, [[10, 20, 50, 40]], colors=RED, width=2)
    assert (image == 255).all()
    for x, y in [(10, 20), (49, 39), (30, 21), (11, 30)]:  # corners, and the second pixel inwards
        assert tuple(drawn[y, x]) == RED
    for x, y in [(9, 20), (50, 39), (30, 22), (12, 30)]:
        assert tuple(drawn[y, x]) == WHITE


def test_boxes_are_cut_at_the_border_and_nan_is_left_out():
    drawn = draw_boxes(blank(), [[-30, 10, 20, 500], [np.nan, 0, 9, 9], [500, 5, 600, 9]], colors=RED, width=1)
    red = (drawn == RED).all(-1)
    assert red[10:, 0].all() and red[10, :20].all() and red[-1, :20].all()
    assert red.sum() == 2 * 50 + 2 * 20 - 4  # the first box and nothing else


def test_a_box_thinner_than_a_pixel_is_visible():
    assert (draw_boxes(blank(), [[5, 5, 40, 5.2]], colors=RED, width=1) == RED).all(-1).sum() == 35


def test_no_boxes():
    assert (draw_boxes(blank(), np.zeros((0, 4)), [], RED) == blank()).all()
    assert (draw_boxes(blank(), [], colors=[]) == blank()).all()


@pytest.mark.parametrize("labels, colors", [(["a"], None), (None, [RED]), (["a", "b", "c"], RED)])
def test_numbers_must_agree(labels, colors):
    with pytest.raises(ValueError, match="2 boxes need"):
        draw_boxes(blank(), [[0, 0, 5, 5], [1, 1, 6, 6]], labels, colors)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)]
)
def test_only_rgb_uint8(image):
    with pytest.raises(ValueError, match="expected an RGB picture"):
        draw_boxes(image, [])


@pytest.mark.parametrize("longest, width, letters", [(80, 2, 11), (1000, 2, 15), (4000, 8, 60)])
def test_lines_and_letters_grow_with_the_picture(longest, width, letters):
    drawn = draw_boxes(blank(200, longest), [[10, 100, 60, 180]], ["m"], RED)
    red = (drawn == RED).all(-1)
    assert red[150, :35].sum() == width  # the left side of the box
    assert red[:100].any(1).sum() == letters + 5  # the plate above the box, see _place
    quad = draw_quads(blank(200, longest), [[[10, 100], [60, 100], [60, 180], [10, 180]]], [RED])
    assert abs((quad[150, :35] == RED).all(-1).sum() - width) <= 1


@pytest.mark.parametrize("value", [0, 255])
def test_a_label_is_a_plate_in_the_colour_above_its_box(value):
    drawn = draw_boxes(blank(120, 200, value), [[20, 60, 150, 100]], ["Table 0.93"], RED)
    plate = drawn[45:58, 21:60].reshape(-1, 3)
    assert (plate == RED).all(-1).any() and (plate.min(-1) > 200).any()  # ground of its colour, bright letters
    assert (drawn[:40] == value).all()


class Letters:
    """A font of 10 pixel squares: a label of n letters is 10 n + 6 wide and 15 high."""

    size = 10

    def getlength(self, text):
        return 10 * len(text)


def test_labels_keep_inside_and_apart():
    # the same box three times, at the upper border: above is no room
    taken = np.zeros((0, 4))
    for _ in range(3):
        place = _place("abc", (10, 0, 99, 60), Letters(), (200, 100), taken)
        assert (place[:2] >= 0).all() and place[2] <= 200 and place[3] <= 100
        overlap = np.minimum(taken[:, 2:], place[2:]) - np.maximum(taken[:, :2], place[:2])
        assert not (overlap > 0).all(1).any()
        taken = np.vstack([taken, place])
    assert taken[0].tolist() == [10, 61, 46, 76]  # below the box, at its left edge


def test_a_label_wider_than_the_picture_starts_at_its_edge():
    assert _place("abcdefgh", (3, 3, 9, 9), Letters(), (20, 40), np.zeros((0, 4)))[0] == 0


def test_colours_differ():
    colors = [class_color(k) for k in range(40)]
    assert len(set(colors)) == 40
    assert all(isinstance(channel, int) and 0 <= channel <= 255 for color in colors for channel in color)
    grey = np.array(colors) @ (0.299, 0.587, 0.114)
    assert (grey < 200).all()  # all visible on white paper


def test_montage_places_pictures_in_rows_of_cells():
    black, wide = blank(50, 50, 0), blank(10, 100, 0)
    sheet = montage([black, black, wide], columns=2, cell=(40, 30))
    assert sheet.shape == (60, 80, 3)
    assert (sheet[15, 20] == 0).all() and (sheet[15, 60] == 0).all() and (sheet[45, 20] == 0).all()
    assert (sheet[45, 60] == 255).all()  # the fourth cell is empty
    assert (sheet[36, 20] == 255).all()  # the wide picture keeps its shape: 32 x 3 pixels in the middle


@pytest.mark.parametrize("images, columns", [([], 2), ([blank()], 0)])
def test_an_empty_montage_is_refused(images, columns):
    with pytest.raises(ValueError, match="needs pictures"):
        montage(images, columns)


def test_legend_stands_above_and_names_its_colours():
    image = blank(100, 300, 7)
    drawn = add_legend(image, "a/very/long/" + "x" * 200, [(RED, "3 missed"), ((0, 0, 200), "1 false")])
    height = drawn.shape[0] - 100
    assert height > 0 and (drawn[height:] == image).all()
    strip = drawn[:height].reshape(-1, 3)
    assert (strip == RED).all(-1).sum() > 50 and (strip == (0, 0, 200)).all(-1).sum() > 50


def test_legend_breaks_lines_on_a_narrow_picture():
    entries = [(RED, "word word word")] * 3
    assert len(add_legend(blank(10, 150), "t", entries)) > len(add_legend(blank(10, 900), "t", entries))


def test_resize_keeps_a_pixel():
    assert resize(blank(10, 1000), 0.01).shape == (1, 10, 3)


@pytest.mark.parametrize("name, kind", [("a.png", "PNG"), ("b.jpg", "JPEG")])
def test_saved_pictures_can_be_read(tmp_path, name, kind):
    save_image(tmp_path / "new" / name, blank(20, 30, 128))
    with Image.open(tmp_path / "new" / name) as image:
        assert image.format == kind and image.size == (30, 20)
        assert abs(np.asarray(image).astype(int) - 128).max() <= 2


def test_a_jpeg_too_long_for_its_format_is_shrunk(tmp_path):
    for name, height in (("a.jpg", JPEG_EDGE), ("b.jpg", 131_000), ("c.png", 131_000)):
        save_image(tmp_path / name, blank(height, 8, 128))
    sizes = [Image.open(tmp_path / name).size for name in ("a.jpg", "b.jpg", "c.png")]
    assert sizes == [(8, 65_500), (4, 65_500), (8, 131_000)]


def test_lines_and_letters_fit_a_long_and_narrow_picture():
    assert [line_width(size) for size in ((2000, 1500), (100, 80), (100, 66_000), (66_000, 100))] == [4, 2, 5, 5]
    # letters for its height would be of 15,151 pixels, for which Pillow raises
    drawn = draw_boxes(blank(1_000_000, 30), [[2, 10, 28, 900]], ["Table 0.50"], RED)
    assert tuple(drawn[10, 15]) == RED and tuple(drawn[450, 15]) == WHITE


def test_masks_tint_what_they_cover():
    image = np.full((4, 6, 3), 100, np.uint8)
    mask = np.zeros((4, 6), bool)
    mask[1, 2] = True
    tinted = draw_masks(image, [mask], [(200, 0, 100)], opacity=0.5)
    assert tinted[1, 2].tolist() == [150, 50, 100]
    assert (tinted != image).any(-1).sum() == 1 and (image == 100).all()


def test_quads_are_outlined_with_a_dot_on_their_first_corner():
    image = np.full((40, 60, 3), 255, np.uint8)
    quad = np.array([[10, 10], [50, 10], [50, 30], [10, 30]])
    drawn = draw_quads(image, [quad, np.full((4, 2), np.nan)], [(0, 0, 200)] * 2, width=1)
    assert drawn[10, 30].tolist() == drawn[30, 30].tolist() == [0, 0, 200] and drawn[20, 30].tolist() == [255] * 3
    near = (drawn == (0, 0, 200)).all(-1)
    assert near[8:13, 8:13].sum() > near[28:33, 48:53].sum() + 3
