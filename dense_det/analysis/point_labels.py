"""Names beside the points of a figure, such that they do not cover each other."""

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

# (x, y) of a name from its point, in points, and how it is aligned; the best place first
_PLACES = [
    ((7, 0), "left", "center"),
    ((-7, 0), "right", "center"),
    ((0, 7), "center", "bottom"),
    ((0, -7), "center", "top"),
    ((7, 10), "left", "bottom"),
    ((7, -10), "left", "top"),
    ((-7, 10), "right", "bottom"),
    ((-7, -10), "right", "top"),
]
_HALO = [withStroke(linewidth=3, foreground="white")]  # a line behind a name does not strike it out
_DARKENED = 0.75  # of a colour: letters are thinner than points
_MARKER = 5  # pixels from a point's middle to where it ends


def label_points(axes: Axes, points, names, colors, **style) -> None:
    """Write each name at the first place that covers no point, no other name and no border, else at the freest.

    Each in its point's colour, darkened: where points lie close, it says whose the name is.

    Args:
        points: (x, y) in data coordinates; the limits and the layout of the axes must be final.
        colors: RGB of each point, 0 to 1.
        style: of matplotlib's text.
    """
    figure = axes.figure
    renderer = figure.canvas.get_renderer()
    inside = axes.get_window_extent(renderer)
    taken = [
        Bbox.from_extents(x - _MARKER, y - _MARKER, x + _MARKER, y + _MARKER)
        for x, y in (axes.transData.transform(point) for point in points)
    ]
    for point, name, color in zip(points, names, colors, strict=True):
        style["color"] = tuple(_DARKENED * channel for channel in color)
        tried = []
        for offset, horizontal, vertical in _PLACES:
            alignment = {"ha": horizontal, "va": vertical, "in_layout": False, "path_effects": _HALO, "zorder": 2.5}
            text = axes.annotate(name, point, offset, textcoords="offset points", **alignment, **style)
            box = text.get_window_extent(renderer)
            cost = sum(_shared(box, other) for other in taken) + 2 * (box.width * box.height - _shared(box, inside))
            tried.append((cost, len(tried), text, box))
            if cost <= 0:
                break
        best = min(tried, key=lambda place: place[:2])
        for place in tried:
            if place is not best:
                place[2].remove()
        taken.append(best[3])


def _shared(a: Bbox, b: Bbox) -> float:
    """Pixels that both boxes cover."""
    both = Bbox.intersection(a, b)
    return 0.0 if both is None else both.width * both.height
