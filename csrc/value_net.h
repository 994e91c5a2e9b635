/* The modules of nn, and what Python sees of network nodes.

   An output behaves as if it had been computed from the inputs and parameters directly: these are
   its children, with its partials, and its step by hand sends its grad into them. The network node
   and the parameters node that the outputs share are never shown. */
#ifndef MG_VALUE_NET_H
#define MG_VALUE_NET_H

#include "value.h"

/* Whether the node is an output of a network. */
int mg_value_is_call(const mg_node *node);

/* For an output, what `_op` shows ("MLP"), `_children`, and `_local_grads`: new references, or NULL
   with an exception. The children are the inputs that are Values and then, neuron by neuron, the
   parameters that the output depends on. */
PyObject *mg_value_call_name(const mg_node *node);
PyObject *mg_value_call_operands(mg_node *node);
PyObject *mg_value_call_partials(mg_node *node);

/* One step by hand, all the way to the children. */
void mg_value_call_step(mg_node *node);

/* Adds the functions that nn uses to `module`. 0, or -1 with an exception. */
int mg_value_net_setup(PyObject *module);

#endif
