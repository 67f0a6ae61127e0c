"""The order of things, with steps that write what the tools would."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from dense_det.distillation.distil import Distillation, _teacher_results
from dense_det.distillation.ingredients import ConfigDoors
from dense_det.distillation.recipe import Labels, parse_recipe


def write_classes(file: Path, *names: str) -> None:
    file.write_text(json.dumps({"categories": [{"id": k, "name": name} for k, name in enumerate(names)]}))


def write_labels(file: Path) -> None:
    """A table that is right, and one that is not, on the only picture."""
    images = [{"id": 4, "file_name": str(file.parents[2] / "1.jpg"), "width": 60, "height": 40}]
    annotations = [
        {"id": n, "image_id": 4, "category_id": 1, "bbox": box, "iscrowd": 0, "score": 0.5}
        for n, box in ((1, [0, 0, 9, 10]), (2, [10, 10, 4, 4]))
    ]
    categories = [{"id": 1, "name": "Table"}, {"id": 2, "name": "Text"}]
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))


class Pretended:
    """Steps that are noted and leave results; a student's AP is what `ap` says of its folder."""

    def __init__(self, tmp_path, make_work, ap):
        self.seen, self.said, self.make_work, self.ap, self.tmp_path = [], [], make_work, ap, tmp_path
        self.say = self.said.append

    def run(self, steps, at_once=1):
        for step in steps:
            if step.result is not None and step.result.exists():
                continue
            self.seen.append(step)
            if step.name.startswith("prepare"):
                write_classes(Path(step.words[-1]), "Table", "Text")
            elif step.words[0] == "tools/train_net.py":
                values = {f"bbox/{metric}": self.ap(step.result.parent.parent) for metric in ("AP", "AP50", "AP75")}
                step.result.parent.mkdir(parents=True)
                step.result.write_text(json.dumps(values))
            elif step.words[1] == "plan":
                self.make_work(Path(step.words[2]))
            elif step.result is not None:
                step.result.parent.mkdir(parents=True, exist_ok=True)
                step.result.write_text("{}")
                if step.words[1] == "select":
                    write_labels(Path(step.words[4]))

    def verbs(self):
        trained = [s.result.parent.parent.name if s.words[0] == "tools/train_net.py" else s.words[1] for s in self.seen]
        assert self.seen[0].name == "prepare-1"
        return trained[1:]


def few_data(folder: Path, **changes) -> dict:
    files = dict.fromkeys(("labelled", "validation"), f"{folder}/few.json")
    return files | {"unlabelled": f"{folder}/scans"} | changes


@pytest.fixture
def distillation(tmp_path, labelled_work):
    """A function of (ap, changes to the recipe) -> (Distillation, its steps)."""
    work = labelled_work()
    work.truth_path.parent.mkdir(exist_ok=True)
    work.truth_path.write_text(json.dumps({"images": [], "annotations": [], "categories": [
        {"id": 3, "name": "Table"}, {"id": 8, "name": "Text"}]}))  # fmt: skip
    plan = work.read_plan()
    for name in ("teacher", "student"):
        (tmp_path / f"{name}.yaml").touch()
    for name in ("scans", "images"):
        (tmp_path / name).mkdir()
    doors = ConfigDoors(
        lambda config: {config: Path(config).read_text()},
        lambda config, opts: dict(zip(opts[::2], opts[1::2], strict=True)).get("MODEL.WEIGHTS", ""),
    )

    def make(ap, **changes):
        tree = {
            "prepare": [f"datasets/prepare_cards.py --out {tmp_path}/few.json"],
            "data": few_data(tmp_path),
            "teacher": {"config": "teacher.yaml"},
            "student": {"config": "student.yaml"},
            "labels": {
                "fused": {"run": "--views 64,80", "opts": "SOLVER.BASE_LR 1"},
                "fixed": {"run": "--views 64,80", "select": "--rule fixed --value 0.5"},
                "one view": {"run": "--views 64"},
            },
            "seeds": [0, 1],
            **changes,
        }
        steps = Pretended(tmp_path, lambda root: shutil.copytree(work.root, root), ap)
        recipe = parse_recipe(tree, tmp_path / "r.yaml")
        return Distillation(recipe, tmp_path / "out", steps, 2, doors, recipe), steps

    assert plan.num_validation_shards == 0
    return make


