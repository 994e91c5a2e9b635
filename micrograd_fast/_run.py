"""``python -m micrograd_fast run SCRIPT``: ``python SCRIPT`` with this micrograd in it."""

from __future__ import annotations

import builtins
import importlib.machinery
import io
import os
import sys
from collections.abc import Sequence
from types import CodeType, ModuleType, TracebackType
from typing import Any

from ._install import install_as_micrograd


class ScriptError(Exception):
    """The script cannot be read; the text is one line."""


def run_script(script: str, arguments: Sequence[str]) -> None:
    """Runs the file ``script`` as ``__main__``, with ``import micrograd`` finding this package.

    ``sys.argv``, ``sys.path[0]``, ``__main__`` and its ``__file__`` are those of ``python SCRIPT``.
    Whatever the script raises passes through, with a traceback that starts in the script.
    """
    path = os.path.join(os.getcwd(), script)  # as Python makes it absolute: not normalised
    try:
        with io.open_code(path) as file:
            source = file.read()
    except OSError as error:
        raise ScriptError(f"can't open file {path!r}: {error.strerror}") from None
    install_as_micrograd(force=True)
    module = _main_module(path)
    sys.modules["__main__"] = module
    sys.argv = [script, *arguments]
    if not getattr(sys.flags, "safe_path", sys.flags.isolated):
        sys.path[0] = os.path.dirname(os.path.realpath(path))
    code: CodeType | None = None
    try:
        code = compile(source, path, "exec", dont_inherit=True)
        exec(code, module.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        _hide_frames_above(error, code)
        raise


def _main_module(path: str) -> ModuleType:
    """An empty ``__main__`` with the attributes that Python gives it."""
    module = ModuleType("__main__")
    attributes: dict[str, Any] = {
        "__annotations__": {},
        "__builtins__": builtins,
        "__cached__": None,
        "__file__": path,
        "__loader__": importlib.machinery.SourceFileLoader("__main__", path),
    }
    if sys.version_info >= (3, 14):
        # Annotations are made when they are asked for.
        del attributes["__annotations__"]
    module.__dict__.update(attributes)
    return module


def _hide_frames_above(error: BaseException, code: CodeType | None) -> None:
    """Sees to it that the traceback of ``error``, if it is shown, starts in the script.

    Frames are added while the exception passes on, so that they are taken away only when Python
    hands it to ``sys.excepthook``. Left to itself in every other way, Python ends as it does with a
    script: with its exit status, or killed by the SIGINT that was not handled.
    """
    hook = sys.excepthook

    def show(kind: type[BaseException], shown: BaseException, trace: TracebackType | None) -> None:
        if shown is error:
            while trace is not None and trace.tb_frame.f_code is not code:
                trace = trace.tb_next
            shown.__traceback__ = trace
        sys.excepthook = hook
        hook(kind, shown, trace)

    sys.excepthook = show
