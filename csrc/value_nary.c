/* The n-ary functions: any mix of Values and numbers into one node. */
#include "value_gather.h"
#include "value_record.h"

/* The node, or the plain number if no Value is among its numbers. Ends the gathering either way. */
static PyObject *gather_end(mg_gathering *all, mg_op op) {
    mg_block *block = all->block;
    double r = mg_nary_table[op].forward(mg_nary_numbers(block), block->size, block->parameter);
    if (block->count != 0) {
        return mg_gather_node(all, op, r);
    }
    mg_memory_free(block);
    return PyFloat_FromDouble(r);
}

/* --- functions --- */

/* op(values), with a parameter. */
static PyObject *apply_one(mg_op op, const mg_argument *values, double parameter) {
    mg_gathering all;
    if (mg_argument_refuse_empty(values) < 0 ||
        mg_gather_begin(&all, (size_t)values->count, parameter) < 0) {
        return NULL;
    }
    if (mg_gather_argument(&all, values) < 0) {
        mg_gather_abandon(&all);
        return NULL;
    }
    return gather_end(&all, op);
}

/* op(first, second), of the same length, and (NULL: no) one more number. */
static PyObject *apply_two(mg_op op, const mg_argument *first, const mg_argument *second,
                           PyObject *last, const char *last_name) {
    const char *function = first->function;
    Py_ssize_t n = first->count, m = second->count;
    mg_gathering all;
    if (n != m || n == 0) {
        PyErr_Format(PyExc_ValueError,
                     n != m ? "%s(): %s has %zd values but %s has %zd"
                            : "%s(): %s (%zd values) and %s (%zd values) are empty",
                     function, first->name, n, second->name, m);
        return NULL;
    }
    if (mg_gather_begin(&all, 2 * (size_t)n + (last != NULL), 0.0) < 0) {
        return NULL;
    }
    if (mg_gather_argument(&all, first) < 0 || mg_gather_argument(&all, second) < 0 ||
        (last != NULL && mg_gather_one(&all, last, function, last_name, -1) < 0)) {
        mg_gather_abandon(&all);
        return NULL;
    }
    return gather_end(&all, op);
}

static PyObject *open_and_apply_two(mg_op op, PyObject *first, const char *first_name,
                                    PyObject *second, const char *second_name, PyObject *last,
                                    const char *last_name) {
    PyObject *result = NULL;
    mg_argument x, y;
    if (mg_argument_open(&x, first, mg_op_table[op].name, first_name) < 0) {
        return NULL;
    }
    if (mg_argument_open(&y, second, mg_op_table[op].name, second_name) == 0) {
        result = apply_two(op, &x, &y, last, last_name);
        mg_argument_close(&y);
    }
    mg_argument_close(&x);
    return result;
}

static PyObject *arity_error(mg_op op, const char *takes, Py_ssize_t given) {
    PyErr_Format(PyExc_TypeError, "%s() takes %s (%zd arguments given)", mg_op_table[op].name,
                 takes, given);
    return NULL;
}

