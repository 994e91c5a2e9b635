"""The pieces of the demo: what is trained, what is compared, how the graph is laid out."""

import gc
import io
import random
import sys

import pytest

from micrograd_fast import Value, _demo_graph, _demo_speed, _demo_train, _pure, demo, trace


class Silent:
    """A progress that only counts."""

    made = ()

    def __init__(self, name, total, unit):
        self.name, self.total, self.done, self.lines = name, total, 0, []
        Silent.made = (*Silent.made, self)

    def advance(self, line=None):
        self.done += 1
        self.lines.append(line)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


@pytest.fixture
def silent(monkeypatch):
    monkeypatch.setattr(Silent, "made", ())
    return Silent


def test_the_four_points_are_learned():
    lines = []
    training = _demo_train.train_four_points(demo.DEFAULT_SEED, lines.append)
    assert len(training.losses) == 20
    assert training.losses[-1] < 0.1 * training.losses[0]
    assert len(lines) == 22
    outs = [training.network(x).data for x in training.samples]
    assert [out > 0 for out in outs] == [True, False, False, True]


def test_two_moons_are_learned(silent):
    training = _demo_train.train_moons(demo.DEFAULT_SEED, demo.DEFAULT_EPOCHS, silent)
    assert len(training.losses) == len(training.accuracies["training"]) == demo.DEFAULT_EPOCHS
    assert training.final["training"] == 100.0
    (progress,) = silent.made
    assert progress.done == progress.total == demo.DEFAULT_EPOCHS
    assert None not in progress.lines


def test_breast_cancer_is_learned(silent):
    training = _demo_train.train_cancer(demo.DEFAULT_SEED, 12, silent)
    assert len(training.losses) == 12
    assert training.final == {name: curve[-1] for name, curve in training.accuracies.items()}
    assert training.final["training"] > 95.0
    assert training.final["test"] > 93.0
    assert len(training.samples) == 143  # the test samples: none of them was trained on
    (progress,) = silent.made
    assert [bool(line) for line in progress.lines] == [False] * 9 + [True, False, True]


def test_training_leaves_the_choice_of_random_numbers_to_the_seed(silent):
    runs = []
    for noise in (1, 2):
        random.seed(noise)
        runs.append(_demo_train.train_cancer(5, 1, silent).losses)
        runs.append(_demo_train.train_cancer(6, 1, silent).losses)
    assert runs[0] == runs[2]
    assert runs[1] == runs[3]
    assert runs[0] != runs[1]


@pytest.mark.parametrize("collector", [True, False])
def test_the_comparison(collector):
    comparison = _demo_speed.compare(4, repetitions=2, collector=collector, points=5)
    assert gc.isenabled()
    assert comparison.agree
    assert comparison.native > 0.0
    assert comparison.pure > 0.0
    # 641 nodes a score: 16 neurons of 2 inputs, 16 of 16 and one of 16; each input is a product
    # and a sum, each neuron a tanh. 3 more a loss and one for the sum of them (0 is its start);
    # twice 337 for the L2 of 337 parameters, and 3 to scale and add the two.
    scores = 16 * (2 * 2 + 1) + 16 * (2 * 16 + 1) + (2 * 16 + 1)
    assert scores == 641
    assert comparison.operations == 5 * (scores + 3 + 1) + 2 * 337 + 3


def test_the_comparison_notices_a_wrong_engine(monkeypatch):
    monkeypatch.setattr(_pure.Value, "tanh", lambda self: self * 0.5)
    assert not _demo_speed.compare(4, repetitions=1, collector=True, points=5).agree


def test_the_plain_engine_agrees_with_the_native_one():
    results = []
    for value in (Value, _pure.Value):
        a, b = value(0.7), value(-1.3)
        c = 2.0 * a + b * b + 1.0
        d = (c * a).tanh() + (b + b).relu() + c.relu() + (a + a) * 0.5
        d.backward()
        results.append([d.data, a.grad, b.grad])
    assert results[0] == pytest.approx(results[1], rel=1e-12)


def test_the_plain_engine_takes_any_depth():
    first = node = _pure.Value(1.0)
    for _ in range(5000):
        node = node * 1.0
    node.backward()
    assert first.grad == 1.0


def test_the_seed_graph_is_the_seed_s():
    o = _demo_graph.seed_graph()
    found = {node.label: node for node in trace(o)[0]}
    assert set(found) == {"x1", "x2", "w1", "w2", "b", "x1*w1", "x2*w2", "x1*w1 + x2*w2", "n", "o"}
    assert found["x1"].grad == pytest.approx(-1.5, abs=1e-6)
    assert o.data == pytest.approx(0.7071067, abs=1e-6)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_on_a_terminal_and_in_a_log(monkeypatch, capsys):
    for stream, lines in ((Terminal(), 0), (io.StringIO(), 2)):
        monkeypatch.setattr(sys, "stderr", stream)
        with demo._Progress("name", 2, "step") as progress:
            progress.advance("one")
            progress.advance()
        assert capsys.readouterr().out == "one\n"
        shown = stream.getvalue()
        assert "name: 100%" in shown
        # In a log every state is a line of its own; a terminal rewrites one line.
        assert ("\r" in shown) == (lines == 0)
        if lines:
            assert all(line.startswith("name: ") for line in shown.splitlines())
