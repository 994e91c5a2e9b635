"""clip_grad_norm_: the norm, the scaling, and gradients that are not finite."""

import math

import numpy as np
import pytest

from micrograd_fast import Value, grads_of
from micrograd_fast.optim import Adam, clip_grad_norm_


def with_grads(gradients):
    params = [Value(0.0) for _ in gradients]
    for p, gradient in zip(params, gradients):
        p.grad = gradient
    return params


def test_longer_gradients_are_scaled_down_to_the_norm():
    params = with_grads([3.0, -4.0, 12.0])
    assert clip_grad_norm_(params, 1.3) == 13.0
    assert grads_of(params) == pytest.approx([0.3, -0.4, 1.2], rel=1e-6)
    # a little below, as in torch
    assert 1.3 - 1e-6 < math.hypot(*grads_of(params)) < 1.3
    factor = 1.3 / (13.0 + 1e-6)
    assert grads_of(params).tolist() == [3.0 * factor, -4.0 * factor, 12.0 * factor]


@pytest.mark.parametrize("max_norm", [13.1, 1e300, math.inf])
def test_shorter_gradients_stay_as_they_are(max_norm):
    params = with_grads([3.0, -4.0, 12.0])
    norm = clip_grad_norm_(params, max_norm)
    assert (type(norm), norm) == (float, 13.0)
    assert grads_of(params).tolist() == [3.0, -4.0, 12.0]


def test_nothing_but_grads_changes():
    params = with_grads([3.0, 4.0])
    bystander = Value(1.0)
    bystander.grad = 100.0
    clip_grad_norm_(params, 0.0)
    assert grads_of([*params, bystander]).tolist() == [0.0, 0.0, 100.0]
    assert [p.data for p in params] == [0.0, 0.0]


@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1e-160, 1e-141, 1.0, 1e139, 1e155, 1e306])
def test_the_norm_neither_overflows_nor_vanishes(scale):
    for order, norm in (
        (2.0, 13.0),
        (3, (27 + 64 + 1728) ** (1 / 3)),
        (1.0, 19.0),
        (0.5, (3**0.5 + 2.0 + 12**0.5) ** 2),
        (math.inf, 12.0),
    ):
        params = with_grads([3.0 * scale, -4.0 * scale, 12.0 * scale, 0.0])
        found = clip_grad_norm_(params, math.inf, order)
        assert found == pytest.approx(norm * scale, rel=1e-14, abs=0.0), order


def test_the_norm_of_many():
    gradients = np.sin(np.arange(10_000.0)) * np.exp(np.linspace(-30, 30, 10_000))
    norm = clip_grad_norm_(with_grads(gradients), math.inf)
    expected = math.sqrt(math.fsum(gradients**2))
    assert norm == pytest.approx(expected, rel=1e-14, abs=0.0)
    assert type(clip_grad_norm_(with_grads([2.0]), np.float32(1.0))) is float


def test_a_norm_that_does_overflow():
    params = with_grads([1.7e308, 1.7e308])
    with pytest.raises(RuntimeError, match="is inf, though every gradient is finite"):
        clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    assert clip_grad_norm_(params, 1.0) == math.inf
    assert grads_of(params).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("gradients", "culprit"),
    [
        ([1.0, math.inf], "parameter 1 is inf"),
        ([-math.inf, 1.0], "parameter 0 is -inf"),
        ([1.0, 2.0, math.nan], "parameter 2 is nan"),
        ([1.0, math.inf, math.nan], "parameter 1 is inf"),
    ],
    ids=str,
)
def test_gradients_that_are_not_finite(gradients, culprit):
    params = with_grads(gradients)
    with pytest.raises(RuntimeError, match=f"norm of the gradients is .*{culprit}$"):
        clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    assert grads_of(params).tolist() == pytest.approx(gradients, nan_ok=True)
    norm = clip_grad_norm_(params, 1.0)
    has_nan = any(map(math.isnan, gradients))
    assert math.isnan(norm) if has_nan else norm == math.inf
    for p, gradient in zip(params, gradients):
        if has_nan or not math.isfinite(gradient):
            assert math.isnan(p.grad)
        else:
            assert p.grad == 0.0


def test_error_if_nonfinite_lets_finite_norms_through():
    params = with_grads([3.0, 4.0])
    assert clip_grad_norm_(params, 1.0, error_if_nonfinite=True) == 5.0
    assert params[0].grad < 1.0


def test_what_can_be_clipped():
    single = Value(0.0)
    single.grad = -2.0
    assert clip_grad_norm_(single, math.inf) == 2.0
    assert clip_grad_norm_((v for v in (single, Value(0.0))), math.inf) == 2.0
    assert clip_grad_norm_([[single], [Value(0.0)]], math.inf) == 2.0
    assert clip_grad_norm_([], 1.0) == 0.0
    with pytest.raises(TypeError, match=r"params\[0\] must be a Value, not 'float'"):
        clip_grad_norm_([1.0], 1.0)
    with pytest.raises(ValueError, match="parameters 0 and 1 are the same"):
        clip_grad_norm_([single, single], 1.0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((-1.0,), ValueError, "max_norm must be at least 0, not -1.0"),
        ((math.nan,), ValueError, "max_norm must be at least 0, not nan"),
        (("1",), TypeError, "max_norm must be a real number, not 'str'"),
        ((1.0, 0.0), ValueError, "norm_type must be above 0, not 0.0"),
        ((1.0, math.nan), ValueError, "norm_type must be above 0"),
        ((1.0, "inf"), TypeError, "norm_type must be a real number"),
    ],
)
def test_arguments_that_cannot_be(arguments, error, message):
    params = with_grads([3.0, 4.0])
    with pytest.raises(error, match=message):
        clip_grad_norm_(params, *arguments)
    assert grads_of(params).tolist() == [3.0, 4.0]


def test_in_a_training_step():
    w = Value(10.0)
    optimizer = Adam([w], lr=0.5)
    for _ in range(60):
        optimizer.zero_grad()
        (w**4).backward()
        clip_grad_norm_([w], 1.0)
        assert abs(w.grad) <= 1.0
        optimizer.step()
    assert abs(w.data) < 5.0
