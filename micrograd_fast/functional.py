"""The functions of the op table: each takes a Value, a plain number or an array.

What stands here is what csrc/ops.def lists; the stub functional.pyi names them one by one.

>>> from micrograd_fast import Value, tanh
>>> tanh(0.0)
0.0
>>> tanh(Value(0.0))
Value(data=0.0)
"""

from micrograd_fast import _core

# softmax and log_softmax are compositions: a node for each value and one that they share.
_COMPOSED = ["softmax", "log_softmax"]

__all__ = [row["name"] for row in _core.op_table() if row["function"]] + _COMPOSED

globals().update({name: getattr(_core, name) for name in __all__})
