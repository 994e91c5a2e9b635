"""trace and draw_dot: what is collected, the DOT text, and what happens without Graphviz."""

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import graphviz
import pytest

import micrograd_fast
from micrograd_fast import Value, draw_dot, trace

NODE = re.compile(
    r'^\t(?P<name>"[^"]*"|\d+) \[label=(?P<label>"(?:[^"\\]|\\.)*"|\S+)(?P<rest>.*)\]$'
)
EDGE = re.compile(r'^\t(?P<tail>"[^"]*"|\d+) -> (?P<head>"[^"]*"|\d+)$')

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="the program dot is missing")


def parse(dot):
    """The nodes ``{name: (label, other attributes)}`` and the edges of a Digraph's source."""
    nodes, edges = {}, []
    lines = dot.source.splitlines()
    assert lines[0] == "digraph {"
    assert lines[-1] == "}"
    for line in lines[2:-1]:
        if edge := EDGE.match(line):
            edges.append((edge["tail"].strip('"'), edge["head"].strip('"')))
        else:
            node = NODE.match(line)
            assert node, line
            label = node["label"]
            label = label[1:-1] if label.startswith('"') else label
            nodes[node["name"].strip('"')] = (label, node["rest"])
    return nodes, edges


def expression():
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    c = a * b
    c.label = "c"
    d = c + a
    d.label = "d"
    return a, b, c, d


def test_trace_collects_nodes_and_edges_once():
    a, b, c, d = expression()
    nodes, edges = trace(d)
    assert nodes == {a, b, c, d}
    assert edges == {(a, c), (b, c), (c, d), (a, d)}


def test_trace_of_a_leaf():
    a = Value(1.0)
    assert trace(a) == ({a}, set())


def test_trace_of_a_value_added_to_itself_has_one_edge():
    a = Value(1.0)
    b = a + a
    assert trace(b) == ({a, b}, {(a, b)})


def test_trace_shows_the_number_in_an_operation_as_a_leaf():
    a = Value(1.0)
    b = a + 2
    nodes, edges = trace(b)
    (two,) = nodes - {a, b}
    assert two.data == 2.0
    assert edges == {(a, b), (two, b)}
    assert trace(b) == (nodes, edges)


def test_draw_dot_is_the_seed_picture():
    a, b, c, d = expression()
    d.backward()
    dot = draw_dot(d)
    assert isinstance(dot, graphviz.Digraph)
    assert dot.format == "svg"
    assert dot.graph_attr == {"rankdir": "LR"}
    nodes, edges = parse(dot)
    record = " shape=record"
    assert nodes == {
        str(id(a)): ("{ a | data 2.0000 | grad -2.0000 }", record),
        str(id(b)): ("{ b | data -3.0000 | grad 2.0000 }", record),
        str(id(c)): ("{ c | data -6.0000 | grad 1.0000 }", record),
        f"{id(c)}*": ("*", ""),
        str(id(d)): ("{ d | data -4.0000 | grad 1.0000 }", record),
        f"{id(d)}+": ("+", ""),
    }
    assert edges == [
        (f"{id(c)}*", str(id(c))),
        (f"{id(d)}+", str(id(d))),
        (str(id(a)), f"{id(c)}*"),
        (str(id(b)), f"{id(c)}*"),
        (str(id(c)), f"{id(d)}+"),
        (str(id(a)), f"{id(d)}+"),
    ]


def test_draw_dot_goes_children_first_and_the_same_way_every_time():
    a, b = Value(1.0), Value(2.0)
    shared = a * b
    root = (shared + b).tanh() * shared - a
    source = draw_dot(root).source
    assert draw_dot(root).source == source
    names = [name for name in parse(draw_dot(root))[0] if name.isdigit()]
    place = {name: i for i, name in enumerate(names)}
    nodes, edges = trace(root)
    assert len(names) == len(nodes)
    assert all(place[str(id(child))] < place[str(id(parent))] for child, parent in edges)


