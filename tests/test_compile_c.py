"""Compiled functions as C source: it compiles without a word, and gives the bits of the replay."""

import math
import os
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
from compile_programs import as_function, fast, generate
from emitted import COMPILERS, NATIVE, STRICT, Emitted, each, library_of, run_compiler
from nary_samples import NARY
from op_samples import OPS

import micrograd_fast as mg
from micrograd_fast import Function, Value, _core, compile

ROOT = Path(__file__).resolve().parent.parent
# How many random programs: the more, the longer the compilers take.
PROGRAMS = int(os.environ.get("MICROGRAD_FAST_PROGRAMS", "100"))

with_a_compiler = pytest.mark.skipif(not COMPILERS, reason="neither gcc nor clang is installed")
each_compiler = pytest.mark.parametrize("compiler", COMPILERS or ["cc"])


def emitted(functions, folder, compiler, flags=STRICT):
    texts = [function.to_c(f"f{i}") for i, function in enumerate(functions)]
    library = library_of(texts, folder, compiler, flags)
    return [Emitted(function, library, f"f{i}") for i, function in enumerate(functions)]


# --- random programs ---


def group_of(seeds):
    """Many programs as one function: compilers see what they have in common only once."""
    programs = [generate(seed) for seed in seeds]
    runs = [as_function(program) for program in programs]
    function = compile(lambda leaves: [run(*own) for run, own in zip(runs, leaves)])
    leaves = [list(program.leaves) for program in programs]
    return function, leaves, function.value(leaves)


def check_group(seeds, folder, compiler, flags):
    function, leaves, values = group_of(seeds)
    eager = [as_function(generate(seed))(*map(Value, own)) for seed, own in zip(seeds, leaves)]
    assert each(v.data for own in eager for v in own) == each(v for own in values for v in own)
    loaded = pickle.loads(pickle.dumps(function))
    assert loaded.value(leaves) == values
    seed = [[1.0 / (1 + i % 7) for i in range(len(own))] for own in values]
    assert loaded.vjp(leaves, seed) == function.vjp(leaves, seed)
    assert loaded.to_c("f0") == function.to_c("f0")
    (c,) = emitted([function], folder, compiler, flags)
    assert c.agrees((leaves,), [x for own in leaves for x in own], seed)


@with_a_compiler
@each_compiler
@pytest.mark.parametrize("first", range(0, PROGRAMS, 100))
def test_random_programs_agree(tmp_path, compiler, first):
    """Eager code, the replay, the replay of a copy, and the C."""
    seeds = range(first, min(first + 100, PROGRAMS))
    check_group(seeds, tmp_path, compiler, STRICT)


@with_a_compiler
@each_compiler
def test_nothing_is_contracted_or_worked_out_differently_by_optimizers(tmp_path, compiler):
    check_group(range(10), tmp_path, compiler, NATIVE)
    check_group(range(10, 14), tmp_path, compiler, (*STRICT, "-O2"))


# --- every op ---

SPECIAL = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, -0.5, 5e-324, 1e308, math.inf, -math.inf, math.nan)


def function_of(row):
    return fast.function(row.name)


def call_with_constant(row, constant, place):
    """The op of one argument, the other being a constant: another op code."""
    function = function_of(row)
    return lambda x: function(*((constant, x) if place == 0 else (x, constant)))


def op_cases():
    """Functions of the ops, each with lists of its arguments' numbers."""
    for row in OPS:
        edges = [arguments for arguments, _, _ in row.outcomes()]
        special = [(x,) * row.arity for x in SPECIAL]
        samples = [*row.finite_arguments(20), *edges, *special]
        if row.arity == 2:
            samples += [(x, y) for x in SPECIAL for y in SPECIAL]
            for constant in (2.0, -0.5):
                alone = [(x,) for x in (*SPECIAL, *(sample[0] for sample in samples[:20]))]
                yield call_with_constant(row, constant, 0), alone
                yield call_with_constant(row, constant, 1), alone
        yield function_of(row), samples


def record(function, samples):
    """Compiled, at the first sample at which it does not raise."""
    compiled = compile(lambda *numbers: function(*numbers))
    for sample in samples:
        try:
            compiled.value(*sample)
        except (ValueError, OverflowError, ZeroDivisionError):
            continue
        return compiled
    raise AssertionError("it always raises")


@with_a_compiler
@each_compiler
@pytest.mark.parametrize("flags", [STRICT, NATIVE], ids=["strict", "native"])
def test_every_op_has_the_bits_and_the_errors_of_the_replay(tmp_path, compiler, flags):
    cases = list(op_cases())
    functions = [record(function, samples) for function, samples in cases]
    for c, (_, samples) in zip(emitted(functions, tmp_path, compiler, flags), cases):
        for sample in samples:
            assert c.agrees(sample, sample), (str(c.function), sample)
            assert c.agrees(sample, sample, math.inf), (str(c.function), sample)


