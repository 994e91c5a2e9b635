# cython: language_level=3, binding=True, embedsignature=False
"""The bridge's cold half: what is not hot enough for value_*.c is here, and put onto the type.

Converts, calls, raises. The mathematics is in csrc.
"""

import copy as _copy
import gc
import numbers
import operator
import os
import sys
import threading

import numpy as np

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF
from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef extern from "status.h":
    ctypedef enum mg_status:
        MG_OK, MG_NO_MEMORY, MG_INTERRUPTED, MG_CLOSURE_RAISED, MG_NOT_FINITE, MG_INDEX
        MG_TOO_LARGE, MG_UNRECORDABLE

cdef extern from "memory.h":
    void mg_memory_fail_nth(uint64_t nth)
    uint64_t mg_memory_outstanding()

cdef extern from "ops.h":
    ctypedef struct mg_op_info:
        const char *name
        const char *symbol
        uint8_t arity, raises, row
    const mg_op_info mg_op_table[]
    const uint8_t mg_op_shapes[]
    int MG_ANY_ARITY
    int MG_OP_COUNT, MG_FIRST_INTERIOR, MG_OP_closure, MG_OP_local
    int MG_SHAPE_V, MG_SHAPE_VP, MG_SHAPE_BLOCK

cdef extern from "node.h":
    ctypedef struct mg_side:
        PyObject *label
        PyObject *op_name
        PyObject *backward
    ctypedef union mg_right:
        double constant
        mg_side *side
    ctypedef struct mg_node:
        uint8_t op, flags
        double data, grad
        mg_right right
        PyObject *attributes
    enum:
        MG_SIDE, MG_FOREIGN, MG_CLOSURE, MG_INTEGER_CONSTANT, MG_TRACKED
    uint32_t mg_node_operands(mg_node *node, mg_node **pair, mg_node ***operands)
    mg_right *mg_node_right(mg_node *node)
    bint mg_node_is_interior(const mg_node *node)

cdef extern from "arena.h":
    ctypedef struct mg_arena:
        uint32_t run_count, dead_runs, page_count, empty_pages, sweeping
    size_t mg_arena_count(const mg_arena *arena)
    void mg_arena_compact(mg_arena *arena)

cdef extern from "graph.h":
    ctypedef struct mg_graph:
        mg_arena arena
        size_t closures, foreign
    mg_status mg_graph_backward(mg_graph *graph, mg_node *root)
    mg_status mg_graph_backward_checked(mg_graph *graph, mg_node *root, mg_node **culprit)
    mg_status mg_graph_backward_depth_first(mg_graph *graph, mg_node *root)
    void mg_graph_step(mg_node *node)
    void mg_graph_partials(mg_node *node, double *partials)
    mg_status mg_graph_spread_tracking(mg_graph *graph)

cdef extern from "value.h":
    mg_graph mg_heap
    ctypedef struct mg_value_loans:
        int (*convert)(object, bint, double *) except -1
        object (*elementwise)(const char *, tuple)
        void (*tracked_late)() noexcept
        object (*normalise_recorded)(object, int)
        void (*refuse_recorded)(const char *) except *
    int mg_value_setup(object module, const mg_value_loans *loans) except -1
    int mg_value_remember_names() except -1
    mg_node *mg_node_of(object value)
    int mg_value_set_label(mg_node *node, PyObject *label) except -1
    int mg_value_set_op_name(mg_node *node, object op_name) except -1
    int mg_value_set_closure(mg_node *node, PyObject *closure) except -1
    int mg_value_materialize(mg_node *node) except -1

cdef extern from "value_record.h":
    int mg_value_guard(const char *what) except -1
    int mg_value_guard_read(const mg_node *node, const char *what) except -1

cdef extern from "value_net.h":
    bint mg_value_is_call(const mg_node *node)
    object mg_value_call_name(const mg_node *node)
    object mg_value_call_operands(mg_node *node)
    object mg_value_call_partials(mg_node *node)
    void mg_value_call_step(mg_node *node)


