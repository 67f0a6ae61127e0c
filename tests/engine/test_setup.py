import json

import pytest
import torch
from detectron2.data import DatasetCatalog

from dense_det.engine.arguments import build_parser, parse
from dense_det.engine.setup import setup


def job(words):
    return setup(parse(build_parser(), words))


def test_classes_come_from_the_data_once(words, tmp_path):
    cfg = job(words(tmp_path)).cfg
    assert cfg.MODEL.RETINANET.NUM_CLASSES == cfg.MODEL.ROI_HEADS.NUM_CLASSES == 2
    assert cfg.is_frozen()


def test_a_machine_without_gpu_is_used_as_it_is(words, tmp_path):
    assert job(words(tmp_path, flags=["--num-procs", "1"])).cfg.MODEL.DEVICE == "cpu"
    if not torch.cuda.is_available():
        assert job(words(tmp_path)).cfg.MODEL.DEVICE == "cpu"


def test_a_frozen_norm_needs_weights(words, tmp_path):
    with pytest.raises(ValueError, match="FrozenBN without MODEL.WEIGHTS.*identity"):
        job(words(tmp_path, "MODEL.BOTTOM_UP.NORM", "FrozenBN"))
    (tmp_path / "weights.pth").touch()
    job(words(tmp_path, "MODEL.BOTTOM_UP.NORM", "FrozenBN", "MODEL.WEIGHTS", str(tmp_path / "weights.pth")))


def test_weights_are_looked_for_before_anything_starts(words, tmp_path):
    with pytest.raises(ValueError, match="--eval-only needs MODEL.WEIGHTS"):
        job(words(tmp_path, flags=["--eval-only"]))
    (tmp_path / "model_best.pth").touch()
    for flags in ([], ["--eval-only"]):
        with pytest.raises(FileNotFoundError, match="model_bets.pth'; did you mean 'model_best.pth'"):
            job(words(tmp_path, "MODEL.WEIGHTS", str(tmp_path / "model_bets.pth"), flags=flags))


def test_checkpoints_are_steps_apart(words, tmp_path):
    with pytest.raises(ValueError, match="CHECKPOINT_PERIOD is a number of steps from 1 on, got 0"):
        job(words(tmp_path, "SOLVER.CHECKPOINT_PERIOD", 0))


@pytest.mark.parametrize("option", [
    ("MODEL.BOTTOM_UP.ACTIVATION", "SiLU"), ("MODEL.RETINANET.BBOX_REG_WEIGHTS", "(1.0,1.0,2.0,2.0)"),
    ("MODEL.PIXEL_STD", "[2.0,2.0,2.0]"),
])  # fmt: skip
def test_weights_mean_what_they_did_in_training(words, tmp_path, option):
    (tmp_path / "config.yaml").write_text(job(words(tmp_path)).cfg.dump())
    (tmp_path / "model_best.pth").touch()
    best = ("MODEL.WEIGHTS", str(tmp_path / "model_best.pth"))
    job(words(tmp_path, *best, flags=["--eval-only"]))
    with pytest.raises(ValueError, match=f"were trained with other {option[0]} than this config gives"):
        job(words(tmp_path, *best, *option, flags=["--eval-only"]))


def test_classes_are_in_the_order_of_the_training(words, tmp_path):
    (tmp_path / "config.yaml").write_text(job(words(tmp_path)).cfg.dump())
    (tmp_path / "model_best.pth").touch()
    evaluate = words(tmp_path, "MODEL.WEIGHTS", str(tmp_path / "model_best.pth"), flags=["--eval-only"])
    for classes, message in (
        (["red", "blue"], None),
        (["blue", "red"], r"trained on the classes .'blue', 'red'.*but the data"),
    ):
        (tmp_path / "run.json").write_text(json.dumps({"classes": classes}))
        if message is None:
            job(evaluate)
        else:
            with pytest.raises(ValueError, match=message):
                job(evaluate)


def test_a_test_set_without_objects_can_be_evaluated(words, pages, tmp_path):
    val = json.loads((pages / "val.json").read_text()) | {"annotations": []}
    (tmp_path / "val.json").write_text(json.dumps(val))
    (tmp_path / "model_best.pth").touch()
    command = words(tmp_path, "MODEL.WEIGHTS", str(tmp_path / "model_best.pth"), flags=["--eval-only"])
    command[command.index("--val-json") + 1] = str(tmp_path / "val.json")
    job(command)
    command.remove("--eval-only")
    with pytest.raises(ValueError, match="no-annotations"):
        job(command)


