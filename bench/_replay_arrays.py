"""JAX and torch: the programs as their users write them, on arrays, and how they are driven.

Each function takes a vector x and the further numbers of a call; `xp` is the contender's own
namespace. The random DAG and the small function have no arrays in them: they are the programs
themselves, on the elements of x.
"""

from types import SimpleNamespace

import numpy as np

from bench._replay_peer import Peer, load


def split_layers(program, x):
    """(weights, biases) of each layer, from the flat parameters."""
    place = 0
    for inputs, outputs in program.layers():
        size = (inputs + 1) * outputs
        rows = x[place : place + size].reshape(outputs, inputs + 1)
        yield rows[:, :inputs], rows[:, inputs]
        place += size


def net(program, xp):
    data, labels = xp.constant(program.data), xp.constant(program.labels)

    def loss(x, extra):
        layers = list(split_layers(program, x))
        a = data
        for weights, biases in layers[:-1]:
            a = xp.relu(a @ weights.T + biases)
        weights, biases = layers[-1]
        scores = (a @ weights.T + biases)[:, 0]
        return xp.relu(1.0 - labels * scores).mean() + 1e-4 * (x * x).sum()

    return loss


def mixture(program, xp):
    data = xp.constant(program.data)
    k, d, f = program.components, program.dimension, program.factor
    lower = np.tril_indices(d, -1)

    def log_likelihood(x, extra):
        logits = x[:k]
        means = x[k : k + k * d].reshape(k, d)
        factors = x[k + k * d :].reshape(k, f)
        off = data - means[:, None, :]
        q = xp.exp(factors[:, None, :d]) * off
        if d > 1:
            q = q + off @ xp.fill((k, d, d), lower, factors[:, d:]).swapaxes(1, 2)
        terms = (logits + factors[:, :d].sum(1))[:, None] - 0.5 * (q * q).sum(2)
        inner = xp.logsumexp(terms, 0).sum()
        return inner - len(program.data) * xp.logsumexp(logits, 0) + program.normalisation()

    return log_likelihood


def asian(program, xp):
    """With the path as a loop of the contender's own where it has one, else as a running sum."""
    steps = program.steps

    def price(x, extra):
        spot, strike, rate, volatility, years = x
        dt = years / steps
        drift = (rate - 0.5 * volatility * volatility) * dt
        scale = volatility * xp.sqrt(dt)
        if xp.scan is None:
            total = (spot * xp.exp(xp.cumsum(drift + scale * extra, 0))).sum()
        else:

            def step(carry, z):
                price, total = carry
                price = price * xp.exp(drift + scale * z)
                return (price, total + price), None

            (_, total), _ = xp.scan(step, (spot, 0.0 * spot), extra)
        return xp.exp(-rate * years) * xp.relu(total / steps - strike)

    return price


def rosenbrock(program, xp):
    def value(x, extra):
        a, b = x[:-1], x[1:]
        return (100.0 * (b - a * a) ** 2 + (1.0 - a) ** 2).sum()

    return value


def elements(program, xp):
    """The program on scalars, for those that have no other choice."""
    return lambda x, extra: program.scalar(list(x), extra, xp)


FUNCTIONS = {
    "net": net,
    "gmm": mixture,
    "gmm10": mixture,
    "asian": asian,
    "rosenbrock": rosenbrock,
}


def function_of(program, xp):
    return FUNCTIONS.get(program.name, elements)(program, xp)


class Jax(Peer):
    """jit(value_and_grad(f)) in float64, on arrays that are on the device already."""

    label = "JAX, jit"

    def __init__(self):
        self.jax = jax = load("jax", "jax")
        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_enable_x64", True)
        self.version = jax.__version__
        jnp = jax.numpy
        self.xp = SimpleNamespace(
            constant=jnp.asarray,
            exp=jnp.exp,
            log=jnp.log,
            sin=jnp.sin,
            tanh=jnp.tanh,
            sqrt=jnp.sqrt,
            relu=lambda v: jnp.maximum(v, 0.0),
            maximum=jnp.maximum,
            logsumexp=lambda v, axis=0: jax.scipy.special.logsumexp(v, axis=axis),
            scan=jax.lax.scan,
            fill=lambda shape, at, v: jnp.zeros(shape).at[(slice(None), *at)].set(v),
        )

    def prepare(self, program):
        function = function_of(program, self.xp)
        if not program.extras:
            whole = function

            def function(x):
                return whole(x, ())

        compiled = self.jax.jit(self.jax.value_and_grad(function))
        ready = self.jax.block_until_ready

        def run(*point):
            return ready(compiled(*point))

        return run

    def arguments(self, program):
        points = super().arguments(program)
        return [tuple(self.jax.numpy.asarray(a) for a in point) for point in points]

    def result(self, made):
        value, gradient = made
        return float(value), np.asarray(gradient).tolist()


class Torch(Peer):
    """Tensors of float64: eager, or torch.compile when asked for."""

    def __init__(self, compiled=False):
        self.torch = torch = load("torch", "torch")
        torch.set_num_threads(1)
        self.compiled = compiled
        self.label = "torch.compile" if compiled else "torch, eager"
        self.version = torch.__version__

        def fill(shape, at, v):
            made = torch.zeros(shape, dtype=torch.float64)
            made[(slice(None), *(torch.from_numpy(a) for a in at))] = v
            return made

        self.xp = SimpleNamespace(
            constant=torch.from_numpy,
            exp=torch.exp,
            log=torch.log,
            sin=torch.sin,
            tanh=torch.tanh,
            sqrt=torch.sqrt,
            relu=torch.relu,
            maximum=torch.maximum,
            logsumexp=lambda v, axis=0: torch.logsumexp(v, axis),
            cumsum=torch.cumsum,
            scan=None,
            fill=fill,
        )

    def prepare(self, program):
        function = function_of(program, self.xp)
        if self.compiled:
            self.torch.compiler.reset()
            function = self.torch.compile(function, dynamic=False)
        gradient_of = self.torch.autograd.grad

        def run(x, extra=()):
            value = function(x, extra)
            return value, gradient_of(value, x)[0]

        return run

    def arguments(self, program):
        torch = self.torch
        points = []
        for x, *extra in super().arguments(program):
            leaf = torch.tensor(x, requires_grad=True)
            points.append((leaf, *(torch.from_numpy(z) for z in extra)))
        return points

    def result(self, made):
        value, gradient = made
        return value.item(), gradient.tolist()
