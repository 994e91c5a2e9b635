/* The type object: slots that are neither hot arithmetic nor memory management, and the set-up. */
#include "value.h"

#include <structmember.h>

#include "value_arrays.h"
#include "value_net.h"
#include "value_record.h"

mg_graph mg_heap = {.arena = MG_ARENA_INITIAL};
PyTypeObject *mg_value_type;
mg_value_loans mg_loans;

static PyObject *get_data(PyObject *self, void *unused) {
    (void)unused;
    if (mg_value_guard_read(mg_node_of(self), "the data of a recorded Value is read") < 0) {
        return NULL;
    }
    return PyFloat_FromDouble(mg_node_of(self)->data);
}

static PyObject *get_grad(PyObject *self, void *unused) {
    (void)unused;
    if (mg_value_guard_read(mg_node_of(self), "the grad of a recorded Value is read") < 0) {
        return NULL;
    }
    return PyFloat_FromDouble(mg_node_of(self)->grad);
}

static int set_number(PyObject *value, const char *what, double *number) {
    if (LIKELY(value != NULL && PyFloat_CheckExact(value))) {
        *number = PyFloat_AS_DOUBLE(value);
        return 0;
    }
    if (value == NULL) {
        PyErr_Format(PyExc_AttributeError, "%s cannot be deleted", what);
        return -1;
    }
    return mg_value_require_number(value, what, number);
}

static int set_data(PyObject *self, PyObject *value, void *unused) {
    (void)unused;
    if (mg_value_guard("the data of a Value is assigned") < 0) {
        return -1;
    }
    return set_number(value, "the data of a Value", &mg_node_of(self)->data);
}

static int set_grad(PyObject *self, PyObject *value, void *unused) {
    (void)unused;
    if (mg_value_guard("the grad of a Value is assigned") < 0) {
        return -1;
    }
    return set_number(value, "the grad of a Value", &mg_node_of(self)->grad);
}