def test_a_second_training_does_not_run_over_the_first(words, tmp_path):
    (tmp_path / "model_0000009.pth").write_bytes(b"of the first")
    with pytest.raises(ValueError, match="already holds a training: --resume"):
        job(words(tmp_path))
    job(words(tmp_path, flags=["--resume"]))


def test_classes_of_training_and_validation_must_agree(words, pages, tmp_path):
    val = json.loads((pages / "val.json").read_text())
    val["categories"][1]["name"] = "green"
    (tmp_path / "val.json").write_text(json.dumps(val))
    command = words(tmp_path)
    command[command.index("--val-json") + 1] = str(tmp_path / "val.json")
    with pytest.raises(ValueError, match="'blue'.*'green'"):
        job(command)


def test_data_with_errors_are_refused_with_the_findings(words, pages, tmp_path):
    train = json.loads((pages / "train.json").read_text())
    train["annotations"][3]["bbox"][2] = -5
    (tmp_path / "train.json").write_text(json.dumps(train))
    command = words(tmp_path)
    command[command.index("--train-json") + 1] = str(tmp_path / "train.json")
    with pytest.raises(ValueError, match="(?s)-5.*--fix OUT"):
        job(command)
    job([*command, "DATASETS.CHECK", "False"])


def test_misspelt_data_sets_and_missing_files_are_answered(pages, tmp_path, words):
    base = ["--config-file", str(pages / "tiny.yaml"), "OUTPUT_DIR", str(tmp_path)]
    with pytest.raises(ValueError, match="did you mean 'coco_2017_train'"):
        job([*base, "DATASETS.TRAIN", "('coco_2017_tran',)"])
    with pytest.raises(ValueError, match="give --train-json and --train-images"):
        job(base)
    command = words(tmp_path)
    command[command.index("--train-json") + 1] = str(pages / "trian.json")
    with pytest.raises(FileNotFoundError, match=r"trian\.json"):
        job(command)


def test_pseudo_labels_are_one_more_training_set(words, pages, tmp_path):
    labels = tmp_path / "pseudo.json"
    coco = json.loads((pages / "train.json").read_text())
    for annotation in coco["annotations"]:
        annotation["score"] = 0.5
    labels.write_text(json.dumps({"info": {"pseudo_labels": {}}, **coco}))
    flags = ["--pseudo-json", str(labels), "--pseudo-images", str(pages / "images")]
    cfg = job(words(tmp_path, "DATASETS.CHECK", "False", flags=flags)).cfg  # the same images: the check refuses
    assert cfg.DATASETS.TRAIN == (str(pages / "train.json"), str(labels))
    records = DatasetCatalog.get(str(labels))
    assert all(r["pseudo"] and a["score"] == 0.5 for r in records for a in r["annotations"])


def test_anchors_are_fitted_to_the_training_boxes(words, tmp_path):
    plain = job(words(tmp_path)).cfg.MODEL.ANCHOR_GENERATOR
    fitted = job(words(tmp_path, flags=["--fit-anchors"])).cfg.MODEL.ANCHOR_GENERATOR
    assert fitted.SIZES != plain.SIZES
    assert len({len(sizes) for sizes in fitted.SIZES}) == 1


def test_a_random_seed_is_drawn_once_for_a_run(words, tmp_path):
    first = job(words(tmp_path, "SEED", -1)).cfg
    assert first.SEED >= 0
    (tmp_path / "config.yaml").write_text(first.dump())
    assert job(words(tmp_path, "SEED", -1, flags=["--resume"])).cfg.SEED == first.SEED


def test_misspelt_parts_of_the_model_are_answered(words, tmp_path):
    with pytest.raises(ValueError, match="MODEL.META_ARCHITECTURE.*did you mean 'DenseDetRetinaNet'"):
        job(words(tmp_path, "MODEL.META_ARCHITECTURE", "DenseRetinaNet"))
    with pytest.raises(ValueError, match="MODEL.BACKBONE.NAME.*did you mean 'build_fpn_backbone'"):
        job(words(tmp_path, "MODEL.BACKBONE.NAME", "build_fpn"))
    with pytest.raises(ValueError, match="did you mean .*'V-39-eSE'"):
        job(words(tmp_path, "MODEL.BOTTOM_UP.VARIANT", "V-93-eSE"))
    with pytest.raises(ValueError, match="no norm named 'BM'. Known: BN, SyncBN"):
        job(words(tmp_path, "MODEL.FPN.NORM", "BM"))


