"""Targets and tables of the replay benchmark."""

import statistics

from bench import _harness
from bench._harness import three_digits
from bench._report import FAST, Report, Target, judge, verdict

# Nanoseconds for each operation of the program as it is written.
PER_OPERATION = {"dag": 9.0, "net": 4.0}
# Microseconds of a call that computes next to nothing.
PER_CALL = {"small": 1.0, "numbers": 1.0}
# Who interprets, as scalar replay does, is to be slower on every program.
INTERPRETERS = ("casadi_sx", "casadi_mx", "ddx_interpreted", "ddx_batch")
# Milliseconds until a path written as a loop is recorded and has its first gradient.
READY = {"asian": 2.0}
# Microseconds an operation for recording and lowering, and how much that may grow with size.
RECORDING = 0.3
GROWTH = 2.0
GRADIENTS = 1000
UNITS = {"time": "µs", "ready": "ms", "first": "ms"}


class ReplayReport(Report):
    """Rows of time, of when a contender is ready and when it has its first gradients; recordings.

    The tables have a line for each contender and a column for each program.
    """

    def __init__(self, remotes, missing, settings):
        super().__init__("Replay speed", (), remotes, missing, settings)
        # This process has no use for the extension: the contender's does.
        self.environment["extension_compiler"] = remotes[0].extension_compiler
        self.recordings = []

    def add_program(self, program, stats, times, firsts, runs, notes):
        """Notes stand in the place of numbers that could not be measured; runs are by contender."""
        for metric, unit in UNITS.items():
            self.rows.append(
                {
                    "workload": program.name,
                    "metric": metric,
                    "title": program.title,
                    "unit": unit,
                    "operations": program.operations(),
                    "contenders": {
                        name: {"inner": s.inner, "samples": s}
                        for name, s in (times if metric == "time" else firsts).items()
                    },
                    "stats": stats,
                    "runs": runs,
                    "notes": notes,
                }
            )

    def rows_of(self, metric):
        return [row for row in self.rows if row["metric"] == metric]

    # --- targets ---

    def judge(self):
        for row in self.rows_of("time"):
            self.judge_speed(row)
        for row in self.rows_of("first"):
            self.judge_beginning(row)
        for row in self.rows_of("ready"):
            if row["workload"] in READY:
                samples = row["contenders"][FAST]["samples"]
                figures = samples.minimum("ready") * 1e3, samples.median("ready") * 1e3
                title = f"{row['title']}: ready"
                self.add(title, f"{FAST}, ms", *figures, READY[row["workload"]])
        for family in dict.fromkeys(row["family"] for row in self.recordings):
            self.judge_recording([row for row in self.recordings if row["family"] == family])

    def judge_speed(self, row):
        name, samples = row["workload"], row["contenders"][FAST]["samples"]
        for bounds, unit, scale in (
            (PER_OPERATION, "ns/op", 1e9 / row["operations"]),
            (PER_CALL, "µs a call", 1e6),
        ):
            if name in bounds:
                figures = samples.minimum("time") * scale, samples.median("time") * scale
                self.add(row["title"], f"{FAST}, {unit}", *figures, bounds[name])
        for peer in INTERPRETERS:
            found = judge(Target(name, "time", 1.0, peer), row)
            if found:
                self.targets.append(found)

    def judge_beginning(self, row):
        """Against the peer that comes closest; all are in the table."""
        targets = [
            judge(Target(row["workload"], "first", 1.0, peer), row)
            for peer, entry in row["contenders"].items()
            if peer != FAST and entry["samples"].taken("first")
        ]
        if targets:
            closest = max(targets, key=lambda t: t["minimum"])
            self.targets.append({**closest, "row": f"{row['title']}: first 1,000"})

    def judge_recording(self, rows):
        title = f"recording, {rows[0]['family']}"
        minima = [min(row["seconds"]) * 1e6 / row["operations"] for row in rows]
        medians = [statistics.median(row["seconds"]) * 1e6 / row["operations"] for row in rows]
        self.add(title, "µs/op at the worst size", max(minima), max(medians), RECORDING)
        growth = [figures[-1] / min(figures) for figures in (minima, medians)]
        self.add(title, "growth of µs/op with size", *growth, GROWTH)

    def add(self, title, quantity, best, median, bound):
        self.targets.append(verdict(title, quantity, best, median, bound))

    # --- tables ---

    def tables(self):
        if self.rows:
            self.program_table()
            title = "Value and gradient, µs: minimum (median)"
            self.contender_table(title, "time", lambda row, name: self.cell(row, name))
            title = f"Times of {FAST} over theirs: of minima (median of ratios)"
            self.contender_table(title, "time", self.ratio_cell)
            title = "Time to the first 1,000 gradients, ms: minimum (median)"
            self.contender_table(title, "first", self.first_cell)
            title = "Of that until the first gradient, ms: minimum (median)"
            self.contender_table(title, "ready", lambda row, name: self.cell(row, name))
        if self.recordings:
            self.recording_table()
        self.target_table()

    def contender_table(self, title, metric, cell):
        rows = self.rows_of(metric)

        def text(row, remote):
            notes = row["notes"]
            return notes[remote.name] if remote.name in notes else cell(row, remote.name)

        print(f"\n## {title}\n")
        lines = [[r.label, *(text(row, r) for row in rows)] for r in self.present]
        # Who has no form of any of these programs has no line.
        lines = [line for line in lines if set(line[1:]) != {"–"}]
        print(_harness.table(["", *(row["workload"] for row in rows)], lines))

    def ratio_cell(self, row, name):
        if name not in row["contenders"]:
            return "–"
        entries = row["contenders"][FAST], row["contenders"][name]
        best, median = _harness.ratios(*(entry["samples"] for entry in entries), "time")
        return f"{three_digits(best)} ({three_digits(median)})"

    def first_cell(self, row, name):
        """Marked where not all of the gradients were computed."""
        mark = "≈ " if row["runs"].get(name, GRADIENTS) < GRADIENTS else ""
        return mark + self.cell(row, name)

    def program_table(self):
        lines = []
        for row in self.rows_of("time"):
            stats, samples = row["stats"], row["contenders"][FAST]["samples"]
            scale = 1e9 / row["operations"]
            lines.append(
                [
                    f"{row['workload']}: {row['title']}",
                    f"{row['operations']:,}",
                    f"{stats['operations_recorded']:,}",
                    f"{stats['operations']:,}",
                    three_digits(samples.minimum("time") * scale),
                    three_digits(samples.median("time") * scale),
                ]
            )
        header = ["", "operations written", "recorded", "replayed", "ns/op, minimum", "median"]
        print(f"## Programs, and what {FAST} makes of them\n")
        print(_harness.table(header, lines))

    def recording_table(self):
        lines = []
        for row in self.recordings:
            count = row["operations"]
            phases = ("recording", "lowering", "passes", "slots")
            seconds = [row["stats"][f"seconds_{phase}"] for phase in phases]
            lines.append(
                [
                    row["family"],
                    f"{count:,}",
                    three_digits(min(row["seconds"]) * 1e6 / count),
                    three_digits(statistics.median(row["seconds"]) * 1e6 / count),
                    three_digits(row["floats"] * 1e6 / count),
                    *(three_digits(s * 1e6 / count) for s in seconds),
                    three_digits(row["stats"]["bytes"] / count),
                ]
            )
        header = ["", "operations", "minimum", "median", "plain floats", *phases, "B/op"]
        print("\n## From a new function to its first gradient, µs/op; phases as f.stats has them\n")
        print(_harness.table(header, lines))

    # --- JSON ---

    def as_json(self):
        return {**super().as_json(), "recordings": self.recordings}
