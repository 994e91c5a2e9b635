"""Small neural networks on ``Value``: neurons, layers, stacks of layers, and what GPTs need.

Every neuron is ``tanh(b + w[0]*x[0] + w[1]*x[1] + ...)``, the last layer included, unless told
otherwise. The weights, then the bias, are drawn by ``random.uniform(-1, 1)``, so that
``random.seed`` decides the network:

>>> import random
>>> random.seed(1)
>>> network = MLP(3, [4, 4, 1])
>>> network
MLP(3, [4, 4, 1])
>>> network.num_parameters()
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

A call of a Neuron, Layer, MLP, Linear or RMSNorm is one native loop and makes one node for each
output. Its children are the inputs that are Values and the parameters. These stay ordinary Values
in ordinary lists: read, label, share or replace them as you like, and the next call sees it.
Replace a neuron or a layer by anything that can be called, and the others are called around it.

As for every node, the gradients read the data of parameters and inputs at the time of backward();
the results inside a network are those of the call.
"""

import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any, SupportsIndex

from ._arguments import Init, Seed, check_init, drawer, generator_of, size_of
from ._layers import MLP, Layer, Linear, Neuron, RMSNorm
from ._module import Module
from .engine import Value

__all__ = ["MLP", "Embedding", "Layer", "Linear", "Module", "Neuron", "RMSNorm", "Sequential"]


class Embedding(Module):
    """``Embedding(count, dim)``: a table of ``count`` rows of ``dim`` Values, looked up by number.

    ``w`` is the list of rows. A call with an int returns that row's Values as a new list; with an
    iterable of ints, the list of their rows. ``init`` and ``seed`` are those of ``MLP``, but the
    default is ``"normal"``.

    Raises IndexError for a row that is not there (negative numbers do not count from the end), and
    TypeError for what is no int.

    >>> table = Embedding(5, 2, init=lambda: 0.25)
    >>> table(3)
    [Value(data=0.25), Value(data=0.25)]
    >>> table([0, 3])[1] == table(3) == table.w[3]
    True
    >>> table(5)
    Traceback (most recent call last):
    ...
    IndexError: Embedding(5, 2) has the rows 0 to 4, got 5
    """

    def __init__(
        self, count: SupportsIndex, dim: SupportsIndex, init: Init = "normal", seed: Seed = None
    ) -> None:
        count, dim = size_of(count, "count"), size_of(dim, "dim")
        check_init(init)
        draw = drawer(init, generator_of(seed), count, dim)
        self.w = [[Value(draw()) for _ in range(dim)] for _ in range(count)]

    def _row(self, index: Any) -> list[Value]:
        try:
            row = operator.index(index)
        except TypeError:
            raise TypeError(
                f"{self!r} takes an int or several, got {type(index).__name__}"
            ) from None
        if not 0 <= row < len(self.w):
            raise IndexError(f"{self!r} has the rows 0 to {len(self.w) - 1}, got {row}")
        return list(self.w[row])

    def __call__(self, index: SupportsIndex | Iterable[SupportsIndex]) -> Any:
        if hasattr(index, "__iter__") and not isinstance(index, (str, bytes, Value)):
            if getattr(index, "ndim", 1) != 0:
                return [self._row(i) for i in index]
        return self._row(index)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.w)}, {len(self.w[0])})"


class Sequential(Module):
    """``Sequential(first, second, ...)``: feeds what the one returns to the next.

    They are modules, or any functions of one argument. ``modules`` is the list of them; ``len``,
    indices and loops work on the whole as on that list.

    >>> network = Sequential(Linear(2, 8), lambda x: [v.gelu() for v in x], Layer(8, 1))
    >>> isinstance(network([0.5, -0.5]), Value)
    True
    >>> network.num_parameters()
    33
    """

    def __init__(self, *modules: Callable[[Any], Any]) -> None:
        for i, module in enumerate(modules):
            if not callable(module):
                raise TypeError(
                    f"Sequential takes modules and functions, but argument {i} is "
                    f"{type(module).__name__!r}"
                )
        self.modules = list(modules)

    def __call__(self, x: Any) -> Any:
        for module in self.modules:
            x = module(x)
        return x

    def __len__(self) -> int:
        return len(self.modules)

    def __getitem__(self, index: int) -> Callable[[Any], Any]:
        return self.modules[index]

    def __iter__(self) -> Iterator[Callable[[Any], Any]]:
        return iter(self.modules)
