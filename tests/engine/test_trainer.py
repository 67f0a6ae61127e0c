import shutil

import pytest
from detectron2.evaluation import inference_on_dataset

import dense_det.engine.trainer
from dense_det.engine.arguments import build_parser, parse
from dense_det.engine.setup import register, setup
from dense_det.engine.trainer import Trainer


@pytest.fixture(scope="module")
def trained(words, tmp_path_factory):
    """The command line of a training of six steps, of which this has made two."""
    folder = tmp_path_factory.mktemp("trained")
    trainer = trainer_of(words(folder, "DATASETS.TEST", ()))
    trainer.max_iter = 2
    trainer.train()
    return folder


def trainer_of(words, resume: bool = False) -> Trainer:
    job = setup(parse(build_parser(), words))
    register(job.datasets)
    return Trainer(job.cfg, resume)


def resumed(trained, words, tmp_path, *options) -> Trainer:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return trainer_of(words(tmp_path, "DATASETS.TEST", (), *options, flags=["--resume"]), resume=True)


def settings(trainer: Trainer, *names: str) -> list[tuple]:
    return [tuple(group[name] for name in names) for group in trainer._trainer.optimizer.param_groups]


def test_resume_takes_the_learning_rate_and_decay_from_the_config(trained, words, tmp_path):
    """After two of six steps the warm-up (2) is over, and the cosine is at (1 + cos(pi / 3)) / 2 = 0.75."""
    options = ("SOLVER.BASE_LR", 0.0001, "SOLVER.WEIGHT_DECAY", 0.02, "SOLVER.WEIGHT_DECAY_NORM", 0.03)
    trainer = resumed(trained, words, tmp_path, *options)
    assert trainer.start_iter == 2
    assert settings(trainer, "lr", "initial_lr", "weight_decay") == [
        (pytest.approx(0.75e-4), 0.0001, 0.02),
        (pytest.approx(0.75e-4), 0.0001, 0.03),
    ]
    assert trainer.scheduler.last_epoch == 2 and trainer.scheduler.base_lrs == [0.0001, 0.0001]
    trainer.train()
    assert settings(trainer, "lr") == [(0.0,), (0.0,)]  # the cosine's end


@pytest.mark.parametrize(("options", "passes"), [((), 1), (("TEST.AUG.ENABLED", True), 2)])
def test_the_last_weights_are_not_evaluated_twice(words, tmp_path, monkeypatch, options, passes):
    """Where they are the best, the report takes their predictions, but for those in other views."""
    seen = []

    def counted(model, loader, evaluator):
        seen.append(loader)
        return inference_on_dataset(model, loader, evaluator)

    monkeypatch.setattr(dense_det.engine.trainer, "inference_on_dataset", counted)
    trainer = trainer_of(words(tmp_path, "TEST.EVAL_PERIOD", 0, *options))
    trainer.max_iter = 2
    results = trainer.train()
    assert len(seen) == passes
    assert results["bbox"].keys() >= {"AP", "AP50"}
    assert (tmp_path / "evaluation" / "metrics.json").is_file() and (tmp_path / "model_best.pth").is_file()
