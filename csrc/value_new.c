/* The constructor, in the spelling of all four dialects. */
#include "net.h"
#include "value.h"

/* What the constructor was called with: borrowed references, NULL where an argument was not given.
 */
typedef struct {
    PyObject *data, *children, *op_name, *local_grads, *label;
} arguments;

/* Every spelling of every dialect, and where it goes. */
static const struct {
    const char *keyword;
    size_t offset;
} keywords[] = {
    {"data", offsetof(arguments, data)},
    {"_children", offsetof(arguments, children)},
    {"children", offsetof(arguments, children)},
    {"_prev", offsetof(arguments, children)},
    {"_op", offsetof(arguments, op_name)},
    {"local_grads", offsetof(arguments, local_grads)},
    {"_local_grads", offsetof(arguments, local_grads)},
    {"label", offsetof(arguments, label)},
};

static PyObject **argument_slot(arguments *given, size_t offset) {
    return (PyObject **)((char *)given + offset);
}

static int take_positional(arguments *given, Py_ssize_t index, PyObject *value) {
    switch (index) {
    case 0:
        given->data = value;
        return 0;
    case 1:
        given->children = value;
        return 0;
    case 2:
        /* The dialects part here: an op name in three of them, the partials in the fourth. */
        if (PyUnicode_Check(value)) {
            given->op_name = value;
        } else {
            given->local_grads = value;
        }
        return 0;
    case 3:
        given->label = value;
        return 0;
    default:
        PyErr_Format(PyExc_TypeError,
                     "Value() takes 1 to 4 arguments (data, children, op name or local gradients, "
                     "label), but more were given");
        return -1;
    }
}

static int take_keyword(arguments *given, PyObject *name, PyObject *value) {
    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
        if (PyUnicode_CompareWithASCIIString(name, keywords[i].keyword) != 0) {
            continue;
        }
        PyObject **slot = argument_slot(given, keywords[i].offset);
        if (*slot != NULL) {
            PyErr_Format(PyExc_TypeError, "Value() got multiple values for argument '%U'", name);
            return -1;
        }
        *slot = value;
        return 0;
    }
    PyErr_Format(PyExc_TypeError,
                 "Value() got an unexpected keyword argument '%U'; it takes data, _children, _op, "
                 "label and local_grads",
                 name);
    return -1;
}

/* What a node is made from once everything is checked: the block's operands are still borrowed,
   kept alive by `holder`; everything is owned by the struct until it moves into a node. */
typedef struct {
    double data;
    PyObject *holder;
    mg_block *block;
    mg_side *side;
} parts;

static void parts_clear(parts *made) {
    Py_CLEAR(made->holder);
    mg_memory_free(made->block);
    if (made->side != NULL) {
        Py_XDECREF((PyObject *)made->side->label);
        Py_XDECREF((PyObject *)made->side->op_name);
        mg_memory_free(made->side);
    }
    made->block = NULL;
    made->side = NULL;
}

static int build_partials(parts *made, PyObject *local_grads, Py_ssize_t count) {
    PyObject *grads = PySequence_Tuple(local_grads);
    if (grads == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError,
                         "the third argument of Value() must be the op's name (str) or the local "
                         "gradients (tuple or list), not '%.200s'",
                         Py_TYPE(local_grads)->tp_name);
        }
        return -1;
    }
    int failed = 0;
    if (PyTuple_GET_SIZE(grads) != count) {
        PyErr_Format(PyExc_ValueError, "Value() got %zd children but %zd local gradients", count,
                     PyTuple_GET_SIZE(grads));
        failed = -1;
    }
    for (Py_ssize_t i = 0; !failed && i < count; i++) {
        failed = mg_value_require_number(PyTuple_GET_ITEM(grads, i), "a local gradient of Value()",
                                         &mg_block_partials(made->block)[i]);
    }
    Py_DECREF(grads);
    return failed;
}

