"""Checks an installed micrograd_fast: it works, and nothing but the package was installed."""

import importlib.metadata
import sys
from pathlib import Path

import micrograd_fast

# py.typed has the suffix .typed.
SUFFIXES = {".py", ".pyc", ".pyi", ".so", ".typed"}


def main():
    where = Path(micrograd_fast.__file__).parent
    if "site-packages" not in where.parts:
        sys.exit(f"not the installed package, but {where}")

    a, b = micrograd_fast.Value(3.0), micrograd_fast.Value(-2.0)
    (a * b + micrograd_fast.tanh(a)).backward()
    if b.grad != 3.0 or not -2.0 < a.grad < -1.9:
        sys.exit(f"wrong gradients: {a.grad}, {b.grad}")

    files = importlib.metadata.files("micrograd_fast")
    shipped = [file for file in files if not file.parts[0].endswith(".dist-info")]
    stray = [str(f) for f in shipped if f.parts[0] != "micrograd_fast" or f.suffix not in SUFFIXES]
    if stray:
        sys.exit(f"files that no installed package needs: {', '.join(stray)}")
    for name in ("py.typed", "_core.pyi", "engine.py"):
        if not any(file.name == name for file in shipped):
            sys.exit(f"{name} was not installed")
    print(f"{len(shipped)} files installed, {a.grad=}, {b.grad=}")


if __name__ == "__main__":
    main()
