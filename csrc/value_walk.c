/* The walk over a module of nn: what its signature is, and what a plan of it is made of. */
#include <string.h>

#include "value_plan.h"

#include <structmember.h>

mg_nn_classes mg_nn;

mg_module_kind mg_module_kind_of(PyTypeObject *type) {
    if (mg_nn.neuron == NULL) {
        return MG_MODULE_NOTHING;
    }
    return PyType_IsSubtype(type, mg_nn.mlp)      ? MG_MODULE_MLP
           : PyType_IsSubtype(type, mg_nn.layer)  ? MG_MODULE_LAYER
           : PyType_IsSubtype(type, mg_nn.neuron) ? MG_MODULE_NEURON
           : PyType_IsSubtype(type, mg_nn.linear) ? MG_MODULE_LINEAR
           : PyType_IsSubtype(type, mg_nn.norm)   ? MG_MODULE_NORM
                                                  : MG_MODULE_NOTHING;
}

static inline PyObject *slot(PyObject *object, Py_ssize_t offset) {
    return *mg_slot_at(object, offset);
}

/* --- activations by name --- */

static int is_activation(mg_op op) {
    return op != MG_OP_leaf && mg_net_activations[op].forward != NULL;
}

/* The op of an activation, MG_OP_leaf for "linear", MG_OP_COUNT if there is none of that name. */
static mg_op activation_named(PyObject *name) {
    if (!PyUnicode_CheckExact(name)) {
        return MG_OP_COUNT;
    }
    if (PyUnicode_CompareWithASCIIString(name, "linear") == 0) {
        return MG_OP_leaf;
    }
    for (mg_op op = MG_OP_leaf; op < MG_OP_COUNT; op++) {
        if (is_activation(op) &&
            PyUnicode_CompareWithASCIIString(name, mg_op_table[op].name) == 0) {
            return op;
        }
    }
    return MG_OP_COUNT;
}

/* --- the walk --- */

/* Room for `count` more items of `size` bytes, already counted; NULL when out of memory. */
static void *extend(mg_row *of, size_t count, size_t size) {
    if (count > of->capacity - of->count) {
        size_t capacity = 2 * of->capacity + count + 16;
        void *items = mg_memory_resize(of->items, capacity, size);
        if (items == NULL) {
            return NULL;
        }
        of->items = items;
        of->capacity = capacity;
    }
    void *room = (char *)of->items + of->count * size;
    of->count += count;
    return room;
}

void mg_walk_clear(mg_walk *at) {
    mg_memory_free(at->signature.items);
    mg_memory_free(at->parameters.items);
    mg_memory_free(at->layers.items);
    mg_memory_free(at->neurons.items);
}

/* The functions of the walk return 0 where it differs from the plan, or where there can be none. */

static inline int meet(mg_walk *at, PyObject *const *objects, size_t count) {
    if (LIKELY(at->expected != NULL)) {
        if (count > (size_t)(at->expected_end - at->expected) ||
            (count != 0 && memcmp(at->expected, objects, count * sizeof(PyObject *)) != 0)) {
            return 0;
        }
        at->expected += count;
        return 1;
    }
    void *room = extend(&at->signature, count, sizeof(PyObject *));
    if (room == NULL) {
        at->out_of_memory = 1;
        return 0;
    }
    if (count != 0) {
        memcpy(room, objects, count * sizeof(PyObject *));
    }
    return 1;
}

static int collect_parameters(mg_walk *at, PyObject *const *values, size_t count) {
    mg_node **room = extend(&at->parameters, count, sizeof(mg_node *));
    if (room == NULL) {
        at->out_of_memory = 1;
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (!mg_is_value(values[i])) {
            return 0;
        }
        room[i] = mg_node_of(values[i]);
    }
    return 1;
}

static int meet_parameters(mg_walk *at, PyObject *const *values, size_t count) {
    return meet(at, values, count) &&
           (at->expected != NULL || collect_parameters(at, values, count));
}

static int begin_layer(mg_walk *at) {
    if (at->expected != NULL) {
        return 1;
    }
    mg_net_layer *layer = extend(&at->layers, 1, sizeof(mg_net_layer));
    if (layer == NULL) {
        at->out_of_memory = 1;
        return 0;
    }
    *layer = (mg_net_layer){.nin = 0};
    return 1;
}

/* Counts a neuron into the last layer: its number of inputs must be that of its siblings, or of the
   first of them that of the outputs of the layer below. */
