/* The bridge between CPython and the core: the type `Value`. The only part of csrc that knows
 * Python. */
#ifndef MG_VALUE_H
#define MG_VALUE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "graph.h"

_Static_assert(sizeof(PyObject) == offsetof(mg_node, run) &&
                   offsetof(PyObject, ob_type) == offsetof(mg_node, type),
               "the node begins with CPython's object header (debug builds that widen it, and "
               "free-threaded builds, are not supported)");

#if defined(__GNUC__)
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
/* Of a variable that only this extension has: it is reached without a look into a table. */
#define MG_HIDDEN __attribute__((visibility("hidden")))
#else
#define LIKELY(x) (x)
#define UNLIKELY(x) (x)
#define MG_HIDDEN
#endif

/* The process has one graph; the GIL guards it. */
extern MG_HIDDEN mg_graph mg_heap;
extern MG_HIDDEN PyTypeObject *mg_value_type;

/* What _core.pyx lends to the C side. All are set before the type can be used. */
typedef struct {
    /* A number that is neither float nor int: 1 and `*number`, 0 if `object` is no real number, -1
       with an exception. With `loose`, whatever has __float__ will do; an operand must be known to
       be a number, or types with arithmetic of their own would be flattened. */
    int (*convert)(PyObject *object, int loose, double *number);
    /* The op `name` elementwise over its arguments, one of which is an array: a new reference, NULL
       with an exception, or Py_NotImplemented if none is an array. */
    PyObject *(*elementwise)(const char *name, PyObject *arguments);
    /* Called when a node that may already be an operand becomes tracked; see mg_value_track. */
    void (*tracked_late)(void);
    /* softmax or log_softmax of any iterable while a function is being recorded: a list, or NULL
       with an exception. */
    PyObject *(*normalise_recorded)(PyObject *values, int is_log);
    /* Raises RecordingError: `what` was done to a recorded Value. */
    void (*refuse_recorded)(const char *what);
} mg_value_loans;

extern mg_value_loans mg_loans;

/* --- value_type.c --- */

/* Makes the type and adds it and the functions of the op table to `module`. -1 with an exception.
 */
int mg_value_setup(PyObject *module, const mg_value_loans *loans);

static inline mg_node *mg_node_of(PyObject *object) { return (mg_node *)object; }
static inline PyObject *mg_object_of(mg_node *node) { return (PyObject *)node; }

static inline int mg_is_exact_value(PyObject *object) { return Py_TYPE(object) == mg_value_type; }
static inline int mg_is_value(PyObject *object) {
    return mg_is_exact_value(object) || PyType_IsSubtype(Py_TYPE(object), mg_value_type);
}

/* --- value_node.c: making nodes from C --- */

/* Sets `*number` from a float, an int or whatever `convert` takes: 1, 0 or -1 as there. */
int mg_value_number(PyObject *object, double *number);

/* As above, but anything that is not a real number is a TypeError that begins with `what`. 0 or -1.
 */
int mg_value_require_number(PyObject *object, const char *what, double *number);

/* Sets the exception for a status other than MG_OK; `op` and its operands name the culprit where
   the status is about arithmetic. Returns NULL. */
PyObject *mg_value_raise(mg_status status, mg_op op, double a, double b);

/* A new leaf, or NULL with MemoryError. */
mg_node *mg_value_leaf(double data);

/* A node whose operands are the `count` given ones (borrowed), in an operand block. */
PyObject *mg_value_block_node(mg_op op, double data, mg_node *const *operands, uint32_t count);

/* A block for `count` operands, which it does not hold yet. NULL with MemoryError. */
mg_block *mg_value_block(uint32_t count, int has_partials);

/* Takes a reference to each operand of the block; returns whether one of them is tracked. */
int mg_value_hold(mg_block *block);

/* Turns the inline constant of a node, or the plain numbers of an n-ary one, into leaf operands
   that then stay. 0, or -1 with MemoryError and the node as it was. */
int mg_value_materialize(mg_node *node);

/* --- value_new.c: the constructor --- */

