"""PyPI micrograd, name for name: ``engine`` with ``Value``, ``nn`` with its four classes.

``from micrograd_fast.micrograd.nn import MLP`` takes the place of ``from micrograd.nn import MLP``
and gives the same networks from the same random seed. Scripts that must stay as they are run by
``python -m micrograd_fast run script.py``, or after ``micrograd_fast.install_as_micrograd()``.

>>> import random
>>> from micrograd_fast.micrograd.nn import MLP
>>> random.seed(1337)
>>> model = MLP(2, [16, 16, 1])
>>> len(model.parameters())
337
"""
