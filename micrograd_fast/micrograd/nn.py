"""PyPI micrograd's ``nn``: ReLU neurons, a linear last layer, biases that start at zero.

The weights are drawn by ``random.uniform(-1, 1)`` in the same order, so that the same seed gives
the same network; lists that do not match are cut as ``zip`` cuts them. What differs: the weighted
sum of a neuron is one node of the graph, with the same value to the last bit.

>>> random.seed(1)
>>> model = MLP(3, [2, 1])
>>> model
MLP of [Layer of [ReLUNeuron(3), ReLUNeuron(3)], Layer of [LinearNeuron(2)]]
>>> print(f"{model([-1.0, 2.0, -0.5]).data:.4f}")
0.8646

``micrograd_fast.nn`` is the package's own module for networks, with more to choose from.
"""

import random
from collections.abc import Iterable
from typing import Any, TypeAlias

from ..engine import Value
from ..functional import dot

__all__ = ["MLP", "Layer", "Module", "Neuron"]

Inputs: TypeAlias = Iterable[Value | float]
# A Value from a layer of one neuron, else a list of them: which one, no annotation can tell.
Output: TypeAlias = Any


class Module:
    """What has parameters.

    A module of your own returns them from ``parameters()``:

    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.factor = Value(2.0)
    ...     def parameters(self):
    ...         return [self.factor]
    >>> scale = Scale()
    >>> (scale.factor * 3).backward()
    >>> scale.factor.grad
    3.0
    >>> scale.zero_grad()
    >>> scale.factor.grad
    0.0
    """

    def zero_grad(self) -> None:
        """Sets the grad of every parameter to 0."""
        for p in self.parameters():
            p.grad = 0

    def parameters(self) -> list[Value]:
        """The Values to be trained, as a new list: none here."""
        return []


class Neuron(Module):
    """``Neuron(nin, nonlin=True)``: a bias plus a weighted sum of ``nin`` inputs, through ReLU.

    ``w`` is the list of weights and ``b`` the bias; without ``nonlin`` there is no ReLU.

    >>> neuron = Neuron(2)
    >>> neuron.w[0].data, neuron.w[1].data, neuron.b.data = 3.0, -2.0, 0.5
    >>> neuron([1.0, 1.0]), neuron([1.0, 2.0])
    (Value(data=1.5), Value(data=0.0))
    >>> neuron, Neuron(2, nonlin=False)
    (ReLUNeuron(2), LinearNeuron(2))
    """

    def __init__(self, nin: int, nonlin: bool = True) -> None:
        self.w = [Value(random.uniform(-1, 1)) for _ in range(nin)]
        self.b = Value(0)
        self.nonlin = nonlin

    def __call__(self, x: Inputs) -> Value:
        w: Any = self.w
        if type(x) is not list or len(x) != len(w):
            pairs = list(zip(w, x))
            w, x = [wi for wi, _ in pairs], [xi for _, xi in pairs]
        act = dot(w, x, self.b) if x else self.b
        return act.relu() if self.nonlin else act

    def parameters(self) -> list[Value]:
        """The weights, then the bias, as one new list."""
        return [*self.w, self.b]

    def __repr__(self) -> str:
        return f"{'ReLU' if self.nonlin else 'Linear'}Neuron({len(self.w)})"


class Layer(Module):
    """``Layer(nin, nout, **kwargs)``: ``nout`` neurons, each a ``Neuron(nin, **kwargs)``.

    ``neurons`` is the list of them. A call returns the list of their outputs, or with a single
    neuron its bare output:

    >>> len(Layer(2, 3)([1.0, -1.0]))
    3
    >>> isinstance(Layer(2, 1, nonlin=False)([1.0, -1.0]), Value)
    True
    """

    def __init__(self, nin: int, nout: int, **kwargs: Any) -> None:
        self.neurons = [Neuron(nin, **kwargs) for _ in range(nout)]

    def __call__(self, x: Inputs) -> Output:
        out = [neuron(x) for neuron in self.neurons]
        return out[0] if len(out) == 1 else out

    def parameters(self) -> list[Value]:
        """The parameters of every neuron, in order, as one new list."""
        return [p for neuron in self.neurons for p in neuron.parameters()]

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(str(neuron) for neuron in self.neurons)}]"


class MLP(Module):
    """``MLP(nin, nouts)``: layers of ``nouts[0]``, ``nouts[1]``, ... neurons, the last one linear.

    ``layers`` is the list of them. A call feeds ``nin`` inputs through all of them:

    >>> isinstance(MLP(3, [4, 4, 1])([2.0, 3.0, -1.0]), Value)
    True
    >>> len(MLP(3, [4, 2])([2.0, 3.0, -1.0]))
    2
    """

    def __init__(self, nin: int, nouts: list[int]) -> None:
        sizes = [nin, *nouts]
        last = len(sizes) - 2
        self.layers = [
            Layer(sizes[i], sizes[i + 1], nonlin=i != last) for i in range(len(sizes) - 1)
        ]

    def __call__(self, x: Inputs) -> Output:
        for layer in self.layers:
            x = layer(x)
        return x

    def parameters(self) -> list[Value]:
        """The parameters of every layer, in order, as one new list."""
        return [p for layer in self.layers for p in layer.parameters()]

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(str(layer) for layer in self.layers)}]"