static int collect_neuron(mg_walk *at, Py_ssize_t nin, int has_bias, mg_op op) {
    mg_net_layer *layer = (mg_net_layer *)at->layers.items + at->layers.count - 1;
    if (nin == 0 || nin >= UINT32_MAX / 32 || op == MG_OP_COUNT) {
        return 0;
    }
    if (layer->nout == 0) {
        layer->nin = (uint32_t)nin;
        layer->has_bias = (uint32_t)has_bias;
        if (at->layers.count > 1 && layer[-1].nout != layer->nin) {
            return 0;
        }
    } else if (layer->nin != (uint32_t)nin) {
        return 0;
    }
    uint8_t *neuron = extend(&at->neurons, 1, 1);
    if (neuron == NULL) {
        at->out_of_memory = 1;
        return 0;
    }
    *neuron = (uint8_t)op;
    layer->nout++;
    return 1;
}

static int walk_neuron(mg_walk *at, PyObject *neuron) {
    PyObject *w = slot(neuron, mg_nn.w), *b = slot(neuron, mg_nn.b);
    PyObject *activation = slot(neuron, mg_nn.activation);
    if (w == NULL || b == NULL || activation == NULL || !PyList_CheckExact(w)) {
        return 0;
    }
    Py_ssize_t nin = PyList_GET_SIZE(w);
    return meet(at, &activation, 1) &&
           (at->expected != NULL || collect_neuron(at, nin, 1, activation_named(activation))) &&
           meet_parameters(at, ((PyListObject *)w)->ob_item, (size_t)nin) &&
           meet_parameters(at, &b, 1);
}

static int walk_layer(mg_walk *at, PyObject *layer) {
    PyObject *neurons = slot(layer, mg_nn.neurons);
    if (neurons == NULL || !PyList_CheckExact(neurons) || !begin_layer(at)) {
        return 0;
    }
    Py_ssize_t nout = PyList_GET_SIZE(neurons);
    for (Py_ssize_t j = 0; j < nout; j++) {
        PyObject *neuron = PyList_GET_ITEM(neurons, j);
        if (Py_TYPE(neuron) != mg_nn.neuron || !meet(at, &neuron, 1) || !walk_neuron(at, neuron)) {
            return 0;
        }
    }
    return nout > 0;
}

static int walk_mlp(mg_walk *at, PyObject *mlp) {
    PyObject *layers = slot(mlp, mg_nn.layers);
    if (layers == NULL || !PyList_CheckExact(layers)) {
        return 0;
    }
    Py_ssize_t count = PyList_GET_SIZE(layers);
    for (Py_ssize_t l = 0; l < count; l++) {
        PyObject *layer = PyList_GET_ITEM(layers, l);
        if (Py_TYPE(layer) != mg_nn.layer || !meet(at, &layer, 1) || !walk_layer(at, layer)) {
            return 0;
        }
    }
    return count > 0;
}

static int walk_linear(mg_walk *at, PyObject *linear) {
    PyObject *w = slot(linear, mg_nn.linear_w), *b = slot(linear, mg_nn.linear_b);
    if (w == NULL || b == NULL || !PyList_CheckExact(w) || !begin_layer(at)) {
        return 0;
    }
    Py_ssize_t nout = PyList_GET_SIZE(w);
    if (!meet(at, &b, 1) ||
        (b != Py_None && (!PyList_CheckExact(b) || PyList_GET_SIZE(b) != nout))) {
        return 0;
    }
    for (Py_ssize_t j = 0; j < nout; j++) {
        PyObject *weights = PyList_GET_ITEM(w, j);
        if (!PyList_CheckExact(weights) || !meet(at, &weights, 1)) {
            return 0;
        }
        Py_ssize_t nin = PyList_GET_SIZE(weights);
        if ((at->expected == NULL && !collect_neuron(at, nin, b != Py_None, MG_OP_leaf)) ||
            !meet_parameters(at, ((PyListObject *)weights)->ob_item, (size_t)nin) ||
            (b != Py_None && !meet_parameters(at, &((PyListObject *)b)->ob_item[j], 1))) {
            return 0;
        }
    }
    return nout > 0;
}

