/* Side records, the cyclic collector and the death of nodes.

   What the collector must be able to do: find every cycle through nodes. A node is untracked, and
   free of its cost, until it holds an object that can be part of a cycle (a closure, an attribute
   that is not a plain number or string); from then on it is tracked, and so is every node made from
   a tracked one. A node that becomes tracked when it already is an operand has untracked parents:
   `tracked_late` asks for mg_graph_spread_tracking before the next full collection. */
#include "value.h"

#include "value_poll.h"
#include "value_record.h"

/* NULL without an exception. */
static mg_side *make_side(mg_node *node) {
    mg_side *side = mg_memory_alloc(1, sizeof(mg_side));
    if (side != NULL) {
        *side = (mg_side){.left = mg_node_prefix(node)->left, .right = node->right};
        node->right.side = side;
        node->flags |= MG_SIDE;
    }
    return side;
}

mg_side *mg_value_side(mg_node *node) {
    mg_side *side = node->flags & MG_SIDE ? node->right.side : make_side(node);
    if (side == NULL) {
        PyErr_NoMemory();
    }
    return side;
}

mg_status mg_value_track(mg_node *node) {
    if (!(node->flags & MG_SIDE) && make_side(node) == NULL) {
        return MG_NO_MEMORY;
    }
    *mg_node_prefix(node) = (mg_prefix){0};
    node->flags |= MG_TRACKED;
    PyObject_GC_Track(mg_object_of(node));
    return MG_OK;
}

PyObject *mg_value_tracked(mg_node *node) {
    if (mg_value_track(node) != MG_OK) {
        mg_graph_drop(&mg_heap, node);
        return PyErr_NoMemory();
    }
    return mg_object_of(node);
}

/* Tracks the node if `held`, which it is about to hold, can be part of a cycle. 0, or -1 with
   MemoryError. */
static int track_for(mg_node *node, PyObject *held) {
    if (held == NULL || !PyObject_IS_GC(held) || (node->flags & MG_TRACKED) != 0) {
        return 0;
    }
    if (mg_value_track(node) != MG_OK) {
        PyErr_NoMemory();
        return -1;
    }
    /* Whoever else holds it may be a parent. */
    if (node->refcount > 1) {
        mg_loans.tracked_late();
    }
    return 0;
}

int mg_value_set_label(mg_node *node, PyObject *label) {
    if (label == NULL && !(node->flags & MG_SIDE)) {
        return 0;
    }
    mg_side *side = mg_value_side(node);
    if (side == NULL || track_for(node, label) < 0) {
        return -1;
    }
    PyObject *old = side->label;
    side->label = Py_XNewRef(label);
    Py_XDECREF(old);
    return 0;
}

int mg_value_set_op_name(mg_node *node, PyObject *op_name) {
    mg_side *side = mg_value_side(node);
    if (side == NULL) {
        return -1;
    }
    PyObject *old = side->op_name;
    side->op_name = Py_NewRef(op_name);
    Py_XDECREF(old);
    return 0;
}

int mg_value_set_closure(mg_node *node, PyObject *closure) {
    if (closure == NULL && !(node->flags & MG_CLOSURE)) {
        return 0;
    }
    mg_side *side = mg_value_side(node);
    if (side == NULL || track_for(node, closure) < 0) {
        return -1;
    }
    if (closure != NULL && !(node->flags & MG_CLOSURE)) {
        node->flags |= MG_CLOSURE;
        mg_heap.closures++;
    } else if (closure == NULL) {
        node->flags &= (uint8_t)~MG_CLOSURE;
        mg_heap.closures--;
    }
    PyObject *old = side->backward;
    side->backward = Py_XNewRef(closure);
    Py_XDECREF(old);
    return 0;
}

/* Lets go of the objects of a record. May run arbitrary Python. */
static void side_clear(mg_side *side) {
    PyObject *label = side->label, *op_name = side->op_name, *backward = side->backward;
    side->label = side->op_name = side->backward = NULL;
    Py_XDECREF(label);
    Py_XDECREF(op_name);
    Py_XDECREF(backward);
}

static void forget_closure(mg_node *node) {
    if (node->flags & MG_CLOSURE) {
        node->flags &= (uint8_t)~MG_CLOSURE;
        mg_heap.closures--;
    }
}

void mg_value_reset(mg_node *node) {
    mg_graph_drop_operands(&mg_heap, node);
    forget_closure(node);
    if (node->flags & MG_SIDE) {
        side_clear(node->right.side);
    }
}

/* --- attributes: an ordinary instance dict, so that only the collector needs a word --- */

PyObject *mg_value_get_dict(PyObject *self, void *unused) {
    PyObject *attributes = PyObject_GenericGetDict(self, unused);
    /* The caller can put anything into it. */
    if (attributes != NULL && track_for(mg_node_of(self), attributes) < 0) {
        Py_CLEAR(attributes);
    }
    return attributes;
}

int mg_value_set_dict(PyObject *self, PyObject *attributes, void *unused) {
    if (track_for(mg_node_of(self), attributes) < 0) {
        return -1;
    }
    return PyObject_GenericSetDict(self, attributes, unused);
}

