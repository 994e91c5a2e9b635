"""Two moons: a small network learns to tell two interleaved half circles apart.

The classic of micrograd: 100 noisy points, MLP 2-[16, 16, 1], a max-margin loss that asks each
score to be on its side of 0 by at least 1, a little weight decay, and gradient descent with
momentum. At the end the network's answer for every place in the plane, drawn in letters; with
--picture FILE also as a picture.
"""

import math
import random
from pathlib import Path

from _script import Parser, ScriptError, need, run

from micrograd_fast import hinge_loss, plot_decision_boundary
from micrograd_fast.nn import MLP
from micrograd_fast.optim import SGD


def moons(count, noise, rng):
    """Points on two half circles that reach into each other; targets 1 (upper) and -1 (lower)."""
    points, targets = [], []
    for i in range(count):
        angle = math.pi * rng.random()
        x, y = math.cos(angle), math.sin(angle)
        upper = i % 2 == 0
        if not upper:
            x, y = 1.0 - x, 0.5 - y
        points.append([x + rng.gauss(0.0, noise), y + rng.gauss(0.0, noise)])
        targets.append(1.0 if upper else -1.0)
    return points, targets


def accuracy(network, points, targets):
    """The share of points whose score is on the right side of 0."""
    right = sum((network(p).data > 0) == (t > 0) for p, t in zip(points, targets))
    return right / len(targets)


def train(network, points, targets, steps, rate=0.2):
    """Yields the loss of each step."""
    optimizer = SGD(network.parameters(), lr=rate, momentum=0.9, weight_decay=1e-4)
    for step in range(steps):
        loss = hinge_loss([network(p) for p in points], targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.lr = rate * (1 - step / steps)
        optimizer.step()
        yield loss.data


def map_of_answers(network, points, targets, columns=64, rows=20):
    """The plane in letters: dots where the network says upper; O for upper points, x for lower."""
    xs, ys = zip(*points)
    left, low = min(xs) - 0.3, min(ys) - 0.3
    width, height = max(xs) + 0.3 - left, max(ys) + 0.3 - low
    across = [left + (column + 0.5) / columns * width for column in range(columns)]
    up = [low + (row + 0.5) / rows * height for row in range(rows)]
    plane = [["." if network([x, y]) > 0 else " " for x in across] for y in up]
    for (x, y), target in zip(points, targets):
        row, column = int((y - low) / height * rows), int((x - left) / width * columns)
        plane[row][column] = "O" if target > 0 else "x"
    return "\n".join("".join(line) for line in reversed(plane))


def draw(network, points, targets, path):
    need("matplotlib", "matplotlib", "demo").use("agg")  # no window
    kind = Path(path).suffix[1:] or "png"
    try:
        plot_decision_boundary(network, points, targets).figure.savefig(path, format=kind)
    except (OSError, ValueError) as error:
        raise ScriptError(f"cannot write {path!r}: {error}") from None
    print(f"wrote {path}")


def main():
    parser = Parser(__doc__)
    parser.add_steps(200)
    parser.add_argument("--picture", metavar="FILE", help="draw into this file, by matplotlib")
    parser.add_seed()
    options = parser.parse_args()

    rng = random.Random(options.seed)
    points, targets = moons(100, 0.1, rng)
    network = MLP(2, [16, 16, 1], activation="tanh", output_activation="linear", seed=options.seed)
    print(f"{network}: {len(network.parameters())} parameters, {len(points)} points")
    for step, loss in enumerate(train(network, points, targets, options.steps), start=1):
        if step == 1 or step % 20 == 0 or step == options.steps:
            print(f"step {step:4}  loss {loss:.4f}")
    print(f"accuracy on these points  {accuracy(network, points, targets):.1%}")
    print(f"accuracy on 1,000 others  {accuracy(network, *moons(1000, 0.1, rng)):.1%}")
    print(map_of_answers(network, points, targets))
    if options.picture is not None:
        draw(network, points, targets, options.picture)


if __name__ == "__main__":
    run(main)