static PyGetSetDef value_getset[] = {
    {"__dict__", mg_value_get_dict, mg_value_set_dict, "The free attributes.", NULL},
    {"data", get_data, set_data,
     "The number, a float. Assigning takes any real number; nodes made from this Value keep "
     "theirs.\n\n"
     ">>> from micrograd_fast import Value\n>>> v = Value(2)\n>>> v.data\n2.0\n>>> v.data -= 0.5\n"
     ">>> v.data\n1.5\n",
     NULL},
    {"grad", get_grad, set_grad,
     "The accumulated gradient, a float: 0.0 at first, added to by every backward(), reset by "
     "assigning.\n\n>>> from micrograd_fast import Value\n>>> v = Value(2.0)\n"
     ">>> (v * v).backward()\n>>> v.grad\n4.0\n>>> v.grad = 0\n>>> v.grad\n0.0\n",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyObject *value_repr(PyObject *self) {
    char *digits = PyOS_double_to_string(mg_node_of(self)->data, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (digits == NULL) {
        return NULL;
    }
    PyObject *text = PyUnicode_FromFormat("Value(data=%s)", digits);
    PyMem_Free(digits);
    return text;
}

static const char compared[] = "a recorded Value is compared";

/* 0, or -1 with RecordingError if one of the two is a number that a recording must not freeze. */
static int refuse_equality(PyObject *self, PyObject *other) {
    if (mg_is_value(other)) {
        return mg_value_guard_read(mg_node_of(self), compared) < 0
                   ? -1
                   : mg_value_guard_read(mg_node_of(other), compared);
    }
    if (PyFloat_Check(other) || PyLong_Check(other)) {
        return mg_value_guard_read(mg_node_of(self), compared);
    }
    return 0;
}

/* Order is that of the data; equality stays identity, as in every pure engine. */
static PyObject *value_richcompare(PyObject *self, PyObject *other, int op) {
    double a = mg_node_of(self)->data, b;
    if (op == Py_EQ || op == Py_NE) {
        /* A float in its place would have been compared as a number. */
        if (LIKELY(mg_recordings == NULL) || refuse_equality(self, other) == 0) {
            Py_RETURN_NOTIMPLEMENTED;
        }
        return NULL;
    }
    if (mg_value_guard_read(mg_node_of(self), compared) < 0) {
        return NULL;
    }
    if (mg_is_value(other)) {
        if (mg_value_guard_read(mg_node_of(other), compared) < 0) {
            return NULL;
        }
        b = mg_node_of(other)->data;
    } else {
        int known = mg_value_number(other, &b);
        if (known < 0) {
            return NULL;
        }
        if (known == 0) {
            Py_RETURN_NOTIMPLEMENTED;
        }
    }
    Py_RETURN_RICHCOMPARE(a, b, op);
}

static Py_hash_t value_hash(PyObject *self) { return PyBaseObject_Type.tp_hash(self); }

/* Never called: nodes are not freed one by one through here. A function of our own makes CPython
   refuse to change the __class__ between Value and a subclass, whose memory differs. */
static void value_free(void *memory) { PyObject_GC_Del(memory); }

static PyMemberDef value_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(mg_node, attributes), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(mg_node, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(
    value_doc,
    "Value(data, _children=(), _op='', label='')\n--\n\n"
    "A number that remembers how it was computed, so that it can be differentiated.\n"
    "\n"
    "Arithmetic on Values builds a graph; backward() on its last node fills in the grad of\n"
    "every Value that it was computed from. Operators + - * / ** and abs() take Values and\n"
    "plain numbers on either side; the functions are methods (v.tanh()) and module functions\n"
    "(micrograd_fast.tanh(v)).\n"
    "\n"
    "data         a real number (float, int, bool, numpy scalar, array of size 1)\n"
    "_children    the Values it was computed from, for nodes with a rule of your own: set\n"
    "             _backward to a function that adds to the children's grads\n"
    "_op          the op's name (str), or the local gradients (a tuple of numbers, one for\n"
    "             each child), which need no _backward\n"
    "label        shown in pictures\n"
    "\n"
    "Raises TypeError for data that is not a real number, naming its type.\n"
    "\n"
    ">>> from micrograd_fast import Value\n"
    ">>> a, b = Value(2.0), Value(-3.0)\n"
    ">>> c = a * b + 10\n"
    ">>> c\n"
    "Value(data=4.0)\n"
    ">>> c.backward()\n"
    ">>> a.grad, b.grad\n"
    "(-3.0, 2.0)\n"
    "\n"
    "A node with local gradients of its own, here a square:\n"
    "\n"
    ">>> x = Value(3.0)\n"
    ">>> y = Value(x.data ** 2, (x,), (2 * x.data,))\n"
    ">>> y.backward()\n"
    ">>> x.grad\n"
    "6.0\n");

static PyType_Slot value_slots[] = {
    {Py_tp_doc, (void *)value_doc},
    {Py_tp_new, mg_value_new},
    {Py_tp_init, mg_value_init},
    {Py_tp_dealloc, mg_value_dealloc},
    {Py_tp_free, value_free},
    {Py_tp_traverse, mg_value_traverse},
    {Py_tp_clear, mg_value_clear},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_setattro, mg_value_setattro},
    {Py_tp_repr, value_repr},
    {Py_tp_hash, value_hash},
    {Py_tp_richcompare, value_richcompare},
    {Py_tp_getset, value_getset},
    {Py_tp_members, value_members},
    {Py_tp_methods, mg_value_methods},
};

#define MAX_SLOTS 32

int mg_value_setup(PyObject *module, const mg_value_loans *loans) {
    PyType_Slot slots[MAX_SLOTS];
    size_t count = 0;
    for (size_t i = 0; i < sizeof(value_slots) / sizeof(value_slots[0]); i++) {
        slots[count++] = value_slots[i];
    }
    for (PyType_Slot *slot = mg_value_number_slots; slot->slot != 0; slot++) {
        slots[count++] = *slot;
    }
    slots[count] = (PyType_Slot){0, NULL};
    PyType_Spec spec = {.name = "micrograd_fast.Value",
                        .basicsize = sizeof(mg_node),
                        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
                        .slots = slots};
    mg_loans = *loans;
    mg_heap.hooks = mg_value_hooks();
    PyObject *type = PyType_FromSpec(&spec);
    if (type == NULL) {
        return -1;
    }
    mg_value_type = (PyTypeObject *)type;
    mg_value_type->tp_vectorcall = mg_value_vectorcall;
    /* This reference is never given back: nodes do not hold their type. */
    if (PyModule_AddObjectRef(module, "Value", type) < 0) {
        return -1;
    }
    if (PyModule_AddFunctions(module, mg_value_functions) < 0) {
        return -1;
    }
    if (PyModule_AddFunctions(module, mg_value_nary_functions) < 0) {
        return -1;
    }
    if (mg_value_net_setup(module) < 0) {
        return -1;
    }
    return mg_value_arrays_setup(module);
}
