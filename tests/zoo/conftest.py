"""A zoo of two entries whose steps write what the tools would."""

import json
from pathlib import Path

import pytest

from dense_det.zoo.entries import parse_zoo

FORMATS = ("torch", "torch, folded, channels_last", "ONNX Runtime", "ONNX Runtime int8", "OpenVINO", "OpenVINO int8")


class Pretended:
    """Steps that are noted; the AP of a training is 30 and its seed."""

    def __init__(self):
        self.seen, self.said, self.seconds, self.half = [], [], {}, 30.0
        self.say = self.said.append

    def run(self, steps, at_once=1):
        for step in steps:
            if step.result is not None and step.result.exists():
                continue
            self.seen.append(step)
            self.seconds[step.name] = 90.0
            if step.words[0] == "tools/train_net.py":
                self.train(step)
            elif step.words[0] == "tools/benchmark.py":
                self.write(Path(step.words[-1]), self.benchmark(step.words))
            elif step.words[0] == "tools/analyze_model.py":
                self.write(step.result, {"rows": [{"params": 1_500_000, "gmacs": 0.25}]})
            elif step.words[0] == "tools/export_model.py":
                step.result.touch()

    def train(self, step):
        evaluation = step.result.parent
        ap = self.half if "--eval-only" in step.words else 30.0 + int(step.words[step.words.index("SEED") + 1])
        self.write(step.result, {"bbox/AP": ap, "bbox/AP50": 60.0, "bbox/AP75": 20.0})
        self.write(evaluation / "thresholds.json", {"card": {"threshold": ap / 100}, "page": None})
        if "--eval-only" not in step.words:
            self.write(evaluation.parent / "run.json", {"git": "abc"})
            config = {"INPUT": {"MIN_SIZE_TEST": 240, "MAX_SIZE_TEST": 320}, "MODEL": {"WEIGHTS": "/home/me/w.pth"},
                      "DATASETS": {"TRAIN": ["/home/me/t.json"], "TEST": []}, "OUTPUT_DIR": "/home/me/out"}  # fmt: skip
            self.write(evaluation.parent / "config.yaml", config)  # JSON is YAML, too

    @staticmethod
    def benchmark(words) -> dict:
        """Of several detectors the second is twice as slow as the first, and so on; the first has an AP, if wanted."""
        there = {"ONNX Runtime": "model_best.onnx", "OpenVINO int8": "model_best_int8.xml"}
        detectors = []
        for run in [words[1], *(words[k + 1] for k, word in enumerate(words) if word == "--also")]:
            rows = []
            for place, name in enumerate(FORMATS, 1):
                found = name.startswith("torch") or (name in there and (Path(run) / there[name]).exists())
                judged = found and not detectors and "--labelled" in words
                rows.append({"name": name, "megabytes": 2.0 if found else None, "ap": 29.5 if judged else None,
                             "ms": 40.0 * (len(detectors) + 1) / place if found else None})  # fmt: skip
            detectors.append({"folder": run, "formats": rows})
        return {"cpu": "a CPU", "threads": 1, "rounds": 9, "peak_gflops": 50.0, "detectors": detectors}

    def write_detector(self, folder):
        """What a row of a shipped detector lies beside."""
        self.write(folder / "config.yaml", {})
        self.write(folder / "evaluation" / "thresholds.json", {})
        (folder / "model.safetensors").touch()

    @staticmethod
    def write(file, tree):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(tree))


@pytest.fixture
def steps():
    return Pretended()


@pytest.fixture
def entries(tmp_path):
    """ "small", which is shipped and begins from weights, and "large"."""
    images = [{"file_name": f"{number}.jpg"} for number in range(600)]
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "train.json").write_text(json.dumps({"images": images}))
    data = {"cards": {"prepare": "datasets/prepare_cards.py", "train": f"{tmp_path}/cards/train.json",
                      "validation": f"{tmp_path}/cards/val.json", "licence": "ours"}}  # fmt: skip
    small = {"config": "a.yaml", "data": "cards", "opts": "KEY 1", "prepare": "tools/prepare_weights.py w",
             "licence": "theirs", "ship": True}  # fmt: skip
    return parse_zoo(
        {"data": data, "models": {"small": small, "large": {"config": "a.yaml", "data": "cards"}}}, "z.yaml"
    )
