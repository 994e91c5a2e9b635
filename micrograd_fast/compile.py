"""Compiled functions: a Python function recorded once, then replayed without Python.

>>> from micrograd_fast import compile, exp
>>> @compile
... def f(x, y):
...     return x * exp(y)
>>> f.value(2.0, 0.0)
2.0
>>> f.value_and_grad(2.0, 0.0, argnums=(0, 1))
(2.0, (1.0, 2.0))

The first call for each *structure* of arguments (a number; a list of 3 numbers; an array of shape
(10, 2); a dict of these; and so on) runs the function once on Values and writes down what it
computed. Calls of the same structure replay that program with their own numbers. What the function
did besides (printing, reading a file, branching on something else than its arguments) happened at
the recording and not again.

Nothing that depends on the arguments' numbers is frozen silently: a comparison, ``.data``,
``range(n)`` and so on raise `RecordingError` with the line. Leaf Values from outside, a model's
parameters for instance, are *captured alive*: each call reads their data as it is then.

Which call when:

==========================  ======================================================================
``f(x)``                    a Value connected to Values among the arguments and to those captured,
                            for ``loss.backward()`` in a training loop; within ``no_grad()`` a leaf
``f.value(x)``              the number alone, in floats and arrays: no gradient is prepared
``f.value_and_grad(x)``     the number and its gradient in the arguments, for optimizers
``f.jacobian``, ``f.vjp``   several results at once
``f.hessian``, ``f.hvp``    second derivatives
``f.to_c("name")``          C source of the value and the gradient, for where there is no Python
==========================  ======================================================================
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, overload

from . import _core, _listing, _tape_file
from ._core import TapeError
from ._recording import RecordingError, refusal_of
from .draw import draw_dot
from .engine import Value

if TYPE_CHECKING:
    import graphviz

__all__ = ["CompiledFunction", "Function", "TapeError", "compile", "grad", "load", "value_and_grad"]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _pass_numbers(passes: Iterable[str] | None) -> tuple[int, ...]:
    known = [name for name, _ in _core.pass_table()]
    if passes is None:
        return tuple(range(len(known)))
    if isinstance(passes, str) or not isinstance(passes, Iterable):
        raise TypeError(f"passes must be an iterable of names, not {passes!r}")
    wanted = list(passes)
    for name in wanted:
        if name not in known:
            raise ValueError(f"there is no pass {name!r}; the passes are {', '.join(known)}")
    return tuple(number for number, name in enumerate(known) if name in wanted)


def _is_plain(leaf: object) -> bool:
    return not isinstance(leaf, Value)


class Function(_core.FunctionCore):
    """A function from inputs to outputs, made from a graph that exists already.

    inputs
        a Value, or a list or tuple with one item for each argument: a Value, or a nest of them
        (lists, tuples, dicts, arrays), which a call then gives in the same structure. Leaves or
        not: what lies below an input does not matter
    outputs
        a Value or a nest of Values
    name
        str; for messages and printing
    passes
        names of the passes that the program goes through (see ``compile``)

    All other leaves that the outputs depend on are captured. What the calls are is told at
    ``compile``; a Function has one structure of arguments, and others are a TypeError.

    >>> from micrograd_fast import Function, Value
    >>> x, y, w = Value(2.0), Value(3.0), Value(10.0)
    >>> f = Function([x, y], w * x + y)
    >>> f.value(1.0, 2.0)
    12.0
    >>> w.data = 100.0
    >>> f.value(1.0, 2.0)
    102.0
    """

    def __init__(
        self,
        inputs: Any,
        outputs: Any,
        *,
        name: str = "function",
        passes: Iterable[str] | None = None,
    ) -> None:
        if not isinstance(inputs, (list, tuple)):
            inputs = (inputs,)
        names = tuple(f"inputs[{i}]" for i in range(len(inputs)))
        arguments, leaves = _core.describe_arguments(tuple(inputs), names)
        for leaf, place in zip(leaves, self._names(arguments, names)):
            if _is_plain(leaf):
                raise TypeError(f"{place} must be a Value, not {type(leaf).__name__!r}")
        if len(set(leaves)) != len(leaves):
            raise ValueError("a Value is twice among the inputs")
        result, results = _core.describe(outputs, "outputs")
        for leaf, place in zip(results, result.names("outputs")):
            if _is_plain(leaf):
                raise TypeError(f"{place} must be a Value, not {type(leaf).__name__!r}")
        try:
            tape = _core.lower(leaves, results, _pass_numbers(passes))
        except _core.Unrecordable as error:
            raise RecordingError(f"{error}, so it can only be an input of a Function") from None
        parameters = tuple(
            leaf.label if isinstance(leaf, Value) and leaf.label else f"x{i}"
            for i, leaf in enumerate(inputs)
        )
        notes = {"parameters": parameters, "numbers": [leaf.data for leaf in leaves]}
        plain = [False] * len(results)
        _core.finish(tape, arguments, None, result, plain, name, 0.0, notes)
        self.__name__ = name
        self.adopt(tape)

    @staticmethod
    def _names(arguments: _core.Structure, names: tuple[str, ...]) -> list[str]:
        return [leaf for place, name in enumerate(names) for leaf in arguments[place].names(name)]

    # --- finding the tape ---

    def _canonical(
        self, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if not keywords:
            return arguments, keywords
        for tape in self.tapes.values():
            names = () if tape.keywords is None else tape.keywords.dict_keys()
            if set(names) == set(keywords):
                return arguments, {name: keywords[name] for name in names}
        raise TypeError(
            f"{self.__name__} has no recording with the keyword arguments {list(keywords)}"
        )

    def _tape_for(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> _core.Tape:
        names = tuple(f"argument {i}" for i in range(len(arguments)))
        given, _ = _core.describe_arguments(arguments, names)
        known = " or ".join(str(tape.arguments) for tape in self.tapes.values())
        raise TypeError(f"{self.__name__} takes arguments of the structure {known}, not {given}")

    def _inline(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        arguments, keywords = self._canonical(arguments, keywords)
        names = tuple(f"argument {i}" for i in range(len(arguments)))
        given, leaves = _core.describe_arguments(arguments, names)
        tape = self.tapes.get((given.key, None))
        if tape is None:
            return self._tape_for(arguments, keywords)
        return tape.outputs.build(_listing.evaluate(tape, [*leaves, *tape.captured]))

    # --- what is known about it ---

    @property
    def captured(self) -> tuple[Value, ...]:
        """The Values from outside that the recordings use, each once.

        >>> from micrograd_fast import Value, compile
        >>> w = Value(3.0)
        >>> f = compile(lambda x: w * x)
        >>> f.value(2.0)
        6.0
        >>> f.captured
        (Value(data=3.0),)
        """
        return tuple(dict.fromkeys(leaf for tape in self.tapes.values() for leaf in tape.captured))

    @property
    def stats(self) -> list[dict[str, Any]]:
        """A dict for each structure of arguments that has been recorded.

        arguments               the structure, as text
        operations_recorded     as the function wrote them
        operations              after the passes
        runs                    stretches of equal operations, each replayed by one loop
        inputs, captured, outputs, slots
                                how many numbers a run reads, gives and needs room for
        bytes, run_bytes        of the program, and of one run with gradient
        seconds_recording, seconds_lowering, seconds_passes, seconds_slots
                                what the first call took beyond a run

        >>> from micrograd_fast import compile
        >>> f = compile(lambda x: x * x + 1.0)
        >>> f.value(3.0)
        10.0
        >>> f.stats[0]["operations"]
        2
        """
        return [{"arguments": self._signature(tape), **tape.stats} for tape in self.tapes.values()]

    @staticmethod
    def _signature(tape: _core.Tape) -> str:
        words = [repr(tape.arguments[i]) for i in range(len(tape.notes["parameters"]))]
        if tape.keywords is not None:
            keys = tape.keywords.dict_keys()
            words += [f"{key}={tape.keywords[i]!r}" for i, key in enumerate(keys)]
        return f"({', '.join(words)})"

    def _input_names(self, tape: _core.Tape) -> list[str]:
        found = self._names(tape.arguments, tape.notes["parameters"])
        if tape.keywords is not None:
            for i, key in enumerate(tape.keywords.dict_keys()):
                found += tape.keywords[i].names(key)
        for i, leaf in enumerate(tape.captured):
            found.append(leaf.label or f"captured[{i}]")
        return found

    def __str__(self) -> str:
        lines = []
        for tape in self.tapes.values():
            lines.append(f"{self.__name__}{self._signature(tape)}:")
            names = self._input_names(tape)
            lines += [
                f"    {line}" for line in _listing.text(tape, names, tape.outputs.names("result"))
            ]
        return "\n".join(lines) if lines else repr(self)

    def __repr__(self) -> str:
        count = len(self.tapes)
        return f"<compiled {self.__name__}, {count} recording{'s' * (count != 1)}>"

    def draw(self, *arguments: Any, **options: Any) -> graphviz.Digraph:
        """The program as a picture: ``draw_dot`` of a graph with the same operations.

        arguments
            for the numbers in the picture, and which program it is; none: those of the last
            recording
        options
            those of ``draw_dot``
        """
        if arguments:
            arguments, _ = self._canonical(arguments, {})
            tape = self._known(arguments, {}) or self._tape_for(arguments, {})
            numbers = tape.fill(arguments, {}) or []
        elif not self.tapes:
            raise ValueError(f"{self.__name__} has not been recorded yet: pass arguments to draw")
        else:
            tape = list(self.tapes.values())[-1]
            numbers = tape.notes["numbers"]
        leaves = [Value(number) for number in [*numbers, *(leaf.data for leaf in tape.captured)]]
        for leaf, name in zip(leaves, self._input_names(tape)):
            leaf.label = name
        # A picture is of a graph, also within no_grad().
        with _core.Recording():
            evaluated = _listing.evaluate(tape, leaves)
        results = [Value(result) if _is_plain(result) else result for result in evaluated]
        for result, name in zip(results, tape.outputs.names("result")):
            result.label = result.label or name
        root = results[0] if len(results) == 1 else Value(0.0, tuple(results), "results")
        return draw_dot(root, **options)

    def _known(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> _core.Tape | None:
        """The tape for these arguments, if there is one."""
        tapes = self.tapes.values()
        return next((t for t in tapes if t.fill(arguments, keywords) is not None), None)

    def to_c(self, name: str, /, *arguments: Any, **keywords: Any) -> str:
        """The program as C: the text of a file with its value and its gradient.

        name
            str; what the function is called there
        arguments, keywords
            of a call, to say which recording it is, or to make it; none: the only one

        The file is C99 and needs nothing but the C library (link it with ``-lm``). It compiles
        without warnings, also with ``-Wall -Wextra -Werror -pedantic``, and gives the results of
        ``f.value``, ``f.value_and_grad`` and ``f.vjp`` to the last bit. It defines::

            int NAME(const double *inputs, const double *captured, double *outputs);
            int NAME_gradient(const double *inputs, const double *captured, const double *seeds,
                              double *outputs, double *gradient);

        ``inputs`` and ``outputs`` are the numbers of the arguments and of the result in their
        order, which a comment at the top of the file lists; ``captured`` those of the captured
        Values, or NULL for what these are now. ``seeds`` has a number for each output, or is NULL
        for ones; ``gradient`` takes the derivatives of the sum of seeds times outputs, by the
        inputs and, behind these, by what is captured. Both return 0, or where the call would raise
        a code that the comment explains, and then have written nothing. Any number of threads may
        call them; all that the file defines begins with NAME, so files can be put together.

        Raises ValueError where there is no recording or more than one to choose from, and for a
        name that is none in C.

        >>> from micrograd_fast import compile
        >>> f = compile(lambda x, y: x * y + y)
        >>> f.value(2.0, 3.0)
        9.0
        >>> print(f.to_c("f").partition("static int f_values_0")[2].partition("return")[0])
        (double *restrict v) {
            int status = 0;
            (void)v;
            { const double a = v[0], b = v[1]; v[2] = a * b; }
            { const double a = v[2], b = v[1]; v[2] = a + b; }
        <BLANKLINE>
        """
        from . import _c_names, _emit  # not for every import of the package

        _c_names.check_name(name)
        if arguments or keywords:
            arguments, keywords = self._canonical(arguments, keywords)
            tape = self._known(arguments, keywords) or self._tape_for(arguments, keywords)
        elif not self.tapes:
            raise ValueError(f"{self.__name__} has not been recorded yet: pass arguments to to_c")
        elif len(self.tapes) > 1:
            raise ValueError(
                f"{self.__name__} has {len(self.tapes)} recordings: pass arguments to to_c, behind "
                "the name, to say which"
            )
        else:
            (tape,) = self.tapes.values()
        return _emit.source(
            tape,
            name,
            f"{self.__name__}{self._signature(tape)}",
            self._input_names(tape),
            tape.outputs.names("result"),
        )

    def bind(self, params: Any) -> Function:
        """The same function of other Values in place of those captured, as a Function of its own.

        params
            as many Values as ``captured`` has, in that order, in any nest

        The new one shares the programs and has no Python function behind it, so it knows no other
        structures of arguments.

        >>> from micrograd_fast import Value, compile
        >>> w = Value(3.0)
        >>> f = compile(lambda x: w * x)
        >>> f.value(2.0)
        6.0
        >>> f.bind([Value(5.0)]).value(2.0)
        10.0
        """
        _, leaves = _core.describe(params, "params")
        for leaf in leaves:
            if _is_plain(leaf):
                raise TypeError(f"params must be Values, not {type(leaf).__name__!r}")
        captured = self.captured
        if len(leaves) != len(captured):
            raise ValueError(
                f"{self.__name__} has captured {len(captured)} Values, but params has {len(leaves)}"
            )
        new = dict(zip(captured, leaves))
        bound = Function.__new__(Function)
        bound.__name__ = self.__name__
        for tape in self.tapes.values():
            bound.adopt(tape.bound(tuple(new[leaf] for leaf in tape.captured)))
        return bound

    # --- keeping it ---

    def __reduce__(self) -> tuple[Callable[[bytes], Function], tuple[bytes]]:
        return _from_bytes, (self.to_bytes(),)

    def to_bytes(self) -> bytes:
        """All recordings as bytes: the programs, the structures, and the captured Values' data.

        ``load`` makes a Function of them, as does pickle. The Python function is not among them, so
        that Function knows the structures recorded so far and no others, and its captured Values
        are new ones: see ``bind``.

        Raises ValueError if nothing has been recorded yet, and TypeError for named tuples and
        unusual static arguments, which a file cannot hold.
        """
        if not self.tapes:
            raise ValueError(f"{self.__name__} has not been recorded yet: call it once")
        return _tape_file.to_bytes(self.__name__, list(self.tapes.values()))

    def save(self, file: Any) -> None:
        """Write ``to_bytes()`` to a file: a path, or something with a ``write``.

        >>> import io
        >>> from micrograd_fast import compile, load
        >>> f = compile(lambda x: x * x)
        >>> f.value(3.0)
        9.0
        >>> file = io.BytesIO()
        >>> f.save(file)
        >>> _ = file.seek(0)
        >>> load(file).value_and_grad(4.0)
        (16.0, 8.0)
        """
        content = self.to_bytes()
        if hasattr(file, "write"):
            file.write(content)
        else:
            Path(file).write_bytes(content)


def _from_bytes(content: bytes) -> Function:
    name, tapes = _tape_file.from_bytes(content)
    function = Function.__new__(Function)
    function.__name__ = name
    for tape in tapes:
        function.adopt(tape)
    return function


def load(file: Any) -> Function:
    """The compiled function that ``save`` has written.

    file
        a path, something with a ``read``, or the bytes themselves

    The result replays the recordings of the one saved; its captured Values are new, with the data
    and labels of then, and ``bind`` puts others in their places. Raises TapeError for what is no
    such file, whatever it holds, and OSError where it cannot be read. Nothing in it is executed.
    """
    if isinstance(file, (bytes, bytearray, memoryview)):
        content = bytes(file)
    elif hasattr(file, "read"):
        content = file.read()
        if not isinstance(content, bytes):
            raise TypeError(f"load needs a file opened for bytes, not {type(content).__name__!r}")
    else:
        content = Path(file).read_bytes()
    return _from_bytes(content)


class CompiledFunction(Function):
    """What ``compile`` returns."""

    __wrapped__: Callable[..., Any]

    def __init__(
        self,
        fn: Callable[..., Any],
        static_argnames: str | Iterable[str] = (),
        passes: Iterable[str] | None = None,
    ) -> None:
        if not callable(fn):
            raise TypeError(f"compile needs a function, not {type(fn).__name__!r}")
        self._passes = _pass_numbers(passes)
        self._parameters = _parameters_of(fn)
        self._static = _static_names(static_argnames, self._parameters)
        functools.update_wrapper(self, fn, updated=())
        if not hasattr(self, "__name__"):
            self.__name__ = type(fn).__name__

    def _canonical(
        self, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if self._signature_of_fn is None:
            return arguments, keywords
        try:
            bound = self._signature_of_fn.bind(*arguments, **keywords)
        except TypeError as error:
            raise TypeError(f"{self.__name__}() {error}") from None
        return bound.args, bound.kwargs

    @functools.cached_property
    def _signature_of_fn(self) -> inspect.Signature | None:
        try:
            return inspect.signature(self.__wrapped__)
        except (TypeError, ValueError):
            return None

    def _argument_names(self, count: int) -> tuple[str, ...]:
        """What the arguments given by position are called."""
        names: list[str] = []
        for parameter in self._parameters or ():
            if parameter.kind in _POSITIONAL:
                names.append(parameter.name)
            elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                names += [f"{parameter.name}[{i}]" for i in range(count - len(names))]
        names += [f"x{i}" for i in range(len(names), count)]
        return tuple(names[:count])

    def _tape_for(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> _core.Tape:
        names = self._argument_names(len(arguments))
        static = frozenset(i for i, name in enumerate(names) if name in self._static)
        given, leaves = _core.describe_arguments(arguments, names, static)
        named = None
        if keywords:
            named = _core.describe_keywords(keywords, self._static, leaves)
        key = given.key, None if named is None else named.key
        tape = self.tapes.get(key)
        if tape is None:
            tape = self._record(given, named, leaves, names)
            tape = self.tapes.setdefault(key, tape)
        return tape

    def _record(
        self,
        given: _core.Structure,
        named: _core.Structure | None,
        leaves: list[Any],
        names: tuple[str, ...],
    ) -> _core.Tape:
        numbers = [_core.number_of(leaf) for leaf in leaves]
        inputs = [Value(number) for number in numbers]
        arguments = given.build(inputs[: given.count])
        keywords = {} if named is None else named.build(inputs[given.count :])
        began = perf_counter()
        with _core.Recording() as recording:
            try:
                result = self.__wrapped__(*arguments, **keywords)
            except (TypeError, IndexError) as error:
                refusal = refusal_of(error)
                if refusal is None:
                    raise
                raise refusal from error
            outputs, results = _core.describe(result, f"the result of {self.__name__}")
            plain = [_is_plain(leaf) for leaf in results]
            nodes = [Value(leaf) if is_plain else leaf for leaf, is_plain in zip(results, plain)]
            seconds = perf_counter() - began
            try:
                tape = recording.lower(inputs, nodes, self._passes)
            except _core.Unrecordable as error:
                raise RecordingError(f"{self.__name__} cannot be recorded: {error}") from None
        notes = {"parameters": names, "numbers": numbers}
        _core.finish(tape, given, named, outputs, plain, self.__name__, seconds, notes)
        return tape

    def _inline(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        return self.__wrapped__(*arguments, **keywords)


def _parameters_of(fn: Callable[..., Any]) -> tuple[inspect.Parameter, ...] | None:
    try:
        return tuple(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):
        return None


def _static_names(
    given: str | Iterable[str], parameters: tuple[inspect.Parameter, ...] | None
) -> frozenset[str]:
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, Iterable):
        raise TypeError(f"static_argnames must be names, not {given!r}")
    wanted = list(names)
    for name in wanted:
        if not isinstance(name, str):
            raise TypeError(f"static_argnames must be names, not {name!r}")
    if parameters is not None and not any(p.kind is p.VAR_KEYWORD for p in parameters):
        known = [p.name for p in parameters if p.kind is not p.VAR_POSITIONAL]
        for name in wanted:
            if name not in known:
                raise ValueError(
                    f"static_argnames: the function has no parameter {name!r}; it has "
                    f"{', '.join(known) if known else 'none'}"
                )
    return frozenset(wanted)


@overload
def compile(
    fn: Callable[..., Any],
    *,
    static_argnames: str | Iterable[str] = ...,
    passes: Iterable[str] | None = ...,
) -> CompiledFunction: ...


@overload
def compile(
    fn: None = ...,
    *,
    static_argnames: str | Iterable[str] = ...,
    passes: Iterable[str] | None = ...,
) -> Callable[[Callable[..., Any]], CompiledFunction]: ...


def compile(
    fn: Callable[..., Any] | None = None,
    *,
    static_argnames: str | Iterable[str] = (),
    passes: Iterable[str] | None = None,
) -> CompiledFunction | Callable[[Callable[..., Any]], CompiledFunction]:
    """Make a function that is recorded at its first call and replayed from then on.

    fn
        a function of numbers, arrays, and nests of lists, tuples and dicts of them, that returns a
        Value or number, or a nest of them. It gets Values for numbers, and arrays of Values for
        arrays. Without it, returns a decorator
    static_argnames
        names of parameters that are taken as they are: anything hashable, such as the number of
        steps of a loop, with a recording for each value
    passes
        names of the passes that the program goes through; None: all of them

    Returns a `CompiledFunction`; the module `micrograd_fast.compile` says which of its calls is for
    what. Raises TypeError for a ``fn`` that cannot be called and ValueError for unknown names.
    A call raises `RecordingError` where ``fn`` does what a program cannot repeat, and what ``fn``
    itself raises; then nothing is kept.

    >>> from micrograd_fast import compile
    >>> @compile(static_argnames="steps")
    ... def compound(amount, rate, steps):
    ...     for _ in range(steps):
    ...         amount = amount * (1.0 + rate)
    ...     return amount
    >>> compound.value(100.0, 0.5, 2)
    225.0
    >>> compound.grad(100.0, 0.5, 2, argnums=1)
    300.0
    """
    if fn is None:
        return functools.partial(CompiledFunction, static_argnames=static_argnames, passes=passes)
    return CompiledFunction(fn, static_argnames, passes)


def _compiled(fn: Callable[..., Any], static_argnames: str | Iterable[str]) -> Function:
    if isinstance(fn, Function):
        if static_argnames:
            raise TypeError("static_argnames belong to compile; this function is compiled already")
        return fn
    return CompiledFunction(fn, static_argnames)


def value_and_grad(
    fn: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    static_argnames: str | Iterable[str] = (),
) -> Callable[..., tuple[float, Any]]:
    """A function that returns the value of ``fn``, one number, and its gradient.

    fn
        as for ``compile``, or a compiled function
    argnums
        int or tuple of ints; the arguments to differentiate with respect to
    static_argnames
        as for ``compile``

    The gradient has the structure of the argument: floats for numbers, arrays for arrays; for a
    tuple of argnums it is a tuple.

    >>> from micrograd_fast import value_and_grad
    >>> value_and_grad(lambda p: p["a"] * p["b"])({"a": 2.0, "b": 3.0})
    (6.0, {'a': 3.0, 'b': 2.0})
    """
    compiled = _compiled(fn, static_argnames)

    @functools.wraps(compiled)
    def both(*args: Any, **kwargs: Any) -> tuple[float, Any]:
        return compiled.value_and_grad(*args, argnums=argnums, **kwargs)

    return both


def grad(
    fn: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    static_argnames: str | Iterable[str] = (),
) -> Callable[..., Any]:
    """A function that returns the gradient of ``fn``; all else is as for ``value_and_grad``.

    >>> from micrograd_fast import grad
    >>> grad(lambda x: x**3)(2.0)
    12.0
    """
    compiled = _compiled(fn, static_argnames)

    @functools.wraps(compiled)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return compiled.grad(*args, argnums=argnums, **kwargs)

    return gradient
