"""Which part of a graph a picture shows: so many steps from the root, so many operands of an op."""

from typing import TypeAlias

from .engine import Value

# Operand -> how many times it is one; under None the number of operands that are not drawn.
Operands: TypeAlias = dict[Value | None, int]


def operands(node: Value, most: int | None) -> Operands:
    """What is drawn of the operands of ``node``, in order: ``most`` of them, from both ends."""
    children = node._children
    gap = 0 if most is None else max(0, len(children) - most)
    head = (len(children) - gap + 1) // 2 if gap else len(children)
    found: Operands = {}
    for child in children[:head]:
        found[child] = found.get(child, 0) + 1
    if gap:
        found[None] = gap
        for child in children[head + gap :]:
            found[child] = found.get(child, 0) + 1
    return found


def reach(
    root: Value, depth: int | None, most_operands: int | None, count_to: int | None
) -> dict[Value, Operands]:
    """The nodes at most ``depth`` steps from ``root``, nearest first, each with its operands.

    Stops as soon as there are more than ``count_to``.
    """
    found: dict[Value, Operands] = {}
    level, steps = [root], 0
    known = {root}
    while level and (depth is None or steps <= depth):
        below = []
        for node in level:
            found[node] = operands(node, most_operands)
            if count_to is not None and len(found) > count_to:
                return found
            for child in found[node]:
                if child is not None and child not in known:
                    known.add(child)
                    below.append(child)
        level, steps = below, steps + 1
    return found


def children_first(root: Value, reached: dict[Value, Operands]) -> list[Value]:
    """The nodes of ``reached`` in topological order, the same on every call."""
    order: list[Value] = []
    placed = set()
    waiting = [(root, False)]
    while waiting:
        node, children_placed = waiting.pop()
        if children_placed:
            order.append(node)
        elif node not in placed:
            placed.add(node)
            waiting.append((node, True))
            drawn = [child for child in reached[node] if child is not None and child in reached]
            waiting.extend((child, False) for child in reversed(drawn))
    return order
