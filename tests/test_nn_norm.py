"""RMSNorm as one native call against the same with operators."""

import copy
import gc
import pickle

import nn_operators as by_operators
import pytest
from nn_operators import gradients, loss_of, numbers

from micrograd_fast import Value, _core
from micrograd_fast.nn import Linear, RMSNorm


def norm_of(dim, eps=1e-5):
    norm = RMSNorm(dim, eps)
    for w, data in zip(norm.w, numbers(dim, seed=1)):
        w.data = 1.0 + data
    return norm


def check(norm, x):
    leaves = [*norm.parameters(), *(v for v in x if isinstance(v, Value))]
    fused, slow = norm(x), by_operators.rmsnorm(norm, x)
    # The same operations in the same order.
    assert [out.data for out in fused] == [out.data for out in slow]
    expected = gradients(loss_of(slow), leaves)
    largest = max(map(abs, expected))
    actual = gradients(loss_of(fused), leaves)
    assert actual == pytest.approx(expected, rel=1e-12, abs=1e-14 * largest)
    assert any(actual)


@pytest.mark.parametrize("dim", [1, 2, 3, 16, 65])
@pytest.mark.parametrize("inputs", ["Values", "numbers", "mixed"])
def test_sizes(dim, inputs):
    x = numbers(dim, seed=2)
    if inputs != "numbers":
        x = [Value(v) if inputs == "Values" or i % 2 else v for i, v in enumerate(x)]
    check(norm_of(dim), x)


def test_values_that_come_twice():
    norm, x = norm_of(4), Value(0.5)
    norm.w[2] = norm.w[0]
    assert len(norm.parameters()) == 3
    check(norm, [x, 0.25, x, norm.w[1]])


def test_weights_and_eps_may_be_replaced():
    norm, x = norm_of(3), [Value(0.5), -1.5, Value(2.0)]
    check(norm, x)
    norm.w[1] = Value(7.0)
    check(norm, x)
    before = norm(x)[0].data
    norm.eps = 2.0
    check(norm, x)
    assert norm(x)[0].data != before
    norm.w.append(Value(1.0))
    with pytest.raises(ValueError, match=r"RMSNorm\(4, eps=2.0\) expects 4 inputs, got 3"):
        norm(x)


@pytest.mark.parametrize("eps", [-1e-5, float("inf"), float("nan")])
def test_an_eps_that_would_make_nan_is_refused(eps):
    with pytest.raises(ValueError, match="eps must be finite and not negative, got"):
        RMSNorm(3, eps)


@pytest.mark.parametrize("how", ["a number as weight", "an int as eps", "a tuple of weights"])
def test_what_the_core_cannot_plan_is_composed(how):
    norm, x = norm_of(3), [Value(0.5), -1.5, Value(2.0)]
    if how == "a number as weight":
        norm.w[0] = 0.5
    elif how == "an int as eps":
        norm.eps = 1
    else:
        norm.w = tuple(norm.w)
    check(norm, x)


def test_computed_weights_get_their_gradients_on():
    base, norm = Value(0.5), norm_of(2)
    norm.w[0] = base * 3
    x = [base, Value(-1.0)]
    leaves = [base, x[1], *norm.w]
    expected = gradients(loss_of(by_operators.rmsnorm(norm, x)), leaves)
    assert gradients(loss_of(norm(x)), leaves) == pytest.approx(expected, rel=1e-12)


def test_between_other_modules():
    norm, linear = norm_of(3), Linear(2, 3, seed=3)
    x = [Value(0.5), Value(-1.0)]
    leaves = [*linear.parameters(), *norm.parameters(), *x]
    slow = by_operators.rmsnorm(norm, by_operators.linear(linear, x))
    expected = gradients(loss_of(slow), leaves)
    assert gradients(loss_of(norm(linear(x))), leaves) == pytest.approx(expected, rel=1e-12)


def test_what_python_sees():
    norm, x = norm_of(3), Value(0.5)
    outs = norm([x, 1.0, 2.0])
    for k, out in enumerate(outs):
        assert out._op == "RMSNorm"
        assert out._children == (x, norm.w[k])
        expected = gradients(by_operators.rmsnorm(norm, [x, 1.0, 2.0])[k], out._children)
        assert out._local_grads == pytest.approx(expected, rel=1e-12)
        for child in out._children:
            child.grad = 0.0
        out.grad = 1.0
        out._backward()
        assert [child.grad for child in out._children] == pytest.approx(expected, rel=1e-12)


def test_zeros_and_no_eps_raise_as_the_operators_do():
    norm = RMSNorm(2, eps=0.0)
    x = [Value(0.0), 0.0]
    for eps, error in ((0.0, ZeroDivisionError), (-1.0, ValueError)):
        norm.eps = eps
        messages = set()
        for call in (norm, norm._compose):
            with pytest.raises(error, match=rf"for {eps} \*\* -0.5$") as raised:
                call(x)
            messages.add(str(raised.value))
        assert len(messages) == 1


@pytest.mark.parametrize("wrong", ["ab", [1.0, "x"], [[1.0], [2.0]], 3.0], ids=repr)
def test_wrong_inputs(wrong):
    with pytest.raises(TypeError, match=r"RMSNorm\(2\)"):
        RMSNorm(2)(wrong)


def test_copies():
    norm = norm_of(2, eps=0.5)
    expected = [out.data for out in norm([1.0, 2.0])]
    for other in (copy.deepcopy(norm), pickle.loads(pickle.dumps(norm))):
        assert repr(other) == "RMSNorm(2, eps=0.5)"
        assert [out.data for out in other([1.0, 2.0])] == expected
        assert other.w[0] is not norm.w[0]


def test_a_circle_through_a_weight():
    gc.collect()
    before = _core.arena_info()["live_nodes"]
    norm = norm_of(2)
    norm.w[0].outs = norm([Value(1.0), norm.w[0]])
    del norm
    gc.collect()
    assert _core.arena_info()["live_nodes"] == before