# --- what the C side borrows ---

cdef int _convert(object candidate, bint loose, double *number) except -1:
    """A numpy scalar, an array of size 1, a Fraction, ...: 1 and the number, else 0."""
    if isinstance(candidate, (np.ndarray, np.generic)):
        # As an operand an array of one element is still an array.
        if candidate.dtype.kind not in "biuf" or candidate.size != 1:
            return 0
        if candidate.ndim and not loose:
            return 0
        number[0] = candidate.item()
        return 1
    if isinstance(candidate, (str, bytes, bytearray, complex)):
        return 0
    kind = type(candidate)
    if isinstance(candidate, numbers.Real) or hasattr(kind, "__index__") or (
            loose and hasattr(kind, "__float__")):
        number[0] = float(candidate)
        return 1
    return 0


# The callables that an elementwise op applies, by row name; the functions join them further down.
_ELEMENTWISE = {"add": operator.add, "sub": operator.sub, "mul": operator.mul,
                "div": operator.truediv, "pow": operator.pow}


cdef object _elementwise(const char *name, tuple arguments):
    if not any([isinstance(argument, np.ndarray) for argument in arguments]):
        return NotImplemented
    function = _ELEMENTWISE[name.decode()]
    result = np.frompyfunc(function, len(arguments), 1)(*arguments)
    # Numbers alone give numbers.
    if isinstance(result, np.ndarray) and all(
            [np.asarray(argument).dtype.kind in "biuf" for argument in arguments]):
        return result.astype(float)
    return result


cdef bint _late_tracking = False
cdef bint _callback_registered = False


cdef void _tracked_late() noexcept:
    global _late_tracking, _callback_registered
    _late_tracking = True
    if not _callback_registered:
        _callback_registered = True
        gc.callbacks.append(_before_collection)


def _before_collection(phase, info):
    """Tracks the parents of nodes tracked late, so that a full collection sees every cycle."""
    global _late_tracking
    if phase == "start" and info["generation"] == 2 and _late_tracking:
        # Without memory for it, the next collection tries again.
        _late_tracking = mg_graph_spread_tracking(&mg_heap) != MG_OK


# --- recording ---

# Makes the exception for what is done to a recorded Value: a function of a str, see
# refuse_recorded_by().
_refusal = None


def refuse_recorded_by(refusal):
    """From now on raise ``refusal(what)`` where a recorded Value is read, compared or assigned."""
    global _refusal
    _refusal = refusal


cdef object _normalise_recorded(object values, int is_log):
    """softmax and log_softmax in ops whose results follow from their operands, to the same bits as
    without a recording."""
    core = sys.modules[__name__]
    items = list(values)
    if not items:
        raise ValueError(f"{'log_softmax' if is_log else 'softmax'}(): values is empty; "
                         "it needs at least one value")
    largest = items[0]
    for item in items[1:]:
        largest = core.maximum(largest, item)
    shifted = [item - largest for item in items]
    if is_log:
        total = core.logsumexp(shifted)
        return [item - total for item in shifted]
    powers = [core.exp(item) for item in shifted]
    total = core.sum(powers)
    return [power / total for power in powers]


cdef void _refuse_recorded(const char *what) except *:
    raise _refusal(what.decode())


# --- statuses and operands as Python sees them ---

cdef int _check(mg_status status) except -1:
    """Raises for a failed sweep; a closure or a signal handler has set its exception already."""
    if status == MG_NO_MEMORY:
        raise MemoryError("no memory for the order of the backward pass; the graph is unchanged")
    return 0 if status == MG_OK else -1


cdef tuple _operands(mg_node *node):
    cdef mg_node *pair[2]
    cdef mg_node **operands = pair
    cdef uint32_t i, count
    if mg_value_is_call(node):
        return mg_value_call_operands(node)
    mg_value_materialize(node)
    count = mg_node_operands(node, pair, &operands)
    return tuple([<object><PyObject *>operands[i] for i in range(count)])


