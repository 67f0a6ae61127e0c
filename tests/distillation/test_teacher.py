"""The teacher of a config: all that the network sees, in pixels of the image, and who it is."""

import numpy as np
import pytest
import torch
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances

from dense_det.centermask.fcos_inference import Selection, select_boxes
from dense_det.config import find_config, get_cfg, load_cfg
from dense_det.distillation.class_table import DROPPED
from dense_det.distillation.labelling import Labeller
from dense_det.distillation.teacher import DetectorTeacher, Identity, build_teacher
from dense_det.distillation.views import OWN_SIZE, View

WHO = Identity("detectron2", "c", "w", "model.pth")


class RedFinder(torch.nn.Module):
    """Finds the red rectangle of a BGR image, and something of class 1 in the corner."""

    def forward(self, batch):
        (record,) = batch
        image = record["image"]
        assert image.shape[1:] == (record["height"], record["width"])
        rows, columns = torch.nonzero(image[2] > 128, as_tuple=True)
        found = Instances(tuple(image.shape[1:]))
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        found.pred_boxes = Boxes(torch.tensor([box, [0, 0, 4, 4]], dtype=torch.float32))
        found.scores, found.pred_classes = torch.tensor([0.8, 0.02]), torch.tensor([0, 1])
        return [{"instances": found}]


@pytest.fixture
def image():
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[40:60, 20:80] = (255, 0, 0)
    return pixels


@pytest.mark.parametrize("view", [View(100), View(100, True), View(50, True), View(200), View(OWN_SIZE)], ids=str)
def test_boxes_come_back_to_the_image(image, view):
    teacher = DetectorTeacher(RedFinder(), ("red", "corner"), "BGR", 100, 1000, (View(100),), WHO)
    boxes, scores, classes = teacher.find(image, view)
    assert np.allclose(boxes[0], [20, 40, 80, 60]) and scores[0] == pytest.approx(0.8) and classes.tolist() == [0, 1]


@pytest.mark.parametrize("size", [(1, 1), (300, 1), (1, 300)])
def test_lines_and_points(size):
    teacher = DetectorTeacher(RedFinder(), ("red", "corner"), "RGB", 100, 1000, (View(100),), WHO)
    image = np.full((*size, 3), 255, np.uint8)
    for view in (View(OWN_SIZE), View(OWN_SIZE, True), View(50, True)):
        boxes, _, _ = teacher.find(image, view)
        assert np.allclose(boxes[0], [0, 0, *size[::-1]])


def test_labeller_by_hand(image):
    views = (View(50), View(100, True))
    teacher = DetectorTeacher(RedFinder(), ("red", "corner"), "BGR", 100, 1000, views, WHO)
    tables = (np.array([1, 0]),)
    found = Labeller((teacher,), (views,), tables, ("a", "b"), "wbf", 0.55, 0.05, 10).label(image, 7)
    assert found.image_id == 7 and found.classes.tolist() == [1] and found.votes.tolist() == [1]
    assert np.allclose(found.boxes, [[20, 40, 80, 60]]) and found.scores == pytest.approx([0.8])
    assert found.spread == pytest.approx([0], abs=1e-6) and found.boxes.dtype == np.float32
    everything = Labeller((teacher,), (views,), tables, ("a", "b"), "nms", 0.5, 0.01, 10).label(image, 7)
    assert everything.classes.tolist() == [1, 0, 0], "the corner moves with the mirror"
    assert everything.votes.tolist() == [1, 0.5, 0.5]
    assert len(Labeller((teacher,), (views,), tables, ("a", "b"), "nms", 0.5, 0.01, 1).label(image, 7)) == 1
    larger = Labeller((teacher,), (views,), tables, ("a", "b"), "wbf", 0.55, 0.05, 10).label(image, 7, (200, 400))
    assert np.allclose(larger.boxes, [[40, 80, 160, 120]]) and larger.scores == found.scores
    dropped = Labeller((teacher,), (views,), (np.array([-1, 0]),), ("a",), "nms", 0.5, 0.05, 9).label(image, 7)
    assert len(dropped) == 0


