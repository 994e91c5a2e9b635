/* The methods and module functions of the op table, expanded from ops.def. A function takes a
   Value, a plain number (and then returns a float), or an array, elementwise. */
#include "value.h"

/* What to do with arguments that are not all Values and numbers: arrays go elementwise, the rest is
   a TypeError that names the op and the type. */
static PyObject *other_arguments(const char *name, PyObject *const *args, Py_ssize_t count) {
    PyObject *arguments = PyTuple_New(count);
    if (arguments == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyTuple_SET_ITEM(arguments, i, Py_NewRef(args[i]));
    }
    PyObject *result = mg_loans.elementwise(name, arguments);
    Py_DECREF(arguments);
    if (result != Py_NotImplemented) {
        return result;
    }
    Py_DECREF(result);
    for (Py_ssize_t i = 0; i < count && !PyErr_Occurred(); i++) {
        double ignored;
        if (!mg_is_value(args[i]) && mg_value_number(args[i], &ignored) == 0) {
            PyErr_Format(PyExc_TypeError, "%s() takes Values and real numbers, not '%.200s'", name,
                         Py_TYPE(args[i])->tp_name);
        }
    }
    return NULL;
}

/* --- unary --- */

#define UNARY(name, symbol, raises, ...)                                     \
    static PyObject *method_##name(PyObject *self, PyObject *ignored) {      \
        mg_node *x = mg_node_of(self);                                       \
        double r = mg_##name##_forward(x->data);                             \
        (void)ignored;                                                       \
        MG_CHECKED(name, raises, x->data, 0.0, r)                            \
        return mg_value_v(MG_OP_##name, x, r);                               \
    }                                                                        \
    static PyObject *function_##name(PyObject *module, PyObject *argument) { \
        double a;                                                            \
        if (LIKELY(mg_is_value(argument))) {                                 \
            return method_##name(argument, NULL);                            \
        }                                                                    \
        (void)module;                                                        \
        int known = mg_value_number(argument, &a);                           \
        if (known != 1) {                                                    \
            return known < 0 ? NULL : other_arguments(#name, &argument, 1);  \
        }                                                                    \
        double r = mg_##name##_forward(a);                                   \
        MG_CHECKED(name, raises, a, 0.0, r)                                  \
        return PyFloat_FromDouble(r);                                        \
    }
#define UNARY_OPERATOR(...)
#include "ops.def"

/* --- a unary op with a parameter --- */

/* The parameter of `name`, given by position or by its own keyword: 0 or -1. */
static int parameter_of(const char *name, const char *keyword, PyObject *const *args,
                        Py_ssize_t count, PyObject *names, double *parameter) {
    Py_ssize_t keywords = names != NULL ? PyTuple_GET_SIZE(names) : 0;
    if (count + keywords > 1) {
        PyErr_Format(PyExc_TypeError, "%s() takes one parameter, %s, but %zd arguments were given",
                     name, keyword, count + keywords);
        return -1;
    }
    if (keywords == 1 &&
        PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), keyword) != 0) {
        PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'; it takes %s",
                     name, PyTuple_GET_ITEM(names, 0), keyword);
        return -1;
    }
    return count + keywords == 0 ? 0 : mg_value_require_number(args[0], keyword, parameter);
}

