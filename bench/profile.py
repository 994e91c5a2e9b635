"""Where a training step spends its time: by phase, and by function of the native code.

    python bench/profile.py                       the two-moons step
    python bench/profile.py --workload gpt --tool callgrind

Phases are timed in processor time. Functions come from perf, which samples a running process, or
from callgrind, which counts every instruction; the first that is there is used.
"""

import argparse
import itertools
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Not the script's own directory: this file there would hide the standard library's profile.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if p != str(HERE))]

from bench import _callgrind, _harness, _measures, contenders  # noqa: E402

# Newer versions of perf fill columns they have nothing for with dashes.
PERF_LINE = re.compile(r"^\s*([\d.]+)%\s+(\S+)\s+\[[.k]\]\s+(.+?)(?:\s+-)*\s*$")
# Steps of a callgrind run; what a run of fewer steps executes, too, is taken off.
FEW, MANY = 1, 6


class ToolError(Exception):
    """The profiler is missing or refused; the message says what would help."""


# --- workloads, phase by phase -------------------------------------------------------------------


class ProblemPhases:
    """A step on one of the problems of workloads.py."""

    names = ("forward", "zero", "backward", "update", "free")

    def __init__(self, code, problem):
        self.problem = problem
        self.parameters = problem.parameters()

    def step(self):
        clock = time.process_time
        parameters, rate = self.parameters, getattr(self.problem, "learning_rate", 0.0)
        marks = [clock()]
        root = self.problem.forward()
        marks.append(clock())
        for p in parameters:
            p.grad = 0.0
        marks.append(clock())
        root.backward()
        marks.append(clock())
        for p in parameters:
            p.data += -rate * p.grad
        marks.append(clock())
        del root
        marks.append(clock())
        return [after - before for before, after in itertools.pairwise(marks)]


class ReadmePhases:
    """The README expression, a batch at a time: one alone is too short for the clock."""

    names = ("leaves and forward", "backward", "free")
    batch = 1000

    def __init__(self, code):
        self.code = code

    def step(self):
        clock, value, expression = time.process_time, self.code.Value, self.code.readme_expression
        start = clock()
        roots = [expression(value(-4.0), value(2.0)) for _ in range(self.batch)]
        built = clock()
        for root in roots:
            root.backward()
        swept = clock()
        del roots, root
        freed = clock()
        return [built - start, swept - built, freed - swept]


def phases_of(name, sizes):
    present, missing = contenders.all_contenders(only="micrograd_fast")
    if not present:
        sys.exit(f"profile.py: {missing[0]}")
    code = present[0].code
    if name == "readme":
        return ReadmePhases(code)
    if name == "two_moons":
        return ProblemPhases(code, code.TwoMoons(sizes.points, sizes.hidden))
    if name == "gpt":
        letters = "abcdefghijklmnop"[: sizes.letters]
        return ProblemPhases(code, code.CharGPT(letters, sizes.width, sizes.heads))
    return ProblemPhases(code, code.Chain(min(sizes.graph, 100_000)))


WORKLOADS = ("two_moons", "gpt", "readme", "chain")


def time_phases(phases, seconds):
    """Samples of each phase, in seconds."""
    phases.step()
    samples, end = [], time.perf_counter() + seconds
    while not samples or time.perf_counter() < end:
        samples.append(phases.step())
    return {name: [s[i] for s in samples] for i, name in enumerate(phases.names)}


def print_phases(samples):
    best = {name: min(times) for name, times in samples.items()}
    whole = sum(best.values())
    rows = [
        [
            name,
            _harness.three_digits(1e3 * best[name]),
            _harness.three_digits(1e3 * statistics.median(times)),
            f"{best[name] / whole:.1%}",
        ]
        for name, times in samples.items()
    ]
    rows.append(["all", _harness.three_digits(1e3 * whole), "", ""])
    print(_harness.table(["phase", "ms, minimum", "ms, median", "share"], rows))


# --- functions -----------------------------------------------------------------------------------


def child_command(options, steps):
    command = [sys.executable, str(Path(__file__).resolve()), "--child", str(steps)]
    return [*command, "--workload", options.workload, *(["--smoke"] if options.smoke else [])]


def child(phases, steps):
    """The profiled process: so many steps, or with 0 steps until standard input is closed."""
    for _ in range(steps):
        phases.step()
    if steps == 0:
        import threading

        phases.step()
        print("ready", flush=True)
        over = threading.Event()

        def wait():
            sys.stdin.read()
            over.set()

        threading.Thread(target=wait, daemon=True).start()
        while not over.is_set():
            phases.step()


