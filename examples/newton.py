"""Newton's method: find where f(x) = 0 by following tangents, with f' from one backward().

Each step replaces x by x - f(x) / f'(x), the point where the tangent at x meets the axis. Nobody
writes f' down: f is called on a Value and backward() leaves f'(x) in x.grad. Near a simple root
the number of right digits doubles with every step; watch the column |f(x)|.
"""

import math

from _script import Parser, ScriptError, real_number, run

from micrograd_fast import Value, cos, sin

FUNCTIONS = {
    # name: (f, where to start, what it is)
    "wallis": (lambda x: x**3 - 2 * x - 5, 2.0, "x^3 - 2x - 5, the example of Wallis (1685)"),
    "dottie": (lambda x: cos(x) - x, 1.0, "cos(x) - x"),
    "kepler": (
        lambda x: x - 0.9 * sin(x) - 1.0,
        2.0,
        "x - e sin(x) - M with e = 0.9, M = 1 (Kepler's equation)",
    ),
    "root2": (lambda x: x**2 - 2, 1.0, "x^2 - 2"),
}


def newton(f, start, steps):
    """Yields ``(x, f(x), f'(x))`` for the start and after each step, until a step moves nothing."""
    x = start
    for _ in range(steps + 1):
        at = Value(x)
        try:
            y = f(at)
        except (ArithmeticError, ValueError):
            raise ScriptError(f"f({x:g}) cannot be computed; try another --start") from None
        y.backward()
        yield x, y.data, at.grad
        if at.grad == 0.0:
            raise ScriptError(f"the tangent at x = {x:g} is flat; try another --start")
        following = x - y.data / at.grad
        # At the root rounding may make x alternate between two neighbours.
        if abs(following - x) <= 2 * math.ulp(x):
            return
        x = following
    raise ScriptError(f"no root after {steps} steps; try another --start or more --steps")


def main():
    parser = Parser(__doc__)
    parser.add_argument(
        "--function",
        choices=FUNCTIONS,
        default="wallis",
        help="; ".join(f"{name}: {what}" for name, (_, _, what) in FUNCTIONS.items())
        + " (default: %(default)s)",
    )
    parser.add_argument("--start", type=real_number(), metavar="X", help="the first guess")
    parser.add_steps(50, "steps at most")
    options = parser.parse_args()

    f, start, what = FUNCTIONS[options.function]
    if options.start is not None:
        start = options.start
    print(f"f(x) = {what}")
    print("step  x                    |f(x)|     f'(x)")
    for step, (x, y, slope) in enumerate(newton(f, start, options.steps)):
        print(f"{step:4}  {x:<19.16g}  {abs(y):.2e}  {slope:+.6f}")
    print(f"root  {x!r}")


if __name__ == "__main__":
    run(main)
