/* The number slots of Value: the hot path of eager code. Each slot tries the exact types first (a
   node with a node, a float, an int) and leaves everything else to one slow path. */
#include "value.h"

#include "value_record.h"

/* An operand: 1 with `*node` set (a Value) or NULL (a number in `*number`), 0 if it is neither, -1
   with an exception. */
static int classify(PyObject *object, mg_node **node, double *number) {
    *node = NULL;
    if (mg_is_value(object)) {
        *node = mg_node_of(object);
        *number = (*node)->data;
        return 1;
    }
    return mg_value_number(object, number);
}

static uint8_t integer_flag(PyObject *object) {
    return PyLong_Check(object) && !PyBool_Check(object) ? MG_INTEGER_CONSTANT : 0;
}

/* A str, list or tuple would next be asked to repeat or concatenate itself, and complain in terms
   of sequences; say here what is wrong with the arithmetic. */
static int is_sequence(PyObject *object) {
    return PyUnicode_Check(object) || PyBytes_Check(object) || PyList_Check(object) ||
           PyTuple_Check(object);
}

/* Arrays go elementwise; other types may still know what to do with a Value. */
static PyObject *other_operands(mg_op op, PyObject *x, PyObject *y) {
    if (is_sequence(x) || is_sequence(y)) {
        PyErr_Format(PyExc_TypeError, "unsupported operand type(s) for %s: '%.200s' and '%.200s'",
                     mg_op_table[op].symbol, Py_TYPE(x)->tp_name, Py_TYPE(y)->tp_name);
        return NULL;
    }
    PyObject *arguments = PyTuple_Pack(2, x, y);
    if (arguments == NULL) {
        return NULL;
    }
    PyObject *result = mg_loans.elementwise(mg_op_table[op].name, arguments);
    Py_DECREF(arguments);
    return result;
}

/* What happens to a pair that the fast path did not know. `commutes` swaps a leading number behind
   the node, as the pure engines' reflected methods do. */
static PyObject *slow_binary(mg_op op, double (*forward)(double, double), int commutes, PyObject *x,
                             PyObject *y) {
    mg_node *left, *right;
    double a, b;
    int known = classify(x, &left, &a);
    if (known > 0) {
        known = classify(y, &right, &b);
    }
    if (known < 0) {
        return NULL;
    }
    if (known == 0) {
        return other_operands(op, x, y);
    }
    double r = forward(a, b);
    mg_status status = mg_op_check(op, a, b, r);
    if (status != MG_OK) {
        return mg_value_raise(status, op, a, b);
    }
    if (left != NULL && right != NULL) {
        return mg_value_vv(op, left, right, r);
    }
    if (left != NULL) {
        return mg_value_vc(op + 1, left, b, integer_flag(y), r);
    }
    if (right == NULL) { /* reached through a subclass that overrides nothing: cannot happen */
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (commutes) {
        return mg_value_vc(op + 1, right, a, integer_flag(x), r);
    }
    return mg_value_vc(op + 2, right, a, integer_flag(x), r);
}

/* A float or an int that fits: the number operands worth a fast path. */
static inline int plain_number(PyObject *object, double *number, uint8_t *flags) {
    if (LIKELY(PyFloat_CheckExact(object))) {
        *number = PyFloat_AS_DOUBLE(object);
        *flags = 0;
        return 1;
    }
    if (PyLong_CheckExact(object)) {
        int overflow;
        long value = PyLong_AsLongAndOverflow(object, &overflow);
        *number = (double)value;
        *flags = MG_INTEGER_CONSTANT;
        return overflow == 0;
    }
    return 0;
}

#define BINARY_SLOT(name, raises, commutes)                                                       \
    static PyObject *slot_##name(PyObject *x, PyObject *y) {                                      \
        double c;                                                                                 \
        uint8_t flags;                                                                            \
        if (LIKELY(mg_is_exact_value(x))) {                                                       \
            mg_node *left = mg_node_of(x);                                                        \
            if (LIKELY(mg_is_exact_value(y))) {                                                   \
                mg_node *right = mg_node_of(y);                                                   \
                double r = mg_##name##_forward(left->data, right->data);                          \
                MG_CHECKED(name, raises, left->data, right->data, r)                              \
                return mg_value_vv(MG_OP_##name, left, right, r);                                 \
            }                                                                                     \
            if (plain_number(y, &c, &flags)) {                                                    \
                double r = mg_##name##_forward(left->data, c);                                    \
                MG_CHECKED(name, raises, left->data, c, r)                                        \
                return mg_value_vc(MG_OP_##name##_vc, left, c, flags, r);                         \
            }                                                                                     \
        } else if (mg_is_exact_value(y) && plain_number(x, &c, &flags)) {                         \
            mg_node *right = mg_node_of(y);                                                       \
            double r = mg_##name##_forward(c, right->data);                                       \
            MG_CHECKED(name, raises, c, right->data, r)                                           \
            return mg_value_vc(commutes ? MG_OP_##name##_vc : MG_OP_##name##_cv, right, c, flags, \
                               r);                                                                \
        }                                                                                         \
        return slow_binary(MG_OP_##name, mg_##name##_forward, commutes, x, y);                    \
    }

BINARY_SLOT(add, NEVER, 1)
BINARY_SLOT(sub, NEVER, 0)
BINARY_SLOT(mul, NEVER, 1)
BINARY_SLOT(div, DIVISION, 0)
BINARY_SLOT(pow, POWER, 0)

static PyObject *slot_power(PyObject *x, PyObject *y, PyObject *modulus) {
    if (modulus != Py_None) {
        PyErr_SetString(PyExc_TypeError, "pow() with a modulus is not defined for Value");
        return NULL;
    }
    return slot_pow(x, y);
}

static PyObject *slot_negative(PyObject *self) {
    mg_node *x = mg_node_of(self);
    return mg_value_v(MG_OP_neg, x, mg_neg_forward(x->data));
}

static PyObject *slot_positive(PyObject *self) { return Py_NewRef(self); }

static PyObject *slot_absolute(PyObject *self) {
    mg_node *x = mg_node_of(self);
    return mg_value_v(MG_OP_abs, x, mg_abs_forward(x->data));
}

/* Without this slot the message would not say what to do instead. */
static PyObject *slot_float(PyObject *self) {
    if (mg_value_guard_read(mg_node_of(self), "a recorded Value is converted to a float") < 0) {
        return NULL;
    }
    PyErr_SetString(PyExc_TypeError,
                    "a Value is not a float: converting it would silently drop its "
                    "gradient; use v.data or v.item() for the plain number");
    return NULL;
}

/* Always true, as in every pure engine; but the number that a recorded Value stands for may not be.
 */
static int slot_bool(PyObject *self) {
    return mg_value_guard_read(mg_node_of(self), "a recorded Value is tested for truth") < 0 ? -1
                                                                                             : 1;
}

PyType_Slot mg_value_number_slots[] = {
    {Py_nb_add, slot_add},
    {Py_nb_subtract, slot_sub},
    {Py_nb_multiply, slot_mul},
    {Py_nb_true_divide, slot_div},
    {Py_nb_power, slot_power},
    {Py_nb_negative, slot_negative},
    {Py_nb_positive, slot_positive},
    {Py_nb_absolute, slot_absolute},
    {Py_nb_float, slot_float},
    {Py_nb_bool, slot_bool},
    {0, NULL},
};
