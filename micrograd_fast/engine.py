"""The engine: `Value`, a scalar that remembers how it was computed."""

from micrograd_fast._core import Value

__all__ = ["Value"]
