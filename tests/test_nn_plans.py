"""What users do to a network between two calls, and what Python sees of the nodes of a call."""

import copy
import gc
import pickle
import random

import nn_operators as by_operators
import numpy as np
import pytest
from nn_operators import gradients, listed, loss_of

from micrograd_fast import Value, tanh
from micrograd_fast.nn import MLP, Layer, Linear, Neuron


def data(outputs):
    return [out.data for out in listed(outputs)]


def agrees(network, x=(0.5, -0.25)):
    x = list(x)
    slow = by_operators.mlp(network, x)
    assert data(network(x)) == pytest.approx(data(slow), rel=1e-12)
    leaves = network.parameters()
    expected = gradients(loss_of(slow), leaves)
    assert gradients(loss_of(network(x)), leaves) == pytest.approx(expected, rel=1e-11, abs=1e-15)


REPLACEMENTS = {
    "a weight": lambda n: n.layers[0].neurons[1].w.__setitem__(1, Value(3.0)),
    "a bias": lambda n: setattr(n.layers[1].neurons[0], "b", Value(3.0)),
    "the list of weights": lambda n: setattr(n.layers[0].neurons[0], "w", [Value(0.5), Value(1.5)]),
    "a neuron": lambda n: n.layers[0].neurons.__setitem__(2, Neuron(2, "relu")),
    "the list of neurons": lambda n: setattr(n.layers[0], "neurons", [Neuron(2) for _ in "abc"]),
    "a layer": lambda n: n.layers.__setitem__(0, Layer(2, 3)),
    "the list of layers": lambda n: setattr(n, "layers", [Layer(2, 4), Layer(4, 3)]),
    "one more layer": lambda n: n.layers.append(Layer(2, 5)),
    "one layer fewer": lambda n: n.layers.pop(),
    "one more neuron": lambda n: n.layers[-1].neurons.append(Neuron(3)),
    "one neuron fewer": lambda n: n.layers[-1].neurons.pop(),
    "an activation": lambda n: setattr(n.layers[0].neurons[1], "activation", "sin"),
    "the data": lambda n: setattr(n.layers[0].neurons[1].b, "data", 2.0),
    "a shared weight": lambda n: n.layers[1].neurons[0].w.__setitem__(0, n.layers[0].neurons[0].b),
    "the order of neurons": lambda n: n.layers[0].neurons.reverse(),
    "tuples": lambda n: setattr(n.layers[0], "neurons", tuple(n.layers[0].neurons)),
    "a number": lambda n: n.layers[0].neurons[1].w.__setitem__(0, 0.25),
    "a subclass of Value": lambda n: setattr(n.layers[0].neurons[1], "b", Subclass(0.75)),
}


class Subclass(Value):
    pass


@pytest.mark.parametrize("what", REPLACEMENTS)
def test_the_next_call_sees_what_was_replaced(what):
    random.seed(1)
    network = MLP(2, [3, 2])
    agrees(network)
    before = data(network([0.5, -0.25]))
    REPLACEMENTS[what](network)
    agrees(network)
    assert (data(network([0.5, -0.25])) != before) == (what != "tuples")
    agrees(network)


def test_a_replaced_value_gets_no_more_gradient():
    network = MLP(2, [3, 1], seed=2)
    neuron = network.layers[0].neurons[0]
    old, out_before = neuron.w[0], network([1.0, 2.0])
    neuron.w[0] = new = Value(0.125)
    network([1.0, 2.0]).backward()
    assert (old.grad, new.grad != 0.0) == (0.0, True)
    # The older call holds what it was made with.
    out_before.backward()
    assert old.grad != 0.0


def test_anything_callable_may_stand_for_a_layer_or_neuron():
    class Doubled(Neuron):
        def __call__(self, x):
            return 2 * super().__call__(x)

    network = MLP(2, [3, 2], seed=3)
    network.layers[0].neurons[1] = Doubled(2, seed=4)
    twice = [n(0.5 for _ in "ab") for n in network.layers[0].neurons]
    assert data(network([0.5, 0.5])) == data(network.layers[1](twice))
    network.layers.insert(1, lambda x: [tanh(v) for v in x])
    expected = network.layers[2]([tanh(v) for v in network.layers[0]([0.5, 0.5])])
    assert data(network([0.5, 0.5])) == data(expected)
    assert data(network(iter([0.5, 0.5]))) == data(expected)


