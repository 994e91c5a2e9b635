"""draw_svg, and how a Value shows itself in a notebook: pictures without any system package."""

import itertools
import random
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

import pytest
from test_draw import HOSTILE, chain, expression

import micrograd_fast
from micrograd_fast import Value, _core, _layout, draw_dot, draw_svg
from micrograd_fast.draw import Svg

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg):
    """Every text in the picture, in the order of the file."""
    found = ["".join(t.itertext()) for t in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    return [text.replace("\N{NO-BREAK SPACE}", " ").strip() for text in found]


def groups(svg, kind):
    return [g for g in ElementTree.fromstring(svg).iter(f"{SVG}g") if g.get("class") == kind]


@pytest.fixture
def no_dot(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "no" / "programs"))


@pytest.fixture
def no_pygraphviz(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)


@pytest.fixture
def program(monkeypatch, tmp_path, no_pygraphviz):
    """Puts a shell script in the place of ``dot``."""

    def put(script):
        path = tmp_path / "dot"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return put


# The picture.


@pytest.mark.usefixtures("no_dot")
def test_the_picture_has_every_value_op_and_arrow():
    values = expression()
    values[-1].backward()
    picture = draw_svg(values[-1])
    assert picture.startswith("<svg ")
    assert picture.endswith("</svg>")
    boxes = [[v.label, f"data {v.data:.4f}", f"grad {v.grad:.4f}"] for v in values]
    assert sorted(texts(picture)) == sorted([*itertools.chain(*boxes), "*", "+"])
    assert len(groups(picture, "node")) == 6
    assert len(groups(picture, "edge")) == 6


def test_the_same_graph_gives_the_same_picture():
    def build():
        rng = random.Random(3)
        values = [Value(rng.random(), label=f"v{i}") for i in range(4)]
        for _ in range(12):
            values.append(rng.choice(values) * rng.choice(values[-3:]))
        return values[-1] + 1

    one, other = draw_svg(build()), draw_svg(build())
    assert one == other
    # Names in DOT are nothing to read: neither as what a browser shows on a node, nor as remarks.
    assert "<title>" not in one
    assert "<!--" not in one


def test_the_picture_grows_in_the_direction_asked_for():
    _, last = chain(3)

    def size(rankdir):
        root = ElementTree.fromstring(draw_svg(last, rankdir=rankdir))
        return [float(root.get(side).removesuffix("pt")) for side in ("width", "height")]

    across, down = size("LR"), size("TB")
    assert across[0] > across[1]
    assert down[0] < down[1]


def test_depth_and_max_operands_cut_as_in_draw_dot():
    _, last = chain(5)
    picture = draw_svg(last, depth=2)
    assert texts(picture).count("tanh") == 3
    assert "..." in texts(picture)
    assert "the 3 Values at most 2 steps from the root" in texts(picture)
    many = Value(1.0, tuple(Value(i) for i in range(50)), "sum")
    assert "... 46 more ..." in texts(draw_svg(many, max_operands=4))
    assert len(groups(draw_svg(many, max_operands=None), "node")) == 52


def test_hostile_labels_and_ops_are_read_back():
    root = Value(0.0, label="root")
    for text in HOSTILE:
        root = Value(0.0, (root, Value(1.0, label=text)), text)
    found = texts(draw_svg(root))
    for text in HOSTILE:
        for line in text.splitlines():
            assert found.count(line) == 2, (line, found)  # as a label and as an op


def test_an_op_named_like_a_number_is_still_an_op():
    a = Value(1.0, label="a")
    for op in ("0", "1_", "_", " "):
        picture = draw_svg(Value(2.0, (a,), op))
        assert len(groups(picture, "node")) == 3, op
        assert len(groups(picture, "edge")) == 2, op


def test_random_graphs_have_a_box_for_every_node():
    for seed in range(3):
        rng = random.Random(seed)
        values = [Value(rng.random()) for _ in range(3)]
        for _ in range(40):
            if rng.random() < 0.2:
                children = tuple(rng.choices(values, k=rng.randint(3, 9)))
                values.append(Value(0.0, children, "sum"))
            else:
                values.append(rng.choice(values) + rng.choice(values))
        nodes, _ = micrograd_fast.trace(values[-1])
        ops = [node for node in nodes if node._op]
        assert len(groups(draw_svg(values[-1]), "node")) == len(nodes) + len(ops)


