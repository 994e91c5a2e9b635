"""Programs whose types must come out as annotated.

.ci/run has mypy check this file strictly, and the suite runs it, so that the stubs and the package
cannot both be wrong in the same way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import micrograd_fast as mg
from micrograd_fast import Value, nn

Objects = npt.NDArray[np.object_]


def test_operators() -> None:
    v = Value(2.0)
    total: Value = v + 1
    total += np.float64(1.0) * v - 3 / v
    total = -(total**2) + 2**total
    less: bool = v < 3.0
    number: float = v.data
    children: tuple[Value, ...] = total._children
    assert isinstance(total, Value)
    assert less
    assert number == 2.0
    assert all(isinstance(child, Value) for child in children)


def test_assignment() -> None:
    v = Value(2, label="v")
    v.data -= 0.5 * v.grad
    v.grad = 0
    v.momentum = 0.9
    momentum: Any = v.momentum
    assert (v.data, momentum) == (2.0, 0.9)


def test_constructors() -> None:
    v = Value(2.0)
    made: list[Value] = [
        Value(1.0, (v,), "op"),
        Value(1.0, (v,), (3.0,)),
        Value(1.0, children=[v], local_grads=[3.0]),
        Value(np.int64(1), _prev=(v,)),
    ]
    made[0]._backward = lambda: None
    assert [node.data for node in made] == [1.0, 1.0, 1.0, 1.0]


def test_functions() -> None:
    v, array = Value(0.5), np.array([0.5, 1.0])
    of_value: Value = mg.tanh(v)
    of_float: float = mg.tanh(0.5)
    of_array: npt.NDArray[Any] = mg.tanh(array)
    of_two: Value = mg.maximum(0.25, v)
    of_two_floats: float = mg.hypot(3.0, 4.0)
    with_parameter: Value = mg.leaky_relu(v, negative_slope=0.1)
    chosen: Value = mg.where(v > 0, v, 0.0)
    assert {type(x) for x in (of_value, of_two, with_parameter, chosen)} == {Value}
    assert {type(x) for x in (of_float, of_two_floats)} == {float}
    assert of_array.shape == (2,)


def test_functions_of_many_values() -> None:
    v, array = Value(0.5), np.array([0.5, 1.0])
    total: Value = mg.sum([v, 1.0, v])
    neuron: Value = mg.dot([v, v], array, b=v)
    plain: float = mg.dot([1.0, 2.0], [3.0, 4.0])
    shares: list[Value] = mg.softmax([v, 1.0])
    plain_shares: list[float] = mg.softmax([2.0, 2.0])
    loss: Value = mg.cross_entropy(shares, 1)
    assert {type(x) for x in (total, neuron, loss, *shares)} == {Value}
    assert (plain, plain_shares) == (11.0, [0.5, 0.5])


def test_arrays() -> None:
    v, array = Value(0.5), np.array([0.5, 1.0])
    product: Objects = v * array
    assert {type(x) for x in product} == {Value}


def test_networks() -> None:
    model = nn.MLP(2, [3, 1])
    parameters: list[Value] = model.parameters()
    out: Value | list[Value] = model([1.0, Value(2.0)])
    assert len(parameters) == 13
    assert isinstance(out, Value)


def test_no_grad() -> None:
    @mg.no_grad()
    def doubled(v: Value) -> Value:
        return v * 2.0

    @mg.no_grad
    def tripled(v: Value, factor: float = 3.0) -> Value:
        return v * factor

    with mg.no_grad():
        six: Value = Value(2.0) * 3.0
    four: Value = doubled(Value(2.0))
    nine: Value = tripled(Value(3.0), factor=3.0)
    assert [v.data for v in (six, four, nine)] == [6.0, 4.0, 9.0]
