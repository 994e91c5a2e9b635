"""``python -m micrograd_fast demo``: three networks trained, pictures of them, and the speed."""

from __future__ import annotations

import importlib
import shutil
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import TextIO

from . import _demo_graph, _demo_speed, _demo_train, _layout
from ._demo_speed import Comparison
from ._demo_train import Training
from ._layout import LayoutFailed

DEFAULT_OUT = "micrograd_fast_demo"
DEFAULT_SEED = 1337
DEFAULT_EPOCHS = 100

_PACKAGES = {
    "sklearn": "scikit-learn",
    "matplotlib": "matplotlib",
    "graphviz": "graphviz",
    "tqdm": "tqdm",
}


class DemoError(Exception):
    """Something that the person at the keyboard can put right; its text is one line."""


def run(out: Path, seed: int = DEFAULT_SEED, epochs: int = DEFAULT_EPOCHS) -> None:
    """Runs the whole demo and writes its pictures into the directory ``out``."""
    _require_packages()
    _prepare(out)
    start = time.perf_counter()
    print(f"micrograd_fast demo: seed {seed}, {epochs} epochs, pictures into {out}")

    _heading("1. The seed's four points: MLP(3, [4, 4, 1]), squared error")
    four_points = _demo_train.train_four_points(seed, report=print)
    _heading("2. Two moons, 100 points: MLP(2, [16, 16, 1]), max-margin loss and L2")
    two_moons = _demo_train.train_moons(seed, epochs, _Progress)
    _heading("3. Breast cancer, 569 real samples of 30 measurements: MLP(30, [8, 1]), minibatches")
    cancer = _demo_train.train_cancer(seed, epochs, _Progress)
    _heading("4. Speed: one training step of two moons, the same code on two engines")
    speeds = [
        _demo_speed.compare(seed, repetitions=3, collector=True),
        _demo_speed.compare(seed, repetitions=5, collector=False),
    ]
    _print_speeds(speeds)
    try:
        pictures = _write_pictures(out, four_points, two_moons, cancer)
    except LayoutFailed as error:
        raise DemoError(str(error)) from error
    except OSError as error:
        raise DemoError(f"cannot write a picture into {str(out)!r}: {error.strerror}") from error

    _heading("Summary")
    print(f"four points    loss {four_points.losses[0]:.4f} -> {four_points.losses[-1]:.4f}")
    for name, training in (("two moons", two_moons), ("breast cancer", cancer)):
        finals = ", ".join(f"{k} accuracy {v:.1f} %" for k, v in training.final.items())
        print(f"{name:13}  loss {training.losses[0]:.4f} -> {training.losses[-1]:.4f}, {finals}")
    print(f"speed          {_rates(speeds)}")
    print(f"time           {time.perf_counter() - start:.1f} s for the whole demo")
    print("pictures")
    for path in pictures:
        print(f"  {path}")


def _require_packages() -> None:
    missing = []
    for module, name in _PACKAGES.items():
        try:
            importlib.import_module(module)
        except ImportError:
            missing.append(name)
    if not _layout.available():
        missing.append("pygraphviz")
    if missing:
        raise DemoError(f"the demo needs {', '.join(missing)}: pip install 'micrograd_fast[demo]'")


def _prepare(out: Path) -> None:
    """Makes the directory and sees that a file can be written into it, before any work is done."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=out):
            pass
    except (FileExistsError, NotADirectoryError):
        raise DemoError(f"cannot write into {str(out)!r}: it is not a directory") from None
    except OSError as error:
        raise DemoError(f"cannot write into {str(out)!r}: {error.strerror}") from error


def _heading(text: str) -> None:
    print(f"\n{text}")


class _Lines:
    """A stream that gives every state of a progress bar a line of its own, for logs and pipes."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.last = ""

    def write(self, text: str) -> None:
        text = text.strip("\r\n ")
        if text and text != self.last:
            self.stream.write(text + "\n")
            self.last = text

    def flush(self) -> None:
        self.stream.flush()


class _Progress:
    """A progress bar on stderr; the lines that go with it appear on stdout, undisturbed by it."""

    def __init__(self, name: str, total: int, unit: str) -> None:
        from tqdm import tqdm

        screen = shutil.get_terminal_size()
        self.shared = sys.stderr.isatty()
        self.bar = tqdm(
            total=total,
            desc=name,
            unit=unit,
            file=sys.stderr if self.shared else _Lines(sys.stderr),
            mininterval=0.1 if self.shared else 2.0,
            # Left to itself, tqdm shows nothing on a terminal of size 0 by 0, as some tools make.
            ncols=min(100, screen.columns - 1),
            nrows=screen.lines,
        )

    def advance(self, line: str | None = None) -> None:
        """One unit further; ``line`` says how it went."""
        if line is not None and self.shared:
            self.bar.write(line, file=sys.stdout)
        elif line is not None:
            print(line)
        self.bar.update()

    def __enter__(self) -> _Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.close()


def _rates(speeds: list[Comparison]) -> str:
    """Both engines' operations per second, and how many times faster the native one is."""
    as_run, collector_off = speeds
    native = as_run.operations / as_run.native / 1e6
    pure = as_run.operations / as_run.pure / 1e6
    return (
        f"{native:.1f} million operations per second, plain Python {pure:.3f} million: "
        f"{as_run.times:.0f} times as fast ({collector_off.times:.0f} with the collector off)"
    )


def _print_speeds(speeds: list[Comparison]) -> None:
    print("A step: forward, gradients to 0, backward, parameters moved, graph freed.")
    print(
        f"Its {speeds[0].operations:,} operations are the nodes of the loss graph, leaves left out."
    )
    print("Plain Python: the package's _pure.py, which works as the seed's Value does.")
    print("Times are medians of repetitions in which the two engines take turns.")
    for speed in speeds:
        how = "on, as people run it" if speed.collector else "off, its work untimed"
        print(f"  cyclic collector {how} ({speed.repetitions} repetitions):")
        for name, seconds in (("micrograd_fast", speed.native), ("plain Python", speed.pure)):
            rate = speed.operations / seconds / 1e6
            print(f"    {name:14}  {seconds * 1e3:9.2f} ms  {rate:8.3f} million operations/s")
        print(f"    {speed.times:.0f} times as fast")
    agree = "agree" if all(speed.agree for speed in speeds) else "DO NOT AGREE"
    print(f"  the losses of the two engines {agree} to 9 digits")


def _write_pictures(
    out: Path, four_points: Training, two_moons: Training, cancer: Training
) -> list[Path]:
    """Writes every picture as PNG and SVG and returns their paths."""
    from . import _demo_plots

    written = []
    figures = {
        "loss_curves": _demo_plots.loss_curves(four_points, two_moons, cancer),
        "decision_boundary": _demo_plots.decision_boundary(two_moons),
    }
    for name, figure in figures.items():
        for suffix in ("png", "svg"):
            written.append(out / f"{name}.{suffix}")
            _demo_plots.save(figure, written[-1])
    for suffix, picture in _demo_graph.pictures(_demo_graph.seed_graph()).items():
        written.append(out / f"seed_graph.{suffix}")
        written[-1].write_bytes(picture)
    return written
