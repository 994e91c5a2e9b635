"""Random programs: the engine against the pure reference, and against properties of its own.

A program is a list of instructions over earlier results, so that it can be run on any engine.
Seeds are fixed: every run sees the same programs. The variable MICROGRAD_FAST_TEST_BATCHES sets how
many batches of 500 programs are compared with the reference: 20 if it is not set.
"""

import gc
import os
import random
from dataclasses import dataclass, replace

import engines
import pytest
from engines import bits
from hypothesis import given, settings
from hypothesis import strategies as st
from nary_samples import BY_NAME as NARY_BY_NAME
from nary_samples import NARY
from op_rows import draw
from op_samples import BY_NAME, OPS

from micrograd_fast import _core

fast = engines.load("fast")
reference = engines.load("reference")
pytestmark = pytest.mark.usefixtures("sweeps_are_marked")
deterministic = settings(derandomize=True, database=None, deadline=None, max_examples=150)

POWERS = (2, 3, 2.0, 0.5, -1, 1, 0)
# Where programs use the n-ary functions.
NARY_SPANS = ((-20.0, 20.0), (-2.0, 2.0))
ULP = 2.0**-52
BATCHES = int(os.environ.get("MICROGRAD_FAST_TEST_BATCHES", "20"))


@dataclass(frozen=True)
class Program:
    """``leaves`` are data; an instruction is an op and operands: an index, or a plain float.

    The operands of an n-ary op are all of its numbers, flat, as in nary_samples.py.
    """

    leaves: tuple[float, ...]
    instructions: tuple[tuple[str, tuple], ...]
    backwards: tuple[int, ...]

    def run(self, engine):
        """All values in order of creation; no backward yet."""
        values = [engine.Value(data) for data in self.leaves]
        for name, operands in self.instructions:
            arguments = [values[o] if type(o) is int else _constant(o) for o in operands]
            values.append(apply(engine, name, arguments))
        return values


def apply(engine, name, arguments):
    if name in NARY_BY_NAME:
        arguments = NARY_BY_NAME[name].arguments(arguments)
    return engine.function(name)(*arguments)


def _constant(operand):
    # an exponent as its author wrote it travels in a tuple, to tell the int 2 from the index 2
    return operand[0] if isinstance(operand, tuple) else operand


def inside(number, spans):
    return any(low <= number <= high for low, high in spans)


def generate(seed):
    """A program whose values stay in the domains; found by running it on the reference."""
    generator = random.Random(seed)
    leaves = tuple(generator.uniform(-3.0, 3.0) for _ in range(generator.randint(1, 5)))
    values = [reference.Value(data) for data in leaves]
    instructions = []

    def emit(name, operands):
        arguments = [values[o] if type(o) is int else _constant(o) for o in operands]
        values.append(apply(reference, name, arguments))
        instructions.append((name, tuple(operands)))
        return len(values) - 1

    def operand(spans):
        """An earlier value inside the spans, brought there if the dice find none."""
        for _ in range(4):
            # half of the time a recent one: deep graphs as well as wide ones
            recent = generator.random() < 0.5
            index = generator.randrange(max(0, len(values) - 4) if recent else 0, len(values))
            if inside(values[index].data, spans):
                return index
        target = draw(generator, spans)
        return emit("add", (emit("mul", (emit("atan", (index,)), 0.0)), target))

    def emit_nary(row):
        """One over Values and numbers, some of them more than once."""
        spans = NARY_SPANS[-1:] if row.name == "polyval" else NARY_SPANS[:1]
        size = generator.choice([size for size in row.sizes if size < 20])
        operands = [operand(spans) for _ in range(size)]
        for position in range(1, size):
            if generator.random() < 0.2:
                operands[position] = draw(generator, spans)
            elif generator.random() < 0.2:
                operands[position] = operands[position - 1]
        if row.takes is not None:
            operands[row.takes] = (generator.randrange(size - 1),)
        emit(row.name, operands)

    for _ in range(generator.randint(10, 50)):
        if generator.random() < 0.15:
            emit_nary(generator.choice(NARY))
            continue
        op = generator.choice(OPS)
        if op.name == "pow" and generator.random() < 0.5:
            emit("pow", (operand(op.safe[0]), (generator.choice(POWERS),)))
            continue
        operands = [operand(spans) for spans in op.safe]
        if op.arity > 1 and generator.random() < 0.3:
            position = generator.randrange(op.arity)
            operands[position] = draw(generator, op.safe[position])
        if op.arity == 2 and generator.random() < 0.1 and op.safe[0] == op.safe[1]:
            operands[1] = operands[0]
        if any(type(o) is int for o in operands):
            emit(op.name, operands)

    last = len(values) - 1
    backwards = [last]
    for _ in range(generator.choice((0, 0, 1, 2))):
        backwards.append(generator.choice((last, generator.randrange(len(values)))))
    return Program(leaves, tuple(instructions), tuple(backwards))


