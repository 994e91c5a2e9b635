"""Subclasses of ``Value``: what operators return, own constructors, overridden operators."""

import weakref

import pytest

fast = pytest.mark.engines("fast")


def test_operators_of_a_subclass_return_the_base_class(Value):
    class Parameter(Value):
        pass

    p = Parameter(2.0)
    assert type(p) is Parameter
    for out in (p + 1, p * p, 2.0 * p, p - Value(1.0), Value(1.0) / p, -p, p**2):
        assert type(out) is Value
    out = p * p * 3.0
    out.backward()
    assert p.grad == 12.0


def test_subclass_with_methods_and_attributes(Value):
    class Parameter(Value):
        decay = 0.5

        def step(self, rate):
            self.data -= rate * self.grad + self.decay * 0.0

    p = Parameter(2.0)
    p.name = "p"
    (p * 3.0).backward()
    p.step(0.1)
    assert p.data == pytest.approx(1.7)
    assert p.name == "p"


def test_subclass_with_its_own_constructor(Value):
    class Named(Value):
        def __init__(self, name, start=0.0, *, frozen=False):
            super().__init__(start)
            self.name, self.frozen = name, frozen

    v = Named("w", 2.5, frozen=True)
    assert (v.data, v.grad, v.name, v.frozen) == (2.5, 0, "w", True)
    out = v * 2.0
    out.backward()
    assert v.grad == 2.0
    with pytest.raises(TypeError):
        Named()


def test_subclass_constructor_with_children(Value):
    class Op(Value):
        def __init__(self, *operands):
            super().__init__(sum(v.data for v in operands), operands, type(self).__name__)

        def step(self):
            for v in self._prev:
                v.grad += self.grad

    a, b = Value(1.0), Value(2.0)
    out = Op(a, b)
    out._backward = out.step
    (out * 3.0).backward()
    assert (out.data, out._op, out._prev) == (3.0, "Op", {a, b})
    assert (a.grad, b.grad) == (3.0, 3.0)


@fast
def test_subclass_that_forgets_its_base_constructor(Value):
    class Forgetful(Value):
        def __init__(self, name):
            self.name = name

    v = Forgetful("x")
    assert (v.data, v.grad, v.name) == (0.0, 0.0, "x")
    assert (v + 1.0).data == 1.0


def test_subclass_may_override_operators(Value):
    class Loud(Value):
        def __add__(self, other):
            return "add"

        def __radd__(self, other):
            return "radd"

        def tanh(self):
            return "tanh"

    loud = Loud(1.0)
    assert (loud + 1.0, 1.0 + loud, loud.tanh()) == ("add", "radd", "tanh")
    assert Value(1.0) + loud == "radd"  # Python asks the subclass first
    assert (loud * 2.0).data == 2.0


def test_subclass_with_slots_and_properties(Value):
    class Clamped(Value):
        @property
        def clamped(self):
            return max(0.0, self.data)

    assert Clamped(-1.0).clamped == 0.0


def test_super_calls_reach_the_base(Value):
    class Counting(Value):
        calls = 0

        def backward(self):
            type(self).calls += 1
            return super().backward()

        def __mul__(self, other):
            return super().__mul__(other)

    v = Counting(2.0)
    v.backward()
    assert Counting.calls == 1
    (v * 3.0).backward()
    assert v.grad == 1.0 + 3.0


def test_subclass_of_a_subclass(Value):
    class A(Value):
        pass

    class B(A):
        pass

    b = B(2.0)
    assert isinstance(b, Value)
    assert (b * b).data == 4.0


def test_multiple_inheritance_with_a_plain_class(Value):
    class Tagged:
        def tag(self):
            return f"<{self.data}>"

    class Both(Tagged, Value):
        pass

    assert Both(2.0).tag() == "<2.0>"


@fast
def test_subclass_instances_are_freed(Value):
    class Parameter(Value):
        pass

    p = Parameter(1.0)
    p.attribute = [1, 2, 3]
    out = p * 2.0
    reference = weakref.ref(p)
    del p
    assert reference() is not None
    del out
    assert reference() is None
