/* Networks under a marked sweep. Invariant: a parameters node is in the list `touched` from the
   first of its calls that the sweep meets until the end of the sweep, and only then may its dense
   gradients be anything but zero. */
#include "net_sweep.h"

#include <string.h>

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

/* So much work between two looks at the poll: about a millisecond. */
#define WATCHED_WORK ((size_t)1 << 20)

/* From a tape this long on, a call may be stopped in the middle. */
#define LONG_TAPE 131072

typedef struct {
    const mg_tape *tape;
    const double *numbers, *residuals;
    double *adjoints;
} tape_sweep;

static mg_status sweep_tape(void *argument, int (*poll)(void)) {
    const tape_sweep *of = argument;
    return mg_tape_reverse(of->tape, of->numbers, of->residuals, of->adjoints, poll);
}

/* mg_net_backward for a call of a long tape. Whoever goes on while it runs (a signal handler, other
   threads) may differentiate this very call, so the sweep has adjoints of its own, and what it
   reads besides is immutable: the tape, which the parameters node holds, the numbers and the
   residuals. The result is added once nobody else runs. Other threads must not change the graph
   that is swept, no more than between two sweeps: `sweeping` keeps its shape, not its grads. */
static void backward_long(mg_block *call, double grad, mg_watch *watch) {
    const mg_net *net = mg_net_of(call->operands[0]);
    tape_sweep of = {net->tape, mg_call_inputs(call), mg_call_residuals(call),
                     mg_memory_alloc(net->tape->place_count, sizeof(double))};
    if (of.adjoints == NULL) {
        mg_net_backward(call, grad); /* which needs no memory and cannot be stopped */
        return;
    }
    memset(of.adjoints, 0, net->tape->place_count * sizeof(double));
    mg_net_seed(call, grad, of.adjoints);
    watch->status =
        watch->apart != NULL ? watch->apart(sweep_tape, &of) : sweep_tape(&of, watch->poll);
    if (watch->status == MG_OK) {
        mg_net_collect(call, of.adjoints);
    }
    mg_memory_free(of.adjoints);
}

static void backward_watched(mg_block *call, double grad, mg_watch *watch) {
    const mg_node *parameters = call->operands[0];
    const mg_net *net = mg_net_of(call->operands[0]);
    if (watch->status == MG_OK) {
        watch->worked += net->tape != NULL ? net->tape->step_count + net->tape->program->wide_count
                                           : net->numbers + mg_node_block(parameters)->count;
        if (watch->worked > WATCHED_WORK) {
            mg_watch_ask(watch);
        }
    }
    if (watch->status != MG_OK) {
        mg_net_forget(call);
    } else if (net->tape != NULL && net->tape->step_count >= LONG_TAPE) {
        backward_long(call, grad, watch);
    } else {
        mg_net_backward(call, grad);
    }
}

size_t mg_net_propagate_network(mg_node *node, uint16_t epoch, mg_watch *watch) {
    mg_block *call = mg_node_block(node);
    mg_node *parameters = call->operands[0];
    size_t added = 0;
    if (epoch != 0) {
        added = touch(parameters, epoch);
    } else {
        mg_net_read(parameters);
    }
    if (watch != NULL) {
        backward_watched(call, node->grad, watch);
    } else {
        mg_net_backward(call, node->grad);
    }
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
