"""What the robustness tests share: a node count, and user-built nodes of both kinds."""

from micrograd_fast import Value, _core


def live_nodes():
    return _core.arena_info()["live_nodes"]


def user_node(x):
    """A node with a closure that does not know the node itself, so that there is no cycle."""
    out = Value(x.data, (x,), "user")

    def step():
        x.grad += 1.0

    out._backward = step
    return out


def capturing_node(x):
    """The seed's way to write an op: the closure captures the node that it belongs to."""
    out = Value(x.data, (x,), "captures")

    def step():
        x.grad += out.grad

    out._backward = step
    return out


def is_sweeping():
    """Whether a pass is walking over nodes: a signal handler may run just before or after it."""
    try:
        _core.compact_log()
    except RuntimeError:
        return True
    return False
