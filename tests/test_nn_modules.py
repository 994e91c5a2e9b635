"""Module: names, states, files, reprs; and the modules that are built on it."""

import copy
import random
import re

import numpy as np
import pytest

from micrograd_fast import Value, nn, tanh
from micrograd_fast.nn import MLP, Embedding, Layer, Linear, Module, Neuron, RMSNorm, Sequential


class Model(Module):
    """Parameters in every kind of place."""

    def __init__(self):
        self.scale = Value(2.0)
        self.table = Embedding(3, 2)
        self.blocks = [Linear(2, 2, bias=False), {"norm": RMSNorm(2), "more": (Value(5.0),)}]
        self.grid = [[Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]]
        self.array = np.array([Value(7.0), Value(8.0)], dtype=object)
        self.uneven = [[Value(1.0)], [Value(2.0), Value(3.0)]]
        self.result = self.scale * 2
        self.results = [self.scale * 3, tanh(self.scale)]
        self.numbers = [1.0, "text", None, np.ones(2)]


SHAPES = {
    "scale": (),
    "table.w": (3, 2),
    "blocks.0.w": (2, 2),
    "blocks.1.norm.w": (2,),
    "blocks.1.more": (1,),
    "grid": (2, 2),
    "array": (2,),
    "uneven.0": (1,),
    "uneven.1": (2,),
}


class TestParameters:
    def test_names_lead_to_the_values(self):
        model = Model()
        named = model.named_parameters()
        assert [value for _, value in named] == model.parameters()
        assert len(named) == model.num_parameters() == 1 + 6 + 4 + 2 + 1 + 4 + 2 + 3
        found = dict(named)
        assert found["table.w.2.1"] is model.table.w[2][1]
        assert found["blocks.1.norm.w.0"] is model.blocks[1]["norm"].w[0]
        assert found["array.1"] is model.array[1]
        assert "result" not in found

    def test_a_shared_value_comes_once_under_its_first_name(self):
        model = Module()
        model.one = Value(1.0)
        model.same = [model.one, Value(2.0)]
        assert [name for name, _ in model.named_parameters()] == ["one", "same.1"]
        assert len(model.parameters()) == 2

    def test_slots_are_attributes_too(self):
        class Slotted(Module):
            __slots__ = ("__hidden", "scale")

            def __init__(self):
                self.scale, self.__hidden = Value(1.0), [Value(2.0)]

        class Network(MLP):
            __slots__ = "gain"

            def __init__(self):
                super().__init__(2, [1], seed=1)
                self.gain, self.offset = Value(3.0), Value(4.0)

        assert [name for name, _ in Slotted().named_parameters()] == ["_Slotted__hidden.0", "scale"]
        network = Network()
        other = copy.deepcopy(network)
        for one in (network, other):
            assert [p.data for p in one.parameters()[-2:]] == [3.0, 4.0]
            assert one.num_parameters() == 5
            assert list(one.state_dict())[-2:] == ["gain", "offset"]
        assert other.gain is not network.gain

    def test_circles_end(self):
        model = Module()
        model.inner = Module()
        model.inner.outer, model.inner.row = model, [Value(1.0)]
        model.inner.row.append(model.inner.row)
        assert [name for name, _ in model.named_parameters()] == ["inner.row.0"]
        assert list(model.state_dict()) == ["inner.row.0"]
        assert "outer: ..." in repr(model)

    def test_a_labelled_or_named_leaf_is_a_parameter(self):
        model = Module()
        model.w = Value(1.0, (), "weight", label="w")
        assert model.parameters() == [model.w]

    @pytest.mark.parametrize(
        "module", [Neuron(2), Layer(2, 3), MLP(2, [3, 1]), Linear(2, 3)], ids=repr
    )
    def test_the_core_and_the_walk_agree(self, module):
        assert module.parameters() == [value for _, value in module.named_parameters()]
        assert module.parameters() == Module.parameters(module)

    def test_of_a_network_that_is_not_the_core_s(self):
        network = MLP(2, [3, 1])
        network.layers[0] = Sequential(Linear(2, 3), lambda x: x)
        assert len(network.parameters()) == 9 + 4
        network.layers[1].neurons[0].w[0] = 2.0
        assert len(network.parameters()) == 9 + 3


