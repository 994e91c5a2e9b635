"""What recording refuses, in words: `RecordingError`, and where in the user's code it happened."""

from __future__ import annotations

import linecache
import re
import sys
from types import CodeType, TracebackType

from . import _core

__all__ = ["RecordingError", "place_of", "refusal", "refusal_of"]

_OWN = __name__.rpartition(".")[0] + "."

_WAYS_OUT = (
    "Compute with Values instead: where(less(a, b), x, y), minimum, maximum, take(values, index). "
    "An argument that decides what is computed, such as a count, belongs into "
    'static_argnames: compile(fn, static_argnames="n").'
)


class RecordingError(TypeError):
    """A function being recorded did what a program cannot repeat, as with the numbers of one call.

    The message names the line, and what to write instead.

    >>> from micrograd_fast import RecordingError, compile
    >>> f = compile(lambda x: x if x > 0 else -x)
    >>> try:
    ...     f(2.0)
    ... except RecordingError as error:
    ...     print(str(error).partition(",")[0])
    a recorded Value is compared
    """


# What Python says where a Value stands in for the plain number of an argument.
_FROZEN = [
    (re.compile(pattern), what)
    for pattern, what in [
        (r"'Value' object cannot be interpreted as an integer", "used as an integer"),
        (r"indices must be integers or slices, not Value", "used as an index"),
        (r"slice indices must be integers", "used in a slice"),
        (r"only integers, slices \(`:`\)", "used as an index"),
        (r"expected a sequence of integers or a single integer, got 'Value", "used as an integer"),
        (r"must be (a |an )?(int|real number), not '?Value", "used as a plain number"),
        (r"real number is required, not Value", "used as a plain number"),
        (r"argument must be .*not 'Value'", "used as a plain number"),
        (r"type Value doesn't define __\w+__ method", "rounded"),
        (r"\*: '(list|tuple|str|bytes)' and 'Value'", "used to repeat a sequence"),
        (r"\*: 'Value' and '(list|tuple|str|bytes)'", "used to repeat a sequence"),
        (r"can't multiply sequence by non-int of type 'Value'", "used to repeat a sequence"),
        (r"for (//|%|<<|>>|&|\||\^|divmod\(\)).*'Value'", "used in whole-number arithmetic"),
        (r"bad operand type for unary ~: 'Value'", "used in whole-number arithmetic"),
    ]
]


def _message(what: str, place: str, ways_out: str = _WAYS_OUT) -> str:
    return f"{what}, which would freeze the number of this one call{place}\n{ways_out}"


def place_of(code: CodeType, line: int) -> str:
    """One line of source for a message: on a line of its own, with file and number."""
    text = linecache.getline(code.co_filename, line).strip()
    return f"\n  {code.co_filename}:{line}: {text or '(in ' + code.co_name + ')'}"


def refusal(what: str, ways_out: str = _WAYS_OUT) -> RecordingError:
    """The error for doing ``what``, at the line outside this package that does it."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(_OWN):
        frame = frame.f_back
    return RecordingError(_message(what, place_of(frame.f_code, frame.f_lineno), ways_out))


def _innermost(traceback: TracebackType | None) -> str:
    place = ""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not traceback.tb_frame.f_globals.get("__name__", "").startswith(_OWN):
            place = place_of(code, traceback.tb_lineno)
        traceback = traceback.tb_next
    return place


def refusal_of(error: Exception) -> RecordingError | None:
    """The error for an exception of Python's own that came out of a function being recorded, if it
    means that a Value was used where only a plain number will do."""
    if isinstance(error, RecordingError):
        return None
    text = str(error).replace("micrograd_fast.Value", "Value")
    for pattern, what in _FROZEN:
        if pattern.search(text):
            return RecordingError(
                _message(f"a recorded Value is {what}", _innermost(error.__traceback__))
            )
    return None


_core.refuse_recorded_by(refusal)
