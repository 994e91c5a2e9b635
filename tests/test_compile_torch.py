"""Derivatives of compiled functions next to torch's in float64, where torch is installed."""

import itertools
import math

import numpy as np
import pytest
from op_samples import BY_NAME

import micrograd_fast as mg
from micrograd_fast import functional

torch = pytest.importorskip("torch")
autograd = pytest.importorskip("torch.autograd.functional")

# What torch has under another name, or only as a function of tensors.
THEIRS = {
    "cbrt": lambda x: x.sign() * x.abs() ** (1.0 / 3.0),
    "neg": torch.neg,
    "pow": torch.pow,
    "relu": torch.relu,
    "leaky_relu": torch.nn.functional.leaky_relu,
    "silu": torch.nn.functional.silu,
    "gelu": torch.nn.functional.gelu,
    "softplus": torch.nn.functional.softplus,
    "where": lambda c, a, b: torch.where(c != 0.0, a, b),
    "less": lambda a, b: (a < b).to(a.dtype) + 0.0 * (a + b),
    "less_equal": lambda a, b: (a <= b).to(a.dtype) + 0.0 * (a + b),
    "greater": lambda a, b: (a > b).to(a.dtype) + 0.0 * (a + b),
    "greater_equal": lambda a, b: (a >= b).to(a.dtype) + 0.0 * (a + b),
}
OURS = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "neg": lambda a: -a,
}


def tensor(numbers):
    return torch.tensor(np.asarray(numbers), dtype=torch.float64)


def close(ours, theirs, relative=1e-10):
    """Entry by entry, but for what rounding leaves of one that cancels to 0."""
    ours, theirs = np.asarray(ours), theirs.detach().numpy()
    assert ours.shape == theirs.shape
    largest = np.abs(theirs).max(initial=0.0)
    assert np.allclose(ours, theirs, rtol=relative, atol=1e-14 * largest), (ours, theirs)


def agree(fn, theirs, x, rng):
    """Every derivative of a function from an array to a list or an array of results."""
    f = mg.compile(lambda x: np.array(fn(x), dtype=object))
    at = tensor(x)
    jacobian = autograd.jacobian(theirs, at)
    close(f.value(x), theirs(at))
    close(f.jacobian(x), jacobian)
    v, w = rng.standard_normal(len(x)), rng.standard_normal(len(jacobian))
    close(f.jvp(x, v), autograd.jvp(theirs, at, tensor(v))[1])
    close(f.vjp(x, w), autograd.vjp(theirs, at, tensor(w))[1])

    # Second derivatives are those of one number.
    g = mg.compile(lambda x: sum(r * float(k) for r, k in zip(fn(x), w)))

    def total(x):
        return (theirs(x) * tensor(w)).sum()

    close(g.hessian(x), autograd.hessian(total, at))
    close(g.hvp(x, v), autograd.hvp(total, at, tensor(v))[1])


@pytest.mark.parametrize("name", BY_NAME)
def test_each_op(name):
    op = BY_NAME[name]
    ours = OURS.get(name) or getattr(functional, name)
    theirs = THEIRS.get(name) or getattr(torch, name)
    rng = np.random.default_rng(len(name))
    # Not far out, where torch's second derivatives cancel: its tanh has 1 - r * r.
    spans = [(max(low, -3.0), min(high, 3.0)) for (*_, (low, high)) in op.safe] * 2
    x = np.array([rng.uniform(low, high) for low, high in spans])
    agree(
        lambda x: [ours(*x[: op.arity]), ours(*x[op.arity :])],
        lambda x: torch.stack([theirs(*x[: op.arity]), theirs(*x[op.arity :])]),
        x,
        rng,
    )


