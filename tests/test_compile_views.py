"""What a compiled function says of itself: statistics, listings, pictures, names, passes."""

import numpy as np
import pytest

import micrograd_fast
from micrograd_fast import Function, Value, _core, nn


@micrograd_fast.compile
def example(x, params, n=2):
    total = params["w"][0] * x[0] + params["w"][1] * x[1] + params["b"]
    return {"y": micrograd_fast.tanh(total), "z": -total / 2.0, "n": n}


POINT = (np.array([1.0, 2.0]), {"w": (3.0, 4.0), "b": 0.5})


def test_stats():
    f = micrograd_fast.compile(lambda x, y: x * y + x * y + 2.0 * 3.0)
    assert f.stats == []
    f.value(2.0, 3.0)
    f.value([2.0][0], np.float64(3.0))
    (stats,) = f.stats
    assert stats["arguments"] == "(number, number)"
    assert stats["operations_recorded"] == 4
    assert stats["operations"] == 2  # x * y is shared, and the sums are one
    assert (stats["inputs"], stats["captured"], stats["outputs"]) == (2, 0, 1)
    assert stats["slots"] >= 5
    assert stats["bytes"] > 100
    assert stats["run_bytes"] >= 8 * 2 * stats["slots"]
    seconds = [value for key, value in stats.items() if key.startswith("seconds_")]
    assert len(seconds) == 4
    assert all(0.0 <= value < 60.0 for value in seconds)
    f.value(np.ones(2), 1.0)
    assert [stats["arguments"] for stats in f.stats] == ["(number, number)", "(array[2], number)"]
    # A copy: nobody can spoil it.
    f.stats[0]["operations"] = 0
    assert f.stats[0]["operations"] == 2


def test_listing():
    example.forget()
    example.value(*POINT)
    lines = str(example).splitlines()
    assert lines[0] == "example(array[2], {'w': (2 numbers), 'b': number}):"
    text = "\n".join(lines[1:])
    for name in ("x[0]", "x[1]", "params['w'][0]", "params['w'][1]", "params['b']"):
        assert name in text
    assert [line.strip().partition(" = ")[0] for line in lines[-3:]] == [
        "result['y']",
        "result['z']",
        "result['n']",
    ]
    assert lines[-1].strip() == "result['n'] = 2.0"
    assert "tanh(t" in text
    assert "-t" in text


def test_listings_of_every_kind_of_op():
    w = Value(2.0, label="w")

    def fn(x, i):
        return [
            micrograd_fast.dot(x, x, w),
            micrograd_fast.sum(x),
            micrograd_fast.take(x, i),
            micrograd_fast.polyval(x, w),
            micrograd_fast.cross_entropy(x, 1),
            micrograd_fast.mse_loss(x, [1.0, 2.0]),
            micrograd_fast.leaky_relu(x[0], 0.25),
            micrograd_fast.where(micrograd_fast.less(x[0], x[1]), x[0], 7.0),
            micrograd_fast.softmax(x)[0],
            x[0] ** 2,
            2.0 ** x[0],
        ]

    f = micrograd_fast.compile(fn, passes=())
    expected = f.value([0.5, 0.25], 1)
    text = str(f)
    for part in (
        "dot([x[0], x[1]], [x[0], x[1]], w)",
        "sum([x[0], x[1]])",
        "take([x[0], x[1]], i)",
        "polyval([x[0], x[1]], w)",
        "cross_entropy([x[0], x[1]], 1)",
        "mse_loss([x[0], x[1]], [1.0, 2.0])",
        "leaky_relu(x[0], 0.25)",
        "less(x[0], x[1])",
        "where(t",
        "x[0] ** 2.0",
        "2.0 ** x[0]",
    ):
        assert part in text, part
    x, i = [Value(0.5), Value(0.25)], Value(1.0)
    g = Function([x, i], fn(x, i), passes=())
    assert g.value([0.5, 0.25], 1) == pytest.approx(expected, rel=1e-15)
    # An eager softmax has an op that has no spelling of its own.
    assert "exp_difference(x0[0], t" in str(g)
    assert "logsumexp([x0[0], x0[1]])" in str(g)
    inlined = micrograd_fast.compile(lambda x, i: g(x, i))
    assert inlined.value([0.5, 0.25], 1) == g.value([0.5, 0.25], 1)