def test_a_teacher_without_a_class_says_nothing_against_it(image):
    teacher = DetectorTeacher(RedFinder(), ("red", "corner"), "BGR", 100, 1000, (View(50),), WHO)
    tables = (np.array([1, 0]), np.array([DROPPED, 0]))  # the second one's "red" is none of ours
    pair = Labeller((teacher,) * 2, ((View(50),), (View(50), View(100))), tables, ("a", "b"), "wbf", 0.55, 0.01, 10)
    found = pair.label(image, 7)
    assert found.classes.tolist() == [1, 0] and np.allclose(found.boxes, [[20, 40, 80, 60], [0, 0, 8, 8]])
    # the red one: one view looks for it; the corner lies there in two of three
    assert found.votes.tolist() == pytest.approx([1, 2 / 3]) and found.scores.tolist() == pytest.approx([0.8, 0.04 / 3])


def test_the_manifest_tells_the_classes_and_what_became_of_them():
    teacher = DetectorTeacher(RedFinder(), ("red", "corner"), "BGR", 100, 1000, (View(50),), WHO)

    def manifest(classes, table):
        return Labeller((teacher,), ((View(50),),), (np.array(table),), classes, "wbf", 0.55, 0.05, 10).manifest()

    one = manifest(("a", "b"), [1, DROPPED])
    assert one.class_tables == [[["red", "b"], ["corner", None]]]
    assert len({one.sha256, manifest(("a", "b"), [0, 1]).sha256, manifest(("a", "b"), [1, 0]).sha256}) == 3
    assert one.differences(manifest(("a", "b"), [0, 1]))[0].startswith("class_tables: ")


class TwoBoxes:
    """Finds two things that overlap by 0.6, in two classes or in one; a detector's own suppression may allow it."""

    def __init__(self, classes):
        self.classes = np.array(classes)
        self.has_masks = False

    def find(self, image, view):
        return np.array([[0, 0, 40, 20], [10, 0, 50, 20.0]]), np.array([0.6, 0.9]), self.classes


@pytest.mark.parametrize(
    ("classes", "views", "table", "found"),
    [
        ([0, 0], 1, [0, 1], [([10, 0, 50, 20], 0.9, 0), ([0, 0, 40, 20], 0.6, 0)]),  # as the detector has them
        ([0, 0], 2, [0, 1], [([6, 0, 46, 20], 0.75, 0)]),  # (0.9 * 10 + 0.6 * 0) / 1.5 = 6
        ([0, 1], 1, [0, 0], [([6, 0, 46, 20], 0.75, 0)]),  # two classes that are one here: nobody suppressed across
        ([0, 1], 1, [0, -1], [([0, 0, 40, 20], 0.6, 0)]),
    ],
)
def test_one_view_of_one_teacher_is_not_fused(image, classes, views, table, found):
    own = tuple(View(10 * k) for k in range(1, views + 1))
    labeller = Labeller((TwoBoxes(classes),), (own,), (np.array(table),), ("a", "b"), "wbf", 0.55, 0.05, 10)
    labelled = labeller.label(image, 7)
    boxes, scores, kinds = zip(*found, strict=True)
    assert np.allclose(labelled.boxes, boxes) and np.allclose(labelled.scores, scores)
    assert labelled.classes.tolist() == list(kinds) and labelled.votes.tolist() == [1] * len(found)
    assert labeller.is_alone == (views == 1 and table != [0, 0])


def test_from_a_config(tmp_path):
    weights = tmp_path / "a.pth"
    weights.write_bytes(b"weights")
    cfg = get_cfg()
    cfg.MODEL.META_ARCHITECTURE = "DenseDetRetinaNet"
    cfg.MODEL.RETINANET.NUM_CLASSES = 2
    cfg.MODEL.WEIGHTS = str(weights)
    seen = []

    def load(cfg):
        seen.append(cfg.MODEL.RETINANET.SCORE_THRESH_TEST)
        return RedFinder()

    teacher = build_teacher(cfg, load, ("a", "b"), 0.03, 50)
    assert seen == [0.03] and cfg.MODEL.RETINANET.SCORE_THRESH_TEST == 0.05, "the user's config stays as it is"
    assert teacher.identity.kind == "detectron2" and teacher.identity.name == "a.pth"
    cfg.OUTPUT_DIR = "elsewhere"
    assert build_teacher(cfg, load, ("a", "b"), 0.03, 50).identity == teacher.identity
    cfg.MODEL.RETINANET.NMS_THRESH_TEST = 0.4
    assert build_teacher(cfg, load, ("a", "b"), 0.03, 50).identity.config_sha256 != teacher.identity.config_sha256
    with pytest.raises(ValueError, match="the network has 2 classes, but 1 names: a"):
        build_teacher(cfg, load, ("a",), 0.03, 50)