def test_one_round(distillation, tmp_path):
    job, steps = distillation(lambda folder: 20.0 if "round-1" in str(folder) else 10.0 + len(folder.name) % 2)
    (results,) = job.rounds(1)
    assert steps.verbs() == [
        "teacher", "plan", "run", "select", "select", "plan", "run", "select", "report",
        "labels-alone-seed0", "labels-alone-seed1", "fused-seed0", "fused-seed1", "fixed-seed0", "fixed-seed1",
        "one-view-seed0", "one-view-seed1",
    ]  # fmt: skip
    fused = next(s for s in steps.seen if s.name == "round-1-fused-seed1")
    assert fused.words[-6:] == ("SOLVER.BASE_LR", "1", "SEED", "1", "OUTPUT_DIR", str(fused.result.parents[1]))
    assert "--pseudo-json" in fused.words and str(tmp_path / "out/round-1/fused.json") in fused.words
    run = next(s for s in steps.seen if s.words[1] == "run")
    assert run.words[3:8] == (
        "--teacher", str(tmp_path / "out/teacher/config.yaml"), str(tmp_path / "out/teacher/model_best.pth"),
        "--views", "64,80",
    )  # fmt: skip
    names = [row.name for row in results]
    assert names[0] == "the teacher itself" and names[-4:] == ["labels alone", "fused", "fixed", "one view"]
    assert results[-1].values["AP"] == (20.0, 20.0) and "+10.0 ± 0.0" in job.table(results)
    seen = len(steps.seen)
    list(job.rounds(1))
    # only what knows itself what is finished is asked again
    assert [s.words[1] for s in steps.seen[seen:]] == ["--out", "run", "run"]


def test_students_of_the_truth(distillation, tmp_path):
    """What a teacher without faults would be worth."""
    truth = tmp_path / "truth.json"
    images = [{"id": 1, "file_name": "../1.jpg", "width": 60, "height": 40}]
    annotations = [
        {"id": n, "image_id": 1, "category_id": 1, "bbox": box} for n, box in ((1, [0, 0, 10, 10]), (2, [15, 0, 5, 5]))
    ]
    truth.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [
        {"id": 0, "name": "Text"}, {"id": 1, "name": "Table"}]}))  # fmt: skip
    views = {"run": "--views 64"}
    labels = {"fused": views, "right ones": {**views, "truth": "right"}, "all": {**views, "truth": "all"}}
    job, steps = distillation(lambda folder: 1.0, data=few_data(tmp_path, truth=str(truth)), labels=labels, seeds=[0])
    (results,) = job.rounds(1)
    assert {row.name: dataclasses.astuple(row.agreement) for row in results if row.agreement} == {
        "fused": (2, 1, 2), "right ones": (1, 1, 2), "all": (2, 2, 2)
    }  # fmt: skip
    assert steps.verbs().count("run") == 1  # they look at images alike
    files = [s.words[s.words.index("--pseudo-json") + 1] for s in steps.seen if "--pseudo-json" in s.words]
    folder = tmp_path / "out/round-1"
    assert files == [str(folder / f"{name}.json") for name in ("fused", "right-ones.true-right", "all.true-all")]
    boxes = [[a["bbox"] for a in json.loads(Path(file).read_text())["annotations"]] for file in files]
    assert boxes == [[[0, 0, 9, 10], [10, 10, 4, 4]]] * 2 + [[[0, 0, 10, 10], [15, 0, 5, 5]]]
    assert [a["iscrowd"] for a in json.loads(Path(files[1]).read_text())["annotations"]] == [0, 1]
    header = job.table(results).splitlines()[0]
    assert header.split("|")[-4:-1] == [" labels ", " right ", " found "]


def test_a_truth_without_a_class_leaves_no_record(distillation, tmp_path):
    """Hours before it is asked."""
    truth = tmp_path / "truth.json"
    write_classes(truth, "Text")
    job, steps = distillation(lambda folder: 1.0, data=few_data(tmp_path, truth=str(truth)))
    with pytest.raises(ValueError, match="truth.json: no COCO file"):
        next(job.rounds(1))
    truth.write_text(json.dumps(json.loads(truth.read_text()) | {"images": [], "annotations": []}))
    with pytest.raises(ValueError, match=r"truth.json has no class 'Table', only \['Text'\]"):
        next(job.rounds(1))
    assert [step.name for step in steps.seen] == ["prepare-1"] * 2 and not (tmp_path / "out").exists()


