"""The names of micrograd, and its engine: ours and PyPI's, run on the same programs."""

import inspect
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from micrograd_sides import BOTH, OURS, PYPI, same

import micrograd_fast

# The names.


@pytest.mark.parametrize("module", ["engine", "nn"])
def test_every_public_name_is_there_and_is_the_same_kind_of_thing(module):
    theirs, ours = getattr(PYPI, module), getattr(OURS, module)
    names = {name for name in vars(theirs) if not name.startswith("_")}
    assert names - set(vars(ours)) == set()
    assert set(ours.__all__) == {n for n in names if inspect.isclass(getattr(theirs, n))} - (
        {"Value"} if module == "nn" else set()
    )
    for name in names:
        assert type(getattr(theirs, name)) is type(getattr(ours, name)), name


@pytest.mark.parametrize("name", ["Module", "Neuron", "Layer", "MLP"])
def test_classes_have_the_same_methods_with_the_same_parameters_and_defaults(name):
    theirs, ours = getattr(PYPI.nn, name), getattr(OURS.nn, name)

    def methods(cls):
        return {n: f for n, f in vars(cls).items() if inspect.isfunction(f)}

    assert set(methods(theirs)) == set(methods(ours))
    for method, function in methods(theirs).items():
        mine = inspect.signature(methods(ours)[method]).parameters.values()
        expected = inspect.signature(function).parameters.values()
        assert [(p.name, p.kind, p.default) for p in mine] == [
            (p.name, p.kind, p.default) for p in expected
        ], (name, method)
    assert [base.__name__ for base in theirs.__mro__] == [base.__name__ for base in ours.__mro__]


def test_value_is_the_package_s_own_with_micrograd_s_members():
    assert OURS.engine.Value is micrograd_fast.Value
    assert OURS.nn.Value is micrograd_fast.Value
    value = PYPI.engine.Value(1.0)
    # Not what Python itself keeps in a class: __doc__, and __slotnames__ once it was copied.
    methods = {name for name, member in vars(PYPI.engine.Value).items() if callable(member)}
    members = {*methods, *vars(value)}
    assert {"backward", "relu", "__rtruediv__", "data", "_prev"} <= members
    missing = {name for name in members if not hasattr(OURS.engine.Value(1.0), name)}
    assert missing == set()


def test_value_takes_its_parameters_by_the_same_names():
    names = list(inspect.signature(PYPI.engine.Value).parameters)
    assert list(inspect.signature(OURS.engine.Value).parameters)[: len(names)] == names
    for side in BOTH:
        child = side.engine.Value(1.0)
        made = side.engine.Value(data=2.0, _children=(child,), _op="mine")
        assert (made.data, made._prev, made._op) == (2.0, {child}, "mine")


# engine.


def test_every_operator_in_both_orders():
    def program(engine, nn):
        out = []
        for number in (2, 2.5, -1):
            for op in (
                lambda a, b: a + b,
                lambda a, b: a - b,
                lambda a, b: a * b,
                lambda a, b: a / b,
            ):
                for make in (lambda a, n: (a, n), lambda a, n: (n, a), lambda a, n: (a, a)):
                    a = engine.Value(1.75)
                    result = op(*make(a, number))
                    result.backward()
                    out.append([result.data, a.grad])
        return out

    assert len(same(program)) == 3 * 4 * 3


@pytest.mark.parametrize("exponent", [2, 3.0, -1, 0.5, 0, -2.5, 1])
def test_powers_and_their_names(exponent):
    def program(engine, nn):
        a = engine.Value(1.75)
        result = a**exponent
        result.backward()
        return [result.data, a.grad, result._op]

    same(program)


@pytest.mark.parametrize("number", [2.0, -2.0, 0.0, -0.0, 1e-300, math.inf, -math.inf])
def test_relu_and_its_name(number):
    def program(engine, nn):
        a = engine.Value(number)
        result = a.relu()
        result.backward()
        return [result.data, a.grad, result._op]

    assert same(program)[2] == "ReLU"


def test_relu_keeps_nan_and_stops_its_gradient():
    def program(engine, nn):
        a = engine.Value(math.nan)
        result = a.relu()
        result.backward()
        return [result.data, a.grad]

    assert math.isnan(same(program)[0])


