"""Optimisers and learning rate schedules, with the rules and defaults of ``torch.optim``.

An optimiser holds its parameters natively, so that a step is one loop in C:

>>> from micrograd_fast import Value, optim
>>> w = Value(0.0)
>>> optimizer = optim.Adam([w], lr=0.1)
>>> for _ in range(300):
...     loss = (w - 3.0) ** 2
...     optimizer.zero_grad()
...     loss.backward()
...     optimizer.step()
>>> round(w.data, 3)
3.0

A schedule sets the optimiser's ``lr`` from step to step. Several of them work together as torch's
do, each going on from what the others have left. Here the rate rises over 10 steps, and falls along
a cosine meanwhile and after:

>>> optimizer = optim.SGD([w], lr=0.1)
>>> warmup = optim.LinearWarmup(optimizer, start_factor=0.1, total_iters=10)
>>> cosine = optim.CosineSchedule(optimizer, T_max=100)
>>> for _ in range(100):
...     optimizer.step()
...     warmup.step()
...     cosine.step()
>>> optimizer.lr
0.0

State goes to a file and back without pickle:

>>> import io
>>> import numpy as np
>>> file = io.BytesIO()
>>> np.savez(file, **optimizer.state_dict())
>>> _ = file.seek(0)
>>> optimizer.load_state_dict(np.load(file))
"""

import math
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ._core import Parameters
from ._optimizer import (
    Check,
    Number,
    Optimizer,
    flag,
    not_negative,
    number,
    one_each,
    pair,
)
from ._schedules import CosineSchedule, LinearWarmup, StepSchedule

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "CosineSchedule",
    "LinearWarmup",
    "Optimizer",
    "StepSchedule",
    "clip_grad_norm_",
]