def test_the_result_is_text_that_a_notebook_shows_and_a_file_holds(tmp_path):
    picture = draw_svg(Value(1.0, label="π"))
    assert isinstance(picture, str)
    assert picture._repr_svg_() == picture
    assert type(picture._repr_svg_()) is str
    assert repr(picture) == f"<SVG picture of {len(picture):,} characters>"
    picture.save(tmp_path / "graph.svg")
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8") == picture + "\n"
    assert ElementTree.parse(tmp_path / "graph.svg").getroot().tag == f"{SVG}svg"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: draw_svg(1.0), TypeError, "draw_svg expects a Value, got float"),
        (lambda: draw_svg(Value(1.0), rankdir="XY"), ValueError, "LR, RL, TB, BT, got 'XY'"),
        (lambda: draw_svg(Value(1.0), max_nodes=0), ValueError, "at least 1 or None, got 0"),
        (lambda: draw_svg(Value(1.0), depth="3"), TypeError, "depth must be an int or None"),
        (lambda: draw_svg(chain(1500)[1]), ValueError, "would have 1,501 Values"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()


# Who draws it.


@pytest.mark.usefixtures("no_dot")
def test_pygraphviz_is_not_imported_into_this_process():
    # Graphviz may crash on a graph, and cannot be interrupted: that is its own process's affair.
    program = (
        "import sys\n"
        "from micrograd_fast import Value, draw_svg\n"
        "assert draw_svg(Value(1.0)).startswith('<svg')\n"
        "sys.exit('pygraphviz' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_files_of_the_current_directory_are_not_imported(tmp_path, monkeypatch):
    for name in ("pygraphviz", "shlex", "warnings"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    assert "data 1.0000" in draw_svg(Value(1.0))


def test_the_program_dot_takes_the_place_of_pygraphviz(program):
    program("cat >/dev/null; echo '<svg>by the program</svg>'")
    assert draw_svg(Value(1.0)) == "<svg>by the program</svg>"


@pytest.mark.usefixtures("no_dot", "no_pygraphviz")
def test_without_any_graphviz_the_extra_is_named():
    with pytest.raises(ImportError, match=re.escape("pip install micrograd_fast[draw]")) as raised:
        draw_svg(Value(1.0))
    assert raised.value.name == "pygraphviz"
    assert not _layout.available()


def test_without_the_package_graphviz_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "graphviz", None)
    monkeypatch.delitem(sys.modules, "micrograd_fast._digraph", raising=False)
    with pytest.raises(ImportError, match=re.escape("draw_svg needs the Python package graphviz")):
        draw_svg(Value(1.0))


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo first >&2; echo last words >&2; exit 3", r"\(status 3\): last words"),
        ("exit 0", r"\(status 0\): it said nothing"),
        ("kill -SEGV $$", r"\(status -11\): it said nothing"),
    ],
)
def test_a_graphviz_that_fails_is_quoted(script, message, program):
    program(script)
    with pytest.raises(RuntimeError, match=message):
        draw_svg(Value(1.0))


def test_a_program_that_does_not_start(program, tmp_path):
    program("")
    (tmp_path / "dot").write_text("#!/no/such/interpreter\n")
    with pytest.raises(RuntimeError, match="could not be started"):
        draw_svg(Value(1.0))


def test_a_layout_that_takes_too_long_is_stopped(program):
    program("exec sleep 60")
    start = time.perf_counter()
    with pytest.raises(_layout.LayoutFailed, match=r"stopped after 0\.2 seconds"):
        _layout.picture("digraph {}", "svg", timeout=0.2)
    assert time.perf_counter() - start < 20


# In a notebook.


@pytest.mark.usefixtures("no_dot")
def test_a_value_shows_its_graph():
    *_, d = expression()
    assert d._repr_svg_() == draw_svg(d)
    assert type(d._repr_svg_()) is str
    assert "data 1.5000" in Value(1.5)._repr_svg_()


def test_a_value_of_a_subclass_does_so_too():
    class Mine(Value):
        pass

    assert "mine" in Mine(1.0, label="mine")._repr_svg_()


def test_a_large_graph_shows_the_repr():
    first, last = chain(200)
    assert last._repr_svg_() is None
    assert first._repr_svg_() is not None


def test_a_graph_at_the_limit_is_drawn():
    assert chain(99)[1]._repr_svg_() is not None
    assert chain(100)[1]._repr_svg_() is None


def test_no_more_of_a_huge_graph_is_looked_at_than_decides():
    node = Value(0.0)
    for _ in range(300_000):
        node = node + 1.0
    # Each number becomes a leaf where it is looked at.
    before = _core.arena_info()["live_nodes"]
    assert node._repr_svg_() is None
    assert 0 < _core.arena_info()["live_nodes"] - before < 200


def test_an_op_with_very_many_operands_is_drawn_from_both_ends():
    many = Value(1.0, tuple(Value(i) for i in range(5000)), "sum")
    assert "... 4,960 more ..." in texts(many._repr_svg_())


@pytest.mark.usefixtures("no_dot", "no_pygraphviz")
def test_without_graphviz_a_value_shows_the_repr():
    assert Value(1.0)._repr_svg_() is None


@pytest.mark.parametrize("script", ["exit 1", "kill -SEGV $$", "cat >/dev/null; echo no picture"])
def test_a_graphviz_that_fails_never_shows(script, program):
    program(script)
    assert Value(1.0)._repr_svg_() is None


def test_a_slow_graphviz_never_shows(program, monkeypatch):
    monkeypatch.setattr(micrograd_fast.draw, "_NOTEBOOK_SECONDS", 0.2)
    program("exec sleep 60")
    assert Value(1.0)._repr_svg_() is None


def test_ipython_takes_the_picture_and_keeps_the_repr():
    formatters = pytest.importorskip("IPython.core.formatters")
    bundle, _ = formatters.DisplayFormatter().format(Value(2.0, label="a"))
    assert bundle["text/plain"] == "Value(data=2.0)"
    assert "data 2.0000" in bundle["image/svg+xml"]
    bundle, _ = formatters.DisplayFormatter().format(chain(300)[1])
    assert set(bundle) == {"text/plain"}


def test_draw_dot_and_draw_svg_draw_the_same():
    *_, d = expression()
    by_dot = draw_dot(d).pipe("svg", encoding="utf-8")
    assert sorted(texts(by_dot)) == sorted(texts(draw_svg(d)))
    assert isinstance(draw_svg(d), Svg)
