/* Calling a module of nn: its inputs, the forward pass, the nodes. */
#include "value_net.h"

#include <string.h>

#include "value_call.h"
#include "value_plan.h"
#include "value_record.h"

/* The name of the method that composes a call of its parts. */
static PyObject *compose;

/* --- inputs --- */

static int refuse_count(PyObject *module, uint32_t nin, Py_ssize_t count) {
    PyErr_Format(PyExc_ValueError, "%R expects %u inputs, got %zd", module, nin, count);
    return -1;
}

static int take_input(mg_block *call, uint32_t place, PyObject *item, PyObject *module) {
    double *number = &mg_call_inputs(call)[place];
    if (mg_is_value(item)) {
        mg_value_call_input(call, place, mg_node_of(item));
        return 0;
    }
    if (PyFloat_CheckExact(item)) {
        *number = PyFloat_AS_DOUBLE(item);
        return 0;
    }
    int known = mg_value_number(item, number);
    if (known == 0) {
        PyErr_Format(PyExc_TypeError,
                     "input %u of %R must be a Value or a real number, not '%.200s'", place, module,
                     Py_TYPE(item)->tp_name);
    }
    return known == 1 ? 0 : -1;
}

/* Inputs from a list or tuple. Converting an unusual number may run arbitrary Python. */
static int take_items(mg_block *call, PyObject *items, PyObject *module, uint32_t nin) {
    for (uint32_t i = 0; i < nin; i++) {
        if (PySequence_Fast_GET_SIZE(items) != (Py_ssize_t)nin) {
            return refuse_count(module, nin, PySequence_Fast_GET_SIZE(items));
        }
        PyObject *item = Py_NewRef(PySequence_Fast_GET_ITEM(items, i));
        int failed = take_input(call, i, item, module);
        Py_DECREF(item);
        if (failed) {
            return -1;
        }
    }
    return 0;
}

/* Inputs from a row of doubles: 1, 0 if `x` is something else, or -1 with an exception. */
static int take_doubles(mg_block *call, PyObject *x, PyObject *module, uint32_t nin) {
    Py_buffer view;
    if (!PyObject_CheckBuffer(x)) {
        return 0;
    }
    if (PyObject_GetBuffer(x, &view, PyBUF_STRIDED_RO | PyBUF_FORMAT) < 0) {
        PyErr_Clear();
        return 0;
    }
    int taken = view.ndim == 1 && view.format != NULL && strcmp(view.format, "d") == 0;
    if (taken && view.shape[0] != (Py_ssize_t)nin) {
        taken = refuse_count(module, nin, view.shape[0]);
    }
    for (uint32_t i = 0; taken == 1 && i < nin; i++) {
        memcpy(&mg_call_inputs(call)[i], (const char *)view.buf + view.strides[0] * (Py_ssize_t)i,
               sizeof(double));
    }
    PyBuffer_Release(&view);
    return taken;
}

/* What is neither a list nor a tuple: a new list of its items. */
static PyObject *items_of(PyObject *x, PyObject *module, uint32_t nin) {
    if (mg_is_value(x)) {
        /* A layer with one neuron hands its output on bare. */
        PyObject *items = PyList_New(1);
        if (items != NULL) {
            PyList_SET_ITEM(items, 0, Py_NewRef(x));
        }
        return items;
    }
    if (PyUnicode_Check(x) || PyBytes_Check(x) ||
        (Py_TYPE(x)->tp_iter == NULL && !PySequence_Check(x))) {
        PyErr_Format(PyExc_TypeError, "%R expects a list of %u inputs, got %.200s", module, nin,
                     Py_TYPE(x)->tp_name);
        return NULL;
    }
    PyObject *shape = PyObject_GetAttrString(x, "shape");
    if (shape == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return NULL;
        }
        PyErr_Clear();
    } else if (PyTuple_Check(shape) && PyTuple_GET_SIZE(shape) != 1) {
        PyErr_Format(PyExc_ValueError, "%R takes one sample of %u inputs, got an array of shape %R",
                     module, nin, shape);
        Py_DECREF(shape);
        return NULL;
    }
    Py_XDECREF(shape);
    return PySequence_List(x);
}

