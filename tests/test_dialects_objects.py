"""``Value`` as a Python object: free attributes, weak references, patches, names."""

import gc
import inspect
import weakref

import pytest

fast = pytest.mark.engines("fast")


# Free attributes


def test_any_attribute_can_be_set(Value):
    p = Value(1.0)
    p.m = 0.0
    p.v = [1, 2]
    p._vis_color = "red"
    p.m += 0.5
    assert (p.m, p.v, p._vis_color) == (0.5, [1, 2], "red")
    del p.m
    assert not hasattr(p, "m")
    with pytest.raises(AttributeError, match="m"):
        p.m  # noqa: B018 - raises


def test_attributes_of_an_interior_node(Value):
    a = Value(2.0)
    out = a * 3.0
    out.note = "here"
    other = a * 3.0
    out.backward()
    assert (out.note, a.grad, hasattr(other, "note")) == ("here", 3.0, False)


def test_attributes_through_getattr_and_setattr(Value):
    v = Value(1.0)
    setattr(v, "a b", 3)
    assert getattr(v, "a b") == 3
    assert getattr(v, "missing", "default") == "default"


def test_attributes_are_in_dict_and_dir(Value):
    v = Value(1.0)
    v.m = 1
    assert v.__dict__["m"] == 1
    assert "m" in vars(v)
    assert "m" in dir(v)
    v.__dict__["n"] = 2
    assert v.n == 2


@fast
def test_dict_holds_free_attributes_only(Value):
    v = Value(1.0, label="v")
    assert v.__dict__ == {}
    v.m = 1
    assert v.__dict__ == {"m": 1}
    assert v.__dict__ is v.__dict__


def test_a_missing_attribute_names_type_and_attribute(Value):
    with pytest.raises(AttributeError, match=r"Value.*sinus|sinus.*Value"):
        Value(1.0).sinus()


@fast
def test_adam_keeps_its_state_on_the_parameters(Value):
    """The loop that people write: moments as attributes."""
    p = Value(3.0)
    for step in range(1, 200):
        loss = (p - 1.0) ** 2
        p.grad = 0.0
        loss.backward()
        p.m = 0.9 * getattr(p, "m", 0.0) + 0.1 * p.grad
        p.v = 0.99 * getattr(p, "v", 0.0) + 0.01 * p.grad**2
        p.data -= 0.1 * (p.m / (1 - 0.9**step)) / ((p.v / (1 - 0.99**step)) ** 0.5 + 1e-8)
    assert p.data == pytest.approx(1.0, abs=1e-2)


# Weak references


def test_weak_reference_to_a_leaf_and_a_node(Value):
    a = Value(2.0)
    out = a * 3.0
    seen = []
    of_a, of_out = weakref.ref(a), weakref.ref(out, lambda _: seen.append("dead"))
    assert of_a() is a
    assert of_out() is out
    out_data = out.data
    del out
    gc.collect()
    assert (of_out(), seen, out_data) == (None, ["dead"], 6.0)
    assert of_a() is a


def test_weak_reference_while_the_graph_holds_the_node(Value):
    a = Value(2.0)
    mid = a * 3.0
    reference = weakref.ref(mid)
    out = mid + 1.0
    del mid
    gc.collect()
    assert reference() is not None
    assert reference().data == 6.0
    del out
    gc.collect()
    assert reference() is None


def test_weak_containers(Value):
    a, b = Value(1.0), Value(2.0)
    table = weakref.WeakKeyDictionary({a: "a", b: "b"})
    del b
    gc.collect()
    assert dict(table) == {a: "a"}


# Patching


def test_a_method_can_be_added_and_removed(Value):
    a = Value(3.0)
    Value.square = lambda self: self * self
    try:
        out = a.square()
        out.backward()
        assert (out.data, a.grad) == (9.0, 6.0)
    finally:
        del Value.square
    assert not hasattr(a, "square")


def test_a_method_can_be_replaced_and_restored(Value):
    original = Value.relu if hasattr(Value, "relu") else Value.backward
    name = original.__name__
    patched = []

    def replacement(self):
        patched.append(self)

    setattr(Value, name, replacement)
    try:
        v = Value(1.0)
        getattr(v, name)()
        assert patched == [v]
    finally:
        setattr(Value, name, original)
    assert getattr(Value(2.0), name)() is not patched
    assert patched == [v]


def test_an_operator_can_be_replaced_and_restored(Value):
    original = Value.__add__
    Value.__add__ = lambda self, other: "patched"
    try:
        assert Value(1.0) + Value(2.0) == "patched"
        assert (Value(3.0) * 2.0).data == 6.0
    finally:
        Value.__add__ = original
    a = Value(1.0)
    out = a + 2.0
    out.backward()
    assert (out.data, a.grad) == (3.0, 1.0)


@fast
def test_monkeypatch_fixture_restores(Value, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Value, "tanh", lambda self: "patched")
        patch.setattr(Value, "swish", lambda self: self * self.sigmoid(), raising=False)
        assert Value(1.0).tanh() == "patched"
        assert Value(0.0).swish().data == 0.0
    assert Value(0.0).tanh().data == 0.0
    assert not hasattr(Value, "swish")


# Names


@fast
def test_the_type_introduces_itself(Value):
    assert (Value.__module__, Value.__qualname__) == ("micrograd_fast", "Value")
    assert len(inspect.getdoc(Value).splitlines()) > 5
    signature = inspect.signature(Value)
    assert next(iter(signature.parameters)) == "data"


@pytest.mark.engines("fast")
def test_a_replaced_data_attribute_is_honoured(Value):
    """Assigning data is quick only while nobody has touched the class."""
    v = Value(1.0)
    v.data = 2.0
    original = Value.__dict__["data"]
    assigned = []
    Value.data = property(lambda self: 42.0, lambda self, number: assigned.append(number))
    try:
        v.data = 3.0
        assert assigned == [3.0]
        assert v.data == 42.0
    finally:
        Value.data = original
    assert v.data == 2.0
    v.data = 4.0
    assert v.data == 4.0