static int build_block(parts *made, const arguments *given) {
    made->holder = given->children != NULL ? PySequence_Tuple(given->children) : PyTuple_New(0);
    if (made->holder == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError,
                         "the children of a Value must be an iterable of Values, not '%.200s'",
                         Py_TYPE(given->children)->tp_name);
        }
        return -1;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(made->holder);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *child = PyTuple_GET_ITEM(made->holder, i);
        if (!mg_is_value(child)) {
            PyErr_Format(PyExc_TypeError, "child %zd of a Value must be a Value, not '%.200s'", i,
                         Py_TYPE(child)->tp_name);
            return -1;
        }
    }
    if (count >= UINT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "too many children for one Value");
        return -1;
    }
    if (count != 0) {
        made->block = mg_value_block((uint32_t)count, given->local_grads != NULL);
        if (made->block == NULL) {
            return -1;
        }
        for (Py_ssize_t i = 0; i < count; i++) {
            made->block->operands[i] = mg_node_of(PyTuple_GET_ITEM(made->holder, i));
        }
    }
    return given->local_grads != NULL ? build_partials(made, given->local_grads, count) : 0;
}

/* Whether the node to be made must be tracked from the start. */
static int must_track(const parts *made, const arguments *given) {
    if (given->label != NULL && PyObject_IS_GC(given->label)) {
        return 1;
    }
    for (uint32_t i = 0; made->block != NULL && i < made->block->count; i++) {
        if (made->block->operands[i]->flags & MG_TRACKED) {
            return 1;
        }
    }
    return 0;
}

static int build_side(parts *made, const arguments *given) {
    if (given->op_name != NULL && !PyUnicode_Check(given->op_name)) {
        PyErr_Format(PyExc_TypeError, "the op name of a Value must be a str, not '%.200s'",
                     Py_TYPE(given->op_name)->tp_name);
        return -1;
    }
    int named = given->op_name != NULL && PyUnicode_GET_LENGTH(given->op_name) != 0;
    int labelled = given->label != NULL &&
                   !(PyUnicode_CheckExact(given->label) && PyUnicode_GET_LENGTH(given->label) == 0);
    if (!named && !labelled && !must_track(made, given)) {
        return 0;
    }
    made->side = mg_memory_alloc(1, sizeof(mg_side));
    if (made->side == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *made->side = (mg_side){.op_name = named ? Py_NewRef(given->op_name) : NULL,
                            .label = labelled ? Py_NewRef(given->label) : NULL};
    return 0;
}

static int build(parts *made, const arguments *given) {
    *made = (parts){0};
    if (given->data == NULL) {
        PyErr_SetString(PyExc_TypeError, "Value() needs a number: Value(2.0)");
        return -1;
    }
    if (mg_value_require_number(given->data, "the data of a Value", &made->data) < 0 ||
        ((given->children != NULL || given->local_grads != NULL) && build_block(made, given) < 0) ||
        build_side(made, given) < 0) {
        parts_clear(made);
        return -1;
    }
    return 0;
}

/* Moves the parts into a plain leaf; cannot fail. */
static void move_into(mg_node *node, parts *made) {
    int tracked = made->side != NULL && made->side->label != NULL &&
                  PyObject_IS_GC((PyObject *)made->side->label);
    node->data = made->data;
    if (made->block != NULL) {
        tracked |= mg_value_hold(made->block);
        mg_node_left(node)->block = made->block;
        node->op = made->block->has_partials ? MG_OP_local : MG_OP_closure;
        made->block = NULL;
    }
    if (made->side != NULL && (node->flags & MG_SIDE) != 0) {
        node->right.side->label = made->side->label;
        node->right.side->op_name = made->side->op_name;
        mg_memory_free(made->side);
    } else if (made->side != NULL) {
        made->side->left = *mg_node_left(node);
        node->right.side = made->side;
        node->flags |= MG_SIDE;
    }
    made->side = NULL;
    if (tracked && !(node->flags & MG_TRACKED)) {
        mg_value_track(node);
    }
    parts_clear(made);
}

static PyObject *construct(const arguments *given) {
    parts made;
    if (build(&made, given) < 0) {
        return NULL;
    }
    /* The node comes last: its children may have been made while they were listed, and a child is
       older than its parent. */
    mg_node *node = mg_value_leaf(made.data);
    if (node == NULL) {
        parts_clear(&made);
        return NULL;
    }
    move_into(node, &made);
    return mg_object_of(node);
}

PyObject *mg_value_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf,
                              PyObject *names) {
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    (void)type;
    if (LIKELY(count == 1 && names == NULL && PyFloat_CheckExact(args[0]))) {
        return mg_object_of(mg_value_leaf(PyFloat_AS_DOUBLE(args[0])));
    }
    arguments given = {0};
    for (Py_ssize_t i = 0; i < count; i++) {
        if (take_positional(&given, i, args[i]) < 0) {
            return NULL;
        }
    }
    for (Py_ssize_t i = 0; names != NULL && i < PyTuple_GET_SIZE(names); i++) {
        if (take_keyword(&given, PyTuple_GET_ITEM(names, i), args[count + i]) < 0) {
            return NULL;
        }
    }
    return construct(&given);
}

