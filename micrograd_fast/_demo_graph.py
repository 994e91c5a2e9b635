"""The seed's graph as a picture."""

from . import _layout
from .draw import draw_dot, draw_svg
from .engine import Value


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


def pictures(root: Value) -> dict[str, bytes]:
    """The graph under ``root`` as ``{format: bytes}``; the same graph gives the same bytes."""
    dot = draw_dot(root)
    dot.graph_attr["dpi"] = "144"  # sharp; the SVG scales by itself
    return {"png": _layout.picture(dot.source, "png"), "svg": draw_svg(root).encode("utf-8")}
