"""The seed's graph as a picture, drawn by Graphviz or, without its ``dot``, by matplotlib."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

from .draw import draw_dot, nearest
from .engine import Value

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GAP = 12.0  # between two boxes of a column, in points
_COLUMN_GAP = 34.0  # between two columns, room for the arrows
_HEIGHT = 26.0
_PADDING = 9.0
_FONT_SIZE = 11
_SWEEPS = 8


def seed_graph() -> Value:
    """The neuron that the seed draws, after ``backward()``: ``o = tanh(x1*w1 + x2*w2 + b)``."""
    x1, x2 = Value(2.0, label="x1"), Value(0.0, label="x2")
    w1, w2 = Value(-3.0, label="w1"), Value(1.0, label="w2")
    b = Value(6.8813735870195432, label="b")
    x1w1, x2w2 = x1 * w1, x2 * w2
    x1w1.label, x2w2.label = "x1*w1", "x2*w2"
    products = x1w1 + x2w2
    products.label = "x1*w1 + x2*w2"
    n = products + b
    n.label = "n"
    o = n.tanh()
    o.label = "o"
    o.backward()
    return o


class Box:
    """A rectangle of cells (a Value) or an ellipse of one (an op), at its place in the picture."""

    def __init__(self, cells: list[str], is_op: bool) -> None:
        self.cells = cells
        self.is_op = is_op
        self.sources: list[Box] = []  # boxes with an arrow to this one
        self.targets: list[Box] = []
        self.column = 0
        self.x = self.y = 0.0  # the centre
        self.widths: list[float] = []

    @property
    def width(self) -> float:
        return sum(self.widths)


def boxes(root: Value) -> list[Box]:
    """The boxes of the graph under ``root``, sources first, not placed yet."""
    found: list[Box] = []
    of_value: dict[Value, Box] = {}
    for node in nearest(root, None):
        cells = [f"data {node.data:.4f}", f"grad {node.grad:.4f}"]
        box = Box([node.label, *cells] if node.label else cells, is_op=False)
        entry = box
        if node._op:
            entry = Box([node._op], is_op=True)
            found.append(entry)
            _connect(entry, box)
        for child in dict.fromkeys(node._children):
            _connect(of_value[child], entry)
        found.append(box)
        of_value[node] = box
    return found


def _connect(source: Box, target: Box) -> None:
    source.targets.append(target)
    target.sources.append(source)


def place(found: list[Box], measure: Callable[[str], float]) -> None:
    """Gives every box of ``found`` its column, its size and its centre.

    A box stands one column left of the nearest box it points to. Inside the columns, boxes are
    drawn towards the mean height of their neighbours, sweep after sweep, and pushed apart
    again. ``measure(text)`` is a width in points.
    """
    for box in reversed(found):
        box.column = 1 + max((target.column for target in box.targets), default=-1)
        box.widths = [measure(cell) + 2 * _PADDING for cell in box.cells]
        if box.is_op:
            box.widths = [max(box.width, 1.5 * _HEIGHT)]
    columns: list[list[Box]] = [[] for _ in range(1 + max(box.column for box in found))]
    for box in found:
        columns[-1 - box.column].append(box)

    x = 0.0
    for column in columns:
        width = max(box.width for box in column)
        for box in column:
            box.x = x + width / 2
        x += width + _COLUMN_GAP
        _spread(column)
    for sweep in range(_SWEEPS):
        to_the_right = sweep % 2 == 0
        for column in columns if to_the_right else reversed(columns):
            for box in column:
                neighbours = box.sources if to_the_right else box.targets
                if neighbours:
                    box.y = sum(other.y for other in neighbours) / len(neighbours)
            _spread(column)


def _spread(column: list[Box]) -> None:
    """Pushes the boxes of a column apart, in the order of their heights, about the same middle."""
    column.sort(key=lambda box: box.y)
    middle = sum(box.y for box in column) / len(column)
    for below, box in pairwise(column):
        box.y = max(box.y, below.y + _HEIGHT + _GAP)
    shift = middle - sum(box.y for box in column) / len(column)
    for box in column:
        box.y += shift


def figure(root: Value) -> Figure:
    """The graph under ``root`` as a matplotlib figure, left to right."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Ellipse, FancyArrowPatch, Rectangle
    from matplotlib.textpath import TextPath

    def measure(text: str) -> float:
        return TextPath((0, 0), text, size=_FONT_SIZE, usetex=False).get_extents().width

    found = boxes(root)
    place(found, measure)
    margin = _GAP
    left = min(box.x - box.width / 2 for box in found) - margin
    right = max(box.x + box.width / 2 for box in found) + margin
    bottom = min(box.y for box in found) - _HEIGHT / 2 - margin
    top = max(box.y for box in found) + _HEIGHT / 2 + margin
    # One unit of the axes is one point, so that measured text fits its cell.
    drawing = Figure(figsize=((right - left) / 72, (top - bottom) / 72), dpi=144)
    axes = drawing.add_axes((0, 0, 1, 1), xlim=(left, right), ylim=(top, bottom))
    axes.axis("off")
    for box in found:
        edge = box.x - box.width / 2
        if box.is_op:
            shape = Ellipse((box.x, box.y), box.width, _HEIGHT, fc="#fff3d6", ec="black")
            axes.add_patch(shape)
        for cell, width in zip(box.cells, box.widths):
            if not box.is_op:
                corner = (edge, box.y - _HEIGHT / 2)
                axes.add_patch(Rectangle(corner, width, _HEIGHT, fc="white", ec="black"))
            middle = edge + width / 2
            axes.text(middle, box.y, cell, size=_FONT_SIZE, ha="center", va="center_baseline")
            edge += width
        for target in box.targets:
            start = (box.x + box.width / 2, box.y)
            end = (target.x - target.width / 2, target.y)
            axes.add_patch(
                FancyArrowPatch(
                    start,
                    end,
                    arrowstyle="-|>",
                    mutation_scale=11,
                    shrinkA=0,
                    shrinkB=0,
                    color="black",
                )
            )
    return drawing


def by_dot(root: Value) -> dict[str, bytes] | None:
    """The picture by Graphviz as ``{format: bytes}``, or None where ``dot`` is missing or fails."""
    import graphviz

    dot = draw_dot(root)
    try:
        svg = dot.pipe(format="svg")
        dot.graph_attr["dpi"] = "144"  # sharp in the PNG; the SVG scales by itself
        return {"png": dot.pipe(format="png"), "svg": svg}
    except (graphviz.ExecutableNotFound, graphviz.CalledProcessError, OSError):
        return None