class TestStates:
    def test_arrays_by_name(self):
        model = Model()
        state = model.state_dict()
        assert {name: array.shape for name, array in state.items()} == SHAPES
        assert all(array.dtype == np.float64 for array in state.values())
        assert state["grid"].tolist() == [[1.0, 2.0], [3.0, 4.0]]
        state["grid"][0, 0] = 9.0
        assert model.grid[0][0].data == 1.0

    def test_names_of_a_network(self):
        assert list(MLP(2, [2, 1]).state_dict()) == [
            f"layers.{where}.{what}"
            for where in ("0.neurons.0", "0.neurons.1", "1.neurons.0")
            for what in ("w", "b")
        ]

    @pytest.mark.parametrize(
        "make",
        [
            lambda: Neuron(3),
            lambda: Layer(2, 3),
            lambda: MLP(2, [3, 2]),
            lambda: Linear(2, 3, bias=False),
            lambda: Embedding(4, 3),
            lambda: RMSNorm(3),
            lambda: Sequential(Linear(2, 2), Layer(2, 1)),
            Model,
        ],
    )
    def test_round_trips(self, make, tmp_path):
        one, other = make(), make()
        for p in one.parameters():
            p.data = random.gauss(0.0, 1e3)
        data = [p.data for p in one.parameters()]
        values = other.parameters()
        other.load_state_dict(one.state_dict())
        assert [p.data for p in other.parameters()] == data
        # The Values themselves stay.
        assert other.parameters() == values
        third = make()
        one.save(tmp_path / "state")
        third.load(str(tmp_path / "state"))
        assert [p.data for p in third.parameters()] == data
        assert [path.name for path in tmp_path.iterdir()] == ["state"]

    def test_special_numbers_survive(self, tmp_path):
        one, other = Neuron(4), Neuron(4)
        for w, number in zip(one.w, [float("inf"), -0.0, 5e-324, float("nan")]):
            w.data = number
        one.save(tmp_path / "n.npz")
        other.load(tmp_path / "n.npz")
        assert np.array([w.data for w in other.w]).tobytes() == one.state_dict()["w"].tobytes()

    def test_lists_and_ints_are_arrays_too(self):
        neuron = Neuron(2)
        neuron.load_state_dict({"w": [1, 2], "b": np.float32(0.5)})
        assert [p.data for p in neuron.parameters()] == [1.0, 2.0, 0.5]

    @pytest.mark.parametrize(
        ("state", "error", "message"),
        [
            ({"w": [1.0, 2.0]}, ValueError, "the state does not fit Neuron: it lacks 'b'"),
            (
                {"w": [1.0, 2.0], "b": 1.0, "c": 1.0},
                ValueError,
                "the state does not fit Neuron: it has 'c', which it does not know",
            ),
            (
                {"b": 1.0, "V": [1.0, 2.0]},
                ValueError,
                "the state does not fit Neuron: "
                "it lacks 'w' and it has 'V', which it does not know",
            ),
            (
                {"w": [1.0], "b": 1.0},
                ValueError,
                "'w' of Neuron(2) has shape (2,), but the state has shape (1,)",
            ),
            (
                {"w": [1.0, 2.0], "b": [1.0]},
                ValueError,
                "'b' of Neuron(2) has shape (), but the state has shape (1,)",
            ),
            (
                {"w": [1.0, "x"], "b": 1.0},
                TypeError,
                "'w' of the state must be real numbers, not <U32",
            ),
            ([1.0], TypeError, "a state is a dict of arrays by name, not 'list'"),
        ],
    )
    def test_what_does_not_fit_changes_nothing(self, state, error, message):
        neuron = Neuron(2)
        before = [p.data for p in neuron.parameters()]
        with pytest.raises(error) as raised:
            neuron.load_state_dict(state)
        assert str(raised.value) == message
        assert [p.data for p in neuron.parameters()] == before

    @pytest.mark.parametrize(
        "attribute",
        [{1: Value(1.0), "1": Value(2.0)}, {"a.b": Value(1.0), "a": {"b": Value(2.0)}}],
        ids=["equal as text", "a dot in a key"],
    )
    def test_parameters_of_one_name_cannot_be_told_apart(self, attribute, tmp_path):
        model = Model()
        model.more = attribute
        assert len(model.parameters()) == 25
        message = r"cannot hold 'more\.(1|a\.b)' of Model: different parameters have that name"
        for call in (
            model.state_dict,
            lambda: model.load_state_dict({}),
            lambda: model.save(tmp_path / "m"),
        ):
            with pytest.raises(ValueError, match=message):
                call()
        assert not any(tmp_path.iterdir())

    def test_long_lists_of_names_are_cut(self):
        with pytest.raises(ValueError, match=r"it lacks 'layers.0.neurons.0.w'.* and 3 more$"):
            MLP(2, [3, 1]).load_state_dict({})


