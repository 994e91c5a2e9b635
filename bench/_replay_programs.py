"""The functions whose gradients are replayed, on scalars and as anyone would write them.

A program is a function of numbers x, by which it is differentiated, and sometimes of further
numbers that differ from call to call. What it takes from `m`, a namespace of functions, is all
that differs between the contenders that work on scalars. Those that work on arrays have versions
of their own (_replay_arrays.py), and so has hand-written C (_replay_c.py).
"""

import itertools
import math
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from bench import workloads
from bench._contender import OpCounter
from bench._replay_dag import mixed_dag


@dataclass(frozen=True)
class Sizes:
    """How large the programs are. Smoke sizes only show that everything runs."""

    dag: int = 10_000
    pool: int = 128
    points: int = 100
    hidden: int = 16
    samples: int = 1000
    components: int = 5
    steps: int = 252
    paths: int = 100
    rosenbrock: int = 1000


SMOKE = Sizes(60, 8, 4, 3, 6, 2, 5, 3, 6)


def plain_logsumexp(values, m):
    """log(sum(exp(v))), shifted by the largest v so that nothing overflows."""
    highest = values[0]
    for v in values[1:]:
        highest = m.maximum(highest, v)
    return highest + m.log(sum(m.exp(v - highest) for v in values))


FLOATS = SimpleNamespace(
    exp=math.exp,
    log=math.log,
    sin=math.sin,
    tanh=math.tanh,
    sqrt=math.sqrt,
    relu=lambda v: max(v, 0.0),
    maximum=max,
)
FLOATS.logsumexp = lambda values: plain_logsumexp(values, FLOATS)


def counting():
    """The same functions on numbers that count what is done to them."""

    def counted(function):
        return lambda *args: args[0].result(function(*(a.data for a in args)))

    names = ("exp", "log", "sin", "tanh", "sqrt", "relu", "maximum")
    m = SimpleNamespace(**{name: counted(getattr(FLOATS, name)) for name in names})
    m.logsumexp = lambda values: plain_logsumexp(values, m)
    return m


class Program:
    """A function to differentiate, and the points at which that is done, one after the other."""

    def __init__(self, name, title, points):
        # points: pairs of x and of the further numbers of a call, both arrays of float64.
        self.name, self.title, self.points = name, title, points
        self.inputs, self.extras = (len(part) for part in points[0])

    def scalar(self, x, extra, m):
        """The function; x and extra are sequences of whatever the contender calls a number."""
        raise NotImplementedError

    def operations(self):
        """How many operations on numbers the function does as it is written."""
        x, extra = self.points[0]
        before = OpCounter.done
        self.scalar([OpCounter(float(v)) for v in x], [float(v) for v in extra], counting())
        return OpCounter.done - before


def around(start, scale, rng, count=2):
    """Points near each other, none with further numbers."""
    start = np.asarray(start, dtype=np.float64)
    moved = (start + scale * rng.standard_normal(len(start)) for _ in range(count - 1))
    return [(x, np.empty(0)) for x in (start, *moved)]


# --- random DAGs --------------------------------------------------------------------------------


class Dag(Program):
    def __init__(self, sizes):
        start, self.instructions = mixed_dag(sizes.dag, sizes.pool)
        # A small step: divisors and arguments of logarithms shall stay away from zero.
        points = around(start, 1e-4, np.random.default_rng(1))
        super().__init__("dag", f"random DAG, {sizes.dag:,} mixed operations", points)

    def scalar(self, x, extra, m):
        pool = list(x)
        for op, i, j, c in self.instructions:
            if op == "add":
                pool[i] = pool[i] + pool[j]
            elif op == "sub":
                pool[i] = pool[i] - pool[j]
            elif op == "mul":
                pool[i] = pool[i] * pool[j]
            elif op == "scale":
                pool[i] = pool[i] * c
            elif op == "div":
                pool[i] = pool[i] / pool[j]
            else:
                pool[i] = getattr(m, op)(pool[i])
        return sum(pool)


class LocalDag(Program):
    """The random DAG of workloads.py: arithmetic alone, and quickly drawn at any length."""

    def __init__(self, length):
        self.pool = 256
        program = workloads.local_dag_program(length, self.pool)
        self.problem = workloads.LocalDag(program, self.pool)
        numbers = self.problem.parameters()
        super().__init__("local_dag", "local random DAG", around(numbers, 0.0, np.random))

    def scalar(self, x, extra, m):
        own = self.problem.parameters()
        self.problem.assign(x)
        try:
            return self.problem.forward()
        finally:
            self.problem.assign(own)


