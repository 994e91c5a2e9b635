/* Plans. A plan never holds the module that it belongs to, so a module dies with its last
   reference; every other circle through a plan goes through an attribute somewhere, and is the
   collector's. */
#include "value_plan.h"

#include "value_call.h"

#include "optim.h"

static PyTypeObject *plan_type;

static int plan_traverse(PyObject *self, visitproc visit, void *arg) {
    mg_plan *made = (mg_plan *)self;
    Py_VISIT((PyObject *)made->parameters);
    for (size_t i = 0; i < made->count; i++) {
        Py_VISIT(made->signature[i]);
    }
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static void release_signature(PyObject **signature, size_t count) {
    for (size_t i = 0; i < count; i++) {
        Py_DECREF(signature[i]);
    }
    mg_memory_free(signature);
}

static int plan_clear(PyObject *self) {
    mg_plan *made = (mg_plan *)self;
    PyObject **signature = made->signature;
    size_t count = made->count;
    mg_node *parameters = made->parameters;
    made->signature = NULL;
    made->count = 0;
    made->parameters = NULL;
    release_signature(signature, count);
    Py_XDECREF((PyObject *)parameters);
    return 0;
}

static void plan_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    plan_clear(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyType_Slot plan_slots[] = {
    {Py_tp_doc, (void *)"What a module of nn remembers between calls."},
    {Py_tp_traverse, plan_traverse},
    {Py_tp_clear, plan_clear},
    {Py_tp_dealloc, plan_dealloc},
    {0, NULL},
};

static PyType_Spec plan_spec = {
    .name = "micrograd_fast._core.Plan",
    .basicsize = sizeof(mg_plan),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = plan_slots,
};

/* The parameters node, whose op name is that of the module: what calls show as their `_op`. */
static mg_node *make_parameters(const mg_walk *found, mg_module_kind kind) {
    static const char *const names[] = {"", "Neuron", "Layer", "MLP", "Linear", "RMSNorm"};
    PyObject *op_name = PyUnicode_FromString(names[kind]);
    mg_block *block = NULL;
    if (op_name != NULL && found->parameters.count < UINT32_MAX / 32) {
        mg_node *const *parameters = found->parameters.items;
        uint32_t count = (uint32_t)found->parameters.count;
        block = kind == MG_MODULE_NORM
                    ? mg_net_new_norm(parameters, count, found->eps)
                    : mg_net_new(found->layers.items, (uint32_t)found->layers.count,
                                 found->neurons.items, parameters, count);
    }
    mg_node *node = op_name != NULL ? mg_value_parameters(block, op_name) : NULL;
    Py_XDECREF(op_name);
    return node;
}

/* Holds what the signature lists. From here on the collector may run, and with it any Python, which
   may take Values out of the module. */
static void hold_signature(mg_plan *made, mg_walk *found) {
    made->signature = found->signature.items;
    made->count = found->signature.count;
    found->signature = (mg_row){.items = NULL};
    for (size_t i = 0; i < made->count; i++) {
        Py_INCREF(made->signature[i]);
    }
}

/* A plan from what a walk found, whose signature it takes over. */
static mg_plan *make_plan(mg_walk *found, PyTypeObject *type, mg_module_kind kind) {
    size_t first, second;
    if (mg_nodes_find_duplicate(found->parameters.items, found->parameters.count, &first,
                                &second) != MG_OK) {
        return (mg_plan *)PyErr_NoMemory();
    }
    mg_plan filled = {.type = type,
                      .kind = kind,
                      .repeats = second < found->parameters.count,
                      .bare = kind != MG_MODULE_LINEAR && kind != MG_MODULE_NORM};
    hold_signature(&filled, found);
    filled.parameters = make_parameters(found, kind);
    mg_plan *made = filled.parameters != NULL ? PyObject_GC_New(mg_plan, plan_type) : NULL;
    if (made == NULL) {
        Py_XDECREF((PyObject *)filled.parameters);
        release_signature(filled.signature, filled.count);
        return NULL;
    }
    filled.head = made->head;
    *made = filled;
    PyObject_GC_Track((PyObject *)made);
    return made;
}

static int still_holds(const mg_plan *made, PyObject *module, PyTypeObject *type) {
    if (made->parameters == NULL || made->type != type) {
        return 0;
    }
    mg_walk at = {.expected = made->signature, .expected_end = made->signature + made->count};
    return mg_walk_module(&at, module, made->kind) && at.expected == at.expected_end;
}

int mg_plan_find(PyObject *module, mg_plan **found) {
    PyTypeObject *type = Py_TYPE(module);
    mg_module_kind kind = mg_module_kind_of(type);
    if (kind == MG_MODULE_NOTHING) {
        return 0;
    }
    PyObject **kept = mg_slot_at(module, mg_nn.plan);
    if (*kept != NULL && Py_TYPE(*kept) == plan_type &&
        still_holds((mg_plan *)*kept, module, type)) {
        *found = (mg_plan *)Py_NewRef(*kept);
        return 1;
    }
    mg_walk at = {.expected = NULL};
    mg_plan *made = NULL;
    if (mg_walk_module(&at, module, kind)) {
        made = make_plan(&at, type, kind);
    } else if (at.out_of_memory) {
        PyErr_NoMemory();
    }
    mg_walk_clear(&at);
    if (made == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    PyObject *old = *kept;
    *kept = Py_NewRef((PyObject *)made);
    Py_XDECREF(old);
    *found = made;
    return 1;
}

int mg_plan_setup(void) {
    plan_type = (PyTypeObject *)PyType_FromSpec(&plan_spec);
    return plan_type != NULL ? 0 : -1;
}
