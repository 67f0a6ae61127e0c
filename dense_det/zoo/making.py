"""A row of the zoo: trained with every seed, evaluated, exported, counted and measured, each once."""

import contextlib
import importlib.util
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from dense_det.deploy.images import some_of
from dense_det.distillation.comparison import METRICS
from dense_det.distillation.work_folder import write_json
from dense_det.steps import Step, StepFailed, Steps, training_step
from dense_det.zoo.entries import Entry

# what each file needs beside torch
PACKAGES = {"ONNX": ("onnx", "onnxscript", "onnxruntime"), "OpenVINO int8": ("openvino", "nncf")}
BEST_WEIGHTS, SHIPPED_WEIGHTS = "model_best.pth", "model.safetensors"  # of a training, and of a folder of `ship`
ENTRY = "entry.json"  # in a row's folder: of which entry it is
NUM_CALIBRATION = 300  # images of training that set the ranges of 8-bit integers


@dataclass(frozen=True)
class Making:
    """Attributes:
    out: the folder of everything that is made; a folder for each row in it.
    steps: runs the tools.
    seeds: one training each; the first one's detector is exported, measured and shipped, chosen before any is judged.
    at_once: trainings side by side.
    missing: file -> the package that is not installed, see `missing_packages`.
    prepared: what has been prepared: rows share data, and `row` comes after `train`.
    """

    out: Path
    steps: Steps
    seeds: tuple[int, ...]
    at_once: int
    missing: dict[str, str]
    prepared: set[tuple[str, ...]] = field(default_factory=set)

    @property
    def measured(self) -> Path:
        """The folder of what `again` makes, NAME/row.json in it."""
        return self.out / "measured"

    def row(self, name: str, entry: Entry) -> dict:
        """The row of an entry as plain values, from out/NAME/row.json where it is finished.

        Raises:
            ValueError: the folder is that of another entry, or a step failed.
        """
        done, folder = self._finished(name, entry), self.out / name
        if done:
            return done
        trainings = self._prepared_trainings(name, entry)
        self.steps.run(trainings, self.at_once)
        run = run_folder(folder, self.seeds[0])
        self._export(name, entry, run / BEST_WEIGHTS)
        size, seconds = _input_size(run), self.steps.seconds
        row = {
            "name": name,
            "seeds": list(self.seeds),
            "missing": self.missing,
            "config": entry.config,
            "opts": list(entry.opts),
            "data": Path(entry.data.validation).parent.name,
            "command": self._command(name),
            "commit": _read(run / "run.json")["git"],
            # of those that were never killed
            "minutes": [seconds[step.name] / 60 for step in trainings if step.name in seconds],
            "size": size,
            **self._count(name, run, size),
            **{metric: [_read(step.result)[f"bbox/{metric}"] for step in trainings] for metric in METRICS},
            "benchmark": self._measure(name, entry, run),
        }
        write_json(folder / "row.json", row)
        return row

    def sources(self, entries: dict[str, Entry], shipped: Path) -> dict[str, tuple[Path, dict]]:
        """(folder, row) of each detector that there is: shipped/NAME, or else what `row` has trained with these words.

        What was trained with other words of the list is no row of it: that is said.
        """
        found = {}
        for name, entry in entries.items():
            if (shipped / name / SHIPPED_WEIGHTS).is_file() and (row := finished_row(shipped / name)):
                found[name] = shipped / name, row
            elif row := finished_row(self.out / name):
                if _is_other(self.out / name, entry):
                    self.steps.say(f"{name}: {self.out / name} was trained with other words of the list, not measured")
                    continue
                run = run_folder(self.out / name, row["seeds"][0])
                found |= {name: (run, row)} if (run / BEST_WEIGHTS).is_file() else {}
        return found

    def again(self, name: str, entry: Entry, source: Path, row: dict, judged: bool = True) -> dict:
        """The row of a detector with the files written and measured anew, on this machine; nothing is trained.

        Args:
            source: its folder, see `sources`; it is only read.
            row: as it was.
            judged: whether the AP of the files is measured; else the row's stays, and so do its times until `together`.

        Raises:
            StepFailed: one did, or a file of the folder is missing.
        """
        run = self.measured / name / "run"
        weights = SHIPPED_WEIGHTS if (source / SHIPPED_WEIGHTS).is_file() else BEST_WEIGHTS
        parts = "config.yaml", "evaluation/thresholds.json", weights
        if lost := next((part for part in parts if not (source / part).is_file()), None):
            raise StepFailed(f"{name}: {source} has no {lost}, without which its files cannot be made again")
        shutil.rmtree(run, ignore_errors=True)
        for part in parts:
            (run / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / part, run / part)
        self._prepare(f"prepare-{name}-data", entry.data.prepare)
        self._export(name, entry, run / weights, judged)
        row = row | {"missing": self.missing} | ({"benchmark": self._measure(name, entry, run)} if judged else {})
        write_json(self.measured / name / "row.json", row)
        return row

    def together(self, entries: dict[str, Entry]) -> dict[str, dict]:
        """Rows that `again` made, by name: times, and the peak meanwhile, measured anew, every format of every row in
        turns, so that they compare. They are written and given.

        Raises:
            ValueError: the step failed.
        """
        places = [(str(self.measured / name / "run"), entry.data.splits[1][1]) for name, entry in entries.items()]
        first, *others = places
        file = self.measured / "benchmark.json"
        also = [word for place in others for word in ("--also", *place)]
        self.steps.run([Step("all-benchmark", ("tools/benchmark.py", *first, *also, "--json", str(file)), None)])
        result, rows = _read(file), {}
        for name, timed in zip(entries, result["detectors"], strict=True):
            row = rows[name] = finished_row(self.measured / name)
            own = {alone["name"]: alone["ap"] for alone in row["benchmark"]["formats"]}
            formats = [now | {"ap": own.get(now["name"])} for now in timed["formats"]]
            row["benchmark"] = _of_first(result) | {"formats": formats, "in_turns_with": list(entries)}
            write_json(self.measured / name / "row.json", row)
        return rows

    def train(self, entries: dict[str, Entry]) -> None:
        """All trainings of the rows that are not finished, side by side: no core waits for the last one of a row.

        What fails here is left to `row`, which tries it again and says what it was.
        """
        trainings = []
        for name, entry in entries.items():
            with contextlib.suppress(StepFailed):
                trainings += [] if self._finished(name, entry) else self._prepared_trainings(name, entry)
        with contextlib.suppress(StepFailed):
            self.steps.run(trainings, self.at_once)

    def _finished(self, name: str, entry: Entry) -> dict | None:
        """The row, if it has these seeds and all files that can be made here."""
        self._settle(self.out / name, entry)
        done = finished_row(self.out / name)
        return done if done and tuple(done["seeds"]) == self.seeds and done["missing"] == self.missing else None

    def _prepared_trainings(self, name: str, entry: Entry) -> list[Step]:
        self._prepare(f"prepare-{name}-data", entry.data.prepare)
        self._prepare(f"prepare-{name}-weights", entry.prepare)
        return [self._training(name, entry, seed) for seed in self.seeds]

    def _prepare(self, what: str, words: tuple[str, ...]) -> None:
        if words and words not in self.prepared:
            self.steps.run([Step(what, words, None)])
            self.prepared.add(words)

    def _settle(self, folder: Path, entry: Entry) -> None:
        """One entry, one folder: the row would tell of another training."""
        if not (folder / ENTRY).is_file():
            write_json(folder / ENTRY, {"sha256": entry.sha256()})
        elif _is_other(folder, entry):
            raise ValueError(f"{folder} was begun with other words of the list: remove it, or choose another --out")

    def _training(self, name: str, entry: Entry, seed: int) -> Step:
        folder = run_folder(self.out / name, seed)
        opts = (*entry.opts, "SEED", str(seed))
        return training_step(f"{name}-seed{seed}", entry.config, *entry.data.splits, folder, opts)

    def _export(self, name: str, entry: Entry, weights: Path, judged: bool = True) -> None:
        train, (truth, images) = entry.data.splits
        # with --labelled a file of integers that loses 1 AP fails
        against = ("--labelled", truth, images) if judged else ("--images", images)
        calibration = link_images(*train, weights.parents[1] / "calibration")
        words = ("tools/export_model.py", str(weights.with_name("config.yaml")), "--weights", str(weights))
        steps = {
            "ONNX": Step(f"{name}-onnx", (*words, "--images", images), weights.with_suffix(".onnx")),
            "OpenVINO int8": Step(
                f"{name}-int8",
                (*words, "--format", "openvino", "--int8", str(calibration), *against),
                weights.with_name(f"{weights.stem}_int8.xml"),
            ),
        }
        for file, step in steps.items():
            if file in self.missing:
                self.steps.say(f"{name}: no {file} file, {self.missing[file]} is not installed")
            else:
                self.steps.run([step])

    def _count(self, name: str, run: Path, size: list[int]) -> dict:
        file = run.parent / "count.json"
        words = ("tools/analyze_model.py", str(run / "config.yaml"), "--size", *map(str, size), "--json", str(file))
        self.steps.run([Step(f"{name}-count", words, file)])
        (counted,) = _read(file)["rows"]
        return {"params": counted["params"], "gmacs": counted["gmacs"]}

    def _measure(self, name: str, entry: Entry, run: Path) -> dict:
        file, (_, (truth, images)) = run.parent / "benchmark.json", entry.data.splits
        words = ("tools/benchmark.py", str(run), images, "--labelled", truth, images, "--json", str(file))
        self.steps.run([Step(f"{name}-benchmark", words, None)])  # again, where a package has come
        return _of_first(_read(file))

    def _command(self, name: str) -> str:
        return f"python tools/make_zoo.py {name} --out {self.out} --seeds {' '.join(map(str, self.seeds))}"