#define ONE_ARGUMENT(name)                                                 \
    static PyObject *function_##name(PyObject *module, PyObject *values) { \
        mg_argument from;                                                  \
        (void)module;                                                      \
        if (mg_argument_open(&from, values, #name, "values") < 0) {        \
            return NULL;                                                   \
        }                                                                  \
        PyObject *result = apply_one(MG_OP_##name, &from, 0.0);            \
        mg_argument_close(&from);                                          \
        return result;                                                     \
    }

ONE_ARGUMENT(sum)
ONE_ARGUMENT(mean)
ONE_ARGUMENT(logsumexp)
ONE_ARGUMENT(norm)

#define TWO_ARGUMENTS(name, first, second)                                                        \
    static PyObject *function_##name(PyObject *module, PyObject *const *args, Py_ssize_t count) { \
        (void)module;                                                                             \
        if (count != 2) {                                                                         \
            return arity_error(MG_OP_##name, first " and " second, count);                        \
        }                                                                                         \
        return open_and_apply_two(MG_OP_##name, args[0], first, args[1], second, NULL, NULL);     \
    }

TWO_ARGUMENTS(mse_loss, "predictions", "targets")
TWO_ARGUMENTS(hinge_loss, "scores", "targets")

static PyObject *function_dot(PyObject *module, PyObject *const *args, Py_ssize_t count,
                              PyObject *names) {
    Py_ssize_t keywords = names != NULL ? PyTuple_GET_SIZE(names) : 0;
    (void)module;
    if (keywords == 1 && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "b") != 0) {
        PyErr_Format(PyExc_TypeError, "dot() got an unexpected keyword argument '%U'; it takes b",
                     PyTuple_GET_ITEM(names, 0));
        return NULL;
    }
    if (count < 2 || count + keywords > 3) {
        return arity_error(MG_OP_dot, "w, x and b=0", count + keywords);
    }
    return open_and_apply_two(MG_OP_dot, args[0], "w", args[1], "x",
                              count + keywords == 3 ? args[2] : NULL, "b");
}

static PyObject *function_polyval(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    PyObject *result = NULL;
    mg_argument from;
    mg_gathering all;
    (void)module;
    if (count != 2) {
        return arity_error(MG_OP_polyval, "coefficients and x", count);
    }
    if (mg_argument_open(&from, args[0], "polyval", "coefficients") < 0) {
        return NULL;
    }
    if (mg_argument_refuse_empty(&from) == 0 &&
        mg_gather_begin(&all, (size_t)from.count + 1, 0.0) == 0) {
        if (mg_gather_argument(&all, &from) < 0 ||
            mg_gather_one(&all, args[1], "polyval", "x", -1) < 0) {
            mg_gather_abandon(&all);
        } else {
            result = gather_end(&all, MG_OP_polyval);
        }
    }
    mg_argument_close(&from);
    return result;
}

static PyObject *function_cross_entropy(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    PyObject *result = NULL;
    mg_argument logits;
    (void)module;
    if (count != 2) {
        return arity_error(MG_OP_cross_entropy, "logits and target_index", count);
    }
    if (!PyIndex_Check(args[1])) {
        PyErr_Format(PyExc_TypeError, "cross_entropy(): target_index must be an int, not '%.200s'",
                     Py_TYPE(args[1])->tp_name);
        return NULL;
    }
    /* An int too large for any list is clipped, and refused below. */
    Py_ssize_t target = PyNumber_AsSsize_t(args[1], NULL);
    if ((target == -1 && PyErr_Occurred()) ||
        mg_argument_open(&logits, args[0], "cross_entropy", "logits") < 0) {
        return NULL;
    }
    if (mg_argument_refuse_empty(&logits) == 0) {
        if (target < 0 || target >= logits.count) {
            PyErr_Format(PyExc_ValueError,
                         "cross_entropy(): target_index %S is not one of the %zd logits (0 to %zd)",
                         args[1], logits.count, logits.count - 1);
        } else {
            result = apply_one(MG_OP_cross_entropy, &logits, (double)target);
        }
    }
    mg_argument_close(&logits);
    return result;
}

/* An int picks one of the values here and now; a Value, whose data may differ at the next replay of
   a recording, makes a node. */
static PyObject *take(const mg_argument *values, PyObject *index) {
    const size_t size = (size_t)values->count;
    double place;
    mg_gathering all;
    if (mg_is_value(index)) {
        place = mg_node_of(index)->data;
    } else {
        Py_ssize_t number = PyNumber_AsSsize_t(index, PyExc_IndexError);
        if (number == -1 && PyErr_Occurred()) {
            return NULL;
        }
        place = (double)number;
    }
    if (!nary_is_place(place, size)) {
        PyErr_Format(PyExc_IndexError, "take(): index %R does not name one of the %zu values",
                     index, size);
        return NULL;
    }
    if (mg_gather_begin(&all, size + 1, 0.0) < 0) {
        return NULL;
    }
    if (mg_gather_argument(&all, values) < 0 ||
        mg_gather_one(&all, index, "take", "index", -1) < 0) {
        mg_gather_abandon(&all);
        return NULL;
    }
    if (mg_is_value(index)) {
        return gather_end(&all, MG_OP_take);
    }
    const size_t chosen = nary_place(place, size);
    mg_block *block = all.block;
    PyObject *result = NULL;
    for (uint32_t i = 0; i < block->count; i++) {
        if ((block->count == block->size ? i : mg_nary_places(block)[i]) == chosen) {
            result = Py_NewRef(mg_object_of(block->operands[i]));
        }
    }
    if (result == NULL) {
        result = PyFloat_FromDouble(mg_nary_numbers(block)[chosen]);
    }
    mg_gather_abandon(&all);
    return result;
}

static PyObject *function_take(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    mg_argument values;
    (void)module;
    if (count != 2) {
        arity_error(MG_OP_take, "values and index", count);
        return NULL;
    }
    if (!mg_is_value(args[1]) && !PyIndex_Check(args[1])) {
        PyErr_Format(PyExc_TypeError,
                     "take(): index must be an int or a Value that is one, not '%.200s'",
                     Py_TYPE(args[1])->tp_name);
        return NULL;
    }
    if (mg_argument_open(&values, args[0], "take", "values") < 0) {
        return NULL;
    }
    PyObject *result = mg_argument_refuse_empty(&values) == 0 ? take(&values, args[1]) : NULL;
    mg_argument_close(&values);
    return result;
}

/* --- softmax and log_softmax --- */

/* One binary node for each value, over the value and one logsumexp node that all of them share.
   What the nodes hold is not worked out from that node's data, which is rounded: where values are
   huge it has no digits left for it. A recording, which works out everything from its operands,
   composes the same arithmetic of other nodes (normalise_recorded). */
typedef struct {
    mg_op op;
    int is_log;
    double largest, rest; /* the largest value; softmax: the sum of exp(value - largest), or its log
                           */
} normaliser;

static double normalised(const normaliser *by, double x) {
    return by->is_log ? x - by->largest - by->rest : exp(x - by->largest) / by->rest;
}

/* `total` is the logsumexp node of this block, or NULL if no Value is among the numbers. */
static PyObject *normalised_list(const normaliser *by, mg_block *block, mg_node *total) {
    PyObject *list = PyList_New((Py_ssize_t)block->size);
    int is_mixed = block->count != block->size;
    for (uint32_t i = 0, operand = 0; list != NULL && i < block->size; i++) {
        PyObject *element;
        if (operand < block->count && (!is_mixed || mg_nary_places(block)[operand] == i)) {
            mg_node *x = block->operands[operand++];
            element = mg_value_vv(by->op, x, total, normalised(by, x->data));
        } else {
            double x = mg_nary_constants(block)[i];
            /* Two codes on: the number is the first operand. */
            element = total == NULL ? PyFloat_FromDouble(normalised(by, x))
                                    : mg_value_vc(by->op + 2, total, x, 0, normalised(by, x));
        }
        if (element == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, element);
        }
    }
    return list;
}

