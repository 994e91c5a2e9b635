"""ddx: equations of whole functions, or of one term of a sum on many points at once."""

import importlib.metadata

import numpy as np

from bench._contender import Unavailable
from bench._replay_peer import Peer, load, scalar_functions


class Ddx(Peer):
    """An equation of the whole function, or in a batch: of one point, called on all of them.

    Only what is a sum over data has points to make a batch of. As LLVM takes minutes for tens of
    thousands of nodes, compiled equations are always batches where they can be.
    """

    sums = frozenset({"net", "gmm", "gmm10"})

    def __init__(self, kind):
        self.ddx = load("ddx", "ddx-ad")
        self.kind = kind
        labels = {
            "llvm": "ddx, LLVM",
            "interpreted": "ddx, interpreted",
            "batch": "ddx, interpreted, batch",
        }
        self.label = labels[kind]
        self.version = importlib.metadata.version("ddx-ad")
        if kind == "batch":
            self.without |= {"dag", "asian", "rosenbrock", "small"}
        elif kind == "llvm" and not self.ddx.has_jit:
            raise Unavailable("ddx-ad was built without LLVM")

    def options(self, points):
        ddx = self.ddx
        if self.kind != "llvm":
            return ddx.Options(backend=ddx.Backend.INTERPRET, cache_dir="")
        vector = ddx.VecLib.AUTO if points > 1 else ddx.VecLib.NONE
        return ddx.Options(backend=ddx.Backend.COMPILE, points=points, veclib=vector, cache_dir="")

    def prepare(self, program):
        if self.kind != "interpreted" and program.name in self.sums:
            return self.prepare_batch(program)
        ddx, m = self.ddx, scalar_functions(self.ddx, self.ddx.max)

        def model():
            x = [ddx.var(f"x{i}") for i in range(program.inputs)]
            extra = [ddx.param(f"z{i}") for i in range(program.extras)]
            return program.scalar(x, extra, m)

        equation = ddx.equation(model)
        equation.options = self.options(1)
        call = equation.buffer(np.concatenate(program.points[0]))
        count, point = program.inputs, call.x
        if program.extras:

            def run(x, extra):
                point[:count] = x
                point[count:] = extra
                call()
                return call.value, call.jacobian

        else:

            def run(x):
                point[:] = x
                call()
                return call.value, call.jacobian

        return run

    def prepare_batch(self, program):
        ddx, m = self.ddx, scalar_functions(self.ddx, self.ddx.max)
        rows = program.rows().T

        def model():
            x = [ddx.var(f"x{i}") for i in range(program.inputs)]
            return program.term(x, [ddx.param(f"p{i}") for i in range(len(rows))], m)

        equation = ddx.equation(model)
        equation.options = self.options(rows.shape[1])
        start = np.repeat(program.points[0][0][:, None], rows.shape[1], axis=1)
        call = equation.buffer(np.vstack([start, rows]))
        parameters = call.x[: program.inputs]

        def run(x):
            parameters[:] = x[:, None]
            call()
            return program.complete(call.value.sum(), call.jacobian.sum(axis=1), x)

        return run
