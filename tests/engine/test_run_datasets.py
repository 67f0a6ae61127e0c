import json
from pathlib import Path

import pytest

from dense_det.config import load_cfg
from dense_det.engine.arguments import build_parser, parse
from dense_det.engine.run_datasets import choose_datasets


@pytest.fixture
def run(pages, tmp_path):
    """The folder of a training whose data no other test has registered; its data sets as (name, file, images)."""
    names = [str(tmp_path / f"{split}.json") for split in ("train", "val")]
    (tmp_path / "images").mkdir()
    for name in names:
        Path(name).touch()
    sets = f"DATASETS: {{TRAIN: [{names[0]}], TEST: [{names[1]}]}}"
    (tmp_path / "config.yaml").write_text(f"{(pages / 'tiny.yaml').read_text()}\n{sets}\n")
    return tmp_path, tuple((name, name, str(tmp_path / "images")) for name in names)


def chosen(folder, *words):
    args = parse(build_parser(), ["--config-file", str(folder / "config.yaml"), *words])
    cfg = load_cfg(args.config_file, args.opts)
    return choose_datasets(cfg, args), cfg.DATASETS


def test_the_config_of_a_training_brings_its_data(run):
    """As README says it: --config-file output/mine/config.yaml --eval-only, without --val-json."""
    folder, datasets = run
    assert chosen(folder)[0] == ()  # nobody knows where they are
    unused = ("other", str(folder / "other.json"), str(folder))
    (folder / "run.json").write_text(json.dumps({"datasets": [*datasets, unused]}))
    assert chosen(folder)[0] == datasets


def test_the_command_line_comes_first(run):
    folder, datasets = run
    (folder / "run.json").write_text(json.dumps({"datasets": datasets}))
    again, names = chosen(folder, "--val-json", str(folder / "more.json"), "--val-images", str(folder))
    more = str(folder / "more.json")
    assert again == ((more, more, str(folder)), datasets[0]) and names.TEST == (more,)


def test_an_evaluation_needs_no_training_data(run):
    folder, datasets = run
    (folder / "run.json").write_text(json.dumps({"datasets": datasets}))
    (folder / "train.json").unlink()
    assert chosen(folder, "--eval-only")[0] == (datasets[1],)
    assert chosen(folder)[0] == (datasets[1],)  # what is gone is for `setup` to tell
    given = ("--val-json", str(folder / "more.json"), "--val-images", str(folder))
    assert [name for name, *_ in chosen(folder, "--eval-only", *given)[0]] == [str(folder / "more.json")]


def test_words_that_are_repeated_change_nothing(run):
    folder, datasets = run
    (folder / "run.json").write_text(json.dumps({"datasets": datasets}))
    images = str(folder / "images")
    train = ("--train-json", str(folder / "train.json"), "--train-images", images)
    assert chosen(folder, "--resume", *train)[1].TEST == (datasets[1][0],)  # known without --val-json
    pseudo = ("--pseudo-json", str(folder / "train.json"), "--pseudo-images", images)
    assert chosen(folder, "--resume", *pseudo)[1].TRAIN == (datasets[0][0],)


def test_a_record_that_was_changed(run):
    folder, datasets = run
    for changed in (3, {"a": 1}, [3, ["one"], None, list(datasets[1])]):
        (folder / "run.json").write_text(json.dumps({"datasets": changed}))
        assert chosen(folder)[0] == (datasets[1:] if isinstance(changed, list) else ())
