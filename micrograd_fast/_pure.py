"""A scalar autograd engine in plain Python, for the demo to compare the native one against.

It does what people who arrive here have been running: one object and one closure an operation,
children kept in a set, an order by depth-first search (with a list for a stack, which is no slower
than recursion), then the closures in reverse. Only the operations of the demo's step are here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable


class Value:
    def __init__(self, data: float, children: Iterable[Value] = (), op: str = "") -> None:
        self.data = data
        self.grad = 0.0
        self._backward: Callable[[], None] = lambda: None
        self._prev = set(children)
        self._op = op

    def __add__(self, other: Value | float) -> Value:
        term = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + term.data, (self, term), "+")

        def propagate() -> None:
            self.grad += out.grad
            term.grad += out.grad

        out._backward = propagate
        return out

    def __mul__(self, other: Value | float) -> Value:
        factor = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * factor.data, (self, factor), "*")

        def propagate() -> None:
            self.grad += factor.data * out.grad
            factor.grad += self.data * out.grad

        out._backward = propagate
        return out

    __radd__ = __add__
    __rmul__ = __mul__

    def tanh(self) -> Value:
        t = math.tanh(self.data)
        out = Value(t, (self,), "tanh")

        def propagate() -> None:
            self.grad += (1.0 - t * t) * out.grad

        out._backward = propagate
        return out

    def relu(self) -> Value:
        out = Value(max(self.data, 0.0), (self,), "ReLU")

        def propagate() -> None:
            self.grad += (out.data > 0.0) * out.grad

        out._backward = propagate
        return out

    def backward(self) -> None:
        order: list[Value] = []
        visited = set()
        waiting = [(self, False)]
        while waiting:
            node, children_done = waiting.pop()
            if children_done:
                order.append(node)
            elif node not in visited:
                visited.add(node)
                waiting.append((node, True))
                waiting.extend([(child, False) for child in node._prev])
        self.grad = 1.0
        for node in reversed(order):
            node._backward()