def test_labels_without_their_manifest_are_selected_again(distillation, tmp_path):
    """A kill between the two files."""
    job, steps = distillation(lambda folder: 1.0)
    next(job.rounds(1))
    (tmp_path / "out/round-1/fused.json").touch()
    (tmp_path / "out/round-1/fused.manifest.json").unlink()
    seen = len(steps.seen)
    next(job.rounds(1))
    assert [s.name for s in steps.seen[seen:] if s.words[1] == "select"] == ["round-1-select-fused"]


def test_with_one_seed_teachers_have_no_gain(distillation):
    job, _ = distillation(lambda folder: 5.0 + ("round-1" in str(folder)), seeds=[0])
    (results,) = job.rounds(1)
    rows = [line.split("|") for line in job.table(results).splitlines()]
    gains = {cells[1].strip(): cells[5].strip() for cells in rows}
    assert {name: gain for name, gain in gains.items() if "teacher" in name} == {
        "the teacher itself": "-", "the teacher's fused": "-", "the teacher's one view": "-",
    }  # fmt: skip
    assert gains["labels alone"] == "-" and gains["fixed"] == "+1.0"


def test_the_best_student_teaches_the_next_round_until_nothing_rises(distillation, tmp_path):
    def ap(folder):
        seed = 1.0 if folder.name.endswith("1") else 0.0
        return seed + {"students": 10.0}.get(folder.parent.name, 10.0) + 5 * ("round" in str(folder))

    job, steps = distillation(ap)
    rounds = list(job.rounds(5))
    assert len(rounds) == 2 and "round 2 does not raise AP on validation (15.5)" in steps.said[-1]
    runs = [s.words for s in steps.seen if s.words[1] == "run"]
    best = tmp_path / "out/round-1/students/fused-seed1"
    assert runs[-1][3:6] == ("--teacher", str(best / "config.yaml"), str(best / "model_best.pth"))
    assert "--views" not in runs[-1] and len(runs) == 3
    names = [row.name for row in rounds[-1]]
    assert names[-1] == "fused, round 2" and names[-2] == "the teacher's fused, round 2"
    assert len(set(names)) == len(names)


def test_an_onnx_teacher_is_not_trained(distillation, tmp_path):
    onnx = {"onnx": str(tmp_path / "t.onnx"), "class_map": {"figure": "Table", "text": None}}
    job, steps = distillation(lambda folder: 1.0, teacher=onnx)
    with pytest.raises(ValueError, match="t.onnx .the teacher.: make it"):
        next(job.rounds(1))
    (tmp_path / "t.onnx").touch()
    steps.seen.clear()
    next(job.rounds(1))
    assert "teacher" not in steps.verbs()
    words = next(s.words for s in steps.seen if s.words[1] == "run")
    assert words[3:5] == ("--onnx", onnx["onnx"]) and words[-2] == "--class-map"
    assert json.loads(Path(words[-1]).read_text()) == onnx["class_map"]


def test_a_deployed_teacher_labels_by_its_file_in_each_round(distillation, tmp_path):
    job, steps = distillation(
        lambda folder: 20.0 if "round" in str(folder) else 1.0, teacher={"config": "teacher.yaml", "deployed": True}
    )
    list(job.rounds(2))
    best = tmp_path / "out/round-1/students/fused-seed0"
    for number, folder, name in ((1, tmp_path / "out/teacher", "teacher"), (2, best, "teacher-fused")):
        file = tmp_path / f"out/round-{number}/{name}.onnx"
        (export,) = (s.words for s in steps.seen if s.result == file)
        assert export == (
            "tools/export_model.py", str(folder / "config.yaml"), "--weights", str(folder / "model_best.pth"),
            "--out", str(file), "--images", str(tmp_path / "images"),
        )  # fmt: skip
        runs = [s.words for s in steps.seen if s.words[1] == "run" and f"round-{number}" in s.words[2]]
        assert runs and all(words[3:5] == ("--onnx", str(file)) for words in runs)


def test_a_deployed_teacher_of_a_later_round_is_that_of_its_way(distillation, tmp_path):
    """Called one after the other; in the first round all ways have one teacher."""
    teacher = {"config": "teacher.yaml", "deployed": True}
    job, steps = distillation(lambda folder: 10.0 + 5 * ("round" in str(folder)), teacher=teacher)
    for way in ("fused", "one view"):
        list(dataclasses.replace(job, recipe=job.recipe.only([way])).rounds(2))
    exports = {str(s.result.relative_to(tmp_path / "out")): s.words[1] for s in steps.seen if "export" in s.name}
    assert {file: Path(config).parent.name for file, config in exports.items()} == {
        "round-1/teacher.onnx": "teacher", "round-2/teacher-fused.onnx": "fused-seed0",
        "round-2/teacher-one-view.onnx": "one-view-seed0",
    }  # fmt: skip


