"""Pictures of a graph of Values: ``trace`` collects it, ``draw_dot`` and ``draw_svg`` draw it.

``draw_dot`` gives the seed's ``graphviz.Digraph``; ``draw_svg`` gives the finished picture as text,
and a Value shows itself by that in a notebook. All need ``pip install micrograd_fast[draw]`` and
no system package: the layout is Graphviz's own, from its copy inside the wheels of pygraphviz.

Why pygraphviz: the people of NetworkX keep it up, its wheels cover CPython from 3.10 on Linux,
macOS and Windows, and one DOT text is the source of every picture. Libraries that lay a graph out
but do not draw it (igraph, grandalf, fast-sugiyama) would leave the widths of texts, the routes of
arrows and the SVG to this module, and the licences of the first two are less free than ours.
"""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _layout
from ._excerpt import children_first, reach
from .engine import Value

if TYPE_CHECKING:
    import graphviz

__all__ = ["Svg", "draw_dot", "draw_svg", "trace"]

_RANKDIRS = ("LR", "RL", "TB", "BT")

# Record labels give a meaning to these, every label to the backslash and to entities such as &lt;.
_ESCAPES = {ord(c): "\\" + c for c in "{}|<>\\"} | {ord("&"): "&amp;", ord("\n"): "\\n"}

_COUNT_TO = 100_000  # a refusal says how large the graph is, as far as that is quickly found out
_MANY_OPERANDS = 40  # room for dot(w, x, b) of 16

# A notebook draws unasked, so only what is read at a glance and laid out at once.
_NOTEBOOK_NODES = 100
_NOTEBOOK_SECONDS = 10.0


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


def _limit(number: Any, name: str, least: int) -> int | None:
    """``number`` as an int of at least ``least``, or None."""
    if number is None:
        return None
    try:
        limit = operator.index(number)
    except TypeError:
        raise TypeError(f"{name} must be an int or None, got {type(number).__name__}") from None
    if limit < least:
        raise ValueError(f"{name} must be at least {least} or None, got {limit}")
    return limit


def _refusal(nodes: int, max_nodes: int) -> ValueError:
    count = f"more than {_COUNT_TO:,}" if nodes > _COUNT_TO else f"{nodes:,}"
    return ValueError(
        f"the picture would have {count} Values, and max_nodes is {max_nodes:,}: draw a subgraph "
        "(one of the Values inside), only the steps nearest to the root (depth=3), or all of it "
        "(max_nodes=None)"
    )


def _escape(text: object) -> str:
    """``text`` with everything that DOT would take for markup made literal."""
    printable = (c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in str(text))
    return "".join(printable).translate(_ESCAPES)


def _op_suffix(node: Value) -> str:
    """The op as far as a name in DOT can take it."""
    return "".join(c if c.isprintable() and c not in ':"\\' else "_" for c in node._op)


def _digraph(
    caller: str,
    root: Value,
    name_of: Callable[[int, Value], str],
    *,
    format: str,
    rankdir: str,
    max_nodes: int | None,
    depth: int | None,
    max_operands: int | None,
    count_to: int = _COUNT_TO,
) -> Any:
    """The Digraph that ``caller`` promises; nodes get names by their place in it.

    Beyond ``max_nodes`` the refusal counts the graph as far as ``count_to``.
    """
    _check_root(root, caller)
    if rankdir not in _RANKDIRS:
        raise ValueError(f"rankdir must be one of {', '.join(_RANKDIRS)}, got {rankdir!r}")
    max_nodes = _limit(max_nodes, "max_nodes", 1)
    depth = _limit(depth, "depth", 0)
    max_operands = _limit(max_operands, "max_operands", 1)
    try:
        from ._digraph import Digraph
    except ModuleNotFoundError as error:
        if error.name != "graphviz":
            raise
        raise ImportError(
            f"{caller} needs the Python package graphviz: pip install micrograd_fast[draw]",
            name="graphviz",
        ) from error

    dot = Digraph(format=format, graph_attr={"rankdir": rankdir})
    count_to = max(count_to, max_nodes or 0)
    reached = reach(root, depth, max_operands, None if max_nodes is None else count_to)
    if max_nodes is not None and len(reached) > max_nodes:
        raise _refusal(len(reached), max_nodes)
    nodes = children_first(root, reached)
    names = {node: name_of(place, node) for place, node in enumerate(nodes)}
    op_names = {node: name + _op_suffix(node) for node, name in names.items()}
    for node in nodes:
        label = f"{{ {_escape(node.label)} | data {node.data:.4f} | grad {node.grad:.4f} }}"
        dot.node(name=names[node], label=label, shape="record")
        if node._op:
            # Arrows into an n-ary op must come in the order of the operands.
            in_order = {"ordering": "in"} if len(reached[node]) > 2 else {}
            dot.node(name=op_names[node], label=_escape(node._op), **in_order)
            dot.edge(op_names[node], names[node])
    cut = False
    for node in nodes:
        entry = op_names[node]
        is_n_ary = sum(reached[node].values()) > 2
        left_out = False
        for child, times in reached[node].items():
            if child is None:
                gap = f"gap {names[node]}"
                dot.node(name=gap, label=f"... {times:,} more ...", shape="plaintext")
                dot.edge(gap, entry)
            elif child in names:
                # The seed's picture has a single arrow for both operands of `a + a`.
                often = {"label": f"×{times}"} if is_n_ary and times > 1 else {}
                dot.edge(names[child], entry, **often)
            else:
                left_out = True
        if left_out:
            cut = True
            rest = f"rest {names[node]}"
            dot.node(name=rest, label="...", shape="plaintext")
            dot.edge(rest, entry)
    most = max(len(reached[node]) for node in nodes)
    if most > 4:
        # Room for the arrows of a long column, which would all come from straight above or below.
        dot.graph_attr["ranksep"] = f"{min(0.5 + 0.1 * (most - 4), 3.0):.2f}"
    if cut:
        dot.graph_attr["label"] = f"the {len(nodes):,} Values at most {depth} steps from the root"
    return dot