static int unpack(arguments *given, PyObject *args, PyObject *kwargs) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
        if (take_positional(given, i, PyTuple_GET_ITEM(args, i)) < 0) {
            return -1;
        }
    }
    Py_ssize_t position = 0;
    PyObject *name, *value;
    while (kwargs != NULL && PyDict_Next(kwargs, &position, &name, &value)) {
        if (take_keyword(given, name, value) < 0) {
            return -1;
        }
    }
    return 0;
}

/* A subclass may have any signature of its own: an instance starts as a leaf of data 0, and what
   __init__ hands up fills it. Value(...) itself does not come here but through the vectorcall. */
PyObject *mg_value_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)args;
    (void)kwargs;
    if (type == mg_value_type) {
        return mg_object_of(mg_value_leaf(0.0));
    }
    PyObject *self = type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    mg_node *node = mg_node_of(self);
    node->run = UINT32_MAX;
    node->op = MG_OP_leaf;
    node->flags = MG_FOREIGN;
    mg_heap.foreign++;
    /* CPython has tracked it already, so its operand fields must be in a side record from the
     * start. */
    mg_side *side = mg_memory_alloc(1, sizeof(mg_side));
    if (side == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    *side = (mg_side){.label = NULL};
    node->right.side = side;
    node->flags |= MG_SIDE | MG_TRACKED;
    return self;
}

/* A node of the arena must stay younger than its children. A subclass instance has no age; a leaf
   among them cannot depend on the node. */
static int is_older(const mg_node *child, const mg_node *node) {
    if (node->flags & MG_FOREIGN) {
        return 1;
    }
    if (child->flags & MG_FOREIGN) {
        return !mg_node_is_interior(child);
    }
    return child->run != node->run ? child->run < node->run : child < node;
}

static int check_init(const mg_node *node, const parts *made) {
    if (mg_net_is_hidden(node)) {
        /* Only the collector's functions (gc.get_referents) lead to such a node. */
        PyErr_SetString(PyExc_TypeError, "Value.__init__ cannot change a node that the outputs of "
                                         "a network are made of");
        return -1;
    }
    const mg_arena *arena = &mg_heap.arena;
    /* Nor may a leaf that a sweep has met become a node that it would have had to count. */
    if (arena->sweeping != 0 &&
        (mg_node_is_interior(node) ||
         (made->block != NULL && !(node->flags & MG_FOREIGN) && node->mark == arena->epoch))) {
        PyErr_SetString(PyExc_RuntimeError,
                        "Value.__init__ cannot change the children of a node while a backward pass "
                        "is under way or a recording is lowered");
        return -1;
    }
    for (uint32_t i = 0; made->block != NULL && i < made->block->count; i++) {
        if (!is_older(made->block->operands[i], node)) {
            PyErr_SetString(PyExc_ValueError,
                            "an existing Value cannot be given children that are "
                            "younger than it; make a new one: Value(data, children)");
            return -1;
        }
    }
    return 0;
}

/* On an existing Value this does what the pure engines' __init__ does: everything but free
   attributes starts anew. */
int mg_value_init(PyObject *self, PyObject *args, PyObject *kwargs) {
    mg_node *node = mg_node_of(self);
    arguments given = {0};
    parts made;
    if (unpack(&given, args, kwargs) < 0 || build(&made, &given) < 0) {
        return -1;
    }
    if (check_init(node, &made) < 0) {
        parts_clear(&made);
        return -1;
    }
    mg_value_reset(node);
    move_into(node, &made);
    node->grad = 0.0;
    return 0;
}