def test_training_data_alone_train_without_evaluation(words, tmp_path):
    command = words(tmp_path)
    at = command.index("--val-json")
    assert job(command[:at] + command[at + 4 :]).cfg.DATASETS.TEST == ()


def test_weights_are_not_used_under_other_anchors(words, tmp_path):
    fitted = job(words(tmp_path, flags=["--fit-anchors"])).cfg
    (tmp_path / "config.yaml").write_text(fitted.dump())
    (tmp_path / "model_best.pth").write_bytes(b"")
    evaluate = words(tmp_path, "MODEL.WEIGHTS", tmp_path / "model_best.pth", flags=["--eval-only"])
    with pytest.raises(ValueError, match="other MODEL.ANCHOR_GENERATOR .* use --config-file .*config.yaml"):
        job(evaluate)
    evaluate[evaluate.index("--config-file") + 1] = str(tmp_path / "config.yaml")
    assert job(evaluate).cfg.MODEL.ANCHOR_GENERATOR == fitted.MODEL.ANCHOR_GENERATOR
    with pytest.raises(ValueError, match="repeat --fit-anchors"):
        job(words(tmp_path, flags=["--resume"]))
    job(words(tmp_path, flags=["--resume", "--fit-anchors"]))


FCOS = (
    "MODEL.META_ARCHITECTURE", "DenseDetCenterMask", "MODEL.PROPOSAL_GENERATOR.NAME", "DenseDetFCOS",
    "MODEL.ROI_HEADS.NAME", "DenseDetCenterROIHeads",
)  # fmt: skip
MASKS = ("MODEL.MASK_ON", True, "MODEL.ROI_HEADS.IN_FEATURES", "['p3','p4','p5']")


def test_a_mask_head_wants_masks(words, pages, tmp_path):
    with pytest.raises(ValueError, match=r"no object of .*train\.json has a segmentation: MODEL.MASK_ON False"):
        job(words(tmp_path, *FCOS, *MASKS))
    assert job(words(tmp_path, *FCOS)).cfg.MODEL.FCOS.NUM_CLASSES == 2
    train = json.loads((pages / "train.json").read_text())
    x, y, w, h = train["annotations"][3]["bbox"]
    train["annotations"][3]["segmentation"] = [[x, y, x + w, y, x + w, y + h]]
    (tmp_path / "train.json").write_text(json.dumps(train))
    command = words(tmp_path / "out", *FCOS, *MASKS)
    command[command.index("--train-json") + 1] = str(tmp_path / "train.json")
    job(command)  # one is enough: the others have a box alone


def test_fcos_has_no_anchors_to_fit(words, tmp_path):
    with pytest.raises(ValueError, match="no anchors to fit"):
        job(words(tmp_path, *FCOS, flags=["--fit-anchors"]))


def test_all_boxes_may_be_wanted(words, tmp_path):
    assert job(words(tmp_path, "TEST.DETECTIONS_PER_IMAGE", -1)).cfg.TEST.DETECTIONS_PER_IMAGE == -1


def test_data_that_were_moved_are_named(words, tmp_path):
    command = words(tmp_path, "DATASETS.TEST", f"('{tmp_path}/moved.json',)")
    at = command.index("--val-json")
    with pytest.raises(FileNotFoundError, match="moved.json: it, or the folder .* give .*--val-json"):
        job(command[:at] + command[at + 4 :])


def test_masks_are_judged_where_there_are_some(words, tmp_path):
    with pytest.raises(ValueError, match="TEST.BEST_METRIC is segm/AP, but MODEL.MASK_ON is False.*bbox/AP"):
        job(words(tmp_path, "TEST.BEST_METRIC", "segm/AP"))


def test_distances_keep_their_meaning(words, tmp_path):
    (tmp_path / "config.yaml").write_text(job(words(tmp_path, *FCOS)).cfg.dump())
    (tmp_path / "model_best.pth").write_bytes(b"")
    evaluate = [*FCOS, "MODEL.WEIGHTS", tmp_path / "model_best.pth"]
    job(words(tmp_path, *evaluate, flags=["--eval-only"]))
    with pytest.raises(ValueError, match="other MODEL.FCOS.USE_RELU or IN_FEATURES"):
        job(words(tmp_path, *evaluate, "MODEL.FCOS.USE_RELU", False, flags=["--eval-only"]))
