"""The whole of a data distillation: teacher, labels, students with and without them, one table, further rounds."""

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dense_det.atomic_file import atomic_file
from dense_det.data.catalog import class_names
from dense_det.data.pdf.document import sha256_of
from dense_det.distillation.comparison import METRICS, Results, comparison_table
from dense_det.distillation.recipe import ALONE, Labels, Model, Recipe, slug
from dense_det.distillation.rule import manifest_path, read_shards
from dense_det.distillation.work_folder import WorkFolder, write_json
from dense_det.evaluation.coco_ap import coco_stats
from dense_det.steps import Step, Steps, training_step


@dataclass(frozen=True)
class Distillation:
    """Attributes:
    out: the folder of everything that is made.
    steps: runs the tools.
    workers: processes that label, and trainings of the student side by side.
    config_digests: of a config's files, by path; dense_det.config has it.
    """

    recipe: Recipe
    out: Path
    steps: Steps
    workers: int
    config_digests: Callable[[str], dict[str, str]]

    def rounds(self, most: int) -> Iterator[list[Results]]:
        """After each round the results of everything so far, the student alone and the teacher included.

        In the first round the recipe's teacher labels in each of the recipe's ways. In later ones the best student of
        the round before (by AP on validation) labels in the first way; the views are those that it was trained on.
        It ends after `most` rounds, or where the students' mean AP is not above the best before.

        Raises:
            ValueError: the folder is that of another recipe, or a step failed.
        """
        self._settle()
        self._prepare()
        results = []
        teacher, ways, best = self._teacher(results), self.recipe.labels, None
        for number in range(1, most + 1):
            folder = self.out / f"round-{number}"
            made = self._label(teacher, ways, number, results)
            alone = self._students(ALONE, self.out / "students", None)  # in later rounds they are there
            students = {name: self._students(name, folder / "students", made[name], ways[name].opts) for name in made}
            # all in one line: no core waits for the last seed of each way
            self.steps.run([step for steps in (alone, *students.values()) for step in steps], self.workers)
            if best is None:
                results.append(_results(ALONE, alone))
                best = results[-1].mean("AP")
            for name, steps in students.items():
                results.append(_results(_in_round(name, number), steps))
            yield results
            first = _results(self.recipe.first, students[self.recipe.first])
            if first.mean("AP") <= best:
                self.steps.say(f"round {number} does not raise AP on validation ({best:.1f}): no further round")
                return
            best = first.mean("AP")
            seed = self.recipe.seeds[int(np.argmax(first.values["AP"]))]
            run = self._student_folder(folder / "students", self.recipe.first, seed)
            teacher = Model(config=str(run / "config.yaml"), weights=str(run / "model_best.pth"))
            ways = {self.recipe.first: _without_views(self.recipe.labels[self.recipe.first])}

    def table(self, results: list[Results]) -> str:
        return comparison_table(results, next(row for row in results if row.name == ALONE))

    def _settle(self) -> None:
        """One recipe, one folder: students of two recipes are not compared. Further ways of labelling may join it."""
        settled, recipe = self.out / "recipe.json", dataclasses.asdict(self.recipe)
        recipe = json.loads(json.dumps({"sha256": self.recipe.sha256(), **recipe}))  # tuples as JSON has them
        if settled.is_file():
            before = json.loads(settled.read_text())
            changed = [way for way, how in recipe["labels"].items() if before["labels"].get(way, how) != how]
            if before["sha256"] != recipe["sha256"] or changed:
                what = f"other labels called {changed[0]!r}" if changed else "another recipe (or other seeds)"
                raise ValueError(f"{self.out} was begun with {what}: choose another --out")
            recipe["labels"] = before["labels"] | recipe["labels"]
        write_json(settled, recipe)

    def _prepare(self) -> None:
        """The recipe's own tools; each finds what it made earlier."""
        for number, words in enumerate(self.recipe.prepare, 1):
            self.steps.run([Step(f"prepare-{number}", words, None)])
        teacher = self.recipe.teacher
        for what, path in (
            ("labelled images", self.recipe.data.labelled),
            ("validation images", self.recipe.data.validation),
            ("the teacher", teacher.onnx or teacher.weights),
        ):
            if path and not Path(path).is_file():
                raise ValueError(f"no file {path} ({what}): make it, or name the right one in the recipe")
        settled, digests = self.out / "data.json", self._digests()
        before = json.loads(settled.read_text()) if settled.is_file() else {}
        if changed := [file for file, digest in digests.items() if before.get(file, digest) != digest]:
            raise ValueError(f"{changed[0]} is not what {self.out} was begun with: choose another --out")
        self._compare_classes()  # before the files are noted: they may still be mended
        write_json(settled, before | digests)

    def _compare_classes(self) -> None:
        """ValueError: labels are judged by the validation file, which has other classes, or another order of them."""
        labelled, validation = (class_names(file) for file in (self.recipe.data.labelled, self.recipe.data.validation))
        if labelled != validation:
            raise ValueError(
                f"{self.recipe.data.labelled} has the classes {labelled}, but {self.recipe.data.validation} has "
                f"{validation}: they must be the same by rising id, also those without a box; mend the categories"
            )

    def _digests(self) -> dict[str, str]:
        """Of the files that the recipe names and all results hang on, by path; of the unlabelled, lists and tars."""
        data, teacher, student = self.recipe.data, self.recipe.teacher, self.recipe.student
        weights = (teacher.onnx, teacher.weights, teacher.initial_weights, student.initial_weights)
        there = [file for file in (data.labelled, data.validation, *data.unlabelled, *weights) if os.path.isfile(file)]
        digests = {file: sha256_of(file) for file in there}
        for config in filter(None, (teacher.config, student.config)):
            digests |= self.config_digests(config)
        return digests

    def _teacher(self, results: list[Results]) -> Model:
        """The recipe's teacher with weights; if it is trained here, its own results are noted, too."""
        teacher = self.recipe.teacher
        if teacher.onnx or teacher.weights:
            return teacher
        folder = self.out / "teacher"
        step = self._training("teacher", teacher, folder, None, ("SEED", str(self.recipe.seeds[0])))
        self.steps.run([step])
        results.append(_results("the teacher itself", [step], is_teacher=True))
        return Model(config=str(folder / "config.yaml"), weights=str(folder / "model_best.pth"))

    def _label(self, teacher: Model, ways: dict[str, Labels], number: int, results: list[Results]) -> dict[str, Path]:
        """A COCO file of pseudo-labels for each way; ways that look at images alike share the looking."""
        data, made, works = self.recipe.data, {}, {}
        folder = self.out / f"round-{number}"
        for name, way in ways.items():
            if way.run not in works:
                work = works[way.run] = folder / f"work-{slug(' '.join(way.run))}"
                plan = ("plan", str(work), *data.unlabelled, "--image-root", data.image_root)
                plan += ("--labelled-json", data.labelled, "--labelled-images", data.labelled_images)
                plan += ("--val-json", data.validation, "--val-images", data.validation_images, "--shard-size", "64")
                self._pseudo_label(f"{folder.name}-plan-{work.name}", plan, work / "plan.json")
                run = ("run", str(work), *_teacher_words(teacher), *way.run, "--num-workers", str(self.workers))
                if teacher.class_map:
                    write_json(folder / "class_map.json", teacher.class_map)
                    run += ("--class-map", str(folder / "class_map.json"))
                self._pseudo_label(f"{folder.name}-run-{work.name}", run, None)
                results.append(_teacher_results(_in_round(f"the teacher's {name}", number), WorkFolder(work)))
            made[name] = folder / f"{slug(name)}.json"
            select = ("select", str(works[way.run]), "--out", str(made[name]), *way.select)
            # the manifest is written last: labels without it were cut short
            self._pseudo_label(f"{folder.name}-select-{slug(name)}", select, manifest_path(made[name]))
        first = next(iter(made))
        report = ("report", str(works[ways[first].run]), str(made[first]), "--out", str(folder / "report.html"))
        self._pseudo_label(f"{folder.name}-report", report, folder / "report.html")
        return made

    def _students(self, name: str, folder: Path, labels: Path | None, opts: tuple[str, ...] = ()) -> list[Step]:
        """A training for each seed."""
        before = f"{folder.parent.name}-" if labels else ""
        places = {seed: self._student_folder(folder, name, seed) for seed in self.recipe.seeds}
        return [
            self._training(f"{before}{place.name}", self.recipe.student, place, labels, (*opts, "SEED", str(seed)))
            for seed, place in places.items()
        ]

    def _training(self, name: str, model: Model, folder: Path, labels: Path | None, opts: tuple[str, ...]) -> Step:
        data = self.recipe.data
        train, validation = (data.labelled, data.labelled_images), (data.validation, data.validation_images)
        return training_step(name, model.config, train, validation, folder, (*model.opts, *opts), labels)

    def _pseudo_label(self, name: str, words: tuple[str, ...], result: Path | None) -> None:
        self.steps.run([Step(name, ("tools/pseudo_label.py", *words), result)])

    def _student_folder(self, folder: Path, name: str, seed: int) -> Path:
        return folder / f"{slug(name)}-seed{seed}"