def missing_packages() -> dict[str, str]:
    """Of PACKAGES those files that cannot be made here, with the first package that they lack."""
    lacking = {
        file: next((package for package in packages if importlib.util.find_spec(package) is None), "")
        for file, packages in PACKAGES.items()
    }
    # OpenVINO's files are made of ONNX files
    lacking["OpenVINO int8"] = lacking["OpenVINO int8"] or lacking["ONNX"]
    return {file: package for file, package in lacking.items() if package}


def link_images(coco_file, images, folder: Path) -> Path:
    """`folder` with a link to NUM_CALIBRATION images of a COCO file: those of validation may lie beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [image["file_name"] for image in _read(Path(coco_file))["images"]]
    for name in some_of(names, NUM_CALIBRATION):
        link = folder / Path(name).name
        if not link.is_symlink():
            link.symlink_to((Path(images) / name).resolve())
    return folder


def run_folder(folder: Path, seed: int) -> Path:
    """The OUTPUT_DIR of a row's training."""
    return folder / f"seed{seed}"


def finished_row(folder: Path) -> dict | None:
    """What row.json of a row's folder holds; None where there is none yet."""
    return _read(folder / "row.json") if (folder / "row.json").is_file() else None


def _is_other(folder: Path, entry: Entry) -> bool:
    """Whether a row's folder was begun with other words of the list."""
    return (folder / ENTRY).is_file() and _read(folder / ENTRY)["sha256"] != entry.sha256()


def _of_first(result: dict) -> dict:
    """What tools/benchmark.py wrote, of its first detector alone."""
    alone = {key: value for key, value in result.items() if key != "detectors"}
    return alone | {"formats": result["detectors"][0]["formats"]}


def _input_size(run: Path) -> list[int]:
    """[height, width] of a test image, landscape, in pixels."""
    sizes = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))["INPUT"]
    return [sizes["MIN_SIZE_TEST"], sizes["MAX_SIZE_TEST"]]


def _read(file: Path) -> dict:
    return json.loads(file.read_text(encoding="utf-8"))
