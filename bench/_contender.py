"""What all contenders have in common, and a number that counts operations."""

import importlib.metadata
import importlib.util
import math
import sys
import time
import types
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Unavailable(Exception):
    """This contender is not installed, or not built; the message says which."""


def own_copy(function):
    """The same function on bytecode of its own, to be specialised for one contender alone."""
    return types.FunctionType(
        function.__code__.replace(),
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )


def load_file(name, path):
    """Execute a source file as a module of its own, whatever was imported before."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickles look their module up by name.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def load_workloads(owner, **bindings):
    """A copy of workloads.py for one contender, with that contender's leaf and functions."""
    module = load_file(f"bench_workloads_{owner}", HERE / "workloads.py")
    for name, value in bindings.items():
        copied = own_copy(value) if isinstance(value, types.FunctionType) else value
        setattr(module, name, copied)
    return module


def version(distribution):
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "source tree"


class Contender:
    """Plain floats, and what the others have in common with them.

    A problem (see workloads.py) has parameters(), assign(values) and forward().
    """

    label = "plain floats"
    has_gradient = False
    # Nodes in reference cycles: only the cyclic collector frees them.
    makes_cycles = False
    # How many nodes deep a graph may be, and how large a bare graph is worth waiting for.
    deepest = math.inf
    largest_graph = 10**6
    # Processor time: what other programs get of a shared machine must not count.
    clock = staticmethod(time.process_time)

    def __init__(self, name="floats", collector=True):
        self.name = name
        # Whether the cyclic collector runs while this contender is timed.
        self.collector = collector
        self.code = self.load()

    def load(self):
        return load_workloads(self.name)

    @property
    def version(self):
        return "builtin"

    def leaves(self, *numbers):
        return [self.code.Value(x) for x in numbers]

    def ready(self, problem):
        """Called before every forward pass; here a tape would begin."""

    def value(self, result):
        return result

    def release(self):
        """Called once the last reference to a graph is gone; frees what that did not free."""

    def step(self, problem):
        """One training step; without gradients it is the forward pass alone."""
        return problem.forward()

    def readme(self, count):
        return self.code.loop_readme_floats(count)

    def loop_tanh(self, a, count):
        return self.code.loop_tanh_function(a, math.tanh, count)


def value_relu(v):
    return v.relu()


def value_exp(v):
    return v.exp()


def value_log(v):
    return v.log()


def value_data(v):
    return v.data


class ValueContender(Contender):
    """Anything that speaks micrograd's dialect: data, grad, backward()."""

    has_gradient = True
    functions = types.MappingProxyType(
        {"relu": value_relu, "exp": value_exp, "log": value_log, "data": value_data}
    )

    def load(self):
        return load_workloads(self.name, Value=self.value_class(), **self.functions)

    def value_class(self):
        raise NotImplementedError

    def value(self, node):
        return float(node.data)

    def backward(self, root):
        root.backward()

    def gradients(self, problem):
        return self.gradients_of(problem.parameters())

    def gradients_of(self, leaves):
        return [float(leaf.grad) for leaf in leaves]

    def step(self, problem):
        return self.code.train_step(problem)

    def readme(self, count):
        return self.code.loop_readme(count)

    def loop_tanh(self, a, count):
        return self.code.loop_tanh(a, count)


class OpCounter:
    """A number that counts the operations done on its kind; how many a program has."""

    done = 0

    def __init__(self, data):
        self.data = data

    def result(self, data):
        OpCounter.done += 1
        return OpCounter(data)

    def relu(self):
        return self.result(max(self.data, 0.0))

    def exp(self):
        return self.result(math.exp(self.data))

    def log(self):
        return self.result(math.log(self.data))

    def __neg__(self):
        return self.result(-self.data)


def _counted(name):
    def method(self, other):
        other = other.data if isinstance(other, OpCounter) else other
        return self.result(getattr(float(self.data), name)(float(other)))

    return method


for _name in ("add", "sub", "mul", "truediv", "pow"):
    for _form in (f"__{_name}__", f"__r{_name}__"):
        setattr(OpCounter, _form, _counted(_form))


def count_operations(program):
    """How many operations program(copy of workloads.py) does on values."""
    code = load_workloads("counter", Value=OpCounter, **ValueContender.functions)
    prepared = program(code)
    OpCounter.done = 0
    prepared()
    return OpCounter.done
