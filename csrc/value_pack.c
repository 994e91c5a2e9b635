/* Gathers the Values in a nest of Python containers.

   Nearly everything here runs no Python, but asking an object for its buffer may, and Python can
   change any list: so every container is held while it is walked, its length is looked at again
   before each element, and a Value is held from the moment it is met. */
#include "value_arrays.h"

#include <stdio.h>

typedef struct {
    mg_pack *pack;
    int regular;
    int known; /* dimensions met so far */
    int whole; /* no more dimensions can come: a first end of the nest was met */
    int boxes; /* arrays without dimensions around the present place: these add no depth */
    Py_ssize_t path[MG_MAX_DIMS];
} gathering;

/* Room for "params" and MG_MAX_DIMS indices in brackets. */
#define PLACE_BYTES (16 + MG_MAX_DIMS * 24)

/* Writes the place at `depth` as Python would: params[1][0]. */
static const char *place(const gathering *walk, int depth, char *text) {
    int length = snprintf(text, PLACE_BYTES, "params");
    for (int i = 0; i < depth; i++) {
        length += snprintf(text + length, PLACE_BYTES - (size_t)length, "[%lld]",
                           (long long)walk->path[i]);
    }
    return text;
}

void mg_pack_clear(mg_pack *pack) {
    mg_node **nodes = pack->nodes;
    size_t count = pack->count;
    pack->nodes = NULL;
    pack->count = pack->capacity = 0;
    for (size_t i = 0; i < count; i++) {
        mg_graph_drop(&mg_heap, nodes[i]);
    }
    mg_memory_free(nodes);
}

static int push(mg_pack *pack, mg_node *node) {
    if (pack->count == pack->capacity) {
        size_t capacity = pack->capacity == 0 ? 16 : 2 * pack->capacity;
        mg_node **nodes = mg_memory_resize(pack->nodes, capacity, sizeof(mg_node *));
        if (nodes == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        pack->nodes = nodes;
        pack->capacity = capacity;
    }
    node->refcount++;
    pack->nodes[pack->count++] = node;
    return 0;
}

/* --- the shape --- */

/* A container of this length at this depth. The first way down sets the shape; all others must
   agree with it. 0, or -1 with ValueError. */
static int enter(gathering *walk, int depth, Py_ssize_t length) {
    char text[PLACE_BYTES];
    if (depth == MG_MAX_DIMS) {
        PyErr_Format(PyExc_ValueError, "params are nested more than %d deep", MG_MAX_DIMS);
        return -1;
    }
    if (!walk->regular) {
        return 0;
    }
    if (depth < walk->known) {
        if (walk->pack->shape[depth] == length) {
            return 0;
        }
        PyErr_Format(PyExc_ValueError,
                     "params are ragged: %s has length %zd, but those before it have length %zd",
                     place(walk, depth, text), length, walk->pack->shape[depth]);
        return -1;
    }
    if (walk->whole) {
        PyErr_Format(PyExc_ValueError,
                     "params are ragged: %s has length %zd, but those before it are %s",
                     place(walk, depth, text), length, walk->pack->count != 0 ? "Values" : "empty");
        return -1;
    }
    walk->pack->shape[depth] = length;
    walk->known = depth + 1;
    return 0;
}

/* A Value at this depth, or nothing at all below a container of length 0. */
static int end(gathering *walk, int depth) {
    char text[PLACE_BYTES];
    if (walk->regular && walk->whole && depth < walk->known) {
        PyErr_Format(PyExc_ValueError,
                     "params are ragged: %s is a Value, but those before it have length %zd",
                     place(walk, depth, text), walk->pack->shape[depth]);
        return -1;
    }
    walk->whole = 1;
    return 0;
}

/* --- the walk --- */

static int visit(gathering *walk, PyObject *object, int depth);

static int visit_sequence(gathering *walk, PyObject *sequence, int depth) {
    Py_ssize_t length = PySequence_Fast_GET_SIZE(sequence);
    if (enter(walk, depth, length) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < length; i++) {
        if (PySequence_Fast_GET_SIZE(sequence) != length) {
            PyErr_SetString(PyExc_RuntimeError, "params changed length while they were read");
            return -1;
        }
        walk->path[depth] = i;
        if (visit(walk, PySequence_Fast_GET_ITEM(sequence, i), depth + 1) < 0) {
            return -1;
        }
    }
    return length == 0 ? end(walk, depth + 1) : 0;
}

static int visit_axis(gathering *walk, const Py_buffer *view, int axis, char *memory, int depth) {
    if (axis == view->ndim) {
        PyObject *element = *(PyObject **)memory;
        return visit(walk, element != NULL ? element : Py_None, depth);
    }
    Py_ssize_t length = view->shape[axis];
    if (enter(walk, depth, length) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < length; i++) {
        walk->path[depth] = i;
        if (visit_axis(walk, view, axis + 1, memory + i * view->strides[axis], depth + 1) < 0) {
            return -1;
        }
    }
    if (length > 0) {
        return 0;
    }
    /* An empty array has a shape below its empty axis too. */
    for (axis++, depth++; axis < view->ndim; axis++, depth++) {
        if (enter(walk, depth, view->shape[axis]) < 0) {
            return -1;
        }
    }
    return end(walk, depth);
}

static int not_a_value(gathering *walk, PyObject *object, int depth) {
    char text[PLACE_BYTES];
    PyErr_Format(PyExc_TypeError, "%s must be a Value, not '%.200s'", place(walk, depth, text),
                 Py_TYPE(object)->tp_name);
    return -1;
}

static int visit_array(gathering *walk, PyObject *array, int depth) {
    char text[PLACE_BYTES];
    Py_buffer view;
    if (PyObject_GetBuffer(array, &view, PyBUF_STRIDED_RO | PyBUF_FORMAT) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_MemoryError)) {
            PyErr_Clear();
            not_a_value(walk, array, depth);
        }
        return -1;
    }
    int failed = -1;
    if (view.format == NULL || view.format[0] != 'O' || view.format[1] != '\0') {
        PyErr_Format(PyExc_TypeError, "%s must be a Value, not '%.200s' of type code '%.50s'",
                     place(walk, depth, text), Py_TYPE(array)->tp_name,
                     view.format != NULL ? view.format : "B");
    } else if (view.ndim == 0 && walk->boxes == MG_MAX_DIMS) {
        /* It may contain itself. Python's own limit is no help: 3.13's allows more frames of
           this size than the stack has room for. */
        PyErr_Format(PyExc_ValueError, "params are nested more than %d deep", MG_MAX_DIMS);
    } else {
        walk->boxes += view.ndim == 0;
        failed = visit_axis(walk, &view, 0, view.buf, depth);
        walk->boxes -= view.ndim == 0;
    }
    PyBuffer_Release(&view);
    return failed;
}

