"""What is looked at ahead."""

from threading import Event

from dense_det.distillation import inspections
from dense_det.distillation.inspected_files import InspectedFiles
from dense_det.distillation.inspection import Inspected
from dense_det.distillation.inspections import inspect_all
from dense_det.distillation.sources import Candidate


def test_what_is_read_ahead_is_bounded_in_bytes_and_let_go(monkeypatch, tmp_path):
    monkeypatch.setattr(inspections, "_BYTES_AHEAD", 100)
    too_far = Event()

    def contents():
        for k in range(12):
            if k == 4:
                too_far.set()
            yield Candidate("a.tar", str(k), content=bytes(60 if k < 8 else 300))

    def inspect(candidate, *_):
        assert len(candidate.content) in (60, 300)
        if candidate.member == "0":
            too_far.wait(0.3)
            assert not too_far.is_set(), "five contents of 60 bytes wait for the first"
        return Inspected(reason=candidate.member)

    monkeypatch.setattr(inspections, "inspect", inspect)
    with InspectedFiles(tmp_path / "a.db", "") as known:
        found = list(inspect_all(contents(), known, 1000, False, 1))
    assert [(c.member, f.reason) for c, f in found] == [(str(k), str(k)) for k in range(12)]
    assert all(candidate.content is None for candidate, _ in found)
