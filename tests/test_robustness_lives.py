"""No way to break it: random lives of graphs, step by step the same as in the pure reference.

A world is the same random sequence of actions on both engines: leaves, operators, user nodes with
closures that do or do not capture them, attributes that link nodes in cycles, subclasses, dropped
handles, collections, backward passes. Numbers are small integers, so that every order of summation
gives the same float and gradients must agree exactly.
"""

import gc
import pickle
import random
from functools import partial

import pytest
import reference

from micrograd_fast import Value, _core, maximum, where

pytestmark = pytest.mark.usefixtures("nothing_stays")

EXACT = 2.0**50  # beyond it sums of integers would round


class NativeParameter(Value):
    pass


class ReferenceParameter(reference.Value):
    pass


def add_to(v, amount):
    v.grad += amount


def hand_down(children, out):
    for child in children:
        child.grad += 2.0 * out.grad


class Native:
    """The actions on the native engine; every one returns the node made, or None."""

    Value, Parameter = Value, NativeParameter
    maximum, where = staticmethod(maximum), staticmethod(where)

    def local(self, data, children, partials):
        return self.Value(data, children, partials)

    def leaf(self, data):
        return self.Value(data, label=f"{data}")

    def parameter(self, data):
        return self.Parameter(data)

    def add(self, a, b):
        return a + b

    def subtract(self, a, b):
        return a - b

    def multiply(self, a, b):
        return a * b

    def add_number(self, a, number):
        return a + number

    def number_minus(self, a, number):
        return number - a

    def times_number(self, a, number):
        return number * a

    def negate(self, a):
        return -a

    def larger(self, a, b):
        return self.maximum(a, b)

    def choose(self, a, b, c):
        return self.where(a, b, c)

    def capturing(self, *children):
        out = self.Value(sum(child.data for child in children), children, "captures")
        out._backward = partial(hand_down, children, out)
        return out

    def capturing_parameter(self, a):
        out = self.Parameter(a.data, (a,), "captures")
        out._backward = partial(hand_down, (a,), out)
        return out

    def wrap(self, a):
        """A hook around whatever step the node has."""
        inner = a._backward

        def hook():
            a.hooked = getattr(a, "hooked", 0) + 1
            inner()

        a._backward = hook

    def unhook(self, a):
        a._backward = lambda: None

    def link(self, a, b):
        a.link = b

    def link_list(self, a, b):
        a.links = [b, a]

    def unlink(self, a):
        if hasattr(a, "link"):
            del a.link

    def name(self, a):
        a.label = "named"

    def look(self, a):
        assert len(a._prev) <= len(a._children)

    def restart(self, a):
        a.__init__(1.0)

    def nudge(self, a, number):
        a.data = float(number)

    def zero(self, a):
        a.grad = 0.0

    def differentiate(self, a):
        a.backward()


class Reference(Native):
    Value, Parameter = reference.Value, ReferenceParameter
    maximum, where = staticmethod(reference.maximum), staticmethod(reference.where)

    def local(self, data, children, partials):
        out = self.Value(data, children)

        def step():
            for child, factor in zip(children, partials, strict=True):
                child.grad += factor * out.grad

        out._backward = step
        return out


# action: (how often, operands, further arguments)
ACTIONS = {
    "leaf": (3, 0, lambda dice: (dice.randint(-2, 2),)),
    "parameter": (1, 0, lambda dice: (dice.randint(-2, 2),)),
    "add": (6, 2, None),
    "subtract": (4, 2, None),
    "multiply": (4, 2, None),
    "add_number": (3, 1, lambda dice: (dice.randint(-2, 2),)),
    "number_minus": (3, 1, lambda dice: (dice.randint(-2, 2),)),
    "times_number": (3, 1, lambda dice: (dice.randint(-1, 2),)),
    "negate": (2, 1, None),
    "larger": (2, 2, None),
    "choose": (2, 3, None),
    "capturing": (2, 2, None),
    "capturing_parameter": (1, 1, None),
    "wrap": (1, 1, None),
    "unhook": (1, 1, None),
    "link": (3, 2, None),
    "link_list": (1, 2, None),
    "unlink": (1, 1, None),
    "name": (1, 1, None),
    "look": (2, 1, None),
    "restart": (1, 1, None),
    "nudge": (2, 1, lambda dice: (dice.randint(-2, 2),)),
    "zero": (2, 1, None),
    "differentiate": (4, 1, None),
}
NAMES = list(ACTIONS)
WEIGHTS = [ACTIONS[name][0] for name in NAMES]