def test_names():
    assert repr(micrograd_fast.compile(lambda x: x)) == "<compiled <lambda>, 0 recordings>"
    assert str(micrograd_fast.compile(lambda x: x)) == "<compiled <lambda>, 0 recordings>"
    f = micrograd_fast.compile(lambda *xs, k=1.0, **more: xs[0] * xs[1] * k + sum(more.values()))
    f.value(1.0, 2.0, k=3.0, extra=[4.0][0])
    assert repr(f) == "<compiled <lambda>, 1 recording>"
    text = str(f)
    for name in ("xs[0]", "xs[1]", "k", "extra"):
        assert name in text
    assert text.startswith("<lambda>(number, number, k=number, extra=number):")
    g = micrograd_fast.compile(lambda x, n: x * n, static_argnames="n")
    g.value(1.0, 3)
    assert str(g).startswith("<lambda>(number, 3):")


def test_captured():
    network = nn.MLP(2, [3, 1])
    f = micrograd_fast.compile(lambda x: network(x))
    assert f.captured == ()
    f.value([1.0, 2.0])
    assert list(f.captured) == network.parameters()
    labelled = Value(1.0, label="rate")
    g = micrograd_fast.compile(lambda x: x * labelled)
    g.value(1.0)
    assert "x * rate" in str(g)
    g.value([1.0][0])
    g.value(Value(2.0))
    assert g.captured == (labelled,)


def test_draw():
    example.forget()
    with pytest.raises(ValueError, match="example has not been recorded yet"):
        example.draw()
    source = example.draw(*POINT).source
    for word in ("tanh", "x[0]", "params['w'][1]", "result['y']"):
        assert word in source
    assert len(example.tapes) == 1
    assert "tanh" in example.draw(rankdir="TB").source
    w = Value(2.0, label="w")
    f = micrograd_fast.compile(lambda x: w * x)
    f.value(3.0)
    assert "6.0000" in f.draw().source
    assert "10.0000" in f.draw(5.0).source
    assert w.grad == 0.0


def test_passes():
    names = [name for name, meaning in _core.pass_table()]
    assert names[0] == "fold"
    assert all(meaning for _, meaning in _core.pass_table())

    def fn(x):
        return x[0] * x[0] + x[0] * x[0] + (2.0 * x[1] - 0.0 * x[0]) * 1.0 + x[2]

    x = [0.5, 1.5, 2.5]
    none = micrograd_fast.compile(fn, passes=())
    every = micrograd_fast.compile(fn)
    shared = micrograd_fast.compile(fn, passes={"share"})
    values = {f.value(x) for f in (none, every, shared)}
    assert len(values) == 1
    assert none.stats[0]["operations"] == none.stats[0]["operations_recorded"]
    assert every.stats[0]["operations"] < none.stats[0]["operations"]
    assert none.grad(x) == pytest.approx(every.grad(x))


def test_passes_are_those_of_a_graph_too():
    x = Value(2.0)
    out = x * x + x * x
    assert Function([x], out, passes=()).stats[0]["operations"] == 3
    assert Function([x], out).stats[0]["operations"] == 2


def test_forget():
    recordings = []
    f = micrograd_fast.compile(lambda x: recordings.append(1) or x * 2.0)
    f.value(1.0)
    f.value(1.0)
    assert len(recordings) == 1
    f.forget()
    assert f.tapes == {}
    assert f.value(1.0) == 2.0
    assert len(recordings) == 2
