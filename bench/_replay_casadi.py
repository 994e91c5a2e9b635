"""CasADi: its own forms of the programs, as expressions of matrices, and how it is driven."""

import contextlib
import os
import tempfile
from pathlib import Path

import numpy as np

from bench import _replay_c
from bench._replay_peer import Peer, load, scalar_functions


def net(program, ca, x):
    a, place = ca.DM(program.data.T), 0
    count, layers = len(program.data), program.layers()
    for inputs, outputs in layers:
        size = (inputs + 1) * outputs
        # Columns are filled first: one column for each neuron, its bias at the bottom.
        columns = ca.reshape(x[place : place + size], inputs + 1, outputs)
        place += size
        a = columns[:inputs, :].T @ a + ca.repmat(columns[inputs, :].T, 1, count)
        if place < program.inputs:
            a = ca.fmax(a, 0.0)
    margins = ca.fmax(1.0 - ca.DM(program.labels).T * a, 0.0)
    return ca.sum2(margins) / count + 1e-4 * ca.dot(x, x)


def mixture(program, ca, x):
    """On columns with one element a point: there are no products of three dimensions."""
    count = len(program.data)
    columns = [ca.DM(np.ascontiguousarray(column)) for column in program.data.T]

    class M:
        exp = staticmethod(ca.exp)

        @staticmethod
        def logsumexp(terms):
            highest = terms[0]
            for term in terms[1:]:
                highest = ca.fmax(highest, term)
            return highest + ca.log(sum(ca.exp(term - highest) for term in terms))

    # One number of x after the other, which is how it is written on scalars.
    densities = program.log_density(program.prepare(ca.vertsplit(x), M), columns, M)
    weights = ca.logsumexp(x[: program.components])
    return ca.sum1(densities) - count * weights + program.normalisation()


def rosenbrock(program, ca, x):
    a, b = x[:-1], x[1:]
    return ca.sum1(100.0 * (b - a * a) ** 2 + (1.0 - a) ** 2)


FUNCTIONS = {"net": net, "gmm": mixture, "gmm10": mixture, "rosenbrock": rosenbrock}


@contextlib.contextmanager
def directory():
    """A directory of its own for the moment: generate() writes where the process is."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="bench_replay_") as path:
        os.chdir(path)
        try:
            yield Path(path)
        finally:
            os.chdir(before)


def compiled(function, ca, flags):
    """The function as generated C, compiled and loaded."""
    with directory() as path:
        library = path / "f.so"
        _replay_c.compile_file(path / function.generate("f.c"), library, flags)
        # Once loaded, the file need not be there any more.
        return ca.external("f", str(library))


class Casadi(Peer):
    """A Function of SX (a graph of scalars) or of MX (of matrices), called through its buffers.

    SX is for everything that is written on scalars, MX for what is written on matrices. Without
    generated C, both are interpreted: SX by a virtual machine for scalars.
    """

    def __init__(self, kind):
        self.ca = load("casadi", "casadi")
        self.kind = kind
        self.label = {"sx": "CasADi VM (SX)", "mx": "CasADi VM (MX)", "c": "CasADi, C"}[kind]
        self.version = self.ca.__version__
        if kind == "c":
            self.flags = ("-O3", "-march=native")
            self.version += f", {_replay_c.compiler_version()}, {' '.join(self.flags)}"
        elif kind == "mx":
            self.without |= {"dag", "asian", "small"}

    def prepare(self, program):
        ca = self.ca
        if self.kind != "sx" and program.name in FUNCTIONS:
            inputs = [ca.MX.sym("x", program.inputs)]
            value = FUNCTIONS[program.name](program, ca, inputs[0])
        else:
            inputs = [ca.SX.sym("x", program.inputs)]
            extra = ()
            if program.extras:
                inputs.append(ca.SX.sym("z", program.extras))
                extra = ca.vertsplit(inputs[1])
            value = program.scalar(ca.vertsplit(inputs[0]), extra, scalar_functions(ca, ca.fmax))
        function = ca.Function("f", inputs, [value, ca.densify(ca.gradient(value, inputs[0]))])
        if self.kind == "c":
            function = compiled(function, ca, self.flags)
        return self.buffered(function, program)

    def buffered(self, function, program):
        buffer, evaluate = function.buffer()
        inputs = [np.zeros(n) for n in (program.inputs, program.extras) if n]
        value, gradient = np.zeros(1), np.zeros(program.inputs)
        for place, array in enumerate(inputs):
            buffer.set_arg(place, memoryview(array))
        buffer.set_res(0, memoryview(value))
        buffer.set_res(1, memoryview(gradient))
        x = inputs[0]
        if program.extras:
            z = inputs[1]

            def run(point, extra):
                x[:] = point
                z[:] = extra
                evaluate()
                return value[0], gradient

        else:

            def run(point):
                x[:] = point
                evaluate()
                return value[0], gradient

        run.keep = function, buffer
        return run
