"""Gradients of scalar Python code: micrograd's `Value`, built, differentiated and freed natively.

>>> from micrograd_fast import Value
>>> a, b = Value(2.0), Value(-3.0)
>>> loss = (a * b + 10).tanh()
>>> loss.backward()
>>> round(a.grad, 6)
-0.004023
"""

from micrograd_fast import functional, nn, optim
from micrograd_fast._install import install_as_micrograd, uninstall_as_micrograd
from micrograd_fast._no_grad import no_grad
from micrograd_fast._recording import RecordingError
from micrograd_fast.arrays import data_of, grads_of, set_data, values
from micrograd_fast.compile import Function, TapeError, compile, grad, load, value_and_grad
from micrograd_fast.draw import draw_dot, draw_svg, trace
from micrograd_fast.engine import Value
from micrograd_fast.functional import *  # noqa: F403  (functional.__all__ is the op table)
from micrograd_fast.plot import plot_decision_boundary, plot_loss

__version__ = "0.1.0"

__all__ = [
    "Function",
    "RecordingError",
    "TapeError",
    "Value",
    "__version__",
    "compile",
    "data_of",
    "draw_dot",
    "draw_svg",
    "functional",
    "grad",
    "grads_of",
    "install_as_micrograd",
    "load",
    "nn",
    "no_grad",
    "optim",
    "plot_decision_boundary",
    "plot_loss",
    "set_data",
    "trace",
    "uninstall_as_micrograd",
    "value_and_grad",
    "values",
    *functional.__all__,
]
