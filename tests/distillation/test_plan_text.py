"""What a plan says of itself."""

from dense_det.distillation.plan_text import as_text
from dense_det.distillation.work_folder import Plan


def test_what_is_left_out_by_hand():
    counts = {"bad": 2, "skipped": 1, "duplicate": 0, "labelled": 0, "other_files": 7}
    assert as_text(Plan(4, 9, 3, [], counts, "")).splitlines()[:2] == [
        "9 images in 3 shards of 4",
        "left out: 2 bad, 1 skipped (rejected.jsonl says why); failures.jsonl lists the bad ones, too; 7 not named "
        "like images",
    ]
    assert as_text(Plan(4, 9, 3, [], {"bad": 0}, "")).splitlines()[1] == "left out: no files"
