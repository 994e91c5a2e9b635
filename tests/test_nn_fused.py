"""The native calls of nn against the same nets written with operators: losses and gradients."""

import math
import random

import nn_operators as by_operators
import numpy as np
import pytest
from nn_operators import EVERYWHERE, gradients, listed, loss_of, numbers

from micrograd_fast import Value, _core, hinge_loss
from micrograd_fast.nn import MLP, Layer, Linear, Neuron


def same(actual, expected):
    """To 1e-12 relative, where sums of cancelling terms count by the size of the largest."""
    assert len(actual) == len(expected)
    largest = max(map(abs, expected))
    for a, e in zip(actual, expected):
        assert a == pytest.approx(e, rel=1e-12, abs=1e-14 * largest)


def check(network, operators, x):
    """Outputs, and the gradients in parameters and inputs, of a net and its operator version."""
    leaves = network.parameters() + [v for v in x if isinstance(v, Value)]
    fused, slow = network(x), operators(network, x)
    same([out.data for out in listed(fused)], [out.data for out in slow])
    expected = gradients(loss_of(slow), leaves)
    same(gradients(loss_of(fused), leaves), expected)
    return expected


@pytest.mark.parametrize("activation", EVERYWHERE)
@pytest.mark.parametrize("nouts", [[1], [3], [4, 1], [3, 2]], ids=str)
def test_every_activation(activation, nouts):
    network = MLP(3, nouts, activation, seed=3)
    network.layers[-1].neurons[0].b.data = 1.5  # a ReLU that is on
    expected = check(network, by_operators.mlp, [Value(0.3), -0.7, Value(0.9)])
    assert any(expected) == (activation not in ("ceil", "floor", "sign"))


@pytest.mark.parametrize("activation", sorted({*_core.network_activations()} - {*EVERYWHERE}))
def test_activations_of_positive_numbers(activation):
    network = MLP(2, [3, 2], "linear", activation, seed=1, init=lambda: 0.5)
    for p in network.parameters():
        p.data = 0.3
    if activation == "acosh":
        network.layers[-1].neurons[0].b.data = network.layers[-1].neurons[1].b.data = 2.0
    check(network, by_operators.mlp, [Value(0.4), 0.2])


@pytest.mark.parametrize(
    ("nin", "nouts"),
    [(1, [1]), (1, [1, 1, 1]), (1, [7]), (5, [1, 5]), (2, [16, 16, 1]), (9, [4, 13]), (3, [2] * 9)],
    ids=str,
)
@pytest.mark.parametrize("inputs", ["numbers", "Values", "mixed"])
def test_sizes(nin, nouts, inputs):
    network = MLP(nin, nouts, seed=2)
    x = numbers(nin, seed=3)
    if inputs != "numbers":
        x = [Value(v) if inputs == "Values" or i % 2 else v for i, v in enumerate(x)]
    check(network, by_operators.mlp, x)


def test_wide_and_many_layers():
    check(
        MLP(40, [50, 30, 20], "sigmoid", seed=4), by_operators.mlp, [Value(v) for v in numbers(40)]
    )
    check(MLP(2, [3] * 60 + [1], seed=5), by_operators.mlp, [Value(0.5), Value(-0.5)])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("nin", "nout"), [(1, 1), (3, 1), (4, 6), (1, 5)])
def test_linear(bias, nin, nout):
    check(Linear(nin, nout, bias, seed=6), by_operators.linear, [Value(v) for v in numbers(nin)])


def test_a_neuron_and_a_layer_by_themselves():
    check(Neuron(3, "sin", seed=7), lambda n, x: [by_operators.neuron(n, x)], [Value(0.1), 2.0, 3])
    check(Layer(3, 5, "gelu", seed=8), by_operators.layer, [Value(0.1), 2.0, 3])


def test_neurons_of_one_layer_with_activations_of_their_own():
    network = MLP(2, [5, 3], seed=9)
    for layer, names in zip(network.layers, [["relu", "tanh", "tanh", "linear", "exp"], ["abs"]]):
        for neuron, name in zip(layer.neurons, names):
            neuron.activation = name
    check(network, by_operators.mlp, [Value(0.4), Value(-0.3)])


def test_layers_called_one_after_another_are_the_whole():
    network = MLP(2, [4, 3, 2], seed=10)

    def layer_by_layer(of, x):
        for layer in of.layers:
            x = layer(x)
            assert all(isinstance(v, Value) for v in x)
        return x

    check(network, layer_by_layer, [Value(0.2), Value(0.8)])


