"""Neuron, Layer, MLP, Linear and RMSNorm: a call is one native loop (csrc/value_net.c)."""

import math
import operator
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, SupportsIndex

from . import _core
from ._arguments import (
    Init,
    Seed,
    check_init,
    drawer,
    first_bias,
    generator_of,
    inputs_of,
    size_of,
    sizes_of,
)
from ._fused import Fused
from ._module import Module
from .engine import Value
from .functional import dot

__all__ = ["MLP", "Layer", "Linear", "Neuron", "RMSNorm"]


def _linear(x: Any) -> Any:
    return x


# What each activation does to a Value or number. neg is an operator, all others are functions.
_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    name: getattr(_core, name, operator.neg) for name in _core.network_activations()
} | {"linear": _linear}


def _activation(name: str, argument: str = "activation") -> str:
    """``name`` if there is such an activation."""
    if not isinstance(name, str):
        raise TypeError(f"{argument} must be the name of one, got {type(name).__name__}")
    if name not in _ACTIVATIONS:
        raise ValueError(
            f"{argument} must be one of {', '.join(sorted(_ACTIVATIONS))}; got {name!r}"
        )
    return str(name)


def _weighted_sum(w: Iterable[Value], x: Iterable[Value | float], b: Any) -> Any:
    return sum((wi * xi for wi, xi in zip(w, x)), b)


def _activation_shown(neurons: Iterable[Any]) -> Any:
    """The activation of some neurons: a name, or where they differ, all names."""
    names = [neuron.activation for neuron in neurons]
    return names[0] if len(set(names)) == 1 else names


class Neuron(Fused):
    """``Neuron(nin)``: the tanh of a weighted sum of ``nin`` inputs and a bias.

    ``w`` is the list of weights, ``b`` the bias and ``activation`` the name of what is applied to
    the sum: all three may be replaced. The inputs are numbers or Values. ``init`` and ``seed`` are
    those of ``MLP``.

    >>> neuron = Neuron(2)
    >>> neuron.w[0].data, neuron.w[1].data, neuron.b.data = 3.0, -2.0, 0.5
    >>> print(f"{neuron([1.0, 2.0]):.4f}")
    -0.4621
    >>> neuron.activation = "relu"
    >>> neuron([1.0, 1.0])
    Value(data=1.5)
    >>> neuron([1.0])
    Traceback (most recent call last):
    ...
    ValueError: Neuron(2, activation='relu') expects 2 inputs, got 1
    """

    __slots__ = ("w", "b", "activation")  # noqa: RUF023  (the order of the parameters)

    w: list[Value]
    b: Value
    activation: str

    def __init__(
        self,
        nin: SupportsIndex,
        activation: str = "tanh",
        *,
        init: Init = "uniform",
        seed: Seed = None,
    ) -> None:
        nin, activation = size_of(nin, "nin"), _activation(activation)
        check_init(init)
        self._fill(nin, activation, init, drawer(init, generator_of(seed), nin, 1))

    def _fill(self, nin: int, activation: str, init: Init, draw: Callable[[], float]) -> None:
        self.w = [Value(draw()) for _ in range(nin)]
        self.b = Value(first_bias(init, draw))
        self.activation = activation

    def _compose(self, x: Any) -> Any:
        inputs = inputs_of(x, len(self.w), self)
        return _ACTIVATIONS[_activation(self.activation)](_weighted_sum(self.w, inputs, self.b))

    def parameters(self) -> list[Value]:
        """The weights, then the bias, as one new list.

        >>> neuron = Neuron(2)
        >>> neuron.parameters() == [*neuron.w, neuron.b]
        True
        """
        return _parameters(self, Neuron)

    def _call_shown(self) -> str:
        shown = "" if self.activation == "tanh" else f", activation={self.activation!r}"
        return f"{type(self).__name__}({len(self.w)}{shown})"