# --- a net ---------------------------------------------------------------------------------------


class Net(Program):
    """The two-moons loss of workloads.py as a function of the net's parameters."""

    def __init__(self, sizes):
        # Plain floats are its parameters until others take their places.
        self.problem = workloads.TwoMoons(sizes.points, sizes.hidden)
        self.hidden = sizes.hidden
        self.data = np.array(self.problem.points)
        self.labels = np.array(self.problem.labels)
        self.numbers = self.problem.parameters()
        points = around(self.numbers, 1e-2, np.random.default_rng(2))
        net = f"MLP 2-[{sizes.hidden},{sizes.hidden},1]"
        super().__init__("net", f"two-moons loss, {net}, {sizes.points} points", points)

    def scalar(self, x, extra, m):
        # forward() looks relu up among its module's names, as it would be in a user's own file.
        own, workloads.relu = workloads.relu, m.relu
        try:
            self.problem.assign(x)
            return self.problem.forward()
        finally:
            workloads.relu = own
            # Nobody's numbers, tape or graph outlive the call.
            self.problem.assign(self.numbers)

    def layers(self):
        """(inputs, outputs) of each layer; a neuron's parameters are its weights, then its bias."""
        return [(2, self.hidden), (self.hidden, self.hidden), (self.hidden, 1)]

    # The same as a sum over the points, for those that take many points in one call.

    def rows(self):
        """What one point brings: its coordinates and its label."""
        return np.column_stack([self.data, self.labels])

    def term(self, x, row, m):
        numbers = iter(x)
        values, last = list(row[:-1]), len(self.layers()) - 1
        for place, (inputs, outputs) in enumerate(self.layers()):
            made = []
            for _ in range(outputs):
                weights = [next(numbers) for _ in range(inputs)]
                act = sum((w * v for w, v in zip(weights, values)), next(numbers))
                made.append(act if place == last else m.relu(act))
            values = made
        return m.relu(1.0 - row[-1] * values[0])

    def complete(self, total, slopes, x):
        """Value and gradient, given the sums of those of the terms."""
        count = len(self.data)
        return total / count + 1e-4 * (x @ x), slopes / count + 2e-4 * x


# --- a Gaussian mixture --------------------------------------------------------------------------


