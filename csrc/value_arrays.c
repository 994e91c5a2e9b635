/* Numbers between Values and arrays. Arrays are reached through the buffer protocol alone. Nothing
   is written before everything has been checked. */
#include "value_arrays.h"
#include "value_record.h"

/* numpy.empty, which the module holds for ever. */
static PyObject *numpy_empty;

/* --- arrays of numbers --- */

/* A shape as Python writes it: (2, 3). A new reference, or NULL with an exception. */
static PyObject *shape_tuple(int ndim, const Py_ssize_t *shape) {
    PyObject *tuple = PyTuple_New(ndim);
    for (int i = 0; tuple != NULL && i < ndim; i++) {
        PyObject *length = PyLong_FromSsize_t(shape[i]);
        if (length == NULL) {
            Py_CLEAR(tuple);
            break;
        }
        PyTuple_SET_ITEM(tuple, i, length);
    }
    return tuple;
}

static void raise_shapes(const char *what, const Py_buffer *view, int ndim,
                         const Py_ssize_t *shape) {
    PyObject *actual = shape_tuple(view->ndim, view->shape);
    PyObject *expected = actual != NULL ? shape_tuple(ndim, shape) : NULL;
    if (expected != NULL) {
        PyErr_Format(PyExc_ValueError, "%s has shape %R, but %R is needed", what, actual, expected);
    }
    Py_XDECREF(actual);
    Py_XDECREF(expected);
}

static int same_shape(const Py_buffer *view, int ndim, const Py_ssize_t *shape) {
    int same = view->ndim == ndim;
    for (int i = 0; same && i < ndim; i++) {
        same = view->shape[i] == shape[i];
    }
    return same;
}

/* As mg_doubles_open, for items of any one type code. */
static int open_array(PyObject *object, const char *what, char code, const char *items,
                      int writable, int ndim, const Py_ssize_t *shape, Py_buffer *view) {
    if (!PyObject_CheckBuffer(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be an array of %s, not '%.200s'", what, items,
                     Py_TYPE(object)->tp_name);
        return -1;
    }
    if (PyObject_GetBuffer(object, view, PyBUF_STRIDED_RO | PyBUF_FORMAT) < 0) {
        /* Dates and the like, which have no type code. */
        if (!PyErr_ExceptionMatches(PyExc_MemoryError)) {
            PyErr_Format(PyExc_TypeError, "%s must be an array of %s", what, items);
        }
        return -1;
    }
    const char *format = view->format != NULL ? view->format : "B";
    if (format[0] != code || format[1] != '\0') {
        PyErr_Format(PyExc_TypeError, "%s must be an array of %s ('%c'), not of '%.50s'", what,
                     items, code, format);
    } else if (ndim != MG_ANY_SHAPE && !same_shape(view, ndim, shape)) {
        raise_shapes(what, view, ndim, shape);
    } else if (!PyBuffer_IsContiguous(view, 'C')) {
        PyErr_Format(PyExc_ValueError, "%s must be C-contiguous", what);
    } else if (writable && view->readonly) {
        PyErr_Format(PyExc_ValueError, "%s must be writable", what);
    } else {
        return 0;
    }
    PyBuffer_Release(view);
    return -1;
}

int mg_doubles_open(PyObject *object, const char *what, int writable, int ndim,
                    const Py_ssize_t *shape, Py_buffer *view) {
    return open_array(object, what, 'd', "float64", writable, ndim, shape, view);
}

/* A new float64 array of the pack's shape. */
static PyObject *new_array(const mg_pack *pack) {
    PyObject *shape = shape_tuple(pack->ndim, pack->shape);
    PyObject *array = shape != NULL ? PyObject_CallOneArg(numpy_empty, shape) : NULL;
    Py_XDECREF(shape);
    return array;
}

/* --- Values to numbers, numbers to Values --- */

static PyObject *needs_two(const char *name, Py_ssize_t count) {
    PyErr_Format(PyExc_TypeError, "%s() takes 2 arguments (%zd given)", name, count);
    return NULL;
}

/* Reads one number of each Value in args[0] into args[1], or into a new array if that is None. */
static PyObject *read_numbers(PyObject *const *args,
                              void (*read)(mg_node *const *, size_t, double *)) {
    mg_pack pack;
    Py_buffer view;
    if (mg_pack_gather(&pack, args[0], 1) < 0) {
        return NULL;
    }
    PyObject *out = args[1] == Py_None ? new_array(&pack) : Py_NewRef(args[1]);
    if (out != NULL && mg_doubles_open(out, "out", 1, pack.ndim, pack.shape, &view) < 0) {
        Py_CLEAR(out);
    }
    if (out != NULL) {
        read(pack.nodes, pack.count, view.buf);
        PyBuffer_Release(&view);
    }
    mg_pack_clear(&pack);
    return out;
}