class Layer(Fused):
    """``Layer(nin, nout)``: ``nout`` neurons that share their ``nin`` inputs.

    ``neurons`` is the list of them. A call returns the list of their outputs, or with a single
    neuron its bare output. The other arguments are those of ``MLP``.

    >>> len(Layer(2, 3)([1.0, -1.0]))
    3
    >>> isinstance(Layer(2, 1)([1.0, -1.0]), Value)
    True
    """

    __slots__ = ("neurons",)

    neurons: list[Neuron]

    def __init__(
        self,
        nin: SupportsIndex,
        nout: SupportsIndex,
        activation: str = "tanh",
        *,
        init: Init = "uniform",
        seed: Seed = None,
    ) -> None:
        nin, nout, activation = size_of(nin, "nin"), size_of(nout, "nout"), _activation(activation)
        check_init(init)
        self._fill(nin, nout, activation, init, generator_of(seed))

    def _fill(self, nin: int, nout: int, activation: str, init: Init, generator: Any) -> None:
        draw = drawer(init, generator, nin, nout)
        self.neurons = [Neuron.__new__(Neuron) for _ in range(nout)]
        for neuron in self.neurons:
            neuron._fill(nin, activation, init, draw)

    def _compose(self, x: Any) -> Any:
        # Every neuron needs the inputs.
        if hasattr(x, "__next__"):
            x = list(x)
        outs = [neuron(x) for neuron in self.neurons]
        return outs[0] if len(outs) == 1 else outs

    def parameters(self) -> list[Value]:
        """The parameters of every neuron, in order, as one new list.

        >>> layer = Layer(2, 3)
        >>> layer.parameters() == [p for neuron in layer.neurons for p in neuron.parameters()]
        True
        """
        return _parameters(self, Layer)

    def _call_shown(self) -> str:
        activation = _activation_shown(self.neurons)
        shown = "" if activation == "tanh" else f", activation={activation!r}"
        return f"{type(self).__name__}({len(self.neurons[0].w)}, {len(self.neurons)}{shown})"