/* Optimisers assign two numbers to every parameter in every step. Assignment to `data` and `grad`
   is known by name as long as nobody has touched the class: modifying it changes its version tag.
 */
static PyObject *name_data, *name_grad;
static unsigned int untouched_version;

int mg_value_remember_names(void) {
    name_data = PyUnicode_InternFromString("data");
    name_grad = PyUnicode_InternFromString("grad");
    if (name_data == NULL || name_grad == NULL) {
        return -1;
    }
    /* A look-up gives the type its tag. */
    (void)_PyType_Lookup(mg_value_type, name_data);
    untouched_version = mg_value_type->tp_version_tag;
    return 0;
}

static inline int is_untouched(PyTypeObject *type) {
    return type == mg_value_type && type->tp_version_tag == untouched_version &&
           (type->tp_flags & Py_TPFLAGS_VALID_VERSION_TAG) != 0;
}

int mg_value_setattro(PyObject *self, PyObject *name, PyObject *value) {
    if (value != NULL && PyFloat_CheckExact(value) && (name == name_data || name == name_grad) &&
        mg_recordings == NULL && is_untouched(Py_TYPE(self))) {
        mg_node *node = mg_node_of(self);
        *(name == name_data ? &node->data : &node->grad) = PyFloat_AS_DOUBLE(value);
        return 0;
    }
    if (value != NULL && PyObject_IS_GC(value) && track_for(mg_node_of(self), value) < 0) {
        return -1;
    }
    return PyObject_GenericSetAttr(self, name, value);
}

/* --- the cyclic collector --- */

int mg_value_traverse(PyObject *self, visitproc visit, void *arg) {
    mg_node *node = mg_node_of(self);
    mg_node *pair[2], **operands = pair;
    uint32_t count = mg_node_operands(node, pair, &operands);
    for (uint32_t i = 0; i < count; i++) {
        Py_VISIT(mg_object_of(operands[i]));
    }
    Py_VISIT((PyObject *)node->attributes);
    if (node->flags & MG_SIDE) {
        mg_side *side = node->right.side;
        Py_VISIT((PyObject *)side->label);
        Py_VISIT((PyObject *)side->op_name);
        Py_VISIT((PyObject *)side->backward);
    }
    /* Exact Values hold no reference to their type, which lives for ever. */
    if (Py_TYPE(self) != mg_value_type) {
        Py_VISIT(Py_TYPE(self));
    }
    return 0;
}

static void clear_attributes(mg_node *node) {
    PyObject *attributes = node->attributes;
    node->attributes = NULL;
    Py_XDECREF(attributes);
}

int mg_value_clear(PyObject *self) {
    mg_node *node = mg_node_of(self);
    forget_closure(node);
    clear_attributes(node);
    if (node->flags & MG_SIDE) {
        side_clear(node->right.side);
    }
    /* A subclass instance can be made an operand of its own operand through __init__; nothing else
       can form a cycle of operands alone. */
    if (node->flags & MG_FOREIGN) {
        mg_graph_drop_operands(&mg_heap, node);
    }
    return 0;
}

/* --- death --- */

static void untrack(mg_node *node) {
    PyObject_GC_UnTrack(mg_object_of(node));
    node->flags &= (uint8_t)~MG_TRACKED;
}

/* Everything about a dead node but its operands, which go back to their own fields. May run
   arbitrary Python. */
static void finalize(mg_node *node) {
    PyObject *self = mg_object_of(node);
    if (node->weakrefs != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    forget_closure(node);
    clear_attributes(node);
    if (node->flags & MG_SIDE) {
        mg_side *side = node->right.side;
        node->flags &= (uint8_t)~MG_SIDE;
        mg_node_prefix(node)->left = side->left;
        node->right = side->right;
        side_clear(side);
        mg_memory_free(side);
    }
}

void mg_value_dealloc(PyObject *self) {
    mg_node *node = mg_node_of(self);
    if (LIKELY(!(node->flags & MG_FOREIGN))) {
        if (!mg_graph_release_alone(&mg_heap, node)) {
            mg_graph_release(&mg_heap, node);
        }
        return;
    }
    PyTypeObject *type = Py_TYPE(self);
    untrack(node);
    finalize(node);
    mg_graph_drop_operands(&mg_heap, node);
    mg_heap.foreign--;
    type->tp_free(self);
    Py_DECREF(type);
}

static void dealloc_foreign(mg_node *node) {
    PyObject *self = mg_object_of(node);
    Py_TYPE(self)->tp_dealloc(self);
}

static int poll_signals(void) { return PyErr_CheckSignals() != 0; }

static mg_status call_closure(mg_node *node) {
    PyObject *closure = Py_NewRef((PyObject *)node->right.side->backward);
    PyObject *result = PyObject_CallNoArgs(closure);
    Py_DECREF(closure);
    if (result == NULL) {
        return MG_CLOSURE_RAISED;
    }
    Py_DECREF(result);
    return MG_OK;
}

mg_hooks mg_value_hooks(void) {
    return (mg_hooks){.poll = poll_signals,
                      .apart = mg_value_apart,
                      .call_closure = call_closure,
                      .untrack = untrack,
                      .finalize = finalize,
                      .dealloc_foreign = dealloc_foreign,
                      .track = mg_value_track};
}
