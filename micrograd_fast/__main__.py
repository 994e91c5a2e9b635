"""``python -m micrograd_fast COMMAND``: the package's command line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from . import _run, demo

_INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C ended


class _Parser(argparse.ArgumentParser):
    """A parser whose every complaint is one line and exit status 2."""

    def error(self, message: str) -> NoReturn:
        message = " ".join(message.split())
        self.exit(2, f"{self.prog}: {message} (--help explains)\n")


def _whole_number(least: int, most: int) -> Callable[[str], int]:
    """The converter of an option that is an int between ``least`` and ``most``."""

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{number} is not between {least} and {most}")
        return number

    return convert


def _directory(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("the name of the directory is empty")
    return Path(text)


def _parser() -> _Parser:
    parser = _Parser(
        prog="python -m micrograd_fast",
        description="A scalar autograd engine with the interface of micrograd, in native code.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    commands.required = True
    _add_demo(commands)
    _add_run(commands)
    return parser


def _add_demo(commands: Any) -> None:
    parser = commands.add_parser(
        "demo",
        help="train three small networks, draw them, and compare the speed with plain Python",
        description="Trains the seed's four-point network, a classifier of two moons and a "
        "classifier of breast-cancer measurements; writes loss curves, the decision boundary and "
        "the seed's graph as PNG and SVG; compares the speed of a training step with plain "
        "Python. Needs the extra: pip install 'micrograd_fast[demo]'.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=_directory,
        default=Path(demo.DEFAULT_OUT),
        help="the directory for the pictures, made if need be (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=_whole_number(0, 2**32 - 1),
        default=demo.DEFAULT_SEED,
        help="the random seed; the same one gives the same training (default: %(default)s)",
    )
    parser.add_argument(
        "--epochs",
        metavar="N",
        type=_whole_number(1, 1_000_000),
        default=demo.DEFAULT_EPOCHS,
        help="passes over the data of two moons and of breast cancer (default: %(default)s)",
    )
    parser.set_defaults(run=lambda options: demo.run(options.out, options.seed, options.epochs))


def _add_run(commands: Any) -> None:
    parser = commands.add_parser(
        "run",
        help="run a script that imports micrograd, unchanged, on this engine",
        description="Runs SCRIPT as `python SCRIPT ARGS` does, except that its imports of "
        "micrograd, micrograd.engine and micrograd.nn find this package.",
        allow_abbrev=False,
    )
    parser.add_argument("script", metavar="SCRIPT", help="a Python file")
    parser.add_argument(
        "arguments",
        metavar="ARGS",
        nargs="*",
        default=[],  # or argparse would call them required
        help="what it finds in sys.argv[1:]",
    )
    parser.set_defaults(run=None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] == ["run"] and len(arguments) > 1 and not arguments[1].startswith("-"):
        # Whatever follows the script is the script's, and argparse would take a `--` out of it.
        options = _parser().parse_args(arguments[:2])
        options.arguments = arguments[2:]
    else:
        options = _parser().parse_args(arguments)
    if options.command == "run":
        # From here on everything is the script's: how it prints, fails and is interrupted.
        try:
            _run.run_script(options.script, options.arguments)
        except _run.ScriptError as error:
            print(f"python -m micrograd_fast run: {error}", file=sys.stderr)
            return 2
        return 0
    try:
        # Each line appears as soon as it is printed, also in a log or a pipe.
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(line_buffering=True)
        options.run(options)
    except demo.DemoError as error:
        print(f"python -m micrograd_fast {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"python -m micrograd_fast {options.command}: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has gone; nothing is left to say, nor at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
