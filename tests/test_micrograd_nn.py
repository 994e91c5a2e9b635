"""micrograd's nn: ours and PyPI's, run on the same programs."""

import math
import random

import numpy as np
import pytest
from micrograd_sides import BOTH, OURS, same

# Parameters, outputs, reprs.


SHAPES = [(1, [1]), (2, [1]), (3, [4, 4, 1]), (2, [3]), (4, [2, 5, 3]), (2, [16, 16, 1]), (2, [])]


@pytest.mark.parametrize(("nin", "nouts"), SHAPES)
def test_the_same_seed_gives_the_same_network(nin, nouts):
    def program(engine, nn):
        network = nn.MLP(nin, nouts)
        return [repr(network), [p.data for p in network.parameters()]]

    same(program)
    for side in BOTH:
        assert all(type(p) is side.engine.Value for p in side.nn.MLP(nin, nouts).parameters())


@pytest.mark.parametrize(("nin", "nouts"), [shape for shape in SHAPES if shape[1]])
def test_the_same_inputs_give_the_same_outputs_to_the_last_bit(nin, nouts):
    outputs = []
    for side in BOTH:
        random.seed(11)
        network = side.nn.MLP(nin, nouts)
        x = [random.uniform(-3, 3) for _ in range(nin)]
        out = network(x)
        assert isinstance(out, list) == (nouts[-1] != 1)
        outputs.append([v.data for v in (out if isinstance(out, list) else [out])])
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize(("nin", "nouts"), [shape for shape in SHAPES if shape[1]])
def test_the_same_gradients(nin, nouts):
    def program(engine, nn):
        network = nn.MLP(nin, nouts)
        x = [engine.Value(random.uniform(-3, 3)) for _ in range(nin)]
        out = network(x)
        loss = sum((v - 1) ** 2 for v in (out if isinstance(out, list) else [out]))
        loss.backward()
        return [loss, x, network.parameters()]

    same(program)


def test_neurons_layers_and_their_options():
    def program(engine, nn):
        modules = [
            nn.Neuron(3),
            nn.Neuron(3, nonlin=False),
            nn.Neuron(3, False),
            nn.Layer(3, 2),
            nn.Layer(3, 2, nonlin=False),
            nn.Layer(3, 1),
            nn.Layer(3, 0),
            nn.Neuron(0),
            nn.Neuron(0, nonlin=False),
        ]
        x = [1.5, -2.0, 0.25]
        out = []
        for module in modules:
            out += [repr(module), module(x), [p.data for p in module.parameters()]]
        return out

    same(program, seed=5)


@pytest.mark.parametrize(
    "x",
    [
        (1.5, -2.0),
        [1.5, -2.0, 99.0],
        [1.5],
        [],
        np.array([1.5, -2.0]),
        range(2),
        [True, 2],
        [np.float64(1.5), np.int64(2)],
    ],
    ids=["tuple", "too long", "too short", "empty", "array", "range", "ints", "numpy scalars"],
)
def test_inputs_of_every_kind_and_length(x):
    def program(engine, nn):
        return [nn.Neuron(2)(x).data, [v.data for v in nn.Layer(2, 3)(x)]]

    same(program)


def test_an_iterator_is_read_no_further_than_there():
    def program(engine, nn):
        x = iter(range(1, 20))
        outs = [nn.Neuron(2)(x).data, nn.Neuron(3)(x).data]
        return [outs, next(x)]

    same(program)


@pytest.mark.parametrize("x", [1.0, None, ["a", "b"]])
def test_inputs_that_are_none_are_refused(x):
    for side in BOTH:
        with pytest.raises(TypeError):
            side.nn.Neuron(2)(x)


def test_weights_may_be_replaced_and_shared():
    def program(engine, nn):
        network = nn.MLP(2, [2, 1])
        shared = engine.Value(0.75)
        network.layers[0].neurons[0].w[0] = shared
        network.layers[1].neurons[0].w = [shared, engine.Value(2.0)]
        network.layers[0].neurons[1].b = shared
        network.layers[0].neurons[1].nonlin = False
        network([1.0, 2.0]).backward()
        return [shared, network.parameters(), repr(network)]

    same(program)


def test_modules_of_one_s_own():
    def program(engine, nn):
        class Pair(nn.Module):
            def __init__(self):
                self.left, self.right = nn.Neuron(2), nn.MLP(2, [2, 1])

            def __call__(self, x):
                return self.left(x) + self.right(x)

            def parameters(self):
                return self.left.parameters() + self.right.parameters()

        pair = Pair()
        pair([0.5, 1.0]).backward()
        before = [p.grad for p in pair.parameters()]
        pair.zero_grad()
        return [before, [p.grad for p in pair.parameters()], nn.Module().parameters()]

    same(program)


def test_lists_of_parameters_are_new_every_time():
    for side in BOTH:
        for module in (
            side.nn.Neuron(2),
            side.nn.Layer(2, 2),
            side.nn.MLP(2, [2]),
            side.nn.Module(),
        ):
            module.parameters().append(None)
            assert None not in module.parameters()
            module.zero_grad()


@pytest.mark.parametrize(
    "call",
    [
        lambda nn: nn.Neuron(2.5),
        lambda nn: nn.Layer(2, 1.5),
        lambda nn: nn.Layer(2, 1, bias=False),
        lambda nn: nn.MLP(2, 3),
        lambda nn: nn.MLP(2),
        lambda nn: nn.Neuron(),
    ],
)
def test_what_cannot_be_built_there_cannot_be_built_here(call):
    for side in BOTH:
        with pytest.raises(TypeError):
            call(side.nn)


# Training.


def two_moons():
    rng = random.Random(7)
    points, targets = [], []
    for i in range(20):
        angle = math.pi * rng.random()
        x, y = math.cos(angle), math.sin(angle)
        points.append([x, y] if i % 2 else [1 - x, 0.5 - y])
        targets.append(1 if i % 2 else -1)
    return points, targets


def test_training_as_in_micrograd_s_demo():
    points, targets = two_moons()

    def program(engine, nn):
        model = nn.MLP(2, [8, 8, 1])
        history = []
        for step in range(4):
            inputs = [list(map(engine.Value, row)) for row in points]
            scores = list(map(model, inputs))
            losses = [(1 + -yi * score).relu() for yi, score in zip(targets, scores)]
            data_loss = sum(losses) * (1.0 / len(losses))
            reg_loss = 1e-4 * sum(p * p for p in model.parameters())
            total = data_loss + reg_loss
            model.zero_grad()
            total.backward()
            accuracy = [(yi > 0) == (score.data > 0) for yi, score in zip(targets, scores)]
            history.append([total.data, sum(accuracy), [p.grad for p in model.parameters()]])
            for p in model.parameters():
                p.data -= (1.0 - 0.9 * step / 4) * p.grad
        return [history, [p.data for p in model.parameters()]]

    history, _ = same(program, seed=1337, floor=1e-15)
    assert history[-1][0] < history[0][0]


def test_a_neuron_is_one_fused_node_and_its_relu():
    neuron = OURS.nn.Neuron(3)
    out = neuron([1.0, 2.0, 3.0])
    assert out._op == "ReLU"
    (total,) = out._prev
    assert total._op == "dot"
    numbers = total._prev - {*neuron.w, neuron.b}
    assert {*neuron.w, neuron.b} < total._prev
    assert sorted(leaf.data for leaf in numbers) == [1.0, 2.0, 3.0]
