"""The modules of ``nn`` written with operators: what the native calls are compared with."""

import random

import micrograd_fast as mf
from micrograd_fast import Value, _core

# Every activation, but for those that only take positive numbers or numbers below 1.
EVERYWHERE = sorted(
    {*_core.network_activations(), "linear"}
    - {"log", "log2", "log10", "log1p", "sqrt", "asin", "acos", "acosh", "atanh"}
)


def activated(name, total):
    if name == "linear":
        return total
    return -total if name == "neg" else getattr(mf, name)(total)


def neuron(of, x):
    return activated(of.activation, sum((wi * xi for wi, xi in zip(of.w, x)), of.b))


def layer(of, x):
    return [neuron(n, x) for n in of.neurons]


def mlp(of, x):
    for one in of.layers:
        x = layer(one, x)
    return x


def linear(of, x):
    biases = of.b or [0.0] * len(of.w)
    return [sum((wi * xi for wi, xi in zip(w, x)), b) for w, b in zip(of.w, biases)]


def rmsnorm(of, x):
    # A loop, because from Python 3.12 on sum() compensates where all are floats.
    total = 0.0
    for xi in x:
        total = total + xi * xi
    scale = (total / len(x) + of.eps) ** -0.5
    return [wi * (xi * scale) for wi, xi in zip(of.w, x)]


def listed(outputs):
    """A single output comes back bare."""
    return [outputs] if isinstance(outputs, Value) else outputs


def loss_of(outputs):
    """Something in which every output counts differently."""
    return sum((k + 1) * out * out + out for k, out in enumerate(listed(outputs)))


def gradients(loss, values):
    for value in values:
        value.grad = 0.0
    loss.backward()
    return [value.grad for value in values]


def numbers(count, seed=0):
    generator = random.Random(seed)
    return [generator.uniform(-1.0, 1.0) for _ in range(count)]
