"""The table of eager speed: micrograd_fast next to plain floats and to other engines.

    python bench/eager.py                       everything (some minutes)
    python bench/eager.py --only mul --only gpt
    python bench/eager.py --smoke --json out.json

All contenders run the same programs (workloads.py) in turn, in one process. Values and gradients
are compared before anything is timed. See bench/README.md for how to read the result.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Not the script's own directory: profile.py there would hide the standard library's.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if p != str(HERE))]

from bench import _harness, _measures, contenders  # noqa: E402
from bench._report import FAST, Report, Target, verdict  # noqa: E402

TARGETS = (
    Target("mul", "time", 1.25, "floats"),
    Target("mul_number", "time", 1.6, "floats"),
    Target("number_mul", "time", 1.6, "floats"),
    Target("readme", "time", 2.0, "floats"),
    Target("two_moons", "time", 1.5, "floats"),
    Target("two_moons", "time", 20.0, "micrograd_nogc", faster=True),
    Target("two_moons", "time", 8.0, "xad", faster=True),
    Target("gpt", "time", 1.6, "floats"),
    Target("net", "backward", 5.0),
    Target("chain", "backward", 5.0),
    Target("dag", "backward", 12.0),
    Target("chain", "free", 3.5),
    Target("dag", "free", 3.5),
)
MEMORY_TARGETS = {
    "memory": ("bytes_per_operation", 80.0, "B/op"),
    # Pages may come and go; bump allocation, which this row is there to rule out, grew by 280 MB.
    "kept_leaves": ("grown_bytes", float(2**21), "B"),
}
WORKLOADS = (
    "mul mul_number number_mul tanh readme two_moons gpt net chain dag memory kept_leaves".split()
)


def run_memory(names, measure, sizes):
    """Bytes by contender, each in a process of its own."""
    found = {}
    for name in names:
        if name.endswith("_nogc") or (name == "floats" and measure == "graph"):
            continue
        # What a slow engine needs for each operation does not depend on how many there are.
        large = name in (FAST, "xad", "floats")
        size = (sizes.graph if measure == "graph" else sizes.kept_leaves) // (1 if large else 10)
        if name == "xad" and measure == "leaves":
            # Its tape grows with every operation until it is wound back, kept leaf or not.
            continue
        command = [sys.executable, str(HERE / "_memory.py"), name, measure, str(size)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command[1:])} failed:\n{done.stderr}")
        found[name] = json.loads(done.stdout)
    return found


class MemoryReport(Report):
    """A report with rows that are bytes, not times."""

    def measure_memory(self, name, title, measure, sizes):
        print(f"  {title} …", file=sys.stderr, flush=True)
        found = run_memory([c.name for c in self.present], measure, sizes)
        key, bound, unit = MEMORY_TARGETS[name]
        self.rows.append(
            {"workload": name, "metric": key, "title": title, "unit": unit, "bytes": found}
        )
        if FAST in found:
            amount = found[FAST][key]
            self.targets.append(verdict(title, f"{FAST}, {unit}", amount, amount, bound))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write every sample and verdict to FILE")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: does everything run?")
    parser.add_argument(
        "--only",
        action="append",
        choices=WORKLOADS,
        metavar="WORKLOAD",
        help="only this row; may be repeated: " + ", ".join(WORKLOADS),
    )
    parser.add_argument("--repeat", type=int, metavar="N", help="number of rounds (30)")
    parser.add_argument("--names", metavar="FILE", help="names for the GPT step, one a line")
    return parser.parse_args()


def main():
    options = arguments()
    smoke = options.smoke
    sizes = _measures.SMOKE if smoke else _measures.Sizes()
    settings = _harness.Settings()
    if smoke:
        settings = _harness.Settings(rounds=2, sample_time=1e-4, budget=0.1, fewest_samples=1)
    if options.repeat is not None:
        if options.repeat < 1:
            sys.exit("eager.py: --repeat must be at least 1")
        settings.rounds = options.repeat
    chosen = options.only or WORKLOADS
    try:
        names, names_source = _measures.read_names(options.names)
        workloads = _measures.make_workloads(sizes, names)
    except (OSError, ValueError) as error:
        sys.exit(f"eager.py: {error}")
    present, missing = contenders.all_contenders()
    report = MemoryReport("Eager speed", TARGETS, present, missing, settings)
    report.head()
    print(f"Names: {names_source}.\n")
    timed = [w for w in workloads if w.name in chosen]
    for workload in timed:
        workload.check([c for c in present if workload.supports(c)])
    for workload in timed:
        report.measure(workload, [c for c in present if workload.supports(c)])
    if "memory" in chosen:
        report.measure_memory("memory", "memory of a chain", "graph", sizes)
    if "kept_leaves" in chosen:
        title = "RSS growth, one leaf kept in 1,000 nodes"
        report.measure_memory("kept_leaves", title, "leaves", sizes)
    report.tables()
    if options.json:
        _harness.write_json(options.json, report.as_json())


if __name__ == "__main__":
    main()
