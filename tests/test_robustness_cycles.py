"""No way to break it: cycles through nodes are collected, and nothing that is held is."""

import gc
import weakref
from functools import partial

import pytest
from robustness import capturing_node, live_nodes

from micrograd_fast import Value

pytestmark = pytest.mark.usefixtures("nothing_stays")


def test_a_closure_that_captures_its_node_is_collected():
    reference = weakref.ref(capturing_node(Value(1.0)))
    assert reference() is not None
    gc.collect()
    assert reference() is None


def test_a_chain_of_capturing_nodes_is_collected_at_once():
    """Built-in nodes lie between them: one collection must see through these."""
    references = []
    v = Value(1.0)
    for _ in range(6):
        v = capturing_node(v)
        references.append(weakref.ref(v))
        v = v * 2.0 + 1.0
        references.append(weakref.ref(v))
    v.backward()
    del v
    gc.collect()
    assert [reference() for reference in references] == [None] * len(references)


def test_a_closure_given_to_a_node_that_already_has_parents():
    a = Value(1.0)
    inner = a * 2.0
    root = (inner + 1.0) * 3.0
    inner._backward = partial(print, root)  # a cycle through built-in nodes, closed last
    reference = weakref.ref(root)
    del inner, root
    gc.collect()
    assert reference() is None


def test_several_closures_over_a_shared_built_in_node():
    a = Value(1.0)
    first = capturing_node(a)
    shared = first * 2.0
    left, right = capturing_node(shared), capturing_node(shared)
    root = left * right
    references = [weakref.ref(v) for v in (first, shared, left, right, root)]
    gc.collect()
    assert all(reference() is not None for reference in references)
    root.backward()
    assert a.grad == 8.0
    del first, shared, left, right, root
    gc.collect()
    assert [reference() for reference in references] == [None] * 5


@pytest.mark.parametrize("held", ["bottom", "middle", "top"])
def test_what_is_held_from_outside_stays(held):
    """A collection between building and use, with one node held by a variable only."""
    a = Value(1.0)
    bottom = capturing_node(a)
    middle = bottom * 2.0
    top = capturing_node(middle)
    root = top + 1.0
    kept = {"bottom": bottom, "middle": middle, "top": top}[held]
    gone = weakref.ref(root)
    del bottom, middle, top, root
    for _ in range(3):
        gc.collect()
    assert gone() is None
    kept.backward()
    assert a.grad == {"bottom": 1.0, "middle": 2.0, "top": 2.0}[held]


def test_built_in_parents_keep_capturing_nodes_through_young_collections():
    a = Value(1.0)
    v = a
    for _ in range(50):
        v = capturing_node(v) * 1.0
        gc.collect(0)
        gc.collect(1)
    v.backward()
    assert a.grad == 1.0
    del v


def hook_of_a_leaf(leaf, loss):
    leaf.hook = loss


def hook_in_a_list(leaf, loss):
    leaf.history = [{"loss": loss}]


def hook_in_the_dict(leaf, loss):
    leaf.__dict__["hook"] = loss


def hook_in_vars(leaf, loss):
    vars(leaf).update(hook=loss)


def hook_as_a_label(leaf, loss):
    leaf.label = [loss]


def hook_as_a_closure(leaf, loss):
    leaf._backward = lambda: loss


@pytest.mark.parametrize(
    "hook",
    [hook_of_a_leaf, hook_in_a_list, hook_in_the_dict, hook_in_vars, hook_as_a_closure],
    ids=lambda hook: hook.__name__,
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_cycles_through_attributes_are_collected(hook, when):
    leaf = Value(1.0)
    if when == "before":
        leaf.already = []
    loss = ((leaf * 2.0).tanh() - 1.0) ** 2
    hook(leaf, loss)
    references = weakref.ref(leaf), weakref.ref(loss)
    loss.backward()
    del leaf, loss
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_a_leaf_that_refers_to_itself_is_collected():
    leaf = Value(1.0)
    leaf.me = leaf
    reference = weakref.ref(leaf)
    del leaf
    gc.collect()
    assert reference() is None


def test_a_dict_that_was_handed_out_outlives_its_node():
    leaf = Value(1.0)
    leaf.m = 1
    attributes = leaf.__dict__
    del leaf
    assert attributes == {"m": 1}


def test_cycles_through_a_subclass_are_collected():
    class Parameter(Value):
        pass

    p = Parameter(1.0)
    p.loss = (p * 2.0).tanh()
    q = Parameter(p.loss.data, (p.loss,), (1.0,))
    p.owner = q
    references = [weakref.ref(v) for v in (p, p.loss, q)]
    del p, q
    gc.collect()
    assert [reference() for reference in references] == [None] * 3


def test_a_user_built_node_with_many_operands_in_a_cycle():
    leaves = [Value(float(i)) for i in range(20)]
    out = Value(1.0, leaves, "sum")
    out._backward = partial(print, out)
    leaves[7].owner = out * 2.0
    reference = weakref.ref(out)
    del leaves, out
    gc.collect()
    assert reference() is None


def test_plain_graphs_need_no_collector():
    gc.disable()
    try:
        before = live_nodes()
        loss = ((Value(2.0, label="x") * 3.0).tanh() + 1.0) ** 2
        loss.note = "text"
        loss.backward()
        del loss
        assert live_nodes() == before
    finally:
        gc.enable()


def test_weakref_callbacks_may_use_the_graph_during_a_collection():
    a = Value(3.0)
    seen = []

    def callback(_):
        b = a * 2.0
        b.backward()
        seen.append(a.grad)

    reference = weakref.ref(capturing_node(a), callback)
    gc.collect()
    assert reference() is None
    assert seen == [2.0]


def test_finalizers_may_collect_while_their_graph_is_freed():
    """A dead node that still waits for its turn must not be seen by the collector."""

    class Collecting:
        def __del__(self):
            gc.collect()
            (Value(1.0) * 2.0).backward()

    for _ in range(50):
        a, b = Value(1.0), Value(2.0)
        a.attribute, b.attribute = Collecting(), Collecting()
        c = capturing_node(a * b)
        c.attribute = Collecting()
        root = c * a + b
        del a, b, c, root
        gc.collect()


def test_finalizers_may_use_and_resurrect():
    saved = []

    class Phoenix(Value):
        def __del__(self):
            (self * 2.0).backward()
            if not saved:
                saved.append(self)

    a = Value(3.0)
    p = Phoenix(9.0, (a,), (1.0,))
    root = p + 1.0
    del p, root
    gc.collect()
    (p,) = saved
    assert (p.data, p._children) == (9.0, (a,))
    a.grad = 0.0
    (p * 5.0).backward()
    assert a.grad == 2.0 + 5.0  # the finalizer's sweep left its share in p
    saved.append(None)
    del saved[0], p
    gc.collect()
