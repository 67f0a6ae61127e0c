import json
import os
import time
from contextlib import contextmanager

import pytest

from dense_det.atomic_file import atomic_file
from dense_det.steps import Failures, Step, StepFailed, Steps, training_step

TOOL = """import contextlib, os, sys
print("threads", os.environ["OMP_NUM_THREADS"])
if sys.argv[1] == "fail":
    sys.exit("the disk is full")
with open(sys.argv[1], "a") as file:
    file.write("x")
if sys.argv[2:]:
    lock = os.stat(sys.argv[2])
    for number in range(3, 99):
        with contextlib.suppress(OSError):
            print("holds it" if os.path.samestat(os.fstat(number), lock) else "")
"""


@pytest.fixture
def steps(tmp_path):
    (tmp_path / "tool.py").write_text(TOOL)
    said = []
    with Steps(tmp_path, tmp_path / "out", said.append, threads=4) as made:
        made.said = said
        yield made


def test_a_step_is_run_once_and_leaves_log_and_time(steps, tmp_path):
    step = Step("one", ("tool.py", str(tmp_path / "r")), tmp_path / "r")
    steps.run([step])
    steps.run([step])
    assert (tmp_path / "r").read_text() == "x" and len(steps.said) == 1 and steps.said[0].startswith("one: ")
    assert (tmp_path / "out" / "logs" / "one.log").read_text() == "threads 4\n"
    assert json.loads((tmp_path / "out" / "steps.json").read_text()).keys() == {"one"}
    assert Steps(tmp_path, tmp_path / "out", print, 4).seconds == steps.seconds


def test_the_time_of_what_failed_counts_and_that_of_what_was_killed_is_unknown(steps, tmp_path):
    folder, result = tmp_path / "out", tmp_path / "r"
    with pytest.raises(StepFailed):
        steps.run([Step("one", ("tool.py", "fail"), result)])
    failed = steps.seconds["one"]
    steps.run([Step("one", ("tool.py", str(result)), result)])
    assert 0 < failed < steps.seconds["one"]
    (folder / "steps.json").write_text('{"one": 9.5, "two": null}')  # killed amid the second
    again = Steps(tmp_path, folder.with_name("again"), steps.said.append, 4)
    assert again.seconds == {}
    steps._took = json.loads((folder / "steps.json").read_text())
    steps.run([Step("two", ("tool.py", str(tmp_path / "s")), tmp_path / "s")])
    assert steps.seconds == {"one": 9.5} and steps.said[-1] == "two: ended, begun by one that was killed"


def test_a_step_that_knows_itself_what_is_done_is_run_each_time(steps, tmp_path):
    for _ in range(2):
        steps.run([Step("one", ("tool.py", str(tmp_path / "r")), None)])
    assert (tmp_path / "r").read_text() == "xx"


def test_steps_side_by_side_share_the_threads(steps, tmp_path):
    steps.run([Step(n, ("tool.py", str(tmp_path / n)), tmp_path / n) for n in "abc"], at_once=2)
    assert (tmp_path / "out" / "logs" / "b.log").read_text() == "threads 2\n"
    assert sorted(steps.seconds) == ["a", "b", "c"]


def test_steps_that_end_at_once_are_all_noted(steps, tmp_path, monkeypatch):
    writing = []

    @contextmanager
    def alone(path):
        assert not writing, "two threads write steps.json"
        writing.append(path)
        time.sleep(0.01)  # the others come meanwhile
        with atomic_file(path) as file:
            yield file
        writing.clear()

    monkeypatch.setattr("dense_det.steps.atomic_file", alone)
    monkeypatch.setattr(Steps, "_call", lambda *_, **__: 0)
    steps.run([Step(name, ("tool.py",), None) for name in "abcdefgh"], at_once=4)
    assert sorted(json.loads((tmp_path / "out" / "steps.json").read_text())) == list("abcdefgh")


def test_a_folder_is_that_of_one_job_and_its_tools(steps, tmp_path):
    lock = tmp_path / "out" / ".lock"
    steps.run([Step("one", ("tool.py", str(tmp_path / "r"), str(lock)), None)])
    assert "holds it" in (tmp_path / "out" / "logs" / "one.log").read_text()
    with (
        pytest.raises(ValueError, match=rf"out: at work here is .* \(pid {os.getpid()}\): wait"),
        Steps(tmp_path, tmp_path / "out", print, 4),
    ):
        pass
    with Steps(tmp_path, tmp_path / "other", print, 4):
        pass


def test_a_failure_shows_the_last_words_and_keeps_what_is_done(steps, tmp_path):
    good = Step("good", ("tool.py", str(tmp_path / "r")), tmp_path / "r")
    with pytest.raises(StepFailed, match="bad ended with code 1(?s:.*)bad.log(?s:.*)the disk is full(?s:.*)goes on"):
        steps.run([good, Step("bad", ("tool.py", "fail"), tmp_path / "never")])
    assert (tmp_path / "r").read_text() == "x"
    with pytest.raises(StepFailed, match="nothing ended with code 0"):
        steps.run([Step("nothing", ("tool.py", str(tmp_path / "r")), tmp_path / "never")])


def test_parts_that_fail_leave_the_others_alone():
    failures, done = Failures(), []
    failures.tell()
    for part in ("a", "b", "c"):
        with failures:
            if part != "b":
                raise StepFailed(f"{part} ended")
            done.append(part)
    assert done == ["b"]
    with pytest.raises(ValueError, match="^a ended\nc ended$"):
        failures.tell()
    with pytest.raises(KeyError), failures:
        raise KeyError("not a step's")


def test_a_training_goes_on_where_it_was_stopped(tmp_path):
    data = (("t.json", "t"), ("v.json", "v"))
    step = training_step("card", "c.yaml", *data, tmp_path / "run", ("SEED", "1"))
    assert step.result == tmp_path / "run" / "evaluation" / "metrics.json"
    assert step.words == (
        "tools/train_net.py", "--config-file", "c.yaml", "--train-json", "t.json", "--train-images", "t",
        "--val-json", "v.json", "--val-images", "v", "SEED", "1", "OUTPUT_DIR", str(tmp_path / "run"),
    )  # fmt: skip
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model_0000009.pth").touch()
    step = training_step("card", "c.yaml", *data, tmp_path / "run", (), tmp_path / "p.json")
    assert step.words[-5:] == (
        "--pseudo-json",
        str(tmp_path / "p.json"),
        "--resume",
        "OUTPUT_DIR",
        str(tmp_path / "run"),
    )
