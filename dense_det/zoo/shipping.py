"""A row of the zoo as a small folder that is given away: weights, config, thresholds, and a card that tells all."""

import hashlib
import json
import shutil
from pathlib import Path
from statistics import mean

import yaml

from dense_det.atomic_file import atomic_file
from dense_det.checkpoint import read_checkpoint, save_safetensors
from dense_det.distillation.comparison import METRICS, mean_and_spread
from dense_det.distillation.work_folder import write_json
from dense_det.job_file import portable_words
from dense_det.steps import Step, Steps
from dense_det.zoo.entries import Entry
from dense_det.zoo.making import BEST_WEIGHTS, SHIPPED_WEIGHTS, run_folder

SHIPPED = Path("zoo")  # of the repository
TABLE_ONLY = "table_only"  # in it, the rows of those that are too large to give away
MOST_AP_LOST = 0.1  # by 16-bit weights
MOST_MEGABYTES = 15.0
# a place of the machine that trained, and nobody else's
OF_THE_MACHINE = {("MODEL", "WEIGHTS"): "", ("DATASETS", "TRAIN"): [], ("DATASETS", "TEST"): []}
LICENCE = (
    "dense_det is Apache-2.0. The weights stand under the terms of the data and of the weights that they were trained "
    "from; this card does not change them."
)


def ship(row: dict, entry: Entry, made: Path, out: Path, steps: Steps) -> Path:
    """Write out/NAME: model.safetensors, config.yaml, evaluation/thresholds.json, CARD.md and row.json; its path.

    Kernels are 16-bit floats where the AP on validation images, measured, is at most MOST_AP_LOST lower for it.

    Args:
        row: see Making.row.
        made: the row's folder.
        out: of all folders that are given away.

    Raises:
        ValueError: trained by code that no commit holds, more than MOST_MEGABYTES, safetensors is not installed, or a
            step failed. What out/NAME holds stays.
    """
    require_commit(row, made)
    name, run, trial = row["name"], run_folder(made, row["seeds"][0]), made / "shipped"
    shutil.rmtree(trial, ignore_errors=True)
    weights, config = trial / SHIPPED_WEIGHTS, trial / "config.yaml"
    state = read_checkpoint(run / BEST_WEIGHTS)["model"]
    save_safetensors(weights, state, half=True)
    with atomic_file(config) as file:
        yaml.safe_dump(portable(yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))), file)
    half = _evaluate(name, entry, trial, steps)
    whole = row["AP"][0]
    bits = 16 if half["bbox/AP"] >= whole - MOST_AP_LOST else 32
    if bits == 32:
        save_safetensors(weights, state, half=False)
        shutil.copyfile(run / "evaluation" / "thresholds.json", trial / "evaluation" / "thresholds.json")
    megabytes = weights.stat().st_size / 1e6
    if megabytes > MOST_MEGABYTES:
        raise ValueError(
            f"{name} is {megabytes:.1f} MB, at most {MOST_MEGABYTES:.0f} are shipped: no ship in its entry"
        )
    facts = {
        "bits": bits,
        "AP of 16 bits": half["bbox/AP"],
        "megabytes": megabytes,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "thresholds": json.loads((trial / "evaluation" / "thresholds.json").read_text(encoding="utf-8")),
    }
    for part in (SHIPPED_WEIGHTS, "config.yaml", "evaluation/thresholds.json"):
        with atomic_file(out / name / part, "wb") as file:
            file.write((trial / part).read_bytes())
    with atomic_file(out / name / "CARD.md") as file:
        file.write(card(row, entry, facts, out / name))
    write_json(out / name / "row.json", row)  # for tables of later days
    return out / name


def require_commit(row: dict, made: Path) -> None:
    """Raises ValueError for a row that was trained with changes that are in no commit: nobody could train it again."""
    if (row["commit"] or "").endswith("-dirty"):
        raise ValueError(
            f"{row['name']} was trained at {row['commit']}, with changes in no commit, and is not shipped: commit "
            f"first, remove {made}, then train again"
        )


def portable(config: dict) -> dict:
    """A run's config without the places of OF_THE_MACHINE."""
    for (section, key), value in OF_THE_MACHINE.items():
        config[section][key] = value
    config["OUTPUT_DIR"] = "output"
    return config


def card(row: dict, entry: Entry, facts: dict, folder: Path) -> str:
    """CARD.md.

    Args:
        facts: "bits" of the weights, "AP of 16 bits", "megabytes" and "sha256" of the file, and "thresholds".
        folder: where it lies.
    """
    seeds = ", ".join(map(str, row["seeds"]))
    spread = ", ".join(f"{metric} {mean_and_spread(row[metric])}" for metric in METRICS)
    several = len(row["seeds"]) > 1
    of_seeds = f"Over the seeds, mean ± standard deviation: {spread}" if several else f"One seed: {spread}"
    ap = facts["AP of 16 bits"] if facts["bits"] == 16 else row["AP"][0]
    points = "\n".join(
        f"- {name}: " + (f"threshold {point['threshold']:.3f}" if point else "nothing found on validation images")
        for name, point in facts["thresholds"].items()
    )
    minutes = f" of {mean(row['minutes']):.0f} minutes each" if row["minutes"] else ""
    size = " x ".join(map(str, row["size"]))
    return f"""# {row["name"]}

A detector of dense_det: {row["params"]:,} parameters, {row["gmacs"]:.3f} GMACs at {size} px.

    python tools/predict.py {folder.parent.name}/{folder.name} scans/ --out found

## How good

On the validation split, which no training saw: AP {ap:.2f} with this file, whose kernels have {facts["bits"]} bits
({row["AP"][0]:.2f} with 32 bits, {facts["AP of 16 bits"]:.2f} with 16). Seeds {seeds}; this is the detector of seed
{row["seeds"][0]}, the first, not the best. {of_seeds}.

Score with the best F1 of each class, on the same images:

{points}

## How it was made

- data: {row["data"]}, by `python {portable_words(entry.data.prepare)}`
- initial weights: {_begin(entry)}
- command: `{row["command"]}`
- config: {row["config"]} {portable_words(row["opts"])}
- commit: {row["commit"]}
- {len(row["seeds"])} training(s){minutes} on {row["benchmark"]["cpu"]}
- model.safetensors: {facts["megabytes"]:.2f} MB, sha256 {facts["sha256"]}

## Licence

{LICENCE}

- data: {entry.data.licence}
- initial weights: {entry.licence or "none"}
"""


def _begin(entry: Entry) -> str:
    """What the training began from: the command that brings it, or a file of the repository."""
    if entry.prepare:
        return f"`python {portable_words(entry.prepare)}`"
    return f"`{portable_words([entry.initial_weights])}`" if entry.initial_weights else "random"


def _evaluate(name: str, entry: Entry, trial: Path, steps: Steps) -> dict:
    """What tools/train_net.py --eval-only says of the folder on validation images."""
    _, (truth, images) = entry.data.splits
    result = trial / "evaluation" / "metrics.json"
    words = ["tools/train_net.py", "--config-file", trial / "config.yaml", "--eval-only"]
    words += ["--val-json", truth, "--val-images", images]
    words += ["MODEL.WEIGHTS", trial / SHIPPED_WEIGHTS, "OUTPUT_DIR", trial]
    steps.run([Step(f"{name}-16-bit", tuple(map(str, words)), result)])
    return json.loads(result.read_text(encoding="utf-8"))
