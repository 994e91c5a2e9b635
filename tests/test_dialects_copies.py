"""``copy``, ``deepcopy`` and ``pickle``: a leaf can be duplicated, an interior node refuses."""

import copy
import pickle

import pytest

pure = pytest.mark.engines("reference", "pypi")
fast = pytest.mark.engines("fast")
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def duplicates(v):
    yield "copy", copy.copy(v)
    yield "deepcopy", copy.deepcopy(v)
    for protocol in PROTOCOLS:
        yield f"pickle {protocol}", pickle.loads(pickle.dumps(v, protocol))


def test_copy_of_a_leaf(Value):
    v = Value(2.0)
    v.grad = 3.0
    v.m = 1.0
    for other in (copy.copy(v), copy.deepcopy(v)):
        assert other is not v
        assert (type(other), other.data, other.grad, other.m) == (Value, 2.0, 3.0, 1.0)
        other.data = 7.0
        assert v.data == 2.0


@fast
def test_copy_and_pickle_of_a_leaf(Value):
    v = Value(2.0, label="v")
    v.grad = 3.0
    v.m = [1.0]
    for way, other in duplicates(v):
        assert other is not v, way
        assert type(other) is Value
        assert (other.data, other.grad, other.label, other.m) == (2.0, 3.0, "v", [1.0])
        assert (other._prev, other._op) == (set(), "")
        (other * 2.0).backward()
        assert (other.grad, v.grad) == (5.0, 3.0)
    assert copy.copy(v).m is v.m
    assert copy.deepcopy(v).m is not v.m


@fast
def test_copy_of_a_plain_leaf_has_no_attributes(Value):
    for _, other in duplicates(Value(-0.0)):
        assert repr(other) == "Value(data=-0.0)"
        assert other.__dict__ == {}


class Parameter:
    """Made into a subclass of Value below: pickle finds classes by their module and name."""


@fast
def test_copy_and_pickle_of_a_subclass(Value, monkeypatch):
    subclass = type("Parameter", (Value,), {"__module__": __name__})
    monkeypatch.setitem(globals(), "Parameter", subclass)
    v = subclass(2.0, label="p")
    v.m = 1.0
    v.grad = 4.0
    for way, other in duplicates(v):
        assert type(other) is subclass, way
        assert (other.data, other.grad, other.label, other.m) == (2.0, 4.0, "p", 1.0)


@fast
def test_pickle_of_a_subclass_with_its_own_constructor(Value, monkeypatch):
    def __init__(self, name, start):
        Value.__init__(self, start)
        self.name = name

    subclass = type("Parameter", (Value,), {"__module__": __name__, "__init__": __init__})
    monkeypatch.setitem(globals(), "Parameter", subclass)
    v = subclass("w", 2.0)
    for way, other in duplicates(v):
        assert (type(other), other.name, other.data) == (subclass, "w", 2.0), way


@fast
def test_shared_leaves_stay_shared(Value):
    a = Value(1.0)
    model = {"first": a, "all": [a, Value(2.0)]}
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other["first"] is other["all"][0]
        assert other["first"] is not a


@fast
def test_a_leaf_that_refers_to_itself(Value):
    v = Value(1.0)
    v.me = v
    for other in (copy.deepcopy(v), pickle.loads(pickle.dumps(v))):
        assert other.me is other


@fast
@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickle.dumps])
def test_an_interior_node_is_refused(Value, way):
    a = Value(2.0)
    for node in (a * 3.0, a.tanh(), Value(1.0, (a,), "mine"), Value(1.0, (a,), (2.0,))):
        with pytest.raises(TypeError, match=r"interior node.*leaves"):
            way(node)


@fast
def test_a_leaf_with_a_closure_does_not_lose_it_silently(Value):
    v = Value(1.0)
    v._backward = lambda: None
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(v)


@pure
def test_pure_leaves_do_not_pickle(Value):
    with pytest.raises((AttributeError, TypeError, pickle.PicklingError)):
        pickle.dumps(Value(1.0))
