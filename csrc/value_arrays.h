/* Many Values at once: what is shared by the files that gather Values out of Python's containers
   and move numbers between them and arrays. */
#ifndef MG_VALUE_ARRAYS_H
#define MG_VALUE_ARRAYS_H

#include "optim.h"
#include "value.h"

/* numpy's own limit is 32 before version 2. It also ends a list that contains itself. */
#define MG_MAX_DIMS 32

/* --- value_pack.c --- */

/* Values in a row, in the order in which they were met. Owns a reference to each, so that arbitrary
   Python may run while it is in use. */
typedef struct {
    mg_node **nodes;
    size_t count, capacity;
    int ndim; /* of a regular nest */
    Py_ssize_t shape[MG_MAX_DIMS];
} mg_pack;

/* Fills `pack` (uninitialised) with the Values in `params`: a Value, an iterable of Values, or any
   nest of lists, tuples and object arrays. With `regular` the nest must have a shape, as an array
   has, and gets it. 0, or -1 with an exception that names the place, and nothing to be cleared. */
int mg_pack_gather(mg_pack *pack, PyObject *params, int regular);

/* Gives the references back; the pack is empty then. May run arbitrary Python. */
void mg_pack_clear(mg_pack *pack);

/* --- value_arrays.c --- */

/* For `ndim`: the shape does not matter. */
#define MG_ANY_SHAPE (-1)

/* Opens `object`, which error messages call `what`, as a C-contiguous array of doubles of this
   shape: `view` must be given back with PyBuffer_Release. 0, or -1 with an exception. */
int mg_doubles_open(PyObject *object, const char *what, int writable, int ndim,
                    const Py_ssize_t *shape, Py_buffer *view);

/* Adds the functions below, and Parameters, to `module`. 0, or -1 with an exception. */
int mg_value_arrays_setup(PyObject *module);

/* --- value_parameters.c --- */

/* The type Parameters: a new reference, or NULL with an exception. */
PyObject *mg_parameters_type(void);

#endif