static PyObject *normalise(const mg_argument *values, int is_log) {
    normaliser by = {.op = is_log ? MG_OP_sub : MG_OP_exp_difference, .is_log = is_log};
    mg_gathering all;
    PyObject *total, *list;
    if (mg_argument_refuse_empty(values) < 0 ||
        mg_gather_begin(&all, (size_t)values->count, 0.0) < 0) {
        return NULL;
    }
    if (mg_gather_argument(&all, values) < 0) {
        mg_gather_abandon(&all);
        return NULL;
    }
    mg_block *block = all.block;
    const double *x = mg_nary_numbers(block);
    double others = nary_others(x, block->size, &by.largest);
    by.rest = is_log ? log1p(others) : exp(x[0] - by.largest);
    for (uint32_t i = 1; !is_log && i < block->size; i++) {
        by.rest += exp(x[i] - by.largest);
    }
    if (block->count == 0) {
        list = normalised_list(&by, block, NULL);
        mg_memory_free(block);
        return list;
    }
    const double sum = nary_logsumexp(x, block->size, 0.0);
    /* The elements are made from the block, which without a graph no node takes over. */
    const int graphless = mg_value_is_graphless();
    total =
        graphless ? mg_object_of(mg_value_leaf(sum)) : mg_gather_node(&all, MG_OP_logsumexp, sum);
    list = total != NULL ? normalised_list(&by, block, mg_node_of(total)) : NULL;
    Py_XDECREF(total);
    if (graphless) {
        mg_gather_abandon(&all);
    }
    return list;
}

