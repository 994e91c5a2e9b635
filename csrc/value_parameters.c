/* The type Parameters: what an optimiser holds of its parameters.

   Invariant: the pack never changes after construction but to become empty, when the collector
   clears it. A number of every method is one for each node. */
#include "value_arrays.h"
#include "value_record.h"

typedef struct {
    PyObject header;
    mg_pack pack;
} parameters;

static mg_pack *pack_of(PyObject *self) { return &((parameters *)self)->pack; }

/* 0, or -1 with ValueError that names both places, or MemoryError. */
static int refuse_duplicates(const mg_pack *pack) {
    size_t first, second;
    if (mg_nodes_find_duplicate(pack->nodes, pack->count, &first, &second) != MG_OK) {
        PyErr_NoMemory();
        return -1;
    }
    if (second == pack->count) {
        return 0;
    }
    PyErr_Format(PyExc_ValueError,
                 "parameters %zu and %zu are the same %R; list a shared Value once, for example "
                 "with list(dict.fromkeys(params))",
                 first, second, mg_object_of(pack->nodes[second]));
    return -1;
}

static PyObject *parameters_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *keywords[] = {"params", NULL};
    PyObject *params;
    mg_pack pack;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Parameters", keywords, &params) ||
        mg_pack_gather(&pack, params, 0) < 0) {
        return NULL;
    }
    PyObject *self = refuse_duplicates(&pack) < 0 ? NULL : type->tp_alloc(type, 0);
    if (self == NULL) {
        mg_pack_clear(&pack);
        return NULL;
    }
    *pack_of(self) = pack;
    return self;
}

static int parameters_traverse(PyObject *self, visitproc visit, void *arg) {
    mg_pack *pack = pack_of(self);
    for (size_t i = 0; i < pack->count; i++) {
        Py_VISIT(mg_object_of(pack->nodes[i]));
    }
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static int parameters_clear(PyObject *self) {
    mg_pack_clear(pack_of(self));
    return 0;
}

static void parameters_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    mg_pack_clear(pack_of(self));
    type->tp_free(self);
    Py_DECREF(type);
}

static Py_ssize_t parameters_length(PyObject *self) { return (Py_ssize_t)pack_of(self)->count; }

static PyObject *parameters_values(PyObject *self, PyObject *unused) {
    (void)unused;
    PyObject *values = PyTuple_New(parameters_length(self));
    if (values == NULL) {
        return NULL;
    }
    /* Only now: making the tuple may have run the collector. */
    mg_pack *pack = pack_of(self);
    for (size_t i = 0; i < pack->count; i++) {
        PyTuple_SET_ITEM(values, (Py_ssize_t)i, Py_NewRef(mg_object_of(pack->nodes[i])));
    }
    return values;
}

static PyObject *parameters_reduce(PyObject *self, PyObject *unused) {
    PyObject *values = parameters_values(self, unused);
    return values == NULL ? NULL : Py_BuildValue("O(N)", Py_TYPE(self), values);
}

static PyObject *zero_grads(PyObject *self, PyObject *unused) {
    if (mg_value_guard("grads are set to zero") < 0) {
        return NULL;
    }
    (void)unused;
    mg_nodes_zero_grads(pack_of(self)->nodes, pack_of(self)->count);
    Py_RETURN_NONE;
}

static PyObject *grad_norm(PyObject *self, PyObject *order) {
    if (mg_value_guard("grads are read") < 0) {
        return NULL;
    }
    double number;
    if (mg_value_require_number(order, "the order of a norm", &number) < 0) {
        return NULL;
    }
    return PyFloat_FromDouble(
        mg_nodes_grad_norm(pack_of(self)->nodes, pack_of(self)->count, number));
}

static PyObject *find_not_finite(PyObject *self, PyObject *unused) {
    if (mg_value_guard("grads are read") < 0) {
        return NULL;
    }
    (void)unused;
    return PyLong_FromSize_t(mg_nodes_find_not_finite(pack_of(self)->nodes, pack_of(self)->count));
}

