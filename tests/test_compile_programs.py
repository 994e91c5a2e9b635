"""Random programs: what is compiled gives the bits of eager code, and its gradients."""

import numpy as np
import pytest
from compile_programs import as_function, generate, magnitudes
from engines import bits

import micrograd_fast
from micrograd_fast import Function, Value, _core, _listing

SEEDS = range(300)
ULP = 2.0**-52

pytestmark = pytest.mark.usefixtures("sweeps_are_marked")


def eager(program):
    values = [Value(data) for data in program.leaves]
    return as_function(program)(*values)


def agree(ours, theirs, scale, ulps=8.0):
    return all(
        a == b or abs(a - b) <= ulps * ULP * s for a, b, s in zip(ours, theirs, scale, strict=True)
    )


def each(numbers):
    return [bits(number) for number in numbers]


@pytest.mark.parametrize("first", range(0, len(SEEDS), 25))
def test_values_have_the_bits_of_eager_code(first):
    for seed in SEEDS[first : first + 25]:
        program = generate(seed)
        f = micrograd_fast.compile(as_function(program))
        expected = [value.data for value in eager(program)]
        assert each(f.value(*program.leaves)) == each(expected), seed
        assert each(v.data for v in f(*program.leaves)) == each(expected), seed
        # The second call replays what the first has recorded.
        moved = [data * (1.0 + 1e-9) for data in program.leaves]
        try:
            again = [v.data for v in as_function(program)(*map(Value, moved))]
        except (ValueError, OverflowError, ZeroDivisionError) as error:
            with pytest.raises(type(error)):
                f.value(*moved)
        else:
            assert each(f.value(*moved)) == each(again), seed
        assert len(f.tapes) == 1


@pytest.mark.parametrize("first", range(0, len(SEEDS), 25))
def test_gradients_are_those_of_eager_code(first):
    for seed in SEEDS[first : first + 25]:
        program = generate(seed)
        run = as_function(program)
        f = micrograd_fast.compile(lambda *leaves, run=run: run(*leaves)[-1])
        values = eager(program)
        values[-1].backward()
        count = len(program.leaves)
        expected = [value.grad for value in values[:count]]
        single = magnitudes(replaced_backwards(program))[:count]
        value, gradient = f.value_and_grad(*program.leaves, argnums=tuple(range(count)))
        assert bits(value) == bits(values[-1].data), seed
        assert agree(gradient, expected, single), seed
        leaves = [Value(data) for data in program.leaves]
        f(*leaves).backward()
        assert agree([leaf.grad for leaf in leaves], expected, single), seed
        for leaf in leaves:
            leaf.grad = 0.0


def replaced_backwards(program):
    """The same program, differentiated once, from its last result."""
    last = len(program.leaves) + len(program.instructions) - 1
    return type(program)(program.leaves, program.instructions, (last,))


@pytest.mark.parametrize("first", range(0, 100, 25))
def test_every_pass_keeps_the_bits(first):
    names = [name for name, _ in _core.pass_table()]
    for seed in SEEDS[first : first + 25]:
        program = generate(seed)
        expected = each(value.data for value in eager(program))
        for passes in ((), *((name,) for name in names), names[: seed % len(names)]):
            f = micrograd_fast.compile(as_function(program), passes=passes)
            assert each(f.value(*program.leaves)) == expected, (seed, passes)


@pytest.mark.parametrize("first", range(0, 100, 25))
def test_graphs_listings_and_calls_within_calls_give_the_same(first):
    for seed in SEEDS[first : first + 25]:
        program = generate(seed)
        values = eager(program)
        expected = each(value.data for value in values)
        made = Function(values[: len(program.leaves)], values)
        assert each(made.value(*program.leaves)) == expected, seed
        (tape,) = made.tapes.values()
        leaves = [Value(data) for data in program.leaves]
        # Numbers among the operands of `where` are leaves of the graph, so they are captured.
        replayed = _listing.evaluate(tape, [*leaves, *made.captured])
        assert each(value.data for value in replayed) == expected, seed
        outer = micrograd_fast.compile(lambda *leaves, made=made: made(*leaves))
        assert each(outer.value(*program.leaves)) == expected, seed
        assert str(made).count("\n") == made.stats[0]["operations"] + len(values)


@pytest.mark.parametrize("first", range(0, 100, 25))
def test_products_agree_with_each_other_and_with_differences(first):
    """The Jacobian by rows, by columns and by products; the Hessian by products and by rows."""
    for seed in SEEDS[first : first + 25]:
        program = generate(seed)
        run = as_function(program)
        every = tuple(range(len(program.leaves)))

        def last(x, run=run):
            return run(*x)[-1]

        def few(x, run=run):
            return run(*x)[-2:]

        x = np.array(program.leaves)
        scale = np.array(magnitudes(replaced_backwards(program))[: len(x)]) + 1.0
        f, g = micrograd_fast.compile(last), micrograd_fast.compile(few)
        gradient = f.grad(x)
        assert np.allclose(f.jacobian(x), gradient, rtol=1e-12, atol=1e-12 * scale.max()), seed
        assert np.isclose(f.jvp(x, x), gradient @ x, rtol=1e-9, atol=1e-12 * (scale @ abs(x)))
        assert np.allclose(f.vjp(x, 2.0), 2.0 * gradient, rtol=1e-12, atol=1e-12 * scale.max())
        rows = np.array([g.vjp(x, unit) for unit in ([1.0, 0.0], [0.0, 1.0])])
        assert np.allclose(np.array(g.jacobian(x)), rows, rtol=1e-9, atol=1e-12 * scale.max())
        hessian = f.hessian(x)
        assert hessian.shape == (len(x), len(x))
        if np.isfinite(hessian).all():
            size = np.abs(hessian).max()
            assert np.allclose(hessian, hessian.T, rtol=1e-6, atol=1e-9 * size), seed
            for column in every:
                product = f.hvp(x, np.eye(len(x))[column])
                assert np.allclose(product, hessian[column], rtol=1e-9, atol=1e-9 * size), seed
