"""The n-ary functions: what they take, what they refuse, and that nothing breaks or leaks."""

import gc
import math
import signal
import weakref

import numpy as np
import pytest
from nary_samples import NARY

import micrograd_fast
from micrograd_fast import (
    Value,
    _core,
    cross_entropy,
    dot,
    draw_dot,
    hinge_loss,
    log_softmax,
    logsumexp,
    mean,
    mse_loss,
    norm,
    softmax,
)
from micrograd_fast import sum as vsum

ONE_LIST = [vsum, mean, logsumexp, norm, softmax, log_softmax]
TWO_LISTS = [dot, mse_loss, hinge_loss]


@pytest.fixture
def balanced():
    """What a test makes must be gone at its end."""
    gc.collect()
    before = _core.arena_info()
    yield
    _core.fail_allocation(0)
    gc.collect()
    after = _core.arena_info()
    assert after["live_nodes"] == before["live_nodes"]
    assert after["foreign"] == before["foreign"]


def first(result):
    return result[0] if isinstance(result, list) else result


# --- what they take ---


@pytest.mark.parametrize("function", ONE_LIST)
def test_any_iterable_of_any_numbers(function, balanced):
    values = [Value(1.0), Value(-2.0), Value(3.0)]
    expected = first(function(values)).data
    for iterable in (
        tuple(values),
        (v for v in values),
        iter(values),
        [values[0], -2, 3.0],
        [values[0], np.float64(-2.0), np.int64(3)],
        np.array(values, dtype=object),
        dict.fromkeys(values),
        [values[0], np.array(-2.0), 3.0],
    ):
        result = first(function(iterable))
        assert type(result) is Value
        assert result.data == expected
    for numbers in ([1, -2, 3], np.array([1.0, -2.0, 3.0]), np.array([1, -2, 3]), range(1, 4)):
        assert type(first(function(numbers))) is float
    assert first(function(np.array([1.0, -2.0, 3.0]))) == expected


def test_two_lists_of_different_kinds(balanced):
    w = [Value(1.0), Value(2.0)]
    for x in ([3.0, 4.0], (3, 4), np.array([3.0, 4.0]), iter([3.0, 4.0]), [Value(3.0), 4]):
        assert dot(w, x).data == 11.0
        assert dot(x if not hasattr(x, "__next__") else [3.0, 4.0], w).data == 11.0
    assert dot(w, [3.0, 4.0], 0.5).data == dot(w, [3.0, 4.0], b=Value(0.5)).data == 11.5
    assert mse_loss(w, np.array([1.0, 4.0])).data == 2.0
    assert hinge_loss(w, [1, -1]).data == 1.5


def test_strided_and_small_arrays(balanced):
    data = np.arange(12.0)
    assert vsum(data[::3]) == 18.0
    assert vsum(data[::-1].astype(np.float32)) == 66.0
    assert dot([Value(1.0), Value(1.0)], data.reshape(3, 4)[1:, 2]).data == 16.0
    assert vsum(np.array([True, False, True])) == 2.0


def test_gradients_flow_into_each_operand_once_for_each_place(balanced):
    v = Value(2.0)
    dot([v, v], [v, 3.0], v).backward()
    assert v.grad == 2.0 + 2.0 + 3.0 + 1.0


def test_results_are_nodes_like_any_other(balanced):
    a, b = Value(1.0, label="a"), Value(2.0)
    total = dot([a, b], [3.0, 4.0], 0.5)
    assert total._op == "dot"
    assert {a, b} <= total._prev
    assert [child.data for child in total._children] == [1.0, 2.0, 3.0, 4.0, 0.5]
    assert total._children == total._children
    assert "dot" in draw_dot(total).source
    assert [line for line in draw_dot(total).source.splitlines() if '"a' in line or "a |" in line]
    total.backward()
    total.backward()
    assert (a.grad, b.grad) == (6.0, 8.0)
    total.label = "total"
    assert total.label == "total"


def test_numbers_that_became_leaves_take_part(balanced):
    a = Value(1.0)
    total = dot([a, 2.0], [3.0, 4.0])
    leaf = total._children[3]
    leaf.data = 10.0
    total.backward()
    assert leaf.grad == 2.0
    assert total._children[1].grad == 10.0
    assert a.grad == 3.0


def test_a_step_by_hand(balanced):
    a, b = Value(3.0), Value(4.0)
    length = norm([a, b, 0.0])
    length.grad = 5.0
    length._backward()
    assert (a.grad, b.grad) == (3.0, 4.0)


def test_data_are_read_at_backward_time(balanced):
    a, b = Value(3.0), Value(4.0)
    product = dot([a], [b])
    b.data = 7.0
    product.backward()
    assert a.grad == 7.0


def test_a_subclass_is_a_value(balanced):
    class Parameter(Value):
        pass

    p = Parameter(2.0)
    result = dot([p, 1.0], [3.0, Parameter(4.0)], p)
    assert type(result) is Value
    result.backward()
    assert p.grad == 4.0


def graph_with_closures():
    """x**2 with a closure, a sum of it, and another closure above."""
    x = Value(2.0)
    square = Value(x.data**2, (x,), "square")

    def step():
        x.grad += 2 * x.data * square.grad

    square._backward = step
    total = vsum([square, x, 1.0])
    top = Value(3 * total.data, (total,), "triple")

    def top_step():
        total.grad += 3 * top.grad

    top._backward = top_step
    return x, square, top


def test_closures_below_and_above(balanced):
    x, square, top = graph_with_closures()
    top.backward()
    assert x.grad == 15.0
    gone = weakref.ref(square)
    del x, square, top
    gc.collect()
    assert gone() is None


# --- what they refuse ---