cdef str _op_name(mg_node *node):
    if node.flags & MG_SIDE and node.right.side.op_name != NULL:
        return <str>node.right.side.op_name
    if mg_value_is_call(node):
        return mg_value_call_name(node)
    symbol = mg_op_table[node.op].symbol.decode()
    if mg_op_shapes[node.op] == MG_SHAPE_VP and symbol == "**":
        exponent: object = mg_node_right(node).constant
        if node.flags & MG_INTEGER_CONSTANT:
            exponent = int(exponent)
        return f"**{exponent}"
    return symbol


cdef object _label(mg_node *node):
    if node.flags & MG_SIDE and node.right.side.label != NULL:
        return <object>node.right.side.label
    return ""


def _describe(value):
    """One node in words, for messages."""
    cdef mg_node *node = mg_node_of(value)
    words = f"node {_op_name(node)!r}" if mg_node_is_interior(node) else "leaf"
    if _label(node) != "":
        words += f" labelled {_label(node)!r}"
    return f"{words} (data={node.data!r})"


def _step(value):
    """One node's backward step: adds what flows into its operands, given its present grad."""
    cdef mg_node *node = mg_node_of(value)
    if mg_value_is_call(node):
        mg_value_call_step(node)
    else:
        mg_graph_step(node)


class _Step:
    """What `_backward` reads as on a node without a user closure: call it for that one step."""

    __slots__ = ("_value",)

    def __init__(self, value):
        self._value = value

    def __call__(self):
        _step(self._value)

    def __repr__(self):
        return f"<backward step of {_describe(self._value)}>"


# --- the cold methods of Value, moved onto the type below ---

