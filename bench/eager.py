"""The table of eager speed: micrograd_fast next to plain floats and to other engines.

    python bench/eager.py                       everything (some minutes)
    python bench/eager.py --only mul --only gpt
    python bench/eager.py --smoke --json out.json

All contenders run the same programs (workloads.py) in turn, in one process. Values and gradients
are compared before anything is timed. See bench/README.md for how to read the result.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Not the script's own directory: profile.py there would hide the standard library's.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if p != str(HERE))]

from bench import _harness, _measures, contenders  # noqa: E402

SCALE = {"ns": 1e9, "µs": 1e6, "ms": 1e3}
FAST = "micrograd_fast"


@dataclass(frozen=True)
class Target:
    """What micrograd_fast is to reach in one row.

    With `against`, a ratio of times: ours over theirs at most `bound`, or with `faster` theirs over
    ours at least `bound`. Without, an amount in the row's own unit, at most `bound`.
    """

    workload: str
    metric: str
    bound: float
    against: str | None = None
    faster: bool = False


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


def label(workload, metric):
    return workload.title if metric == "time" else f"{workload.title}: {metric}"


def judge(target, row):
    """The verdict on one target: from the minima, and from the medians as a second opinion."""
    ours = row["contenders"].get(FAST)
    theirs = row["contenders"].get(target.against) if target.against else None
    if ours is None or (target.against and theirs is None):
        return None
    if target.against:
        pair = (theirs, ours) if target.faster else (ours, theirs)
        best, median = _harness.ratios(*(entry["samples"] for entry in pair), target.metric)
        text = f"{target.against} / {FAST}" if target.faster else f"{FAST} / {target.against}"
    else:
        scale = SCALE[row["unit"]]
        best = ours["samples"].minimum(target.metric) * scale
        median = ours["samples"].median(target.metric) * scale
        text = f"{FAST}, {row['unit']}/op"
    holds = [x >= target.bound if target.faster else x <= target.bound for x in (best, median)]
    return {
        "row": row["title"],
        "quantity": text,
        "minimum": best,
        "median": median,
        "sense": ">=" if target.faster else "<=",
        "bound": target.bound,
        "verdict": "met" if all(holds) else "borderline" if any(holds) else "missed",
    }


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


class Report:
    """Collects the rows; prints them as they come; holds what goes into the JSON."""

    def __init__(self, present, missing, settings):
        self.present, self.missing, self.settings = present, missing, settings
        self.environment = _harness.environment()
        self.rows, self.targets = [], []

    def head(self):
        e = self.environment
        print(f"# Eager speed, {e['date']}\n")
        print(f"{e['python']} ({e['python_compiler']}), numpy {e['numpy']}; {e['system']}")
        print(f"{e['cpu']}, {e['cores']} cores, load {e['load_before'][0]} at the start")
        print(f"extension built with: {e['extension_compiler'] or 'unknown'}")
        for contender in self.present:
            collector = "on" if contender.collector else "off"
            print(f"- {contender.label}: {contender.version}, cyclic collector {collector}")
        for reason in self.missing:
            print(f"- left out: {reason}")
        print(
            f"\nUp to {self.settings.rounds} interleaved rounds; each cell: minimum (median).",
            flush=True,
        )

    def measure(self, workload, contenders_of_row):
        print(f"  {workload.title} …", file=sys.stderr, flush=True)
        samples = _harness.interleave(workload, contenders_of_row, self.settings)
        operations = workload.operations
        for metric in workload.metrics:
            row = {
                "workload": workload.name,
                "metric": metric,
                "title": label(workload, metric),
                "unit": workload.unit,
                "operations": operations,
                "contenders": {
                    name: {"inner": s.inner, "samples": s} for name, s in samples.items()
                },
            }
            self.rows.append(row)
            for target in TARGETS:
                if (target.workload, target.metric) == (workload.name, metric):
                    verdict = judge(target, row)
                    if verdict:
                        self.targets.append(verdict)

    def measure_memory(self, name, title, measure, sizes):
        print(f"  {title} …", file=sys.stderr, flush=True)
        found = run_memory([c.name for c in self.present], measure, sizes)
        key, bound, unit = MEMORY_TARGETS[name]
        self.rows.append(
            {"workload": name, "metric": key, "title": title, "unit": unit, "bytes": found}
        )
        if FAST in found:
            amount = found[FAST][key]
            self.targets.append(
                {
                    "row": title,
                    "quantity": f"{FAST}, {unit}",
                    "minimum": amount,
                    "median": amount,
                    "sense": "<=",
                    "bound": bound,
                    "verdict": "met" if amount <= bound else "missed",
                }
            )

    def cell(self, row, name):
        if "bytes" in row:
            entry = row["bytes"].get(name)
            return "–" if entry is None else _harness.three_digits(entry[row["metric"]])
        entry = row["contenders"].get(name)
        scale, metric = SCALE[row["unit"]], row["metric"]
        if entry is None or entry["samples"].minimum(metric) is None:
            return "–"
        best = _harness.three_digits(entry["samples"].minimum(metric) * scale)
        return f"{best} ({_harness.three_digits(entry['samples'].median(metric) * scale)})"

    def tables(self):
        names = [c.name for c in self.present]
        rows = []
        for row in self.rows:
            operations = row.get("operations", 1)
            title = row["title"] + (f" ({operations:,} ops)" if operations > 1 else "")
            rows.append([title, row["unit"], *(self.cell(row, n) for n in names)])
        print()
        print(_harness.table(["", "unit", *(c.label for c in self.present)], rows))
        print("\n## Targets\n")
        rows = [
            [
                t["row"],
                t["quantity"],
                _harness.three_digits(t["minimum"]),
                _harness.three_digits(t["median"]),
                {"<=": "≤ ", ">=": "≥ "}[t["sense"]] + f"{t['bound']:,g}",
                t["verdict"],
            ]
            for t in self.targets
        ]
        header = ["", "quantity", "of minima", "median", "target", ""]
        print(_harness.table(header, rows))

    def as_json(self):
        rows = []
        for row in self.rows:
            row = dict(row)
            if "contenders" in row:
                row["contenders"] = {
                    name: {
                        "inner": entry["inner"],
                        "seconds": entry["samples"].by_metric[row["metric"]],
                        "minimum": entry["samples"].minimum(row["metric"]),
                        "median": entry["samples"].median(row["metric"]),
                    }
                    for name, entry in row["contenders"].items()
                }
            rows.append(row)
        return {
            "schema": 1,
            "environment": {**self.environment, "load_after": round(os.getloadavg()[0], 2)},
            "settings": vars(self.settings),
            "contenders": {
                c.name: {"label": c.label, "version": c.version, "gc": c.collector}
                for c in self.present
            },
            "missing": self.missing,
            "rows": rows,
            "targets": self.targets,
        }


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
    report = Report(present, missing, settings)
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
