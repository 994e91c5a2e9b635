"""numpy, both ways: Values made from arrays, and arrays of what Values hold.

A *nest* is what the functions here work on: a Value, an iterable of Values, or lists, tuples and
object arrays of Values inside each other, as deep as arrays go. Its shape is that of the array that
it would be.

>>> import numpy as np
>>> from micrograd_fast import data_of, grads_of, set_data, values
>>> w = values(np.arange(6.0).reshape(2, 3))
>>> w[1][2]
Value(data=5.0)
>>> (w[1][2] * 10).backward()
>>> grads_of(w)
array([[ 0.,  0.,  0.],
       [ 0.,  0., 10.]])
>>> set_data(w, data_of(w) - 0.1 * grads_of(w))
>>> data_of(w)
array([[0., 1., 2.],
       [3., 4., 4.]])
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from . import _core
from .engine import Value

__all__ = ["data_of", "grads_of", "set_data", "values"]

Floats = npt.NDArray[np.float64]


def _numbers(array: npt.ArrayLike) -> Floats:
    """``array`` as float64 without gaps; what counts as a number is what ``Value`` takes."""
    given = np.asarray(array)
    if given.dtype.kind in "biuf":
        return np.asarray(given, dtype=np.float64, order="C")
    if given.dtype.kind != "O":
        # Texts have a length in numpy, <U3, that says nothing here.
        items = {"U": "str", "S": "bytes"}.get(given.dtype.kind, given.dtype)
        raise TypeError(f"an array of numbers is needed, not of {items}")
    numbers = np.empty(given.shape)
    for position, element in np.ndenumerate(given):
        try:
            numbers[position] = Value(element).data
        except TypeError:
            place = "".join(f"[{index}]" for index in position)
            raise TypeError(
                f"an array of numbers is needed, but array{place} is {type(element).__name__!r}"
            ) from None
    return numbers


def values(
    array: npt.ArrayLike, as_array: bool = False, out: npt.NDArray[np.object_] | None = None
) -> Any:
    """Make a new Value for every number of an array.

    array
        anything that numpy takes for an array of real numbers: an array of any shape and number
        type, nested lists, a number
    as_array
        bool; return an object array instead of nested lists
    out
        a C-contiguous object array of the same shape, to be filled with the Values and returned

    Returns lists inside lists, a bare Value for a number, or an object array, of the same shape.
    Raises TypeError for what is not a real number: text, complex numbers, None, Values; and
    ValueError for a ragged nest of lists and for an ``out`` of another shape.

    >>> import numpy as np
    >>> from micrograd_fast import values
    >>> values([[1, 2], [3, 4]])
    [[Value(data=1.0), Value(data=2.0)], [Value(data=3.0), Value(data=4.0)]]
    >>> values(np.ones(2), as_array=True) @ np.array([2.0, 3.0])
    Value(data=5.0)
    >>> w = np.zeros(2, dtype=object)
    >>> values([0.5, 1.5], out=w) is w, w[1]
    (True, Value(data=1.5))
    """
    numbers = _numbers(array)
    if out is None and as_array:
        out = np.empty(numbers.shape, dtype=object)
    return _core.new_values(numbers, out)


def data_of(params: Any, out: Floats | None = None) -> Floats:
    """Read the data of Values into an array.

    params
        a nest of Values (see the module); a generator is fine
    out
        a C-contiguous float64 array of the shape of ``params``, to be written to

    Returns ``out``, or a new float64 array of the shape of ``params``.
    Raises TypeError, naming the place, for what is not a Value, and ValueError for a ragged nest,
    naming both lengths, and for an ``out`` of another shape.

    >>> from micrograd_fast import Value, data_of
    >>> data_of([[Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]])
    array([[1., 2.],
           [3., 4.]])
    >>> data_of([[Value(1.0), Value(2.0)], [Value(3.0)]])
    Traceback (most recent call last):
    ...
    ValueError: params are ragged: params[1] has length 1, but those before it have length 2
    """
    return _core.data_of(params, out)


def grads_of(params: Any, out: Floats | None = None) -> Floats:
    """Read the grads of Values into an array; all else is as for ``data_of``.

    >>> from micrograd_fast import Value, grads_of
    >>> a, b = Value(2.0), Value(3.0)
    >>> (a * b).backward()
    >>> grads_of([a, b])
    array([3., 2.])
    """
    return _core.grads_of(params, out)


def set_data(params: Any, array: npt.ArrayLike) -> None:
    """Set the data of Values, all or none of them, from an array.

    params
        a nest of Values (see the module); a Value that occurs twice keeps the later number
    array
        an array, or nested lists, of real numbers in exactly the shape of ``params``

    Grads and the nodes made from the Values before stay as they are.
    Raises TypeError for what is not a Value in ``params`` or not a number in ``array``, and
    ValueError where the shapes differ.

    >>> from micrograd_fast import Value, set_data
    >>> p = [Value(0.0), Value(0.0)]
    >>> set_data(p, [1.5, 2])
    >>> p
    [Value(data=1.5), Value(data=2.0)]
    >>> set_data(p, 1.0)
    Traceback (most recent call last):
    ...
    ValueError: the array has shape (), but (2,) is needed
    """
    _core.set_data(params, _numbers(array))
