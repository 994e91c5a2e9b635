"""Fit a differential equation to noisy data by differentiating through its solver.

Hares x and lynxes y after Lotka and Volterra:  x' = a x - b x y,  y' = d x y - c y.
The solver, fourth-order Runge-Kutta, is ordinary Python and runs on floats as on Values: on floats
it makes the data (noise is added), on Values it leaves the slope of the misfit in a, b, c, d and in
the two starting numbers. Adam follows those slopes from a poor first guess.
"""

import math
import random

from _script import Parser, ScriptError, real_number, run

from micrograd_fast import Value, exp, log, mean
from micrograd_fast.optim import Adam

TRUE = {"a": 1.1, "b": 0.4, "c": 0.9, "d": 0.2, "x0": 5.0, "y0": 2.0}
GUESS = {"a": 0.8, "b": 0.3, "c": 0.7, "d": 0.3, "x0": 4.0, "y0": 3.0}
INTERVAL = 0.5  # time between two observations
SUBSTEPS = 5  # of the solver in it


def rates(state, a, b, c, d):
    """How fast hares and lynxes change."""
    x, y = state
    met = x * y
    return [a * x - b * met, d * met - c * y]


def runge_kutta_step(state, step, *coefficients):
    """The state a time ``step`` later."""
    k1 = rates(state, *coefficients)
    k2 = rates([s + step / 2 * k for s, k in zip(state, k1)], *coefficients)
    k3 = rates([s + step / 2 * k for s, k in zip(state, k2)], *coefficients)
    k4 = rates([s + step * k for s, k in zip(state, k3)], *coefficients)
    return [s + step / 6 * (p + 2 * q + 2 * r + t) for s, p, q, r, t in zip(state, k1, k2, k3, k4)]


def solve(parameters, observations):
    """The states at the times of the observations, the start first."""
    a, b, c, d, x0, y0 = parameters
    states = [[x0, y0]]
    while len(states) < observations:
        state = states[-1]
        for _ in range(SUBSTEPS):
            state = runge_kutta_step(state, INTERVAL / SUBSTEPS, a, b, c, d)
        states.append(state)
    return states


def misfit(states, data):
    """The mean square of the logarithms' differences: noise grows with the numbers counted."""
    errors = [
        log(value / seen) for state, row in zip(states, data) for value, seen in zip(state, row)
    ]
    return mean(error * error for error in errors)


def fit(data, steps, rate=0.2):
    """Adam on the logarithms of the parameters, so that they stay positive: yields each step."""
    logarithms = [Value(math.log(guess)) for guess in GUESS.values()]
    optimizer = Adam(logarithms, lr=rate, betas=(0.9, 0.99), eps=1e-12)
    for step in range(steps):
        parameters = [exp(v) for v in logarithms]
        try:
            loss = misfit(solve(parameters, len(data)), data)
        except (ArithmeticError, ValueError):
            raise ScriptError(f"the fit went astray in step {step}; try less --noise") from None
        yield loss.data, [p.data for p in parameters]
        optimizer.zero_grad()
        loss.backward()
        optimizer.lr = rate * (1 - step / steps)
        optimizer.step()


def main():
    parser = Parser(__doc__)
    parser.add_steps(300)
    parser.add_argument(
        "--noise",
        type=real_number(least=0.0, most=1.0),
        default=0.02,
        help="standard deviation of the data's relative error (default: %(default)s)",
    )
    parser.add_seed()
    options = parser.parse_args()

    rng = random.Random(options.seed)
    data = [
        [value * math.exp(rng.gauss(0.0, options.noise)) for value in state]
        for state in solve(TRUE.values(), observations=41)
    ]
    print(f"{len(data)} observations of hares and lynxes, {options.noise:.1%} noise")
    for step, (loss, found) in enumerate(fit(data, options.steps)):
        if step % 50 == 0 or step == options.steps - 1:
            now = "  ".join(f"{name} {value:.3f}" for name, value in zip(TRUE, found))
            print(f"step {step:4}  misfit {loss:.6f}  {now}")
    print("\n      true   guess  fitted")
    for name, value in zip(TRUE, found):
        print(f"{name:2}  {TRUE[name]:6.3f}  {GUESS[name]:6.3f}  {value:6.3f}")
    print(f"\nmisfit of the true parameters  {misfit(solve(TRUE.values(), len(data)), data):.6f}")


if __name__ == "__main__":
    run(main)