def test_negation_sums_and_augmented_assignment():
    def program(engine, nn):
        a, b = engine.Value(-4.0), engine.Value(2.0)
        c = sum([a, -b, a * b])
        c += a
        c *= b
        c -= 1
        c /= a
        c.backward()
        return [c.data, a.grad, b.grad]

    same(program)


def test_the_expression_of_micrograd_s_readme():
    def program(engine, nn):
        a, b = engine.Value(-4.0), engine.Value(2.0)
        c = a + b
        d = a * b + b**3
        c += c + 1
        c += 1 + c + (-a)
        d += d * 2 + (b + a).relu()
        d += 3 * d + (b - a).relu()
        e = c - d
        f = e**2
        g = f / 2.0
        g += 10.0 / f
        g.backward()
        return [g.data, a.grad, b.grad]

    assert same(program) == pytest.approx([24.70408163265306, 138.8338192419825, 645.5772594752187])


def test_a_second_backward_accumulates_as_there():
    def program(engine, nn):
        a = engine.Value(3.0)
        b = a * a
        c = b * 2 + a
        for _ in range(3):
            c.backward()
        return [a.grad, b.grad, c.grad]

    same(program)


def test_a_node_of_one_s_own_with_a_closure():
    def program(engine, nn):
        a = engine.Value(0.5)
        out = engine.Value(math.exp(a.data), (a,), "exp")

        def step():
            a.grad += out.data * out.grad

        out._backward = step
        (out * 3).backward()
        return [a.grad, out.grad, out._op]

    same(program)


def test_the_graph_is_walked_as_there():
    def program(engine, nn):
        a, b = engine.Value(2.0), engine.Value(3.0)
        c = (a * b + a).relu()
        seen, waiting = set(), [c]
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen.add(node)
                waiting.extend(node._prev)
        return sorted((node.data, node._op) for node in seen)

    same(program)


@pytest.mark.parametrize("exponent", ["2", None, 2j])
def test_powers_of_something_else_are_refused(exponent):
    for side, error in ((PYPI, AssertionError), (OURS, TypeError)):
        with pytest.raises(error):
            side.engine.Value(2.0) ** exponent


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda engine: engine.Value(0.0) ** -1, ZeroDivisionError),
        (lambda engine: 1 / engine.Value(0.0), ZeroDivisionError),
        (lambda engine: engine.Value(1e200) ** 2, OverflowError),
        (lambda engine: engine.Value(1.0) + "x", TypeError),
        (lambda engine: engine.Value(1.0) < engine.Value("x"), TypeError),
        (lambda engine: float(engine.Value(1.0)), TypeError),
    ],
)
def test_what_fails_there_fails_here(call, error):
    for side in BOTH:
        with pytest.raises(error):
            call(side.engine)


@given(st.integers(0, 2**32))
def test_random_expressions_to_the_last_bit(seed):
    def program(engine):
        rng = random.Random(seed)
        values = [engine.Value(rng.uniform(-2, 2)) for _ in range(3)]
        for _ in range(rng.randint(1, 25)):
            a, b = rng.choice(values), rng.choice(values)
            kind = rng.randrange(5)
            if kind == 0:
                values.append(a + b)
            elif kind == 1:
                values.append(a * b * 0.5)
            elif kind == 2:
                values.append(a - rng.uniform(-1, 1))
            elif kind == 3:
                values.append((a * a + 1) ** -0.5)
            else:
                values.append(a.relu() + 0.1 * -b)
        return [v.data for v in values]

    # Every operation is one IEEE operation in both; `/` is not: there it is a product and a power.
    assert program(OURS.engine) == program(PYPI.engine)


@given(st.integers(0, 2**32))
def test_gradients_of_well_conditioned_random_expressions(seed):
    def program(engine, nn):
        rng = random.Random(seed)
        leaves = [engine.Value(rng.uniform(0.5, 2)) for _ in range(3)]
        values = list(leaves)
        # Positive sums and products: nothing cancels, so that the order of additions is all.
        for _ in range(rng.randint(1, 20)):
            a, b = rng.choice(values), rng.choice(values)
            values.append(rng.choice([a + b, a * 0.5, (a * b) / (a + b), (a + 1) ** 0.5]))
        root = sum(values)
        root.backward()
        return [root.data, [leaf.grad for leaf in leaves]]

    same(program)
