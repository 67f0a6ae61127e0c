"""Processes and Ray: a worker that dies takes nobody along, and the next run does what it left."""

import argparse
import importlib.util
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from dense_det.distillation import processes
from dense_det.distillation.commands import run
from dense_det.distillation.manifest import Manifest
from dense_det.distillation.planning import PlanSettings, make_plan
from dense_det.distillation.processes import run_here, run_ray, run_workers
from dense_det.distillation.share import Share
from dense_det.distillation.work_folder import WorkFolder

# a program of its own, since new processes import the main module again; its teacher kills the first worker that
# sees the image with the id in $KILL, once; with $ALWAYS every one
PROGRAM = """
import os, pathlib, signal, sys
import numpy as np
from dense_det.distillation.processes import run_here, run_ray, run_workers
from dense_det.distillation.shard_file import ImagePredictions
from dense_det.distillation.share import Share
from dense_det.distillation.manifest import Manifest
from dense_det.distillation.work_folder import WorkFolder

class Labeller:
    least_edge = 0
    def manifest(self):
        return Manifest(["a"], [], [], {"kind": "nms", "iou": 0.5}, 0.05, 10)
    def label(self, pixels, image_id, size):
        mark = pathlib.Path(os.environ["WORK"], "killed")
        if str(image_id) == os.environ.get("KILL") and ("ALWAYS" in os.environ or not mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        value = float(pixels.mean())
        return ImagePredictions(image_id, np.full((1, 4), value), [0.5], [0], [1], [0])

def main(kind):
    work = WorkFolder(os.environ["WORK"])
    run = {"here": lambda: run_here(work, Labeller, Share(0, 1), 1.0),
           "processes": lambda: run_workers(work, Labeller, Share(0, 1), 2, 1.0),
           "ray": lambda: run_ray(work, Labeller, Share(0, 1), 2, 1.0)}[kind]
    try:
        for line in run():
            print(line, flush=True)
        if kind == "ray":
            print("reports to Ray's makers:", os.environ["RAY_USAGE_STATS_ENABLED"])
    except ChildProcessError as error:
        sys.exit(str(error))

if __name__ == "__main__":
    main(os.environ["BACKEND"])
"""


@pytest.fixture
def program(tmp_path, photos, jpeg):
    """A function that runs PROGRAM with a backend on ten images, three a shard: (work folder, result)."""
    for seed in range(20, 25):
        (photos / f"{seed}.jpg").write_bytes(jpeg(seed))
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)

    def start(name: str, backend: str, kill: str = "", **more: str):
        work = WorkFolder(tmp_path / name)
        make_plan(work, PlanSettings((str(photos),), shard_size=3))
        environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        environment |= {"WORK": str(work.root), "BACKEND": backend, "KILL": kill}
        environment |= {"PYTHONPATH": str(Path(__file__).parents[2]), "RAY_USAGE_STATS_ENABLED": "0"} | more
        result = subprocess.run([sys.executable, path], env=environment, capture_output=True, text=True, timeout=300)
        return work, result

    return start


@pytest.fixture
def label_here(program, tmp_path, monkeypatch):
    """A function that labels what is left of a planned folder in this process, with the program's `labeller`."""
    spec = importlib.util.spec_from_file_location("program", tmp_path / "program.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def label(work, lanes: int = 1) -> list[str]:
        monkeypatch.setenv("WORK", str(work.root))
        return list(run_here(work, module.Labeller, Share(0, 1), 1.0, lanes))

    label.labeller = module.Labeller
    return label


@pytest.fixture
def expected(label_here, tmp_path):
    """The predictions of an undisturbed run."""
    work = WorkFolder(tmp_path / "expected")
    make_plan(work, PlanSettings((str(tmp_path / "photos"),), shard_size=3))
    assert label_here(work)[3].startswith("shard 3: 1 images, 1 boxes")
    return predictions(work)


def predictions(work) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (work.root / "predictions").iterdir()}


def test_a_worker_that_dies_takes_nobody_along(program, label_here, expected):
    work, result = program("work", "processes", kill="4")  # in shard 1: of worker 1, which has shard 3, too
    assert result.returncode == 1
    assert "worker 1/2 was killed by signal 9; 1 of 2 workers ended well" in result.stderr
    assert "run the same command again" in result.stderr
    assert sorted(predictions(work)) == ["shard-000000.npz", "shard-000002.npz"]
    assert [line.partition(":")[0] for line in label_here(work)] == ["shard 3", "shard 1"]
    assert predictions(work) == expected


