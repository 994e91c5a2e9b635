"""Gradients of scalar Python code: micrograd's `Value`, built, differentiated and freed natively.

>>> from micrograd_fast import Value
>>> a, b = Value(2.0), Value(-3.0)
>>> loss = (a * b + 10).tanh()
>>> loss.backward()
>>> round(a.grad, 6)
-0.004023
"""

from micrograd_fast import functional, nn
from micrograd_fast.draw import draw_dot, trace
from micrograd_fast.engine import Value
from micrograd_fast.functional import *  # noqa: F403  (functional.__all__ is the op table)

__version__ = "0.1.0"

__all__ = ["Value", "__version__", "draw_dot", "functional", "nn", "trace", *functional.__all__]
