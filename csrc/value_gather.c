/* Only converting what is neither a Value nor a float runs Python: all else here relies on that. */
#include "value_gather.h"

#include <string.h>

/* --- arguments --- */

/* Rows of doubles are taken as they lie in memory. A subclass of an array may mean something else
   by its items (numpy's masked arrays do). 1, or 0 if `iterable` is anything else. */
static int open_row(mg_argument *from, PyObject *iterable) {
    if (!PyObject_CheckBuffer(iterable) || Py_TYPE(iterable)->tp_base != &PyBaseObject_Type) {
        return 0;
    }
    if (PyObject_GetBuffer(iterable, &from->row, PyBUF_STRIDED_RO | PyBUF_FORMAT) < 0) {
        PyErr_Clear();
        return 0;
    }
    if (from->row.ndim != 1 || from->row.format == NULL || strcmp(from->row.format, "d") != 0) {
        PyBuffer_Release(&from->row);
        return 0;
    }
    from->count = from->row.shape[0];
    return 1;
}

int mg_argument_open(mg_argument *from, PyObject *iterable, const char *function,
                     const char *name) {
    from->function = function;
    from->name = name;
    if (LIKELY(PyList_CheckExact(iterable) || PyTuple_CheckExact(iterable))) {
        from->items = Py_NewRef(iterable);
    } else {
        from->items = NULL;
        if (open_row(from, iterable)) {
            return 0;
        }
        if (Py_TYPE(iterable)->tp_iter == NULL && !PySequence_Check(iterable)) {
            PyErr_Format(PyExc_TypeError,
                         "%s(): %s must be an iterable of Values and numbers, not '%.200s'",
                         function, name, Py_TYPE(iterable)->tp_name);
            return -1;
        }
        from->items = PySequence_List(iterable);
        if (from->items == NULL) {
            return -1;
        }
    }
    from->count = PySequence_Fast_GET_SIZE(from->items);
    return 0;
}

void mg_argument_close(mg_argument *from) {
    if (from->items != NULL) {
        Py_DECREF(from->items);
    } else {
        PyBuffer_Release(&from->row);
    }
}

int mg_argument_refuse_empty(const mg_argument *from) {
    if (from->count != 0) {
        return 0;
    }
    PyErr_Format(PyExc_ValueError, "%s(): %s is empty; it needs at least one value", from->function,
                 from->name);
    return -1;
}

/* --- gathering --- */

