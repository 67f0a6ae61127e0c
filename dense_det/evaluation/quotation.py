"""What a run found, as a page may quote it: read from the files that it left, not typed."""

import json
from pathlib import Path

from dense_det.environment import code_words

# metric of evaluation/metrics.json -> its name on the page
TASKS = {
    "boxes": {"bbox/AP": "AP", "bbox/AP50": "AP50", "bbox/AP75": "AP75"},
    "masks": {"segm/AP": "AP", "segm/AP50": "AP50", "segm/AP75": "AP75"},
    "corners": {"quad/IoU": "mean IoU", "quad/IoU90": "IoU of 0.9 or more, %", "quad/first_corner": "first corner, %"},
}
# see operating_points: nobody shall take them for what other images would give
CHOSEN = "Thresholds are those of the best F1 on these images: precision, recall, F1 and corners owe something to that."


def quote_run(folder: Path) -> str:
    """Markdown: a line of figures for each task, the table of classes, and what computed them for how long.

    Raises:
        FileNotFoundError: no evaluation in `folder`.
        ValueError: the run has not ended, or is of an older version, which kept neither time nor CPU.
    """
    found = folder / "evaluation"
    records = [file for file in (folder / "run.json", found / "run.json") if file.is_file()]
    if not records or not (found / "metrics.json").is_file():
        raise FileNotFoundError(
            f"{folder}: expected run.json and evaluation/metrics.json, which tools/train_net.py leaves in OUTPUT_DIR "
            "when it ends: give the folder of a finished run, or evaluate its weights (--eval-only)"
        )
    metrics = json.loads((found / "metrics.json").read_text())
    lines = []
    for task, names in TASKS.items():
        values = [f"{name} {metrics[key]:.1f}" for key, name in names.items() if metrics.get(key) is not None]
        lines += [f"{task}: {', '.join(values)}"] if values else []
    record = max(records, key=lambda file: file.stat().st_mtime)  # an evaluation alone leaves one of its own
    facts = json.loads(record.read_text())
    if not {"cpu", "seconds"} <= set(facts):
        raise ValueError(
            f"{record}: the run has not ended, or an older version made it: evaluate it again (--eval-only)"
        )
    source = [
        f"{metrics['images']:,} images, {metrics['ground_truth']:,} objects",
        facts.get("gpu") or facts["cpu"],
        *([f"{facts['processes']} processes"] if facts["processes"] > 1 else []),
        f"{facts['threads']} thread{'s' * (facts['threads'] > 1)}" + " each" * (facts["processes"] > 1),
        *([f"{facts['seconds'] / 60:.1f} minutes"] if facts["seconds"] else []),  # of a resumed one nobody knows
        *filter(None, [code_words(facts["git"])]),
    ]
    figures = "; ".join(lines) or "no AP: there was nothing to find"
    return "\n\n".join([f"{figures}.", (found / "per_class.md").read_text().strip(), f"{', '.join(source)}. {CHOSEN}"])
