/* Calls of networks and tapes: from a complete block to the nodes of the outputs. */
#include "value_call.h"

mg_node *mg_value_parameters(mg_block *block, PyObject *name) {
    mg_node *node = block != NULL ? mg_value_node(MG_OP_parameters, 0.0) : NULL;
    if (node == NULL) {
        if (block != NULL) {
            mg_net_dispose(block);
            mg_memory_free(block);
        }
        return PyErr_Occurred() ? NULL : (mg_node *)PyErr_NoMemory();
    }
    mg_node_prefix(node)->left.block = block;
    node->right.node = NULL;
    if (mg_value_hold(block) && mg_value_tracked(node) == NULL) {
        return NULL;
    }
    if (mg_value_set_op_name(node, name) < 0) {
        mg_graph_drop(&mg_heap, node);
        return NULL;
    }
    return node;
}

mg_node *mg_value_tape_parameters(mg_tape *tape, uint32_t nin, mg_node *const *captured,
                                  uint32_t captured_count, PyObject *name) {
    return mg_value_parameters(mg_net_new_tape(tape, nin, captured, captured_count), name);
}

mg_block *mg_value_call_begin(mg_node *parameters) {
    mg_block *call = mg_net_call(parameters);
    if (call == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    parameters->refcount++;
    return call;
}

void mg_value_call_abandon(mg_block *call) {
    for (uint32_t i = 0; i < call->count; i++) {
        mg_graph_drop(&mg_heap, call->operands[i]);
    }
    mg_memory_free(call);
}

/* The node of a call that is complete, which it takes over. NULL with an exception. */
static mg_node *call_node(mg_block *call, double data) {
    mg_node *node = mg_value_node(MG_OP_network, data);
    if (node == NULL) {
        mg_value_call_abandon(call);
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

/* Fills the list with the outputs of a call as leaves; both are taken over. */
static PyObject *graphless_outputs(PyObject *outputs, mg_block *call) {
    for (Py_ssize_t k = 0; k < PyList_GET_SIZE(outputs); k++) {
        mg_node *output = mg_value_leaf(mg_call_outputs(call)[k]);
        if (output == NULL) {
            Py_CLEAR(outputs);
            break;
        }
        PyList_SET_ITEM(outputs, k, mg_object_of(output));
    }
    mg_value_call_abandon(call);
    return outputs;
}

PyObject *mg_value_call_end(mg_block *call) {
    const uint32_t nout = mg_net_of(call->operands[0])->nout;
    PyObject *outputs = PyList_New(nout);
    if (outputs == NULL) {
        mg_value_call_abandon(call);
        return NULL;
    }
    if (mg_value_is_graphless()) {
        return graphless_outputs(outputs, call);
    }
    mg_node *core = call_node(call, nout == 1 ? mg_call_outputs(call)[0] : 0.0);
    if (core == NULL) {
        Py_DECREF(outputs);
        return NULL;
    }
    if (nout == 1) {
        PyList_SET_ITEM(outputs, 0, mg_object_of(core));
        return outputs;
    }
    for (uint32_t k = 0; k < nout; k++) {
        PyObject *output =
            mg_value_vc(MG_OP_network_output, core, (double)k, 0, mg_call_outputs(call)[k]);
        if (output == NULL) {
            Py_CLEAR(outputs);
            break;
        }
        PyList_SET_ITEM(outputs, k, output);
    }
    mg_graph_drop(&mg_heap, core);
    return outputs;
}
