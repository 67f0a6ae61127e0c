import pytest

from dense_det.engine.arguments import build_parser, parse

BASE = ["--config-file", "a.yaml"]


def test_overrides_follow_the_options():
    args = parse(build_parser(), [*BASE, "--num-procs", "2", "--resume", "SOLVER.MAX_ITER", "3"])
    assert (args.num_procs, args.resume, args.opts) == (2, True, ["SOLVER.MAX_ITER", "3"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*BASE, "--train-json", "a.json"], "--train-json and --train-images go together"),
        ([*BASE, "--val-images", "images"], "--val-json and --val-images go together"),
        ([*BASE, "--pseudo-images", "images"], "--pseudo-json, which is not given"),
        ([*BASE, "SEED", "3", "--resume"], "--resume stands after KEY VALUE"),
        ([*BASE, "--num-procs", "0"], "--num-procs must be at least 1, got 0"),
        ([*BASE, "--num-procs", "2", "--num-gpus", "2"], "not allowed with"),
        ([*BASE, "--resume", "--eval-only"], "give one of them"),
        ([], "--config-file"),
    ],
)
def test_contradictions_are_explained(capsys, words, message):
    with pytest.raises(SystemExit) as stop:
        parse(build_parser(), words)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_help_shows_examples(capsys):
    with pytest.raises(SystemExit):
        parse(build_parser(), ["--help"])
    assert "--train-json train.json" in capsys.readouterr().out