@pytest.mark.parametrize("wrong", [
    {"data": {"validation": "{}/vall.json"}}, {"data": {"labelled_images": "{}/imags"}},
    {"data": {"unlabelled": "{}/scams/*.jpg"}},
    {"student": {"config": "student.yaml", "opts": "MODEL.WEIGHTS {}/z.pth"}},
])  # fmt: skip
def test_a_misspelt_name_leaves_no_record(distillation, tmp_path, wrong):
    """Else the corrected recipe would be another one than the folder was begun with."""
    wrong = json.loads(json.dumps(wrong).replace("{}", str(tmp_path)))
    if "data" in wrong:
        wrong["data"] = few_data(tmp_path, **wrong["data"])
    job, steps = distillation(lambda folder: 1.0, **wrong)
    with pytest.raises(ValueError, match=r"^(no (file|folder)|nothing at) .*/(vall.json|imags|scams/.*.jpg|z.pth) "):
        next(job.rounds(1))
    assert [step.name for step in steps.seen] == ["prepare-1"]
    next(distillation(lambda folder: 1.0)[0].rounds(1))


def test_a_folder_belongs_to_one_recipe(distillation):
    job, _ = distillation(lambda folder: 1.0)
    next(job.rounds(1))
    other, _ = distillation(lambda folder: 1.0, seeds=[0, 1, 2])
    with pytest.raises(ValueError, match="begun with another recipe"):
        next(other.rounds(1))


def test_ways_join_a_folder_one_after_the_other(distillation):
    job, steps = distillation(lambda folder: 1.0)
    one = dataclasses.replace(job, recipe=job.recipe.only(["fixed"]))
    assert [row.name for row in next(one.rounds(1))][-2:] == ["labels alone", "fixed"]
    seen = len(steps.seen)
    assert [row.name for row in next(job.rounds(1))][-3:] == ["fused", "fixed", "one view"]
    trained = [s.result.parent.parent.name for s in steps.seen[seen:] if s.words[0] == "tools/train_net.py"]
    assert trained == ["fused-seed0", "fused-seed1", "one-view-seed0", "one-view-seed1"]
    assert len({s.words[2] for s in steps.seen if s.words[1] == "run"}) == 2  # fused and fixed look alike
    labels = {"fixed": {"run": "--views 64,80", "select": "--rule f1"}}
    other, _ = distillation(lambda folder: 1.0, labels=labels)
    with pytest.raises(ValueError, match="begun with other labels called 'fixed'"):
        next(other.rounds(1))


def test_a_way_without_labels_may_be_mended(distillation):
    """What `run` has against it may show only when it begins."""
    labels = {"fused": {"run": "--views 64"}, "fixed": {"run": "--views 64 --floor 0.2"}}
    job, steps = distillation(lambda folder: 1.0, labels=labels)
    run = steps.run

    def refuse(steps, at_once=1):
        if "0.2" in steps[0].words:
            raise ValueError("no memory left")
        run(steps, at_once)

    steps.run = refuse
    with pytest.raises(ValueError, match="no memory left"):
        next(job.rounds(1))
    mended, _ = distillation(lambda folder: 1.0, labels=labels | {"fixed": {"run": "--views 80"}})
    assert [row.name for row in next(mended.rounds(1))][-2:] == ["fused", "fixed"]
    for name in ("fixed", "Fixed!"):  # of another spelling, but of the same files
        other, _ = distillation(lambda folder: 1.0, labels={"fused": labels["fused"], name: {"run": "--views 96"}})
        with pytest.raises(ValueError, match=f"begun with other labels called '{name}'"):
            next(other.rounds(1))


def test_a_way_of_another_spelling_keeps_its_labels(distillation):
    next(distillation(lambda folder: 1.0, labels={"fused": {"run": "--views 64"}})[0].rounds(1))
    respelt, steps = distillation(lambda folder: 1.0, labels={"Fused": {"run": "--views 64"}})
    assert next(respelt.rounds(1))[-1].name == "Fused"
    # `run` itself knows what is finished
    assert [step.name for step in steps.seen] == ["prepare-1", "round-1-run-work-views-64"]
    other, _ = distillation(lambda folder: 1.0, labels={"fused": {"run": "--views 80"}})
    with pytest.raises(ValueError, match="begun with other labels called 'fused'"):
        next(other.rounds(1))


