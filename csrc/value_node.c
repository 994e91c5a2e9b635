/* Making nodes from C: numbers and their errors, leaves, operand blocks, materialised constants. */
#include "value.h"

#include "nary.h"

#include <string.h>

static int number_of(PyObject *object, int loose, double *number) {
    if (PyFloat_Check(object)) {
        *number = PyFloat_AS_DOUBLE(object);
        return 1;
    }
    if (PyLong_Check(object)) {
        *number = PyLong_AsDouble(object);
        return *number == -1.0 && PyErr_Occurred() ? -1 : 1;
    }
    if (mg_is_value(object)) {
        return 0;
    }
    return mg_loans.convert(object, loose, number);
}

int mg_value_number(PyObject *object, double *number) { return number_of(object, 0, number); }

int mg_value_require_number(PyObject *object, const char *what, double *number) {
    int known = number_of(object, 1, number);
    if (known == 0) {
        PyErr_Format(PyExc_TypeError, "%s must be a real number, not '%.200s'%s", what,
                     Py_TYPE(object)->tp_name,
                     mg_is_value(object) ? "; use its .data for the plain number" : "");
    }
    return known == 1 ? 0 : -1;
}

PyObject *mg_value_raise(mg_status status, mg_op op, double a, double b) {
    PyObject *type = PyExc_ValueError;
    const mg_op_info *info = &mg_op_table[op];
    if (status == MG_NO_MEMORY) {
        return PyErr_NoMemory();
    }
    if (status == MG_RANGE) {
        type = PyExc_OverflowError;
    } else if (status == MG_ZERO_DIVISION || status == MG_ZERO_POWER) {
        type = PyExc_ZeroDivisionError;
    }
    PyObject *first = PyFloat_FromDouble(a);
    PyObject *second = PyFloat_FromDouble(b);
    if (first != NULL && second != NULL) {
        if (info->arity == 2) {
            PyErr_Format(type, "Value %s: %s, for %R %s %R", info->symbol, mg_status_text(status),
                         first, info->symbol, second);
        } else {
            PyErr_Format(type, "Value %s: %s, for %s(%R)", info->symbol, mg_status_text(status),
                         info->name, first);
        }
    }
    Py_XDECREF(first);
    Py_XDECREF(second);
    return NULL;
}

mg_node *mg_value_leaf(double data) {
    mg_node *node = mg_value_node(MG_OP_leaf, data);
    if (node != NULL) {
        mg_node_prefix(node)->left.node = NULL;
        node->right.node = NULL;
    }
    return node;
}

mg_block *mg_value_block(uint32_t count, int has_partials) {
    size_t bytes = sizeof(mg_block) + count * sizeof(mg_node *);
    if (has_partials) {
        bytes += count * sizeof(double);
    }
    mg_block *block = mg_memory_alloc(1, bytes);
    if (block == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    block->count = count;
    block->has_partials = (uint32_t)has_partials;
    return block;
}

int mg_value_hold(mg_block *block) {
    int tracked = 0;
    for (uint32_t i = 0; i < block->count; i++) {
        block->operands[i]->refcount++;
        tracked |= block->operands[i]->flags & MG_TRACKED;
    }
    return tracked;
}

PyObject *mg_value_block_node(mg_op op, double data, mg_node *const *operands, uint32_t count) {
    if (mg_value_is_graphless()) {
        return mg_object_of(mg_value_leaf(data));
    }
    mg_block *block = mg_value_block(count, 0);
    mg_node *node = block != NULL ? mg_value_node(op, data) : NULL;
    if (node == NULL) {
        mg_memory_free(block);
        return NULL;
    }
    memcpy(block->operands, operands, count * sizeof(mg_node *));
    mg_node_prefix(node)->left.block = block;
    node->right.node = NULL;
    return mg_value_hold(block) ? mg_value_tracked(node) : mg_object_of(node);
}

/* The plain numbers of an n-ary node. */
static int materialize_all(mg_block *block) {
    uint32_t numbers = block->size - block->count, made = 0;
    mg_node **leaves = mg_memory_alloc(numbers, sizeof(mg_node *));
    if (leaves == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (uint32_t i = 0, operand = 0; i < block->size; i++) {
        if (operand < block->count && mg_nary_places(block)[operand] == i) {
            operand++;
            continue;
        }
        leaves[made] = mg_value_leaf(mg_nary_constants(block)[i]);
        if (leaves[made] == NULL) {
            break;
        }
        made++;
    }
    if (made == numbers) {
        mg_nary_materialize(block, leaves);
    } else {
        while (made > 0) {
            mg_graph_drop(&mg_heap, leaves[--made]);
        }
    }
    mg_memory_free(leaves);
    return block->count == block->size ? 0 : -1;
}

int mg_value_materialize(mg_node *node) {
    int shape = mg_op_shapes[node->op];
    if (mg_op_table[node->op].arity == MG_ANY_ARITY) {
        mg_block *block = mg_node_block(node);
        return block->count == block->size ? 0 : materialize_all(block);
    }
    if (shape != MG_SHAPE_VC && shape != MG_SHAPE_CV) {
        return 0;
    }
    mg_left *left = mg_node_left(node);
    mg_right *right = mg_node_right(node);
    mg_node *leaf = mg_value_leaf(right->constant);
    if (leaf == NULL) {
        return -1;
    }
    if (shape == MG_SHAPE_VC) {
        right->node = leaf;
    } else {
        right->node = left->node;
        left->node = leaf;
    }
    node->op = mg_op_table[node->op].row;
    return 0;
}
