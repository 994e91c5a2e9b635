"""PyPI micrograd's ``engine``: the same ``Value`` as ``micrograd_fast.Value``.

>>> from micrograd_fast.micrograd.engine import Value
>>> a, b = Value(-4.0), Value(2.0)
>>> c = a + b
>>> d = a * b + b**3
>>> c += c + 1
>>> c += 1 + c + (-a)
>>> d += d * 2 + (b + a).relu()
>>> d += 3 * d + (b - a).relu()
>>> e = c - d
>>> f = e**2
>>> g = f / 2.0
>>> g += 10.0 / f
>>> print(f"{g.data:.4f}")
24.7041
>>> g.backward()
>>> print(f"{a.grad:.4f} {b.grad:.4f}")
138.8338 645.5773

What differs: ``data`` and ``grad`` are floats always, ``-`` and ``/`` are one node each, and the
repr is shorter, except where ``install_as_micrograd()`` holds.
"""

from ..engine import Value

__all__ = ["Value"]