static PyObject *open_and_normalise(PyObject *values, const char *function, int is_log) {
    mg_argument from;
    if (mg_recordings != NULL && mg_recording_here() != NULL) {
        return mg_loans.normalise_recorded(values, is_log);
    }
    if (mg_argument_open(&from, values, function, "values") < 0) {
        return NULL;
    }
    PyObject *list = normalise(&from, is_log);
    mg_argument_close(&from);
    return list;
}

static PyObject *function_softmax(PyObject *module, PyObject *values) {
    (void)module;
    return open_and_normalise(values, "softmax", 0);
}

static PyObject *function_log_softmax(PyObject *module, PyObject *values) {
    (void)module;
    return open_and_normalise(values, "log_softmax", 1);
}

/* --- the tables --- */

#define CAST(function) ((PyCFunction)(void (*)(void))(function))

#define SIGNATURE_sum "(values, /)"
#define SIGNATURE_mean "(values, /)"
#define SIGNATURE_logsumexp "(values, /)"
#define SIGNATURE_norm "(values, /)"
#define SIGNATURE_dot "(w, x, /, b=0)"
#define SIGNATURE_mse_loss "(predictions, targets, /)"
#define SIGNATURE_hinge_loss "(scores, targets, /)"
#define SIGNATURE_polyval "(coefficients, x, /)"
#define SIGNATURE_take "(values, index, /)"
#define SIGNATURE_cross_entropy "(logits, target_index, /)"

#define CALL_sum METH_O
#define CALL_mean METH_O
#define CALL_logsumexp METH_O
#define CALL_norm METH_O
#define CALL_dot (METH_FASTCALL | METH_KEYWORDS)
#define CALL_mse_loss METH_FASTCALL
#define CALL_hinge_loss METH_FASTCALL
#define CALL_polyval METH_FASTCALL
#define CALL_take METH_FASTCALL
#define CALL_cross_entropy METH_FASTCALL

#define TAKES                                                                                   \
    "Takes any mix of Values and plain numbers, in lists, tuples, generators or numpy arrays, " \
    "and\n"                                                                                     \
    "makes one node. "
#define RAISES                                                                                   \
    "Raises ValueError for no values or different lengths, and TypeError, naming the item, for " \
    "what\n"                                                                                     \
    "is not a real number.\n"

PyMethodDef mg_value_nary_functions[] = {
#define NARY(name, symbol, operands, forward, partials, tangents, help, x, fx)          \
    {#name, CAST(function_##name), CALL_##name,                                         \
     #name SIGNATURE_##name                                                             \
     "\n--\n\n" help "\n\n" TAKES "Returns a float if no Value is among them.\n" RAISES \
     "\n>>> from micrograd_fast import " #name "\n>>> " #name "(" x ")\n" fx "\n"},
#include "ops.def"
    {"softmax", function_softmax, METH_O,
     "softmax(values, /)\n--\n\nexp(v) / sum(exp(values)) for each v, as a list; nothing "
     "overflows.\n\n" TAKES
     "The elements share one\nlogsumexp node. A list of floats if no Value is among them.\n" RAISES
     "\n>>> from micrograd_fast import softmax\n>>> softmax([1000.0, 1000.0])\n[0.5, 0.5]\n"},
    {"log_softmax", function_log_softmax, METH_O,
     "log_softmax(values, /)\n--\n\nv - logsumexp(values) for each v, as a list.\n\n" TAKES
     "The elements share one\nlogsumexp node. A list of floats if no Value is among them.\n" RAISES
     "\n>>> from micrograd_fast import log_softmax\n>>> log_softmax([5.0])\n[0.0]\n"},
    {NULL, NULL, 0, NULL},
};
