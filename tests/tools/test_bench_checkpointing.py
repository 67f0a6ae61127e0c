"""tools/bench_checkpointing.py: what is compared, and that a promise not kept is an error."""

import importlib.util
from pathlib import Path

import pytest

_PATH = Path(__file__).parents[2] / "tools" / "bench_checkpointing.py"
_SPEC = importlib.util.spec_from_file_location("bench_checkpointing", _PATH)
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)


@pytest.fixture
def measured(monkeypatch):
    """A function that sets what every comparison finds; it has the list of comparisons made."""
    calls = []

    def find(saved_ratio, time_ratio):
        row = {"saved_mb": 100.0, "saved_ratio": saved_ratio, "peak_mb": 200.0, "peak_ratio": 0.7, "seconds": 1.5}
        monkeypatch.setattr(tool, "compare", lambda *args: calls.append(args) or {**row, "time_ratio": time_ratio})
        return calls

    return find


def test_both_nets_by_default(measured, capsys):
    calls = measured(0.65, 1.25)
    tool.main(["--size", "64", "96", "--batch", "3", "--rounds", "2"])
    assert "100 |    x 0.65 |                200 |    x 0.70 |  1.50 |    x 1.25 |" in capsys.readouterr().out
    assert [(shape, rounds) for *_, shape, rounds in calls] == [((3, 3, 64, 96), 2)] * 2
    for (plain, efficient, _, _), first_block in zip(calls, ("stage2.0.layers.0", "stage2.0.dense.layers.0")):
        for make, recompute in ((plain, False), (efficient, True)):
            net = make()
            assert net.training and net.get_submodule(first_block).first.recompute is recompute
            assert all(p.requires_grad for p in net.parameters())


def test_the_page_gets_the_table(measured, monkeypatch, tmp_path):
    measured(0.5, 1)
    monkeypatch.setattr(tool, "PAGE", tmp_path / "memory.md")
    tool.PAGE.write_text("a\n{}\nold\n{}\nb\n".format(*tool.MARKS))
    tool.main(["--write"])
    page = tool.PAGE.read_text()
    assert "old" not in page and "| retina_cspdensenet |" in page and "4 images of 224x224" in page


@pytest.mark.parametrize(("saved_ratio", "time_ratio"), [(0.66, 1.0), (0.5, 1.26)])
def test_a_promise_not_kept_is_an_error(measured, saved_ratio, time_ratio):
    measured(saved_ratio, time_ratio)
    with pytest.raises(SystemExit, match="retina_densenet, retina_cspdensenet: more than x 0.65 of memory or x 1.25"):
        tool.main([])


@pytest.mark.parametrize("arguments", [["--size", "0", "64"], ["--batch", "0"], ["--rounds", "-1"]])
def test_sizes_are_positive(measured, arguments, capsys):
    measured(0.5, 1)
    with pytest.raises(SystemExit):
        tool.main(arguments)
    assert "must be positive, got" in capsys.readouterr().err


def test_a_misspelt_config_is_answered():
    with pytest.raises(SystemExit, match="retina_densenet.yaml"):
        tool.main([str(tool.CONFIGS[0]).replace("densenet", "densenett")])
