"""Values and partials of the n-ary rows against mpmath, whatever part of the numbers is a Value."""

import itertools
import math

import mpmath
import pytest
import reference
import reference_nary
from engines import bits
from mpmath import mpf
from nary_samples import BY_NAME, NARY

import micrograd_fast
from micrograd_fast import Value

RELATIVE = 1e-12
SMALLEST = 5e-324
over = pytest.mark.parametrize("row", NARY, ids=lambda row: row.name)


def exactly(function, numbers):
    with mpmath.workdps(60):
        return function([mpf(number) for number in numbers])


def call(row, numbers, wrap=lambda place: True):
    """The result, and the Values that were made, by place."""
    values = {
        place: Value(number)
        for place, number in enumerate(numbers)
        if wrap(place) and (row.takes is None or place < len(numbers) + row.takes)
    }
    mixed = [values.get(place, number) for place, number in enumerate(numbers)]
    return getattr(micrograd_fast, row.name)(*row.arguments(mixed)), values


def rounding(row, numbers, expected):
    magnitude = exactly(row.magnitude, numbers) if row.magnitude else abs(expected)
    return RELATIVE * magnitude + 4 * SMALLEST


@over
def test_value_agrees_with_the_oracle(row):
    for numbers in row.lists(60):
        got, expected = call(row, numbers)[0].data, exactly(row.value, numbers)
        assert abs(expected - got) <= rounding(row, numbers, expected), numbers


def test_every_row_has_its_reference():
    assert set(reference_nary.NARY) == set(BY_NAME)


@over
def test_value_and_partials_equal_the_reference_to_the_last_bit(row):
    for numbers in row.lists(60):
        result, values = call(row, numbers)
        result.backward()
        mirrored = [reference.Value(number) for number in numbers]
        if row.takes is not None:
            mirrored[row.takes] = numbers[row.takes]
        expected = getattr(reference, row.name)(*row.arguments(mirrored))
        expected.backward()
        assert bits(result.data) == bits(expected.data), numbers
        for place, value in values.items():
            assert bits(value.grad) == bits(mirrored[place].grad), (numbers, place)


@over
def test_partials_agree_with_the_oracle(row):
    for numbers in row.lists(60):
        result, values = call(row, numbers)
        result.backward()
        expected = exactly(row.partials, numbers)
        scales = exactly(row.slopes, numbers) if row.slopes else expected
        for place, value in values.items():
            allowed = RELATIVE * abs(scales[place]) + 4 * SMALLEST
            assert abs(expected[place] - value.grad) <= allowed, (numbers, place)


@over
def test_oracle_is_the_derivative_of_its_value(row):
    numbers = [mpf(number) for number in row.lists(3)[-1 - len(row.points)]]
    with mpmath.workdps(40):
        for place, partial in enumerate(row.partials(numbers)):
            at = lambda x, place=place: row.value([*numbers[:place], x, *numbers[place + 1 :]])  # noqa: E731
            assert abs(mpmath.diff(at, numbers[place]) - partial) < mpf(10) ** -12 * (
                1 + abs(partial)
            )


@over
def test_numbers_in_place_of_values_change_no_bit(row):
    for numbers in row.lists(6):
        all_values, leaves = call(row, numbers)
        all_values.backward()
        for wrap in (
            lambda place: place % 2,
            lambda place: place == 0,
            lambda place: place % 3 > 0,
        ):
            some, few = call(row, numbers, wrap)
            if not few:
                continue
            some.backward()
            assert bits(some.data) == bits(all_values.data)
            for place, value in few.items():
                assert bits(value.grad) == bits(leaves[place].grad)
        plain, none = call(row, numbers, lambda place: False)
        assert not none
        assert type(plain) is float
        assert bits(plain) == bits(all_values.data)


@over
def test_local_grads_are_the_partials(row):
    for numbers in row.lists(6):
        result, values = call(row, numbers)
        partials = dict(zip(map(id, result._children), result._local_grads, strict=True))
        result.backward()
        for value in values.values():
            assert bits(partials[id(value)] + 0.0) == bits(value.grad)


@over
def test_backward_never_raises_when_the_data_have_moved(row):
    numbers = row.lists(len(row.sizes))[len(row.sizes) - 1]
    for bad in (math.nan, math.inf, -math.inf, 0.0, 1e308, -1e308, SMALLEST):
        result, values = call(row, numbers)
        for value in values.values():
            value.data = bad
        result.backward()
        assert result.grad == 1.0


