import json
import os

import pytest

from dense_det.evaluation.quotation import CHOSEN, quote_run

METRICS = {"images": 1200, "ground_truth": 3456, "bbox/AP": 36.26, "bbox/AP50": 66.94, "bbox/AP75": 33.49}
FACTS = {"cpu": "Some CPU (avx2)", "threads": 2, "processes": 1, "git": "0123456789abcdef", "seconds": 90.0}


@pytest.fixture
def run(tmp_path):
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "metrics.json").write_text(json.dumps(METRICS))
    (tmp_path / "evaluation" / "per_class.md").write_text("| class |\n| --- |\n")
    (tmp_path / "run.json").write_text(json.dumps(FACTS))
    return tmp_path


def test_by_hand(run):
    assert quote_run(run) == (
        "boxes: AP 36.3, AP50 66.9, AP75 33.5.\n\n| class |\n| --- |\n\n"
        "1,200 images, 3,456 objects, Some CPU (avx2), 2 threads, 1.5 minutes, commit 012345678. "
        "Thresholds are those of the best F1 on these images: precision, recall, F1 and corners owe something to that."
    )


def test_masks_and_corners(run):
    more = {"segm/AP": 46.19, "segm/AP50": None, "segm/AP75": 54.55, "quad/IoU": 55.8, "quad/first_corner": 67.6}
    (run / "evaluation" / "metrics.json").write_text(json.dumps(METRICS | more))
    assert quote_run(run).splitlines()[0] == (
        "boxes: AP 36.3, AP50 66.9, AP75 33.5; masks: AP 46.2, AP75 54.5; corners: mean IoU 55.8, first corner, % 67.6."
    )


def test_data_without_objects_has_no_figures(run):
    (run / "evaluation" / "metrics.json").write_text(json.dumps(METRICS | dict.fromkeys(list(METRICS)[2:])))
    assert quote_run(run).splitlines()[0] == "no AP: there was nothing to find."


def test_a_resumed_run_with_changes_on_a_gpu(run):
    more = {"gpu": "Some GPU", "processes": 4, "threads": 1, "git": "0123456789abcdef-dirty", "seconds": None}
    (run / "run.json").write_text(json.dumps(FACTS | more))
    assert quote_run(run).endswith(f", Some GPU, 4 processes, 1 thread each, commit 012345678 with changes. {CHOSEN}")


def test_an_evaluation_alone_is_quoted_where_it_came_last(run):
    later, earlier = run / "evaluation" / "run.json", run / "run.json"
    later.write_text(json.dumps(FACTS | {"cpu": "other", "git": None}))
    os.utime(earlier, (1, 1))
    assert quote_run(run).endswith(f"3,456 objects, other, 2 threads, 1.5 minutes. {CHOSEN}")
    os.utime(later, (0, 0))
    assert "Some CPU" in quote_run(run)
    earlier.unlink()
    assert "other" in quote_run(run)


@pytest.mark.parametrize("key", ["seconds", "cpu"])
def test_a_run_that_has_not_ended_is_told(run, key):
    (run / "run.json").write_text(json.dumps({k: v for k, v in FACTS.items() if k != key}))
    with pytest.raises(ValueError, match="the run has not ended, or an older version made it: evaluate it again"):
        quote_run(run)


@pytest.mark.parametrize("missing", ["run.json", "evaluation/metrics.json"])
def test_a_run_without_an_end_is_told(run, missing):
    (run / missing).unlink()
    with pytest.raises(FileNotFoundError, match=r"expected run.json and evaluation/metrics.json"):
        quote_run(run)