def test_subclasses_of_a_network_keep_their_call():
    class Scaled(MLP):
        def __init__(self):
            super().__init__(2, [3, 1], seed=5)
            self.scale = Value(2.0)

        def __call__(self, x):
            return self.scale * super().__call__(x)

    network = Scaled()
    network([1.0, 2.0]).backward()
    assert network.scale.grad != 0.0
    assert network.parameters()[-1] is network.scale
    assert len(network.parameters()) == 13 + 1


def test_parts_that_do_not_fit_are_errors_that_name_both():
    network = MLP(2, [3, 1], seed=6)
    network.layers[0].neurons.pop()
    with pytest.raises(ValueError, match=r"expects 3 inputs, got 2"):
        network([1.0, 2.0])
    network = MLP(2, [3, 1], seed=6)
    network.layers[0].neurons[1].w.append(Value(1.0))
    with pytest.raises(ValueError, match=r"Neuron\(3\) expects 3 inputs, got 2"):
        network([1.0, 2.0])
    network.layers[0].neurons[1].w[:] = []
    with pytest.raises(ValueError, match=r"Neuron\(0\) expects 0 inputs, got 2"):
        network([1.0, 2.0])
    linear = Linear(2, 3)
    linear.b.pop()
    with pytest.raises(ValueError, match="needs 3 parameters in a row, got 2"):
        linear([1.0, 2.0])


def test_an_unknown_activation_is_an_error_that_lists_the_known():
    known = "abs, acos, .*gelu, leaky_relu, linear, .*tanh; got 'thanh'"
    with pytest.raises(ValueError, match=f"^activation must be one of {known}"):
        MLP(2, [1], activation="thanh")
    with pytest.raises(ValueError, match=f"^output_activation must be one of {known}"):
        MLP(2, [1], output_activation="thanh")
    neuron = Neuron(2)
    neuron.activation = "thanh"
    with pytest.raises(ValueError, match=known):
        neuron([1.0, 2.0])
    with pytest.raises(TypeError, match="activation must be the name of one, got function"):
        Layer(2, 2, lambda x: x)


class TestInputs:
    class Falls:
        def __index__(self):
            raise ZeroDivisionError("no number today")

    class Grows:
        """A number that adds to the list that it stands in."""

        def __init__(self):
            self.row = [self, 1.0]

        def __index__(self):
            self.row.append(2.0)
            return 1

    @pytest.mark.parametrize("wrong", ["x", None, [1.0], 1j], ids=repr)
    def test_what_is_no_number_is_named(self, wrong):
        with pytest.raises(TypeError, match=r"input 1 of MLP\(2, \[3, 1\]\) must be a Value or a"):
            MLP(2, [3, 1])([1.0, wrong])

    def test_exceptions_come_out(self):
        with pytest.raises(ZeroDivisionError, match="no number today"):
            MLP(2, [3])([Value(1.0), self.Falls()])

        def items():
            yield 1.0
            raise LookupError("gone")

        with pytest.raises(LookupError, match="gone"):
            MLP(2, [3])(items())

    def test_a_list_that_changes_while_it_is_read_is_refused(self):
        with pytest.raises(ValueError, match="expects 2 inputs, got 3"):
            Layer(2, 3)(self.Grows().row)

    @pytest.mark.parametrize("shape", [(1, 2), (), (2, 2, 2)])
    def test_arrays_of_other_dimensions(self, shape):
        with pytest.raises(
            ValueError, match=r"takes one sample of 2 inputs, got an array of shape"
        ):
            Layer(2, 3)(np.ones(shape))

    def test_arrays_of_other_lengths(self):
        with pytest.raises(ValueError, match=r"Layer\(2, 3\) expects 2 inputs, got 5"):
            Layer(2, 3)(np.ones(5))
        with pytest.raises(ValueError, match=r"Layer\(2, 3\) expects 2 inputs, got 1"):
            Layer(2, 3)(np.ones(1, dtype=int))

    def test_ints_bools_and_numpy_numbers(self):
        layer = Layer(3, 1, seed=1)
        assert layer([1, True, np.int64(2)]).data == layer([1.0, 1.0, 2.0]).data

    def test_what_cannot_be_looped_over(self):
        with pytest.raises(TypeError, match=r"Layer\(3, 1\) expects a list of 3 inputs, got int"):
            Layer(3, 1)(3)