def nary_cases():
    for row in NARY:
        function = getattr(mg, row.name)
        for size in row.sizes:
            lists = [numbers for numbers in row.lists(30) if len(numbers) == size]
            if row.takes is None:
                split = row.arguments
                lists += [[x] * size for x in SPECIAL]
                yield lambda x, f=function, split=split: f(*split(x)), lists
                continue
            # The last number is a plain index: a function for each.
            lists = [numbers[:-1] for numbers in lists] + [[x] * (size - 1) for x in SPECIAL]
            for place in {0, size - 2}:
                yield lambda x, f=function, place=place: f(x, place), lists
    for name in ("softmax", "log_softmax"):
        yield getattr(mg, name), [[0.5, -1.0, 2.0], [1000.0, -1000.0, 0.0]]
    yield (
        lambda x: mg.take(x[:-1], x[-1]),
        [[1.0, 2.0, 3.0, at] for at in (0.0, -1.0, 2.0, -3.0, 3.0, -4.0, 0.5, math.nan)],
    )


@with_a_compiler
@each_compiler
@pytest.mark.parametrize("flags", [STRICT, NATIVE], ids=["strict", "native"])
def test_every_op_of_many_numbers_has_the_bits_of_the_replay(tmp_path, compiler, flags):
    cases = list(nary_cases())
    functions = [compile(function) for function, _ in cases]
    for function, (_, lists) in zip(functions, cases):
        function.value(lists[0])
    for c, (_, lists) in zip(emitted(functions, tmp_path, compiler, flags), cases):
        for numbers in lists:
            seed = 0.5 if c.outputs == 1 else [0.5] * c.outputs
            assert c.agrees((numbers,), numbers, seed), (str(c.function), numbers)


@with_a_compiler
@each_compiler
def test_constants_are_not_worked_out_by_the_compiler(tmp_path, compiler):
    """Without passes, ops of constants stay, which a compiler would like to compute itself."""
    numbers = [0.1 * i for i in range(1, 9)]

    @compile(passes=())
    def function(x):
        constants = [Value(number) for number in numbers]
        unary = [
            f(c) for f in (mg.exp, mg.sin, mg.cos, mg.log, mg.tanh, mg.cbrt) for c in constants
        ]
        powers = [c**1.7 for c in constants] + [x**2.0, x**0.5, x**-1.0, 2.0**x, 10.0**x]
        mixed = [mg.hypot(x, 0.0), mg.where(Value(1.0), x, Value(math.nan))]
        shared = [mg.sum([x, Value(-0.0), Value(1e-320)]), mg.take([Value(4.0), x], Value(1.0))]
        plain = [Value(2.5), Value(-math.inf), Value(1e22), x]
        return unary + powers + mixed + shared + plain

    function.value(1.5)
    (c,) = emitted([function], tmp_path, compiler, ("-O2", *STRICT))
    seed = [0.1 * (i - 20) for i in range(c.outputs)]
    for i in range(200):
        assert c.agrees((0.01 + 0.07 * i,), [0.01 + 0.07 * i], seed), i


# --- what goes in and out ---


def test_a_file_says_what_its_numbers_are():
    w = Value(0.1, label="w")

    @compile
    def loss(x, *, scale):
        return {"a": w * x["k"][0] * scale, "b": [x["k"][1], 3.0]}

    loss.value({"k": np.array([1.0, 2.0])}, scale=2.0)
    text = loss.to_c("loss")
    assert "   inputs     3 numbers: x['k'][0], x['k'][1], scale\n" in text
    assert "   captured   1 number: w; NULL: those of when this was written\n" in text
    assert "   outputs    3 numbers: result['a'], result['b'][0], result['b'][1]\n" in text
    assert "loss({'k': array[2]}, scale=number)" in text
    assert "int loss(const double *inputs, const double *captured, double *outputs);" in text
    assert "static const double loss_captured[] = {\n    0x1.999999999999ap-4,\n};" in text


@with_a_compiler
@each_compiler
def test_captured_values_are_given_or_those_of_when_it_was_written(tmp_path, compiler):
    w, b = Value(0.5), Value(-1.0)
    function = compile(lambda x: [w * x + b, mg.exp(w) * x])
    function.value(2.0)
    (c,) = emitted([function], tmp_path, compiler)
    assert c.value([2.0]) == (0, [0.0, 2.0 * math.exp(0.5)])
    assert c.value([2.0], [3.0, 1.0]) == (0, [7.0, 2.0 * math.exp(3.0)])
    w.data = 3.0
    assert c.value([2.0]) == (0, [0.0, 2.0 * math.exp(0.5)])
    x = Value(2.0)
    first, second = function(x)
    (first * 2.0 + second * 0.25).backward()
    status, outputs, gradient = c.gradient([2.0], [2.0, 0.25], [3.0, -1.0])
    assert (status, outputs) == (0, [first.data, second.data])
    assert gradient == [x.grad, w.grad, b.grad]
    # Without seeds each output has 1.
    assert c.gradient([2.0])[2] == c.gradient([2.0], [1.0, 1.0])[2]


