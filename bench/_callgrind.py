"""Instruction counts by valgrind's callgrind, for bench/instructions.py and bench/profile.py."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

FUNCTION_LINE = re.compile(r"^\s*([\d,]+)\s+\([^)]*\)\s+(\S.*?)\s*$")


class CallgrindError(Exception):
    """valgrind is missing, or failed; the message says which."""


def available():
    return shutil.which("valgrind") is not None


def version():
    if not available():
        return None
    done = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def quiet_environment():
    """What makes two runs of the same program execute the same instructions."""
    threads = {f"{x}_NUM_THREADS": "1" for x in ("OMP", "OPENBLAS", "MKL")}
    return {**os.environ, **threads, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}


def _run(command, output):
    if not available():
        raise CallgrindError("callgrind is not here (the Debian package is valgrind)")
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}", *command],
        capture_output=True,
        text=True,
        check=False,
        env=quiet_environment(),
    )
    if done.returncode != 0 or not output.exists():
        raise CallgrindError(f"valgrind failed on {' '.join(command)}:\n{done.stderr[-2000:]}")


def total(command):
    """Instructions that the command executes, from its start to its exit."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out"
        _run(command, output)
        found = re.search(r"^(?:totals|summary):\s+(\d+)", output.read_text(), re.MULTILINE)
        if not found:
            raise CallgrindError("callgrind wrote no total")
        return int(found[1])


def by_function(command):
    """Instructions by function, its callees not included."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out"
        _run(command, output)
        annotated = subprocess.run(
            ["callgrind_annotate", "--threshold=100", "--show-percs=yes", "--auto=no", str(output)],
            capture_output=True,
            text=True,
            check=False,
        )
        if annotated.returncode != 0:
            raise CallgrindError(f"callgrind_annotate failed:\n{annotated.stderr[-2000:]}")
        counts, libraries = {}, {}
        for line in annotated.stdout.splitlines():
            found = FUNCTION_LINE.match(line)
            if found and "PROGRAM TOTALS" not in line:
                function, library = function_and_library(found[2])
                counts[function] = counts.get(function, 0) + int(found[1].replace(",", ""))
                # Said only for some of the lines of a function that has inlined others.
                if library:
                    libraries[function] = library
        return {(name, libraries.get(name, "?")): count for name, count in counts.items()}


def function_and_library(text):
    """The names in callgrind_annotate's `file:function'recursion [path of the library]`."""
    place, _, library = text.partition(" [")
    return place.rpartition(":")[2].partition("'")[0], Path(library.rstrip("]")).name