def test_what_is_left_is_dealt_to_all(program, label_here, tmp_path, monkeypatch):
    """Shards 1 and 3 of 5 are left, both of worker 1 of 2 who ended early."""
    work = WorkFolder(tmp_path / "work")
    make_plan(work, PlanSettings((str(tmp_path / "photos"),), shard_size=2))
    label_here(work)
    for shard in (1, 3):
        work.images.predictions(shard).unlink()
    hands = []

    class Process:
        exitcode = 0

        def __init__(self, target, args):
            hands.append([task.shard for task in args[2]])

        def start(self):
            pass

        def is_alive(self):
            return False

    monkeypatch.setattr(processes.multiprocessing, "get_context", lambda _kind: SimpleNamespace(Process=Process))
    list(processes.run_processes(work, None, Share(0, 1), 1.0, [1, 1]))
    assert hands == [[1], [3]]


@pytest.mark.parametrize(
    "shard_size, num, used",
    [(3, 1, [1]), (3, 2, [1, 1]), (3, 9, [3, 2, 2, 2]), (3, 4, [1] * 4), (5, 5, [3, 2]), (10, 3, [3])],
)
def test_few_shards_are_no_reason_to_leave_cores_idle(program, tmp_path, monkeypatch, shard_size, num, used):
    """Ten images; `used`: lanes of each process."""
    asked = []
    monkeypatch.setattr(processes, "run_here", lambda *words: asked.append([*words[4:]]) or iter(()))
    monkeypatch.setattr(processes, "run_processes", lambda *words: asked.append(words[4]) or iter(()))
    work = WorkFolder(tmp_path / "work")
    make_plan(work, PlanSettings((str(tmp_path / "photos"),), shard_size=shard_size))
    assert list(run_workers(work, None, Share(0, 1), num, 1.0)) == [] and asked == [used]


def test_what_is_finished_needs_no_process(program, label_here, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(processes, "run_processes", lambda *words: asked.append(words[4]) or iter(()))
    work = WorkFolder(tmp_path / "work")
    make_plan(work, PlanSettings((str(tmp_path / "photos"),), shard_size=3))
    label_here(work)
    for shard in (1, 3):
        work.images.predictions(shard).unlink()
    assert list(run_workers(work, None, Share(0, 1), 4, 1.0)) == [] and asked == [[2, 2]]


def test_lanes_find_the_same(program, label_here, expected, tmp_path):
    work = WorkFolder(tmp_path / "lanes")
    make_plan(work, PlanSettings((str(tmp_path / "photos"),), shard_size=3))
    assert len(label_here(work, lanes=3)) == 4
    assert predictions(work) == expected


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="an optional extra")
def test_ray_tries_a_dead_workers_shard_again(program, expected):
    work, result = program("work", "ray", kill="4")
    assert result.returncode == 0, result.stderr
    assert (work.root / "killed").exists() and result.stdout.count("shard ") == 4
    assert "reports to Ray's makers: 0" in result.stdout
    assert predictions(work) == expected


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="an optional extra")
def test_ray_finds_an_image_that_kills_within_one_run(program, expected):
    work, result = program("work", "ray", kill="4", ALWAYS="")  # with its retries, as many attempts as that takes
    assert result.returncode == 0, result.stderr
    assert [(shard, f.id) for shard in range(4) for f in work.images.read_failures(shard)] == [(1, 4)]
    found = predictions(work)
    assert found.keys() == expected.keys() and len(found.items() & expected.items()) == 3


def label_slowly(root, labeller, mark):
    class Slow(labeller):
        def label(self, pixels, image_id, size):
            if image_id == 5:
                mark.touch()
                time.sleep(0.5)
            return super().label(pixels, image_id, size)

    tasks = Share(0, 1).tasks(WorkFolder(root).read_plan())
    processes._child(str(root), Slow, tasks, 1.0, 1, os.getppid())


def test_a_worker_that_is_asked_to_end_dies_at_no_shard(label_here, expected, tmp_path):
    """As Ctrl-C asks the workers of a run, and SLURM those of a job."""
    work, mark = WorkFolder(tmp_path / "asked"), tmp_path / "at_work"
    make_plan(work, PlanSettings((str(tmp_path / "photos"),), shard_size=3))
    context = multiprocessing.get_context("fork")
    process = context.Process(target=label_slowly, args=(work.root, label_here.labeller, mark))
    process.start()
    while process.is_alive() and not mark.exists():
        time.sleep(0.01)
    processes._end([process])
    assert process.exitcode == 143 and not list(work.root.glob("claims/*"))
    assert work.images.finished() == {0}
    assert len(label_here(work)) == 3 and predictions(work) == expected


