"""What Python code may do while an n-ary function reads its arguments, and what failures leave.

A number of an unknown class is converted by its own code, in the middle of gathering: that code
changes the lists, the graph and the operands here.
"""

import gc
import math
import weakref

import numpy as np
import pytest

from micrograd_fast import (
    Value,
    _core,
    cross_entropy,
    dot,
    draw_dot,
    hinge_loss,
    log_softmax,
    logsumexp,
    mean,
    mse_loss,
    norm,
    polyval,
    softmax,
)
from micrograd_fast import sum as vsum

ONE_LIST = [vsum, mean, logsumexp, norm, softmax, log_softmax]
pytestmark = pytest.mark.usefixtures("nothing_stays")


class Acts:
    """A number that does something when it is asked for."""

    def __init__(self, number, act):
        self.number = number
        self.act = act

    def __index__(self):
        self.act()
        return self.number


def as_list(result):
    return result if isinstance(result, list) else [result]


# --- lists that change ---


def test_the_second_list_grows_while_the_first_is_read():
    """Its room was measured before: the items that came later have no place."""
    second = [Value(1.0), Value(2.0)]
    grow = Acts(3, lambda: second.extend(Value(float(i)) for i in range(10_000)))
    for function in (dot, mse_loss, hinge_loss):
        del second[2:]
        with pytest.raises(RuntimeError, match=r"changed its length"):
            function([grow, Value(1.0)], second)


def test_the_second_list_shrinks_while_the_first_is_read():
    second = [Value(1.0), Value(2.0)]
    with pytest.raises(RuntimeError, match=r"dot\(\): x changed its length"):
        dot([Acts(3, second.clear), Value(1.0)], second)


@pytest.mark.parametrize("function", ONE_LIST)
@pytest.mark.parametrize("change", ["append", "clear"])
def test_a_list_that_changes_while_it_is_read(function, change):
    items = [Value(1.0)]
    act = items.clear if change == "clear" else lambda: items.append(Value(0.0))
    items += [Acts(2, act), Value(3.0)]
    with pytest.raises(RuntimeError, match=rf"{function.__name__}\(\): values changed its length"):
        function(items)


def test_coefficients_that_change_while_they_are_read():
    coefficients = [Value(1.0)]
    coefficients += [Acts(2, lambda: coefficients.append(1.0)), 3.0]
    with pytest.raises(RuntimeError, match="coefficients changed its length"):
        polyval(coefficients, Value(2.0))


def test_the_first_list_grows_while_a_generator_makes_the_second():
    first = [Value(1.0)]

    def items():
        first.append(Value(2.0))
        yield 3.0

    with pytest.raises(RuntimeError, match=r"dot\(\): w changed its length"):
        dot(first, items())


def test_an_item_that_is_replaced_stays_an_operand():
    v = Value(2.0)
    items = [v]

    def replace():
        items[0] = None

    items += [Acts(1, replace), Value(3.0)]
    total = vsum(items)
    assert total.data == 6.0
    assert total._children[0] is v
    gone = weakref.ref(v)
    del v
    assert gone() is total._children[0]


# --- the graph while arguments are read ---


def test_data_are_read_after_the_last_conversion():
    v = Value(2.0)

    def move():
        v.data = 5.0

    product = dot([v, Acts(1, move)], [v, 3.0])
    assert product.data == 28.0
    product.backward()
    assert v.grad == 10.0


def test_other_nary_nodes_are_made_and_differentiated_meanwhile():
    """They use the same room for their numbers."""
    x = Value(0.5)
    inner = []

    def work():
        values = [x * i for i in range(2000)]
        total = logsumexp(values)
        total.backward()
        inner.append(math.isfinite(total.data))
        inner.append(softmax([x, 1.0, 2.0])[1].data < 0.5)

    total = dot([x, Acts(2, work), 3.0], [1.0, Acts(5, work), x])
    assert inner == [True] * 4
    assert total.data == 0.5 + 10.0 + 1.5
    x.grad = 0.0
    total.backward()
    assert x.grad == 4.0


def test_backward_of_an_operand_meanwhile():
    x = Value(3.0)
    square = x * x
    total = vsum([square, Acts(1, square.backward), x])
    assert x.grad == 6.0
    x.grad = square.grad = 0.0
    total.backward()
    assert x.grad == 7.0


def test_an_operand_that_joins_a_cycle_meanwhile_is_collected():
    """It was not known to the collector when it became an operand; the node must be."""

    def build():
        v = Value(1.0)
        holder = []
        total = vsum([v, Acts(1, lambda: setattr(v, "holder", holder)), 2.0])
        holder.append(total)
        return weakref.ref(total)

    gone = build()
    gc.collect()
    assert gone() is None