class TestReprs:
    @pytest.mark.parametrize(
        "text",
        [
            "Neuron(3)",
            "Neuron(3, activation='relu')",
            "Layer(3, 2)",
            "Layer(3, 2, activation='gelu')",
            "MLP(3, [4, 4, 1])",
            "MLP(3, [4, 1], activation='relu')",
            "MLP(3, [4, 1], output_activation='linear')",
            "MLP(3, [4, 1], activation='relu', output_activation='tanh')",
            "MLP(3, [1], activation='relu')",
            "Linear(3, 2)",
            "Linear(3, 2, bias=False)",
            "Embedding(5, 3)",
            "RMSNorm(4)",
            "RMSNorm(4, eps=0.5)",
            "Sequential()",
        ],
    )
    def test_is_the_call_that_makes_such_a_module(self, text):
        assert repr(eval(text, vars(nn))) == text

    def test_modules_of_the_user_s_own(self):
        model = Model()
        assert repr(model).splitlines() == [
            "Model(",
            "  scale: Value(data=2.0)",
            "  table: Embedding(3, 2)",
            "  blocks[0]: Linear(2, 2, bias=False)",
            "  blocks[1][norm]: RMSNorm(2)",
            "  blocks[1][more]: 1 Values",
            "  grid: 2 x 2 Values",
            "  array: 2 Values",
            "  uneven[0]: 1 Values",
            "  uneven[1]: 2 Values",
            ")",
        ]
        outer = Module()
        outer.model = model
        assert repr(outer).splitlines()[1:3] == ["  model: Model(", "    scale: Value(data=2.0)"]
        assert repr(Module()) == "Module()"

    def test_activations_that_differ(self):
        layer = Layer(2, 2)
        layer.neurons[1].activation = "relu"
        assert repr(layer) == "Layer(2, 2, activation=['tanh', 'relu'])"

    def test_a_network_with_something_else_in_it(self):
        network = MLP(2, [3, 1])
        network.layers[0] = Linear(2, 3)
        assert repr(network) == "MLP(\n  layers[0]: Linear(2, 3)\n  layers[1]: Layer(3, 1)\n)"