class Mixture(Program):
    """The log-likelihood of points under a mixture of Gaussians with full covariances.

    Parameters: K logits of the weights; K means; for each component the lower triangular factor
    of its inverse covariance, first the logarithms of the diagonal, then the rest row by row.
    """

    def __init__(self, sizes, dimension, name):
        rng = np.random.default_rng(3)
        self.dimension, self.components = dimension, sizes.components
        self.factor = dimension * (dimension + 1) // 2
        centres = rng.normal(0.0, 2.0, (sizes.components, dimension))
        which = rng.integers(sizes.components, size=sizes.samples)
        self.data = centres[which] + rng.standard_normal((sizes.samples, dimension))
        start = [
            *rng.normal(0.0, 0.3, sizes.components),
            *(centres + rng.normal(0.0, 0.3, centres.shape)).ravel(),
            *rng.normal(0.0, 0.2, sizes.components * self.factor),
        ]
        title = f"Gaussian mixture, d={dimension}, K={sizes.components}, n={sizes.samples:,}"
        super().__init__(name, title, around(start, 1e-2, rng))

    def split(self, x):
        """Logits, means and factors, each of the latter two by component."""
        k, d, f = self.components, self.dimension, self.factor
        means = [x[k + c * d : k + (c + 1) * d] for c in range(k)]
        start = k + k * d
        return x[:k], means, [x[start + c * f : start + (c + 1) * f] for c in range(k)]

    def normalisation(self):
        return -0.5 * len(self.data) * self.dimension * math.log(2.0 * math.pi)

    def prepare(self, x, m):
        """What all points share: constant, mean, diagonal and rows below it, by component."""
        d = self.dimension
        prepared = []
        for logit, mean, factor in zip(*self.split(x)):
            diagonal = [m.exp(v) for v in factor[:d]]
            rows = [factor[d + i * (i - 1) // 2 : d + i * (i + 1) // 2] for i in range(d)]
            prepared.append((logit + sum(factor[:d]), mean, diagonal, rows))
        return prepared

    def log_density(self, prepared, point, m):
        """Of one point, without what does not depend on it."""
        terms = []
        for constant, mean, diagonal, rows in prepared:
            off = [p - q for p, q in zip(point, mean)]
            squares = 0.0
            for weight, distance, row in zip(diagonal, off, rows):
                q = weight * distance
                for below, before in zip(row, off):
                    q = q + below * before
                squares = squares + q * q
            terms.append(constant - 0.5 * squares)
        return m.logsumexp(terms)

    def scalar(self, x, extra, m):
        prepared = self.prepare(x, m)
        total = sum(self.log_density(prepared, point, m) for point in self.data.tolist())
        weights = m.logsumexp(list(x[: self.components]))
        return total - len(self.data) * weights + self.normalisation()

    # The same as a sum over the points, for those that take many points in one call.

    def rows(self):
        return self.data

    def term(self, x, row, m):
        weights = m.logsumexp(list(x[: self.components]))
        return self.log_density(self.prepare(x, m), row, m) - weights

    def complete(self, total, slopes, x):
        return total + self.normalisation(), slopes


# --- an option on the average of a path ----------------------------------------------------------


class Asian(Program):
    """The discounted payoff of an Asian call on one path; its normal numbers differ every time."""

    def __init__(self, sizes):
        rng = np.random.default_rng(4)
        self.steps = sizes.steps
        # Spot, strike, rate, volatility, years.
        x = np.array([100.0, 95.0, 0.03, 0.25, 1.0])
        points = [(x, rng.standard_normal(sizes.steps)) for _ in range(sizes.paths)]
        super().__init__("asian", f"Asian option, {sizes.steps} steps, one path a call", points)

    def scalar(self, x, extra, m):
        spot, strike, rate, volatility, years = x
        dt = years / self.steps
        drift = (rate - 0.5 * volatility * volatility) * dt
        scale = volatility * m.sqrt(dt)
        price, total = spot, 0.0
        for z in extra:
            price = price * m.exp(drift + scale * z)
            total = total + price
        return m.exp(-rate * years) * m.relu(total / self.steps - strike)


class Rosenbrock(Program):
    def __init__(self, sizes):
        points = around(np.linspace(-1.0, 1.5, sizes.rosenbrock), 0.1, np.random.default_rng(5))
        super().__init__("rosenbrock", f"Rosenbrock, N = {sizes.rosenbrock:,}", points)

    def scalar(self, x, extra, m):
        return sum(100.0 * (b - a * a) ** 2 + (1.0 - a) ** 2 for a, b in itertools.pairwise(x))


class Small(Program):
    """Twenty operations: what is timed is the call."""

    def __init__(self, name, title):
        super().__init__(name, title, [(np.array([0.7, 1.3, -0.4]), np.empty(0))])

    def scalar(self, x, extra, m):
        x, y, z = x
        a = x * y + z
        b = x * z - y
        c = a * b + 0.5 * x
        d = c / (1.0 + y * y)
        e = d - a * z
        g = m.tanh(e) * b
        h = g + c * d
        return h * h - e * y + 2.0


MAKERS = {
    "dag": Dag,
    "net": Net,
    "gmm": lambda sizes: Mixture(sizes, 2, "gmm"),
    "gmm10": lambda sizes: Mixture(sizes, 10, "gmm10"),
    "asian": Asian,
    "rosenbrock": Rosenbrock,
    "small": lambda sizes: Small("small", "20 operations on an array"),
    "numbers": lambda sizes: Small("numbers", "the same on three numbers"),
}
# The large mixture is for whoever asks for it.
DEFAULT = [name for name in MAKERS if name != "gmm10"]


def of_length(family, operations):
    """A program of about so many operations, of one of the families that recording is timed on."""
    if family == "local_dag":
        return LocalDag(operations)
    if family == "net":
        # Of each point 651 operations, and of the parameters' squares 675.
        return Net(Sizes(points=max(1, round((operations - 675) / 651))))
    return Asian(Sizes(steps=max(1, operations // 5), paths=1))