def test_a_collection_meanwhile():
    x = Value(1.0)
    parts = [x * i for i in range(5)]
    for part in parts:
        part.note = {"self": part}
    total = dot([*parts, Acts(1, gc.collect)], [Acts(2, gc.collect), *parts])
    total.backward()
    assert total.data == 0 * 2 + 1 * 0 + 2 * 1 + 3 * 2 + 4 * 3 + 1 * 4
    del part


# --- exceptions ---


@pytest.mark.parametrize("error", [LookupError, TypeError, ValueError, KeyboardInterrupt])
def test_what_a_number_or_a_generator_raises_comes_out(error):
    def fail():
        raise error("mine")

    def items():
        yield Value(1.0)
        fail()

    for function in ONE_LIST:
        with pytest.raises(error, match="mine"):
            function([Value(1.0), Acts(1, fail), Value(2.0)])
        with pytest.raises(error, match="mine"):
            function(items())
    for function in (dot, mse_loss, hinge_loss):
        with pytest.raises(error, match="mine"):
            function([Value(1.0)], items())
        with pytest.raises(error, match="mine"):
            function([Value(1.0)], [Acts(1, fail)])
    with pytest.raises(error, match="mine"):
        polyval([Value(1.0)], Acts(1, fail))
    with pytest.raises(error, match="mine"):
        cross_entropy([Value(1.0)], Acts(0, fail))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda v: dot([v, "a"], [v, v]), r"dot\(\): item 1 of w .*'str'"),
        (lambda v: dot([v, v], [v, None]), r"dot\(\): item 1 of x .*'NoneType'"),
        (lambda v: dot([v], [v], b=[v]), r"dot\(\): b must be .*'list'"),
        (lambda v: dot(v, [v]), r"dot\(\): w must be an iterable .*Value'"),
        (lambda v: dot([v], 1.0), r"dot\(\): x must be an iterable .*'float'"),
        (lambda v: mse_loss([v, [v]], [v, v]), r"mse_loss\(\): item 1 of predictions .*'list'"),
        (lambda v: mse_loss([v], [1j]), r"mse_loss\(\): item 0 of targets .*'complex'"),
        (lambda v: hinge_loss([b"1"], [v]), r"hinge_loss\(\): item 0 of scores .*'bytes'"),
        (lambda v: hinge_loss([v], [{}]), r"hinge_loss\(\): item 0 of targets .*'dict'"),
        (lambda v: polyval([v, v, ""], 1.0), r"polyval\(\): item 2 of coefficients .*'str'"),
        (lambda v: polyval([v], ""), r"polyval\(\): x must be .*'str'"),
        (lambda v: cross_entropy([v, [0.0]], 0), r"cross_entropy\(\): item 1 of logits .*list'"),
        (lambda v: softmax(np.ones((2, 2))), r"softmax\(\): item 0 of values .*'numpy.ndarray'"),
        (lambda v: vsum([v, v._backward]), r"sum\(\): item 1 of values .*Step'"),
    ],
)
def test_a_wrong_type_is_named_with_its_place(call, words):
    with pytest.raises(TypeError, match=words):
        call(Value(1.0))


@pytest.mark.parametrize("function", [*ONE_LIST, dot, mse_loss, hinge_loss, cross_entropy, polyval])
def test_every_allocation_may_fail_and_nothing_is_left(function):
    """Not even room that no node owns: that is counted as blocks."""
    x = Value(0.5)
    second = {cross_entropy: 1, polyval: x}.get(function, [x, 2.0, x, 4.0])
    rest = [] if function in ONE_LIST else [second]

    def build():
        results = as_list(function([x, 1.0, Acts(1, lambda: None), x], *rest))
        for result in results:
            _ = result._children, result._local_grads
            result.backward()

    build()
    gc.collect()
    before = _core.arena_info()
    for nth in range(1, 200):
        _core.fail_allocation(nth)
        try:
            build()
        except MemoryError:
            failed = True
        else:
            failed = False
        finally:
            _core.fail_allocation(0)
        after = _core.arena_info()
        assert (after["live_nodes"], after["blocks"]) == (before["live_nodes"], before["blocks"])
        if not failed:
            break
    assert 2 < nth < 200


def test_numbers_stay_plain_if_there_is_no_memory_for_their_leaves():
    x = Value(1.0)
    total = dot([x, 2.0, 3.0], [4.0, 5.0, x])
    _core.fail_allocation(1)
    with pytest.raises(MemoryError):
        _ = total._children
    _core.fail_allocation(0)
    assert total._op == "dot"
    assert [child.data for child in total._children] == [1.0, 2.0, 3.0, 4.0, 5.0, 1.0]
    assert [child is x for child in total._children] == [True, *[False] * 4, True]
    total.backward()
    assert x.grad == 7.0


# --- arrays ---