class MLP(Fused):
    """``MLP(nin, nouts)``: layers of ``nouts[0]``, ``nouts[1]``, ... neurons, one after another.

    activation
        the name of what every neuron applies to its sum: ``"tanh"``, ``"relu"``, ``"sigmoid"``,
        ``"linear"`` for nothing, or any other unary op (``"gelu"``, ``"sin"``, ...)
    output_activation
        the same for the last layer; None means ``activation``
    seed
        None draws from the module ``random``, so that ``random.seed`` decides; an int from a
        generator of its own; a ``random.Random`` from that
    init
        how the weights start: ``"uniform"`` between -1 and 1, the biases too (the default);
        ``"xavier"``, ``"he"`` or ``"normal"`` (deviation 1), the biases 0; or a function without
        arguments that returns the number for a weight

    ``layers`` is the list of layers. A call feeds ``nin`` inputs, numbers or Values, through all of
    them in one native loop and returns the list of the last layer's outputs, or a single one bare.
    The values of hidden neurons are not Values: call the layers one after another to see them.

    Raises ValueError, naming both, for a wrong number of inputs, and for unknown names, listing
    the known ones.

    >>> isinstance(MLP(3, [4, 4, 1])([2.0, 3.0, -1.0]), Value)
    True
    >>> len(MLP(3, [4, 2])([2.0, 3.0, -1.0]))
    2
    >>> MLP(2, [16, 1], activation="relu", output_activation="linear", seed=1, init="he")
    MLP(2, [16, 1], activation='relu', output_activation='linear')
    """

    __slots__ = ("layers",)

    layers: list[Layer]

    def __init__(
        self,
        nin: SupportsIndex,
        nouts: Iterable[SupportsIndex],
        activation: str = "tanh",
        output_activation: str | None = None,
        seed: Seed = None,
        init: Init = "uniform",
    ) -> None:
        sizes = [size_of(nin, "nin"), *sizes_of(nouts, "nouts")]
        activation = _activation(activation)
        if output_activation is None:
            output_activation = activation
        output_activation = _activation(output_activation, "output_activation")
        check_init(init)
        generator = generator_of(seed)
        self.layers = []
        for i, (size, nout) in enumerate(pairwise(sizes)):
            layer = Layer.__new__(Layer)
            name = activation if i < len(sizes) - 2 else output_activation
            layer._fill(size, nout, name, init, generator)
            self.layers.append(layer)

    def _compose(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def parameters(self) -> list[Value]:
        """The parameters of every layer, in order, as one new list.

        >>> network = MLP(2, [3, 1])
        >>> network.parameters() == [p for layer in network.layers for p in layer.parameters()]
        True
        """
        return _parameters(self, MLP)

    def _call_shown(self) -> str:
        *hidden, last = self.layers
        output = _activation_shown(last.neurons)
        activation = (
            _activation_shown(n for layer in hidden for n in layer.neurons) if hidden else output
        )
        shown = "" if activation == "tanh" else f", activation={activation!r}"
        shown += "" if output == activation else f", output_activation={output!r}"
        sizes = [len(layer.neurons) for layer in self.layers]
        return f"{type(self).__name__}({len(self.layers[0].neurons[0].w)}, {sizes}{shown})"


class Linear(Fused):
    """``Linear(nin, nout)``: ``nout`` weighted sums of ``nin`` inputs, each with a bias.

    ``w`` is the list of ``nout`` lists of weights, ``b`` the list of biases, or None with
    ``bias=False``. ``init`` and ``seed`` are those of ``MLP``. A call returns a list, also for one
    output.

    >>> linear = Linear(2, 2, init=lambda: 0.5)
    >>> linear([1.0, 3.0])
    [Value(data=2.0), Value(data=2.0)]
    >>> Linear(2, 2, bias=False)
    Linear(2, 2, bias=False)
    """

    __slots__ = ("w", "b")  # noqa: RUF023  (the order of the parameters)

    w: list[list[Value]]
    b: list[Value] | None

    def __init__(
        self,
        nin: SupportsIndex,
        nout: SupportsIndex,
        bias: bool = True,
        init: Init = "uniform",
        seed: Seed = None,
    ) -> None:
        nin, nout = size_of(nin, "nin"), size_of(nout, "nout")
        check_init(init)
        draw = drawer(init, generator_of(seed), nin, nout)
        self.w = [[Value(draw()) for _ in range(nin)] for _ in range(nout)]
        self.b = [Value(first_bias(init, draw)) for _ in range(nout)] if bias else None

    def _compose(self, x: Any) -> Any:
        inputs = inputs_of(x, len(self.w[0]), self)
        biases = [0.0] * len(self.w) if self.b is None else self.b
        for wanted, given in [(len(self.w), len(biases)), *((len(inputs), len(w)) for w in self.w)]:
            if wanted != given:
                raise ValueError(f"{self!r} needs {wanted} parameters in a row, got {given}")
        return [_weighted_sum(w, inputs, b) for w, b in zip(self.w, biases)]

    def _call_shown(self) -> str:
        shown = ", bias=False" if self.b is None else ""
        return f"{type(self).__name__}({len(self.w[0])}, {len(self.w)}{shown})"


class RMSNorm(Fused):
    """``RMSNorm(dim)``: inputs over their root mean square, each times a weight that starts at 1.

    Output i is ``w[i] * x[i] / sqrt(mean(x*x) + eps)``, for ``dim`` inputs, numbers or Values.
    ``w`` is the list of weights; it and ``eps`` may be replaced.

    >>> norm = RMSNorm(2, eps=0.0)
    >>> norm([3.0, -3.0])
    [Value(data=1.0), Value(data=-1.0)]
    """

    __slots__ = ("w", "eps")  # noqa: RUF023  (the order of the arguments)

    w: list[Value]
    eps: float

    def __init__(self, dim: SupportsIndex, eps: float = 1e-5) -> None:
        self.w = [Value(1.0) for _ in range(size_of(dim, "dim"))]
        self.eps = float(eps)
        if not 0.0 <= self.eps < math.inf:
            raise ValueError(f"eps must be finite and not negative, got {self.eps!r}")

    def _compose(self, x: Any) -> list[Value]:
        inputs = inputs_of(x, len(self.w), self)
        scale: Any = (dot(inputs, inputs) / len(inputs) + self.eps) ** -0.5
        return [wi * (xi * scale) for wi, xi in zip(self.w, inputs)]

    def _call_shown(self) -> str:
        shown = "" if self.eps == 1e-5 else f", eps={self.eps!r}"
        return f"{type(self).__name__}({len(self.w)}{shown})"


def _parameters(module: Fused, kind: type[Fused]) -> list[Value]:
    """From the core where it knows them, which a subclass with attributes of its own it may not."""
    known: list[Value] | None = None
    if type(module) is kind:
        known = _core.network_parameters(module)
    return Module.parameters(module) if known is None else known


_core.network_classes(Fused, Neuron, Layer, MLP, Linear, RMSNorm)