class StubRay:
    """A cluster of four CPUs, in this process; `most`: tasks that were in flight at once; `dead`: shards whose workers
    die."""

    class RayError(Exception):
        pass

    class RayTaskError(RayError):
        def __init__(self, cause):
            self.cause = cause

    exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)

    def __init__(self, dead=()):
        self.most, self.dead, self.begun = 0, dead, []

    def init(self, **settings):
        self.settings = settings

    def cluster_resources(self):
        return {"CPU": 4.0}

    def put(self, thing):
        return thing

    def remote(self, **_):
        return lambda function: SimpleNamespace(remote=lambda *words: lambda: self.run(function, *words))

    def run(self, function, root, task, *words):
        self.begun.append(task.shard)
        if task.shard in self.dead:
            raise self.RayError
        try:
            return function(root, task, *words)
        except Exception as error:
            raise self.RayTaskError(error) from error

    def wait(self, waiting):
        self.most = max(self.most, len(waiting))
        return waiting[:1], waiting[1:]

    def get(self, ready):
        return ready()

    def shutdown(self):
        pass


@pytest.mark.parametrize("num, most", [(None, 4), (1, 1), (3, 3)])
def test_a_cluster_has_no_more_tasks_in_flight_than_asked_for(label_here, tmp_path, monkeypatch, num, most):
    """Of four shards, on a cluster that could take eight tasks."""
    ray = StubRay()
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setenv("WORK", str(tmp_path))
    monkeypatch.setenv("RAY_ADDRESS", "cluster:6379")
    work = WorkFolder(tmp_path / "work")
    make_plan(work, PlanSettings((str(tmp_path / "photos"),), shard_size=3))
    assert len(list(run_ray(work, label_here.labeller, Share(0, 1), num, 1.0))) == 4
    assert ray.settings["address"] == "cluster:6379" and "num_cpus" not in ray.settings
    assert ray.most == most
    assert len(predictions(work)) == 4


@pytest.fixture
def run_stub(label_here, tmp_path, monkeypatch):
    """A function that labels ten images, one a shard, on a StubRay, one task in flight: (work, stub, error).

    The teacher has no room for images of the ids `large`; the file of shard `bad` is empty.
    """

    class Labeller(label_here.labeller):
        large = ()

        def label(self, pixels, image_id, size):
            if image_id in self.large:
                raise MemoryError("no room")
            return super().label(pixels, image_id, size)

    def run(dead=(), large=(), bad=None, rate=1.0):
        Labeller.large = large
        stub, work = StubRay(dead), WorkFolder(tmp_path / "stub")
        monkeypatch.setitem(sys.modules, "ray", stub)
        monkeypatch.setenv("WORK", str(tmp_path))
        monkeypatch.setattr(processes, "_opened", {})
        make_plan(work, PlanSettings((str(tmp_path / "photos"),), shard_size=1))
        if bad is not None:
            (image,) = work.images.read_inputs(bad)
            Path(image.file_name).write_bytes(b"")
        with pytest.raises(ChildProcessError) as error:
            list(run_ray(work, Labeller, Share(0, 1), 1, rate))
        return work, stub, str(error.value)

    return run


def test_a_shard_that_ray_gives_up_takes_no_other_along(run_stub):
    work, stub, message = run_stub(dead={1, 4}, large={4})
    assert work.images.finished() == {0, 2, 5, 6, 7, 8, 9} and stub.begun == list(range(10))
    assert message.startswith("failed: shard 1 (given up after 3 retries: RayError); shard 3 (")
    assert "MemoryError: no room" in message and "); shard 4 (given up after" in message
    assert "7 of 10 shards ended well. Finished shards stay; run the same command again" in message


def test_ray_begins_no_more_where_all_fails(run_stub):
    _, stub, _ = run_stub(dead=set(range(1, 10)))
    assert stub.begun == list(range(9)), "eight in a row"


def test_ray_begins_no_more_where_too_many_images_fail(run_stub):
    _, stub, message = run_stub(bad=2, rate=0.0)
    assert stub.begun == [0, 1, 2] and "shard 2: 1 of 1 images cannot be labelled" in message


@pytest.mark.parametrize(
    "address, words, num", [("cluster:6379", (), None), ("cluster:6379", ("3",), 3), ("", (), 2), ("", ("3",), 3)]
)
def test_ray_gets_the_number_that_the_user_gave(program, tmp_path, monkeypatch, address, words, num):
    work = WorkFolder(tmp_path / "work")
    make_plan(work, PlanSettings((str(tmp_path / "photos"),), shard_size=3))
    given = []
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setattr(run, "num_cores", lambda: 2)
    labeller = SimpleNamespace(manifest=lambda: Manifest(["a"], [], [], {"kind": "nms", "iou": 0.5}, 0.05, 10))
    monkeypatch.setattr(run, "open_labeller", lambda settings: labeller)
    monkeypatch.setattr(run, "run_ray", lambda *args: given.append(args[3]) or iter(()))
    parser = argparse.ArgumentParser()
    parser.set_defaults(load_cfg=None, load_model=None)
    run.add_arguments(parser)
    words = ["--num-workers", *words] if words else []
    list(run.main(parser.parse_args([str(work.root), "--onnx", "a.onnx", "--backend", "ray", *words])))
    assert given == [num]