def test_a_table_keeps_ways_that_are_not_asked_for(distillation, tmp_path):
    """Their order is the recipe's; those that are not finished, or were changed since, have no row."""
    job, steps = distillation(lambda folder: 20.0 if "round-1" in str(folder) else 10.0)
    (all_of_it,) = job.rounds(1)
    one = dataclasses.replace(job, recipe=job.recipe.only(["fixed"]))
    seen = len(steps.seen)
    assert job.table(next(one.rounds(1))) == job.table(all_of_it)
    assert [s.words[1] for s in steps.seen[seen:]] == ["--out", "run", "report"]
    (tmp_path / "out/round-1/students/one-view-seed1/evaluation/metrics.json").unlink()
    labels = job.recipe.labels | {"fused": Labels(run=("--views", "96"))}
    other = dataclasses.replace(one, whole=dataclasses.replace(job.whole, labels=labels))
    assert [row.name for row in next(other.rounds(1))] == [
        "the teacher itself", "the teacher's fixed", "labels alone", "fixed",
    ]  # fmt: skip


def test_a_table_does_without_the_work_folder_of_a_finished_way(distillation, tmp_path):
    job, _ = distillation(lambda folder: 1.0)
    next(job.rounds(1))
    shutil.rmtree(tmp_path / "out/round-1/work-views-64")
    one = dataclasses.replace(job, recipe=job.recipe.only(["fused"]))
    assert [row.name for row in next(one.rounds(1))] == [
        "the teacher itself", "the teacher's fused", "labels alone", "fused", "fixed", "one view",
    ]  # fmt: skip


def test_a_table_keeps_further_rounds(distillation):
    job, _ = distillation(lambda folder: 10.0 + 5 * ("round" in str(folder)))
    assert len(list(job.rounds(2))) == 2
    one = dataclasses.replace(job, recipe=job.recipe.only(["fixed"]))
    assert [row.name for row in next(one.rounds(1))][-2:] == ["the teacher's fused, round 2", "fused, round 2"]


def test_each_way_has_a_teacher_of_its_own_in_further_rounds(distillation, tmp_path):
    """Called one after the other: `run` refuses a work folder that has another teacher's boxes."""
    job, steps = distillation(lambda folder: 10.0 + 5 * ("round" in str(folder)))
    for way in job.recipe.labels:
        assert len(list(dataclasses.replace(job, recipe=job.recipe.only([way])).rounds(2))) == 2
    runs = {s.words[2]: s.words[5] for s in steps.seen if s.words[1] == "run" and "round-2" in s.words[2]}
    assert {Path(work).name: Path(weights).parent.name for work, weights in runs.items()} == {
        "work-fused": "fused-seed0", "work-fixed": "fixed-seed0", "work-one-view": "one-view-seed0",
    }  # fmt: skip
    names = [row.name for row in job._finished()]
    assert names[-6:-3] == [f"the teacher's {way}, round 2" for way in job.recipe.labels]


def test_each_way_asked_for_first_has_a_report(distillation, tmp_path):
    """A report that is there is not made again; it may be another way's."""
    job, steps = distillation(lambda folder: 1.0)
    next(job.rounds(1))
    next(dataclasses.replace(job, recipe=job.recipe.only(["fixed"])).rounds(1))
    reports = [s.words[3:] for s in steps.seen if s.words[1] == "report"]
    folder = tmp_path / "out/round-1"
    assert reports == [
        (str(folder / f"{name}.json"), "--out", str(folder / f"report-{name}.html")) for name in ("fused", "fixed")
    ]


def test_a_folder_belongs_to_its_data(distillation, tmp_path):
    job, steps = distillation(lambda folder: 1.0)
    next(job.rounds(1))
    next(job.rounds(1))
    (tmp_path / "few.json").write_text('{"images": []}')
    steps.run = lambda *_: None  # the tool that makes the data would find it
    with pytest.raises(ValueError, match="few.json is not what .* was begun with: choose another --out"):
        next(job.rounds(1))