def magnitudes(program):
    """What the gradients add up to, in order of creation, if every term is taken as positive.

    It is the unit of the rounding errors. Partials come from single nodes of the reference, built
    apart, so that the two shares of ``op(a, a)`` do not cancel in it.
    """
    values = program.run(reference)
    partials = [[] for _ in program.leaves]
    for name, operands in program.instructions:
        arguments = [
            reference.Value(values[o].data) if type(o) is int else _constant(o) for o in operands
        ]
        apply(reference, name, arguments).backward()
        partials.append(
            [(o, abs(v.grad)) for o, v in zip(operands, arguments, strict=True) if type(o) is int]
        )

    scale = [0.0] * len(values)
    for root in program.backwards:
        scale[root] = 1.0
        reached = {root}
        for index in range(root, -1, -1):
            if index in reached:
                for operand, partial in partials[index]:
                    reached.add(operand)
                    scale[operand] += partial * scale[index]
    return scale


def assert_agree(ours, theirs, scale, ulps=4.0):
    for index, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        allowed = ulps * ULP * scale[index]
        assert abs(mine - other) <= allowed, (index, mine, other, allowed)


def gradients(values, roots, backward=lambda root: root.backward()):
    for root in roots:
        backward(values[root])
    return [v.grad for v in values]


def check(program):
    ours, theirs = program.run(fast), program.run(reference)
    assert [bits(v.data) for v in ours] == [bits(v.data) for v in theirs]
    assert_agree(
        gradients(ours, program.backwards),
        gradients(theirs, program.backwards),
        magnitudes(program),
    )


@pytest.mark.parametrize("batch", range(BATCHES))
def test_ten_thousand_programs(batch):
    for seed in range(500 * batch, 500 * (batch + 1)):
        program = generate(seed)
        try:
            check(program)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {program}") from error


def test_the_programs_use_every_op_and_form():
    """The generator's coverage, so that the test above means what it says."""
    used, constants, shared, repeated = set(), set(), 0, 0
    wide = {"repeated": 0, "mixed": 0, "over wide": 0, "under": 0}
    for seed in range(300):
        program = generate(seed)
        uses = {}
        are_wide = [False] * len(program.leaves)
        for name, operands in program.instructions:
            used.add(name)
            below = [o for o in operands if type(o) is int]
            is_wide = name in NARY_BY_NAME
            wide["repeated"] += is_wide and len(set(below)) < len(below)
            wide["mixed"] += is_wide and any(type(o) is float for o in operands)
            wide["over wide"] += is_wide and any(are_wide[o] for o in below)
            wide["under"] += not is_wide and any(are_wide[o] for o in below)
            are_wide.append(is_wide)
            for position, operand in enumerate(operands):
                if type(operand) is int:
                    uses[operand] = uses.get(operand, 0) + 1
                else:
                    constants.add((name, position))
        shared += max(uses.values()) > 2
        repeated += len(program.backwards) > 1
    assert used == set(BY_NAME) | set(NARY_BY_NAME)
    assert min(wide.values()) > 50, wide
    both_sides = {(op.name, side) for op in OPS if op.arity == 2 for side in (0, 1)}
    assert both_sides <= constants
    assert min(shared, repeated) > 50


# Properties

programs = st.integers(min_value=0, max_value=2**32).map(lambda seed: generate(seed + 10**6))


