import numpy as np
import pytest
from detectron2.data import transforms as T
from hypothesis import given, settings
from hypothesis import strategies as st

from dense_det.config import get_cfg
from dense_det.data.augmentation import (
    CanvasTransform,
    ColorTransform,
    RandomColor,
    ResizeOntoCanvas,
    build_augmentation,
)
from dense_det.data.scan_wear import RandomScanWear, ScanWearTransform

NOISY = np.random.RandomState(0).randint(0, 256, (120, 90, 3), dtype=np.uint8)


def page_cfg(**augment):
    cfg = get_cfg()
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MAX_SIZE_TRAIN, cfg.INPUT.RANDOM_FLIP = (64,), 100, "none"
    cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST = 64, 100
    for key, value in augment.items():
        cfg.INPUT.AUGMENT[key] = value
    return cfg


def augmented(cfg, image, seed=0, is_train=True):
    np.random.seed(seed)
    given = T.AugInput(image)
    transforms = T.AugmentationList(build_augmentation(cfg, is_train))(given)
    return given.image, transforms


STRONG = dict(SCALE_RANGE=[0.5, 2.0], SHIFT=0.2, BRIGHTNESS=0.3, CONTRAST=0.3, SATURATION=0.3, SCAN_WEAR=1.0)


@pytest.mark.parametrize("shape", [(120, 90), (90, 120), (300, 40), (40, 50)])
def test_resize_gives_detectron2s_pixels(shape):
    image = np.random.RandomState(1).randint(0, 256, (*shape, 3), dtype=np.uint8)
    theirs = T.ResizeShortestEdge([64], 100, "choice").get_transform(image).apply_image(image)
    ours, _ = augmented(page_cfg(), image)
    assert ours.shape == theirs.shape and ours.dtype == np.uint8
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_a_resized_image_has_its_channels_last():
    resized = CanvasTransform((60, 90), (40, 60), (40, 60), (0, 0)).apply_image(np.zeros((60, 90, 3), np.uint8))
    assert resized.shape == (40, 60, 3) and resized.flags.c_contiguous


def test_bgr_views_and_read_only_arrays_are_resized_alike():
    view, read_only = NOISY[:, :, ::-1], NOISY.copy()
    read_only.setflags(write=False)
    resize = CanvasTransform((120, 90), (60, 45), (60, 45), (0, 0))
    np.testing.assert_array_equal(resize.apply_image(view), resize.apply_image(NOISY)[:, :, ::-1])
    np.testing.assert_array_equal(resize.apply_image(read_only), resize.apply_image(NOISY))


def test_zero_strengths_are_the_plain_resize():
    train, _ = augmented(page_cfg(), NOISY)
    test, _ = augmented(page_cfg(), NOISY, is_train=False)
    np.testing.assert_array_equal(train, test)
    assert len(build_augmentation(page_cfg(), True)) == 1


def test_an_image_of_the_right_size_is_left_alone():
    image = NOISY[:, :64]
    cfg = page_cfg()
    cfg.INPUT.MAX_SIZE_TRAIN = 120
    np.testing.assert_array_equal(augmented(cfg, image)[0], image)