def test_draw_dot_connects_a_node_without_an_op_directly():
    a = Value(1.0)
    b = Value(2.0, (a,))
    nodes, edges = parse(draw_dot(b))
    assert set(nodes) == {str(id(a)), str(id(b))}
    assert edges == [(str(id(a)), str(id(b)))]


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_draw_dot_of_non_finite_numbers(number):
    ((label, _),) = parse(draw_dot(Value(number)))[0].values()
    assert label == f"{{  | data {number:.4f} | grad 0.0000 }}"


def test_draw_dot_options():
    dot = draw_dot(Value(1.0), format="png", rankdir="TB")
    assert dot.format == "png"
    assert dot.graph_attr == {"rankdir": "TB"}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: draw_dot(1.0), TypeError, "draw_dot expects a Value, got float"),
        (lambda: trace([Value(1.0)]), TypeError, "trace expects a Value, got list"),
        (lambda: draw_dot(Value(1.0), rankdir="XY"), ValueError, "LR, RL, TB, BT, got 'XY'"),
        (lambda: draw_dot(Value(1.0), format="nope"), ValueError, "nope"),
        (lambda: draw_dot(Value(1.0), max_nodes=0), ValueError, "at least 1 or None, got 0"),
        (lambda: draw_dot(Value(1.0), depth=-1), ValueError, "depth must be at least 0 or None"),
        (lambda: draw_dot(Value(1.0), depth=1.5), TypeError, "depth must be an int or None"),
        (lambda: draw_dot(Value(1.0), max_operands=0), ValueError, "at least 1 or None, got 0"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()


HOSTILE = [
    "a{b}c",
    "a|b",
    "<port> a",
    "<b>bold</b>",
    '"quoted"',
    "ends in \\",
    'ends in \\"',
    "\\N \\G \\L",
    "a && b &lt; &amp;",
    "two\nlines",
    "a -> b; c [x=y] # //",
    "naïve π ∂f/∂x",
    "{{{",
    "\\\\{",
]


def unescape(label):
    """The cells of a record label, read by the rules of the DOT language."""
    label = label.replace('\\"', '"')
    cells, cell, rest = [], "", iter(label.removeprefix("{ ").removesuffix(" }"))
    for c in rest:
        if c == "\\":
            follower = next(rest)
            assert follower in "{}|<>\\n", follower
            cell += "\n" if follower == "n" else follower
        elif c == "|":
            cells.append(cell.strip())
            cell = ""
        else:
            assert c not in "{}<>", "a character of record syntax was left bare"
            cell += c
    return [*cells, cell.strip()]


@pytest.mark.parametrize("text", HOSTILE)
def test_labels_cannot_break_the_record(text):
    ((label, _),) = parse(draw_dot(Value(1.0, label=text)))[0].values()
    cells = unescape(label)
    assert len(cells) == 3
    assert cells[0].replace("&amp;", "&") == text
    assert cells[1:] == ["data 1.0000", "grad 0.0000"]


def test_characters_that_do_not_print_are_spelled_out():
    ((label, _),) = parse(draw_dot(Value(1.0, label="nul \0 bell \a lone \udc80")))[0].values()
    assert unescape(label)[0] == "nul \\x00 bell \\x07 lone \\udc80"


@pytest.mark.parametrize("text", HOSTILE)
def test_user_ops_cannot_break_the_text(text):
    a = Value(1.0)
    b = Value(2.0, (a,), text)
    nodes, edges = parse(draw_dot(b))
    (op,) = set(nodes) - {str(id(a)), str(id(b))}
    assert op.startswith(str(id(b)))
    assert edges == [(op, str(id(b))), (str(id(a)), op)]
    # No bare < at the start: that would make the label HTML.
    assert not nodes[op][0].startswith("<")


@needs_dot
def test_graphviz_reads_hostile_labels_back():
    root = Value(0.0, label="root")
    for text in HOSTILE:
        root = Value(0.0, (root, Value(1.0, label=text)), text)
    svg = ElementTree.fromstring(draw_dot(root).pipe(format="svg", encoding="utf-8"))
    texts = ["".join(t.itertext()) for t in svg.iter("{http://www.w3.org/2000/svg}text")]
    texts = [t.replace("\N{NO-BREAK SPACE}", " ").strip() for t in texts]
    for text in HOSTILE:
        for line in text.splitlines():
            assert texts.count(line) == 2, (line, texts)  # as a label and as an op


@needs_dot
def test_render_writes_a_picture(tmp_path):
    written = draw_dot(expression()[-1]).render(tmp_path / "graph", format="png")
    assert written.endswith("graph.png")
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


@needs_dot
def test_a_notebook_gets_a_picture():
    bundle = draw_dot(expression()[-1])._repr_mimebundle_()
    assert list(bundle) == ["image/svg+xml"]
    assert "2.0000" in bundle["image/svg+xml"]


@pytest.fixture
def no_dot(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "no" / "programs"))


