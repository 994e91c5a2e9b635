"""The command line that the examples share: options that are checked, errors of one line.

Not an example itself. Whatever the person at the keyboard can put right ends a script with one
line on stderr and status 2.
"""

import argparse
import importlib
import math
import os
import sys


class ScriptError(Exception):
    """Something that the person at the keyboard can put right; its text is one line."""


class Parser(argparse.ArgumentParser):
    """A parser that shows the script's docstring and complains in one line."""

    def __init__(self, docstring):
        super().__init__(
            description=docstring,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message):
        self.exit(2, f"{self.prog}: {' '.join(message.split())} (--help explains)\n")

    def add_seed(self, default=1337):
        self.add_argument(
            "--seed",
            type=whole_number(0),
            default=default,
            metavar="N",
            help="the random seed; the same one gives the same output (default: %(default)s)",
        )

    def add_steps(self, default, what="steps of training", most=1_000_000):
        self.add_argument(
            "--steps",
            type=whole_number(1, most),
            default=default,
            metavar="N",
            help=f"{what} (default: %(default)s)",
        )


def whole_number(least, most=2**32 - 1):
    """The type of an option that is an int from ``least`` to ``most``."""

    def convert(text):
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{number} is not between {least} and {most}")
        return number

    return convert


def real_number(above=-math.inf, least=-math.inf, most=math.inf):
    """The type of an option: a finite float more than ``above``, from ``least`` to ``most``."""

    def convert(text):
        try:
            number = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        if not math.isfinite(number):
            raise argparse.ArgumentTypeError(f"{text} is not finite")
        if not number > above:
            raise argparse.ArgumentTypeError(f"{text} is not greater than {above:g}")
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text} is not between {least:g} and {most:g}")
        return number

    return convert


def need(module, package, extra):
    """The imported ``module``, or a ScriptError that says which extra brings its ``package``."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ScriptError(f"needs {package}: pip install 'micrograd_fast[{extra}]'") from None


def run(main):
    """Runs ``main()`` as the whole of a script: what goes wrong is one line and a status."""
    name = os.path.basename(sys.argv[0])
    try:
        # Each line appears as soon as it is printed, also in a log or a pipe.
        sys.stdout.reconfigure(line_buffering=True)
        main()
    except ScriptError as error:
        sys.exit(_complaint(name, error, 2))
    except KeyboardInterrupt:
        sys.exit(_complaint(name, "interrupted", 130))
    except BrokenPipeError:
        # Whoever read the output has gone; nothing is left to say, nor at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _complaint(name, message, status):
    print(f"{name}: {message}", file=sys.stderr)
    return status
