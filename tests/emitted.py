"""What ``to_c`` has written, compiled and loaded: functions to call and to compare."""

import ctypes
import shutil
import subprocess

import numpy as np
from engines import bits

from micrograd_fast import _core

COMPILERS = tuple(name for name in ("gcc", "clang") if shutil.which(name))
STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror")
NATIVE = ("-std=gnu99", "-O3", "-march=native", "-Wall", "-Wextra", "-Werror")
RAISED = {
    "DOMAIN": ValueError,
    "COMPLEX_POWER": ValueError,
    "RANGE": OverflowError,
    "ZERO_DIVISION": ZeroDivisionError,
    "ZERO_POWER": ZeroDivisionError,
    "INDEX": IndexError,
}
UNTOUCHED = 1234.5

Pointer = ctypes.POINTER(ctypes.c_double)


def each(numbers):
    return [bits(number) for number in numbers]


def run_compiler(text, folder, compiler, flags):
    """The finished process, and the library that it has made."""
    stem = f"{compiler}{len(list(folder.iterdir()))}"
    source, library = folder / f"{stem}.c", folder / f"{stem}.so"
    source.write_text(text, encoding="ascii")
    command = [compiler, *flags, "-fPIC", "-shared", str(source), "-o", str(library), "-lm"]
    return subprocess.run(command, capture_output=True, text=True), library


def library_of(texts, folder, compiler, flags=STRICT):
    """One translation unit with all these texts in it, loaded."""
    finished, library = run_compiler("\n".join(texts), folder, compiler, flags)
    assert finished.returncode == 0, finished.stderr[:3000]
    return ctypes.CDLL(str(library))


def _given(numbers):
    return None if numbers is None else np.array(numbers, dtype=float).ctypes.data_as(Pointer)


def _room(count):
    """Room for so many numbers, and one behind them that must stay as it is."""
    return np.full(count + 1, UNTOUCHED)


class Emitted:
    """A compiled function and its C. Calls of the C return the status and lists of numbers."""

    def __init__(self, function, library, name):
        (tape,) = function.tapes.values()
        self.function, self.tape = function, tape
        self.count = tape.stats["inputs"]
        self.outputs = tape.stats["outputs"]
        self.values, self.gradients = library[name], library[f"{name}_gradient"]

    def value(self, inputs, captured=None):
        outputs = _room(self.outputs)
        status = self.values(_given(inputs), _given(captured), outputs.ctypes.data_as(Pointer))
        return status, self._written(status, outputs)

    def gradient(self, inputs, seeds=None, captured=None):
        outputs, gradient = _room(self.outputs), _room(self.count + len(self.tape.captured))
        status = self.gradients(
            _given(inputs),
            _given(captured),
            _given(seeds),
            outputs.ctypes.data_as(Pointer),
            gradient.ctypes.data_as(Pointer),
        )
        return status, self._written(status, outputs), self._written(status, gradient)

    @staticmethod
    def _written(status, room):
        assert (room if status else room[-1:]).tolist() == [UNTOUCHED] * (
            len(room) if status else 1
        )
        return room[:-1].tolist()

    def agrees(self, arguments, inputs, seed=1.0):
        """Whether values, gradients and errors are those of the replay, to the last bit.

        ``inputs`` are the numbers of ``arguments``, all of which it is differentiated by, and
        ``seed`` the cotangent of the result.
        """
        status, outputs = self.value(inputs)
        seeds = self.tape.outputs.numbers_of(seed)
        again, same, gradient = self.gradient(inputs, seeds)
        if again != status or each(same) != each(outputs):
            return False
        every = tuple(range(len(arguments)))
        try:
            result = self.function.value(*arguments)
            expected = self.function.vjp(*arguments, seed, argnums=every)
        except tuple(set(RAISED.values())) as error:
            return RAISED.get(_core.status_texts()[status][0]) is type(error)
        return (
            status == 0
            and each(outputs) == each(self.tape.outputs.numbers_of(result))
            and each(gradient[: self.count]) == each(self.tape.arguments.numbers_of(expected))
        )