def test_a_folder_belongs_to_its_unlabelled_lists(distillation, tmp_path):
    """A finished plan is not asked again: a shorter list would leave the old table, without a word."""
    data = few_data(tmp_path, unlabelled=[f"{tmp_path}/scans", f"{tmp_path}/more.json"])
    (tmp_path / "more.json").write_text('{"images": [1, 2]}')
    job, _ = distillation(lambda folder: 1.0, data=data)
    next(job.rounds(1))
    next(job.rounds(1))
    (tmp_path / "more.json").write_text('{"images": [1]}')
    with pytest.raises(ValueError, match="more.json is not what .* was begun with: choose another --out"):
        next(job.rounds(1))


@pytest.mark.parametrize("others", [("Table",), ("Text", "Table"), ("Table", "Text", "Page")])
def test_labelled_and_validation_images_have_the_same_classes(distillation, tmp_path, others):
    job, steps = distillation(lambda folder: 1.0, data=few_data(tmp_path, validation=f"{tmp_path}/val.json"))
    write_classes(tmp_path / "val.json", *others)
    with pytest.raises(ValueError) as caught:
        next(job.rounds(1))
    text = str(caught.value)
    assert f"{tmp_path}/few.json has the classes ['Table', 'Text']" in text and "\n" not in text
    assert f"{tmp_path}/val.json has {list(others)}" in text
    assert [step.name for step in steps.seen] == ["prepare-1"]
    write_classes(tmp_path / "val.json", "Table", "Text")  # mended, it is what the folder is begun with
    next(job.rounds(1))


@pytest.mark.parametrize("name", ["student.yaml", "teacher.yaml", "t.pth", "zoo.pth"])
def test_a_folder_belongs_to_its_configs_and_weights(distillation, tmp_path, name):
    """Seeds of two configs would stand in one row."""
    models = {
        "teacher": {"config": "teacher.yaml", "weights": str(tmp_path / "t.pth")},
        "student": {"config": "student.yaml", "opts": f"MODEL.WEIGHTS {tmp_path}/zoo.pth"},
    }
    for file in ("t.pth", "zoo.pth"):
        (tmp_path / file).touch()
    job, _ = distillation(lambda folder: 1.0, **models)
    next(job.rounds(1))
    next(job.rounds(1))
    (tmp_path / name).write_text("SOLVER: {MAX_ITER: 9000}")
    with pytest.raises(ValueError, match=f"/{name} is not what .* was begun with: choose another --out"):
        next(job.rounds(1))


def test_a_folder_from_before_there_were_truths_goes_on(distillation, tmp_path):
    job, _ = distillation(lambda folder: 1.0)
    (before,) = job.rounds(1)
    noted = json.loads((tmp_path / "out/recipe.json").read_text())
    for how in noted["labels"].values():
        del how["truth"]
    (tmp_path / "out/recipe.json").write_text(json.dumps(noted))
    (after,) = job.rounds(1)
    assert [row.name for row in after] == [row.name for row in before]


def test_a_folder_of_an_older_version_goes_on(distillation, tmp_path):
    """It noted the data alone."""
    job, _ = distillation(lambda folder: 1.0)
    next(job.rounds(1))
    noted = json.loads((tmp_path / "out/data.json").read_text())
    (tmp_path / "out/data.json").write_text(json.dumps({f"{tmp_path}/few.json": noted[f"{tmp_path}/few.json"]}))
    next(job.rounds(1))
    assert json.loads((tmp_path / "out/data.json").read_text()) == noted


def test_the_teacher_s_ap_is_that_of_its_boxes_on_the_validation_images(tmp_path, labelled_work, predictions):
    work = labelled_work()
    # the first shard serves as that of validation images; of image 1 the Table of score 0.9 is right, and no other box
    shutil.copytree(work.images.root, tmp_path / "copy")
    shutil.move(tmp_path / "copy", work.validation.root)
    truth = {
        "images": [{"id": number, "width": 60, "height": 40} for number in (1, 2)],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [0, 5, 8, 10], "area": 80, "iscrowd": 0}],
        "categories": [{"id": 3, "name": "Table"}, {"id": 8, "name": "Text"}],
    }
    work.truth_path.write_text(json.dumps(truth))
    validation = {"json_file": "", "image_root": "", "num_images": 2}
    work.write_plan(dataclasses.replace(work.read_plan(), validation=validation))
    results = _teacher_results("t", work)
    assert results.values == {metric: pytest.approx((100.0,)) for metric in ("AP", "AP50", "AP75")}