static int walk_norm(mg_walk *at, PyObject *norm) {
    PyObject *w = slot(norm, mg_nn.norm_w), *eps = slot(norm, mg_nn.norm_eps);
    if (w == NULL || eps == NULL || !PyList_CheckExact(w) || !PyFloat_CheckExact(eps)) {
        return 0;
    }
    Py_ssize_t dim = PyList_GET_SIZE(w);
    at->eps = PyFloat_AS_DOUBLE(eps);
    return dim > 0 && dim < UINT32_MAX / 32 && meet(at, &eps, 1) &&
           meet_parameters(at, ((PyListObject *)w)->ob_item, (size_t)dim);
}

int mg_walk_module(mg_walk *at, PyObject *module, mg_module_kind kind) {
    switch (kind) {
    case MG_MODULE_NEURON:
        return begin_layer(at) && walk_neuron(at, module);
    case MG_MODULE_LAYER:
        return walk_layer(at, module);
    case MG_MODULE_MLP:
        return walk_mlp(at, module);
    case MG_MODULE_LINEAR:
        return walk_linear(at, module);
    case MG_MODULE_NORM:
        return walk_norm(at, module);
    case MG_MODULE_NOTHING:
        break;
    }
    return 0;
}

/* --- what nn calls --- */

static PyObject *network_activations(PyObject *module, PyObject *ignored) {
    (void)module, (void)ignored;
    PyObject *names = PyList_New(0);
    for (mg_op op = MG_OP_leaf; names != NULL && op < MG_OP_COUNT; op++) {
        if (!is_activation(op)) {
            continue;
        }
        PyObject *name = PyUnicode_FromString(mg_op_table[op].name);
        if (name == NULL || PyList_Append(names, name) < 0) {
            Py_CLEAR(names);
        }
        Py_XDECREF(name);
    }
    return names;
}

static int offset_of(PyObject *type, const char *name, Py_ssize_t *offset) {
    PyObject *descriptor = PyObject_GetAttrString(type, name);
    if (descriptor == NULL) {
        return -1;
    }
    int is_slot = Py_IS_TYPE(descriptor, &PyMemberDescr_Type);
    if (is_slot) {
        *offset = ((PyMemberDescrObject *)descriptor)->d_member->offset;
    } else {
        PyErr_Format(PyExc_TypeError, "%s of %R is not a slot", name, type);
    }
    Py_DECREF(descriptor);
    return is_slot ? 0 : -1;
}

static PyObject *network_classes(PyObject *module, PyObject *args) {
    PyObject *fused, *neuron, *layer, *mlp, *linear, *norm;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!O!O!O!O!O!", &PyType_Type, &fused, &PyType_Type, &neuron,
                          &PyType_Type, &layer, &PyType_Type, &mlp, &PyType_Type, &linear,
                          &PyType_Type, &norm) ||
        offset_of(fused, "_plan", &mg_nn.plan) < 0 || offset_of(neuron, "w", &mg_nn.w) < 0 ||
        offset_of(neuron, "b", &mg_nn.b) < 0 ||
        offset_of(neuron, "activation", &mg_nn.activation) < 0 ||
        offset_of(layer, "neurons", &mg_nn.neurons) < 0 ||
        offset_of(mlp, "layers", &mg_nn.layers) < 0 ||
        offset_of(linear, "w", &mg_nn.linear_w) < 0 ||
        offset_of(linear, "b", &mg_nn.linear_b) < 0 || offset_of(norm, "w", &mg_nn.norm_w) < 0 ||
        offset_of(norm, "eps", &mg_nn.norm_eps) < 0) {
        return NULL;
    }
    if (mg_value_make_callable((PyTypeObject *)fused) < 0) {
        return NULL;
    }
    /* Kept for ever, as their module is. */
    mg_nn.neuron = (PyTypeObject *)Py_NewRef(neuron);
    mg_nn.layer = (PyTypeObject *)Py_NewRef(layer);
    mg_nn.mlp = (PyTypeObject *)Py_NewRef(mlp);
    mg_nn.linear = (PyTypeObject *)Py_NewRef(linear);
    mg_nn.norm = (PyTypeObject *)Py_NewRef(norm);
    Py_RETURN_NONE;
}

PyMethodDef mg_value_walk_functions[] = {
    {"network_activations", network_activations, METH_NOARGS,
     "network_activations()\n--\n\nThe names of the activations, but for 'linear'."},
    {"network_classes", network_classes, METH_VARARGS,
     "network_classes(fused, neuron, layer, mlp, linear, norm, /)\n--\n\n"
     "Tell the core nn's classes, and make instances of the first callable."},
    {NULL, NULL, 0, NULL},
};