#define PARAMETRIC(name, symbol, raises, parameter, initial, ...)                               \
    static PyObject *apply_##name(PyObject *argument, double c) {                               \
        double a;                                                                               \
        if (mg_is_value(argument)) {                                                            \
            mg_node *x = mg_node_of(argument);                                                  \
            return mg_value_vc(MG_OP_##name, x, c, 0, mg_##name##_forward(x->data, c));         \
        }                                                                                       \
        int known = mg_value_number(argument, &a);                                              \
        if (known != 1) {                                                                       \
            PyObject *args[2] = {argument, known < 0 ? NULL : PyFloat_FromDouble(c)};           \
            PyObject *result = args[1] == NULL ? NULL : other_arguments(#name, args, 2);        \
            Py_XDECREF(args[1]);                                                                \
            return result;                                                                      \
        }                                                                                       \
        return PyFloat_FromDouble(mg_##name##_forward(a, c));                                   \
    }                                                                                           \
    static PyObject *method_##name(PyObject *self, PyObject *const *args, Py_ssize_t count,     \
                                   PyObject *names) {                                           \
        double c = initial;                                                                     \
        if (parameter_of(#name, #parameter, args, count, names, &c) < 0) {                      \
            return NULL;                                                                        \
        }                                                                                       \
        return apply_##name(self, c);                                                           \
    }                                                                                           \
    static PyObject *function_##name(PyObject *module, PyObject *const *args, Py_ssize_t count, \
                                     PyObject *names) {                                         \
        (void)module;                                                                           \
        if (count < 1) {                                                                        \
            PyErr_SetString(PyExc_TypeError, #name "() needs an argument");                     \
            return NULL;                                                                        \
        }                                                                                       \
        return method_##name(args[0], args + 1, count - 1, names);                              \
    }
#include "ops.def"

/* --- binary and ternary --- */

static PyObject *needs(const char *name, Py_ssize_t arity, Py_ssize_t count) {
    PyErr_Format(PyExc_TypeError, "%s() takes %zd arguments (%zd given)", name, arity, count);
    return NULL;
}

PyObject *mg_value_binary(mg_op op, double (*forward)(double, double), PyObject *first,
                          PyObject *second) {
    PyObject *args[2] = {first, second};
    mg_node *x = mg_is_value(first) ? mg_node_of(first) : NULL;
    mg_node *y = mg_is_value(second) ? mg_node_of(second) : NULL;
    double a = x != NULL ? x->data : 0.0, b = y != NULL ? y->data : 0.0;
    int known = x != NULL ? 1 : mg_value_number(first, &a);
    if (known == 1 && y == NULL) {
        known = mg_value_number(second, &b);
    }
    if (known != 1) {
        return known < 0 ? NULL : other_arguments(mg_op_table[op].name, args, 2);
    }
    double r = forward(a, b);
    if (x != NULL && y != NULL) {
        return mg_value_vv(op, x, y, r);
    }
    if (x != NULL) {
        return mg_value_vc(op + 1, x, b, 0, r);
    }
    return y != NULL ? mg_value_vc(op + 2, y, a, 0, r) : PyFloat_FromDouble(r);
}

#define BINARY(name, symbol, constant, raises, ...)                                               \
    _Static_assert(MG_##raises == MG_NEVER, "mg_value_binary does not check");                    \
    static PyObject *method_##name(PyObject *self, PyObject *argument) {                          \
        return mg_value_binary(MG_OP_##name, mg_##name##_forward, self, argument);                \
    }                                                                                             \
    static PyObject *function_##name(PyObject *module, PyObject *const *args, Py_ssize_t count) { \
        (void)module;                                                                             \
        if (count != 2) {                                                                         \
            return needs(#name, 2, count);                                                        \
        }                                                                                         \
        return mg_value_binary(MG_OP_##name, mg_##name##_forward, args[0], args[1]);              \
    }
#define BINARY_OPERATOR(...)
#include "ops.def"

/* Numbers among the operands become leaves here: three operands do not fit a node with a constant.
 */
static PyObject *apply_ternary(mg_op op, double (*forward)(double, double, double),
                               PyObject *const *args) {
    mg_node *operands[3];
    double data[3];
    int values = 0;
    for (int i = 0; i < 3; i++) {
        operands[i] = mg_is_value(args[i]) ? mg_node_of(args[i]) : NULL;
        values += operands[i] != NULL;
        if (operands[i] != NULL) {
            data[i] = operands[i]->data;
            continue;
        }
        int known = mg_value_number(args[i], &data[i]);
        if (known != 1) {
            return known < 0 ? NULL : other_arguments(mg_op_table[op].name, args, 3);
        }
    }
    double r = forward(data[0], data[1], data[2]);
    if (values == 0) {
        return PyFloat_FromDouble(r);
    }
    mg_node *made[3] = {NULL, NULL, NULL};
    PyObject *node = NULL;
    int failed = 0;
    for (int i = 0; i < 3 && !failed; i++) {
        if (operands[i] == NULL) {
            operands[i] = made[i] = mg_value_leaf(data[i]);
            failed = made[i] == NULL;
        }
    }
    if (!failed) {
        node = mg_value_block_node(op, r, operands, 3);
    }
    for (int i = 0; i < 3; i++) {
        Py_XDECREF(made[i] != NULL ? mg_object_of(made[i]) : NULL);
    }
    return node;
}

#define TERNARY(name, symbol, raises, ...)                                                        \
    _Static_assert(MG_##raises == MG_NEVER, "apply_ternary does not check");                      \
    static PyObject *function_##name(PyObject *module, PyObject *const *args, Py_ssize_t count) { \
        (void)module;                                                                             \
        if (count != 3) {                                                                         \
            return needs(#name, 3, count);                                                        \
        }                                                                                         \
        return apply_ternary(MG_OP_##name, mg_##name##_forward, args);                            \
    }
#include "ops.def"

/* --- the tables --- */

#define CAST(function) ((PyCFunction)(void (*)(void))(function))

#define TEXT_NEVER "Never raises for a number: the result follows IEEE 754."
#define TEXT_OVERFLOW "Raises OverflowError where the result is too large for a float."
#define TEXT_POLE \
    "Raises ValueError outside the domain and at a pole, as Python's math module does."
#define RETURNS "Returns a Value for a Value, a float for a plain number, an array for an array."

#define FUNCTION_TEXT(name, signature, help, raises, x, fx)                                    \
#name signature "\n--\n\n" help "\n\n" RETURNS "\n" TEXT_##raises                          \
        "\n\n"                                                                                 \
        ">>> from math import inf\n>>> from micrograd_fast import " #name "\n>>> " #name "(" x \
        ")\n" fx "\n"
#define METHOD_TEXT(name, signature, help, raises)                                                \
#name signature "\n--\n\n" help                                                               \
                    "\n\nReturns a new Value; the gradient flows back into self.\n" TEXT_##raises \
        "\n"

PyMethodDef mg_value_methods[] = {
#define UNARY(name, symbol, raises, forward, da, daa, help, x, fx)                       \
    {#name, method_##name, METH_NOARGS,                                                  \
     METHOD_TEXT(name, "($self, /)", help,                                               \
                 raises) "\n>>> from math import inf\n"                                  \
                         ">>> from micrograd_fast import Value\n>>> Value(" x ")." #name \
                         "().data\n" fx "\n"},
#define UNARY_OPERATOR(...)
#define PARAMETRIC(name, symbol, raises, parameter, initial, forward, da, daa, help, x, fx) \
    {#name, CAST(method_##name), METH_FASTCALL | METH_KEYWORDS,                             \
     METHOD_TEXT(name, "($self, /, " #parameter "=" #initial ")", help,                     \
                 raises) "\n>>> from micrograd_fast import Value\n>>> Value(" x ")." #name  \
                         "().data\n" fx "\n"},
#define BINARY(name, symbol, constant, raises, forward, da, db, daa, dab, dbb, help, x, fx)    \
    {#name, method_##name, METH_O,                                                             \
     METHOD_TEXT(name, "($self, b, /)", help,                                                  \
                 raises) "\nself is a.\n\n"                                                    \
                         ">>> from micrograd_fast import Value, " #name "\n>>> a, b = " x "\n" \
                         ">>> Value(a)." #name "(b).data == " #name "(a, b)\nTrue\n"},
#define BINARY_OPERATOR(...)
#include "ops.def"
#define CALL_UNARY METH_NOARGS
#define CALL_BINARY METH_O
#define TAKES_UNARY ""
#define TAKES_BINARY "b, "
#define ALIAS(alias, name, kind, x, arguments)                                                   \
    {#alias, method_##name, CALL_##kind,                                                         \
     #alias "($self, " TAKES_##kind                                                              \
     "/)\n--\n\nThe same as " #name "(), under the name that numpy "                             \
     "looks up.\n\n>>> from micrograd_fast import Value\n>>> Value(" x ")." #alias "(" arguments \
     ").data == Value(" x ")." #name "(" arguments ").data\nTrue\n"},
#include "ops.def"
    {NULL, NULL, 0, NULL},
};

PyMethodDef mg_value_functions[] = {
#define UNARY(name, symbol, raises, forward, da, daa, help, x, fx) \
    {#name, function_##name, METH_O, FUNCTION_TEXT(name, "(x, /)", help, raises, x, fx)},
#define UNARY_OPERATOR(...)
#define PARAMETRIC(name, symbol, raises, parameter, initial, forward, da, daa, help, x, fx) \
    {#name, CAST(function_##name), METH_FASTCALL | METH_KEYWORDS,                           \
     FUNCTION_TEXT(name, "(x, /, " #parameter "=" #initial ")", help, raises, x, fx)},
#define BINARY(name, symbol, constant, raises, forward, da, db, daa, dab, dbb, help, x, fx) \
    {#name, CAST(function_##name), METH_FASTCALL,                                           \
     FUNCTION_TEXT(name, "(a, b, /)", help, raises, x, fx)},
#define BINARY_OPERATOR(...)
#define TERNARY(name, symbol, raises, forward, da, db, dc, help, x, fx) \
    {#name, CAST(function_##name), METH_FASTCALL,                       \
     FUNCTION_TEXT(name, "(condition, b, c, /)", help, raises, x, fx)},
#include "ops.def"
    {NULL, NULL, 0, NULL},
};