@with_a_compiler
@each_compiler
def test_programs_without_ops_inputs_or_outputs(tmp_path, compiler):
    same = compile(lambda x: x)
    twice = compile(lambda x, y: [y, y, 2.0, x])
    nothing = compile(lambda x: [])
    constant = compile(lambda: 3.5)
    unused = compile(lambda x: [x[0] * 0.0, mg.sign(x[1])])
    for function, arguments in (
        (same, (2.0,)),
        (twice, (2.0, 3.0)),
        (nothing, (2.0,)),
        (constant, ()),
        (unused, ([1.0, 2.0],)),
    ):
        function.value(*arguments)
    c = emitted([same, twice, nothing, constant, unused], tmp_path, compiler)
    assert c[0].agrees((2.0,), [2.0], 0.5)
    assert c[1].agrees((2.0, 3.0), [2.0, 3.0], [1.0, 2.0, 3.0, 4.0])
    assert c[2].agrees((2.0,), [2.0], [])
    assert c[3].gradient([]) == (0, [3.5], [])
    assert c[4].agrees(([1.0, math.inf],), [1.0, math.inf], [1.0, math.inf])


def long_function(steps):
    def function(x):
        values = list(x)
        for i in range(steps):
            a, b = values[-1 - i % 3], values[-3]
            values.append(mg.tanh(a * b) if i % 4 == 0 else a * 0.75 + b)
        return values[-1]

    return function


@with_a_compiler
@each_compiler
def test_long_programs_and_calls_from_threads(tmp_path, compiler):
    """Many blocks, and working memory that is allocated."""
    function = compile(long_function(2500 if PROGRAMS < 1000 else 105000))
    x = [0.1, -0.2, 0.3]
    function.value(x)
    text = function.to_c("f0")
    assert "malloc(" in text
    assert "f0_reverse_7" in text
    (c,) = emitted([function], tmp_path, compiler)
    assert c.agrees((x,), x)
    expected = {scale: c.gradient([scale * a for a in x]) for scale in range(8)}
    wrong = []

    def work(scale):
        for _ in range(20):
            if c.gradient([scale * a for a in x]) != expected[scale]:
                wrong.append(scale)

    threads = [threading.Thread(target=work, args=(scale,)) for scale in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@with_a_compiler
@each_compiler
def test_fast_math_is_refused(tmp_path, compiler):
    function = compile(lambda x: x * x)
    function.value(1.0)
    finished, _ = run_compiler(function.to_c("f"), tmp_path, compiler, ("-ffast-math",))
    assert finished.returncode != 0
    assert "compile without -ffast-math" in finished.stderr


@with_a_compiler
@each_compiler
def test_labels_cannot_end_the_comment(tmp_path, compiler):
    leaf = Value(1.0, label="*/ int bad; /* ??/ \\ \n é \u2028 //*//*/")
    function = Function([Value(1.0, label="*/")], leaf * 2.0, name="/* */\nint worse;")
    (c,) = emitted([function], tmp_path, compiler)
    assert c.value([1.0]) == (0, [2.0])


# --- which recording, and under which name ---


def test_which_recording():
    function = compile(lambda x, n=1.0: mg.sum(x) * n)
    with pytest.raises(ValueError, match="has not been recorded yet: pass arguments to to_c"):
        function.to_c("f")
    text = function.to_c("f", [1.0, 2.0])
    assert function.to_c("f") == text
    other = function.to_c("f", [1.0, 2.0, 3.0], n=2.0)
    assert "4 numbers: x[0], x[1], x[2], n" in other
    with pytest.raises(ValueError, match="2 recordings: pass arguments to to_c"):
        function.to_c("f")
    assert function.to_c("f", [5.0, 6.0]) == text
    assert len(function.tapes) == 2
    made = Function([Value(1.0)], Value(2.0))
    with pytest.raises(TypeError, match="takes arguments of the structure"):
        made.to_c("f", [1.0])


@pytest.mark.parametrize("name", ["", "1f", "a-b", "f g", "_f", "é", "f\n"])
def test_a_name_that_is_no_identifier(name):
    with pytest.raises(ValueError, match="cannot be the name of a function in C"):
        compile(lambda x: x).to_c(name)


@pytest.mark.parametrize(
    "name",
    ["int", "restrict", "class", "sin", "fmaf", "free", "size_t", "NAN", "M_PI", "y0", "main"],
)
def test_a_name_that_is_taken(name):
    with pytest.raises(ValueError, match=f"'{name}' is taken in C.*'my_{name}'"):
        compile(lambda x: x).to_c(name)


def test_a_name_that_is_no_str():
    with pytest.raises(TypeError, match="name must be a str"):
        compile(lambda x: x).to_c(3)


# --- one source of truth ---


def test_the_formulas_are_those_of_the_headers():
    """Also after an edit of one, which the build must notice."""
    texts = [(ROOT / "csrc" / f"ops_{part}.h").read_text() for part in ("math", "nary", "check")]
    assert _core.formula_texts() == texts


def test_the_table_of_texts_is_the_op_table():
    texts = {text[0] for text in _core.op_texts().values()}
    assert texts == {row["name"] for row in _core.op_table()}


def test_nothing_but_what_is_used():
    function = compile(lambda x: mg.silu(x))
    function.value(1.0)
    text = function.to_c("f")
    assert "static double f_math_silu_da(double a)" in text
    assert "gelu" not in text
    assert "nary" not in text
