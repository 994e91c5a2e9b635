/* Networks under a marked sweep. Invariant: a parameters node is in the list `touched` from the
   first of its calls that the sweep meets until the end of the sweep, and only then may its dense
   gradients be anything but zero. */
#include "net_sweep.h"

/* The parameters nodes whose dense gradients wait for the end of the marked sweep, or for its visit
   to them: threaded through next_touched. Only one marked sweep is ever under way. */
static mg_node *touched;

/* The first call that a marked sweep meets reads the parameters for all of them. Parameters that
   are leaves get their gradients when the sweep is over; nodes need theirs before it visits them,
   so then the parameters node, which is older than all calls and younger than its operands, is
   marked as an operand to be visited in its turn. */
static size_t touch(mg_node *parameters, uint16_t epoch) {
    mg_net *net = mg_net_of(parameters);
    if (net->touched) {
        return 0;
    }
    net->touched = 1;
    net->next_touched = touched;
    touched = parameters;
    return mg_net_read(parameters) ? mg_reach(parameters, epoch) : 0;
}

void mg_net_deliver_touched(void) {
    while (touched != NULL) {
        mg_net *net = mg_net_of(touched);
        mg_net_deliver(touched);
        net->touched = 0;
        touched = net->next_touched;
    }
}

size_t mg_net_propagate_network(mg_node *node, uint16_t epoch) {
    mg_block *call = mg_node_block(node);
    mg_node *parameters = call->operands[0];
    size_t added = 0;
    if (epoch != 0) {
        added = touch(parameters, epoch);
    } else {
        mg_net_read(parameters);
    }
    mg_net_backward(call, node->grad);
    if (epoch == 0) {
        mg_net_deliver(parameters);
    }
    for (uint32_t i = 1; i < call->count; i++) {
        added += mg_reach_alike(call->operands[i], epoch);
    }
    return added;
}

/* A marked sweep comes here after all calls. Otherwise these delivered their gradients themselves,
   and there is nothing left to do. */
size_t mg_net_propagate_parameters(mg_node *node, uint16_t epoch) {
    mg_block *block = mg_node_block(node);
    size_t added = 0;
    if (epoch == 0) {
        return 0;
    }
    mg_net_deliver(node);
    for (uint32_t i = 0; i < block->count; i++) {
        added += mg_reach_alike(block->operands[i], epoch);
    }
    return added;
}
