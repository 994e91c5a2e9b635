"""The visible graph: ``_prev``, ``_children``, ``_op``, ``_local_grads``."""

import gc

import pytest
from op_samples import BY_NAME, OPS

seed = pytest.mark.engines("fast", "reference")
fast = pytest.mark.engines("fast")


# _prev


def test_prev_of_a_leaf_is_an_empty_set(Value):
    assert Value(1.0)._prev == set()


def test_prev_is_the_set_of_operands(Value):
    a, b = Value(2.0), Value(3.0)
    for out in (a + b, a * b):
        assert isinstance(out._prev, set)
        assert out._prev == {a, b}


def test_prev_of_a_plus_a_has_one(Value):
    a = Value(2.0)
    assert (a + a)._prev == {a}
    assert (a * a)._prev == {a}


@fast
def test_prev_holds_the_operands_themselves(Value):
    a, b = Value(2.0), Value(3.0)
    out = a - b
    assert {id(child) for child in out._prev} == {id(a), id(b)}
    assert {id(child) for child in out._prev} == {id(a), id(b)}


@pytest.mark.parametrize("operation", ["+", "*"])
def test_the_number_is_a_leaf_in_prev(Value, operation):
    a = Value(3.0)
    for out in (a + 2.0, 2.0 + a) if operation == "+" else (a * 2.0, 2.0 * a):
        (leaf,) = out._prev - {a}
        assert (leaf.data, leaf.grad, leaf._op, leaf._prev) == (2.0, 0, "", set())
        assert isinstance(leaf, Value)


@seed
@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("operation", ["-", "/"])
def test_the_number_of_a_difference_is_a_leaf_too(Value, operation, flipped):
    a = Value(3.0)
    out = {
        ("-", False): lambda: a - 2.0,
        ("-", True): lambda: 2.0 - a,
        ("/", False): lambda: a / 2.0,
        ("/", True): lambda: 2.0 / a,
    }[operation, flipped]()
    (leaf,) = out._prev - {a}
    assert leaf.data == 2.0
    assert out._children == ((leaf, a) if flipped else (a, leaf))


def test_the_leaf_of_a_number_is_the_same_on_every_read(Value):
    out = Value(3.0) * 2.0
    first = {id(child) for child in out._prev}
    gc.collect()
    assert {id(child) for child in out._prev} == first
    assert len(first) == 2


def test_the_leaf_of_a_number_stays_and_takes_part(Value):
    """Once seen it is an operand like any other: it gets a gradient and its data count."""
    a = Value(3.0)
    out = a * 2.0
    (leaf,) = out._prev - {a}
    out.backward()
    assert (a.grad, leaf.grad) == (2.0, 3.0)
    leaf.data = 10.0
    out.backward()
    assert (a.grad, leaf.grad) == (12.0, 6.0)
    leaf.label = "two"
    (again,) = out._prev - {a}
    assert again.label == "two"


@seed
@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda a: a + 2.0, 1.0),
        (lambda a: a - 2.0, -1.0),
        (lambda a: 2.0 - a, 1.0),
        (lambda a: a / 2.0, -0.75),
        (lambda a: 6.0 / a, 1.0 / 3.0),
    ],
    ids=["a+2", "a-2", "2-a", "a/2", "6/a"],
)
def test_the_leaf_of_any_number_gets_its_gradient(Value, build, expected):
    a = Value(3.0)
    out = build(a)
    (leaf,) = out._prev - {a}
    out.backward()
    assert leaf.grad == pytest.approx(expected, rel=1e-15)


@fast
def test_the_leaf_outlives_its_node(Value):
    a = Value(3.0)
    out = a * 2.0
    (leaf,) = out._prev - {a}
    del out
    gc.collect()
    assert leaf.data == 2.0
    (leaf * 5.0).backward()
    assert leaf.grad == 5.0


