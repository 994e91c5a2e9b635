"""What is sampled for each row of the table, and the check that all compute the same.

A sampler is a function of a repeat count that returns seconds per unit of work, by metric. What a
unit is (an operation, an evaluation, a step) is the workload's business. Seconds are the process's
own processor time: every contender computes all the time, on one thread, and what other programs
get of a shared machine must not count.
"""

import math
import random
from dataclasses import dataclass
from pathlib import Path
from time import process_time as cpu_time

from bench import workloads
from bench._contender import Contender, count_operations
from bench._harness import ROOT

# Used where there is no file of names.
FEW_NAMES = ("emma", "olivia", "ava", "isabella", "sophia", "charlotte", "mia", "amelia")
NAMES_FILE = ROOT.parent / "shared" / "data" / "names.txt"


class Disagreement(Exception):
    """Two contenders computed different values or gradients; timing them would be meaningless."""


@dataclass(frozen=True)
class Sizes:
    """How large the programs are. Smoke sizes only show that everything runs."""

    points: int = 100
    hidden: int = 16
    letters: int = 8
    width: int = 16
    heads: int = 4
    graph: int = 10**6
    pool: int = 256
    kept_leaves: int = 5000
    smoke: bool = False


SMOKE = Sizes(4, 3, 3, 4, 2, 1000, 16, 20, smoke=True)


def agree(workload, contender, found, expected, what):
    scale = max((abs(x) for x in expected), default=0.0)
    for index, (x, y) in enumerate(zip(found, expected, strict=True)):
        if not math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-11 * scale):
            raise Disagreement(
                f"{workload}: {what} {index} is {x!r} with {contender} and should be {y!r}"
            )


class Loop:
    """One operation in a loop; a unit is one pass."""

    unit = "ns"
    metrics = ("time",)
    operations = 1

    def __init__(self, name, title, run, slopes):
        # run(contender, a, b, count) is the loop; slopes(a, b) are the derivatives by a and b.
        self.name, self.title, self.run, self.slopes = name, title, run, slopes

    def supports(self, contender):
        return self.name != "tanh" or contender.loop_tanh is not None

    def sampler(self, contender):
        def sample(inner):
            a, b = contender.leaves(1.25, 0.75)
            start = cpu_time()
            self.run(contender, a, b, inner)
            return {"time": (cpu_time() - start) / inner}

        return sample

    def check(self, contenders):
        for contender in contenders:
            leaves = contender.leaves(1.25, 0.75)
            result = self.run(contender, *leaves, 3)
            plain = self.run(Contender("check"), 1.25, 0.75, 1)
            agree(self.name, contender.name, [contender.value(result)], [plain], "value")
            if contender.has_gradient:
                contender.backward(result)
                found = contender.gradients_of(leaves)
                agree(self.name, contender.name, found, self.slopes(1.25, 0.75), "gradient")


class Readme:
    """The expression of micrograd's README and its gradient; a unit is one evaluation."""

    name = "readme"
    title = "micrograd README expression with backward"
    unit = "µs"
    metrics = ("time",)

    def __init__(self):
        self.operations = count_operations(
            lambda code: lambda: code.readme_expression(code.Value(-4.0), code.Value(2.0))
        )

    def supports(self, contender):
        return True

    def sampler(self, contender):
        def sample(inner):
            start = cpu_time()
            contender.readme(inner)
            return {"time": (cpu_time() - start) / inner}

        return sample

    def check(self, contenders):
        plain = workloads.readme_expression(-4.0, 2.0)
        for contender in contenders:
            value = contender.value(contender.readme(1))
            agree(self.name, contender.name, [value], [plain], "value")
            if contender.has_gradient:
                leaves = contender.leaves(-4.0, 2.0)
                contender.backward(contender.code.readme_expression(*leaves))
                found = contender.gradients_of(leaves)
                # The two numbers that micrograd's README prints, to all their digits.
                expected = [138.83381924198250, 645.57725947521862]
                agree(self.name, contender.name, found, expected, "gradient")


class Training:
    """A step of training: forward, zero, backward, update, and freeing the graph."""

    unit = "ms"
    metrics = ("time",)

    def __init__(self, name, title, make):
        # make(copy of workloads.py) builds the problem.
        self.name, self.title, self.make = name, title, make
        self.operations = count_operations(lambda code: make(code).forward)

    def supports(self, contender):
        return True

    def sampler(self, contender):
        # Every sample starts from the same weights, so that all time the same arithmetic.
        def sample(inner):
            problem = self.make(contender.code)
            start = cpu_time()
            for _ in range(inner):
                contender.step(problem)
            return {"time": (cpu_time() - start) / inner}

        return sample

    def check(self, contenders):
        check_problem(self.name, self.make, contenders)


