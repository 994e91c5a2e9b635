"""Diagrams of a training, drawn with matplotlib: ``pip install micrograd_fast[plot]``.

``plot_loss`` draws the curve of a loss, ``plot_decision_boundary`` what a classifier of points in
the plane has learned. Each draws into the Axes that it is given, or into a new figure, and returns
the Axes, so that titles and legends are a matter of matplotlib's own methods.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias

from .engine import Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_decision_boundary", "plot_loss"]

Curve: TypeAlias = Iterable[Value | float]

_FEW = 30  # a curve of fewer points shows each of them
_LOSS = "#333333"
# Told apart by people who do not tell red from green, too.
_COLOURS = ("#b2182b", "#2166ac", "#e08214", "#35978f", "#8073ac", "#7f7f7f")


def _axes(caller: str, ax: Axes | None) -> Axes:
    """``ax``, or those of a new figure."""
    if find_spec("matplotlib") is None:
        raise ImportError(
            f"{caller} needs matplotlib: pip install micrograd_fast[plot]", name="matplotlib"
        )
    if ax is None:
        from matplotlib import pyplot

        return pyplot.subplots(layout="constrained")[1]
    if not hasattr(ax, "plot"):
        raise TypeError(f"{caller}: ax must be the Axes of matplotlib, got {type(ax).__name__}")
    return ax


def _number(item: Any, caller: str, what: str) -> float:
    """A Value's data, or a number as a float."""
    if isinstance(item, Value):
        return item.data
    if not isinstance(item, (str, bytes)):  # which float() would read
        try:
            return float(item)
        except (TypeError, ValueError):
            pass
    raise TypeError(f"{caller}: {what} must be a Value or a number, got {type(item).__name__}")


def _finite(item: Any, caller: str, what: str) -> float:
    """A Value's data, or a number as a float, for a place in the plane."""
    number = _number(item, caller, what)
    if not math.isfinite(number):
        raise ValueError(f"{caller}: {what} must be finite, got {number!r}")
    return number


def _items(given: Any, caller: str, what: str) -> list[Any]:
    if isinstance(given, (str, bytes, Value)) or not hasattr(given, "__iter__"):
        raise TypeError(f"{caller}: {what} must be a list, got {type(given).__name__}")
    return list(given)


def plot_loss(
    losses: Curve | Mapping[str, Curve],
    ax: Axes | None = None,
    *,
    xlabel: str = "step",
    ylabel: str = "loss",
    **line: Any,
) -> Axes:
    """The loss (or any other number) of every step, as a curve; returns the Axes.

    losses
        a list of numbers or Values, the first of which is step 1; or a dict of several such lists
        by their names, which then stand in the legend.
    ax
        the matplotlib Axes to draw into; those of a new figure by default.
    line
        what ``Axes.plot`` takes for the look of a line: ``color=``, ``label=``, ``linestyle=``, ...

    TypeError for anything else, ImportError without matplotlib.

    >>> ax = plot_loss([Value(0.9), 0.5, 0.3])
    >>> ax.get_xlabel(), ax.get_ylabel(), ax.lines[0].get_ydata().tolist()
    ('step', 'loss', [0.9, 0.5, 0.3])
    >>> ax = plot_loss({"training": [0.9, 0.5], "test": [1.0, 0.7]}, xlabel="epoch")
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['training', 'test']
    """
    named = losses if isinstance(losses, Mapping) else {None: losses}
    curves = {}
    for name, curve in named.items():
        what = "losses" if name is None else f"losses[{name!r}]"
        numbers = enumerate(_items(curve, "plot_loss", what))
        curves[name] = [_number(item, "plot_loss", f"{what}[{i}]") for i, item in numbers]
    ax = _axes("plot_loss", ax)
    from matplotlib.ticker import MaxNLocator

    for name, curve in curves.items():
        look = {"marker": "o" if len(curve) < _FEW else None, "markersize": 4, **line}
        if name is not None:
            look["label"] = name
        elif not {"color", "c"} & set(line):
            look["color"] = _LOSS
        ax.plot(range(1, len(curve) + 1), curve, **look)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(visible=True, alpha=0.3)
    if isinstance(losses, Mapping) and curves:
        ax.legend()
    return ax