class Value:

    def backward(self, *, bint check=False):
        """Differentiate: add d self / d v to ``v.grad`` for every Value ``v`` below this one.

        Sets ``self.grad`` to 1 first. Grads accumulate over calls, as in the pure engines:
        reset them (``p.grad = 0``) between training steps. The data of operands is read now,
        not when the graph was built. Non-finite numbers follow IEEE 754 and never raise, unless
        ``check`` is true.

        check
            bool; raise FloatingPointError at the first node, from this one down, whose gradient is
            not finite, naming the node.

        An exception raised by a user's ``_backward`` closure, or KeyboardInterrupt, comes out as it
        is; the graph stays usable and grads hold what had flowed by then.

        >>> from micrograd_fast import Value
        >>> x = Value(3.0)
        >>> y = x * x + 1
        >>> y.backward()
        >>> x.grad
        6.0
        """
        cdef mg_node *culprit = NULL
        cdef mg_node *root = mg_node_of(self)
        cdef mg_status status
        mg_value_guard("backward() is called")
        if not check:
            status = mg_graph_backward(&mg_heap, root)
        else:
            status = mg_graph_backward_checked(&mg_heap, root, &culprit)
            if status == MG_NOT_FINITE:
                _raise_not_finite(culprit)
        _check(status)

    def item(self):
        """The number as a plain float, like ``.data``.

        >>> from micrograd_fast import Value
        >>> Value(2).item()
        2.0
        """
        mg_value_guard_read(mg_node_of(self), "the data of a recorded Value is read")
        return mg_node_of(self).data

    @property
    def label(self):
        """What pictures show for this Value; ``''`` at first, settable.

        >>> from micrograd_fast import Value
        >>> v = Value(1.0, label='w')
        >>> v.label
        'w'
        """
        return _label(mg_node_of(self))

    @label.setter
    def label(self, value):
        mg_value_set_label(mg_node_of(self), <PyObject *>value)

    @label.deleter
    def label(self):
        mg_value_set_label(mg_node_of(self), NULL)

    @property
    def _op(self):
        """The op that made this node: ``'+'``, ``'**2'``, ``'tanh'``, ...; ``''`` for a leaf.

        Assigning a str changes what pictures show, nothing else.
        """
        return _op_name(mg_node_of(self))

    @_op.setter
    def _op(self, name):
        if not isinstance(name, str):
            raise TypeError(f"the op name of a Value must be a str, not {type(name).__name__!r}")
        mg_value_set_op_name(mg_node_of(self), name)

    @property
    def _children(self):
        """The operands as a tuple, in order. The number in ``v + 2`` becomes a leaf that stays."""
        return _operands(mg_node_of(self))

    @property
    def _prev(self):
        """The operands as a set: ``v + v`` has one."""
        return set(_operands(mg_node_of(self)))

    @property
    def _local_grads(self):
        """The partials with respect to ``_children``, at their present data: a tuple of floats."""
        cdef mg_node *node = mg_node_of(self)
        cdef double pair[2]
        cdef double[::1] partials
        if mg_value_is_call(node):
            return mg_value_call_partials(node)
        count = len(_operands(node))
        if count <= 2 and mg_op_shapes[node.op] != MG_SHAPE_BLOCK:
            mg_graph_partials(node, pair)
            return tuple([pair[i] for i in range(count)])
        if count == 0:
            return ()
        partials = np.empty(count)
        mg_graph_partials(node, &partials[0])
        return tuple([partials[i] for i in range(count)])

    @property
    def _backward(self):
        """The node's one backward step, callable by hand; assign a function to replace it.

        The function runs in the node's place in every backward pass. It takes no arguments, reads
        this node's ``grad`` and adds to the ``grad`` of the children.

        >>> from micrograd_fast import Value
        >>> x = Value(3.0)
        >>> cube = Value(x.data ** 3, (x,), 'cube')
        >>> def step():
        ...     x.grad += 3 * x.data ** 2 * cube.grad
        >>> cube._backward = step
        >>> cube.backward()
        >>> x.grad
        27.0
        """
        cdef mg_node *node = mg_node_of(self)
        if node.flags & MG_CLOSURE:
            return <object>node.right.side.backward
        return _Step(self)

    @_backward.setter
    def _backward(self, function):
        if not callable(function):
            raise TypeError("_backward must be a function without arguments, "
                            f"not {type(function).__name__!r}")
        if type(function) is _Step and (<object>function)._value is self:
            mg_value_set_closure(mg_node_of(self), NULL)
        else:
            mg_value_set_closure(mg_node_of(self), <PyObject *>function)

    @_backward.deleter
    def _backward(self):
        mg_value_set_closure(mg_node_of(self), NULL)

    def __dir__(self):
        cdef mg_node *node = mg_node_of(self)
        names = set(dir(type(self)))
        if node.attributes != NULL:
            names.update(<dict>node.attributes)
        return sorted(names)

    def __format__(self, str spec):
        return format(mg_node_of(self).data, spec) if spec else repr(self)

    def __copy__(self):
        """A new leaf with the same data, grad, label, attributes and closure.

        TypeError for an interior node, which is part of its graph.
        """
        state = _leaf_state(self, "copy")
        duplicate = type(self).__new__(type(self))
        duplicate.__setstate__(state)
        return duplicate

    def __deepcopy__(self, memo):
        state = _leaf_state(self, "deep-copy")
        duplicate = type(self).__new__(type(self))
        # Before the state is copied, which may refer to this very Value.
        memo[id(self)] = duplicate
        duplicate.__setstate__(_copy.deepcopy(state, memo))
        return duplicate

    def __reduce_ex__(self, protocol):
        return type(self).__new__, (type(self),), _leaf_state(self, "pickle")

    def __setstate__(self, state):
        self.data = state["data"]
        self.grad = state["grad"]
        if "label" in state:
            self.label = state["label"]
        if "_backward" in state:
            self._backward = state["_backward"]
        for name, attribute in state["attributes"].items():
            setattr(self, name, attribute)


cdef object _raise_not_finite(mg_node *culprit):
    # The sweep handed over a reference of its own.
    value = <object><PyObject *>culprit
    Py_DECREF(value)
    gradient = mg_node_of(value).grad
    raise FloatingPointError(f"the gradient of {_describe(value)} is {gradient!r}")