@fast
def test_reading_prev_before_or_after_makes_no_difference(Value):
    gradients = []
    for read in ((), ("before",), ("after",), ("before", "after")):
        a = Value(3.0)
        out = (a * 2.0 + 1.0) / 4.0 - a
        if "before" in read:
            assert len(out._prev) == 2
        out.backward()
        if "after" in read:
            assert len(out._prev) == 2
        out.backward()
        gradients.append(a.grad)
    assert len(set(gradients)) == 1


def test_the_exponent_of_a_power_is_no_child(Value):
    a = Value(3.0)
    assert (a**2)._prev == {a}


@seed
def test_children_are_in_operand_order(Value):
    a, b = Value(2.0), Value(3.0)
    for out in (a + b, a - b, a * b, a / b, a**b):
        assert out._children == (a, b)
    for out in (b - a, b / a):
        assert out._children == (b, a)
    assert (a + a)._children == (a, a)
    assert (-a)._children == (a,)
    assert (a**2)._children == (a,)
    assert a._children == ()


@seed
def test_children_with_a_number(Value):
    a = Value(3.0)
    for out, expected in (
        (a + 2, (3.0, 2.0)),
        (2 + a, (3.0, 2.0)),
        (a * 2, (3.0, 2.0)),
        (2 * a, (3.0, 2.0)),
        (a - 2, (3.0, 2.0)),
        (2 - a, (2.0, 3.0)),
        (a / 2, (3.0, 2.0)),
        (2 / a, (2.0, 3.0)),
        (2**a, (2.0, 3.0)),
    ):
        assert tuple(child.data for child in out._children) == expected
        assert a in out._prev


@seed
@pytest.mark.parametrize("name", ["atan2", "minimum", "maximum", "hypot"])
def test_children_of_a_binary_function(engine, name):
    a, b = engine.Value(1.0), engine.Value(2.0)
    function = engine.function(name)
    assert function(a, b)._children == (a, b)
    first, second = function(a, 2.0)._children
    assert (first, second.data) == (a, 2.0)
    first, second = function(2.0, a)._children
    assert (first.data, second) == (2.0, a)


@seed
def test_children_of_where(engine):
    condition, a, b = map(engine.Value, (1.0, 2.0, 3.0))
    out = engine.module.where(condition, a, b)
    assert (out._op, out._children) == ("where", (condition, a, b))
    assert [v.data for v in engine.module.where(True, a, 3)._children] == [1.0, 2.0, 3.0]


# _op


def test_op_strings_that_every_engine_has(Value):
    a, b = Value(2.0), Value(3.0)
    assert a._op == ""
    assert (a + b)._op == (a + 1)._op == (1 + a)._op == "+"
    assert (a * b)._op == (a * 2)._op == (2 * a)._op == "*"
    assert (a**2)._op == "**2"
    assert (a**2.0)._op == "**2.0"
    assert (a**-1)._op == "**-1"
    assert (a**0.5)._op == "**0.5"


@pytest.mark.engines("fast", "reference")
def test_op_strings_of_functions(engine):
    for op in OPS:
        if op.name in {"add", "sub", "mul", "div", "pow", "neg"}:
            continue
        arguments = map(engine.Value, op.samples(1)[0])
        expected = {"relu": "ReLU"}.get(op.name, op.name)
        assert engine.function(op.name)(*arguments)._op == expected


@pytest.mark.engines("fast", "pypi")
def test_op_string_of_relu_is_micrograds(Value):
    assert Value(1.0).relu()._op == "ReLU"


@seed
def test_op_strings_of_powers(Value):
    a, b = Value(2.0), Value(3.0)
    assert (a**b)._op == "**"
    assert (2**a)._op == "**"
    assert (a ** (-2))._op == "**-2"
    assert (Value(1.0) ** 1e100)._op == "**1e+100"
    assert (Value(1.0) ** 100000)._op == "**100000"


@seed
def test_minus_and_division_are_one_node(Value):
    a, b = Value(2.0), Value(3.0)
    assert ((a - b)._op, (a - b)._prev) == ("-", {a, b})
    assert ((a / b)._op, (a / b)._prev) == ("/", {a, b})
    assert ((-a)._op, (-a)._prev) == ("neg", {a})
    assert ((2.0 - a)._op, (2.0 / a)._op) == ("-", "/")