class TestWhatPythonSees:
    def test_the_children_of_a_single_output(self):
        network = MLP(3, [2, 1], seed=1)
        x, y = Value(1.0), Value(2.0)
        out = network([x, 0.5, y])
        assert out._op == "MLP"
        assert out._children == (x, y, *network.parameters())
        assert out._prev == set(out._children)

    def test_the_children_of_one_of_several(self):
        network = MLP(1, [2, 3], seed=2)
        x = Value(1.0)
        outs = network([x])
        for k, out in enumerate(outs):
            own = network.layers[1].neurons[k].parameters()
            assert out._children == (x, *network.layers[0].parameters(), *own)

    @pytest.mark.parametrize(
        ("module", "name"),
        [(Neuron(1), "Neuron"), (Layer(1, 2), "Layer"), (Linear(1, 1), "Linear")],
    )
    def test_ops_are_named_for_the_module(self, module, name):
        assert {out._op for out in listed(module([1.0]))} == {name}

    @pytest.mark.parametrize("nouts", [[3, 1], [3, 2]], ids=str)
    def test_local_grads_and_steps_by_hand(self, nouts):
        network = MLP(2, nouts, seed=3)
        x = Value(0.5)
        fused = listed(network([x, -1.0]))
        for k, out in enumerate(fused):
            children = out._children
            expected = gradients(by_operators.mlp(network, [x, -1.0])[k], children)
            assert out._local_grads == pytest.approx(expected, rel=1e-12)
            for child in children:
                child.grad = 0.0
            out.grad = 1.0
            out._backward()
            assert [c.grad for c in children] == pytest.approx(expected, rel=1e-12)
            out.grad = -2.0
            out._backward()
            assert [c.grad for c in children] == pytest.approx([-e for e in expected], rel=1e-12)
        # Nothing of that has stayed behind.
        leaves = network.parameters()
        expected = gradients(loss_of(by_operators.mlp(network, [x, -1.0])), leaves)
        for out in fused:
            out.grad = 0.0
        assert gradients(loss_of(fused), leaves) == pytest.approx(expected, rel=1e-12)

    def test_a_sort_and_walk_in_python_differentiates_too(self):
        """What the pure engines' backward does, on the nodes of a network."""
        network = MLP(2, [3, 2], seed=4)
        x = [Value(0.5), Value(0.25)]
        leaves = [*network.parameters(), *x]
        expected = gradients(loss_of(network(x)), leaves)
        order, seen = [], set()

        def visit(v):
            if v not in seen:
                seen.add(v)
                for child in v._prev:
                    visit(child)
                order.append(v)

        loss = loss_of(network(x))
        visit(loss)
        for v in order:
            v.grad = 0.0
        loss.grad = 1.0
        for v in reversed(order):
            v._backward()
        assert [v.grad for v in leaves] == pytest.approx(expected, rel=1e-12)

    def test_a_user_closure_takes_the_place_of_an_output(self):
        network = MLP(2, [3, 2], seed=5)
        outs = network([1.0, 2.0])
        seen = []
        outs[0]._backward = lambda: seen.append(outs[0].grad)
        leaves = network.parameters()
        total = gradients(outs[0] * 3 + outs[1] * 0, leaves)
        assert seen == [3.0]
        assert not any(total)

    def test_an_output_is_an_interior_node(self):
        for out in listed(MLP(2, [2])([1.0, 2.0])):
            with pytest.raises(TypeError, match="cannot copy an interior node"):
                copy.copy(out)


def test_copies_and_pickles_of_networks():
    network = MLP(2, [3, 1], "relu", "linear", seed=6)
    network.note = "kept"
    network.layers[0].neurons[0].w[0].label = "first"
    out = network([1.0, 2.0])
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert repr(other) == repr(network)
        assert other.note == "kept"
        assert other.layers[0].neurons[0].w[0].label == "first"
        assert other([1.0, 2.0]).data == out.data
        assert not {id(p) for p in other.parameters()} & {id(p) for p in network.parameters()}
        assert not hasattr(other.layers[0], "_plan")
    shallow = copy.copy(network)
    assert shallow.layers is network.layers
    assert shallow([1.0, 2.0]).data == out.data


def test_networks_die_without_the_collector():
    gc.disable()
    try:
        network = MLP(2, [3, 2], seed=7)
        alive = network.layers[0].neurons[0].w[0]
        for _ in range(2):
            network([1.0, 2.0])
            network.layers[0]([1.0, 2.0])
            network.layers[0].neurons[0]([1.0, 2.0])
        from micrograd_fast import _core

        before = _core.arena_info()["live_nodes"]
        del network
        # 17 parameters but one, and the parameters nodes of three plans.
        assert _core.arena_info()["live_nodes"] == before - 16 - 3
        assert alive.data
    finally:
        gc.enable()
