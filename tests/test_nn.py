"""Neuron, Layer and MLP: the seed's parameters, its order of random draws, its outputs."""

import math
import random

import numpy as np
import pytest

from micrograd_fast import Value
from micrograd_fast.nn import MLP, Layer, Neuron


def plain_neuron(w, b, x):
    """What a neuron gives, on floats, in the seed's order of additions."""
    total = b
    for wi, xi in zip(w, x):
        total = total + wi * xi
    return math.tanh(total)


def plain_mlp(network, x):
    for layer in network.layers:
        x = [plain_neuron([w.data for w in n.w], n.b.data, x) for n in layer.neurons]
    return x


def data(values):
    return [v.data for v in values]


def draws(seed, count):
    rng = random.Random(seed)
    return [rng.uniform(-1, 1) for _ in range(count)]


def test_a_neuron_draws_its_weights_then_its_bias():
    random.seed(5)
    neuron = Neuron(3)
    assert [*data(neuron.w), neuron.b.data] == draws(5, 4)


def test_an_mlp_draws_layer_by_layer_neuron_by_neuron():
    random.seed(6)
    network = MLP(3, [4, 4, 1])
    assert data(network.parameters()) == draws(6, 41)
    first = network.layers[0].neurons
    assert data(first[1].w) == draws(6, 8)[4:7]
    assert first[1].b.data == draws(6, 8)[7]


def test_parameters_are_the_values_themselves_weights_before_bias():
    network = MLP(2, [3, 1])
    expected = [p for layer in network.layers for n in layer.neurons for p in (*n.w, n.b)]
    assert len(expected) == 3 * 3 + 4
    assert all(a is b for a, b in zip(network.parameters(), expected))
    assert len(network.parameters()) == len(expected)
    assert all(isinstance(p, Value) and p.grad == 0.0 for p in expected)


def test_changing_the_returned_list_of_parameters_changes_nothing():
    neuron = Neuron(2)
    neuron.parameters().clear()
    assert len(neuron.w) == 2
    assert len(neuron.parameters()) == 3


def test_outputs_are_those_of_the_same_arithmetic_on_floats():
    random.seed(7)
    network = MLP(3, [4, 2])
    x = [2.0, 3.0, -1.0]
    assert data(network(x)) == plain_mlp(network, x)


def test_a_single_output_comes_back_bare():
    assert isinstance(Layer(3, 1)([1.0, 2.0, 3.0]), Value)
    assert isinstance(MLP(3, [4, 1])([1.0, 2.0, 3.0]), Value)
    assert [type(v) for v in Layer(3, 2)([1.0, 2.0, 3.0])] == [Value, Value]


def test_a_hidden_layer_of_one_neuron_feeds_the_next():
    network = MLP(2, [1, 3])
    assert data(network([0.5, -0.5])) == plain_mlp(network, [0.5, -0.5])


@pytest.mark.parametrize(
    "x",
    [
        [1.5, -2.0],
        (1.5, -2.0),
        np.array([1.5, -2.0]),
        [Value(1.5), Value(-2.0)],
        [np.float64(1.5), Value(-2.0)],
    ],
    ids=["list", "tuple", "array", "Values", "mixed"],
)
def test_inputs_of_every_kind(x):
    layer = Layer(2, 2)
    assert data(layer(x)) == data(layer([1.5, -2.0]))


def test_inputs_from_an_iterator_reach_every_neuron():
    layer = Layer(2, 3)
    assert data(layer(iter([1.5, -2.0]))) == data(layer([1.5, -2.0]))


def test_gradients_of_a_neuron():
    neuron = Neuron(2)
    x = [Value(0.3), Value(-0.7)]
    out = neuron(x)
    out.backward()
    slope = 1.0 - out.data**2
    for w, xi in zip(neuron.w, x):
        assert w.grad == pytest.approx(slope * xi.data, rel=1e-12)
        assert xi.grad == pytest.approx(slope * w.data, rel=1e-12)
    assert neuron.b.grad == pytest.approx(slope, rel=1e-12)


def test_gradients_of_an_mlp_against_finite_differences():
    random.seed(8)
    network = MLP(2, [3, 1])
    x = [0.4, -1.1]
    network(x).backward()
    for p in network.parameters():
        start, h = p.data, 1e-6
        p.data = start + h
        above = plain_mlp(network, x)[0]
        p.data = start - h
        below = plain_mlp(network, x)[0]
        p.data = start
        assert p.grad == pytest.approx((above - below) / (2 * h), rel=1e-6, abs=1e-9)


def test_repr_is_the_call_that_makes_such_a_network():
    assert repr(Neuron(3)) == "Neuron(3)"
    assert repr(Layer(3, 4)) == "Layer(3, 4)"
    assert repr(MLP(3, [4, 4, 1])) == "MLP(3, [4, 4, 1])"


def test_sizes_may_be_numpy_integers_and_any_iterable():
    assert repr(MLP(np.int64(2), (np.int64(3), 1))) == "MLP(2, [3, 1])"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Neuron(2)([1.0]), "Neuron(2) expects 2 inputs, got 1"),
        (lambda: Neuron(1)([1.0, 2.0]), "Neuron(1) expects 1 inputs, got 2"),
        (lambda: Layer(2, 3)([]), "Layer(2, 3) expects 2 inputs, got 0"),
        (lambda: Layer(2, 3)(Value(1.0)), "Layer(2, 3) expects 2 inputs, got 1"),
        (lambda: MLP(3, [4, 1])([1.0, 2.0]), "MLP(3, [4, 1]) expects 3 inputs, got 2"),
        (
            lambda: Neuron(2)(np.ones((5, 2))),
            "Neuron(2) takes one sample of 2 inputs, got an array of shape (5, 2)",
        ),
        (lambda: Neuron(0), "nin must be at least 1, got 0"),
        (lambda: Layer(2, -1), "nout must be at least 1, got -1"),
        (lambda: MLP(2, [3, 0]), "nouts[1] must be at least 1, got 0"),
        (lambda: MLP(10**12, [1]), "nin must be at most 1,000,000,000, got 1,000,000,000,000"),
        (lambda: MLP(2, []), "nouts must hold at least 1 layer size, got 0"),
    ],
)
def test_wrong_lengths_and_sizes_are_value_errors_that_name_both(call, message):
    with pytest.raises(ValueError) as raised:  # noqa: PT011 (the text is compared whole)
        call()
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Neuron(2.0), "nin must be an int, got float"),
        (lambda: Layer("2", 1), "nin must be an int, got str"),
        (lambda: Layer(2, None), "nout must be an int, got NoneType"),
        (lambda: MLP(2, 3), "nouts must be a list of layer sizes, got int"),
        (lambda: MLP(2, "31"), "nouts must be a list of layer sizes, got str"),
        (lambda: MLP(2, [3, 1.0]), "nouts[1] must be an int, got float"),
        (lambda: Neuron(2)(1.0), "Neuron(2) expects a list of 2 inputs, got float"),
        (lambda: Neuron(2)("ab"), "Neuron(2) expects a list of 2 inputs, got str"),
    ],
)
def test_wrong_types_are_type_errors_that_name_both(call, message):
    with pytest.raises(TypeError) as raised:
        call()
    assert str(raised.value) == message


def test_a_refused_network_draws_no_random_numbers():
    random.seed(9)
    for call in (lambda: MLP(2, [3, 0]), lambda: Layer(2, 0), lambda: Neuron(0)):
        with pytest.raises(ValueError, match="at least 1"):
            call()
    assert random.uniform(-1, 1) == draws(9, 1)[0]
