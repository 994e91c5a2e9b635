"""The same training step on the native engine and on the plain Python one, timed side by side."""

import gc
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from time import perf_counter

from . import _pure
from ._demo_train import Samples, Scalar, Targets, moons
from .draw import trace
from .engine import Value

_SIZES = (2, 16, 16, 1)
_RATE = 0.1


def max_margin_loss(scores: list[Scalar], targets: Targets, parameters: Iterable[Scalar]) -> Scalar:
    """The mean of ``max(0, 1 - target * score)``, with a little L2 on the parameters."""
    losses = [(1 + score * -target).relu() for score, target in zip(scores, targets)]
    return sum(losses) * (1.0 / len(losses)) + sum(p * p for p in parameters) * 1e-4


@dataclass
class Comparison:
    """Median seconds of a training step on each engine, and what the step was."""

    operations: int
    native: float
    pure: float
    repetitions: int
    collector: bool
    agree: bool  # the two engines reported the same losses

    @property
    def times(self) -> float:
        """How many times as fast the native engine is."""
        return self.pure / self.native


class _Step:
    """A training step in a user's own words, on whichever class ``value`` it is given."""

    def __init__(
        self, value: Callable[[float], Scalar], seed: int, samples: Samples, targets: Targets
    ) -> None:
        rng = random.Random(seed)
        self.samples, self.targets = samples, targets
        self.layers = [
            [
                ([value(rng.uniform(-1, 1)) for _ in range(nin)], value(rng.uniform(-1, 1)))
                for _ in range(nout)
            ]
            for nin, nout in pairwise(_SIZES)
        ]
        self.parameters = [p for layer in self.layers for w, b in layer for p in (*w, b)]

    def score(self, x: list[Scalar]) -> Scalar:
        for layer in self.layers:
            x = [sum((wi * xi for wi, xi in zip(w, x)), b).tanh() for w, b in layer]
        return x[0]

    def loss(self) -> Scalar:
        scores = [self.score(x) for x in self.samples]
        return max_margin_loss(scores, self.targets, self.parameters)

    def timed(self) -> tuple[float, float]:
        """Runs one step. The seconds it took, the release of its graph included, and its loss."""
        start = perf_counter()
        loss = self.loss()
        for p in self.parameters:
            p.grad = 0.0
        loss.backward()
        for p in self.parameters:
            p.data -= _RATE * p.grad
        data = loss.data
        del loss
        return perf_counter() - start, data


def compare(seed: int, repetitions: int, collector: bool, points: int = 100) -> Comparison:
    """Times both engines ``repetitions`` times in turn, with Python's cyclic collector on or off.

    With the collector off, what the plain engine leaves for it (its graphs are cycles) is
    collected between the timings at nobody's expense.
    """
    samples, targets = moons(seed)
    samples, targets = samples[:points], targets[:points]
    steps = [_Step(value, seed, samples, targets) for value in (Value, _pure.Value)]
    operations = sum(bool(node._op) for node in trace(steps[0].loss())[0])
    was_enabled = gc.isenabled()
    seconds: tuple[list[float], list[float]] = ([], [])
    losses: tuple[list[float], list[float]] = ([], [])
    try:
        gc.enable() if collector else gc.disable()
        for _ in range(repetitions + 1):
            # Once for both engines: the native one, whose turn is first, leaves no garbage.
            gc.collect()
            for engine, step in enumerate(steps):
                spent, loss = step.timed()
                seconds[engine].append(spent)
                losses[engine].append(loss)
    finally:
        gc.enable() if was_enabled else gc.disable()
    # The first step of each warms caches and allocators up.
    native, pure = (median(spent[1:]) for spent in seconds)
    agree = all(abs(a - b) <= 1e-9 * abs(b) for a, b in zip(*losses))
    return Comparison(operations, native, pure, repetitions, collector, agree)
