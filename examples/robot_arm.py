"""Inverse kinematics: which angles of a robot arm's joints put its hand on a target?

``hand`` is where the hand of a planar arm is, written as anyone would. Compiled, it has a
``jacobian``: how the hand moves with each joint. Damped least squares (Levenberg 1944, Marquardt
1963) turns that into steps of the joints: solve ``(J' J + d I) step = J' (target - hand)``, be
bolder when a step helped and more careful when it did not. ``--picture FILE`` draws the arm.
"""

import numpy as np
from _script import Parser, ScriptError, need, real_number, run, whole_number

import micrograd_fast
from micrograd_fast import cos, sin


@micrograd_fast.compile
def hand(angles, lengths):
    """Each joint turns all that comes after it: angles add up along the arm."""
    x, y, direction = 0.0, 0.0, 0.0
    for angle, length in zip(angles, lengths):
        direction = direction + angle
        x = x + length * cos(direction)
        y = y + length * sin(direction)
    return [x, y]


def reach(target, lengths, angles, steps, tolerance=1e-10):
    """Yields ``(angles, distance)`` from the start on, until the hand is there."""
    damping = 1.0
    at = np.array(hand.value(angles, lengths))
    for _ in range(steps):
        missing = target - at
        distance = float(np.hypot(*missing))
        yield angles, distance
        if distance < tolerance:
            return
        slope = np.array(hand.jacobian(angles, lengths))
        square = slope.T @ slope + damping * np.eye(len(angles))
        tried = angles + np.linalg.solve(square, slope.T @ missing)
        there = np.array(hand.value(tried, lengths))
        if np.hypot(*(target - there)) < distance:
            angles, at, damping = tried, there, damping / 4
        else:
            damping *= 4
    raise ScriptError(
        f"the hand is still {distance:.2g} away after {steps} steps; try more --steps"
    )


def draw(path, arms, lengths, target):
    """The arm at some of its positions, paler the earlier."""
    figure_of = need("matplotlib.figure", "matplotlib", "plot")
    figure = figure_of.Figure(figsize=(5, 5))
    axes = figure.add_subplot(aspect="equal", title="a robot arm reaches for the cross")
    for k, angles in enumerate(arms):
        directions = np.cumsum(angles)
        x = np.concatenate([[0.0], np.cumsum(lengths * np.cos(directions))])
        y = np.concatenate([[0.0], np.cumsum(lengths * np.sin(directions))])
        axes.plot(x, y, "o-", color="tab:blue", alpha=0.15 + 0.85 * (k + 1) / len(arms))
    axes.plot(*target, "x", color="tab:red", markersize=12, markeredgewidth=2)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise ScriptError(f"cannot write {path!r}: {error}") from None


def main():
    parser = Parser(__doc__)
    parser.add_argument("--joints", type=whole_number(2, 50), default=4, metavar="N")
    parser.add_argument("--x", type=real_number(), default=1.2, help="where the target is")
    parser.add_argument("--y", type=real_number(), default=1.6)
    parser.add_argument("--picture", metavar="FILE", help="draw the arm on its way (png, svg, pdf)")
    parser.add_steps(200, "steps at most")
    options = parser.parse_args()

    lengths = np.full(options.joints, 3.0 / options.joints)
    target = np.array([options.x, options.y])
    if np.hypot(*target) > 3.0:
        raise ScriptError(f"the arm is 3 long, the target {np.hypot(*target):.3g} away")
    print("step  distance")
    arms = []
    for step, (angles, distance) in enumerate(
        reach(target, lengths, np.full(options.joints, 0.1), options.steps)
    ):
        arms.append(angles)
        print(f"{step:4}  {distance:.3e}")
    print(
        "angles",
        " ".join(f"{angle:+.6f}" for angle in np.remainder(arms[-1] + np.pi, 2 * np.pi) - np.pi),
    )
    if options.picture is not None:
        draw(options.picture, arms[:: max(1, len(arms) // 6)] + arms[-1:], lengths, target)
        print(f"wrote {options.picture}")


if __name__ == "__main__":
    run(main)
