/* What backward does at the nodes of a network. */
#ifndef MG_NET_SWEEP_H
#define MG_NET_SWEEP_H

#include "net.h"
#include "sweep.h"

/* Each adds what flows from `node`, of the op of its name, into its operands and marks them: see
   mg_reach. With a watch (NULL: none) a call may be stopped; nothing flows from it then, nor from
   those after it. */
size_t mg_net_propagate_network(mg_node *node, uint16_t epoch, mg_watch *watch);
size_t mg_net_propagate_parameters(mg_node *node, uint16_t epoch);

static inline size_t mg_net_propagate_network_output(mg_node *node, uint16_t epoch) {
    mg_node *call = mg_node_left(node)->node;
    size_t output = (size_t)mg_node_right(node)->constant;
    mg_call_adjoints(mg_node_block(call))[output] += node->grad;
    return mg_reach(call, epoch);
}

/* The end of a marked sweep, complete or not: adds the dense gradients of the networks that it met
   to those of their parameters. */
void mg_net_deliver_touched(void);

#endif