PyObject *mg_value_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);
int mg_value_init(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *mg_value_vectorcall(PyObject *type, PyObject *const *args, size_t count, PyObject *names);

/* --- value_side.c: side records, the cyclic collector, death --- */

/* The node's side record, made if it has none. NULL with MemoryError. */
mg_side *mg_value_side(mg_node *node);

/* Makes `node` known to the collector, which it must be once it can be part of a cycle. MG_OK, or
   MG_NO_MEMORY (without exception) if it had no side record and none could be made. */
mg_status mg_value_track(mg_node *node);

/* Tracks a node just made, one of whose operands is tracked. On failure the node is gone: NULL with
   MemoryError. */
PyObject *mg_value_tracked(mg_node *node);

/* Sets or (NULL) removes the user closure. 0, or -1 with an exception. */
int mg_value_set_closure(mg_node *node, PyObject *closure);

/* Sets or (NULL) removes the label. 0, or -1 with an exception. */
int mg_value_set_label(mg_node *node, PyObject *label);

/* Sets what `_op` shows, a str. 0, or -1 with MemoryError. */
int mg_value_set_op_name(mg_node *node, PyObject *op_name);

/* Makes an existing node a leaf without label, op name and closure; its attributes stay. */
void mg_value_reset(mg_node *node);

PyObject *mg_value_get_dict(PyObject *self, void *unused);
int mg_value_set_dict(PyObject *self, PyObject *attributes, void *unused);
/* Call once the class is complete: from then on assigning `data` and `grad` is quick. 0 or -1. */
int mg_value_remember_names(void);

int mg_value_setattro(PyObject *self, PyObject *name, PyObject *value);
int mg_value_traverse(PyObject *self, visitproc visit, void *arg);
int mg_value_clear(PyObject *self);
void mg_value_dealloc(PyObject *self);
mg_hooks mg_value_hooks(void);

/* --- value_slots.c: the number slots --- */
extern PyType_Slot mg_value_number_slots[];

/* --- value_functions.c: methods and functions of the op table --- */
extern PyMethodDef mg_value_methods[];
extern PyMethodDef mg_value_functions[];

/* One of the table's binary ops on two operands of any kind; for codes that never raise. */
PyObject *mg_value_binary(mg_op op, double (*forward)(double, double), PyObject *first,
                          PyObject *second);

/* --- value_nary.c: the n-ary functions --- */
extern PyMethodDef mg_value_nary_functions[];

/* --- value_no_grad.c --- */
typedef struct mg_no_grad mg_no_grad;

/* The blocks without graphs that are under way on any thread; nearly always NULL. */
extern MG_HIDDEN mg_no_grad *mg_no_grads;

/* Whether this thread is in one. */
int mg_no_grad_here(void);

static inline int mg_value_is_graphless(void) {
    return UNLIKELY(mg_no_grads != NULL) && mg_no_grad_here();
}

/* --- inline: the hot path of making a node --- */

/* Returns NULL with the exception if the op must raise for this result. Whether a row can raise at
   all is a constant, so rows that cannot compile to no check. */
#define MG_CHECKED(name, raises, a, b, r)                      \
    if (MG_##raises != MG_NEVER && UNLIKELY(!isfinite(r))) {   \
        mg_status status = mg_op_check(MG_OP_##name, a, b, r); \
        if (status != MG_OK) {                                 \
            return mg_value_raise(status, MG_OP_##name, a, b); \
        }                                                      \
    }

/* A node with its header and data set; operands are up to the caller. */
static inline mg_node *mg_value_node(mg_op op, double data) {
    mg_node *node = mg_arena_alloc(&mg_heap.arena, op);
    if (UNLIKELY(node == NULL)) {
        PyErr_NoMemory();
        return NULL;
    }
    node->refcount = 1;
    node->type = mg_value_type;
    node->data = data;
    return node;
}

/* The result of an op on one node, and below on a node and a number and on two nodes. The collector
   must know a node as soon as it knows an operand. */
static inline PyObject *mg_value_v(mg_op op, mg_node *x, double data) {
    if (mg_value_is_graphless()) {
        return mg_object_of(mg_value_leaf(data));
    }
    mg_node *node = mg_value_node(op, data);
    if (UNLIKELY(node == NULL)) {
        return NULL;
    }
    x->refcount++;
    mg_node_prefix(node)->left.node = x;
    return LIKELY(!(x->flags & MG_TRACKED)) ? mg_object_of(node) : mg_value_tracked(node);
}

static inline PyObject *mg_value_vc(mg_op op, mg_node *x, double constant, uint8_t flags,
                                    double data) {
    if (mg_value_is_graphless()) {
        return mg_object_of(mg_value_leaf(data));
    }
    mg_node *node = mg_value_node(op, data);
    if (UNLIKELY(node == NULL)) {
        return NULL;
    }
    x->refcount++;
    mg_node_prefix(node)->left.node = x;
    node->right.constant = constant;
    node->flags = flags;
    return LIKELY(!(x->flags & MG_TRACKED)) ? mg_object_of(node) : mg_value_tracked(node);
}

static inline PyObject *mg_value_vv(mg_op op, mg_node *x, mg_node *y, double data) {
    if (mg_value_is_graphless()) {
        return mg_object_of(mg_value_leaf(data));
    }
    mg_node *node = mg_value_node(op, data);
    if (UNLIKELY(node == NULL)) {
        return NULL;
    }
    x->refcount++;
    y->refcount++;
    mg_node_prefix(node)->left.node = x;
    node->right.node = y;
    return LIKELY(!((x->flags | y->flags) & MG_TRACKED)) ? mg_object_of(node)
                                                         : mg_value_tracked(node);
}

#endif
