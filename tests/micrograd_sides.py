"""PyPI micrograd and micrograd_fast.micrograd side by side: one program, run on both."""

import random
from types import SimpleNamespace

import micrograd.engine
import micrograd.nn
import pytest

import micrograd_fast
import micrograd_fast.micrograd.engine
import micrograd_fast.micrograd.nn

PYPI = SimpleNamespace(name="PyPI", engine=micrograd.engine, nn=micrograd.nn)
OURS = SimpleNamespace(
    name="ours", engine=micrograd_fast.micrograd.engine, nn=micrograd_fast.micrograd.nn
)
BOTH = [PYPI, OURS]
WIDTH = 1e-12


def flat(result):
    """A nested result as a list of floats and of everything else as it is."""
    if isinstance(result, (list, tuple)):
        return [item for part in result for item in flat(part)]
    if isinstance(result, (micrograd.engine.Value, micrograd_fast.Value)):
        return [float(result.data), float(result.grad)]
    return [float(result) if isinstance(result, (int, float)) else result]


def same(program, *arguments, seed=1, floor=0.0):
    """Runs ``program(engine, nn, ...)`` on both and sees that they agree; returns our result.

    Numbers agree to 1e-12 of themselves, or to ``floor`` where sums may have cancelled.
    """
    results = []
    for side in BOTH:
        random.seed(seed)
        results.append(program(side.engine, side.nn, *arguments))
        results.append(random.random())  # the same number of draws
    theirs, their_draw, ours, our_draw = results
    assert our_draw == their_draw
    assert len(flat(ours)) == len(flat(theirs))
    for one, other in zip(flat(ours), flat(theirs)):
        if isinstance(one, float):
            assert one == pytest.approx(other, rel=WIDTH, abs=floor, nan_ok=True)
        else:
            assert one == other
    return ours
