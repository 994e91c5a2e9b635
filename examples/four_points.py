"""The four points of the lesson, trained with a compiled loss: one line changed.

A network of tanh neurons learns four targets, first as always, then with ``loss_of`` compiled: it
is recorded at its first call, and from then on a call replays the record without Python. The
training loop stays as it is, the parameters stay ordinary Values, and both runs print the same
losses.
"""

import random
import time

from _script import Parser, run

import micrograd_fast
from micrograd_fast.nn import MLP

INPUTS = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
TARGETS = [1.0, -1.0, -1.0, 1.0]


def train(steps, seed, compiled):
    """The losses of a training run, and the seconds that it took."""
    random.seed(seed)
    network = MLP(3, [4, 4, 1])

    def loss_of(inputs, targets):
        return sum((network(x) - y) ** 2 for x, y in zip(inputs, targets))

    if compiled:
        loss_of = micrograd_fast.compile(loss_of)  # the one line

    losses = []
    began = time.perf_counter()
    for _ in range(steps):
        loss = loss_of(INPUTS, TARGETS)
        network.zero_grad()
        loss.backward()
        for p in network.parameters():
            p.data -= 0.05 * p.grad
        losses.append(loss.data)
    return losses, time.perf_counter() - began


def main():
    parser = Parser(__doc__)
    parser.add_steps(200)
    parser.add_argument("--time", action="store_true", help="say how long a step took")
    parser.add_seed()
    options = parser.parse_args()

    eager, eager_seconds = train(options.steps, options.seed, compiled=False)
    replayed, replayed_seconds = train(options.steps, options.seed, compiled=True)
    print("step  loss        compiled")
    for step in sorted({0, 1, 2, options.steps // 10, options.steps // 2, options.steps - 1}):
        if step < options.steps:
            print(f"{step:4}  {eager[step]:.8f}  {replayed[step]:.8f}")
    largest = max(abs(a - b) / abs(a) for a, b in zip(eager, replayed))
    print(f"largest relative difference: {largest:.1e}")
    if options.time:
        print(f"a step took {eager_seconds / options.steps * 1e6:.0f} us, ", end="")
        print(f"compiled {replayed_seconds / options.steps * 1e6:.0f} us")


if __name__ == "__main__":
    run(main)