@pytest.fixture
def no_pygraphviz(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)


@pytest.mark.usefixtures("no_dot")
class TestWithoutTheProgramDot:
    """pygraphviz draws, for whatever needs no options of the program."""

    def test_pipe(self):
        dot = draw_dot(expression()[-1])
        assert ElementTree.fromstring(dot.pipe()).tag == "{http://www.w3.org/2000/svg}svg"
        assert dot.pipe(encoding="utf-8").startswith("<?xml")
        assert dot.pipe("png").startswith(b"\x89PNG\r\n\x1a\n")

    def test_render(self, tmp_path):
        dot = draw_dot(expression()[-1])
        written = dot.render(tmp_path / "graph", format="png")
        assert written == str(tmp_path / "graph.png")
        assert Path(written).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        assert (tmp_path / "graph").read_text(encoding="utf-8") == dot.source

    def test_render_cleans_up(self, tmp_path):
        written = draw_dot(expression()[-1]).render("graph.gv", directory=tmp_path, cleanup=True)
        assert [str(path) for path in tmp_path.iterdir()] == [written]
        assert written.endswith("graph.gv.svg")

    def test_view_shows_what_render_wrote(self, tmp_path, monkeypatch):
        shown = []
        monkeypatch.setattr(graphviz, "view", shown.append)
        written = draw_dot(expression()[-1]).render(tmp_path / "graph", view=True)
        assert shown == [written]

    def test_a_notebook_gets_a_picture(self):
        bundle = draw_dot(expression()[-1])._repr_mimebundle_()
        assert list(bundle) == ["image/svg+xml"]

    @pytest.mark.parametrize(
        "options", [{"engine": "neato"}, {"renderer": "cairo"}, {"neato_no_op": 1}]
    )
    def test_options_of_the_program_need_the_program(self, options):
        with pytest.raises(graphviz.ExecutableNotFound, match="its program `dot`"):
            draw_dot(expression()[-1]).pipe(**options)


@pytest.mark.usefixtures("no_dot", "no_pygraphviz")
class TestWithoutAnyGraphviz:
    def test_the_text_is_there(self):
        assert "data -6.0000" in draw_dot(expression()[-1]).source

    @pytest.mark.parametrize("ask", ["pipe", "render", "view"])
    def test_a_picture_is_refused_with_advice(self, ask, tmp_path):
        dot = draw_dot(expression()[-1])
        dot.directory = str(tmp_path)
        with pytest.raises(
            graphviz.ExecutableNotFound, match=r"`dot`.*pygraphviz.*micrograd_fast\[draw\]"
        ):
            getattr(dot, ask)()

    def test_a_notebook_shows_the_advice(self):
        bundle = draw_dot(expression()[-1])._repr_mimebundle_(include=None, exclude=None)
        assert list(bundle) == ["text/plain"]
        assert "install pygraphviz" in bundle["text/plain"]
        assert ".source" in bundle["text/plain"]


@pytest.fixture
def no_graphviz(monkeypatch):
    monkeypatch.setitem(sys.modules, "graphviz", None)
    monkeypatch.delitem(sys.modules, "micrograd_fast._digraph", raising=False)


@pytest.mark.usefixtures("no_graphviz")
def test_without_the_python_package_the_extra_is_named():
    with pytest.raises(ImportError, match=re.escape("pip install micrograd_fast[draw]")) as raised:
        draw_dot(Value(1.0))
    assert raised.value.name == "graphviz"