class TestInitialisation:
    def test_the_seed_s_order_of_draws(self):
        generator = random.Random(3)
        assert [p.data for p in MLP(2, [3, 2], seed=3).parameters()] == [
            generator.uniform(-1, 1) for _ in range(17)
        ]
        random.seed(3)
        assert [p.data for p in MLP(2, [3, 2]).parameters()] == [
            p.data for p in MLP(2, [3, 2], seed=3).parameters()
        ]

    def test_a_seed_leaves_the_global_generator_alone(self):
        state = random.getstate()
        for module in (MLP(2, [3], seed=1), Linear(2, 2, seed=1), Embedding(2, 2, seed=1)):
            assert module.num_parameters()
        assert random.getstate() == state

    def test_a_generator_as_seed_goes_on(self):
        generator = random.Random(4)
        one, two = Layer(2, 2, seed=generator), Linear(2, 2, seed=generator)
        drawn = random.Random(4)
        expected = [drawn.uniform(-1, 1) for _ in range(12)]
        assert [p.data for p in one.parameters() + two.parameters()] == expected

    def test_xavier_and_he(self):
        for init, check in {
            "xavier": lambda w: 0.9 < max(map(abs, w)) / (6.0 / 140) ** 0.5 <= 1.0,
            "he": lambda w: np.std(w) == pytest.approx((2.0 / 100) ** 0.5, rel=0.05),
            "normal": lambda w: np.std(w) == pytest.approx(1.0, rel=0.05),
        }.items():
            for module in (MLP(100, [40], seed=5, init=init), Linear(100, 40, seed=5, init=init)):
                state = [p.data for p in module.parameters()]
                assert state.count(0.0) == 40, init
                assert check([w for w in state if w]), init

    @pytest.mark.parametrize("make", [Neuron, lambda n, **k: Embedding(n, n, **k)])
    def test_wrong_names(self, make):
        known = "init must be one of he, normal, uniform, xavier, or a function; got 'glorot'"
        with pytest.raises(ValueError, match=known):
            make(2, init="glorot")
        with pytest.raises(TypeError, match="init must be a name or a function, got float"):
            make(2, init=0.5)
        with pytest.raises(
            TypeError, match=r"seed must be an int, a random\.Random or None, got str"
        ):
            make(2, seed="1")

    def test_a_refused_module_draws_nothing(self):
        random.seed(6)
        state = random.getstate()
        for call in (
            lambda: MLP(2, [3], "thanh"),
            lambda: MLP(2, [3], init="glorot"),
            lambda: Linear(2, 0),
            lambda: Embedding(0, 2),
        ):
            with pytest.raises(ValueError, match="must be"):
                call()
        assert random.getstate() == state


class TestBlocks:
    def test_embedding_rows_are_the_values(self):
        table = Embedding(4, 3)
        row = table(np.int64(2))
        assert row == table.w[2]
        assert row is not table.w[2]
        assert table(np.array([3, 0])) == [table.w[3], table.w[0]]
        assert table(i for i in (1,)) == [table.w[1]]
        assert table(np.array(2)) == table.w[2]

    @pytest.mark.parametrize("index", [4, -1])
    def test_embedding_refuses_what_is_not_there(self, index):
        message = re.escape(f"Embedding(4, 3) has the rows 0 to 3, got {index}")
        with pytest.raises(IndexError, match=message):
            Embedding(4, 3)(index)
        with pytest.raises(IndexError, match=message):
            Embedding(4, 3)([0, index])

    @pytest.mark.parametrize("index", [1.0, "1", None, Value(1.0)], ids=repr)
    def test_embedding_takes_ints(self, index):
        with pytest.raises(TypeError, match=r"Embedding\(4, 3\) takes an int or several, got"):
            Embedding(4, 3)(index)

    def test_rmsnorm_against_numpy(self):
        norm = RMSNorm(3)
        for w, data in zip(norm.w, (1.0, 2.0, -0.5)):
            w.data = data
        x = np.array([0.3, -1.2, 2.0])
        expected = x / np.sqrt(np.mean(x * x) + 1e-5) * [1.0, 2.0, -0.5]
        assert [v.data for v in norm(x)] == pytest.approx(expected.tolist(), rel=1e-14)
        values = [Value(v) for v in x]
        norm(values)[0].backward()
        scale = np.mean(x * x) + 1e-5
        by_hand = -x[0] * x / 3 / scale**1.5 + np.array([1, 0, 0]) / np.sqrt(scale)
        assert [v.grad for v in values] == pytest.approx(by_hand.tolist(), rel=1e-12)
        with pytest.raises(ValueError, match=r"RMSNorm\(3\) expects 3 inputs, got 2"):
            norm([1.0, 2.0])

    def test_sequential(self):
        linear, layer = Linear(2, 3), Layer(3, 1)
        network = Sequential(linear, lambda x: [v.relu() for v in x], layer)
        assert (len(network), network[0], list(network)[2]) == (3, linear, layer)
        assert network([1.0, 2.0]).data == layer([v.relu() for v in linear([1.0, 2.0])]).data
        assert network.parameters() == linear.parameters() + layer.parameters()
        assert list(network.state_dict())[:2] == ["modules.0.w", "modules.0.b"]
        with pytest.raises(TypeError, match="argument 1 is 'list'"):
            Sequential(linear, [layer])

    def test_linear_gives_a_list_also_of_one(self):
        assert len(Linear(2, 1)([1.0, 2.0])) == 1
