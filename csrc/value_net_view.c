/* What Python sees of network nodes. */
#include "net.h"
#include "value_net.h"

int mg_value_is_call(const mg_node *node) {
    return node->op == MG_OP_network || node->op == MG_OP_network_output;
}

/* The network node at or below `node`. */
static mg_node *core_of(mg_node *node) {
    return node->op == MG_OP_network ? node : mg_node_left(node)->node;
}

PyObject *mg_value_call_name(const mg_node *node) {
    const mg_node *parameters = mg_node_block(core_of((mg_node *)node))->operands[0];
    return Py_NewRef((PyObject *)parameters->right.side->op_name);
}

void mg_value_call_step(mg_node *node) {
    mg_graph_step(node);
    if (node->op == MG_OP_network_output) {
        mg_graph_step(core_of(node));
    }
}

/* Of the parameters, those of the last layer's other neurons have no part in this output: it
   depends on those before `*from`, and on `*own_count` from `*own` on. */
static void own_parameters(mg_node *node, uint32_t *from, uint32_t *own, uint32_t *own_count) {
    const mg_net *net = mg_net_of(mg_node_block(core_of(node))->operands[0]);
    if (net->tape != NULL) {
        *from = mg_node_block(mg_node_block(core_of(node))->operands[0])->count;
        *own = *own_count = 0;
        return;
    }
    uint32_t output = node->op == MG_OP_network ? 0 : (uint32_t)mg_node_right(node)->constant;
    if (net->layer_count == 0) {
        *from = 0;
        *own = output;
        *own_count = 1;
        return;
    }
    const mg_net_layer *last = &net->layers[net->layer_count - 1];
    *from = last->first;
    *own_count = last->nin + (last->has_bias != 0);
    *own = last->first + output * *own_count;
}

PyObject *mg_value_call_operands(mg_node *node) {
    const mg_block *call = mg_node_block(core_of(node));
    const mg_block *parameters = mg_node_block(call->operands[0]);
    uint32_t inputs = call->count - 1, from, own, own_count;
    own_parameters(node, &from, &own, &own_count);
    PyObject *operands = PyTuple_New(inputs + from + own_count);
    if (operands == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < inputs; i++) {
        PyTuple_SET_ITEM(operands, i, Py_NewRef(mg_object_of(call->operands[i + 1])));
    }
    for (uint32_t i = 0; i < from + own_count; i++) {
        mg_node *parameter = parameters->operands[i < from ? i : own + i - from];
        PyTuple_SET_ITEM(operands, inputs + i, Py_NewRef(mg_object_of(parameter)));
    }
    return operands;
}

PyObject *mg_value_call_partials(mg_node *node) {
    mg_block *call = mg_node_block(core_of(node));
    uint32_t inputs = call->count - 1, from, own, own_count;
    own_parameters(node, &from, &own, &own_count);
    double *partials =
        mg_memory_alloc(inputs + mg_node_block(call->operands[0])->count, sizeof(double));
    if (partials == NULL) {
        return PyErr_NoMemory();
    }
    uint32_t output = node->op == MG_OP_network ? 0 : (uint32_t)mg_node_right(node)->constant;
    mg_net_partials(call, output, partials);
    PyObject *tuple = PyTuple_New(inputs + from + own_count);
    for (uint32_t i = 0; tuple != NULL && i < inputs + from + own_count; i++) {
        double partial = partials[i < inputs + from ? i : own + i - from];
        PyObject *number = PyFloat_FromDouble(partial);
        if (number == NULL) {
            Py_CLEAR(tuple);
            break;
        }
        PyTuple_SET_ITEM(tuple, i, number);
    }
    mg_memory_free(partials);
    return tuple;
}
