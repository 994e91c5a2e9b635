"""``no_grad``: computing without building graphs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Generator
from typing import Any, ParamSpec, TypeVar, overload

from . import _core
from ._recording import refusal

__all__ = ["NoGrad", "no_grad"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

_WAY_OUT = (
    "Leave it out: a recording keeps no graph, and of the compiled function f.value(x) gives the "
    "number alone, as does f(x) called within no_grad()."
)


class NoGrad(_core.NoGrad):
    """What ``no_grad()`` returns: a context manager and a decorator, for any number of uses.

    >>> from micrograd_fast import Value, no_grad
    >>> quiet = no_grad()
    >>> with quiet, quiet:
    ...     (Value(2.0) * 3.0)._children
    ()
    """

    __slots__ = ()

    def __enter__(self) -> None:
        if _core.is_recording():
            raise refusal("no_grad() is entered while a function is being recorded", _WAY_OUT)
        super().__enter__()

    def __call__(self, fn: Callable[_P, _R]) -> Callable[_P, _R]:
        if not callable(fn):
            raise TypeError(f"no_grad decorates a function, not {type(fn).__name__!r}")
        return self._wrapped(fn)

    def _wrapped(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isasyncgenfunction(fn):
            raise TypeError(
                "no_grad cannot decorate an asynchronous generator; use `with no_grad():` around "
                "what it computes"
            )
        # What others run between two steps of these is none of theirs.
        if inspect.iscoroutinefunction(fn):

            async def stepped(*args: Any, **kwargs: Any) -> Any:
                return await _Awaitable(self, fn(*args, **kwargs))

            return functools.wraps(fn)(stepped)
        if inspect.isgeneratorfunction(fn):

            def generated(*args: Any, **kwargs: Any) -> Any:
                return (yield from _steps(self, fn(*args, **kwargs)))

            return functools.wraps(fn)(generated)

        @functools.wraps(fn)
        def called(*args: Any, **kwargs: Any) -> Any:
            with self:
                return fn(*args, **kwargs)

        return called


def _steps(
    block: NoGrad, of: Generator[Any, Any, Any] | Coroutine[Any, Any, Any]
) -> Generator[Any, Any, Any]:
    """Runs a generator or a coroutine with each of its steps in the block."""
    resume: Callable[[Any], Any] = of.send
    given: Any = None
    while True:
        try:
            with block:
                wanted = resume(given)
        except StopIteration as stop:
            return stop.value
        try:
            given, resume = (yield wanted), of.send
        except GeneratorExit:
            with block:
                of.close()
            raise
        except BaseException as error:
            given, resume = error, of.throw


class _Awaitable:
    def __init__(self, block: NoGrad, of: Coroutine[Any, Any, Any]) -> None:
        self._block, self._of = block, of

    def __await__(self) -> Generator[Any, Any, Any]:
        return _steps(self._block, self._of)


@overload
def no_grad(fn: None = ...) -> NoGrad: ...


@overload
def no_grad(fn: Callable[_P, _R]) -> Callable[_P, _R]: ...


def no_grad(fn: Callable[..., Any] | None = None) -> NoGrad | Callable[..., Any]:
    """A block in which operations on Values build no graph.

    fn
        a function to decorate; None, as in ``with no_grad():`` and ``@no_grad()``, gives what
        begins a block or decorates

    Within the block, on the thread that has entered it, every operation, function, call of a module
    and call of a compiled function gives a leaf: the same data, no children. Nothing is kept for a
    ``backward()``, so calls of compiled functions cost a forward pass alone. Blocks may stand
    within each other. A generator or coroutine that is decorated is in the block while it runs, not
    while it waits.

    A node constructed by hand, ``Value(data, children, ...)``, has the children given. Graphs that
    exist already can be differentiated as ever. A function to be compiled must not enter a block
    (RecordingError): what it computes there would be frozen. A compiled function called for the
    first time within a block is recorded as it is outside.

    >>> from micrograd_fast import Value, no_grad
    >>> x = Value(3.0)
    >>> with no_grad():
    ...     y = x * x + 1.0
    >>> y, y._children
    (Value(data=10.0), ())
    >>> @no_grad()
    ... def evaluate(v):
    ...     return v.tanh()
    >>> evaluate(Value(0.0))._op
    ''
    """
    block = NoGrad()
    return block if fn is None else block(fn)
