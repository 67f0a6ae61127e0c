"""The whole of a data distillation: teacher, labels, students with and without them, one table, further rounds."""

import dataclasses
import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dense_det.data.catalog import class_names
from dense_det.distillation.coco_files import CocoFiles
from dense_det.distillation.comparison import METRICS, Results, comparison_table
from dense_det.distillation.ingredients import (
    ConfigDoors,
    ingredient_digests,
    require_ingredients,
    require_same_classes,
)
from dense_det.distillation.known_truth import Agreement, KnownTruth
from dense_det.distillation.recipe import ALONE, Labels, Model, Recipe, slug, words_name
from dense_det.distillation.rule import manifest_path, read_shards
from dense_det.distillation.work_folder import WorkFolder, write_json
from dense_det.evaluation.coco_ap import coco_stats
from dense_det.steps import Step, Steps, training_step


@dataclass(frozen=True)
class Distillation:
    """Attributes:
    recipe: with the ways of labelling that are asked for.
    out: the folder of everything that is made.
    steps: runs the tools.
    workers: processes that label, and trainings of the student side by side.
    whole: the recipe with all of its ways: what earlier calls have finished of them stands beside those of `recipe`.
    """

    recipe: Recipe
    out: Path
    steps: Steps
    workers: int
    doors: ConfigDoors
    whole: Recipe

    def rounds(self, most: int) -> Iterator[list[Results]]:
        """After each round the results of all that is finished in the folder, by earlier calls, too: for each round of
        the teachers, and of the student on each way's labels in the recipe's order; and of the student alone.

        In the first round the recipe's teacher labels in each of the recipe's ways. In later ones the best student of
        the round before (by AP on validation) labels in the first way; the views are those that it was trained on.
        It ends after `most` rounds, or where the students' mean AP is not above the best before.

        Raises:
            ValueError: the folder is that of another recipe, something that it names is not there, or a step failed.
        """
        settled = self._settled_recipe()
        self._prepare()
        digests = self._settled_digests()
        # only now: what stands there may not be mended any more
        write_json(self.out / "recipe.json", settled)
        write_json(self.out / "data.json", digests)
        teacher, ways, best = self._teacher(), self.recipe.labels, None
        for number in range(1, most + 1):
            folder = self._round(number)
            made = self._label(teacher, ways, number)
            alone = self._alone()  # in later rounds they are there
            students = {name: self._students(name, folder / "students", made[name], ways[name].opts) for name in made}
            # all in one line: no core waits for the last seed of each way
            self.steps.run([step for steps in (alone, *students.values()) for step in steps], self.workers)
            best = _results(ALONE, alone).mean("AP") if best is None else best
            yield self._finished()
            first = _results(self.recipe.first, students[self.recipe.first])
            if first.mean("AP") <= best:
                self.steps.say(f"round {number} does not raise AP on validation ({best:.1f}): no further round")
                return
            best = first.mean("AP")
            seed = self.recipe.seeds[int(np.argmax(first.values["AP"]))]
            run = self._student_folder(folder / "students", self.recipe.first, seed)
            teacher = Model(config=str(run / "config.yaml"), weights=str(run / "model_best.pth"))
            ways = {self.recipe.first: self.recipe.labels[self.recipe.first].of_another_teacher()}

    def table(self, results: list[Results]) -> str:
        return comparison_table(results, next(row for row in results if row.name == ALONE))

    def _settled_recipe(self) -> dict:
        """One recipe, one folder: students of two recipes are not compared. Further ways of labelling may join it,
        and one may be mended that has no labels yet: nothing hangs on it.

        Returns:
            the recipe with the ways of earlier calls, for recipe.json.
        """
        settled, recipe = self.out / "recipe.json", {"sha256": self.recipe.sha256(), **_as_json(self.recipe)}
        if settled.is_file():
            before = json.loads(settled.read_text())
            # files are called by slugs, so a way of another spelling is the same
            earlier = {slug(way): how for way, how in _with_all_keys(before["labels"]).items()}
            changed = [way for way, how in recipe["labels"].items() if earlier.get(slug(way), how) != how]
            changed = [way for way in changed if manifest_path(_labels(self._round(1), way)).exists()]
            if before["sha256"] != recipe["sha256"] or changed:
                what = f"other labels called {changed[0]!r}" if changed else "another recipe (or other seeds)"
                raise ValueError(f"{self.out} was begun with {what}: choose another --out")
            ours = {slug(way) for way in recipe["labels"]}
            others = {way: how for way, how in _with_all_keys(before["labels"]).items() if slug(way) not in ours}
            recipe["labels"] = others | recipe["labels"]
        return recipe

    def _prepare(self) -> None:
        """The recipe's own tools; each finds what it made earlier."""
        for number, words in enumerate(self.recipe.prepare, 1):
            self.steps.run([Step(f"prepare-{number}", words, None)])

    def _settled_digests(self) -> dict[str, str]:
        """Files that were changed under a recipe make it another one; those of earlier calls too, for data.json."""
        require_ingredients(self.recipe, self.doors)
        settled, digests = self.out / "data.json", ingredient_digests(self.recipe, self.doors)
        before = json.loads(settled.read_text()) if settled.is_file() else {}
        if changed := [file for file, digest in digests.items() if before.get(file, digest) != digest]:
            raise ValueError(f"{changed[0]} is not what {self.out} was begun with: choose another --out")
        require_same_classes(self.recipe)
        if self._truth:
            self._truth.require(class_names(self.recipe.data.labelled))
        return before | digests

    def _teacher(self) -> Model:
        """The recipe's teacher with weights."""
        if not self.recipe.trains_teacher:
            return self.recipe.teacher
        self.steps.run([self._teacher_training()])
        folder = self.out / "teacher"
        return Model(config=str(folder / "config.yaml"), weights=str(folder / "model_best.pth"))

    def _exported(self, teacher: Model, number: int, way: str) -> Model:
        """A teacher as a file of tools/export_model.py, which compares both on labelled images; after the first round
        each way has its own, see _work."""
        folder, own = self._round(number), "" if number == 1 else f"-{slug(way)}"
        file = folder / f"teacher{own}.onnx"
        words = ("tools/export_model.py", teacher.config, "--weights", teacher.weights, "--out", str(file))
        step = Step(f"{folder.name}-export{own}", (*words, "--images", self.recipe.data.labelled_images), file)
        self.steps.run([step])
        return Model(onnx=str(file), class_map=teacher.class_map)

    def _teacher_training(self) -> Step:
        opts = ("SEED", str(self.recipe.seeds[0]))
        return self._training("teacher", self.recipe.teacher, self.out / "teacher", None, opts)

    def _finished(self) -> list[Results]:
        """Read from the folder: whichever ways a call asks for, the table loses none."""
        begun = _with_all_keys(json.loads((self.out / "recipe.json").read_text())["labels"])
        ways = {name: how for name, how in self.whole.labels.items() if begun.get(name) == _as_json(how)}
        teachers, students = self._finished_in(1, ways)
        if self.recipe.trains_teacher:
            teachers.insert(0, _results("the teacher itself", [self._teacher_training()], is_teacher=True))
        results, number = [*teachers, _results(ALONE, self._alone()), *students], 2
        while self._round(number).is_dir():
            teachers, students = self._finished_in(number, ways)
            results, number = [*results, *teachers, *students], number + 1
        return results

    def _finished_in(self, number: int, ways: dict[str, Labels]) -> tuple[list[Results], list[Results]]:
        """Of a round: the teachers, and the student on the labels of those of `ways` that all seeds have ended for."""
        folder, teachers, students = self._round(number), {}, []
        for name in ways:
            labels = _labels(folder, name, ways[name].truth if number == 1 else "")  # see of_another_teacher
            steps = self._students(name, folder / "students", labels)
            if all(step.result.exists() for step in steps):
                work = WorkFolder(self._work(number, name))
                # a user may have removed a finished one
                if work.root not in teachers and work.plan_path.exists():
                    teachers[work.root] = _teacher_results(_in_round(f"the teacher's {name}", number), work)
                students.append(_results(_in_round(name, number), steps, agreement=self._agreement(work, labels)))
        return list(teachers.values()), students

    def _label(self, teacher: Model, ways: dict[str, Labels], number: int) -> dict[str, Path]:
        """A COCO file for the students of each way; ways that look at images alike share the looking."""
        data, made, seen, folder = self.recipe.data, {}, set(), self._round(number)
        if self.recipe.teacher.deployed:
            teacher = self._exported(teacher, number, next(iter(ways)))
        for name, way in ways.items():
            work = self._work(number, name)
            if work not in seen:
                seen.add(work)
                plan = ("plan", str(work), *data.unlabelled, "--image-root", data.image_root)
                plan += ("--labelled-json", data.labelled, "--labelled-images", data.labelled_images)
                plan += ("--val-json", data.validation, "--val-images", data.validation_images, "--shard-size", "64")
                self._pseudo_label(f"{folder.name}-plan-{work.name}", plan, work / "plan.json")
                run = ("run", str(work), *_teacher_words(teacher), *way.run, "--num-workers", str(self.workers))
                if teacher.class_map:
                    write_json(folder / "class_map.json", teacher.class_map)
                    run += ("--class-map", str(folder / "class_map.json"))
                self._pseudo_label(f"{folder.name}-run-{work.name}", run, None)
            made[name] = _labels(folder, name)
            select = ("select", str(work), "--out", str(made[name]), *way.select)
            # the manifest is written last: labels without it were cut short
            self._pseudo_label(f"{folder.name}-select-{slug(name)}", select, manifest_path(made[name]))
            if way.truth:
                tree = self._truth.apply(way.truth, WorkFolder(work), made[name])
                write_json(_labels(folder, name, way.truth), tree)
        first = next(iter(made))
        page = folder / report_name(first)
        report = ("report", str(self._work(number, first)), str(made[first]), "--out", str(page))
        self._pseudo_label(f"{folder.name}-{page.stem}", report, page)
        return {name: _labels(folder, name, ways[name].truth) for name in made}

    @functools.cached_property
    def _truth(self) -> KnownTruth | None:
        data = self.recipe.data
        return KnownTruth(CocoFiles(data.truth, data.image_root)) if data.truth else None

    def _agreement(self, work: WorkFolder, labels: Path) -> Agreement | None:
        """None where no truth is known, or a user has removed what was finished."""
        return (
            self._truth.agreement(work, labels) if self._truth and work.plan_path.exists() and labels.exists() else None
        )

    def _alone(self) -> list[Step]:
        return self._students(ALONE, self.out / "students", None)

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

    def _round(self, number: int) -> Path:
        return self.out / f"round-{number}"

    def _work(self, number: int, way: str) -> Path:
        """The work folder of a way. In the first round ways that look at images alike share one; later each has a
        teacher of its own, the best of its students, so that even equal words give other boxes."""
        name = words_name(self.whole.labels[way].run) if number == 1 else slug(way)
        return self._round(number) / f"work-{name}"

    def _student_folder(self, folder: Path, name: str, seed: int) -> Path:
        return folder / f"{slug(name)}-seed{seed}"


def report_name(way: str) -> str:
    """Of the page about a way's pseudo-labels, in the folder of a round: ways may be asked for one after the other."""
    return f"report-{slug(way)}.html"


def _as_json(value: Recipe | Labels) -> dict:
    """As it is read from a file: with lists for tuples."""
    return json.loads(json.dumps(dataclasses.asdict(value)))


def _with_all_keys(labels: dict[str, dict]) -> dict[str, dict]:
    """Of a folder that was begun when ways of labelling had fewer."""
    return {name: _as_json(Labels(**how)) for name, how in labels.items()}


def _labels(folder: Path, name: str, truth: str = "") -> Path:
    """What select writes, or what the truth made of it."""
    return folder / (f"{slug(name)}.true-{truth}.json" if truth else f"{slug(name)}.json")


def _in_round(name: str, number: int) -> str:
    return name if number == 1 else f"{name}, round {number}"


def _results(name: str, trainings: list[Step], **about) -> Results:
    found = [json.loads(step.result.read_text()) for step in trainings]
    return Results(name, {metric: tuple(one[f"bbox/{metric}"] for one in found) for metric in METRICS}, **about)


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
