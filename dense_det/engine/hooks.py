"""What happens around the steps: evaluation, best checkpoint and early stop, averaging, seeds, batch pictures."""

import itertools
import logging
import math
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import torch
from detectron2.data import MetadataCatalog
from detectron2.engine.hooks import HookBase
from detectron2.evaluation.testing import flatten_results_dict
from detectron2.utils import comm

from dense_det.atomic_file import atomic_file
from dense_det.data.preview import draw_batch
from dense_det.engine.norm_statistics import recompute_norm_statistics
from dense_det.suggest import unknown

logger = logging.getLogger(__name__)


class EarlyStop(BaseException):
    """Leaves Detectron2's loop after `done` iterations; no Exception, which the loop would log as a crash."""

    def __init__(self, done: int):
        super().__init__(done)
        self.done = done


def is_due(done: int, period: int) -> bool:
    """Whether a period (0 is none) ends with `done` iterations."""
    return done > 0 and period > 0 and done % period == 0


class SeedStep(HookBase):
    """Draw each step's random numbers from (seed, iteration, rank), so that a resumed run draws the same."""

    def __init__(self, seed: int):
        self.seed = seed

    def before_step(self) -> None:
        # large odd factors keep neighbouring iterations and ranks apart
        torch.manual_seed((self.seed + 1_000_003 * self.trainer.iter + 7_368_787 * comm.get_rank()) % 2**63)


class AverageWeights(HookBase):
    """Update a WeightAverage after every optimizer step."""

    def __init__(self, average, model: torch.nn.Module):
        self.average = average
        self.model = model

    def after_step(self) -> None:
        self.average.update(self.model)


class PreciseNorms(HookBase):
    """recompute_norm_statistics of the model that is evaluated, every `period` iterations and after the last.

    It stands before what saves and what evaluates, so that both have the same model.

    Args:
        period: iterations; 0 is only after the last.
        model: whose batch norms are changed.
        batches: (iteration) -> the training's batches from there on. Those of a resumed run must be the same.
        num_batches: how many of them to take.

    Raises:
        ValueError: fewer than one batch.
    """

    def __init__(self, period: int, model: torch.nn.Module, batches: Callable[[int], Iterable], num_batches: int):
        if num_batches < 1:
            raise ValueError(f"TEST.PRECISE_BN.NUM_ITER is a number of batches, at least 1; got {num_batches}")
        self.period = period
        self.model = model
        self.batches = batches
        self.num_batches = num_batches

    def after_step(self) -> None:
        done = self.trainer.iter + 1
        if is_due(done, self.period) or done == self.trainer.max_iter:
            batches = itertools.islice(self.batches(done), self.num_batches)
            norms = recompute_norm_statistics(self.model, batches)
            logger.info("statistics of %d batch norms over %d batches", norms, self.num_batches)


class BatchPictures(HookBase):
    """train_batch0.jpg, 1 and 2: the first batches as the network sees them.

    Args:
        dataset_name: registered; its class names are known once it is loaded.
        input_format: "RGB" or "BGR".
    """

    def __init__(self, output_dir, dataset_name: str, input_format: str, count: int = 3):
        self.output_dir = Path(output_dir)
        self.dataset_name = dataset_name
        self.input_format = input_format
        self.count = count

    def after_step(self) -> None:
        if self.trainer.iter >= self.count:
            return
        class_names = MetadataCatalog.get(self.dataset_name).thing_classes
        picture = draw_batch(self.trainer.batch, class_names, self.input_format)
        _, encoded = cv2.imencode(".jpg", picture[:, :, ::-1])
        with atomic_file(self.output_dir / f"train_batch{self.trainer.iter}.jpg", "wb") as file:
            file.write(encoded.tobytes())


class Evaluation(HookBase):
    """Evaluate every `period` iterations and after the last; remember the best and stop when it gets no better.

    Args:
        period: iterations between evaluations; 0 is only after the last.
        evaluate: () -> nested dict of metrics on the main process, anything elsewhere.
        metric: "task/metric" to maximise; NaN counts as worse than all, and so does a test set without annotations.
        save_best: called on every new best.
        patience: evaluations without a new best before training stops; 0 is never.

    Raises:
        EarlyStop: out of Detectron2's loop.
        ValueError: an evaluation that does not know `metric`.
    """

    def __init__(self, period: int, evaluate: Callable, metric: str, save_best: Callable, patience: int = 0):
        self.period = period
        self.evaluate = evaluate
        self.metric = metric
        self.save_best = save_best
        self.patience = patience
        self.best = -math.inf
        self.best_iteration = -1
        self.without_gain = 0
        self.last = 0
        self.pending = False

    def before_train(self) -> None:
        # killed between a checkpoint and the evaluation that follows it, or amid that: catch up, as if never stopped
        start = self.trainer.start_iter
        if self.last == start:
            self._stop_without_gain(start)  # as it had, before it was killed
        elif self.pending or self._is_due(start):
            self._run(start)

    def after_step(self) -> None:
        done = self.trainer.iter + 1
        if self._is_due(done):
            self._run(done)

    def _is_due(self, done: int) -> bool:
        return is_due(done, self.period) or done == self.trainer.max_iter

    def _run(self, done: int) -> None:
        # plain floats: a checkpoint with NumPy's could not be read without trust
        metrics = {name: float(value) for name, value in flatten_results_dict(self.evaluate() or {}).items()}
        if metrics:
            self.trainer.storage.put_scalars(**metrics, smoothing_hint=False)
        # only the main process knows the metrics; all must agree on stopping
        metrics = comm.all_gather(metrics)[0]
        self._require_metric(metrics)
        value = metrics.get(self.metric, math.nan)
        self.last, self.pending = done, False
        if value > self.best:  # False for NaN
            self.best, self.best_iteration, self.without_gain = value, done, 0
            self.save_best()
        else:
            self.without_gain += 1
        logger.info(
            "%s %.2f at iteration %d; best %.2f at %d", self.metric, value, done, self.best, self.best_iteration
        )
        self._stop_without_gain(done)

    def _require_metric(self, metrics: dict[str, float]) -> None:
        """A test set without annotations has no task's metrics ("bbox/AP"), only losses, and any metric will do."""
        # those of single classes ("bbox/AP-card") may be hundreds
        known = [name for name in metrics if "/" in name and "-" not in name]
        if known and self.metric not in metrics:
            raise ValueError(
                f"TEST.BEST_METRIC: {unknown('metric of this detector and test set', self.metric, known)}; "
                "with another, --resume goes on from the last checkpoint, if there is one"
            )

    def _stop_without_gain(self, done: int) -> None:
        if self.patience and self.without_gain >= self.patience and done < self.trainer.max_iter:
            logger.info("stopping: no better %s in %d evaluations", self.metric, self.without_gain)
            raise EarlyStop(done)

    def state_dict(self) -> dict:
        state = {k: getattr(self, k) for k in ("best", "best_iteration", "without_gain", "last")}
        # saved before its evaluation, for which a resume with another MAX_ITER or EVAL_PERIOD would see no reason
        done = self.trainer.iter + 1
        return state | {"pending": self.last != done and self._is_due(done)}

    def load_state_dict(self, state: dict) -> None:
        self.__dict__.update(state)
