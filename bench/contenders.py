"""Who takes part: micrograd_fast, plain floats, and other engines on the same programs.

A contender that cannot be imported is left out and named. What differs between contenders is said
here and nowhere else; the programs themselves are in workloads.py.
"""

import functools
import gc
import importlib
import importlib.util
import math
import sys
import types
from itertools import repeat
from pathlib import Path

from bench._contender import (
    Contender,
    Unavailable,
    ValueContender,
    load_file,
    load_workloads,
    value_data,
    value_exp,
    value_log,
    value_relu,
    version,
)

REFERENCE = Path(__file__).resolve().parent.parent / "tests" / "reference.py"


class MicrogradFast(ValueContender):
    label = "micrograd_fast"

    def value_class(self):
        try:
            from micrograd_fast import Value
        except ImportError as error:
            raise Unavailable(f"micrograd_fast is not built ({error})") from error
        return Value

    @property
    def version(self):
        return version("micrograd_fast")


class PureContender(ValueContender):
    """Classes written in Python; their nodes and closures refer to each other."""

    makes_cycles = True
    largest_graph = 10**5

    def __init__(self, name, collector):
        super().__init__(name if collector else f"{name}_nogc", collector)
        self.label = self.label if collector else f"{self.label}, gc off"


class Reference(PureContender):
    label = "pure reference"

    def value_class(self):
        if not REFERENCE.exists():
            raise Unavailable("tests/reference.py is not there")
        if str(REFERENCE.parent) not in sys.path:
            # It imports its neighbour; last, so that it hides nothing.
            sys.path.append(str(REFERENCE.parent))
        return load_file(f"bench_reference_{self.name}", REFERENCE).Value

    @property
    def version(self):
        return "tests/reference.py"


def closure_exp(v):
    return closure_node(v, math.exp(v.data), lambda out: out.data, "exp")


def closure_log(v):
    return closure_node(v, math.log(v.data), lambda out: 1.0 / v.data, "log")


def closure_node(v, data, slope, op):
    """A node that PyPI micrograd has no method for, added the way its users add one."""
    out = type(v)(data, (v,), op)

    def _backward():
        v.grad += slope(out) * out.grad

    out._backward = _backward
    return out


class Micrograd(PureContender):
    label = "PyPI micrograd"
    # Its backward() recurses, and the interpreter stops that near 1,000.
    deepest = 900
    functions = types.MappingProxyType(
        {"relu": value_relu, "exp": closure_exp, "log": closure_log, "data": value_data}
    )

    def value_class(self):
        try:
            importlib.import_module("micrograd.engine")
        except ImportError as error:
            raise Unavailable("micrograd is not installed") from error
        # A copy of the class for each of the two entries: own methods, own bytecode.
        path = importlib.util.find_spec("micrograd.engine").origin
        return load_file(f"bench_micrograd_{self.name}", path).Value

    @property
    def version(self):
        return version("micrograd")

    loop_tanh = None


class Xad(ValueContender):
    """Records on a tape, which is wound back before every forward pass."""

    label = "xad"

    def load(self):
        try:
            import xad.adj_1st
            import xad.math
        except ImportError as error:
            raise Unavailable("xad is not installed") from error
        self.real = xad.adj_1st.Real
        self.tanh = xad.math.tanh
        self.tape = xad.adj_1st.Tape()
        self.tape.activate()
        return load_workloads(
            self.name, Value=self.real, exp=xad.math.exp, log=xad.math.log, data=xad.value
        )

    @property
    def version(self):
        return version("xad")

    def value(self, node):
        return node.value

    def leaves(self, *numbers):
        """They begin a new tape, so that what is computed from them is recorded."""
        self.tape.clearAll()
        leaves = [self.real(x) for x in numbers]
        self.tape.registerInputs(leaves)
        self.tape.newRecording()
        return leaves

    def ready(self, problem):
        """Winding the tape back invalidates every variable: the parameters are made anew."""
        problem.assign(self.leaves(*(p.value for p in problem.parameters())))

    def backward(self, root):
        self.tape.registerOutput(root)
        root.derivative = 1.0
        self.tape.computeAdjoints()

    def release(self):
        self.tape.clearAll()

    def gradients_of(self, leaves):
        return [leaf.derivative for leaf in leaves]

    def step(self, problem):
        self.ready(problem)
        loss = problem.forward()
        self.backward(loss)
        rate = problem.learning_rate
        problem.assign([self.real(p.value - rate * p.derivative) for p in problem.parameters()])
        return loss.value

    def readme(self, count):
        expression, real, tape = self.code.readme_expression, self.real, self.tape
        for _ in repeat(None, count):
            tape.clearAll()
            a, b = real(-4.0), real(2.0)
            tape.registerInput(a)
            tape.registerInput(b)
            tape.newRecording()
            g = expression(a, b)
            self.backward(g)
        return g

    def loop_tanh(self, a, count):
        return self.code.loop_tanh_function(a, self.tanh, count)


def tensor_data(v):
    return v.detach()


class Torch(ValueContender):
    """One 0-d float64 tensor a number, on one thread."""

    label = "torch scalars"
    largest_graph = 10**5
    functions = types.MappingProxyType(
        {"relu": value_relu, "exp": value_exp, "log": value_log, "data": tensor_data}
    )

    def load(self):
        try:
            import torch
        except ImportError as error:
            raise Unavailable("torch is not installed") from error
        torch.set_num_threads(1)
        self.torch = torch
        return super().load()

    def value_class(self):
        torch = self.torch

        def leaf(x):
            return torch.tensor(x, dtype=torch.float64, requires_grad=True)

        return leaf

    @property
    def version(self):
        return self.torch.__version__

    def value(self, node):
        return node.item()

    def ready(self, problem):
        for p in problem.parameters():
            p.grad = None

    def gradients_of(self, leaves):
        return [0.0 if leaf.grad is None else leaf.grad.item() for leaf in leaves]

    def step(self, problem):
        loss = problem.forward()
        for p in problem.parameters():
            p.grad = None
        loss.backward()
        rate = problem.learning_rate
        with self.torch.no_grad():
            for p in problem.parameters():
                # A letter that does not occur has no gradient.
                if p.grad is not None:
                    p -= rate * p.grad
        return loss.item()


MAKERS = {
    # Plain floats and micrograd_fast stand side by side: most targets compare these two.
    "floats": Contender,
    "micrograd_fast": functools.partial(MicrogradFast, "micrograd_fast"),
    "xad": functools.partial(Xad, "xad"),
    "micrograd_nogc": functools.partial(Micrograd, "micrograd", collector=False),
    "reference_nogc": functools.partial(Reference, "reference", collector=False),
    "torch": functools.partial(Torch, "torch"),
    "micrograd": functools.partial(Micrograd, "micrograd", collector=True),
    "reference": functools.partial(Reference, "reference", collector=True),
}


def all_contenders(only=None):
    """Those that can be imported, and for the others a sentence each that says why not."""
    present, missing = [], []
    for name, make in MAKERS.items():
        if only is not None and name != only:
            continue
        try:
            present.append(make())
        except Unavailable as reason:
            if str(reason) not in missing:
                missing.append(str(reason))
    # The imports' garbage is not left for whoever is timed first.
    gc.collect()
    return present, missing