def _points(X: Any) -> list[tuple[float, float]]:
    points = []
    for i, row in enumerate(_items(X, "plot_decision_boundary", "X")):
        pair = _items(row, "plot_decision_boundary", f"X[{i}]")
        if len(pair) != 2:
            raise ValueError(
                f"plot_decision_boundary draws points of 2 coordinates, X[{i}] has {len(pair)}"
            )
        x, y = (
            _finite(item, "plot_decision_boundary", f"X[{i}][{j}]") for j, item in enumerate(pair)
        )
        points.append((x, y))
    if not points:
        raise ValueError("plot_decision_boundary needs at least 1 point, X has 0")
    return points


def _labels(y: Any, count: int) -> list[float]:
    labels = [
        _finite(label, "plot_decision_boundary", f"y[{i}]")
        for i, label in enumerate(_items(y, "plot_decision_boundary", "y"))
    ]
    if len(labels) != count:
        raise ValueError(
            f"plot_decision_boundary got {count} points in X, {len(labels)} labels in y"
        )
    return labels


def _ticks(coordinates: Sequence[float], count: int) -> list[float]:
    """``count`` coordinates from a bit before the least to a bit after the greatest."""
    low, high = min(coordinates), max(coordinates)
    margin = 0.15 * (high - low) or 0.5
    low, high = low - margin, high + margin
    return [low + (high - low) * i / (count - 1) for i in range(count)]


def _scores(
    model: Callable[[list[float]], Any], across: list[float], up: list[float]
) -> list[list[Any]]:
    """A row for each of ``up``: the model's score, or its list of scores, at each of ``across``."""
    caller, what = "plot_decision_boundary", "the output of the model"

    def score(x: float, y: float) -> list[float]:
        out = model([x, y])
        items = [out] if isinstance(out, Value) or not hasattr(out, "__iter__") else out
        return [_number(item, caller, what) for item in items]

    scores = [[score(x, y) for x in across] for y in up]
    counts = sorted({len(items) for row in scores for items in row})
    if len(counts) > 1 or counts == [0]:
        raise ValueError(f"{caller}: {what} has {' or '.join(map(str, counts))} scores")
    return scores if counts != [1] else [[items[0] for items in row] for row in scores]


def _rounded_up(number: float) -> float:
    """The next number of two digits, so that a scale has short numbers at its marks."""
    unit = 10.0 ** (math.floor(math.log10(number)) - 1)
    return math.ceil(number / unit * (1 - 1e-12)) * unit


def _fill_levels(
    ax: Axes,
    across: list[float],
    up: list[float],
    scores: list[list[float]],
    classes: list[float],
    threshold: float,
) -> dict[float, str]:
    """Fills the plane by the level of the score; the colour of each class."""
    finite = [score for row in scores for score in row if math.isfinite(score)]
    reach = max((abs(score - threshold) for score in finite), default=0.0)
    reach = _rounded_up(reach) if 1e-100 < reach < 1e100 else 1.0
    levels = [threshold + reach * i / 10 for i in range(-10, 11)]
    inside = [[min(max(score, levels[0]), levels[-1]) for score in row] for row in scores]
    filled = ax.contourf(across, up, inside, levels=levels, cmap="RdBu", alpha=0.75)
    ax.figure.colorbar(filled, ax=ax, label="score", format="%.3g", ticks=levels[::5])
    if finite and min(finite) < threshold < max(finite):
        ax.contour(across, up, inside, levels=[threshold], colors="black", linewidths=1.8)
        ax.plot([], [], color="black", linewidth=1.8, label="decision boundary")  # its legend
    if len(classes) == 1:
        return {classes[0]: _COLOURS[classes[0] > threshold]}
    return {label: _COLOURS[place % len(_COLOURS)] for place, label in enumerate(classes)}


