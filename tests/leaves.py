"""What the tests of ``no_grad`` ask of its results."""

from engines import bits

from micrograd_fast import Value


def is_leaf(v):
    return type(v) is Value and v._children == () and v._prev == set() and v._op == ""


def is_building():
    """Whether operations of this thread build graphs."""
    return (Value(1.0) * Value(2.0))._op == "*"


def leaves_like(given, expected):
    """Whether `given` is leaves with the data of `expected`, a Value or a nest of them."""
    if isinstance(expected, (list, tuple)):
        return len(given) == len(expected) and all(map(leaves_like, given, expected))
    return is_leaf(given) and bits(given.data) == bits(expected.data)