static int take_inputs(mg_block *call, PyObject *x, PyObject *module) {
    const uint32_t nin = mg_net_of(call->operands[0])->nin;
    if (PyList_CheckExact(x) || PyTuple_CheckExact(x)) {
        Py_ssize_t count = PySequence_Fast_GET_SIZE(x);
        return count != (Py_ssize_t)nin ? refuse_count(module, nin, count)
                                        : take_items(call, x, module, nin);
    }
    int taken = take_doubles(call, x, module, nin);
    if (taken != 0) {
        return taken < 0 ? -1 : 0;
    }
    PyObject *items = items_of(x, module, nin);
    if (items == NULL) {
        return -1;
    }
    Py_ssize_t count = PyList_GET_SIZE(items);
    int failed = count != (Py_ssize_t)nin ? refuse_count(module, nin, count)
                                          : take_items(call, items, module, nin);
    Py_DECREF(items);
    return failed;
}

/* --- the call --- */

static PyObject *call_plan(const mg_plan *made, PyObject *module, PyObject *x) {
    mg_block *call = mg_value_call_begin(made->parameters);
    if (call == NULL) {
        return NULL;
    }
    if (take_inputs(call, x, module) < 0) {
        mg_value_call_abandon(call);
        return NULL;
    }
    mg_net_fault fault;
    mg_status status = mg_net_forward(call, &fault);
    if (status != MG_OK) {
        mg_value_call_abandon(call);
        return mg_value_raise(status, fault.op, fault.a, fault.b);
    }
    PyObject *outputs = mg_value_call_end(call);
    if (outputs == NULL || !made->bare || PyList_GET_SIZE(outputs) != 1) {
        return outputs;
    }
    PyObject *output = Py_NewRef(PyList_GET_ITEM(outputs, 0));
    Py_DECREF(outputs);
    return output;
}

static PyObject *network_call(PyObject *self, PyObject *x) {
    mg_plan *made;
    /* A program is made of the ops of the table. */
    int found =
        mg_recordings != NULL && mg_recording_here() != NULL ? 0 : mg_plan_find(self, &made);
    if (found < 0) {
        return NULL;
    }
    if (found == 0) {
        return PyObject_CallMethodOneArg(self, compose, x);
    }
    PyObject *outputs = call_plan(made, self, x);
    Py_DECREF(made);
    return outputs;
}

static PyMethodDef call_method = {
    "__call__", network_call, METH_O,
    "__call__($self, x, /)\n--\n\n"
    "The output for one sample: a Value, or a list of them; see the class.\n\n"
    "x may be a list, tuple or array of Values and numbers, or any other iterable of them."};

/* The parameters of a Neuron, Layer or MLP, in order, or None where they must be looked
   up one by one: there is no plan, or a Value is among them twice. */
static PyObject *network_parameters(PyObject *module, PyObject *of) {
    mg_plan *made;
    (void)module;
    int found = mg_plan_find(of, &made);
    if (found < 0) {
        return NULL;
    }
    if (found == 0) {
        Py_RETURN_NONE;
    }
    PyObject *list = NULL;
    if (!made->repeats) {
        const mg_block *block = mg_node_block(made->parameters);
        list = PyList_New(block->count);
        for (uint32_t i = 0; list != NULL && i < block->count; i++) {
            PyList_SET_ITEM(list, i, Py_NewRef(mg_object_of(block->operands[i])));
        }
    } else {
        list = Py_NewRef(Py_None);
    }
    Py_DECREF(made);
    return list;
}

int mg_value_make_callable(PyTypeObject *type) {
    PyObject *call = PyDescr_NewMethod(type, &call_method);
    int failed = call == NULL || PyObject_SetAttrString((PyObject *)type, "__call__", call) < 0;
    Py_XDECREF(call);
    return failed ? -1 : 0;
}

static PyMethodDef functions[] = {
    {"network_parameters", network_parameters, METH_O,
     "network_parameters(module, /)\n--\n\n"
     "The parameters of a module of the core's, if it knows them and no two are the same."},
    {NULL, NULL, 0, NULL},
};

int mg_value_net_setup(PyObject *module) {
    compose = PyUnicode_InternFromString("_compose");
    if (compose == NULL || mg_plan_setup() < 0 ||
        PyModule_AddFunctions(module, mg_value_walk_functions) < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, functions);
}