def check_problem(name, make, contenders):
    """Equal losses everywhere, and gradients equal to the first contender's that has any."""
    plain = make(workloads).forward()
    expected = None
    for contender in contenders:
        problem = make(contender.code)
        contender.ready(problem)
        root = problem.forward()
        agree(name, contender.name, [contender.value(root)], [plain], "value")
        if contender.has_gradient:
            contender.backward(root)
            found = contender.gradients(problem)
            if expected is None:
                expected = found
            agree(name, contender.name, found, expected, "gradient")
            del root, problem
            contender.release()


class Graph:
    """Building, sweeping and freeing one graph, timed apart; a unit is one operation."""

    unit = "ns"
    metrics = ("build", "backward", "free")

    def __init__(self, name, title, make, sizes):
        # make(copy of workloads.py, operations, deepest) builds the problem.
        self.name, self.title, self.make, self.sizes = name, title, make, sizes
        self.counts = {}

    @property
    def operations(self):
        return max(self.counts.values(), default=0)

    def count(self, contender):
        """How many operations the graph has that this contender is given."""
        size = self.size(contender)
        if size not in self.counts:
            self.counts[size] = count_operations(lambda code: self.make(code, *size).forward)
        return self.counts[size]

    def size(self, contender):
        return min(self.sizes.graph, contender.largest_graph), contender.deepest

    def supports(self, contender):
        return contender.has_gradient

    def sampler(self, contender):
        problem = self.make(contender.code, *self.size(contender))
        count = self.count(contender)

        def sample(inner):
            build = backward = free = 0.0
            for _ in range(inner):
                contender.ready(problem)
                start = cpu_time()
                root = problem.forward()
                built = cpu_time()
                contender.backward(root)
                swept = cpu_time()
                del root
                contender.release()
                freed = cpu_time()
                build += built - start
                backward += swept - built
                free += freed - swept
            scale = 1.0 / (inner * count)
            # What is in cycles was not freed by letting go of it.
            free = None if contender.makes_cycles else free * scale
            return {"build": build * scale, "backward": backward * scale, "free": free}

        return sample

    def check(self, contenders):
        # At a size that all can do.
        check_problem(
            self.name, lambda code: self.make(code, min(2000, self.sizes.graph), 900), contenders
        )


def read_names(path):
    """Names of a file with one a line, or a few of our own where the file is missing."""
    if path is None and not NAMES_FILE.exists():
        return list(FEW_NAMES), "built-in list"
    path = Path(path or NAMES_FILE)
    names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [n for n in names if n], path.name


def make_workloads(sizes, names):
    """All timed rows, in the order of the table."""

    def loop(name):
        return lambda contender, a, b, count: getattr(contender.code, name)(a, count)

    def net(code, *_):
        return code.TwoMoons(sizes.points, sizes.hidden)

    def gpt(code):
        return code.CharGPT(name, sizes.width, sizes.heads)

    def chain(code, length, deepest):
        return code.Chain(int(min(length, deepest)))

    programs = {}

    def dag(code, length, deepest):
        # The final sum is `pool` deep; a graph of 20 times the pool's size adds about as much.
        if deepest < math.inf:
            length = min(length, 20 * sizes.pool)
        if length not in programs:
            programs[length] = workloads.local_dag_program(length, sizes.pool)
        return code.LocalDag(programs[length], sizes.pool)

    fitting = [n for n in names if len(n) == sizes.letters and n.isascii() and n.isalpha()]
    if not fitting:
        raise ValueError(f"there is no name of {sizes.letters} letters among the names")
    # Which name it is changes neither the number of operations nor their kinds.
    name = random.Random(0).choice(fitting).lower()
    points = f"{sizes.points} points"
    return [
        Loop(
            "mul",
            "a * b",
            lambda contender, a, b, count: contender.code.loop_mul(a, b, count),
            lambda a, b: [b, a],
        ),
        Loop("mul_number", "a * 2.0", loop("loop_mul_number"), lambda a, b: [2.0, 0.0]),
        Loop("number_mul", "2.0 * a", loop("loop_number_mul"), lambda a, b: [2.0, 0.0]),
        Loop(
            "tanh",
            "a.tanh()",
            lambda contender, a, b, count: contender.loop_tanh(a, count),
            lambda a, b: [1.0 / math.cosh(a) ** 2, 0.0],
        ),
        Readme(),
        Training(
            "two_moons", f"two-moons step, MLP 2-[{sizes.hidden},{sizes.hidden},1], {points}", net
        ),
        Training("gpt", f"character-level GPT step, a name of {sizes.letters} letters", gpt),
        Graph("net", "graph of the two-moons loss", net, sizes),
        Graph("chain", "chain", chain, sizes),
        Graph("dag", "local random DAG", dag, sizes),
    ]
