/* The modules of nn as the core sees them.

   The parameters of a module are ordinary Values in ordinary lists, and so are its layers and
   neurons: users replace them. What a call found there is kept as a *plan*: the row of pointers
   that a walk over the module meets (the signature), and the parameters node made from it (net.h).
   The next call walks again and compares; where anything differs, the plan is made anew. Everything
   in the signature is held, so that no address can have been used again for something else.

   Where a walk meets something else than exact lists, neurons and layers of nn's own classes,
   Values and known activations, or sizes that do not fit each other, there is no plan, and the
   module composes the call of its parts in Python. */
#ifndef MG_VALUE_PLAN_H
#define MG_VALUE_PLAN_H

#include "net.h"
#include "value.h"

typedef enum {
    MG_MODULE_NOTHING,
    MG_MODULE_NEURON,
    MG_MODULE_LAYER,
    MG_MODULE_MLP,
    MG_MODULE_LINEAR,
    MG_MODULE_NORM,
} mg_module_kind;

/* --- value_walk.c --- */

/* nn's classes, and where their instances keep things; all NULL before nn has registered them. */
typedef struct {
    PyTypeObject *neuron, *layer, *mlp, *linear, *norm;
    Py_ssize_t plan, w, b, activation, neurons, layers, linear_w, linear_b, norm_w, norm_eps;
} mg_nn_classes;

extern mg_nn_classes mg_nn;

static inline PyObject **mg_slot_at(PyObject *object, Py_ssize_t offset) {
    return (PyObject **)((char *)object + offset);
}

mg_module_kind mg_module_kind_of(PyTypeObject *type);

/* An array that grows. */
typedef struct {
    void *items;
    size_t count, capacity;
} mg_row;

/* Runs no Python. Compares with the signature of a plan, or collects what a new plan is made of. */
typedef struct {
    PyObject *const *expected, *const *expected_end; /* NULL: collecting */
    mg_row signature;                                /* PyObject * */
    mg_row parameters;                               /* mg_node * */
    mg_row layers;                                   /* mg_net_layer */
    mg_row neurons;                                  /* uint8_t */
    double eps;                                      /* of a norm */
    int out_of_memory;
} mg_walk;

/* Walks over a module of that kind. 0 where it differs from the plan, or where there can be none.
 */
int mg_walk_module(mg_walk *at, PyObject *module, mg_module_kind kind);

void mg_walk_clear(mg_walk *at);

/* network_activations() and network_classes() of the module. */
extern PyMethodDef mg_value_walk_functions[];

/* --- value_plan.c --- */

typedef struct {
    PyObject head;
    PyTypeObject *type;   /* of the module; not held, only compared */
    mg_node *parameters;  /* the parameters node; NULL once the collector has cleared the plan */
    PyObject **signature; /* held */
    size_t count;
    mg_module_kind kind;
    int repeats; /* a Value is there more than once */
    int bare;    /* a single output is returned as it is, not in a list */
} mg_plan;

/* The plan of `module` as it is now: 1 and a new reference, 0 if it has none, -1 with MemoryError.
 */
int mg_plan_find(PyObject *module, mg_plan **found);

/* Makes the type of plans. 0, or -1 with an exception. */
int mg_plan_setup(void);

/* --- value_net.c --- */

/* Gives the class its __call__. 0, or -1 with an exception. */
int mg_value_make_callable(PyTypeObject *type);

#endif