@pytest.mark.usefixtures("no_graphviz")
def test_without_the_python_package_trace_works():
    a, b, c, d = expression()
    assert trace(d)[0] == {a, b, c, d}


def test_importing_the_package_does_not_import_graphviz():
    program = "import sys, micrograd_fast.draw; sys.exit('graphviz' in sys.modules)"
    home = Path(micrograd_fast.__file__).parent.parent
    assert subprocess.run([sys.executable, "-c", program], cwd=home, check=False).returncode == 0


def chain(length):
    first = node = Value(0.0)
    for _ in range(length):
        node = node.tanh()
    return first, node


def test_trace_of_a_deep_graph():
    first, last = chain(200_000)
    nodes, edges = trace(last)
    assert len(nodes) == 200_001
    assert len(edges) == 200_000
    assert first in nodes


def test_the_head_of_a_deep_graph_is_drawn():
    _, last = chain(200_000)
    dot = draw_dot(last, depth=999)
    nodes, edges = parse(dot)
    assert sum(label.startswith("{") for label, _ in nodes.values()) == 1000
    assert [rest for label, rest in nodes.values() if label == "..."] == [" shape=plaintext"]
    assert dot.graph_attr["label"] == "the 1,000 Values at most 999 steps from the root"
    assert (f"{id(last)}tanh", str(id(last))) in edges


def test_a_cut_marks_every_op_whose_operands_are_left_out():
    a, b, c, d = expression()
    e = d * c
    nodes, edges = parse(draw_dot(e, depth=1))  # e, d, c; not a and b
    assert str(id(a)) not in nodes
    assert str(id(b)) not in nodes
    dots = [name for name, (label, _) in nodes.items() if label == "..."]
    assert {head for tail, head in edges if tail in dots} == {f"{id(c)}*", f"{id(d)}+"}
    assert (str(id(c)), f"{id(d)}+") in edges


def test_a_depth_that_reaches_everything_cuts_nothing():
    *_, d = expression()
    assert draw_dot(d, depth=2).source == draw_dot(d).source
    assert "..." not in draw_dot(d, depth=2).source
    assert "..." in draw_dot(d, depth=1).source


def test_depth_0_is_the_root_alone():
    *_, d = expression()
    nodes, _ = parse(draw_dot(d, depth=0))
    assert sum(label.startswith("{") for label, _ in nodes.values()) == 1


def test_a_value_near_the_root_by_any_path_is_drawn_with_all_its_arrows():
    a, b, c, d = expression()  # d = (a * b) + a: one step and two steps from d to a
    nodes, edges = parse(draw_dot(d, depth=1))
    assert (str(id(a)), f"{id(c)}*") in edges
    assert (f"rest {id(c)}", f"{id(c)}*") in edges
    assert str(id(b)) not in nodes


@pytest.mark.parametrize(
    ("length", "count"),
    [(1000, "1,001 Values"), (4999, "5,000 Values"), (200_000, "more than 100,000 Values")],
)
def test_a_graph_that_nobody_could_read_is_refused_with_advice(length, count):
    _, last = chain(length)
    with pytest.raises(ValueError, match=rf"would have {count}, and max_nodes is 1,000") as raised:
        draw_dot(last)
    for advice in ("a subgraph", "depth=3", "max_nodes=None"):
        assert advice in str(raised.value)


def test_max_nodes_counts_what_is_drawn():
    *_, d = expression()
    assert draw_dot(d, max_nodes=4).source == draw_dot(d, max_nodes=None).source
    with pytest.raises(ValueError, match="would have 4 Values, and max_nodes is 3"):
        draw_dot(d, max_nodes=3)
    assert draw_dot(d, max_nodes=3, depth=1).source == draw_dot(d, depth=1).source


def test_max_nodes_none_draws_everything():
    _, last = chain(3000)
    nodes, _ = parse(draw_dot(last, max_nodes=None))
    assert sum(label.startswith("{") for label, _ in nodes.values()) == 3001
