"""``backward()``: accumulation, order, repetition, what is touched and what is read when."""

import math

import pytest
from op_samples import OPS

seed = pytest.mark.engines("fast", "reference")
fast = pytest.mark.engines("fast")


def test_gradients_of_the_readme_expression(Value):
    """The worked example on which micrograd and torch agree."""
    a, b = Value(-4.0), Value(2.0)
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
    assert f"{g.data:.4f}" == "24.7041"
    assert (f"{a.grad:.4f}", f"{b.grad:.4f}") == ("138.8338", "645.5773")


def test_the_root_has_gradient_one(Value):
    a = Value(2.0)
    out = a * 3.0
    assert out.backward() is None
    assert (out.grad, a.grad) == (1.0, 3.0)


def test_a_leaf_can_be_differentiated(Value):
    a = Value(2.0)
    a.grad = 5.0
    a.backward()
    a.backward()
    assert a.grad == 1.0


def test_the_same_operand_twice_accumulates(Value):
    a = Value(3.0)
    (a * a + a).backward()
    assert a.grad == 7.0


def test_a_diamond_accumulates(Value):
    a = Value(2.0)
    b = a * 3.0
    c = b + b * b
    c.backward()
    assert (b.grad, a.grad) == (1.0 + 2.0 * 6.0, 39.0)


def test_a_node_waits_for_all_of_its_consumers(Value):
    """Depth differs along the paths: the wrong order would hand on an unfinished gradient."""
    a = Value(1.0)
    b = a * 2.0
    long = b
    for _ in range(20):
        long = long + 1.0
    (long * b).backward()
    assert (b.data, long.data) == (2.0, 22.0)
    assert (b.grad, a.grad) == (24.0, 48.0)


def test_second_backward_lets_stale_gradients_flow_again(Value):
    a = Value(1.0)
    out = 3 * a * 2
    out.backward()
    assert a.grad == 6.0
    out.backward()
    assert a.grad == 18.0
    out.backward()
    assert a.grad == 36.0


def test_second_backward_after_zeroing_the_leaves_only(Value):
    """The mistake of the lectures, reproduced: interior gradients are still there."""
    a = Value(1.0)
    out = 3 * a * 2
    out.backward()
    a.grad = 0.0
    out.backward()
    assert a.grad == 12.0


def test_backward_from_two_roots_accumulates(Value):
    a = Value(2.0)
    b = a * a
    c, d = b + 1.0, b * 3.0
    c.backward()
    assert a.grad == 4.0
    d.backward()  # b keeps the 1 of the first sweep
    assert (b.grad, a.grad) == (4.0, 4.0 + 16.0)


def test_backward_from_an_inner_node_after_the_root(Value):
    a = Value(2.0)
    b = a * a
    c = b * 3.0
    c.backward()
    assert (b.grad, a.grad) == (3.0, 12.0)
    b.backward()
    assert (c.grad, b.grad, a.grad) == (1.0, 1.0, 16.0)


def test_nodes_that_the_root_does_not_reach_are_untouched(Value):
    a, b = Value(2.0), Value(3.0)
    before = a * 5.0
    out = a * b
    after = out * 7.0
    side = b + before
    for node in (before, after, side):
        node.grad = 100.0
    out.backward()
    assert (a.grad, b.grad) == (3.0, 2.0)
    assert (before.grad, after.grad, side.grad) == (100.0, 100.0, 100.0)


def test_stale_gradient_of_a_reached_node_flows(Value):
    a = Value(2.0)
    b = a * 3.0
    out = b * 1.0
    b.grad = 10.0
    out.backward()
    assert (b.grad, a.grad) == (11.0, 33.0)


def test_the_roots_stale_gradient_is_replaced(Value):
    a = Value(2.0)
    out = a * 3.0
    out.grad = 50.0
    out.backward()
    assert a.grad == 3.0


# When the data of the operands are read


def test_product_reads_data_at_backward_time(Value):
    a, b = Value(2.0), Value(3.0)
    out = a * b
    a.data, b.data = 10.0, 20.0
    out.backward()
    assert (out.data, a.grad, b.grad) == (6.0, 20.0, 10.0)


def test_power_reads_data_at_backward_time(Value):
    a = Value(2.0)
    out = a**2
    a.data = 10.0
    out.backward()
    assert (out.data, a.grad) == (4.0, 20.0)


@seed
def test_quotient_reads_data_at_backward_time(Value):
    a, b = Value(3.0), Value(2.0)
    out = a / b
    b.data = 4.0
    out.backward()
    assert (out.data, a.grad) == (1.5, 0.25)


@seed
def test_exp_reads_its_own_data_at_backward_time(Value):
    a = Value(0.0)
    out = a.exp()
    out.data = 5.0
    out.backward()
    assert a.grad == 5.0


def test_relu_reads_its_own_data_at_backward_time(Value):
    a = Value(2.0)
    out = a.relu()
    out.data = -1.0
    out.backward()
    assert a.grad == 0.0


