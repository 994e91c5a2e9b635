"""Pictures of a graph of Values: ``trace`` collects it, ``draw_dot`` draws it with Graphviz.

Needs the Python package ``graphviz`` (``pip install micrograd_fast[draw]``). The DOT text is made
without anything else; turning it into a picture runs Graphviz's program ``dot``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .engine import Value

if TYPE_CHECKING:
    import graphviz

__all__ = ["draw_dot", "trace"]

_RANKDIRS = ("LR", "RL", "TB", "BT")

# Record labels give a meaning to these, every label to the backslash and to entities such as &lt;.
_ESCAPES = {ord(c): "\\" + c for c in "{}|<>\\"} | {ord("&"): "&amp;", ord("\n"): "\\n"}


def _check_root(root: object, caller: str) -> None:
    if not isinstance(root, Value):
        raise TypeError(f"{caller} expects a Value, got {type(root).__name__}")


def trace(root: Value) -> tuple[set[Value], set[tuple[Value, Value]]]:
    """The graph under ``root`` as two sets: its nodes, and its edges ``(child, parent)``.

    >>> a, b = Value(2.0), Value(3.0)
    >>> c = a * b
    >>> nodes, edges = trace(c)
    >>> nodes == {a, b, c}, edges == {(a, c), (b, c)}
    (True, True)

    Any depth of graph will do: nothing here recurses.
    """
    _check_root(root, "trace")
    nodes = {root}
    edges = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        for child in node._children:
            edges.add((child, node))
            if child not in nodes:
                nodes.add(child)
                waiting.append(child)
    return nodes, edges


def nearest(root: Value, limit: int | None) -> list[Value]:
    """The ``limit`` nodes fewest edges away from ``root`` (all of them if ``limit`` is None).

    The list is in topological order, children before parents, and the same on every call.
    """
    reached = [root]
    kept = {root}
    for node in reached:  # grows as it is read: breadth first
        for child in node._children:
            if child not in kept and (limit is None or len(kept) < limit):
                kept.add(child)
                reached.append(child)
    order: list[Value] = []
    placed = set()
    waiting = [(root, False)]
    while waiting:
        node, children_placed = waiting.pop()
        if children_placed:
            order.append(node)
        elif node not in placed:
            placed.add(node)
            waiting.append((node, True))
            waiting.extend((c, False) for c in reversed(node._children) if c in kept)
    return order


def _escape(text: object) -> str:
    """``text`` with everything that DOT would take for markup made literal."""
    printable = (c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in str(text))
    return "".join(printable).translate(_ESCAPES)


def _op_name(node: Value) -> str:
    """The name of the node's op box: the id with the op after it, as far as DOT can take that."""
    op = "".join(c if c.isprintable() and c not in ':"\\' else "_" for c in node._op)
    return str(id(node)) + op


def draw_dot(
    root: Value, format: str = "svg", rankdir: str = "LR", max_nodes: int | None = 1000
) -> graphviz.Digraph:
    """The graph under ``root`` as a ``graphviz.Digraph``; a notebook shows it as a picture.

    Each Value is a box of its label, data and grad; each op stands before the Value that it made.
    ``.source`` is the DOT text, ``.render("name")`` writes a picture of the given ``format``.

    Beyond ``max_nodes`` Values, only those nearest to the root are drawn and dots stand for the
    rest; ``max_nodes=None`` draws everything. ``rankdir`` is the direction in which the graph
    grows: ``"LR"``, ``"RL"``, ``"TB"`` or ``"BT"``.

    >>> a = Value(2.0, label="a")
    >>> 'label="{ a | data 2.0000 | grad 0.0000 }" shape=record' in draw_dot(a).source
    True
    """
    _check_root(root, "draw_dot")
    if rankdir not in _RANKDIRS:
        raise ValueError(f"rankdir must be one of {', '.join(_RANKDIRS)}, got {rankdir!r}")
    if max_nodes is not None and max_nodes < 1:
        raise ValueError(f"max_nodes must be at least 1 or None, got {max_nodes!r}")
    try:
        from ._digraph import Digraph
    except ModuleNotFoundError as error:
        if error.name != "graphviz":
            raise
        raise ImportError(
            "draw_dot needs the Python package graphviz: pip install micrograd_fast[draw]",
            name="graphviz",
        ) from error

    dot = Digraph(format=format, graph_attr={"rankdir": rankdir})
    nodes = nearest(root, max_nodes)
    drawn = set(nodes)
    for node in nodes:
        name = str(id(node))
        label = f"{{ {_escape(node.label)} | data {node.data:.4f} | grad {node.grad:.4f} }}"
        dot.node(name=name, label=label, shape="record")
        if node._op:
            dot.node(name=_op_name(node), label=_escape(node._op))
            dot.edge(_op_name(node), name)
    cut = False
    for node in nodes:
        children = dict.fromkeys(node._children)  # each once, in operand order
        for child in children:
            if child in drawn:
                dot.edge(str(id(child)), _op_name(node))
        if not drawn.issuperset(children):
            cut = True
            rest = f"rest {id(node)}"
            dot.node(name=rest, label="...", shape="plaintext")
            dot.edge(rest, _op_name(node))
    if cut:
        dot.graph_attr["label"] = f"the {len(nodes)} nodes nearest to the root"
    return dot
