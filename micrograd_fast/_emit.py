"""Programs as C source: one file with the value and the gradient of a compiled function."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from string import Template

from . import _core
from ._emit_steps import Steps, literal
from ._formulas import Formulas

__all__ = ["source"]

# Steps in one function of C: few enough for a compiler to be done with them quickly.
_BLOCK = 256
# Numbers that a call may have on the stack; more are allocated.
_STACK = 2048
# Numbers that the head of the file calls by their names.
_NAMED = 40

_HEAD = Template("""\
$comment
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int $name(const double *inputs, const double *captured, double *outputs);
int ${name}_gradient(const double *inputs, const double *captured, const double *seeds,
        double *outputs, double *gradient);

#if defined(__FAST_MATH__) || FLT_EVAL_METHOD == 2
#error "other rules than IEEE 754's for double give other results: compile without -ffast-math"
#endif
/* No a * b + c in one instruction, which would round once. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=off")
#else
#pragma STDC FP_CONTRACT OFF
#endif

""")

_HELPERS = Template("""\
static void ${name}_copy(const double *from, size_t n, double *to) {
    for (size_t i = 0; i < n; i++) {
        to[i] = from[i];
    }
}

static void ${name}_gather(const double *v, const unsigned *places, size_t n, double *to) {
    for (size_t i = 0; i < n; i++) {
        to[i] = v[places[i]];
    }
}

static void ${name}_seed(const double *seeds, const unsigned *places, size_t n, double *g) {
    for (size_t i = 0; i < n; i++) {
        g[places[i]] += seeds != NULL ? seeds[i] : 1.0;
    }
}

""")

_SCATTER = Template("""\
static void ${name}_scatter(const double *d, double s, const unsigned *places, size_t n,
        double *g) {
    for (size_t i = 0; i < n; i++) {
        g[places[i]] += d[i] * s;
    }
}

""")

# The order is that of csrc/replay.c, and counts where an operand comes twice.
_SCATTER_DOT = Template("""\
static void ${name}_scatter_dot(const double *x, double s, const unsigned *places, size_t n,
        double *g) {
    const size_t m = n / 2;
    for (size_t i = 0; i < m; i++) {
        g[places[i]] += x[m + i] * s;
        g[places[m + i]] += x[i] * s;
    }
    if (n % 2 != 0) {
        g[places[n - 1]] += s;
    }
}

""")

_RUN = Template("""\
static void ${name}_load(const double *inputs, const double *captured, double *v) {
$load}

static int ${name}_run(const double *inputs, const double *captured, double *outputs, double *v) {
    int status = ${name}_OK;
    ${name}_load(inputs, captured, v);
    for (size_t i = 0; i < $blocks && status == ${name}_OK; i++) {
        status = ${name}_values[i](v);
    }
    if (status == ${name}_OK) {
        ${name}_gather(v, ${name}_results, $output_count, outputs);
    }
    return status;
}

static int ${name}_run_gradient(const double *inputs, const double *captured, const double *seeds,
        double *outputs, double *gradient, double *v, double *g, double *d) {
    int status = ${name}_OK;
    ${name}_load(inputs, captured, v);
    for (size_t i = 0; i < $blocks && status == ${name}_OK; i++) {
        status = ${name}_forward[i](v, d);
    }
    if (status != ${name}_OK) {
        return status;
    }
    for (size_t i = 0; i < $slots; i++) {
        g[i] = 0.0;
    }
    ${name}_seed(seeds, ${name}_results, $output_count, g);
    for (size_t i = 0; i < $blocks; i++) {
        ${name}_reverse[i](d, g);
    }
    ${name}_gather(v, ${name}_results, $output_count, outputs);
    ${name}_copy(g, $input_count, gradient);
    return status;
}

""")

_CALLS = Template("""\
int $name(const double *inputs, const double *captured, double *outputs) {
    double v[$v_size];
    return ${name}_run(inputs, captured, outputs, v);
}

int ${name}_gradient(const double *inputs, const double *captured, const double *seeds,
        double *outputs, double *gradient) {
    double v[$v_size], g[$slots], d[$d_size];
    return ${name}_run_gradient(inputs, captured, seeds, outputs, gradient, v, g, d);
}
""")

_ALLOCATING_CALLS = Template("""\
int $name(const double *inputs, const double *captured, double *outputs) {
    int status = ${name}_NO_MEMORY;
    double *v = malloc($v_size * sizeof(double));
    if (v != NULL) {
        status = ${name}_run(inputs, captured, outputs, v);
    }
    free(v);
    return status;
}

int ${name}_gradient(const double *inputs, const double *captured, const double *seeds,
        double *outputs, double *gradient) {
    int status = ${name}_NO_MEMORY;
    double *v = malloc($v_size * sizeof(double));
    double *g = malloc($slots * sizeof(double));
    double *d = malloc($d_size * sizeof(double));
    if (v != NULL && g != NULL && d != NULL) {
        status = ${name}_run_gradient(inputs, captured, seeds, outputs, gradient, v, g, d);
    }
    free(v);
    free(g);
    free(d);
    return status;
}
""")

_TAIL = """
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
"""


def _rows(items: Sequence[str], in_a_row: int) -> str:
    """Items of an array, indented."""
    starts = range(0, len(items), in_a_row)
    return "".join(f"    {', '.join(items[start : start + in_a_row])},\n" for start in starts)


def _table(kind: str, name: str, items: Sequence[str]) -> str:
    """A constant array; one without items is not part of C."""
    return f"static const {kind} {name}[] = {{\n{_rows(items or ['0'], 8)}}};\n\n"


def _blocks(name: str, kind: str, lines: list[str]) -> Iterator[str]:
    """The statements as functions of a few hundred each, and a table of these, volatile so that
    compilers do not make one function of them again, over which they may take long."""
    result, arguments, first = {
        "values": ("int", "double *restrict v", "int status = 0;\n    (void)v;"),
        "forward": (
            "int",
            "double *restrict v, double *restrict d",
            "int status = 0;\n    (void)v, (void)d;",
        ),
        "reverse": (
            "void",
            "const double *restrict d, double *restrict g",
            "(void)d, (void)g;",
        ),
    }[kind]
    names: list[str] = []
    for start in range(0, max(len(lines), 1), _BLOCK):
        names.append(f"{name}_{kind}_{len(names)}")
        body = "".join(f"    {line}\n" for line in lines[start : start + _BLOCK])
        last = "    return status;\n" if result == "int" else ""
        yield f"static {result} {names[-1]}({arguments}) {{\n    {first}\n{body}{last}}}\n\n"
    yield f"static {result} (*const volatile {name}_{kind}[])({arguments}) = {{\n"
    yield f"{_rows(names, 4)}}};\n\n"


def _load(name: str, steps: Steps, argument_count: int, captured: Sequence[float]) -> str:
    lines = [f"{name}_copy(inputs, {argument_count}, v);"]
    if steps.constants:
        lines.append(
            f"{name}_copy({name}_constants, {len(steps.constants)}, v + {steps.first_constant});"
        )
    if captured:
        lines.append(
            f"{name}_copy(captured != NULL ? captured : {name}_captured, {len(captured)}, "
            f"v + {argument_count});"
        )
    else:
        lines.append("(void)captured;")
    return "".join(f"    {line}\n" for line in lines)


def _said(text: str) -> str:
    """Text that may stand in a comment of C."""
    plain = text.encode("ascii", "backslashreplace").decode()
    plain = "".join(c if c.isprintable() else " " for c in plain)
    return re.sub(r"(\*)(?=/)|(/)(?=\*)|(\?)(?=\?)", r"\1\2\3 ", plain)


def _entry(word: str, text: str) -> str:
    return _filled(text, f"   {word:11}", " " * 14)


def _filled(text: str, first: str, rest: str) -> str:
    return textwrap.fill(_said(text), 97, initial_indent=first, subsequent_indent=rest)


def _listed(names: Sequence[str]) -> str:
    count = f"{len(names)} number{'s' * (len(names) != 1)}"
    if not names:
        return count
    more = f", and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{count}: {', '.join(names[:_NAMED])}{more}"


def _comment(
    described: str,
    inputs: Sequence[str],
    captured: Sequence[str],
    outputs: Sequence[str],
    codes: Sequence[tuple[int, str]],
) -> str:
    """What the file says of itself."""
    returns = ["   Both functions return 0. Nothing in them can fail."]
    if codes:
        returns = ["   Both functions return 0, or else why they have written nothing:", ""]
        returns += [f"   {code:<3}{text}" for code, text in codes]
    lines = [
        _filled(
            f"The value and the gradient of {textwrap.shorten(described, 300)}, written by "
            "micrograd_fast as C99 that needs nothing but the C library: link it with -lm.",
            "/* ",
            "   ",
        ),
        "",
        _entry("inputs", _listed(inputs)),
        _entry(
            "captured",
            _listed(captured) + ("; NULL: those of when this was written" * bool(captured)),
        ),
        _entry("outputs", _listed(outputs)),
        _entry("seeds", "a number for each output; NULL: 1 for each"),
        _entry(
            "gradient",
            f"{len(inputs) + len(captured)} numbers: the derivatives of the sum of seeds times "
            "outputs, by the inputs and then by what is captured",
        ),
        "",
        *returns,
        "",
        "   Calls share nothing that changes, so threads may make them at once. With the same C",
        "   library the results are those of micrograd_fast to the last bit. */",
    ]
    return "\n".join(lines) + "\n"


