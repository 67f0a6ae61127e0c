"""What a training shows: a bar with the time left on a terminal, plain lines elsewhere."""

import sys
from pathlib import Path

from detectron2.utils.events import (
    CommonMetricPrinter,
    EventWriter,
    JSONWriter,
    TensorboardXWriter,
    get_event_storage,
)
from tqdm import tqdm


class ProgressBar(EventWriter):
    """One line on the terminal: iterations, time left, total loss and the last AP.

    Args:
        max_iter: where the bar ends.
    """

    def __init__(self, max_iter: int):
        self.max_iter = max_iter
        self._bar: tqdm | None = None

    def write(self) -> None:
        storage = get_event_storage()
        if self._bar is None:
            self._bar = tqdm(total=self.max_iter, initial=storage.iter, unit="it", desc="training", dynamic_ncols=True)
        latest = {name: value for name, (value, _) in storage.latest().items()}
        shown = {"loss": latest.get("total_loss"), "val": latest.get("val_total_loss"), "AP": latest.get("bbox/AP")}
        self._bar.set_postfix({k: f"{v:.3g}" for k, v in shown.items() if v is not None}, refresh=False)
        self._bar.update(min(storage.iter + 1, self.max_iter) - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def build_writers(output_dir, max_iter: int) -> list[EventWriter]:
    """Progress for people, metrics.json for tools, TensorBoard as Detectron2 writes it."""
    on_terminal = sys.stderr.isatty()
    Path(output_dir).mkdir(parents=True, exist_ok=True)
    return [
        ProgressBar(max_iter) if on_terminal else CommonMetricPrinter(max_iter),
        JSONWriter(str(Path(output_dir) / "metrics.json")),
        TensorboardXWriter(str(output_dir)),
    ]