class SGD(Optimizer):
    """Gradient descent: ``SGD(params, lr, momentum=0.0, nesterov=False, weight_decay=0.0)``.

    With momentum the data move by the running sum ``b = momentum * b + grad``, with ``nesterov`` by
    ``grad + momentum * b``, which needs a momentum. ``weight_decay`` times the data is added to the
    gradient first.

    >>> from micrograd_fast import Value, optim
    >>> w = Value(1.0)
    >>> optimizer = optim.SGD([w], lr=0.1, momentum=0.9)
    >>> optimizer
    SGD(1 parameters, lr=0.1, weight_decay=0.0, momentum=0.9, nesterov=False)
    >>> w.grad = 2.0
    >>> optimizer.step()
    >>> w
    Value(data=0.8)
    >>> optimizer.step()
    >>> print(f"{w:.2f}")
    0.42
    """

    _checks: ClassVar[dict[str, Check]] = {
        **Optimizer._checks,
        "momentum": not_negative,
        "nesterov": flag,
        "momentum_buffer": one_each,
    }
    _arrays = ("momentum_buffer",)

    momentum: float
    nesterov: bool
    momentum_buffer: npt.NDArray[np.float64]

    def __init__(
        self,
        params: Any,
        lr: Number,
        momentum: Number = 0.0,
        nesterov: bool = False,
        weight_decay: Number = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay)
        self._assign(momentum=momentum, nesterov=nesterov)
        if self.nesterov and self.momentum == 0.0:
            raise ValueError("nesterov needs a momentum above 0")

    def step(self) -> None:
        self._parameters.sgd_step(
            self.lr, self.momentum, self.weight_decay, self.nesterov, self.momentum_buffer
        )
        self.steps += 1


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015): moves by the mean gradient over the root of the mean square.

    ``Adam(params, lr=0.001, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)``. ``betas`` are the
    decay rates of the two running means, ``eps`` keeps the quotient finite, ``weight_decay`` times
    the data is added to the gradient first. The means are the arrays ``m`` and ``v``.

    >>> from micrograd_fast import Value, optim
    >>> w = Value(1.0)
    >>> optimizer = optim.Adam([w], lr=0.5)
    >>> optimizer
    Adam(1 parameters, lr=0.5, weight_decay=0.0, betas=(0.9, 0.999), eps=1e-08)
    >>> w.grad = 10.0
    >>> optimizer.step()
    >>> print(f"{w:.6f}")
    0.500000
    """

    _checks: ClassVar[dict[str, Check]] = {
        **Optimizer._checks,
        "betas": pair,
        "eps": not_negative,
        "m": one_each,
        "v": one_each,
    }
    _arrays = ("m", "v")
    _decoupled: ClassVar[bool] = False

    betas: tuple[float, float]
    eps: float
    m: npt.NDArray[np.float64]
    v: npt.NDArray[np.float64]

    def __init__(
        self,
        params: Any,
        lr: Number = 1e-3,
        betas: tuple[Number, Number] = (0.9, 0.999),
        eps: Number = 1e-8,
        weight_decay: Number = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay)
        self._assign(betas=betas, eps=eps)

    def step(self) -> None:
        beta1, beta2 = self.betas
        self._parameters.adam_step(
            self.lr,
            beta1,
            beta2,
            self.eps,
            self.weight_decay,
            self._decoupled,
            self.steps + 1,
            self.m,
            self.v,
        )
        self.steps += 1


class AdamW(Adam):
    """Adam whose weight decay acts on the data alone (Loshchilov and Hutter, 2019).

    ``AdamW(params, lr=0.001, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)``: before each step
    the data shrink by the factor ``1 - lr * weight_decay``; the running means know nothing of it.

    >>> from micrograd_fast import Value, optim
    >>> w = Value(1.0)
    >>> optim.AdamW([w], lr=0.1, weight_decay=0.5).step()
    >>> w
    Value(data=0.95)
    """

    _decoupled = True

    def __init__(
        self,
        params: Any,
        lr: Number = 1e-3,
        betas: tuple[Number, Number] = (0.9, 0.999),
        eps: Number = 1e-8,
        weight_decay: Number = 1e-2,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)


def clip_grad_norm_(
    params: Any,
    max_norm: Number,
    norm_type: Number = 2.0,
    error_if_nonfinite: bool = False,
) -> float:
    """Scale the gradients of Values, taken as one vector, down to a norm of at most ``max_norm``.

    params
        as for the optimisers, or a single Value; none at all have the norm 0
    norm_type
        the ``p`` of the p-norm: a positive number, ``math.inf`` for the largest magnitude
    error_if_nonfinite
        bool; raise RuntimeError, naming the first gradient to blame, for a norm that is not finite,
        and leave the gradients as they are. Otherwise an infinite norm makes zeros of what is
        finite, and nan of what is not.

    Returns the norm from before as a float. As in torch the factor is ``max_norm / (norm + 1e-6)``
    where that is below 1, so that gradients end up a little below ``max_norm``.

    >>> from micrograd_fast import Value, optim
    >>> a, b = Value(1.0), Value(1.0)
    >>> a.grad, b.grad = 30.0, 40.0
    >>> optim.clip_grad_norm_([a, b], max_norm=5.0)
    50.0
    >>> print(f"{a.grad:.4f} {b.grad:.4f}")
    3.0000 4.0000
    """
    bound = number(lambda x: x >= 0.0, "at least 0")(None, "max_norm", max_norm)
    order = number(lambda x: x > 0.0, "above 0")(None, "norm_type", norm_type)
    parameters = Parameters(params)
    norm = parameters.grad_norm(order)
    if error_if_nonfinite and not math.isfinite(norm):
        culprit = parameters.find_not_finite()
        blame = "though every gradient is finite"
        if culprit < len(parameters):
            blame = f"as the gradient of parameter {culprit} is {parameters.values()[culprit].grad}"
        raise RuntimeError(f"the norm of the gradients is {norm}, {blame}")
    factor = bound / (norm + 1e-6)
    if not factor >= 1.0:  # a nan too
        parameters.scale_grads(factor)
    return norm