static PyObject *data_of(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    if (mg_value_guard("data_of() is called") < 0) {
        return NULL;
    }
    (void)module;
    return count == 2 ? read_numbers(args, mg_nodes_read_data) : needs_two("data_of", count);
}

static PyObject *grads_of(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    if (mg_value_guard("grads_of() is called") < 0) {
        return NULL;
    }
    (void)module;
    return count == 2 ? read_numbers(args, mg_nodes_read_grads) : needs_two("grads_of", count);
}

static PyObject *set_data(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    if (mg_value_guard("set_data() is called") < 0) {
        return NULL;
    }
    mg_pack pack;
    Py_buffer view;
    (void)module;
    if (count != 2) {
        return needs_two("set_data", count);
    }
    if (mg_pack_gather(&pack, args[0], 1) < 0) {
        return NULL;
    }
    int failed = mg_doubles_open(args[1], "the array", 0, pack.ndim, pack.shape, &view);
    if (!failed) {
        mg_nodes_write_data(pack.nodes, pack.count, view.buf);
        PyBuffer_Release(&view);
    }
    mg_pack_clear(&pack);
    return failed ? NULL : Py_NewRef(Py_None);
}

/* --- making Values --- */

/* New leaves for the numbers at `*next` on, in lists of the shape from `axis` on. */
static PyObject *nested(const Py_buffer *view, int axis, const double **next) {
    if (axis == view->ndim) {
        return mg_object_of(mg_value_leaf(*(*next)++));
    }
    PyObject *list = PyList_New(view->shape[axis]);
    for (Py_ssize_t i = 0; list != NULL && i < view->shape[axis]; i++) {
        PyObject *item = nested(view, axis + 1, next);
        if (item == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, i, item);
    }
    return list;
}

/* New leaves for the numbers of `view` in the object array `out`: in all of it or, after an
   exception, nowhere. */
static PyObject *filled(const Py_buffer *view, PyObject *out) {
    Py_buffer slots;
    if (open_array(out, "out", 'O', "objects", 1, view->ndim, view->shape, &slots) < 0) {
        return NULL;
    }
    const double *numbers = view->buf;
    size_t count = (size_t)(view->len / view->itemsize), made = 0;
    PyObject **leaves = mg_memory_alloc(count, sizeof(PyObject *));
    if (leaves == NULL) {
        PyErr_NoMemory();
    }
    while (leaves != NULL && made < count) {
        mg_node *leaf = mg_value_leaf(numbers[made]);
        if (leaf == NULL) {
            break;
        }
        leaves[made++] = mg_object_of(leaf);
    }
    int failed = leaves == NULL || made < count;
    PyObject **objects = slots.buf;
    for (size_t i = 0; !failed && i < count; i++) {
        PyObject *old = objects[i];
        objects[i] = leaves[i];
        leaves[i] = old;
    }
    /* Only now: dropping what was there may run arbitrary Python. */
    for (size_t i = 0; i < made; i++) {
        Py_XDECREF(leaves[i]);
    }
    mg_memory_free(leaves);
    PyBuffer_Release(&slots);
    return failed ? NULL : Py_NewRef(out);
}

static PyObject *new_values(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    Py_buffer view;
    (void)module;
    if (count != 2) {
        return needs_two("new_values", count);
    }
    if (mg_doubles_open(args[0], "the array", 0, MG_ANY_SHAPE, NULL, &view) < 0) {
        return NULL;
    }
    const double *next = view.buf;
    PyObject *made = args[1] == Py_None ? nested(&view, 0, &next) : filled(&view, args[1]);
    PyBuffer_Release(&view);
    return made;
}

/* --- set-up --- */

#define CAST(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef functions[] = {
    {"data_of", CAST(data_of), METH_FASTCALL,
     "data_of(params, out, /)\n--\n\nThe data of Values; out may be None."},
    {"grads_of", CAST(grads_of), METH_FASTCALL,
     "grads_of(params, out, /)\n--\n\nThe grads of Values; out may be None."},
    {"set_data", CAST(set_data), METH_FASTCALL,
     "set_data(params, array, /)\n--\n\nSet the data of Values from an array of float64."},
    {"new_values", CAST(new_values), METH_FASTCALL,
     "new_values(array, out, /)\n--\n\n"
     "New leaves for an array of float64: in the object array out, or in lists if it is None."},
    {NULL, NULL, 0, NULL},
};

int mg_value_arrays_setup(PyObject *module) {
    PyObject *numpy = PyImport_ImportModule("numpy");
    numpy_empty = numpy != NULL ? PyObject_GetAttrString(numpy, "empty") : NULL;
    Py_XDECREF(numpy);
    PyObject *type = numpy_empty != NULL ? mg_parameters_type() : NULL;
    if (type == NULL) {
        return -1;
    }
    int failed = PyModule_AddObjectRef(module, "Parameters", type);
    Py_DECREF(type);
    return failed < 0 ? -1 : PyModule_AddFunctions(module, functions);
}