static int visit(gathering *walk, PyObject *object, int depth) {
    if (mg_is_value(object)) {
        return end(walk, depth) < 0 ? -1 : push(walk->pack, mg_node_of(object));
    }
    int failed;
    Py_INCREF(object);
    if (PyList_Check(object) || PyTuple_Check(object)) {
        failed = visit_sequence(walk, object, depth);
    } else if (PyObject_CheckBuffer(object)) {
        failed = visit_array(walk, object, depth);
    } else {
        failed = not_a_value(walk, object, depth);
    }
    Py_DECREF(object);
    return failed;
}

/* Whether `object` is a dict that does not have Values as its keys. */
static int is_dict_of_names(PyObject *object) {
    PyObject *key;
    Py_ssize_t position = 0;
    return PyDict_Check(object) && PyDict_Next(object, &position, &key, NULL) && !mg_is_value(key);
}

/* What may have been meant by what is not a container of Values, for the end of a message. */
static const char *advice(PyObject *params) {
    if (PyDict_Check(params)) {
        return "; pass its .values()";
    }
    if (PyObject_HasAttrString(params, "parameters")) {
        return "; pass its .parameters()";
    }
    return PyMethod_Check(params) || PyFunction_Check(params) ? "; call it" : "";
}

/* What stands for `params`: itself, or a tuple of what it iterates over. A new reference. */
static PyObject *container(PyObject *params) {
    if (mg_is_value(params) || PyList_Check(params) || PyTuple_Check(params) ||
        PyObject_CheckBuffer(params)) {
        return Py_NewRef(params);
    }
    if (PyAnySet_Check(params)) {
        PyErr_Format(PyExc_TypeError, "params must have an order, but '%.200s' has none",
                     Py_TYPE(params)->tp_name);
        return NULL;
    }
    if (PyUnicode_Check(params) || is_dict_of_names(params) ||
        (Py_TYPE(params)->tp_iter == NULL && !PySequence_Check(params))) {
        PyErr_Format(PyExc_TypeError, "params must be Values, not '%.200s'%s",
                     Py_TYPE(params)->tp_name, advice(params));
        return NULL;
    }
    return PySequence_Tuple(params);
}

int mg_pack_gather(mg_pack *pack, PyObject *params, int regular) {
    *pack = (mg_pack){.nodes = NULL};
    PyObject *top = container(params);
    if (top == NULL) {
        return -1;
    }
    gathering walk = {.pack = pack, .regular = regular};
    int failed = visit(&walk, top, 0);
    Py_DECREF(top);
    if (failed < 0) {
        mg_pack_clear(pack);
        return -1;
    }
    pack->ndim = walk.known;
    return 0;
}
