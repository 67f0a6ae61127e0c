"""What pseudo-labels are worth: results of several seeds side by side, with mean and spread."""

import statistics
from dataclasses import dataclass

from dense_det.distillation.known_truth import Agreement

METRICS = ("AP", "AP50", "AP75")


@dataclass(frozen=True)
class Results:
    """Of one way to train, or of a teacher: for each metric its value in percent for every seed."""

    name: str
    values: dict[str, tuple[float, ...]]
    is_teacher: bool = False  # another model than the one that ways are compared for: it has no gain
    agreement: Agreement | None = None  # of the pseudo-labels with a truth that is known

    def mean(self, metric: str) -> float:
        return statistics.fmean(self.values[metric])


def gains(results: Results, base: Results, metric: str) -> tuple[float, ...]:
    """Of each seed over the same seed of `base`."""
    return tuple(a - b for a, b in zip(results.values[metric], base.values[metric], strict=True))


def mean_and_spread(values) -> str:
    """ "31.2 ± 0.4": the mean and the standard deviation of a sample (n - 1); of one value "31.2"."""
    mean = statistics.fmean(values)
    return f"{mean:.1f} ± {statistics.stdev(values):.1f}" if len(values) > 1 else f"{mean:.1f}"


def comparison_table(rows: list[Results], base: Results | None) -> str:
    """A Markdown table, a row a way to train; with `base` also each way's gain in AP over it, seed by seed; where a
    truth is known, how many pseudo-labels there are, and in percent how many are right, and of the truth are found.

    Args:
        base: one of `rows`; each row of a way has its seeds, in their order. Rows of teachers may have others.
    """
    judged = any(row.agreement for row in rows)
    header = ["", *METRICS, "gain in AP", "seeds", *(("labels", "right", "found") if judged else ())]
    cells = [header, ["---"] + ["---:"] * (len(header) - 1)]
    for row in rows:
        gain = "-"
        if base is not None and row is not base and not row.is_teacher:
            change = gains(row, base, "AP")
            gain = ("+" if statistics.fmean(change) >= 0 else "") + mean_and_spread(change)
        line = [row.name, *(mean_and_spread(row.values[m]) for m in METRICS), gain, str(len(row.values["AP"]))]
        cells.append(line + _agreement_cells(row.agreement) if judged else line)
    widths = [max(len(line[k]) for line in cells) for k in range(len(header))]
    lines = []
    for line in cells:
        rest = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        lines.append("| " + " | ".join([line[0].ljust(widths[0]), *rest]) + " |")
    return "\n".join(lines)


def _agreement_cells(agreement: Agreement | None) -> list[str]:
    if agreement is None:
        return ["-"] * 3
    shares = (f"{100 * agreement.right / whole:.0f}" if whole else "-" for whole in (agreement.kept, agreement.true))
    return [f"{agreement.kept:,}", *shares]