def test_a_training_step_on_many_points():
    network = MLP(2, [16, 16, 1], seed=11)
    points = [numbers(2, seed) for seed in range(50)]
    targets = [1.0 if x * y > 0 else -1.0 for x, y in points]
    leaves = network.parameters()

    def loss(call):
        return hinge_loss([call(x) for x in points], targets)

    slow = loss(lambda x: by_operators.mlp(network, x)[0])
    fused = loss(network)
    assert fused.data == pytest.approx(slow.data, rel=1e-12)
    same(gradients(fused, leaves), gradients(slow, leaves))


def test_a_value_that_is_two_parameters_gets_both_gradients():
    network = MLP(2, [3, 1], seed=12)
    shared = network.layers[0].neurons[0].w[0]
    network.layers[0].neurons[2].w[1] = shared
    network.layers[1].neurons[0].b = shared
    assert len(network.parameters()) == 13 - 2
    check(network, by_operators.mlp, [Value(0.7), -0.2])


def test_an_input_may_come_twice_and_may_be_a_parameter():
    network = MLP(3, [2, 2], seed=13)
    x = Value(0.6)
    check(network, by_operators.mlp, [x, x, network.layers[0].neurons[1].b])


def test_a_neuron_may_be_in_two_places():
    network = MLP(2, [2, 2], seed=14)
    network.layers[1].neurons[0] = network.layers[0].neurons[1]
    check(network, by_operators.mlp, [Value(0.7), -0.2])


@pytest.mark.parametrize("nouts", [[3, 1], [3, 2]], ids=str)
def test_parameters_that_are_computed(nouts):
    """Weights made from others: the gradient goes on into those."""
    network = MLP(2, nouts, seed=15)
    base, scale = Value(0.5), Value(-1.5)
    middle = base * scale
    network.layers[0].neurons[0].w[0] = middle
    network.layers[0].neurons[1].b = power = middle.exp()
    network.layers[1].neurons[0].w[2] = square = scale * scale
    x = [Value(0.3), scale]
    leaves = [base, scale, middle, power, square, x[0], network.layers[0].neurons[2].b]

    def total(call):
        # The same nodes are used outside of the network too.
        return loss_of(call(x)) + loss_of(call([1.0, base])) + middle

    expected = gradients(total(lambda at: by_operators.mlp(network, at)), leaves)
    same(gradients(total(network), leaves), expected)


def test_unused_outputs_count_nothing():
    network = MLP(2, [3, 4], seed=16)
    leaves = network.parameters()
    for k in range(4):
        expected = gradients(by_operators.mlp(network, [0.1, 0.2])[k].exp(), leaves)
        same(gradients(network([0.1, 0.2])[k].exp(), leaves), expected)


def test_the_output_itself_may_be_the_root():
    network = MLP(2, [3, 1], seed=17)
    leaves = network.parameters()
    expected = gradients(by_operators.mlp(network, [0.1, 0.2])[0], leaves)
    same(gradients(network([0.1, 0.2]), leaves), expected)


@pytest.mark.parametrize("nouts", [[3, 1], [3, 2]], ids=str)
def test_a_second_backward_adds_the_same_again(nouts):
    network = MLP(2, nouts, seed=18)
    leaves = network.parameters()
    outs = listed(network([Value(0.1), 0.2]))
    loss = sum(outs[1:], outs[0])
    once = gradients(loss, leaves)
    for v in outs:
        v.grad = 0.0
    loss.backward()
    same([p.grad for p in leaves], [2 * g for g in once])
    # Stale grads of outputs flow again, as those of any node; the root's is set anew.
    same(gradients(loss, leaves), [len(outs) * g for g in once])


def test_zero_grad_between_two_steps():
    network = MLP(2, [3, 1], seed=19)
    first = gradients(loss_of(network([0.1, 0.2])), network.parameters())
    network.zero_grad()
    assert {p.grad for p in network.parameters()} == {0.0}
    loss_of(network([0.1, 0.2])).backward()
    assert [p.grad for p in network.parameters()] == first


def test_data_is_read_at_the_time_of_backward_and_results_at_that_of_the_call():
    """As for a product of Values: new data of a factor counts, the result stays."""
    network = MLP(1, [1, 1], "linear", seed=20)
    hidden, last = (layer.neurons[0] for layer in network.layers)
    hidden.w[0].data, hidden.b.data, last.w[0].data, last.b.data = 2.0, 1.0, 3.0, 0.0
    x = Value(5.0)
    out = network([x])
    assert out.data == 33.0
    hidden.w[0].data, last.w[0].data, x.data = 7.0, 11.0, 13.0
    out.backward()
    assert out.data == 33.0
    assert (last.w[0].grad, last.b.grad) == (11.0, 1.0)  # 2 * 5 + 1 of the call
    assert (hidden.w[0].grad, hidden.b.grad) == (11.0 * 13.0, 11.0)
    assert x.grad == 11.0 * 7.0


