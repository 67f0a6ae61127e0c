"""Charts of a distillation's report, as SVG text that stands inside a page."""

import html

import numpy as np

BINS = 50
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 360, 170, 44, 24, 24


class ScoreCounts:
    """How many boxes of each of K classes have a score in each of BINS bins of [0, 1]."""

    def __init__(self, num_classes: int):
        self.counts = np.zeros((num_classes, BINS), np.int64)

    def add(self, scores, classes) -> None:
        place = np.minimum((np.asarray(scores, np.float64) * BINS).astype(int), BINS - 1)
        np.add.at(self.counts, (classes, place), 1)


def score_chart(title: str, counts: np.ndarray, threshold: float) -> str:
    """Bars of (BINS,) counts on a root scale, since low scores are many; a line at the threshold, colour above it."""
    top = max(1, int(counts.max()))
    heights = np.sqrt(counts / top) * (_HEIGHT - _BOTTOM - _TOP)
    step = (_WIDTH - _LEFT - 8) / BINS
    base = _HEIGHT - _BOTTOM
    bars = []
    for k, (height, count) in enumerate(zip(heights.tolist(), counts.tolist(), strict=True)):
        color = "#0072b2" if (k + 0.5) / BINS >= threshold else "#c3cad6"
        x = _LEFT + k * step
        bars.append(
            f'<rect x="{x:.1f}" y="{base - height:.1f}" width="{step - 0.8:.1f}" height="{height:.1f}" fill="{color}">'
            f"<title>{k / BINS:.2f} to {(k + 1) / BINS:.2f}: {count:,}</title></rect>"
        )
    ticks = "".join(
        f'<text x="{_LEFT + s * BINS * step:.0f}" y="{_HEIGHT - 8}" text-anchor="middle">{s:g}</text>'
        for s in (0, 0.25, 0.5, 0.75, 1)
    )
    line = ""
    if np.isfinite(threshold):
        x = _LEFT + min(threshold, 1) * BINS * step
        anchor, shift = ("end", -4) if threshold > 0.6 else ("start", 4)
        line = (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 6}" y2="{base}" stroke="#d55e00" stroke-width="1.5"/>'
            f'<text x="{x + shift:.1f}" y="{_TOP}" text-anchor="{anchor}" style="fill:#d55e00">{threshold:.3f}</text>'
        )
    heading = f'<text x="{_LEFT}" y="12" style="fill:#1e1e1e;font-size:13px">{html.escape(title)}</text>'
    most = f'<text x="{_LEFT - 4}" y="{_TOP + 4}" text-anchor="end">{top:,}</text>'
    axis = f'<line x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{base}" y2="{base}" stroke="#99a"/>'
    chart = heading + most + axis + "".join(bars) + line + ticks
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{chart}</svg>'
