"""The table of nets: fused nodes and native layers next to operators, and to other engines.

    python bench/nets.py                        everything (a few minutes)
    python bench/nets.py --only gpt
    python bench/nets.py --smoke --json out.json

Each net exists once more as fused nodes and as torch tensors (_nets.py), with the same numbers.
Losses and gradients are compared before anything is timed. See bench/README.md.
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Not the script's own directory: profile.py there would hide the standard library's.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if p != str(HERE))]

from bench import _harness, _measures, _nets, contenders, workloads  # noqa: E402
from bench._contender import count_operations  # noqa: E402
from bench._measures import agree, cpu_time  # noqa: E402
from bench._report import FAST, Report, Target  # noqa: E402

FUSED = "fused"
TARGETS = (
    Target("dot", "forward", 6.0, FAST, faster=True, ours=FUSED),
    Target("two_moons", "time", 20.0, FAST, faster=True, ours=FUSED),
    Target("two_moons", "time", 400.0, "micrograd_nogc", faster=True, ours=FUSED),
    Target("gpt", "time", 5.0, FAST, faster=True, ours=FUSED),
)
# Plain floats have no gradient, and the pure reference is PyPI micrograd's equal.
LEFT_OUT = ("floats", "reference", "reference_nogc")
DOT_SIZE = 16


class Dot:
    """A dot of 16: making the node or nodes, backward, and giving them up."""

    name, title, unit = "dot", f"dot of {DOT_SIZE}", "ns"
    metrics = ("forward", "backward", "free")
    operations = 1

    def __init__(self, sizes):
        self.count = 10 if sizes.smoke else 1000

    def supports(self, contender):
        # xad and torch want a graph of their own for each backward pass: theirs are the nets.
        return contender.name in (FUSED, FAST, "micrograd_nogc")

    def builder(self, contender):
        numbers = _nets.Dots(contender.code.Value, DOT_SIZE)
        if contender.name == FUSED:
            from micrograd_fast import dot

            return numbers, lambda: dot(numbers.w, numbers.x, numbers.b)
        return numbers, numbers.by_operators

    def sampler(self, contender):
        _, build = self.builder(contender)

        def sample(inner):
            spent = dict.fromkeys(self.metrics, 0.0)
            for _ in range(inner):
                times = [cpu_time()]
                nodes = [build() for _ in range(self.count)]
                times.append(cpu_time())
                for node in nodes:
                    node.backward()
                times.append(cpu_time())
                del node, nodes
                times.append(cpu_time())
                for metric, start, end in zip(self.metrics, times, times[1:]):
                    spent[metric] += end - start
            found = {metric: spent[metric] / (inner * self.count) for metric in self.metrics}
            if contender.makes_cycles:
                # What is in cycles was not freed by letting go of it.
                found["free"] = None
            return found

        return sample

    def check(self, present):
        plain = [*_nets.Dots(float, DOT_SIZE).leaves()]
        w, x, b = plain[:DOT_SIZE], plain[DOT_SIZE:-1], plain[-1]
        for contender in present:
            numbers, build = self.builder(contender)
            root = build()
            expected = sum((wi * xi for wi, xi in zip(w, x)), b)
            agree(self.name, contender.name, [contender.value(root)], [expected], "value")
            contender.backward(root)
            found = contender.gradients_of(numbers.leaves())
            agree(self.name, contender.name, found, [*x, *w, 1.0], "gradient")


class Step:
    """A step of training. A contender that has the net in a form of its own makes it itself."""

    unit = "ms"
    metrics = ("time",)

    def __init__(self, name, title, make):
        self.name, self.title, self.make = name, title, make
        self.operations = count_operations(lambda code: make(code).forward)

    def supports(self, contender):
        return True

    def problem(self, contender):
        own = getattr(contender, "problem", None)
        return own(self.make) if own else self.make(contender.code)

    def sampler(self, contender):
        # Every sample starts from the same weights, so that all time the same arithmetic.
        def sample(inner):
            problem = self.problem(contender)
            start = cpu_time()
            for _ in range(inner):
                contender.step(problem)
            return {"time": (cpu_time() - start) / inner}

        return sample

    def check(self, present):
        plain = self.make(workloads).forward()
        expected = None
        for contender in present:
            problem = self.problem(contender)
            contender.ready(problem)
            root = problem.forward()
            agree(self.name, contender.name, [contender.value(root)], [plain], "value")
            contender.backward(root)
            found = contender.gradients(problem)
            expected = found if expected is None else expected
            agree(self.name, contender.name, found, expected, "gradient")
            del root, problem
            contender.release()


def make_workloads(sizes, names):
    # As in the eager table.
    steps = {w.name: w for w in _measures.make_workloads(sizes, names)}
    return [
        Dot(sizes),
        *(Step(name, steps[name].title, steps[name].make) for name in ("two_moons", "gpt")),
    ]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write every sample and verdict to FILE")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: does everything run?")
    parser.add_argument(
        "--only", action="append", choices=["dot", "two_moons", "gpt"], help="only this row"
    )
    parser.add_argument("--repeat", type=int, metavar="N", help="number of rounds (30)")
    parser.add_argument("--names", metavar="FILE", help="names for the GPT step, one a line")
    return parser.parse_args()


def main():
    options = arguments()
    sizes = _measures.SMOKE if options.smoke else _measures.Sizes()
    settings = _harness.Settings()
    if options.smoke:
        settings = _harness.Settings(rounds=2, sample_time=1e-4, budget=0.1, fewest_samples=1)
    if options.repeat is not None:
        if options.repeat < 1:
            sys.exit("nets.py: --repeat must be at least 1")
        settings.rounds = options.repeat
    try:
        names, names_source = _measures.read_names(options.names)
    except (OSError, ValueError) as error:
        sys.exit(f"nets.py: {error}")
    present, missing = contenders.all_contenders()
    more, more_missing = _nets.more_contenders()
    present = [*more, *(c for c in present if c.name not in LEFT_OUT)]
    missing += [reason for reason in more_missing if reason not in missing]
    report = Report("Nets", TARGETS, present, missing, settings)
    report.head()
    print(f"Names: {names_source}.\n")
    chosen = [w for w in make_workloads(sizes, names) if w.name in (options.only or (w.name,))]
    for workload in chosen:
        workload.check([c for c in present if workload.supports(c)])
    for workload in chosen:
        report.measure(workload, [c for c in present if workload.supports(c)])
    report.tables()
    if options.json:
        _harness.write_json(options.json, report.as_json())


if __name__ == "__main__":
    main()
