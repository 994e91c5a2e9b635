"""Programs as text, and as eager operations."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from . import _core
from .engine import Value

__all__ = ["evaluate", "text"]

Operand = tuple[str, int]

_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**"}

_SPELLED: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "pow": operator.pow,
    "neg": operator.neg,
    "exp_difference": _core.softmax_element,
}


def _half(numbers: list[Any]) -> tuple[list[Any], list[Any]]:
    return numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]


def _dot(x: list[Any], _: object) -> Any:
    return _core.dot(*_half(x[:-1]), x[-1])


def _take(x: list[Any], _: object) -> Any:
    index = x[-1]
    return _core.take(x[:-1], index if isinstance(index, Value) else int(index))


# By name, an n-ary op of its operands and its parameter.
_NARY: dict[str, Callable[[list[Any], Any], Any]] = {
    "dot": _dot,
    "sum": lambda x, _: _core.sum(x),
    "mean": lambda x, _: _core.mean(x),
    "logsumexp": lambda x, _: _core.logsumexp(x),
    "norm": lambda x, _: _core.norm(x),
    "mse_loss": lambda x, _: _core.mse_loss(*_half(x)),
    "hinge_loss": lambda x, _: _core.hinge_loss(*_half(x)),
    "polyval": lambda x, _: _core.polyval(x[:-1], x[-1]),
    "cross_entropy": lambda x, place: _core.cross_entropy(x, int(place)),
    "take": _take,
}


def evaluate(tape: _core.Tape, inputs: Sequence[Any]) -> list[Any]:
    """The outputs of a program by eager operations on ``inputs``, Values or numbers."""
    constants, ops, outputs = tape.listing()
    results: list[Any] = []
    sources: dict[str, Sequence[Any]] = {"c": constants, "i": inputs, "o": results}
    for name, operands, parameter in ops:
        numbers = [sources[kind][index] for kind, index in operands]
        if name in _NARY:
            results.append(_NARY[name](numbers, parameter))
        else:
            results.append((_SPELLED.get(name) or getattr(_core, name))(*numbers))
    return [sources[kind][index] for kind, index in outputs]


def _operation(name: str, operands: list[str], parameter: float | None) -> str:
    if name in _INFIX:
        return f" {_INFIX[name]} ".join(operands)
    if name == "neg":
        return f"-{operands[0]}"
    half = len(operands) // 2
    if name in ("dot", "mse_loss", "hinge_loss"):
        lists = [operands[:half], operands[half : 2 * half]]
        rest = operands[2 * half :]
    elif name in ("take", "polyval"):
        lists, rest = [operands[:-1]], operands[-1:]
    elif name in _NARY:
        lists, rest = [operands], []
    else:
        lists, rest = [], operands
    if name == "cross_entropy" and parameter is not None:
        rest = [f"{parameter:.0f}"]
    words = [f"[{', '.join(items)}]" for items in lists] + rest
    return f"{name}({', '.join(words)})"


def text(tape: _core.Tape, inputs: Sequence[str], outputs: Sequence[str]) -> list[str]:
    """One line for each op, and one for each output; ``inputs`` are names, captured ones last."""
    constants, ops, results = tape.listing()

    def spelled(operand: Operand) -> str:
        kind, index = operand
        if kind == "c":
            return repr(constants[index])
        return inputs[index] if kind == "i" else f"t{index}"

    lines = [
        f"t{index} = {_operation(name, [spelled(o) for o in operands], parameter)}"
        for index, (name, operands, parameter) in enumerate(ops)
    ]
    return lines + [f"{name} = {spelled(result)}" for name, result in zip(outputs, results)]