int mg_gather_begin(mg_gathering *all, size_t size, double parameter) {
    *all = (mg_gathering){.block = NULL};
    if (size >= UINT32_MAX / 32) {
        PyErr_SetString(PyExc_OverflowError, "too many values for one node");
        return -1;
    }
    all->block = mg_nary_new((uint32_t)size, parameter);
    if (all->block == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

void mg_gather_abandon(mg_gathering *all) {
    for (uint32_t i = 0; i < all->block->count; i++) {
        mg_graph_drop(&mg_heap, all->block->operands[i]);
    }
    mg_memory_free(all->block);
}

static inline void gather_operand(mg_gathering *all, mg_node *node) {
    mg_block *block = all->block;
    node->refcount++;
    all->flags |= node->flags;
    if (all->is_mixed) {
        mg_nary_places(block)[block->count] = all->filled;
    }
    block->operands[block->count++] = node;
    all->filled++;
}

/* Room for plain numbers from here on. 0, or -1 with MemoryError. */
static int gather_mixed(mg_gathering *all) {
    mg_block *mixed = all->is_mixed ? all->block : mg_nary_mix(all->block);
    if (mixed == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    all->block = mixed;
    all->is_mixed = 1;
    return 0;
}

/* How many Values come first among the items: they are operands now. */
static inline Py_ssize_t gather_values(mg_gathering *all, PyObject *const *items,
                                       Py_ssize_t count) {
    PyTypeObject *const value = mg_value_type;
    mg_block *block = all->block;
    mg_node **operands = block->operands + block->count;
    uint8_t flags = 0;
    Py_ssize_t taken = 0;
    while (taken < count && Py_TYPE(items[taken]) == value) {
        mg_node *node = mg_node_of(items[taken]);
        node->refcount++;
        flags |= node->flags;
        operands[taken++] = node;
    }
    if (all->is_mixed) {
        for (Py_ssize_t i = 0; i < taken; i++) {
            mg_nary_places(block)[block->count + (uint32_t)i] = all->filled + (uint32_t)i;
        }
    }
    all->flags |= flags;
    block->count += (uint32_t)taken;
    all->filled += (uint32_t)taken;
    return taken;
}

/* How many floats come first among the items: they are plain numbers of the block now. -1 with
   MemoryError. */
static Py_ssize_t gather_floats(mg_gathering *all, PyObject *const *items, Py_ssize_t count) {
    if (count == 0 || !PyFloat_CheckExact(items[0])) {
        return 0;
    }
    if (gather_mixed(all) < 0) {
        return -1;
    }
    double *constants = mg_nary_constants(all->block) + all->filled;
    Py_ssize_t taken = 0;
    while (taken < count && PyFloat_CheckExact(items[taken])) {
        constants[taken] = PyFloat_AS_DOUBLE(items[taken]);
        taken++;
    }
    all->filled += (uint32_t)taken;
    return taken;
}

int mg_gather_one(mg_gathering *all, PyObject *item, const char *function, const char *name,
                  Py_ssize_t index) {
    double number;
    if (mg_is_value(item)) {
        gather_operand(all, mg_node_of(item));
        return 0;
    }
    if (!PyFloat_CheckExact(item)) {
        all->python_ran = 1;
    }
    int known = mg_value_number(item, &number);
    if (known == 0 && index < 0) {
        PyErr_Format(PyExc_TypeError, "%s(): %s must be a Value or a real number, not '%.200s'",
                     function, name, Py_TYPE(item)->tp_name);
    } else if (known == 0) {
        PyErr_Format(PyExc_TypeError,
                     "%s(): item %zd of %s must be a Value or a real number, not '%.200s'",
                     function, index, name, Py_TYPE(item)->tp_name);
    }
    if (known != 1 || gather_mixed(all) < 0) {
        return -1;
    }
    mg_nary_constants(all->block)[all->filled++] = number;
    return 0;
}

static int gather_items(mg_gathering *all, const mg_argument *from) {
    PyObject *items = from->items;
    Py_ssize_t done = 0;
    while (done < from->count) {
        if (PySequence_Fast_GET_SIZE(items) != from->count) {
            PyErr_Format(PyExc_RuntimeError, "%s(): %s changed its length while it was read",
                         from->function, from->name);
            return -1;
        }
        PyObject **next = PySequence_Fast_ITEMS(items) + done;
        Py_ssize_t values = gather_values(all, next, from->count - done);
        Py_ssize_t floats = gather_floats(all, next + values, from->count - done - values);
        if (floats < 0) {
            return -1;
        }
        done += values + floats;
        if (values + floats == 0) {
            PyObject *item = Py_NewRef(*next);
            int failed = mg_gather_one(all, item, from->function, from->name, done);
            Py_DECREF(item);
            if (failed) {
                return -1;
            }
            done++;
        }
    }
    return 0;
}

int mg_gather_argument(mg_gathering *all, const mg_argument *from) {
    if (LIKELY(from->items != NULL)) {
        return gather_items(all, from);
    }
    if (from->count != 0 && gather_mixed(all) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < from->count; i++) {
        const char *at = (const char *)from->row.buf + i * from->row.strides[0];
        memcpy(mg_nary_constants(all->block) + all->filled++, at, sizeof(double));
    }
    return 0;
}

PyObject *mg_gather_node(mg_gathering *all, mg_op op, double r) {
    if (mg_value_is_graphless()) {
        mg_node *leaf = mg_value_leaf(r);
        mg_gather_abandon(all);
        return mg_object_of(leaf);
    }
    mg_block *block = all->block;
    mg_node *node = mg_value_node(op, r);
    if (node == NULL) {
        mg_gather_abandon(all);
        return NULL;
    }
    mg_node_prefix(node)->left.block = block;
    node->right.node = NULL;
    for (uint32_t i = 0; all->python_ran && i < block->count; i++) {
        all->flags |= block->operands[i]->flags;
    }
    return LIKELY(!(all->flags & MG_TRACKED)) ? mg_object_of(node) : mg_value_tracked(node);
}
