"""Turns DOT text into a picture without any system package.

The layout is Graphviz's own `dot`, from the copy of Graphviz that the wheels of pygraphviz bring
with them; where pygraphviz is missing, a program `dot` on the PATH does as well. Either runs in a
process of its own: a layout can take minutes, which Ctrl-C must be able to end, and Graphviz can
run out of stack, which must not take the caller down with it.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

# With -c the first entry of sys.path is the current directory, whose files are not ours to import.
_CHILD = """\
import sys
if sys.path[0] == "":
    del sys.path[0]
sys.path.append(sys.argv[1])
import pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode("utf-8"))
sys.stdout.buffer.write(graph.draw(format=sys.argv[2], prog="dot"))
"""


class LayoutMissing(ImportError):
    """Neither pygraphviz nor the program ``dot`` is there."""


class LayoutFailed(RuntimeError):
    """Graphviz gave up on a graph, or crashed, or took longer than it was given."""


def available() -> bool:
    """Whether ``picture`` has a Graphviz to work with."""
    try:
        return bool(_command("svg"))
    except LayoutMissing:
        return False


def _command(format: str) -> list[str]:
    found = importlib.util.find_spec("pygraphviz")
    if found is not None and found.origin is not None:
        home = str(Path(found.origin).parent.parent)
        return [sys.executable, "-c", _CHILD, home, format]
    program = shutil.which("dot")
    if program is None:
        raise LayoutMissing(
            "drawing a picture needs pygraphviz, which brings Graphviz with it: "
            "pip install micrograd_fast[draw]",
            name="pygraphviz",
        )
    return [program, f"-T{format}"]


def picture(source: str, format: str, timeout: float | None = None) -> bytes:
    """The picture of a graph in the DOT language: ``source`` as ``"svg"``, ``"png"``, ...

    Raises LayoutMissing, or LayoutFailed with the last thing that Graphviz said; the latter also
    when it takes longer than ``timeout`` seconds.
    """
    try:
        done = subprocess.run(
            _command(format),
            input=source.encode("utf-8"),
            capture_output=True,
            check=False,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise LayoutFailed(f"Graphviz was stopped after {timeout:g} seconds") from None
    except OSError as error:
        raise LayoutFailed(f"Graphviz could not be started: {error}") from error
    if done.returncode != 0 or not done.stdout:
        said = done.stderr.decode("utf-8", "replace").split("\n")
        last = next((line.strip() for line in reversed(said) if line.strip()), "it said nothing")
        raise LayoutFailed(f"Graphviz could not draw the graph (status {done.returncode}): {last}")
    return done.stdout