def halves(x):
    return x[: len(x) // 2], x[len(x) // 2 :]


NARY = {
    "sum": (lambda x: mg.sum(list(x)), torch.sum),
    "mean": (lambda x: mg.mean(list(x)), torch.mean),
    "norm": (lambda x: mg.norm(list(x)), torch.linalg.vector_norm),
    "dot": (lambda x: mg.dot(*halves(list(x))), lambda x: torch.dot(*halves(x))),
    "logsumexp": (lambda x: mg.logsumexp(list(x)), lambda x: torch.logsumexp(x, 0)),
    "cross_entropy": (
        lambda x: mg.cross_entropy(list(x), 2),
        lambda x: torch.nn.functional.cross_entropy(x, torch.tensor(2)),
    ),
    "mse_loss": (
        lambda x: mg.mse_loss(*halves(list(x))),
        lambda x: torch.nn.functional.mse_loss(*halves(x)),
    ),
    "hinge_loss": (
        lambda x: mg.hinge_loss(*halves(list(x))),
        lambda x: torch.relu(1.0 - torch.mul(*halves(x))).mean(),
    ),
    "polyval": (
        lambda x: mg.polyval(list(x[:-1]), x[-1]),
        lambda x: sum(c * x[-1] ** k for k, c in enumerate(reversed(x[:-1]))),
    ),
    "take": (lambda x: mg.take(list(x), 3) ** 2, lambda x: x[3] ** 2),
}


@pytest.mark.parametrize("name", NARY)
@pytest.mark.parametrize("scale", [1.0, 6.0])
def test_each_nary_op(name, scale):
    ours, theirs = NARY[name]
    rng = np.random.default_rng(len(name))
    x = scale * rng.standard_normal(6)
    agree(
        lambda x: [ours(x), ours([functional.sin(v) for v in x])],
        lambda x: torch.stack([theirs(x), theirs(torch.sin(x))]),
        x,
        rng,
    )


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_and_its_logarithm(name):
    rng = np.random.default_rng(7)
    theirs = getattr(torch, name)
    agree(
        lambda x: getattr(mg, name)(list(x)),
        lambda x: theirs(x, 0),
        3.0 * rng.standard_normal(7),
        rng,
    )


def test_a_network_in_its_parameters():
    """The Hessian of a loss in all the weights at once."""
    rng = np.random.default_rng(8)
    points, targets = rng.standard_normal((5, 2)), [0, 1, 2, 1, 0]
    sizes = ((4, 2), (4,), (3, 4), (3,))
    x = rng.standard_normal(sum(math.prod(size) for size in sizes))

    def shaped(x):
        parts, start = [], 0
        for size in sizes:
            parts.append(x[start : start + math.prod(size)].reshape(size))
            start += math.prod(size)
        return parts

    def ours(x):
        w1, b1, w2, b2 = shaped(x)
        losses = []
        for point, target in zip(points, targets):
            hidden = [mg.tanh(mg.dot(list(w), point, b)) for w, b in zip(w1, b1)]
            scores = [mg.dot(list(w), hidden, b) for w, b in zip(w2, b2)]
            losses.append(mg.cross_entropy(scores, target))
        return [mg.mean(losses), mg.norm(list(x))]

    def theirs(x):
        w1, b1, w2, b2 = shaped(x)
        scores = torch.tanh(tensor(points) @ w1.T + b1) @ w2.T + b2
        loss = torch.nn.functional.cross_entropy(scores, torch.tensor(targets))
        return torch.stack([loss, torch.linalg.vector_norm(x)])

    agree(ours, theirs, x, rng)


def test_rosenbrock_and_a_recurrence():
    """Long chains through the same few operations."""
    rng = np.random.default_rng(9)

    def valley(x):
        return sum(100.0 * (b - a**2) ** 2 + (1.0 - a) ** 2 for a, b in itertools.pairwise(x))

    def orbit(x, sin):
        state = x[0]
        for _ in range(50):
            state = sin(state * x[1]) * 0.9 + x[2] / (1.0 + state * state)
        return state

    agree(
        lambda x: [valley(x), orbit(x, mg.sin)],
        lambda x: torch.stack([valley(x), orbit(x, torch.sin)]),
        rng.uniform(0.4, 1.2, 8),
        rng,
    )