@over
def test_a_node_may_be_an_operand_twice(row):
    """``f(v, v, ...)``: what flows into the same Value adds up."""
    size = row.sizes[-1]
    numbers = [0.75] * size if row.takes is None else [0.75] * (size - 1) + [0]
    expected = exactly(row.partials, numbers)
    v = Value(0.75)
    mixed = [v] * size if row.takes is None else [v] * (size - 1) + [0]
    getattr(micrograd_fast, row.name)(*row.arguments(mixed)).backward()
    places = range(size) if row.takes is None else range(size - 1)
    total = math.fsum(float(expected[place]) for place in places)
    assert math.isclose(v.grad, total, rel_tol=1e-12, abs_tol=1e-15)


# --- special values ---


@pytest.mark.parametrize(
    ("name", "arguments", "value", "gradients"),
    [
        ("logsumexp", ([math.inf, 1.0],), math.inf, (1.0, 0.0)),
        ("logsumexp", ([-math.inf, 1.0],), 1.0, (0.0, 1.0)),
        ("logsumexp", ([-math.inf, -math.inf],), -math.inf, (0.0, 0.0)),
        ("logsumexp", ([math.inf, math.inf],), math.inf, (0.5, 0.5)),
        ("logsumexp", ([math.nan, 1.0],), math.nan, (math.nan, math.nan)),
        ("norm", ([0.0, -0.0],), 0.0, (0.0, 0.0)),
        ("norm", ([math.inf, 1.0],), math.inf, (1.0, 0.0)),
        ("norm", ([math.nan, 1.0],), math.nan, (math.nan, math.nan)),
        ("hinge_loss", ([1.0], [1.0]), 0.0, (0.0, 0.0)),
        ("hinge_loss", ([-1.0], [-1.0]), 0.0, (0.0, 0.0)),
        ("polyval", ([3.0], math.inf), 3.0, (1.0, 0.0)),
        ("sum", ([math.inf, -math.inf],), math.nan, (1.0, 1.0)),
        ("dot", ([0.0], [math.inf], 1.0), math.nan, (math.inf, 0.0, 1.0)),
    ],
)
def test_special_values(name, arguments, value, gradients):
    flat = [
        Value(number)
        for argument in arguments
        for number in (argument if isinstance(argument, list) else [argument])
    ]
    remaining = iter(flat)
    wrapped = [
        [next(remaining) for _ in argument] if isinstance(argument, list) else next(remaining)
        for argument in arguments
    ]
    result = getattr(micrograd_fast, name)(*wrapped)
    result.backward()
    assert bits(result.data) == bits(value)
    assert [bits(v.grad) for v in flat] == [bits(gradient) for gradient in gradients]


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize(
    "numbers",
    [
        [0.3, -1.0, 0.9, 0.0],
        [30.0, -100.0, 90.0, 0.0],
        [3e3, -1e4, 9e3, 0.0],
        [1e8, 1e8 - 3.0, 1e8 + 0.5, -1e8],
        [1e15, 1e15 + 1.0, 1e15 - 2.0, 0.0],
        [-1e16, -1e16, -1e16, -1e16],
        [1e308, 1e308, -1e308, 1e308],
    ],
    ids=str,
)
def test_softmax_and_its_logarithm(name, numbers):
    shares = exactly(lambda x: [mpmath.exp(v - max(x)) for v in x], numbers)
    total = sum(shares)
    outcomes = []
    for i in range(len(numbers)):
        logits = [Value(number) for number in numbers]
        result = getattr(micrograd_fast, name)(logits)[i]
        outcomes.append(result.data)
        share = shares[i] / total
        others = mpmath.fsum(shares[j] / shares[i] for j in range(len(numbers)) if j != i)
        expected = share if name == "softmax" else -mpmath.log1p(others)
        assert math.isclose(result.data, expected, rel_tol=1e-12, abs_tol=1e-300)
        result.backward()
        for j, v in enumerate(logits):
            # d share_i / d x_j, d log share_i / d x_j
            slope = (i == j) - shares[j] / total
            slope = share * slope if name == "softmax" else slope
            assert math.isclose(v.grad, slope, rel_tol=1e-12, abs_tol=1e-15)
    if name == "softmax":
        assert math.isclose(math.fsum(outcomes), 1.0, rel_tol=1e-12)


def test_softmax_shares_one_node():
    results = micrograd_fast.softmax([Value(1.0), Value(2.0), 3.0])
    below = set.intersection(*(result._prev for result in results))
    assert [node._op for node in below] == ["logsumexp"]
    assert [result._op for result in results] == ["softmax"] * 3


def test_every_row_refuses_what_it_cannot_take():
    for row in itertools.chain(NARY, [BY_NAME["logsumexp"]]):
        with pytest.raises((TypeError, ValueError)):
            getattr(micrograd_fast, row.name)()
