"""The published update rules in plain Python, and a loss to try them on.

A rule is a function ``update(p, g)``, or with another rate ``update(p, g, lr)``, of the lists of
parameters and gradients. It changes the parameters as the papers say, one number after the other,
and shares nothing with csrc/optim.c.
"""

import itertools
import math


def sgd(lr, momentum=0.0, nesterov=False, weight_decay=0.0):
    """Gradient descent with (heavy ball or Nesterov's) momentum, as torch defines them."""
    velocities = {}

    def update(p, g, lr=lr):
        for i in range(len(p)):
            gradient = g[i] + weight_decay * p[i]
            velocities[i] = momentum * velocities.get(i, 0.0) + gradient
            direction = gradient + momentum * velocities[i] if nesterov else velocities[i]
            p[i] = p[i] - lr * direction

    return update


def adam(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, decoupled=False):
    """Algorithm 1 of Kingma and Ba, 2015; ``decoupled``, algorithm 2 of Loshchilov and Hutter."""
    beta1, beta2 = betas
    first, second, step = {}, {}, 0

    def update(p, g, lr=lr):
        nonlocal step
        step += 1
        for i in range(len(p)):
            gradient = g[i] if decoupled else g[i] + weight_decay * p[i]
            first[i] = beta1 * first.get(i, 0.0) + (1 - beta1) * gradient
            second[i] = beta2 * second.get(i, 0.0) + (1 - beta2) * gradient**2
            mean = first[i] / (1 - beta1**step)
            square = second[i] / (1 - beta2**step)
            shrink = lr * weight_decay * p[i] if decoupled else 0.0
            p[i] = p[i] - lr * mean / (math.sqrt(square) + eps) - shrink

    return update


def adamw(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
    return adam(lr, betas, eps, weight_decay, decoupled=True)


START = [-1.2, 1.0, 0.7, -0.3, 2.0, 1e-3, -0.8, 0.0, 1.5, 1.1]


def loss_of(p):
    """A valley (Rosenbrock's, in a chain) of numbers, Values or tensors."""
    total = 0.0
    for a, b in itertools.pairwise(p):
        total = total + (1.0 - a) ** 2 + 5.0 * (b - a * a) ** 2
    return total


def gradient_of(p):
    """The gradient of ``loss_of`` at a list of floats, by hand."""
    g = [0.0] * len(p)
    for i in range(len(p) - 1):
        a, b = p[i], p[i + 1]
        g[i] += -2.0 * (1.0 - a) - 20.0 * (b - a * a) * a
        g[i + 1] += 10.0 * (b - a * a)
    return g


# The class's name and its settings; the rule of the same name in lower case takes the same.
CASES = [
    ("SGD", {"lr": 1e-3}),
    ("SGD", {"lr": 1e-3, "weight_decay": 0.1}),
    ("SGD", {"lr": 1e-3, "momentum": 0.9}),
    ("SGD", {"lr": 1e-3, "momentum": 0.5, "weight_decay": 0.3}),
    ("SGD", {"lr": 1e-3, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 1e-3, "momentum": 0.8, "nesterov": True, "weight_decay": 0.05}),
    ("Adam", {}),
    ("Adam", {"lr": 0.05}),
    ("Adam", {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-4}),
    ("Adam", {"lr": 0.02, "weight_decay": 0.2}),
    ("Adam", {"lr": 0.02, "betas": (0.0, 0.5)}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.05}),
    ("AdamW", {"lr": 0.02, "betas": (0.95, 0.98), "eps": 1e-6, "weight_decay": 0.5}),
    ("AdamW", {"lr": 0.02, "weight_decay": 0.0}),
]
RULES = {"SGD": sgd, "Adam": adam, "AdamW": adamw}


def name_of(case):
    """A case in words, for the names of tests."""
    name, settings = case
    return "-".join([name, *(f"{key}={value}" for key, value in settings.items())])
