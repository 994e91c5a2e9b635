/* Calling a module of nn: its inputs, the forward pass, the nodes. */
#include "value_net.h"

#include <string.h>

#include "value_plan.h"

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
        mg_node *node = mg_node_of(item);
        node->refcount++;
        mg_call_places(call)[call->count - 1] = place;
        call->operands[call->count++] = node;
        *number = node->data;
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

static void call_abandon(mg_block *call) {
    for (uint32_t i = 0; i < call->count; i++) {
        mg_graph_drop(&mg_heap, call->operands[i]);
    }
    mg_memory_free(call);
}

/* The node of a call that is complete, which it takes over. NULL with an exception. */
static mg_node *call_node(mg_block *call, double data) {
    mg_node *node = mg_value_node(MG_OP_network, data);
    if (node == NULL) {
        call_abandon(call);
        return NULL;
    }
    mg_node_prefix(node)->left.block = call;
    node->right.node = NULL;
    for (uint32_t i = 0; i < call->count; i++) {
        if (UNLIKELY(call->operands[i]->flags & MG_TRACKED)) {
            return mg_value_tracked(node) != NULL ? node : NULL;
        }
    }
    return node;
}

/* The outputs as a list, of a node each. */
static PyObject *several_outputs(mg_block *call, uint32_t nout) {
    mg_node *core = call_node(call, 0.0);
    PyObject *outputs = core != NULL ? PyList_New(nout) : NULL;
    for (uint32_t k = 0; outputs != NULL && k < nout; k++) {
        PyObject *output =
            mg_value_vc(MG_OP_network_output, core, (double)k, 0, mg_call_outputs(call)[k]);
        if (output == NULL) {
            Py_CLEAR(outputs);
            break;
        }
        PyList_SET_ITEM(outputs, k, output);
    }
    if (core != NULL) {
        mg_graph_drop(&mg_heap, core);
    }
    return outputs;
}

static PyObject *call_plan(const mg_plan *made, PyObject *module, PyObject *x) {
    mg_block *call = mg_net_call(made->parameters);
    if (call == NULL) {
        return PyErr_NoMemory();
    }
    made->parameters->refcount++;
    const uint32_t nout = mg_net_of(made->parameters)->nout;
    if (take_inputs(call, x, module) < 0) {
        call_abandon(call);
        return NULL;
    }
    mg_net_fault fault;
    mg_status status = mg_net_forward(call, &fault);
    if (status != MG_OK) {
        call_abandon(call);
        return mg_value_raise(status, fault.op, fault.a, fault.b);
    }
    if (nout != 1) {
        return several_outputs(call, nout);
    }
    PyObject *output = mg_object_of(call_node(call, mg_call_outputs(call)[0]));
    if (output == NULL || made->bare) {
        return output;
    }
    PyObject *outputs = PyList_New(1);
    if (outputs == NULL) {
        Py_DECREF(output);
        return NULL;
    }
    PyList_SET_ITEM(outputs, 0, output);
    return outputs;
}

static PyObject *network_call(PyObject *self, PyObject *x) {
    mg_plan *made;
    int found = mg_plan_find(self, &made);
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