@pytest.mark.parametrize("with_quality", [True, False])
def test_the_floor_of_fcos_is_one_of_scores(tmp_path, with_quality):
    """A class of .04 and a quality of .9 score the root of .036, .19: more than a floor of .15, which both are below.

    A class of .03 and a quality of .5 score .12: where the class alone is compared it comes, too, for a Labeller to
    drop.
    """
    (tmp_path / "a.pth").write_bytes(b"weights")
    words = ["MODEL.FCOS.NUM_CLASSES", 2, "MODEL.WEIGHTS", str(tmp_path / "a.pth"), "MODEL.DEVICE", "cpu"]
    cfg = load_cfg(find_config("configs/fcos_vovnet.yaml"), [*words, "MODEL.FCOS.THRESH_WITH_CTR", with_quality])
    seen = []
    build_teacher(cfg, lambda cfg: seen.append(cfg.MODEL.FCOS) or RedFinder(), ("a", "b"), 0.15, 50)
    selection = Selection(seen[0].INFERENCE_TH_TEST, with_quality, 9, 0.5, 9, clip=True)
    logit = torch.logit(torch.tensor([[0.04, 0.9], [0.03, 0.5], [0.02, 0.9]]))
    points, sides = torch.tensor([[10.0, 10.0], [50.0, 50.0], [90.0, 90.0]]), torch.full((3, 4), 5.0)
    found = select_boxes([points], [logit[:, :1]], [sides], [logit[:, 1]], (99, 99), selection)
    scores = np.sqrt([0.04 * 0.9, 0.03 * 0.5])
    assert found.scores.numpy() == pytest.approx(scores[: 1 if with_quality else 2], abs=1e-5)


@pytest.mark.parametrize(
    "name", ["COCO-Detection/faster_rcnn_R_50_FPN_1x", "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x"]
)
def test_detectors_of_detectron2_s_zoo_are_teachers(tmp_path, image, name):
    (tmp_path / "a.pth").write_bytes(b"weights")
    small = ["MODEL.DEVICE", "cpu", "MODEL.ROI_HEADS.NUM_CLASSES", 2, "MODEL.ROI_BOX_HEAD.FC_DIM", 32]
    small += ["MODEL.FPN.OUT_CHANNELS", 32, "MODEL.ROI_MASK_HEAD.CONV_DIM", 16, "MODEL.RESNETS.DEPTH", 18]
    small += ["MODEL.RESNETS.RES2_OUT_CHANNELS", 64, "MODEL.WEIGHTS", str(tmp_path / "a.pth")]
    torch.manual_seed(0)
    teacher = build_teacher(
        load_cfg(find_config(f"{name}.yaml"), small), lambda cfg: build_model(cfg).eval(), ("a", "b"), 0.05, 7
    )
    assert teacher.has_masks == ("mask" in name)
    view = View(64, True)
    boxes, scores, classes = teacher.find(image, view)
    assert 0 < len(boxes) <= 7 and scores.min() >= 0.05 and set(classes.tolist()) <= {0, 1}
    labeller = Labeller((teacher,), ((view, View(96)),), (np.arange(2),), ("a", "b"), "wbf", 0.55, 0.05, 7)
    found = labeller.label(image, 3)
    assert len(found) > 0 and (found.boxes >= 0).all() and (found.boxes <= [200, 100, 200, 100]).all()
    assert (found.masks is not None) == teacher.has_masks and (not found.masks or len(found.masks) == len(found))
