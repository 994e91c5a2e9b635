"""Timing in turn, statistics, the description of the machine, and tables of text."""

import datetime
import gc
import json
import math
import os
import platform
import random
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


# --- sampling ------------------------------------------------------------------------------------


@dataclass
class Settings:
    """How long to measure: more rounds for steadier minima, never a different quantity."""

    rounds: int = 30
    # A sample of a fast contender repeats its work until it lasts about this long, in seconds:
    # far longer than the clock needs, and short enough to find a quiet moment on a busy machine.
    sample_time: float = 0.01
    # A slow contender sits rounds out once its samples together would take longer than this.
    budget: float = 3.0
    fewest_samples: int = 3


@dataclass
class Samples:
    """Seconds per unit of work of one contender, by metric; None where it sat a round out."""

    contender: str
    inner: int
    by_metric: dict = field(default_factory=dict)

    def add(self, result, metrics):
        for metric in metrics:
            self.by_metric.setdefault(metric, []).append(None if result is None else result[metric])

    def taken(self, metric):
        return [s for s in self.by_metric[metric] if s is not None]

    def minimum(self, metric):
        return min(self.taken(metric), default=None)

    def median(self, metric):
        return statistics.median(self.taken(metric)) if self.taken(metric) else None


def take(contender, sampler, inner):
    """(result, seconds) of one sample, with the cyclic collector as this contender wants it."""
    if not contender.collector:
        gc.disable()
    try:
        if inner >= 8:
            # Whoever ran before has the caches; a short sample must not pay for filling them.
            sampler(inner // 8)
        start = contender.clock()
        result = sampler(inner)
        return result, contender.clock() - start
    finally:
        gc.enable()
        if contender.makes_cycles:
            # Outside the timing: the next contender must not pay for this one's garbage.
            gc.collect()


def calibrate(contender, sampler, settings):
    """Warm up, and find how often to repeat the work within a sample: (inner, seconds)."""
    inner = 1
    while True:
        _, elapsed = take(contender, sampler, inner)
        if elapsed >= settings.sample_time / 4:
            scale = settings.sample_time / elapsed
            return max(1, round(inner * scale)), elapsed * max(1 / inner, scale)
        inner = max(inner + 1, int(inner * min(10.0, settings.sample_time / elapsed)))


def interleave(workload, contenders, settings):
    """Samples of every contender, taken in turn.

    A disturbance of the machine then falls on all of them, and the ratio within a round is little
    affected. The order changes, lest one contender always run after the same other.
    """
    order = random.Random(0)
    plans = []
    for contender in contenders:
        sampler = workload.sampler(contender)
        inner, elapsed = calibrate(contender, sampler, settings)
        affordable = max(settings.fewest_samples, int(settings.budget / elapsed))
        stride = max(1, settings.rounds // affordable)
        plans.append((contender, sampler, stride, Samples(contender.name, inner)))
    for turn in range(settings.rounds):
        for contender, sampler, stride, samples in order.sample(plans, len(plans)):
            result = None
            if turn % stride == 0:
                result, _ = take(contender, sampler, samples.inner)
            samples.add(result, workload.metrics)
    return {samples.contender: samples for *_, samples in plans}


def ratios(numerator, denominator, metric):
    """(ratio of the minima, median of the ratios within a round) of two contenders."""
    pairs = [
        n / d
        for n, d in zip(numerator.by_metric[metric], denominator.by_metric[metric])
        if n is not None and d is not None
    ]
    best = numerator.minimum(metric) / denominator.minimum(metric)
    return best, statistics.median(pairs) if pairs else best


# --- the machine ---------------------------------------------------------------------------------


def cpu_model():
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def extension_compiler():
    """The compiler that the native extension was built with, as its object file records it."""
    module = sys.modules.get("micrograd_fast._core")
    if module is None or not getattr(module, "__file__", None):
        return None
    content = Path(module.__file__).read_bytes()
    found = set()
    for mark in (b"GCC: (", b"clang version "):
        at = content.find(mark)
        while at >= 0:
            end = min(content.find(b"\0", at), at + 100)
            found.add(content[at:end].decode("ascii", "replace").strip())
            at = content.find(mark, at + 1)
    return "; ".join(sorted(found)) or None


def environment():
    try:
        import numpy

        numpy_version = numpy.__version__
    except ImportError:
        numpy_version = None
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "load_before": [round(x, 2) for x in os.getloadavg()],
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "python_compiler": platform.python_compiler(),
        "extension_compiler": extension_compiler(),
        "numpy": numpy_version,
        "gc_threshold": list(gc.get_threshold()),
    }


def resident_bytes():
    """This process's resident memory; needs Linux's /proc."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


# --- text ----------------------------------------------------------------------------------------


def three_digits(x):
    """A number with about three digits, and no exponent."""
    if x is None:
        return "–"
    if x == 0 or not math.isfinite(x):
        return f"{x:g}"
    decimals = max(0, 2 - math.floor(math.log10(abs(x))))
    return f"{x:,.{min(decimals, 3)}f}"


def table(header, rows):
    """A Markdown table with padded columns, readable as plain text as well."""
    cells = [header, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]

    def line(row):
        first, *others = (
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        )
        return "| " + " | ".join([first, *others]) + " |"

    rule = "|" + "|".join("-" * (w + 1) + ("-" if i == 0 else ":") for i, w in enumerate(widths))
    return "\n".join([line(header), rule + "|", *map(line, rows)])


def write_json(path, content):
    Path(path).write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