def test_rows_of_other_kinds_than_doubles():
    v = Value(2.0)
    ones = [v] * 3
    for row in (
        np.array([1, 2, 3]),
        np.array([1.0, 2.0, 3.0], dtype=np.float32),
        np.array([1.0, 2.0, 3.0], dtype=">f8"),
        np.array([3.0, 2.0, 1.0])[::-1],
        np.arange(6.0).reshape(2, 3)[:, 1:].ravel()[[0, 1, 1]] + [0.0, 0.0, 1.0],
        memoryview(np.array([1.0, 2.0, 3.0])),
        bytes([1, 2, 3]),
    ):
        assert dot(ones, row).data == dot(row, ones).data == 12.0
    read_only = np.array([1.0, 2.0, 3.0])
    read_only.flags.writeable = False
    assert dot(ones, read_only).data == 12.0


def test_a_row_of_doubles_is_copied():
    memory = bytearray(np.array([1.0, 2.0]).tobytes())
    row = np.frombuffer(memory)
    w = [Value(3.0), Value(4.0)]
    product = dot(w, row)
    row[:] = 100.0
    product.backward()
    assert [v.grad for v in w] == [1.0, 2.0]
    # While the row is there its memory cannot move; once the row is gone nobody else holds it.
    with pytest.raises(BufferError):
        memory.clear()
    del row
    memory.clear()


def test_a_subclass_of_an_array_is_asked_for_its_items():
    class Doubled(np.ndarray):
        def __iter__(self):
            return (2.0 * float(number) for number in np.asarray(self))

    row = np.array([1.0, 2.0]).view(Doubled)
    assert vsum(row) == 6.0
    assert dot([Value(1.0), Value(10.0)], row).data == 42.0
    assert vsum(np.ma.array([1.0, 2.0, 4.0])) == 7.0


def test_arrays_of_values():
    array = np.array([Value(1.0), 2.0, Value(3.0)], dtype=object)
    assert dot(array, array).data == 14.0
    assert vsum(np.array([[Value(1.0)], [Value(2.0)]])[:, 0]).data == 3.0
    with pytest.raises(TypeError, match=r"item 0 of values .*ndarray"):
        vsum(np.array([[Value(1.0)], [Value(2.0)]]))


# --- nodes like any other ---


def test_a_closure_in_place_of_the_rule():
    a, b = Value(2.0), Value(3.0)
    total = vsum([a, b])
    calls = []
    total._backward = lambda: calls.append(total.grad)
    (total * 2.0).backward()
    assert (calls, a.grad, b.grad) == ([2.0], 0.0, 0.0)
    del total._backward
    (total * 2.0).backward()
    assert (calls, a.grad) == ([2.0], 2.0 + 2.0)  # total.grad was 2 before, as in pure Python
    total.__init__(1.0)  # no more cycle


def test_names_and_attributes():
    a = Value(2.0)
    total = dot([a], [3.0])
    total.label, total._op, total.anything = "t", "neuron", 1
    assert (total.label, total._op, total.anything) == ("t", "neuron", 1)
    total.backward()
    assert a.grad == 3.0
    assert "neuron" in draw_dot(total).source


def test_the_elements_of_a_softmax_share_what_is_under_them():
    logits = [Value(1.0, label="x"), 2.0, Value(3.0)]
    shares = softmax(logits)
    total = shares[0]._children[1]
    assert all(share._children[1] is total for share in shares)
    assert shares[1]._children[0].data == 2.0
    assert total._children[0] is logits[0]
    assert math.fsum(share.data for share in shares) == pytest.approx(1.0, abs=1e-15)
    source = draw_dot(vsum(shares)).source
    assert source.count("label=softmax") == 3
    assert source.count("label=logsumexp") == 1


def test_gradients_of_a_sum_of_all_shares_vanish():
    logits = [Value(1.0), Value(-2.0), Value(30.0)]
    vsum(softmax(logits)).backward()
    assert all(abs(v.grad) < 1e-15 for v in logits)


def test_a_checked_backward_names_the_node():
    x = Value(0.0)
    total = mean([(x * 2.0).sqrt(), 1.0])
    with pytest.raises(FloatingPointError):
        total.backward(check=True)


def test_a_million_distinct_terms_come_and_go():
    before = _core.arena_info()["blocks"]
    values = [Value(1.0) for _ in range(1_000_000)]
    total = vsum(values)
    total.backward()
    total.backward()
    assert (values[0].grad, values[-1].grad) == (2.0, 2.0)
    assert total.data == 1_000_000.0
    loss = mse_loss(values, np.zeros(len(values)))
    loss.backward()
    assert loss.data == 1.0
    del total, loss, values
    # Pages may be kept for later, and the room for the numbers of a step; no more than that.
    info = _core.arena_info()
    assert info["blocks"] - before <= info["pages"] + 8


def test_a_chain_of_wide_nodes_is_freed_flat():
    x = Value(1.0)
    top = x
    for _ in range(200_000):
        top = mean([top, top, top])
    top.backward()
    assert x.grad == pytest.approx(1.0)