def source(
    tape: _core.Tape, name: str, described: str, inputs: Sequence[str], outputs: Sequence[str]
) -> str:
    """The file: two functions, of which one has the name ``name``.

    described, inputs, outputs
        what to call the function, all of its inputs (captured ones last) and its outputs
    """
    formulas = Formulas(name)
    steps = Steps(tape, name, formulas)
    captured = [leaf.data for leaf in tape.captured]
    argument_count = len(inputs) - len(captured)
    sizes = {
        "name": name,
        "blocks": max(-(-len(steps.values) // _BLOCK), 1),
        "output_count": len(outputs),
        "input_count": len(inputs),
        "slots": max(steps.slots, 1),
        "v_size": max(steps.slots + steps.scratch, 1),
        "d_size": max(steps.partials, 1),
        "load": _load(name, steps, argument_count, captured),
    }
    working = 2 * steps.slots + steps.scratch + steps.partials
    parts = [formulas.text(), "\n", _HELPERS.substitute(sizes)]
    if steps.scatters:
        parts.append(_SCATTER.substitute(sizes))
    if steps.dots:
        parts.append(_SCATTER_DOT.substitute(sizes))
    if steps.operands:
        parts.append(_table("unsigned", f"{name}_operands", [*map(str, steps.operands)]))
    if steps.constants:
        parts.append(_table("double", f"{name}_constants", [*map(literal, steps.constants)]))
    if captured:
        parts.append(_table("double", f"{name}_captured", [*map(literal, captured)]))
    parts.append(_table("unsigned", f"{name}_results", [*map(str, steps.outputs)]))
    for kind, lines in (
        ("values", steps.values),
        ("forward", steps.forward),
        ("reverse", steps.reverse),
    ):
        parts += _blocks(name, kind, lines)
    parts.append(_RUN.substitute(sizes))
    parts.append((_CALLS if working <= _STACK else _ALLOCATING_CALLS).substitute(sizes))
    parts.append(_TAIL)
    body = "".join(parts)
    codes = [
        (code, status, text)
        for code, (status, text) in enumerate(_core.status_texts())
        if f"{name}_{status}" in body
    ]
    comment = _comment(
        described,
        inputs[:argument_count],
        inputs[argument_count:],
        outputs,
        [(code, text) for code, _, text in codes[1:]],
    )
    enumerators = _rows([f"{name}_{status} = {code}" for code, status, _ in codes], 1)
    head = _HEAD.substitute(sizes, comment=comment)
    return f"{head}enum {{\n{enumerators}}};\n\n{body}"