def test_sums_are_added_in_the_order_of_the_loop():
    layer = Layer(3, 5, "linear", init=lambda: 1.0)
    for neuron in layer.neurons:
        neuron.b.data = 1e16
    # 1e16 + 1 rounds to 1e16, three times.
    assert [out.data for out in layer([1.0, 1.0, 1.0])] == [1e16] * 5
    assert Neuron.__call__(layer.neurons[0], [3.0, 1.0, 0.0]).data == 1e16 + 4.0


def test_special_numbers():
    network = Layer(2, 4, "linear", init=lambda: 1.0)
    assert [out.data for out in network([math.inf, 1.0])] == [math.inf] * 4
    assert all(math.isnan(out.data) for out in network([math.inf, -math.inf]))
    saturated = Neuron(1, init=lambda: 400.0)
    out = saturated([2.0])
    assert out.data == 1.0
    out.backward()
    assert saturated.b.grad == 0.0


@pytest.mark.parametrize(
    ("activation", "x", "error", "message"),
    [
        ("exp", 1000.0, OverflowError, "Value exp: .*exp\\(1000.0\\)"),
        ("log", -1.0, ValueError, "Value log: .*log\\(-1.0\\)"),
        ("sqrt", -4.0, ValueError, "Value sqrt: .*sqrt\\(-4.0\\)"),
    ],
)
@pytest.mark.parametrize("nout", [1, 3])
def test_activations_raise_as_the_functions_do(activation, x, error, message, nout):
    layer = Layer(1, nout, activation, init=lambda: 1.0)
    with pytest.raises(error, match=message):
        layer([x])
    listed(layer([0.5]))[-1].backward()
    assert layer.neurons[-1].b.grad != 0.0


@pytest.mark.parametrize("nouts", [[3, 1], [3, 2]], ids=str)
@pytest.mark.parametrize("how", ["closure", "check", "subclass", "depth first"])
def test_the_listed_orders_do_the_same(nouts, how):
    """A user closure, check=True and subclasses differentiate by a list; so does the oracle."""

    class Own(Value):
        pass

    network = MLP(2, nouts, seed=21)
    x = [Own(0.4) if how == "subclass" else Value(0.4), Value(-0.9)]
    leaves = [*network.parameters(), *x]
    expected = gradients(loss_of(by_operators.mlp(network, x)), leaves)
    loss = loss_of(network(x)) + 0.0
    if how == "closure":
        outer, inner = Value(loss.data, (loss,)), loss
        outer._backward = lambda: setattr(inner, "grad", inner.grad + outer.grad)
        loss = outer
    for p in leaves:
        p.grad = 0.0
    if how == "check":
        loss.backward(check=True)
    elif how == "depth first":
        _core.backward_depth_first(loss)
    else:
        loss.backward()
    same([p.grad for p in leaves], expected)


def test_random_nets():
    generator = random.Random(22)
    for case in range(60):
        nin = generator.randint(1, 6)
        nouts = [generator.randint(1, 6) for _ in range(generator.randint(1, 4))]
        network = MLP(
            nin, nouts, generator.choice(EVERYWHERE), generator.choice(EVERYWHERE), seed=case
        )
        for p in network.parameters():
            p.data *= 0.5
        parameters = network.parameters()
        for _ in range(generator.randint(0, 3)):
            generator.choice(generator.choice(network.layers).neurons).b = generator.choice(
                parameters
            )
        x = [generator.choice([0.5, Value(0.25), parameters[0]]) for _ in range(nin)]
        same([v.data for v in listed(network(x))], [v.data for v in by_operators.mlp(network, x)])
        leaves = network.parameters()
        expected = gradients(loss_of(by_operators.mlp(network, x)), leaves)
        same(gradients(loss_of(network(x)), leaves), expected)


def test_rows_of_arrays():
    network = MLP(2, [3, 1], seed=23)
    rows = np.array([[0.5, -0.25, 9.0], [1.0, 2.0, 9.0]])
    expected = [network(row[:2].tolist()).data for row in rows]
    assert [network(row).data for row in rows[:, :2]] == expected
    assert [network(column).data for column in np.asfortranarray(rows[:, :2])] == expected
    assert network(np.array([2, 1])).data == network([2.0, 1.0]).data
    assert network(np.array([0.5, -0.25], dtype=np.float32)).data == expected[0]
    assert network(np.array([Value(0.5), -0.25], dtype=object)).data == expected[0]
    assert network(rows[0, 1::-1]).data == network([-0.25, 0.5]).data
