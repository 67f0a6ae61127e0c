import os

import pytest

from dense_det.environment import LEAVE, VARIABLES
from dense_det.speed import apart
from dense_det.speed.apart import Apart


def variables() -> dict:
    return {name: os.environ.get(name) for name in (LEAVE, *VARIABLES)}


def tell_variables():
    """In the other process: what it got is its working folder's business."""
    seen = variables()

    def run():
        with open(os.environ["SEEN"], "a") as file:
            file.write(f"{seen}\n")

    return run


def test_one_process_is_left_as_it_starts(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    before = dict(os.environ)
    seen = []
    for prepared in (False, True):
        monkeypatch.setenv("SEEN", str(tmp_path / str(prepared)))
        with Apart(tell_variables, prepared) as process:
            process()
            process()
        seen.append((tmp_path / str(prepared)).read_text().splitlines()[-1])
    assert {**os.environ, "SEEN": ""} == {**before, "SEEN": ""}
    assert "'DENSE_DET_LEAVE_PROCESS': '1', 'OMP_WAIT_POLICY': None" in seen[0]
    assert "'DENSE_DET_LEAVE_PROCESS': None, 'OMP_WAIT_POLICY': 'PASSIVE'" in seen[1]


def test_a_process_that_does_not_start_is_said(monkeypatch):
    monkeypatch.setattr(apart, "SECONDS_TO_START", 0)
    with pytest.raises(ValueError, match="did not start within 0 s"), Apart(tell_variables, True):
        pass


def give_up():
    os._exit(3)


def test_so_is_one_that_ends_at_once():
    with pytest.raises(ValueError, match="ended before it had started"), Apart(give_up, True):
        pass