def test_minus_and_division_have_the_values_and_gradients_of_the_longer_way(Value):
    a, b = Value(2.0), Value(4.0)
    out = (a - b) / b - (-a)
    out.backward()
    assert (out.data, a.grad, b.grad) == (1.5, 1.25, -0.125)


# _local_grads


@fast
def test_local_grads_of_operators(Value):
    a, b = Value(2.0), Value(4.0)
    assert (a + b)._local_grads == (1.0, 1.0)
    assert (a - b)._local_grads == (1.0, -1.0)
    assert (a * b)._local_grads == (4.0, 2.0)
    assert (a / b)._local_grads == (0.25, -0.125)
    assert (a**3)._local_grads == (12.0,)
    assert (-a)._local_grads == (-1.0,)
    assert a._local_grads == ()


@fast
def test_local_grads_match_the_children_with_numbers(Value):
    a = Value(4.0)
    for out, expected in (
        (a * 3, (3.0, 4.0)),
        (3 * a, (3.0, 4.0)),
        (2 - a, (1.0, -1.0)),
        (2 / a, (0.25, -0.125)),
        (a + 1, (1.0, 1.0)),
    ):
        before = out._local_grads
        assert before == expected
        assert len(out._children) == len(before)
        assert out._local_grads == before


@fast
@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_local_grads_are_what_backward_uses(engine, name):
    op = BY_NAME[name]
    for arguments in op.samples(10):
        operands = list(map(engine.Value, arguments))
        out = engine.function(name)(*operands)
        assert len(out._local_grads) == len(out._children)
        by_child = dict(zip(out._children, out._local_grads, strict=True))
        out.backward()
        for operand in operands:
            assert operand.grad == by_child.get(operand, 0.0)


@fast
def test_the_microgpt_backward_loop_runs_on_any_graph(Value):
    """microgpt differentiates with nothing but ``_children`` and ``_local_grads``."""
    a, b = Value(2.0), Value(3.0)
    out = ((a * b + 1.0) / (b - 7.0)).tanh() * a**2
    topo, visited = [], set()

    def build(v):
        if v not in visited:
            visited.add(v)
            for child in v._children:
                build(child)
            topo.append(v)

    build(out)
    out.grad = 1
    for v in reversed(topo):
        for child, local_grad in zip(v._children, v._local_grads, strict=True):
            child.grad += local_grad * v.grad
    by_hand = a.grad, b.grad
    for v in topo:
        v.grad = 0
    out.backward()
    assert (a.grad, b.grad) == pytest.approx(by_hand, rel=1e-14)


# Read-only


@fast
@pytest.mark.parametrize("name", ["_prev", "_children", "_local_grads"])
def test_structure_is_read_only(Value, name):
    out = Value(2.0) * Value(3.0)
    before = getattr(out, name)
    with pytest.raises(AttributeError, match=name):
        setattr(out, name, ())
    assert getattr(out, name) == before


def test_op_string_is_free_text(Value):
    a = Value(2.0)
    out = a * Value(3.0)
    out._op = "times"
    out.backward()
    assert (out._op, a.grad) == ("times", 3.0)


@fast
def test_changing_the_set_that_prev_gave_does_not_change_the_graph(Value):
    a, b = Value(2.0), Value(3.0)
    out = a * b
    out._prev.clear()
    assert out._prev == {a, b}


# Walking it the way users do


def test_the_seeds_trace_runs(Value):
    a, b = Value(2.0), Value(-3.0)
    out = a * b + 10.0
    nodes, edges = set(), set()

    def build(v):
        if v not in nodes:
            nodes.add(v)
            for child in v._prev:
                edges.add((child, v))
                build(child)

    build(out)
    assert sorted(node.data for node in nodes) == [-6.0, -3.0, 2.0, 4.0, 10.0]
    assert len(edges) == 4
