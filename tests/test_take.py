"""take(values, index): a choice that a program makes anew at every call."""

import pytest

from micrograd_fast import Value, compile, take


def test_an_int_picks_the_value_itself():
    values = [Value(1.0), Value(2.0), 3.0]
    assert take(values, 1) is values[1]
    assert take(values, -3) is values[0]
    assert take(values, 2) == take([1.0, 2.0, 3.0], -1) == 3.0


def test_a_value_makes_a_node_whose_gradient_goes_to_the_one_taken():
    values, index = [Value(1.0), Value(2.0), Value(3.0)], Value(1.0)
    taken = take(values, index)
    (taken * 5.0).backward()
    assert taken._op == "take"
    assert taken.data == 2.0
    assert [v.grad for v in values] == [0.0, 5.0, 0.0]
    assert index.grad == 0.0
    index.data = -1.0
    taken.backward()
    assert [v.grad for v in values] == [0.0, 5.0, 1.0]


@pytest.mark.parametrize("index", [3, -4, Value(3.0), Value(-4.0), Value(0.5), Value(float("nan"))])
def test_an_index_that_names_nothing(index):
    with pytest.raises(IndexError, match=r"take\(\): index .* 3 values"):
        take([Value(1.0), 2.0, 3.0], index)


@pytest.mark.parametrize("index", [1.0, "1", None])
def test_an_index_that_is_no_int(index):
    with pytest.raises(TypeError, match="index must be an int"):
        take([Value(1.0), 2.0], index)


def test_nothing_to_take_from():
    with pytest.raises(ValueError, match="empty"):
        take([], 0)


def test_a_compiled_function_takes_anew_at_every_call():
    values = [Value(1.0), Value(2.0), Value(3.0)]
    f = compile(lambda x, i: take(values, i) * x)
    assert [f.value(10.0, i) for i in (0, 1, 2, -1)] == [10.0, 20.0, 30.0, 30.0]
    f(10.0, 1).backward()
    assert [v.grad for v in values] == [0.0, 10.0, 0.0]
    assert f.grad(10.0, 2) == 3.0
    with pytest.raises(IndexError, match="3"):
        f.value(10.0, 3)
