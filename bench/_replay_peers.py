"""Who takes part in the replay table: micrograd_fast, hand-written C, xad, and the list of all."""

import ctypes
import functools
import importlib
from types import SimpleNamespace

import numpy as np

from bench import _replay_arrays, _replay_c, _replay_casadi, _replay_ddx
from bench._contender import Unavailable, version
from bench._replay_peer import Peer, load, scalar_functions


class MicrogradFast(Peer):
    label = "micrograd_fast"
    without = frozenset()

    def __init__(self):
        try:
            import micrograd_fast
        except ImportError as error:
            raise Unavailable(f"micrograd_fast is not built ({error})") from error
        self.compile = micrograd_fast.compile
        names = ("exp", "log", "sin", "tanh", "sqrt", "relu", "maximum", "logsumexp")
        self.m = SimpleNamespace(**{name: getattr(micrograd_fast, name) for name in names})

    @property
    def version(self):
        return version("micrograd_fast")

    def function(self, program):
        """A function that has never been called."""
        m = self.m
        if program.name == "numbers":
            return self.compile(lambda x, y, z: program.scalar((x, y, z), (), m))
        if program.extras:
            return self.compile(lambda x, extra: program.scalar(x, extra, m))
        return self.compile(lambda x: program.scalar(x, (), m))

    def prepare(self, program):
        function = self.function(program)
        if program.name == "numbers":
            return functools.partial(function.value_and_grad, argnums=(0, 1, 2))
        return function.value_and_grad

    def arguments(self, program):
        if program.name == "numbers":
            return [tuple(x.tolist()) for x, _ in program.points]
        return super().arguments(program)


class C(Peer):
    """Called through ctypes, with pointers made beforehand."""

    flags = ("-std=c11", "-O3", "-march=native")

    def __init__(self, fast):
        self.label = "C, -ffast-math" if fast else "C, strict"
        if fast:
            self.flags = (*self.flags, "-ffast-math")
        # Vector functions for -ffast-math are in a library of their own, where there are any.
        self.libraries = ("-Wl,--as-needed", "-lmvec", "-lm") if fast else ("-lm",)
        self.version = f"{_replay_c.compiler_version()}, {' '.join(self.flags)}"

    def build(self, text):
        if "-lmvec" in self.libraries:
            try:
                return _replay_c.build(text, self.flags, self.libraries)
            except RuntimeError:
                self.libraries = ("-lm",)
        return _replay_c.build(text, self.flags, self.libraries)

    def prepare(self, program):
        text, data = _replay_c.source(program)
        function = self.build(text).f
        function.restype = ctypes.c_double
        function.argtypes = [ctypes.c_void_p] * 4
        gradient = np.zeros(program.inputs)
        where = ctypes.c_void_p(data.ctypes.data)
        to = ctypes.c_void_p(gradient.ctypes.data)

        def run(x, extra):
            return function(x, extra, where, to), gradient

        # The pointers do not keep their arrays alive.
        run.keep = data
        return run

    def arguments(self, program):
        return [tuple(ctypes.c_void_p(a.ctypes.data) for a in point) for point in program.points]


class Xad(Peer):
    """Has no replay in Python: every gradient records the function on a tape, wound back before."""

    label = "xad"

    def __init__(self):
        self.adjoint = load("xad.adj_1st", "xad")
        math = importlib.import_module("xad.math")
        value = importlib.import_module("xad").value
        self.version = version("xad")
        self.m = scalar_functions(math, math.max)

        def logsumexp(values):
            # The shift is a number here: it has no slope.
            highest = max(value(v) for v in values)
            return highest + math.log(sum(math.exp(v - highest) for v in values))

        self.m.logsumexp = logsumexp

    def prepare(self, program):
        real, m, tape = self.adjoint.Real, self.m, self.adjoint.Tape()

        def run(x, extra=()):
            with tape:
                tape.clearAll()
                leaves = [real(v) for v in x]
                tape.registerInputs(leaves)
                tape.newRecording()
                made = program.scalar(leaves, extra, m)
                tape.registerOutput(made)
                made.derivative = 1.0
                tape.computeAdjoints()
                return made.value, [leaf.derivative for leaf in leaves]

        return run

    def arguments(self, program):
        return [tuple(a.tolist() for a in point) for point in super().arguments(program)]


MAKERS = {
    "micrograd_fast": MicrogradFast,
    "c_fast": lambda: C(fast=True),
    "c_strict": lambda: C(fast=False),
    "ddx": lambda: _replay_ddx.Ddx("llvm"),
    "ddx_interpreted": lambda: _replay_ddx.Ddx("interpreted"),
    "ddx_batch": lambda: _replay_ddx.Ddx("batch"),
    "casadi_c": lambda: _replay_casadi.Casadi("c"),
    "casadi_sx": lambda: _replay_casadi.Casadi("sx"),
    "casadi_mx": lambda: _replay_casadi.Casadi("mx"),
    "jax": _replay_arrays.Jax,
    "torch": _replay_arrays.Torch,
    "xad": Xad,
    "torch_compiled": lambda: _replay_arrays.Torch(compiled=True),
}
# torch.compile is for whoever asks for it.
DEFAULT = [name for name in MAKERS if name != "torch_compiled"]
