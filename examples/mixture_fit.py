"""A Gaussian mixture fitted with scipy's L-BFGS: where several clouds of points are, and how wide.

The log-likelihood of one point is written on plain numbers; the loss is its mean over all points.
Compiled, ``value_and_grad`` has the signature that ``scipy.optimize.minimize(..., jac=True)``
wants, and every evaluation replays the record. Weights are softmax(logits) and widths
exp(log_width), so that the search is free of constraints.
"""

import math
import time

import numpy as np
from _script import Parser, ScriptError, need, run, whole_number

import micrograd_fast
from micrograd_fast import exp, logsumexp, mean

TRUE_CENTRES = np.array([[-2.0, 0.0], [1.5, 1.5], [1.0, -2.0]])
TRUE_WIDTHS = np.array([0.4, 0.8, 0.3])
TRUE_WEIGHTS = np.array([0.5, 0.3, 0.2])


def sample(count, seed):
    """Points drawn from the true mixture."""
    rng = np.random.default_rng(seed)
    which = rng.choice(len(TRUE_WEIGHTS), size=count, p=TRUE_WEIGHTS)
    return TRUE_CENTRES[which] + TRUE_WIDTHS[which, None] * rng.standard_normal((count, 2))


def make_loss(points, clouds):
    """The compiled loss: a function of one vector of 4 numbers a cloud (logit, x, y, log width)."""

    @micrograd_fast.compile
    def loss(parameters):
        logits, xs, ys, log_widths = (parameters[k * clouds : (k + 1) * clouds] for k in range(4))
        total = logsumexp(logits)
        constants = [
            q - total - 2.0 * s - math.log(2.0 * math.pi) for q, s in zip(logits, log_widths)
        ]
        halves = [0.5 * exp(-2.0 * s) for s in log_widths]
        return -mean(
            logsumexp(
                c - h * ((x - px) ** 2 + (y - py) ** 2)
                for c, h, x, y in zip(constants, halves, xs, ys)
            )
            for px, py in points.tolist()
        )

    return loss


def main():
    parser = Parser(__doc__)
    parser.add_argument("--points", type=whole_number(10, 100_000), default=500, metavar="N")
    parser.add_argument("--time", action="store_true", help="say how long it took")
    parser.add_seed()
    options = parser.parse_args()
    optimize = need("scipy.optimize", "scipy", "test")

    points = sample(options.points, options.seed)
    clouds = len(TRUE_WEIGHTS)
    loss = make_loss(points, clouds)
    # Start from points far apart: the first one, then the one farthest from those taken.
    chosen = [points[0]]
    while len(chosen) < clouds:
        distances = np.min([np.sum((points - centre) ** 2, axis=1) for centre in chosen], axis=0)
        chosen.append(points[np.argmax(distances)])
    start = np.concatenate([np.zeros(clouds), *np.transpose(chosen), np.zeros(clouds)])

    began = time.perf_counter()
    loss.value_and_grad(start)
    recorded = time.perf_counter() - began
    began = time.perf_counter()
    found = optimize.minimize(loss.value_and_grad, start, jac=True, method="L-BFGS-B")
    seconds = time.perf_counter() - began
    if not found.success:
        raise ScriptError(f"no fit: {found.message}")

    logits, xs, ys, log_widths = found.x.reshape(4, clouds)
    weights = np.exp(logits - logits.max())
    weights /= weights.sum()
    print(f"{options.points} points, {loss.stats[0]['operations']} operations")
    if options.time:
        print(f"recorded in {recorded * 1e3:.1f} ms", end="; ")
        print(f"{found.nfev} evaluations in {seconds * 1e3:.1f} ms")
    print(f"loss {found.fun:.6f}")
    print("weight  centre            width")
    for k in np.argsort(-weights):
        print(f"{weights[k]:.3f}   {xs[k]:+.3f}  {ys[k]:+.3f}    {math.exp(log_widths[k]):.3f}")


if __name__ == "__main__":
    run(main)
