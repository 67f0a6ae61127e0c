"""Memory of planning and labelling over many list entries, with simulated pages and a simulated teacher."""

from pathlib import Path

import numpy as np

from dense_det.aligned_table import aligned_table
from dense_det.distillation.lanes import Lanes
from dense_det.distillation.planning import PlanSettings, make_plan
from dense_det.distillation.shard_file import ImagePredictions
from dense_det.distillation.shard_worker import label_share, never
from dense_det.distillation.share import Share
from dense_det.distillation.sources import Candidate
from dense_det.distillation.work_folder import WorkFolder

POINTS = 10  # of the curve


class Simulation:
    """Pages that are numbers (a source), pixels that are nothing (a reader), 20 boxes each (a labeller)."""

    def __init__(self, num_images: int):
        self.num_images, self.rows = num_images, []

    def candidates(self, source):
        for number in range(self.num_images):
            # a hash as even as SHA-256's: an odd factor modulo 2**256 keeps numbers apart
            digest = number * 0x9E3779B97F4A7C15F39CC0605CEDC8341082276BF3A27251F86C6A11D0C18E95 % 2**256
            yield Candidate(f"/{number}.pdf", page=0, size=(850, 1100), sha256=f"{digest:064x}")
            self._note("plan", number + 1)

    def read(self, image):
        self._note("run", image.id)
        return None

    def label(self, pixels, image_id, size):
        rows = np.random.default_rng(image_id).random((20, 7), np.float32)
        return ImagePredictions(image_id, rows[:, :4], rows[:, 4], np.zeros(20), rows[:, 5], rows[:, 6])

    def _note(self, verb: str, number: int) -> None:
        if number % max(1, self.num_images // POINTS) == 0:
            self.rows.append((verb, number, resident_mib()))


def resident_mib() -> float:
    """What this process holds in memory now, on Linux."""
    line = next(row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def measure_memory(folder, num_images: int, shard_size: int = 256) -> list[tuple[str, int, float]]:
    """(verb, entries so far, MiB) along planning and labelling `num_images` entries in `folder`."""
    work, simulation = WorkFolder(folder), Simulation(num_images)
    plan = make_plan(work, PlanSettings((".",), shard_size, expansion=simulation))
    for _ in label_share(work, plan, Share(0, 1).tasks(plan), Lanes([simulation], simulation), 0.5, never):
        pass
    return simulation.rows


def memory_table(rows: list[tuple[str, int, float]]) -> str:
    """What measure_memory gave, as Markdown."""
    plan, run = ({number: mib for verb, number, mib in rows if verb == wanted} for wanted in ("plan", "run"))
    table = aligned_table(["entries so far", "plan, MiB", "run, MiB"], [[f"{n:,}", plan[n], run.get(n)] for n in plan])
    first, last = min(plan), max(plan)
    return (
        f"{table}\n\nFrom the first line to the last `plan` grew by {plan[last] - plan[first]:.1f} MiB, "
        f"`run` by {run[last] - run[first]:.1f}."
    )
