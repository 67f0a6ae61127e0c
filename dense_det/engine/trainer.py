"""The trainer: Detectron2's loop with a safe checkpointer, exact resume, averaged weights and a report at the end."""

import logging
import weakref
from collections import OrderedDict
from pathlib import Path

import torch
from detectron2.engine import DefaultTrainer, TrainerBase, hooks
from detectron2.evaluation import inference_on_dataset
from detectron2.solver.build import get_default_optimizer_params, maybe_add_gradient_clipping
from detectron2.utils import comm
from torch.nn.parallel import DistributedDataParallel

from dense_det.analysis.plots import plot_results, write_metrics_csv
from dense_det.checkpoint import Checkpointer, load_weights, resumable
from dense_det.data.loader import build_test_loader, build_train_loader
from dense_det.engine.ema import WeightAverage
from dense_det.engine.hooks import AverageWeights, BatchPictures, EarlyStop, Evaluation, PreciseNorms, SeedStep
from dense_det.engine.model import build_model
from dense_det.engine.step import Step, amp_dtype
from dense_det.engine.validation import validation_losses
from dense_det.engine.writers import build_writers
from dense_det.evaluation import CocoEvaluator, build_evaluator
from dense_det.suggest import unknown
from dense_det.tta import build_tta

logger = logging.getLogger(__name__)


class Trainer(DefaultTrainer):
    """Train `cfg`; `resume` goes on from the last whole checkpoint in OUTPUT_DIR, bit-identically on a CPU.

    The batch of iteration t depends on SEED and t alone, and every state is in the checkpoint; learning rate, weight
    decay and momentum are those of `cfg`. Several processes share a batch of SOLVER.IMS_PER_BATCH images.

    Raises:
        ValueError: an unknown optimizer, `resume` with damaged checkpoints only or with those of another optimizer.
    """

    def __init__(self, cfg, resume: bool = False):
        TrainerBase.__init__(self)  # DefaultTrainer's own builds for GPUs only
        self.cfg = cfg
        self.max_iter = cfg.SOLVER.MAX_ITER
        self.network = build_model(cfg)
        resuming = resume and bool(resumable(cfg.OUTPUT_DIR))
        if cfg.MODEL.WEIGHTS and not resuming:
            load_weights(self.network, cfg.MODEL.WEIGHTS, cfg.MODEL.TRUST_PICKLE, complete=False)
        optimizer = self.build_optimizer(cfg, self.network)
        self.average = WeightAverage(self.network, cfg.SOLVER.EMA_DECAY) if cfg.SOLVER.EMA_DECAY else None
        dtype = amp_dtype(cfg.MODEL.DEVICE) if cfg.SOLVER.AMP.ENABLED else None
        self._trainer = Step(self.network, None, optimizer, cfg.MODEL.DEVICE, dtype)
        self.scheduler = self.build_lr_scheduler(cfg, optimizer)
        states = {"trainer": weakref.proxy(self)} | ({"ema": self.average} if self.average else {})
        self.checkpointer = Checkpointer(self.network, cfg.OUTPUT_DIR, **states)
        # with its predictions, where the last weights are the best: the report needs them again
        self.evaluator_of_best: CocoEvaluator | None = None
        self.register_hooks(self.build_hooks())

        if resuming:
            self.checkpointer.resume()
            self.start_iter = self.iter + 1
        # the loader starts where the checkpoint stopped; wrapping comes last, so that all processes start alike
        self._trainer.data_loader = build_train_loader(cfg, self.start_iter)
        self._trainer.model = _distributed(self.network)

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        # the checkpoint's base rates are those of its cfg: only where in its schedule the training is, is taken from it
        groups = self.scheduler.optimizer.param_groups
        self.scheduler.base_lrs = [group["initial_lr"] for group in groups]
        for group, rate in zip(groups, self.scheduler.get_lr(), strict=True):
            group["lr"] = rate

    @property
    def batch(self) -> list[dict]:
        """The images of the last step."""
        return self._trainer.batch

    @property
    def evaluated_model(self) -> torch.nn.Module:
        """The averaged model where there is one, else the one that trains."""
        return self.average.model if self.average else self.network

    @classmethod
    def build_optimizer(cls, cfg, model) -> torch.optim.Optimizer:
        if cfg.SOLVER.OPTIMIZER == "SGD":
            return super().build_optimizer(cfg, model)
        if cfg.SOLVER.OPTIMIZER != "AdamW":
            raise ValueError(unknown("SOLVER.OPTIMIZER", cfg.SOLVER.OPTIMIZER, ["SGD", "AdamW"]))
        groups = get_default_optimizer_params(
            model,
            base_lr=cfg.SOLVER.BASE_LR,
            weight_decay_norm=cfg.SOLVER.WEIGHT_DECAY_NORM,
            bias_lr_factor=cfg.SOLVER.BIAS_LR_FACTOR,
            weight_decay_bias=cfg.SOLVER.WEIGHT_DECAY_BIAS,
        )
        adamw = maybe_add_gradient_clipping(cfg, torch.optim.AdamW)
        # one kernel for all tensors: the loop over them took 4 % of a small network's step on a CPU
        return adamw(groups, lr=cfg.SOLVER.BASE_LR, weight_decay=cfg.SOLVER.WEIGHT_DECAY, fused=True)

    def build_hooks(self) -> list:
        cfg = self.cfg
        main = comm.is_main_process()
        return [
            SeedStep(cfg.SEED),
            hooks.IterationTimer(),
            hooks.LRScheduler(),
            AverageWeights(self.average, self.network) if self.average else None,
            self.build_precise_norms() if cfg.TEST.PRECISE_BN.ENABLED else None,
            BatchPictures(cfg.OUTPUT_DIR, cfg.DATASETS.TRAIN[0], cfg.INPUT.FORMAT) if main else None,
            # before the evaluation: if that fails, nothing of the training is lost
            hooks.PeriodicCheckpointer(self.checkpointer, cfg.SOLVER.CHECKPOINT_PERIOD) if main else None,
            self.build_evaluation() if cfg.DATASETS.TEST else None,
            hooks.PeriodicWriter(build_writers(cfg.OUTPUT_DIR, self.max_iter), period=20) if main else None,
        ]

    def build_precise_norms(self) -> PreciseNorms:
        """Detectron2's TEST.PRECISE_BN, for the model that is evaluated."""
        cfg = self.cfg
        return PreciseNorms(
            cfg.TEST.EVAL_PERIOD,
            self.evaluated_model,
            lambda start: build_train_loader(cfg, start, histogram=False),
            cfg.TEST.PRECISE_BN.NUM_ITER,
        )

    def build_evaluation(self) -> Evaluation:
        """The hook that evaluates on the first test set, quickly: numbers only."""
        cfg = self.cfg
        evaluator = None

        def evaluate() -> dict:
            nonlocal evaluator
            name = cfg.DATASETS.TEST[0]
            take_buffers_of_first(self.evaluated_model)
            evaluator = build_evaluator(cfg, name, None)
            results = self.test(cfg, self.evaluated_model, [evaluator], names=[name])
            if cfg.TEST.VAL_LOSS:
                results.update(validation_losses(self.evaluated_model, build_test_loader(cfg, name, True)))
            self.network.train()
            return results

        def save_best() -> None:
            self.checkpointer.save_weights("model_best", self.evaluated_model)
            is_last = self.iter + 1 == self.max_iter and isinstance(evaluator, CocoEvaluator)
            if is_last and len(cfg.DATASETS.TEST) == 1 and not cfg.TEST.AUG.ENABLED:
                self.evaluator_of_best = evaluator

        return Evaluation(
            cfg.TEST.EVAL_PERIOD, evaluate, cfg.TEST.BEST_METRIC, save_best, cfg.SOLVER.EARLY_STOP_PATIENCE
        )

    @classmethod
    def test(cls, cfg, model, evaluators=None, names=None) -> OrderedDict:
        """Evaluate on `names` (DATASETS.TEST): {metric...} for one data set, {name: {metric...}} for several."""
        names = names or list(cfg.DATASETS.TEST)
        evaluators = evaluators or [build_evaluator(cfg, name, None) for name in names]
        results = OrderedDict()
        for name, evaluator in zip(names, evaluators, strict=True):
            results[name] = inference_on_dataset(model, build_test_loader(cfg, name), evaluator) or {}
        return results[names[0]] if len(names) == 1 else results

    def train(self) -> OrderedDict:
        """Train to the end or an early stop, then evaluate the best weights in full; returns that evaluation."""
        try:
            TrainerBase.train(self, self.start_iter, self.max_iter)
        except EarlyStop as stop:
            self.iter = stop.done - 1  # of a run that had stopped before and is resumed, no step was made
            if comm.is_main_process():
                self.checkpointer.save("model_final", iteration=self.iter)
        return self.report()

    def report(self) -> OrderedDict:
        """Curves of the training, and everything that an evaluation of the best weights leaves behind."""
        folder = Path(self.cfg.OUTPUT_DIR)
        if comm.is_main_process():
            plot_results(folder / "metrics.json", folder / "results.png")
            write_metrics_csv(folder / "metrics.json", folder / "metrics.csv")
        comm.synchronize()
        if not self.cfg.DATASETS.TEST:
            return OrderedDict()
        if self.evaluator_of_best:
            self.evaluator_of_best.output_dir = folder / "evaluation"
            return self.evaluator_of_best.evaluate() or OrderedDict()
        model = self.evaluated_model
        if (folder / "model_best.pth").is_file():
            load_weights(model, folder / "model_best.pth")
        return evaluate(self.cfg, model, folder / "evaluation")