static PyObject *scale_grads(PyObject *self, PyObject *factor) {
    if (mg_value_guard("grads are scaled") < 0) {
        return NULL;
    }
    double number;
    if (mg_value_require_number(factor, "the factor of gradients", &number) < 0) {
        return NULL;
    }
    mg_nodes_scale_grads(pack_of(self)->nodes, pack_of(self)->count, number);
    Py_RETURN_NONE;
}

/* Opens an array of one number per node for reading and writing. */
static int open_state(PyObject *self, PyObject *array, const char *what, Py_buffer *view) {
    Py_ssize_t length = parameters_length(self);
    return mg_doubles_open(array, what, 1, 1, &length, view);
}

static PyObject *sgd_step(PyObject *self, PyObject *args) {
    if (mg_value_guard("an optimizer steps") < 0) {
        return NULL;
    }
    mg_sgd rule;
    PyObject *array;
    Py_buffer velocity;
    if (!PyArg_ParseTuple(args, "dddpO:sgd_step", &rule.lr, &rule.momentum, &rule.weight_decay,
                          &rule.nesterov, &array) ||
        open_state(self, array, "the momentum buffer", &velocity) < 0) {
        return NULL;
    }
    mg_sgd_step(&rule, pack_of(self)->nodes, pack_of(self)->count, velocity.buf);
    PyBuffer_Release(&velocity);
    Py_RETURN_NONE;
}

static PyObject *adam_step(PyObject *self, PyObject *args) {
    if (mg_value_guard("an optimizer steps") < 0) {
        return NULL;
    }
    mg_adam rule;
    double step;
    PyObject *first, *second;
    Py_buffer m, v;
    if (!PyArg_ParseTuple(args, "dddddpdOO:adam_step", &rule.lr, &rule.beta1, &rule.beta2,
                          &rule.eps, &rule.weight_decay, &rule.decoupled, &step, &first, &second) ||
        open_state(self, first, "m", &m) < 0) {
        return NULL;
    }
    if (open_state(self, second, "v", &v) < 0) {
        PyBuffer_Release(&m);
        return NULL;
    }
    mg_adam_step(&rule, step, pack_of(self)->nodes, pack_of(self)->count, m.buf, v.buf);
    PyBuffer_Release(&m);
    PyBuffer_Release(&v);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(parameters_doc, "Parameters(params)\n--\n\n"
                             "The Values that an optimiser works on, each once.");

static PyMethodDef parameters_methods[] = {
    {"values", parameters_values, METH_NOARGS,
     "values($self, /)\n--\n\nThe Values, in order, as a tuple."},
    {"__reduce__", parameters_reduce, METH_NOARGS, NULL},
    {"zero_grads", zero_grads, METH_NOARGS, "zero_grads($self, /)\n--\n\nSet every grad to 0.0."},
    {"grad_norm", grad_norm, METH_O,
     "grad_norm($self, order, /)\n--\n\nThe norm of the gradients as one vector."},
    {"find_not_finite", find_not_finite, METH_NOARGS,
     "find_not_finite($self, /)\n--\n\n"
     "The position of the first gradient that is not finite, or how many there are."},
    {"scale_grads", scale_grads, METH_O,
     "scale_grads($self, factor, /)\n--\n\nMultiply every grad by a number."},
    {"sgd_step", sgd_step, METH_VARARGS,
     "sgd_step($self, lr, momentum, weight_decay, nesterov, momentum_buffer, /)\n--\n\n"
     "One step of gradient descent."},
    {"adam_step", adam_step, METH_VARARGS,
     "adam_step($self, lr, beta1, beta2, eps, weight_decay, decoupled, step, m, v, /)\n--\n\n"
     "Step number `step` of Adam, or of AdamW if decoupled."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot parameters_slots[] = {
    {Py_tp_doc, (void *)parameters_doc}, {Py_tp_new, parameters_new},
    {Py_tp_dealloc, parameters_dealloc}, {Py_tp_traverse, parameters_traverse},
    {Py_tp_clear, parameters_clear},     {Py_sq_length, parameters_length},
    {Py_tp_methods, parameters_methods}, {0, NULL},
};

PyObject *mg_parameters_type(void) {
    PyType_Spec spec = {.name = "micrograd_fast._core.Parameters",
                        .basicsize = sizeof(parameters),
                        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
                        .slots = parameters_slots};
    return PyType_FromSpec(&spec);
}