def _leaf_state(value, verb):
    cdef mg_node *node = mg_node_of(value)
    mg_value_guard_read(node, "a recorded Value is copied")
    if mg_node_is_interior(node):
        raise TypeError(
            f"cannot {verb} an interior node ({_describe(value)}): it is part of a graph; "
            f"{verb} the leaves and compute it again from them")
    state = {"data": node.data, "grad": node.grad,
             "attributes": dict(<dict>node.attributes) if node.attributes != NULL else {}}
    if _label(node) != "":
        state["label"] = _label(node)
    if node.flags & MG_CLOSURE:
        state["_backward"] = <object>node.right.side.backward
    return state


_COLD = Value


cdef int _install() except -1:
    cdef mg_value_loans loans
    loans.convert = _convert
    loans.elementwise = _elementwise
    loans.tracked_late = _tracked_late
    loans.normalise_recorded = _normalise_recorded
    loans.refuse_recorded = _refuse_recorded
    module = sys.modules[__name__]
    mg_value_setup(module, &loans)
    for name, attribute in vars(_COLD).items():
        if name in ("__module__", "__doc__", "__weakref__", "__qualname__", "__firstlineno__",
                    "__static_attributes__", "__dict__"):
            continue
        setattr(module.Value, name, attribute)
    # numpy scalars and arrays hand over to Value's reflected operators at once; __array_ufunc__
    # must stay undefined, or np.exp(v) would be refused.
    module.Value.__array_priority__ = 1000.0
    mg_value_remember_names()
    return 0


_install()


# --- private helpers for tests and tools ---

def op_table():
    """Every row of csrc/ops.def: a list of dicts with name, arity, symbol, and whether the row is a
    module function (or else an operator alone). The arity of an n-ary row is None."""
    module = sys.modules[__name__]
    rows = []
    for code in range(MG_OP_local + 1, MG_OP_COUNT):
        if mg_op_table[code].row == code:
            name = mg_op_table[code].name.decode()
            rows.append({"name": name, "arity": None if mg_op_table[code].arity == MG_ANY_ARITY
                         else mg_op_table[code].arity,
                         "symbol": mg_op_table[code].symbol.decode(),
                         "function": hasattr(module, name)})
    return rows


_ELEMENTWISE.update({row["name"]: getattr(sys.modules[__name__], row["name"])
                     for row in op_table() if row["function"]})


def fail_allocation(uint64_t nth):
    """Make the nth allocation of the core from now fail, once; 0 switches it off."""
    mg_memory_fail_nth(nth)


def arena_info():
    """What the arena holds, as a dict of counts."""
    return {"live_nodes": mg_arena_count(&mg_heap.arena), "pages": mg_heap.arena.page_count,
            "empty_pages": mg_heap.arena.empty_pages, "runs": mg_heap.arena.run_count,
            "dead_runs": mg_heap.arena.dead_runs, "closures": mg_heap.closures,
            "foreign": mg_heap.foreign, "blocks": mg_memory_outstanding()}


def compact_log():
    """Drop the dead runs of the creation log now; it happens by itself when most are dead."""
    if mg_heap.arena.sweeping:
        raise RuntimeError("the creation log cannot be compacted during a backward pass")
    mg_arena_compact(&mg_heap.arena)


def backward_depth_first(value):
    """backward() by the depth-first order, the oracle for the order of the creation log."""
    if not isinstance(value, sys.modules[__name__].Value):
        raise TypeError(f"a Value is needed, not {type(value).__name__!r}")
    _check(mg_graph_backward_depth_first(&mg_heap, mg_node_of(value)))


# --- computing without graphs ---

include "_no_grad.pxi"


# --- compiled functions ---

include "_tape_types.pxi"
include "_structure.pxi"
include "_tape.pxi"
include "_function.pxi"
include "_tape_file.pxi"
include "_emit.pxi"
