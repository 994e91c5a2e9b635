"""Brings the stubs up to date with the ops of the built module: parts of _core.pyi, functional.pyi.

python .ci/update_stub.py            rewrites them
python .ci/update_stub.py --check    only says whether they are up to date
"""

import inspect
import re
import sys
from pathlib import Path
from types import MethodDescriptorType

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "micrograd_fast" / "_core.pyi"
FUNCTIONAL = ROOT / "micrograd_fast" / "functional.pyi"

sys.path.insert(0, str(ROOT))
from micrograd_fast import _core  # noqa: E402  (the package of this checkout, installed or not)

OPERATORS = [
    f"__{side}{name}__" for name in ("add", "sub", "mul", "truediv", "pow") for side in ("", "r")
]

# The type of a function, by the names of its parameters.
FUNCTION_TYPES = {
    ("x",): "_Unary",
    ("x", "negative_slope"): "_LeakyRelu",
    ("a", "b"): "_Binary",
    ("condition", "b", "c"): "_Where",
    ("values",): "_OfValues",
    ("w", "x", "b"): "_Dot",
    ("predictions", "targets"): "_OfTwo",
    ("scores", "targets"): "_OfTwo",
    ("coefficients", "x"): "_Polyval",
    ("logits", "target_index"): "_CrossEntropy",
    ("values", "index"): "_Take",
}
# What gives one element for each value.
COMPOSED = {"softmax": "_Elements", "log_softmax": "_Elements"}
METHOD_PARAMETERS = {
    ("self",): "self",
    ("self", "b"): "self, b: _Operand, /",
    ("self", "negative_slope"): "self, /, negative_slope: _Number = ...",
}


def parameters(function):
    return tuple(inspect.signature(function).parameters)


def operators_and_methods():
    for name in OPERATORS:
        for other, result in (("_Operand", "Value"), ("_Array", "_Objects")):
            yield "@overload"
            yield f"def {name}(self, other: {other}, /) -> {result}: ..."
    for name, method in sorted(vars(_core.Value).items()):
        if isinstance(method, MethodDescriptorType):
            yield f"def {name}({METHOD_PARAMETERS[parameters(method)]}) -> Value: ..."


def natural(name):
    """Sorts as ruff does: log2 before log10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def function_names():
    names = [row["name"] for row in _core.op_table() if row["function"]]
    return sorted([*names, *COMPOSED], key=natural)


def functions():
    for name in function_names():
        kind = COMPOSED.get(name) or FUNCTION_TYPES[parameters(getattr(_core, name))]
        yield f"{name}: {kind}"


def functional():
    """The text of functional.pyi."""
    names = function_names()
    imports = "".join(f"    {name},\n" for name in names)
    listed = "".join(f'    "{name}",\n' for name in names)
    return (
        '"""Generated: python .ci/update_stub.py"""\n\n'
        f"from micrograd_fast._core import (\n{imports})\n\n__all__ = [\n{listed}]\n"
    )


def fill(text, title, lines):
    """``text`` with what lies between the marks of the part ``title`` replaced by ``lines``."""
    pattern = rf"^( *)# --- generated: {title} ---\n.*?^ *# --- end ---$"
    mark = re.search(pattern, text, re.DOTALL | re.MULTILINE)
    indent = mark[1]
    body = "".join(f"{indent}{line}\n" for line in lines)
    part = f"{indent}# --- generated: {title} ---\n{body}{indent}# --- end ---"
    return text[: mark.start()] + part + text[mark.end() :]


def core():
    """The text of _core.pyi, of which most is written by hand."""
    text = CORE.read_text(encoding="utf-8")
    text = fill(text, "operators and methods", operators_and_methods())
    return fill(text, "functions", functions())


def main():
    wanted = {CORE: core(), FUNCTIONAL: functional()}
    if sys.argv[1:] == ["--check"]:
        for path, text in wanted.items():
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                sys.exit(f"{path.name} is behind csrc/ops.def: run python .ci/update_stub.py")
    else:
        for path, text in wanted.items():
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