def write_table(path: Path, title: str, table: str, seconds: dict[str, float]) -> None:
    """The table as Markdown, with the time that all steps took."""
    with atomic_file(path) as file:
        file.write(f"# {title}\n\n{table}\n\n{sum(seconds.values()) / 60:.0f} minutes of steps, of which\n\n")
        for name, value in seconds.items():
            file.write(f"- {name}: {value / 60:.1f} min\n")


def _in_round(name: str, number: int) -> str:
    return name if number == 1 else f"{name}, round {number}"


def _results(name: str, trainings: list[Step], is_teacher: bool = False) -> Results:
    found = [json.loads(step.result.read_text()) for step in trainings]
    return Results(name, {metric: tuple(one[f"bbox/{metric}"] for one in found) for metric in METRICS}, is_teacher)


def _teacher_results(name: str, work: WorkFolder) -> Results:
    """How good the boxes of a teacher, fused from its views, are on the validation images."""
    plan, manifest = work.read_plan(), work.read_manifest()
    truth = json.loads(Path(work.truth_path).read_text(encoding="utf-8"))
    ids = {category["name"]: category["id"] for category in truth["categories"]}
    category = np.array([ids[name] for name in manifest.classes])
    rows = []
    for shard in read_shards(work.validation, plan.num_validation_shards):
        for found in shard:
            sides = np.concatenate([found.boxes[:, :2], found.boxes[:, 2:] - found.boxes[:, :2]], axis=1)
            image = np.full((len(found.boxes), 1), found.image_id)
            rows.append(np.concatenate([image, sides, found.scores[:, None], category[found.classes][:, None]], axis=1))
    stats = coco_stats(truth, np.concatenate(rows) if rows else [])
    return Results(name, {metric: (stats.percent(metric),) for metric in METRICS}, is_teacher=True)


def _teacher_words(teacher: Model) -> tuple[str, ...]:
    if teacher.onnx:
        words = ("--onnx", teacher.onnx)
    else:
        words = ("--teacher", teacher.config, teacher.weights)
    return words


def _without_views(labels: Labels) -> Labels:
    """Views are sizes that one teacher knows: another one has its own."""
    words = [word for word in labels.run if not word.startswith("--views=")]
    if "--views" in words:
        place = words.index("--views")
        del words[place : place + 2]
    return dataclasses.replace(labels, run=tuple(words))
