"""Small neural networks on ``Value``: a neuron, a layer of neurons, a stack of layers.

Every neuron is ``tanh(b + w[0]*x[0] + w[1]*x[1] + ...)``, the last layer included. The weights,
then the bias, are drawn by ``random.uniform(-1, 1)``, so that ``random.seed`` decides the network:

>>> import random
>>> random.seed(1)
>>> network = MLP(3, [4, 4, 1])
>>> network
MLP(3, [4, 4, 1])
>>> len(network.parameters())
41
>>> out = network([2.0, 3.0, -1.0])
>>> -1.0 < out.data < 1.0
True

One step of gradient descent on one sample:

>>> loss = (out - 1.0) ** 2
>>> loss.backward()
>>> for p in network.parameters():
...     p.data -= 0.1 * p.grad
>>> (network([2.0, 3.0, -1.0]) - 1.0).data ** 2 < loss.data
True
"""

import operator
import random
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, SupportsIndex, TypeAlias

from .engine import Value

__all__ = ["MLP", "Layer", "Neuron"]

Inputs: TypeAlias = "Iterable[Value | float] | Value"
# A Value from a layer of one neuron, else a list of them: which one, no annotation can tell.
Output: TypeAlias = Any


def _size(size: SupportsIndex, name: str) -> int:
    """``size`` as an int of at least 1; ``name`` says in the error which argument it was."""
    try:
        number = operator.index(size)
    except TypeError:
        raise TypeError(f"{name} must be an int, got {type(size).__name__}") from None
    if number < 1:
        raise ValueError(f"{name} must be at least 1, got {number}")
    return number


def _sizes(sizes: Iterable[SupportsIndex], name: str) -> list[int]:
    """``sizes`` as a list of ints of at least 1."""
    if isinstance(sizes, (str, bytes)) or not hasattr(sizes, "__iter__"):
        raise TypeError(f"{name} must be a list of layer sizes, got {type(sizes).__name__}")
    checked = [_size(size, f"{name}[{i}]") for i, size in enumerate(sizes)]
    if not checked:
        raise ValueError(f"{name} must hold at least 1 layer size, got 0")
    return checked


def _inputs(x: Any, nin: int, taker: object) -> list[Value | float]:
    """``x`` as a list of ``nin`` inputs for ``taker``, or an error that says what it is instead."""
    if isinstance(x, Value):
        # A layer with one neuron hands its output on bare.
        return _inputs([x], nin, taker)
    if getattr(x, "ndim", 1) != 1:
        raise ValueError(
            f"{taker!r} takes one sample of {nin} inputs, got an array of shape {x.shape}"
        )
    if isinstance(x, (str, bytes)) or not hasattr(x, "__iter__"):
        raise TypeError(f"{taker!r} expects a list of {nin} inputs, got {type(x).__name__}")
    inputs = list(x)
    if len(inputs) != nin:
        raise ValueError(f"{taker!r} expects {nin} inputs, got {len(inputs)}")
    return inputs


class Neuron:
    """``Neuron(nin)``: the tanh of a weighted sum of ``nin`` inputs and a bias.

    ``w`` is the list of weights and ``b`` the bias. The inputs are numbers or Values.

    >>> neuron = Neuron(2)
    >>> neuron.w[0].data, neuron.w[1].data, neuron.b.data = 3.0, -2.0, 0.5
    >>> print(f"{neuron([1.0, 2.0]):.4f}")
    -0.4621
    >>> neuron([1.0])
    Traceback (most recent call last):
    ...
    ValueError: Neuron(2) expects 2 inputs, got 1
    """

    def __init__(self, nin: SupportsIndex) -> None:
        self.w = [Value(random.uniform(-1, 1)) for _ in range(_size(nin, "nin"))]
        self.b = Value(random.uniform(-1, 1))

    def __call__(self, x: Inputs) -> Value:
        w = self.w
        if type(x) is not list or len(x) != len(w):
            x = _inputs(x, len(w), self)
        return sum((wi * xi for wi, xi in zip(w, x)), self.b).tanh()

    def parameters(self) -> list[Value]:
        """The weights, then the bias, as one new list."""
        return [*self.w, self.b]

    def __repr__(self) -> str:
        return f"Neuron({len(self.w)})"


class Layer:
    """``Layer(nin, nout)``: ``nout`` neurons that share their ``nin`` inputs.

    ``neurons`` is the list of them. A call returns the list of their outputs, or with a single
    neuron its bare output:

    >>> len(Layer(2, 3)([1.0, -1.0]))
    3
    >>> isinstance(Layer(2, 1)([1.0, -1.0]), Value)
    True
    """

    def __init__(self, nin: SupportsIndex, nout: SupportsIndex) -> None:
        nin, nout = _size(nin, "nin"), _size(nout, "nout")
        self.neurons = [Neuron(nin) for _ in range(nout)]

    def __call__(self, x: Inputs) -> Output:
        nin = len(self.neurons[0].w)
        if type(x) is not list or len(x) != nin:
            x = _inputs(x, nin, self)
        outs = [neuron(x) for neuron in self.neurons]
        return outs[0] if len(outs) == 1 else outs

    def parameters(self) -> list[Value]:
        """The parameters of every neuron, in order, as one new list."""
        return [p for neuron in self.neurons for p in neuron.parameters()]

    def __repr__(self) -> str:
        return f"Layer({len(self.neurons[0].w)}, {len(self.neurons)})"


class MLP:
    """``MLP(nin, nouts)``: layers of ``nouts[0]``, ``nouts[1]``, ... neurons, one after another.

    ``layers`` is the list of them. A call feeds a list of ``nin`` inputs through all of them:

    >>> isinstance(MLP(3, [4, 4, 1])([2.0, 3.0, -1.0]), Value)
    True
    >>> len(MLP(3, [4, 2])([2.0, 3.0, -1.0]))
    2
    """

    def __init__(self, nin: SupportsIndex, nouts: Iterable[SupportsIndex]) -> None:
        sizes = [_size(nin, "nin"), *_sizes(nouts, "nouts")]
        self.layers = [Layer(nin, nout) for nin, nout in pairwise(sizes)]

    def __call__(self, x: Inputs) -> Output:
        for layer in self.layers:
            x = layer(x)
        return x

    def parameters(self) -> list[Value]:
        """The parameters of every layer, in order, as one new list."""
        return [p for layer in self.layers for p in layer.parameters()]

    def __repr__(self) -> str:
        nin = len(self.layers[0].neurons[0].w)
        return f"MLP({nin}, {[len(layer.neurons) for layer in self.layers]})"
