"""A written file, run by onnxruntime: equal boxes at sizes that the export never saw."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dense_det import quad
from dense_det.deploy import runtime
from dense_det.deploy.export import export_onnx
from dense_det.deploy.parity import difference, found_by
from dense_det.deploy.quantise import quantise_onnx
from dense_det.deploy.runtime import Detector

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def exported(onnx_file):
    found = Detector(onnx_file, threads=1)
    found.path = onnx_file
    return found


def test_metadata_comes_back(exported, facts):
    assert exported.facts == facts and exported.classes[0] == "Täble"


def test_equal_boxes_at_any_size(exported, require_the_same):
    require_the_same(exported)


def test_equal_boxes_of_a_file_without_suppression(graph_of_candidates, require_the_same, noise, tmp_path):
    graph, facts = graph_of_candidates
    export_onnx(graph, tmp_path / "model.onnx", facts)
    exported = Detector(tmp_path / "model.onnx", threads=1)
    require_the_same(exported)
    image = noise(96, 128)
    plain = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(None, {"image": image[None]})
    assert len(plain[0]) > len(exported.run(image[None])[0]) and len({len(output) for output in plain}) == 1
    both = [exported.predict(image, 0.0), *Detector(tmp_path / "model.onnx", threads=2).predict_all([image], 0.0)]
    assert both[0].names == both[1].names and np.allclose(both[0].boxes, both[1].boxes, atol=1e-3)


def test_predict(exported, noise):
    boxes, scores, names, mask_scores, masks, _ = exported.predict(noise(192, 256))
    assert len(boxes) == len(scores) == len(names) > 0 and set(names) <= set(exported.classes)
    assert (boxes[:, 2:] <= [256, 192]).all() and boxes.max() > 128
    assert all(
        score >= exported.facts["thresholds"][exported.classes.index(name)] for score, name in zip(scores, names)
    )
    assert masks is None or (masks.shape == (len(boxes), 192, 256) and len(mask_scores) == len(boxes) and masks.any())


ALONE = """
import json, sys
sys.modules.update(dict.fromkeys(("torch", "torchvision", "detectron2", "dense_det", "fvcore", "yacs")))  # not there
from runtime import Detector
boxes, scores, names = Detector(sys.argv[1]).predict(sys.argv[2], threshold=0.0)[:3]
print(json.dumps([boxes.tolist(), scores.tolist(), names]))
"""


def test_where_neither_torch_nor_this_package_is(exported, detector, noise, tmp_path):
    """A copy of the runtime beside an image, in a process of its own, finds what the trainer finds."""
    for file in (runtime.__file__, quad.__file__):
        shutil.copy(file, tmp_path)
    pixels = noise(96, 128)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    words = [sys.executable, "-c", ALONE, exported.path, "a.png"]
    result = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    boxes, scores, names = json.loads(result.stdout)
    classes = np.array([exported.classes.index(name) for name in names])
    found = difference(found_by(detector, pixels)[:3], (np.array(boxes), np.array(scores), classes))
    assert found.both == len(boxes) > 10 and not found.only_one and found.box_px < 1e-3 and found.score < 1e-5


def test_several_images_at_once_are_found_as_one_is(exported, noise):
    images = [noise(96 + 8 * k, 128) for k in range(6)]
    for image, found in zip(images, Detector(exported.path, threads=3).predict_all(images, threshold=0.0), strict=True):
        alone = exported.predict(image, threshold=0.0)
        assert found.names == alone.names and len(found.boxes) > 3
        assert np.allclose(found.boxes, alone.boxes, atol=1e-3) and np.allclose(found.scores, alone.scores, atol=1e-5)


# the second is shown 100.5 pixels wide, which Python rounds to 100; the third at 0.072 of its size, 151.5 pixels wide;
# the last 489.5, and in the two steps of validation a little less
@pytest.mark.parametrize(
    ("size", "edges"), [((256, 192), (96, 160)), ((67, 64), (96, 160)), ((2104, 1333), (96, 160)),
                        ((979, 2666), (800, 1333)), ((256, 192), (0, 0))]
)  # fmt: skip
def test_plain_onnxruntime_as_readme_says(onnx_file, facts, noise, size, edges, tmp_path, monkeypatch, capsys):
    network = onnx.load(onnx_file)
    facts |= dict(zip(("min_size", "max_size"), edges, strict=True))
    onnx.helper.set_model_props(network, {runtime.KEY: json.dumps(facts)})
    onnx.save(network, tmp_path / "model_best.onnx")
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```\n(import json, numpy, onnxruntime\n.*?)```", readme, re.DOTALL)
    Image.fromarray(noise(96, 128)).resize(size).save(tmp_path / "scan.png")
    monkeypatch.chdir(tmp_path)
    exec(compile(code.replace("scan.jpg", "scan.png"), "README.md", "exec"), names := {})
    exported = Detector(tmp_path / "model_best.onnx", threads=1)
    assert names["shown"].size == exported.shown_size(*size[::-1])[::-1]
    assert size != (979, 2666) or names["shown"].size == (489, 1333)
    found = exported.predict(tmp_path / "scan.png", masks=False)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(found.boxes) > 0
    for line, box, score, name in zip(lines, *found[:3], strict=True):
        words = re.sub(r"[\[\]]", " ", line).split()
        assert words[0] == name and float(words[1]) == pytest.approx(score)
        assert [float(word) for word in words[2:]] == pytest.approx(box, abs=1e-3)


def test_eight_bits_find_nearly_the_same(exported, apart, facts, noise, tmp_path, caplog, capfd, recwarn):
    images = [noise(height, width) for height, width in [(96, 128), (97, 131), (120, 96)]]
    facts |= {"precision": "int8"}
    quantise_onnx(exported.path, tmp_path / "int8.onnx", [pixels[None] for pixels in images], facts)
    # the quantiser's advice is not what our user can follow
    assert not caplog.records and "WARNING" not in capfd.readouterr().err
    assert not [each for each in recwarn if each.category is RuntimeWarning]
    weights = [
        onnx.numpy_helper.to_array(each)
        for each in onnx.load(tmp_path / "int8.onnx").graph.initializer
        if each.data_type == onnx.TensorProto.INT8
    ]
    kernels = [each for each in weights if each.ndim == 4]
    # two products with activations of 255 fit in 16 bits: not with 127
    assert kernels and max(np.abs(each.astype(int)).max() for each in kernels) == 64
    eight = Detector(tmp_path / "int8.onnx", threads=1)
    assert eight.facts == facts and "precision" not in exported.facts
    total = apart(eight, images)
    # weights are random, and so are their scores; trained ones are judged by AP when a file is exported
    assert 2 * total.both > total.only_one and 0 < total.score < 0.4 and total.mask < 0.4