def test_the_seed_decides_everything():
    first, again, other = (augmented(page_cfg(**STRONG), NOISY, seed)[0] for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_augmented_images_keep_the_size_without_augmentation():
    sizes = {augmented(page_cfg(**STRONG), NOISY, seed)[0].shape for seed in range(20)}
    assert sizes == {(85, 64, 3)}  # 64 / 90 * 120 = 85.3


def find_dark(image):
    """xyxy of the pixels nearer to black than to white."""
    rows, columns = np.nonzero(image.mean(axis=2) < 128)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


@pytest.mark.parametrize("flip", ["none", "horizontal", "vertical"])
def test_boxes_follow_the_pixels(flip):
    image = np.full((400, 300, 3), 255, np.uint8)
    box = np.array([[90, 150, 210, 260]])
    image[150:260, 90:210] = 0
    cfg = page_cfg(SCALE_RANGE=[0.5, 1.6], SHIFT=0.15, BRIGHTNESS=0.1)
    cfg.INPUT.RANDOM_FLIP = flip
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MAX_SIZE_TRAIN = (150, 200), 300
    cfg.INPUT.MIN_SIZE_TRAIN_SAMPLING = "range"
    places = []
    for seed in range(30):
        result, transforms = augmented(cfg, image, seed)
        height, width = result.shape[:2]
        expected = transforms.apply_box(box)[0].clip(0, [width, height, width, height])
        np.testing.assert_allclose(find_dark(result), expected, atol=1)
        places.append(tuple(expected.round()))
    assert len(set(places)) > 20


def test_masks_follow_the_pixels():
    mask = np.zeros((100, 80), np.uint8)
    mask[20:60, 30:70] = 1
    move = CanvasTransform((100, 80), (50, 40), (25, 20), (15, 5))
    result = move.apply_segmentation(mask)
    assert result.shape == (50, 40)
    # a quarter of the size, then 15 to the right and 5 down
    rows, columns = np.nonzero(result)
    found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(found, [22.5, 10, 32.5, 20], atol=1)
    assert set(np.unique(result)) == {0, 1}


@settings(deadline=None, max_examples=40)
@given(
    source=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    page=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    corner=st.tuples(st.integers(-200, 200), st.integers(-200, 200)),
)
def test_coordinates_of_corners_and_centre(source, page, corner):
    move = CanvasTransform(source, (100, 100), page, corner)
    (h, w), (page_h, page_w), (x, y) = source, page, corner
    points = np.array([[0.0, 0.0], [w, h], [w / 2, h / 2]])
    expected = [[x, y], [x + page_w, y + page_h], [x + page_w / 2, y + page_h / 2]]
    np.testing.assert_allclose(move.apply_coords(points), expected)
    np.testing.assert_array_equal(points[0], [0, 0])  # the input is not changed in place


@settings(deadline=None, max_examples=25)
@given(canvas=st.integers(1, 40), page=st.integers(10, 60), corner=st.integers(-70, 70))
def test_uncovered_canvas_has_the_border_colour(canvas, page, corner):
    image = np.full((10, 10, 3), (200, 220, 240), np.uint8)
    image[3:7, 3:7] = 0
    result = CanvasTransform((10, 10), (canvas, canvas), (page, page), (corner, corner)).apply_image(image)
    assert result.shape == (canvas, canvas, 3)
    outside = np.ones(canvas, bool)
    outside[max(corner, 0) : max(corner + page, 0)] = False
    assert (result[outside] == (200, 220, 240)).all()


def test_color_map_by_hand():
    image = np.array([[[10, 20, 30]]], np.uint8)
    halved = ColorTransform(np.eye(3) * 0.5, np.array([1.0, 2.0, 3.0])).apply_image(image)
    assert halved[0, 0].tolist() == [6, 12, 18]


def drawn(augmentation, image, seed=0):
    np.random.seed(seed)
    return augmentation.get_transform(image).apply_image(image)


def test_brightness_scales_contrast_keeps_the_mean_saturation_keeps_grey():
    for seed in range(5):
        np.random.seed(seed)
        factor = 1 + np.random.uniform(-0.4, 0.4)
        np.testing.assert_allclose(
            drawn(RandomColor(brightness=0.4), NOISY, seed), (NOISY * factor).clip(0, 255), atol=0.51
        )
    calm = (NOISY // 4 + 96).astype(np.uint8)
    contrast = drawn(RandomColor(contrast=0.5), calm)
    luma = np.array([0.114, 0.587, 0.299])  # BGR
    assert abs((contrast @ luma).mean() - (calm @ luma).mean()) < 0.5
    assert abs(contrast.std() / calm.std() - 1) > 0.05
    grey = np.repeat(NOISY[:, :, :1], 3, axis=2)
    np.testing.assert_array_equal(drawn(RandomColor(saturation=0.9), grey), grey)


def test_saturation_knows_the_channel_order():
    bgr = drawn(RandomColor(saturation=0.9, channel_order="BGR"), NOISY)
    rgb = drawn(RandomColor(saturation=0.9, channel_order="RGB"), NOISY[:, :, ::-1])
    np.testing.assert_array_equal(bgr, rgb[:, :, ::-1])


def test_no_wear_is_the_identity():
    np.testing.assert_array_equal(ScanWearTransform().apply_image(NOISY), NOISY)


def test_each_wear_does_what_it_says():
    white = np.full((60, 80, 3), 255, np.uint8)
    black = np.zeros_like(white)
    assert (ScanWearTransform(paper=(0.8, 0.9, 1.0)).apply_image(white) == (204, 230, 255)).all()
    assert (ScanWearTransform(ink=40).apply_image(black) == 40).all()
    assert (ScanWearTransform(gamma=2.0).apply_image(white // 2) == 63).all()  # (127 / 255)^2 * 255 = 63.25
    light = ScanWearTransform(light=0.2, light_angle=0.0).apply_image(white)
    assert light[:, 0].min() >= 254 and light[:, -1].max() <= 205 and (np.diff(light[0, :, 0].astype(int)) <= 0).all()
    noisy = ScanWearTransform(noise=5, noise_seed=1).apply_image(white // 2).astype(float)
    assert 4.5 < noisy.std() < 5.5 and abs(noisy.mean() - 127) < 0.5
    assert ScanWearTransform(blur=1.0).apply_image(NOISY).std() < 0.6 * NOISY.std()
    jpeg = ScanWearTransform(jpeg_quality=30).apply_image(NOISY)
    assert jpeg.shape == NOISY.shape and 0 < np.abs(jpeg.astype(int) - NOISY).mean() < 80


def test_wear_comes_with_its_probability_and_moves_nothing():
    worn = 0
    np.random.seed(0)
    for _ in range(200):
        transform = RandomScanWear(0.3).get_transform(NOISY)
        worn += isinstance(transform, ScanWearTransform)
        points = np.array([[1.5, 2.5]])
        assert transform.apply_coords(points).tolist() == [[1.5, 2.5]]
    assert 40 < worn < 80


def test_print_stays_darker_than_paper_under_all_wear():
    page = np.full((80, 80, 3), 255, np.uint8)
    page[30:50, 20:60] = 0
    for seed in range(40):
        worn = drawn(RandomScanWear(1.0), page, seed).astype(float).mean(axis=2)
        assert worn[35:45, 25:55].mean() + 60 < worn[:20].mean()


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("INPUT.AUGMENT.SCALE_RANGE", [0.0, 1.0], "SCALE_RANGE"),
        ("INPUT.AUGMENT.SCALE_RANGE", [2.0, 1.0], "SCALE_RANGE"),
        ("INPUT.AUGMENT.SHIFT", 1.5, "SHIFT"),
        ("INPUT.AUGMENT.SCAN_WEAR", -0.1, "SCAN_WEAR"),
        ("INPUT.AUGMENT.CONTRAST", 2.0, "CONTRAST"),
        ("INPUT.RANDOM_FLIP", "horizontl", "did you mean 'horizontal'"),
        ("INPUT.FORMAT", "HSV", "Known: BGR, RGB"),
        ("INPUT.MIN_SIZE_TRAIN_SAMPLING", "rang", "did you mean 'range'"),
        ("INPUT.MIN_SIZE_TRAIN", (0,), "positive"),
    ],
)
def test_values_without_meaning_are_named(key, value, says):
    cfg = page_cfg()
    cfg.merge_from_list([key, value])
    with pytest.raises(ValueError, match=says):
        build_augmentation(cfg, is_train=True)


def test_range_sampling_needs_two_sizes():
    with pytest.raises(ValueError, match="needs one size, or"):
        ResizeOntoCanvas([320, 384, 448], 640, "range")


def test_crop_comes_before_the_resize():
    cfg = page_cfg()
    cfg.INPUT.CROP.ENABLED, cfg.INPUT.CROP.TYPE, cfg.INPUT.CROP.SIZE = True, "relative", [0.5, 0.5]
    result, _ = augmented(cfg, NOISY)
    assert result.shape == (85, 64, 3)
    assert isinstance(build_augmentation(cfg, True)[0], T.RandomCrop)


def test_focus_shows_the_whole_object_or_nothing_else():
    image = np.full((100, 80, 3), 255, np.uint8)
    small, wide = np.array([[60, 70, 78, 96]]), np.array([[2, 40, 79, 44]])  # at twice the size: 36 x 52 and 154 x 8
    resize = ResizeOntoCanvas([80], 100, scale_range=(2, 2), focus=1.0)
    corners = set()
    for seed in range(20):
        np.random.seed(seed)
        transform = resize.get_transform(image, small)
        x0, y0, x1, y1 = transform.apply_box(small)[0]
        assert 0 <= x0 and x1 <= 80 and 0 <= y0 and y1 <= 100
        corners.add(transform.corner)
        x0, _, x1, _ = resize.get_transform(image, wide).apply_box(wide)[0]
        assert x0 <= 0 and x1 >= 80
    assert len(corners) > 10  # not always in the middle


def test_focus_without_an_object_is_any_place():
    resize = ResizeOntoCanvas([80], 100, scale_range=(2, 2), focus=1.0)
    image = np.full((100, 80, 3), 255, np.uint8)
    for boxes in (None, np.zeros((0, 4))):
        x, y = resize.get_transform(image, boxes).corner
        assert -80 <= x <= 0 and -100 <= y <= 0


def test_size_0_leaves_test_images_as_they_are():
    cfg = page_cfg()
    cfg.INPUT.MIN_SIZE_TEST = 0
    assert build_augmentation(cfg, is_train=False) == []