def run_perf(options):
    """[(share, library, function)], sampled while the child does nothing but steps."""
    if shutil.which("perf") is None:
        raise ToolError("perf is not here (the Debian package is linux-perf)")
    with tempfile.TemporaryDirectory() as folder:
        data = str(Path(folder) / "perf.data")
        with subprocess.Popen(
            child_command(options, 0), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                if process.stdout.readline().strip() != "ready":
                    raise ToolError("the profiled process did not start")
                record = ["perf", "record", "-q", "-F", "1999", "-o", data, "-p", str(process.pid)]
                record += ["--", "sleep", str(options.seconds)]
                recorded = subprocess.run(record, capture_output=True, text=True, check=False)
            finally:
                process.stdin.close()
        if recorded.returncode != 0:
            raise ToolError(
                "perf record was refused (kernel.perf_event_paranoid?): "
                + recorded.stderr.strip()[:300]
            )
        report = ["perf", "report", "-i", data, "--stdio", "--no-children", "-s", "dso,symbol"]
        reported = subprocess.run(report, capture_output=True, text=True, check=False)
        if reported.returncode != 0:
            raise ToolError(f"perf report failed: {reported.stderr.strip()[:300]}")
    lines = map(PERF_LINE.match, reported.stdout.splitlines())
    return [(float(m[1]) / 100.0, m[2], m[3]) for m in lines if m]


def run_callgrind(options):
    """[(share, library, function)] of the instructions of a step."""
    try:
        few, many = (_callgrind.by_function(child_command(options, steps)) for steps in (FEW, MANY))
    except _callgrind.CallgrindError as error:
        raise ToolError(str(error)) from error
    difference = {key: many[key] - few.get(key, 0) for key in many}
    whole = sum(difference.values())
    found = [(count / whole, library, name) for (name, library), count in difference.items()]
    return sorted(found, reverse=True)


TOOLS = {"perf": ("samples", run_perf), "callgrind": ("instructions", run_callgrind)}


def functions(options):
    """(tool, what its shares are of, rows), or (None, why not, [])."""
    wanted = list(TOOLS) if options.tool == "auto" else [options.tool]
    refusals = []
    for name in wanted:
        unit, run = TOOLS[name]
        try:
            rows = run(options)
        except ToolError as error:
            refusals.append(str(error))
            continue
        if rows:
            return name, unit, rows
        refusals.append(f"{name} found nothing")
    return None, "; ".join(refusals), []


def print_functions(tool, unit, rows, lines):
    by_library = {}
    for share, library, _ in rows:
        by_library[library] = by_library.get(library, 0.0) + share
    print(f"\n{tool}, shares of {unit}:\n")
    libraries = sorted(by_library.items(), key=lambda item: -item[1])
    cells = [[name, f"{share:.1%}"] for name, share in libraries if share >= 0.002]
    print(_harness.table(["library", "share"], cells))
    print()
    cells = [
        [function, library, f"{share:.1%}"]
        for share, library, function in rows[:lines]
        if share >= 0.001
    ]
    print(_harness.table(["function", "library", "share"], cells))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--workload", choices=WORKLOADS, default="two_moons")
    parser.add_argument("--tool", choices=("auto", *TOOLS, "none"), default="auto")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long to sample (5)")
    parser.add_argument("--lines", type=int, default=30, help="functions to show (30)")
    parser.add_argument("--json", metavar="FILE", help="write phases and functions to FILE")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: does everything run?")
    parser.add_argument("--child", type=int, metavar="STEPS", help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    options = arguments()
    sizes = _measures.SMOKE if options.smoke else _measures.Sizes()
    if options.smoke:
        options.seconds = 0.2
    phases = phases_of(options.workload, sizes)
    if options.child is not None:
        child(phases, options.child)
        return
    environment = _harness.environment()
    print(f"{options.workload}, {environment['python']}, {environment['cpu']}\n")
    samples = time_phases(phases, min(2.0, options.seconds))
    print_phases(samples)
    tool, unit, rows = None, "not asked for", []
    if options.tool != "none":
        tool, unit, rows = functions(options)
    if tool:
        print_functions(tool, unit, rows, options.lines)
    else:
        print(f"\nNo functions: {unit}.")
    if options.json:
        content = {
            "schema": 1,
            "environment": environment,
            "workload": options.workload,
            "phases": {
                name: {"minimum": min(times), "median": statistics.median(times)}
                for name, times in samples.items()
            },
            "tool": tool,
            "functions": [
                {"share": share, "library": library, "function": function}
                for share, library, function in rows
            ],
        }
        _harness.write_json(options.json, content)


if __name__ == "__main__":
    main()