class World:
    def __init__(self, seed, failing_allocations=False):
        self.dice = random.Random(seed)
        self.native, self.reference = Native(), Reference()
        self.pairs = [(self.native.leaf(1), self.reference.leaf(1))]
        self.failing_allocations = failing_allocations
        self.failures = 0

    def act(self, name, pairs, arguments):
        """The action on both sides, the native one first: if it runs out of memory it is void."""
        operands = [pair[0] for pair in pairs]
        method = getattr(self.native, name)
        if self.failing_allocations and self.dice.random() < 0.3:
            _core.fail_allocation(self.dice.randint(1, 4))
            try:
                ours = method(*operands, *arguments)
            except MemoryError:
                self.failures += 1
                _core.fail_allocation(0)
                ours = method(*operands, *arguments)
            finally:
                _core.fail_allocation(0)
        else:
            ours = method(*operands, *arguments)
        theirs = getattr(self.reference, name)(*(pair[1] for pair in pairs), *arguments)
        if theirs is not None:
            self.pairs.append((ours, theirs))

    def step(self):
        name = self.dice.choices(NAMES, WEIGHTS)[0]
        _, arity, further = ACTIONS[name]
        pairs = [self.dice.choice(self.pairs) for _ in range(arity)]
        self.act(name, pairs, further(self.dice) if further else ())
        if self.dice.random() < 0.03:
            children = [self.dice.choice(self.pairs) for _ in range(3)]
            made = [
                engine.local(3.0, [pair[side] for pair in children], (1.0, 0.0, -2.0))
                for side, engine in enumerate((self.native, self.reference))
            ]
            self.pairs.append(tuple(made))
        while len(self.pairs) > 12 or (len(self.pairs) > 1 and self.dice.random() < 0.05):
            del self.pairs[self.dice.randrange(len(self.pairs))]
        if self.dice.random() < 0.03:
            gc.collect(self.dice.choice((0, 1, 2)))

    def compare(self):
        """True while all is exact; a mismatch is an assertion."""
        for ours, theirs in self.pairs:
            if max(abs(theirs.data), abs(theirs.grad)) > EXACT:
                return False
            assert (ours.data, ours.grad) == (theirs.data, theirs.grad)
            assert getattr(ours, "hooked", 0) == getattr(theirs, "hooked", 0)
            assert ours.label == theirs.label
            assert [v.data for v in ours._children] == [v.data for v in theirs._children]
        return True


@pytest.mark.parametrize("failing_allocations", [False, True], ids=["plain", "allocations fail"])
def test_lives(failing_allocations):
    before = _core.arena_info()["live_nodes"]
    steps = failures = 0
    for seed in range(250):
        world = World(seed, failing_allocations)
        for _ in range(120):
            world.step()
            steps += 1
            if not world.compare():
                break
        failures += world.failures
        del world
        if seed % 50 == 0:
            gc.collect()
            assert _core.arena_info()["live_nodes"] == before, seed
    assert steps > 10_000
    assert failures > 300 or not failing_allocations


def test_a_world_of_leaves_survives_pickling():
    dice = random.Random(7)
    leaves = [Value(dice.random()) for _ in range(50)]
    for leaf in leaves:
        leaf.links = dice.choices(leaves, k=3)
    copies = pickle.loads(pickle.dumps(leaves))
    where_is = {id(leaf): index for index, leaf in enumerate(leaves)}
    for leaf, other in zip(leaves, copies, strict=True):
        assert other.data == leaf.data
        expected = [copies[where_is[id(link)]] for link in leaf.links]
        assert all(one is two for one, two in zip(other.links, expected, strict=True))
