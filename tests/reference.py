"""The pure-Python engine that micrograd_fast is measured against.

The design is the seed notebook's: an operation returns a new ``Value`` that carries a closure, the
closure adds to the gradients of the operands, and ``backward()`` calls the closures in reverse
topological order. What is added to the seed:

* every operation of the op table, as a method and as a function of this module, each one node;
* the sort is iterative, so that a deep graph needs no recursion;
* ``_children`` keeps the operands in order next to the ``_prev`` set;
* partials in forms that do not cancel, overflow or raise where the derivative itself is harmless.

The mathematics of single operations is in reference_math.py and reference_nary.py.
"""

from reference_math import (
    BINARY,
    UNARY,
    base_partial,
    divide,
    exponent_partial,
    over_square,
    power,
)
from reference_nary import NARY


class Value:
    """A number that remembers how it was made and can be differentiated."""

    def __init__(self, data, _children=(), _op="", label=""):
        if isinstance(data, (str, bytes, Value)):
            raise TypeError(f"a Value holds a number, not {type(data).__name__!r}")
        self.data = float(data)
        self.grad = 0.0
        self._backward = lambda: None
        self._children = tuple(_children)
        self._prev = set(self._children)
        self._op = _op
        self.label = label

    def __repr__(self):
        return f"Value(data={self.data})"

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data, (self, other), "+")

        def _backward():
            self.grad += out.grad
            other.grad += out.grad

        out._backward = _backward
        return out

    def __radd__(self, other):
        return self + other

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * other.data, (self, other), "*")

        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out._backward = _backward
        return out

    def __rmul__(self, other):
        return self * other

    def __sub__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data - other.data, (self, other), "-")

        def _backward():
            self.grad += out.grad
            other.grad -= out.grad

        out._backward = _backward
        return out

    def __rsub__(self, other):
        return Value(other) - self

    def __truediv__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data / other.data, (self, other), "/")

        def _backward():
            self.grad += divide(1.0, other.data) * out.grad
            other.grad += -over_square(self.data, other.data) * out.grad

        out._backward = _backward
        return out

    def __rtruediv__(self, other):
        return Value(other) / self

    def __neg__(self):
        out = Value(-self.data, (self,), "neg")

        def _backward():
            self.grad -= out.grad

        out._backward = _backward
        return out

    def __pow__(self, other):
        if isinstance(other, Value):
            return _power(self, other)
        if not isinstance(other, (int, float)):
            raise TypeError(f"** needs a number or a Value, not {type(other).__name__!r}")
        exponent = float(other)
        out = Value(power(self.data, exponent), (self,), f"**{other}")

        def _backward():
            self.grad += base_partial(self.data, exponent) * out.grad

        out._backward = _backward
        return out

    def __rpow__(self, other):
        return _power(Value(other), self)

    def __abs__(self):
        return _unary(self, "abs")

    def backward(self):
        """Set this node's gradient to one and add everybody else's share to theirs."""
        topo = []
        visited = {self}
        pending = [(self, iter(self._children))]
        while pending:
            node, children = pending[-1]
            for child in children:
                if child not in visited:
                    visited.add(child)
                    pending.append((child, iter(child._children)))
                    break
            else:
                topo.append(node)
                pending.pop()

        self.grad = 1.0
        for node in reversed(topo):
            node._backward()


def _unary(x, name):
    forward, partial = UNARY[name]
    if not isinstance(x, Value):
        return forward(float(x))
    out = Value(forward(x.data), (x,), "ReLU" if name == "relu" else name)

    def _backward():
        x.grad += partial(x.data, out.data) * out.grad

    out._backward = _backward
    return out


def _binary(x, y, name):
    forward, partials = BINARY[name]
    if not isinstance(x, Value) and not isinstance(y, Value):
        return forward(float(x), float(y))
    x = x if isinstance(x, Value) else Value(x)
    y = y if isinstance(y, Value) else Value(y)
    out = Value(forward(x.data, y.data), (x, y), name)

    def _backward():
        for_x, for_y = partials(x.data, y.data, out.data)
        x.grad += for_x * out.grad
        y.grad += for_y * out.grad

    out._backward = _backward
    return out


def _power(x, y):
    out = Value(power(x.data, y.data), (x, y), "**")

    def _backward():
        x.grad += base_partial(x.data, y.data) * out.grad
        y.grad += exponent_partial(x.data, y.data, out.data) * out.grad

    out._backward = _backward
    return out


def leaky_relu(x, negative_slope=0.01):
    if not isinstance(x, Value):
        return negative_slope * x if x < 0.0 else float(x)
    out = Value(negative_slope * x.data if x.data < 0.0 else x.data, (x,), "leaky_relu")

    def _backward():
        x.grad += (1.0 if x.data > 0.0 else negative_slope) * out.grad

    out._backward = _backward
    return out


def where(condition, x, y):
    """``x`` if the condition is nonzero, ``y`` otherwise; only the chosen one gets gradient."""
    operands = (condition, x, y)
    if not any(isinstance(operand, Value) for operand in operands):
        return float(x if condition != 0.0 else y)
    condition, x, y = (v if isinstance(v, Value) else Value(v) for v in operands)
    out = Value(x.data if condition.data != 0.0 else y.data, (condition, x, y), "where")

    def _backward():
        chosen = x if condition.data != 0.0 else y
        chosen.grad += out.grad

    out._backward = _backward
    return out


def _nary(name, *arguments):
    """One node for an n-ary function: every argument is a list, or stands for itself."""
    forward, partials = NARY[name]
    flat = []
    for argument in arguments:
        flat += argument if isinstance(argument, (list, tuple)) else [argument]
    if not any(isinstance(operand, Value) for operand in flat):
        return forward(flat)
    last = flat.pop() if name == "cross_entropy" else None
    flat = [v if isinstance(v, Value) else Value(v) for v in flat]
    rest = [] if last is None else [last]
    out = Value(forward([v.data for v in flat] + rest), flat, name)

    def _backward():
        for v, partial in zip(flat, partials([v.data for v in flat] + rest, out.data)):
            v.grad += partial * out.grad

    out._backward = _backward
    return out


def _install():
    def unary(name):
        def function(x):
            return _unary(x, name)

        return function

    def binary(name):
        def function(x, y):
            return _binary(x, y, name)

        return function

    def nary(name):
        def function(*arguments):
            return _nary(name, *arguments)

        return function

    functions = {name: unary(name) for name in UNARY}
    functions.update({name: binary(name) for name in BINARY})
    globals().update(functions)
    globals().update({name: nary(name) for name in NARY})
    for name, function in {**functions, "leaky_relu": leaky_relu}.items():
        setattr(Value, name, function)


_install()
