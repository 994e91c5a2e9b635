"""Draws the random DAG of mixed operations."""

import math
import random

import numpy as np

# How often each operation is proposed. What keeps values in bounds is taken more often, so that of
# what is drawn one in six is a function, and the rest arithmetic.
MIX = {
    "add": 24,
    "sub": 18,
    "mul": 26,
    "scale": 12,
    "div": 9,
    "tanh": 3,
    "sin": 2,
    "exp": 2,
    "log": 2,
    "sqrt": 2,
}


def step_of(op, a, b, da, db, c):
    """The value of an operation and its slopes, given its operands'; None outside its comfort."""
    if op == "add":
        return a + b, da + db
    if op == "sub":
        return a - b, da - db
    if op == "mul":
        return a * b, da * b + a * db
    if op == "scale":
        return a * c, da * c
    if op == "div":
        return (a / b, (da - a / b * db) / b) if abs(b) > 0.5 else None
    if op == "tanh":
        return math.tanh(a), da * (1.0 - math.tanh(a) ** 2)
    if op == "sin":
        return math.sin(a), da * math.cos(a)
    if op == "exp":
        return (math.exp(a), da * math.exp(a)) if a < 2.0 else None
    if op == "log":
        return (math.log(a), da / a) if a > 0.3 else None
    return (math.sqrt(a), 0.5 * da / math.sqrt(a)) if a > 0.3 else None


def mixed_dag(length, pool_size):
    """(start, instructions) of a random DAG in which every node is reached from the result.

    An instruction (op, i, j, c) replaces pool[i] by the result of op on it and, of two operands, on
    pool[j] or the number c. Operations are drawn until every value and the slopes of it by the
    inputs stay between bounds: no sweep meets an overflow or a denormal number, and rounding is
    not magnified, so that gradients can be compared to many digits.
    """
    rng = random.Random(2026)
    start = [rng.uniform(0.5, 1.5) for _ in range(pool_size)]
    value, slopes = list(start), np.eye(pool_size)
    names, weights = list(MIX), list(MIX.values())
    instructions = []
    while len(instructions) < length:
        op = rng.choices(names, weights)[0]
        i, j = rng.randrange(pool_size), rng.randrange(pool_size)
        size = np.abs(slopes[i]).sum()
        # Drawn so that a product with it turns a large value back, and a small one.
        large = max(abs(value[i]), size) > 1.0
        c = rng.uniform(0.3, 1.0) if large else rng.uniform(1.0, 2.0)
        made = step_of(op, value[i], value[j], slopes[i], slopes[j], c)
        if made is not None:
            size = np.abs(made[1]).sum()
            if 0.1 < abs(made[0]) < 10.0 and 0.1 < size < 10.0:
                instructions.append((op, i, j, c))
                value[i], slopes[i] = made
    return start, instructions