def test_relu_at_zero_and_at_nan(Value):
    for x, expected in ((0.0, 0.0), (-0.0, 0.0), (math.nan, 0.0), (2.0, 1.0), (-2.0, 0.0)):
        a = Value(x)
        out = a.relu()
        out.backward()
        assert (a.grad, math.isnan(out.data)) == (expected, math.isnan(x))


@seed
def test_tanh_does_not_overflow(Value):
    for x in (354.0, 356.0, 800.0, -1e300):
        a = Value(x)
        out = a.tanh()
        out.backward()
        assert out.data == math.copysign(1.0, x)
        assert 0.0 <= a.grad < 1e-300


@seed
def test_sine_reads_its_operand_at_backward_time(Value):
    a = Value(0.0)
    out = a.sin()
    a.data = math.pi
    out.backward()
    assert a.grad == -1.0


@seed
def test_changing_data_does_not_recompute(Value):
    a = Value(2.0)
    b = a * 3.0
    c = b + 1.0
    a.data = 100.0
    assert (b.data, c.data) == (6.0, 7.0)


# _backward


def test_backward_step_can_be_called_by_hand(Value):
    """As the lecture does, before ``backward()`` is written."""
    a, b = Value(2.0), Value(-3.0)
    c = a * b
    d = c + 10.0
    d.grad = 1.0
    d._backward()
    assert c.grad == 1.0
    assert a.grad == 0.0
    c._backward()
    assert (a.grad, b.grad) == (-3.0, 2.0)
    c._backward()
    assert (a.grad, b.grad) == (-6.0, 4.0)


def test_backward_step_of_a_leaf_does_nothing(Value):
    a = Value(2.0)
    a.grad = 3.0
    assert a._backward() is None
    assert (a.data, a.grad) == (2.0, 3.0)


@seed
def test_backward_step_by_hand_for_every_op(engine):
    for op in OPS:
        arguments = op.samples(1)[0]
        by_hand = [engine.Value(argument) for argument in arguments]
        out = engine.function(op.name)(*by_hand)
        out.grad = 1.0
        out._backward()
        by_sweep = [engine.Value(argument) for argument in arguments]
        engine.function(op.name)(*by_sweep).backward()
        assert [v.grad for v in by_hand] == [v.grad for v in by_sweep], op.name


def test_backward_step_can_be_kept_and_called_later(Value):
    a = Value(2.0)
    out = a * 3.0
    step = out._backward
    out.grad = 2.0
    step()
    assert a.grad == 6.0
    del out
    step()
    assert a.grad == 12.0


# Numbers that are not finite


@fast
def test_backward_never_raises_for_numbers(Value):
    a = Value(0.0)
    a.sqrt().backward()
    assert a.grad == math.inf
    b = Value(0.0)
    (b.sqrt() * 0.0).backward()
    assert math.isnan(b.grad)


@seed
def test_infinite_gradients_flow(Value):
    a = Value(1e200)
    b = a * 1e200
    (b * 1e200).backward()
    assert (b.data, b.grad, a.grad) == (math.inf, 1e200, math.inf)


@fast
def test_check_names_the_first_node_whose_gradient_is_not_finite(Value):
    a = Value(0.0)
    b = a.sqrt()
    c = b * 2.0
    with pytest.raises(FloatingPointError, match=r"inf") as caught:
        c.backward(check=True)
    assert "0.0" in str(caught.value)
    assert "leaf" in str(caught.value) or "Value" in str(caught.value)


@fast
def test_check_names_op_and_label(Value):
    a = Value(1.0, label="weight")
    b = a * math.inf
    b.label = "scaled"
    c = b * 2.0
    with pytest.raises(FloatingPointError, match="weight"):
        c.backward(check=True)
    d = Value(1.0)
    inner = d.exp()
    with pytest.raises(FloatingPointError, match="exp"):
        (inner * math.nan).backward(check=True)


@fast
def test_check_is_silent_on_finite_gradients(Value):
    a, b = Value(2.0), Value(2.0)
    (a.tanh() * 3.0 + 1.0).backward(check=True)
    (b.tanh() * 3.0 + 1.0).backward()
    assert a.grad == b.grad
    (a * 2.0).backward(check=False)


@fast
def test_check_is_by_keyword(Value):
    with pytest.raises(TypeError, match="positional"):
        Value(1.0).backward(True)
    with pytest.raises(TypeError, match="nothing"):
        Value(1.0).backward(nothing=1)


@fast
def test_check_sees_gradients_of_user_closures(Value):
    a = Value(1.0)
    out = Value(2.0, (a,), "mine")

    def step():
        a.grad += math.nan * out.grad

    out._backward = step
    with pytest.raises(FloatingPointError):
        (out * 1.0).backward(check=True)


# Depth


@pytest.mark.engines("pypi")
def test_recursion_limit_is_what_ours_does_not_have(Value):
    v = Value(1.0)
    for _ in range(2000):
        v = v + 1.0
    with pytest.raises(RecursionError):
        v.backward()


@seed
def test_deep_chains_need_no_recursion(Value):
    a = v = Value(1.0)
    for _ in range(20_000):
        v = v + 1.0
    v.backward()
    assert (v.data, a.grad) == (20_001.0, 1.0)