def evaluate(cfg, model, folder) -> OrderedDict:
    """Evaluate on DATASETS.TEST, in the views of TEST.AUG if that is ENABLED.

    The files go to `folder`, or to a folder each below it for several data sets.
    """
    if cfg.TEST.AUG.ENABLED:
        model, cfg = build_tta(cfg, model), cfg.clone()
        cfg.defrost()
        cfg.INPUT.MIN_SIZE_TEST = 0  # views are made of the image as it is
    names = list(cfg.DATASETS.TEST)
    folders = [Path(folder)] if len(names) == 1 else [Path(folder) / name for name in names]
    evaluators = [build_evaluator(cfg, name, str(place)) for name, place in zip(names, folders, strict=True)]
    return Trainer.test(cfg, model, evaluators)


def take_buffers_of_first(model: torch.nn.Module) -> None:
    """Give the batch norms of all processes the statistics of the first, whose are saved: each has seen other images,
    and what evaluates its part of a data set is to be the same detector everywhere.
    """
    if comm.get_world_size() > 1:
        for buffer in model.buffers():
            torch.distributed.broadcast(buffer, 0)


def _distributed(model: torch.nn.Module) -> torch.nn.Module:
    if comm.get_world_size() == 1:
        return model
    # device_ids belong to GPUs; Detectron2's create_ddp_model always passes them
    on_gpu = next(model.parameters()).is_cuda
    return DistributedDataParallel(
        model, device_ids=[comm.get_local_rank()] if on_gpu else None, broadcast_buffers=False
    )
