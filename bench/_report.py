"""The rows of a benchmark as tables and as JSON, and the verdict on each target."""

import os
import sys
from dataclasses import dataclass

from bench import _harness

SCALE = {"ns": 1e9, "µs": 1e6, "ms": 1e3}
FAST = "micrograd_fast"


@dataclass(frozen=True)
class Target:
    """What `ours` is to reach in one row.

    With `against`, a ratio of times: ours over theirs at most `bound`, or with `faster` theirs over
    ours at least `bound`. Without, an amount in the row's own unit, at most `bound`.
    """

    workload: str
    metric: str
    bound: float
    against: str | None = None
    faster: bool = False
    ours: str = FAST


def label(workload, metric):
    return workload.title if metric == "time" else f"{workload.title}: {metric}"


def judge(target, row):
    """The verdict on one target: from the minima, and from the medians as a second opinion."""
    ours = row["contenders"].get(target.ours)
    theirs = row["contenders"].get(target.against) if target.against else None
    if ours is None or (target.against and theirs is None):
        return None
    if target.against:
        pair = (theirs, ours) if target.faster else (ours, theirs)
        best, median = _harness.ratios(*(entry["samples"] for entry in pair), target.metric)
        text = (
            f"{target.against} / {target.ours}"
            if target.faster
            else f"{target.ours} / {target.against}"
        )
    else:
        scale = SCALE[row["unit"]]
        best = ours["samples"].minimum(target.metric) * scale
        median = ours["samples"].median(target.metric) * scale
        text = f"{target.ours}, {row['unit']}/op"
    return verdict(row["title"], text, best, median, target.bound, target.faster)


def verdict(title, quantity, best, median, bound, faster=False):
    """One line of the table of targets: both figures are to be at most, or at least, the bound."""
    holds = [x >= bound if faster else x <= bound for x in (best, median)]
    return {
        "row": title,
        "quantity": quantity,
        "minimum": best,
        "median": median,
        "sense": ">=" if faster else "<=",
        "bound": bound,
        "verdict": "met" if all(holds) else "borderline" if any(holds) else "missed",
    }


class Report:
    """Collects the rows; prints them as they come; holds what goes into the JSON."""

    def __init__(self, title, targets, present, missing, settings):
        self.title, self.wanted = title, targets
        self.present, self.missing, self.settings = present, missing, settings
        self.environment = _harness.environment()
        self.rows, self.targets = [], []

    def head(self):
        e = self.environment
        print(f"# {self.title}, {e['date']}\n")
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
            for target in self.wanted:
                if (target.workload, target.metric) == (workload.name, metric):
                    verdict = judge(target, row)
                    if verdict:
                        self.targets.append(verdict)

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
        self.target_table()

    def target_table(self):
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