@deterministic
@given(programs)
def test_depth_first_order_gives_the_same_gradients(program):
    """The oracle for the creation log: another order, the same sums up to rounding."""
    swept = gradients(program.run(fast), program.backwards)
    searched = gradients(program.run(fast), program.backwards, _core.backward_depth_first)
    assert_agree(swept, searched, magnitudes(program))


@deterministic
@given(programs)
def test_backward_is_reproducible_to_the_last_bit(program):
    first, second = (gradients(program.run(fast), program.backwards) for _ in range(2))
    assert list(map(bits, first)) == list(map(bits, second))


@deterministic
@given(programs, st.integers(min_value=-8, max_value=8))
def test_gradients_are_linear_in_the_seed(program, exponent):
    """Scaling the root by a power of two scales every gradient, exactly."""
    plain, scaled = program.run(fast), program.run(fast)
    factor = 2.0**exponent
    plain[-1].backward()
    (scaled[-1] * factor).backward()
    for one, other in zip(plain, scaled, strict=True):
        assert bits(one.grad * factor) == bits(other.grad)


@deterministic
@given(programs)
def test_gradients_of_a_sum_are_sums_of_gradients(program):
    """Two roots at once, or one after the other into fresh gradients."""
    together = program.run(fast)
    last, middle = len(together) - 1, len(together) // 2
    (together[last] + together[middle]).backward()
    apart = zip(gradients(program.run(fast), [last]), gradients(program.run(fast), [middle]))
    scales = (magnitudes(replace(program, backwards=(root,))) for root in (last, middle))
    assert_agree(
        [v.grad for v in together],
        [one + other for one, other in apart],
        [one + other for one, other in zip(*scales)],
    )


@deterministic
@given(programs)
def test_zeroed_gradients_make_a_second_backward_repeat_the_first(program):
    values = program.run(fast)
    values[-1].backward()
    before = [bits(v.grad) for v in values]
    leaves_of_numbers = [child for v in values for child in v._children]
    for v in [*values, *leaves_of_numbers]:
        v.grad = 0.0
    values[-1].backward()
    assert [bits(v.grad) for v in values] == before


@deterministic
@given(programs)
def test_reading_the_graph_changes_nothing(program):
    """repr, _prev, _children, _local_grads and _op of every node, then backward."""
    plain, inspected = program.run(fast), program.run(fast)
    for v in inspected:
        seen = (repr(v), v._prev, v._children, v._op)
        assert seen == (repr(v), v._prev, v._children, v._op)
        assert len(v._local_grads) == len(v._children)
        assert set(v._children) == v._prev
    plain[-1].backward()
    inspected[-1].backward()
    assert [bits(v.grad) for v in plain] == [bits(v.grad) for v in inspected]


@deterministic
@given(programs)
def test_local_gradients_replay_the_program(program):
    """Every node rebuilt from its children and local gradients differentiates alike."""
    original, rebuilt = program.run(fast), {}

    def copy_of(v):
        if v not in rebuilt:
            children = [copy_of(child) for child in v._children]
            rebuilt[v] = fast.Value(v.data, children, v._local_grads)
        return rebuilt[v]

    copies = [copy_of(v) for v in original]
    original[-1].backward()
    copies[-1].backward()
    assert [bits(v.grad) for v in original] == [bits(v.grad) for v in copies]


@pytest.fixture(scope="module")
def no_garbage():
    """What earlier tests left in cycles is gone, and not freed while nodes are counted."""
    gc.collect()


@pytest.mark.usefixtures("no_garbage")
@deterministic
@given(programs)
def test_discarding_the_results_frees_the_program(program):
    before = _core.arena_info()["live_nodes"]
    values = program.run(fast)
    values[-1].backward()
    assert _core.arena_info()["live_nodes"] >= before + len(values)
    del values
    assert _core.arena_info()["live_nodes"] == before


@deterministic
@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_addition_and_multiplication_commute(x, y):
    a, b = fast.Value(x), fast.Value(y)
    assert bits((a + b).data) == bits((b + a).data)
    assert bits((a * b).data) == bits((b * a).data)


@deterministic
@given(st.floats())
def test_repr_reads_back(x):
    v = fast.Value(x)
    number = repr(v).removeprefix("Value(data=").removesuffix(")")
    assert bits(float(number)) == bits(x)
    assert repr(v) == repr(v)