def _fill_classes(
    ax: Axes,
    across: list[float],
    up: list[float],
    scores: list[list[list[float]]],
    classes: list[float],
) -> dict[float, str]:
    """Fills the plane by the class of the greatest score; the colour of each class."""
    from matplotlib.colors import to_rgb

    count = len(scores[0][0])
    for label in classes:
        if label not in range(count):
            raise ValueError(
                f"plot_decision_boundary: the model gives {count} scores, so a class is a whole "
                f"number from 0 to {count - 1}, not {label:g}"
            )
    best = [[row.index(max(row)) for row in line] for line in scores]
    colours = [_COLOURS[place % len(_COLOURS)] for place in range(count)]
    half = [(ticks[1] - ticks[0]) / 2 for ticks in (across, up)]
    ax.imshow(
        [[to_rgb(colours[place]) for place in row] for row in best],
        extent=(across[0] - half[0], across[-1] + half[0], up[0] - half[1], up[-1] + half[1]),
        origin="lower",
        aspect="auto",
        alpha=0.35,
    )
    return {label: colours[int(label)] for label in classes}


def plot_decision_boundary(
    model: Callable[[list[float]], Any],
    X: Iterable[Any],
    y: Iterable[Any],
    ax: Axes | None = None,
    *,
    threshold: float = 0.0,
    resolution: int = 80,
) -> Axes:
    """What ``model`` says of the plane around the points ``X``, and the points; returns the Axes.

    model
        a function of a list of two floats, such as an ``nn.MLP(2, ...)``. One score (a Value or a
        number): its level is the colour, and a black line shows where it passes the
        ``threshold``. A list of scores: the colour is the class with the greatest.
    X, y
        the points, pairs of numbers, and for each a number, its class. With one score those with
        the lowest number belong to scores below the threshold; with a list of scores the number
        is a place in that list.
    ax
        the matplotlib Axes to draw into; those of a new figure by default.
    resolution
        how many points a side the model is asked for.

    ValueError for points of other than two coordinates, for lengths that differ and for points,
    classes and thresholds that are not finite, TypeError for what is no number or no model,
    ImportError without matplotlib. What the model raises comes out as it is.

    >>> ax = plot_decision_boundary(lambda p: p[0] - p[1], [[0, 1], [1, 0]], [-1, 1], resolution=5)
    >>> ax.get_xlabel(), [text.get_text() for text in ax.get_legend().get_texts()]
    ('x1', ['decision boundary', 'class -1', 'class 1'])
    """
    if not callable(model):
        raise TypeError(
            "plot_decision_boundary: the model must be a function of a list of two numbers, "
            f"got {type(model).__name__}"
        )
    points = _points(X)
    labels = _labels(y, len(points))
    threshold = _finite(threshold, "plot_decision_boundary", "threshold")
    try:
        side = operator.index(resolution)
    except TypeError:
        raise TypeError(f"resolution must be an int, got {type(resolution).__name__}") from None
    if side < 2:
        raise ValueError(f"resolution must be at least 2, got {side}")
    across = _ticks([x for x, _ in points], side)
    up = _ticks([y for _, y in points], side)
    scores = _scores(model, across, up)
    ax = _axes("plot_decision_boundary", ax)
    classes = sorted(set(labels))
    if isinstance(scores[0][0], list):
        colours = _fill_classes(ax, across, up, scores, classes)
    else:
        colours = _fill_levels(ax, across, up, scores, classes, threshold)
    for label in classes:
        ax.scatter(
            [x for (x, _), its in zip(points, labels) if its == label],
            [y for (_, y), its in zip(points, labels) if its == label],
            s=46,
            color=colours[label],
            edgecolor="white",
            label=f"class {label:g}",
        )
    ax.set_xlabel("x1")
    ax.set_ylabel("x2")
    ax.set_xlim(across[0], across[-1])
    ax.set_ylim(up[0], up[-1])
    ax.legend(loc="best")
    return ax