@pytest.mark.parametrize("function", ONE_LIST)
@pytest.mark.parametrize("empty", [[], (), iter(()), np.array([])])
def test_nothing_is_refused(function, empty):
    with pytest.raises(ValueError, match=rf"{function.__name__}\(\).*empty"):
        function(empty)


@pytest.mark.parametrize("function", TWO_LISTS)
def test_lengths_that_differ_are_both_named(function):
    with pytest.raises(ValueError, match=r"3 values.* 2"):
        function([Value(1.0)] * 3, [1.0, 2.0])
    with pytest.raises(ValueError, match=r"empty"):
        function([], [])
    with pytest.raises(ValueError, match=r"0 values.* 1"):
        function([], [Value(1.0)])


@pytest.mark.parametrize("function", ONE_LIST)
@pytest.mark.parametrize("bad", ["x", None, 1j, [1.0], b"x"])
def test_an_item_that_is_no_number_is_named(function, bad, balanced):
    kind = type(bad).__name__
    with pytest.raises(TypeError, match=rf"{function.__name__}\(\).*item 1.*{kind}"):
        function([Value(1.0), bad])


@pytest.mark.parametrize("function", ONE_LIST)
@pytest.mark.parametrize("bad", [None, 3, 2.5, object()])
def test_what_is_not_iterable_is_named(function, bad):
    with pytest.raises(TypeError, match=rf"{function.__name__}\(\).*{type(bad).__name__}"):
        function(bad)


def test_a_value_is_not_a_list(balanced):
    with pytest.raises(TypeError, match="Value"):
        vsum(Value(1.0))


def test_wrong_numbers_of_arguments():
    for function in TWO_LISTS:
        with pytest.raises(TypeError, match="arguments"):
            function([1.0])
    with pytest.raises(TypeError, match="c"):
        dot([1.0], [1.0], c=1.0)
    with pytest.raises(TypeError, match="b"):
        dot([Value(1.0)], [1.0], b="x")


@pytest.mark.parametrize("target", [3, -1, 10**30])
def test_a_class_that_is_not_there(target, balanced):
    with pytest.raises((ValueError, IndexError, OverflowError), match="target_index"):
        cross_entropy([Value(1.0), 2.0, 3.0], target)


@pytest.mark.parametrize("target", [1.0, "1", None])
def test_a_class_that_is_no_int(target):
    with pytest.raises(TypeError, match=r"target_index.*int"):
        cross_entropy([Value(1.0), 2.0], target)


def test_targets_of_a_hinge_loss_are_signs(balanced):
    assert hinge_loss([Value(0.5)], [-1]).data == 1.5


# --- nothing breaks ---


def test_a_generator_that_raises_leaves_nothing(balanced):
    def items():
        yield Value(1.0)
        yield Value(2.0)
        raise LookupError("no more")

    for function in ONE_LIST:
        with pytest.raises(LookupError):
            function(items())


def test_a_generator_may_do_anything(balanced):
    x = Value(3.0)

    def items():
        for i in range(50):
            y = x * i
            y.backward()
            yield y + softmax([y, x])[0]
            del y
            gc.collect(0)

    total = vsum(items())
    x.grad = 0.0
    total.backward()
    assert math.isfinite(x.grad)


def test_a_list_that_shrinks_while_it_is_read(balanced):
    items = [Value(1.0)]

    class Odd:
        def __float__(self):
            items.clear()
            return 1.0

        def __index__(self):
            items.clear()
            return 1

    items += [Odd(), Value(2.0), Value(3.0)]
    with pytest.raises((RuntimeError, ValueError, TypeError)):
        vsum(items)


def test_a_number_that_raises(balanced):
    class Bad:
        def __index__(self):
            raise LookupError("not now")

    with pytest.raises(LookupError):
        dot([Value(1.0), Bad()], [Value(2.0), Value(3.0)])


def test_a_million_terms(balanced):
    x = Value(0.5)
    terms = [x * 1.0 for _ in range(1000)] * 1000
    total = vsum(terms)
    assert total.data == 500_000.0
    total.backward()
    assert x.grad == 1_000_000.0
    assert math.isclose(mean(terms).data, 0.5)
    assert math.isclose(logsumexp(terms).data, 0.5 + math.log(1e6))
    assert dot(terms, terms).data == 250_000.0


def test_a_deep_chain_of_sums(balanced):
    x = Value(1.0)
    top = x
    for _ in range(100_000):
        top = vsum([top, x, 1.0])
    top.backward()
    assert x.grad == 100_001.0


@pytest.mark.parametrize("row", NARY, ids=lambda row: row.name)
def test_every_allocation_may_fail(row, balanced):
    numbers = row.lists(len(row.sizes))[-1 - len(row.points)]
    function = getattr(micrograd_fast, row.name)

    def build():
        values = [Value(number) for number in numbers]
        if row.takes is not None:
            values[row.takes] = int(numbers[row.takes])
        function(*row.arguments(values)).backward()
        mixed = [values[0], *numbers[1:]]
        top = function(*row.arguments(mixed))
        _ = top._children
        top.backward()

    build()
    for nth in range(1, 200):
        _core.fail_allocation(nth)
        try:
            build()
        except MemoryError:
            continue
        finally:
            _core.fail_allocation(0)
        break
    else:
        raise AssertionError("it never succeeded")


def test_an_interrupt_comes_through(balanced):
    def items():
        yield Value(1.0)
        signal.raise_signal(signal.SIGINT)
        yield Value(2.0)

    with pytest.raises(KeyboardInterrupt):
        vsum(items())


def test_nodes_in_a_cycle_are_collected(balanced):
    a = Value(1.0)
    total = vsum([a, 2.0])
    total.origin = {"self": total}
    gone = weakref.ref(total)
    del total, a
    gc.collect()
    assert gone() is None
