import hashlib
import json

import pytest

from dense_det.config import load_cfg
from dense_det.deploy.facts import LICENCE, build_facts, find_points, thresholds_of
from dense_det.deploy.graph import deploy_graph
from dense_det.engine.model import build_model

POINTS = {"a": {"threshold": 0.3}, "b": None, "c": {"threshold": 0.5}, "d": {"threshold": 0.8}}


def test_thresholds_by_hand():
    assert thresholds_of(POINTS, ["a", "b", "c", "d"]) == [0.3, 0.5, 0.5, 0.8]
    assert thresholds_of({}, ["a", "b"]) == [0.5, 0.5]


def test_the_evaluation_of_these_classes(tmp_path):
    assert find_points(tmp_path / "w.pth", ()) == ("", {})
    for name, points in (("one", {"x": None}), ("two", POINTS)):
        (tmp_path / "evaluation" / name).mkdir(parents=True)
        (tmp_path / "evaluation" / name / "thresholds.json").write_text(json.dumps(points))
    assert find_points(tmp_path / "w.pth", ["a", "b", "c", "d"]) == ("evaluation/two/thresholds.json", POINTS)
    assert find_points(tmp_path / "w.pth", ["d", "c", "b", "a"]) == ("", {})


def test_a_damaged_evaluation_is_named(tmp_path):
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "thresholds.json").write_text("{")
    with pytest.raises(ValueError, match="evaluation/thresholds.json: not JSON"):
        find_points(tmp_path / "model.pth", ())


def test_of_several_evaluations_the_first_test_set_s(tmp_path):
    for number, name in enumerate(("a_val", "b_val", "z_val")):
        (tmp_path / "evaluation" / name).mkdir(parents=True)
        text = json.dumps({"x": {"threshold": number / 10}})
        (tmp_path / "evaluation" / name / "thresholds.json").write_text(text)
    for config in (None, "", "DATASETS: {TEST: []}", "DATASETS: {TEST: [unlabelled]}", "{"):
        if config is not None:
            (tmp_path / "config.yaml").write_text(config)
        with pytest.raises(ValueError, match=r"several data sets \(a_val, b_val, z_val\), and none .* DATASETS.TEST"):
            find_points(tmp_path / "w.pth", ())
    (tmp_path / "config.yaml").write_text("DATASETS: {TEST: [z_val, a_val]}")
    assert find_points(tmp_path / "w.pth", ()) == ("evaluation/z_val/thresholds.json", {"x": {"threshold": 0.2}})
    (tmp_path / "evaluation" / "thresholds.json").write_text(json.dumps({"x": None}))
    assert find_points(tmp_path / "w.pth", ()) == ("evaluation/thresholds.json", {"x": None})


def test_the_only_evaluation_is_the_one(tmp_path):
    (tmp_path / "evaluation" / "cards").mkdir(parents=True)
    (tmp_path / "evaluation" / "cards" / "thresholds.json").write_text(json.dumps(POINTS))
    assert find_points(tmp_path / "w.pth", ()) == ("evaluation/cards/thresholds.json", POINTS)


def test_the_config_s_digest_tells_what_it_is_not_where(make_config, tmp_path, monkeypatch):
    (tmp_path / "w.pth").write_bytes(b"weights")
    file = make_config("retinanet")
    monkeypatch.chdir(tmp_path)

    def digest(*words):
        cfg = load_cfg(file, ["MODEL.WEIGHTS", "w.pth", *words])
        return build_facts(cfg, file, ["a", "b", "c"], "1.2")["config_sha256"]

    assert digest() == digest("MODEL.WEIGHTS", str(tmp_path / "w.pth"), "MODEL.DEVICE", "cuda", "OUTPUT_DIR", "x")
    assert digest() != digest("INPUT.MIN_SIZE_TEST", "97")


def test_the_licence_is_that_of_the_card(make_config, tmp_path):
    (tmp_path / "w.pth").write_bytes(b"weights")
    file = make_config("retinanet")
    cfg = load_cfg(file, ["MODEL.WEIGHTS", str(tmp_path / "w.pth")])

    def licence(*words):
        return build_facts(cfg, file, ["a", "b", "c"], "1.2", *words)["licence"]

    assert licence() == LICENCE and licence("pages: CC-BY-4.0") == f"{LICENCE} pages: CC-BY-4.0"
    (tmp_path / "CARD.md").write_text("# a\n- no\n\n## Licence\n\nApache.\n\n- data: X\n- weights: Y\n\n## More\n- z\n")
    assert licence() == f"{LICENCE} data: X; weights: Y" and licence("Z") == f"{LICENCE} Z"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("retinanet", ["MODEL.RETINANET.NMS_THRESH_TEST", 0.4, "TEST.DETECTIONS_PER_IMAGE", 1000]),
        ("fcos", ["MODEL.FCOS.NMS_TH", 0.4, "MODEL.FCOS.POST_NMS_TOPK_TEST", 1000]),
    ],
)
def test_what_goes_into_suppression_and_what_it_leaves_of_an_image(make_config, tmp_path, kind, words):
    """Also what the graph is built with."""
    (tmp_path / "w.pth").write_bytes(b"weights")
    file = make_config(kind)
    cfg = load_cfg(file, ["MODEL.WEIGHTS", str(tmp_path / "w.pth"), *words])
    facts, graph = build_facts(cfg, file, ["a", "b", "c"], "1.2"), deploy_graph(build_model(cfg).eval())
    assert (facts["nms_iou"], facts["detections_per_image"]) == (graph.nms_iou, graph.most) == (0.4, 1000)
    assert facts["candidates_per_level"] == {"retinanet": 200, "fcos": 40}[kind]


def test_facts(make_config, tmp_path):
    (tmp_path / "w.pth").write_bytes(b"weights")
    file = make_config("retinanet")
    cfg = load_cfg(file, ["MODEL.WEIGHTS", str(tmp_path / "w.pth")])
    facts = json.loads(json.dumps(build_facts(cfg, file, ["a", "b", "c"], "1.2")))
    assert facts["classes"] == ["a", "b", "c"] and facts["thresholds"] == [0.5] * 3 and facts["thresholds_from"] == ""
    assert (facts["min_size"], facts["max_size"], facts["dense_det"]) == (96, 160, "1.2")
    assert (
        facts["precision"] == "float32"
        and facts["least_score"] == 0.05
        and not facts["masks"]
        and "masks" not in facts["outputs"]
    )
    assert facts["weights_sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert (facts["config"], facts["weights"]) == ("retinanet.yaml", "w.pth")
    with pytest.raises(ValueError, match="3 classes, but 2 names: a, b"):
        build_facts(cfg, file, ["a", "b"], "1.2")
    with pytest.raises(ValueError, match="no names: .*give --classes"):
        build_facts(cfg, file, [], "1.2")
    file = make_config("centermask")
    facts = build_facts(load_cfg(file, ["MODEL.WEIGHTS", str(tmp_path / "w.pth")]), file, ["a", "b", "c"], "1.2")
    assert facts["masks"] and facts["quads"] and "masks float32 (R, S, S)" in facts["outputs"]