def draw_dot(
    root: Value,
    format: str = "svg",
    rankdir: str = "LR",
    max_nodes: int | None = 1000,
    *,
    depth: int | None = None,
    max_operands: int | None = _MANY_OPERANDS,
) -> graphviz.Digraph:
    """The graph under ``root`` as a ``graphviz.Digraph``; a notebook shows it as a picture.

    Each Value is a box of its label, data and grad; each op stands before the Value that it made,
    and the operands of an n-ary op come in their order. ``.source`` is the DOT text,
    ``.render("name")`` writes a picture of the given ``format``.

    depth
        int; draws only what is at most so many steps from the root. Dots stand for the rest.
    max_nodes
        int or None; a picture of more Values is refused: nobody could read it.
    max_operands
        int or None; of an op with more operands, only the first and the last are drawn, and between
        them the number of the others.
    rankdir
        the direction in which the graph grows: ``"LR"``, ``"RL"``, ``"TB"`` or ``"BT"``.

    ValueError for a graph of more than ``max_nodes`` Values, ImportError without the Python package
    ``graphviz``, which ``pip install micrograd_fast[draw]`` brings.

    >>> a = Value(2.0, label="a")
    >>> 'label="{ a | data 2.0000 | grad 0.0000 }" shape=record' in draw_dot(a).source
    True
    >>> for _ in range(5000):
    ...     a = a.tanh()
    >>> draw_dot(a)
    Traceback (most recent call last):
    ...
    ValueError: the picture would have 5,001 Values, and max_nodes is 1,000: draw a subgraph (one \
of the Values inside), only the steps nearest to the root (depth=3), or all of it (max_nodes=None)
    >>> draw_dot(a, depth=3).graph_attr["label"]
    'the 4 Values at most 3 steps from the root'
    """
    return _digraph(
        "draw_dot",
        root,
        lambda place, node: str(id(node)),  # the seed's names
        format=format,
        rankdir=rankdir,
        max_nodes=max_nodes,
        depth=depth,
        max_operands=max_operands,
    )


class Svg(str):
    """A picture as the text of an SVG element; a notebook shows it as the picture.

    >>> picture = Svg('<svg xmlns="http://www.w3.org/2000/svg"/>')
    >>> picture
    <SVG picture of 41 characters>
    >>> print(picture)
    <svg xmlns="http://www.w3.org/2000/svg"/>
    """

    __slots__ = ()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the picture into the file ``path``, an ``.svg`` that browsers open.

        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "graph.svg")
        ...     Svg("<svg/>").save(file)
        ...     file.read_text()
        '<svg/>\\n'
        """
        Path(path).write_text(self + "\n", encoding="utf-8")

    def _repr_svg_(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"<SVG picture of {len(self):,} characters>"


# What a browser would show when the pointer rests on a node, and remarks: all only names in DOT.
_NAMES = re.compile(r"<title>.*?</title>\n?|<!--.*?-->\n?", re.DOTALL)


def _svg(root: Value, timeout: float | None = None, **options: Any) -> Svg:
    # No name of a Value may look like that of an op, which goes on after it.
    dot = _digraph("draw_svg", root, lambda place, _: f"{place}_", format="svg", **options)
    text = _layout.picture(dot.source, "svg", timeout).decode("utf-8")
    # A hyphen is escaped for the sake of remarks, of which there are none any more.
    return Svg(_NAMES.sub("", text[text.index("<svg") :]).replace("&#45;", "-").strip())


def draw_svg(
    root: Value,
    rankdir: str = "LR",
    max_nodes: int | None = 1000,
    *,
    depth: int | None = None,
    max_operands: int | None = _MANY_OPERANDS,
) -> Svg:
    """The picture of the graph under ``root`` that ``draw_dot`` describes, as the text of an SVG.

    The result is a str; ``.save("graph.svg")`` writes it, a notebook shows the picture. The same
    graph gives the same text. Nothing but Python packages is needed, and the parameters are those
    of ``draw_dot``.

    Raises what ``draw_dot`` raises, ImportError without pygraphviz (and without a program ``dot``
    to take its place), and RuntimeError with Graphviz's own words where it fails.

    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> picture = draw_svg(a * b)
    >>> picture.startswith("<svg"), "data -6.0000" in picture
    (True, True)
    """
    return _svg(root, rankdir=rankdir, max_nodes=max_nodes, depth=depth, max_operands=max_operands)


def _repr_svg_(self: Value) -> str | None:
    """The picture for a notebook; None, so that it shows the repr, where there cannot be one.

    There cannot for a graph of more than 100 Values, for one that takes long to lay out, and
    without the packages of ``micrograd_fast[draw]``.
    """
    try:
        return str(
            _svg(
                self,
                timeout=_NOTEBOOK_SECONDS,
                rankdir="LR",
                max_nodes=_NOTEBOOK_NODES,
                depth=None,
                max_operands=_MANY_OPERANDS,
                count_to=_NOTEBOOK_NODES,
            )
        )
    except Exception:
        # Nobody asked for a picture: the number is shown, not what went wrong.
        return None


# Value itself lies in a layer that must not know this one.
Value._repr_svg_ = _repr_svg_  # type: ignore[method-assign]
