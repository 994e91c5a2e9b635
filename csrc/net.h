/* Networks as nodes: one node for a whole call. A network is a stack of dense layers, or the
   normalisation to a root mean square of 1 (`norm`).

   Two kinds of node work together. A *parameters* node has all weights and biases of a network as
   its operands. It is made once and then shared by every call, so a call holds one reference
   instead of hundreds, and whatever walks over nodes (freeing, ordering, the cyclic collector)
   needs to know nothing new. A *network* node is one call: its operands are the parameters node and
   the inputs that are nodes; behind them lie all inputs as numbers and what the layers made of
   them.

   A call with one output is that node itself. A call with more has a network node that nobody sees
   and, above it, a *network_output* node for each output: these add their grads to the adjoints
   kept in the call, which the network node then sends down, once for all of them, and clears.

   A call of a compiled function is the same with a tape in place of layers: its parameters are the
   captured nodes, and its numbers are those of a run, whose first are its inputs, and the
   residuals, so that backward needs no second run.

   Backward adds the gradients of the parameters up in one dense array of the parameters node, and
   their data is read into another. Outside a backward pass the first is all zeros. A step by hand
   delivers it at once (mg_net_deliver); a marked sweep, in which nobody can look or write in
   between, does so once for all calls of the network (net_sweep.c). */
#ifndef MG_NET_H
#define MG_NET_H

#include "memory.h"
#include "node.h"
#include "tape.h"

/* nout neurons on nin inputs. The operands of a neuron are its nin weights and, with has_bias, its
   bias. */
typedef struct {
    uint32_t nin, nout, has_bias;
    uint32_t first; /* place of the first neuron's first weight among the parameters */
    uint32_t sums;  /* place of the nout weighted sums among a call's numbers; the outputs follow */
} mg_net_layer;

/* Lies behind the operands of a parameters node. */
typedef struct {
    uint32_t nin, nout;
    uint32_t layer_count;  /* 0: a norm */
    uint32_t numbers;      /* doubles that a call keeps (net.c says which) */
    uint32_t touched;      /* by a marked sweep under way: `grads` waits to be delivered */
    mg_node *next_touched; /* the next such parameters node */
    mg_net_layer *layers;  /* from the inputs up */
    uint8_t *neurons;      /* the op of each neuron's activation; MG_OP_leaf for none */
    double *data, *grads;  /* of the parameters */
    double *delta, *below; /* adjoints of a layer's outputs and inputs, within one step */
    double eps;            /* of a norm */
    mg_tape *tape;         /* of a compiled function, instead of layers; held */
} mg_net;

/* An activation over many neurons. */
typedef struct {
    void (*forward)(const double *a, double *r, size_t n);
    void (*backward)(const double *a, const double *r, double *g, size_t n); /* g *= dr/da */
} mg_net_activation;

/* By op: those of the unary rows and, for linear neurons, of MG_OP_leaf; NULLs elsewhere. A row
   with a parameter has its initial one. */
extern const mg_net_activation mg_net_activations[MG_OP_COUNT];

/* The block of a parameters node: nin, nout and has_bias of each layer are given, and the op of
   each neuron, from the first layer's first on. The caller has seen to it that the layers fit each
   other and the parameters them; it takes the references itself. NULL when out of memory. */
mg_block *mg_net_new(const mg_net_layer *layers, uint32_t layer_count, const uint8_t *neurons,
                     mg_node *const *parameters, uint32_t parameter_count);

/* The block of a parameters node for a norm: output i is parameter i times x[i] times
   (mean(x * x) + eps) ** -0.5. NULL when out of memory. */
mg_block *mg_net_new_norm(mg_node *const *parameters, uint32_t parameter_count, double eps);

/* The same for a tape, whose inputs are `nin` arguments and then the captured nodes. Takes a
   reference to the tape. NULL when out of memory or if a call would be too large. */
mg_block *mg_net_new_tape(mg_tape *tape, uint32_t nin, mg_node *const *captured,
                          uint32_t captured_count);

/* To be called before the block of a parameters node is freed. */
void mg_net_dispose(mg_block *parameters);

/* The block of a call of the network that `parameters` belongs to, with room for all inputs to be
   nodes. Its count is 1, for the parameters node, to which it has no reference yet. NULL when out
   of memory. */
mg_block *mg_net_call(mg_node *parameters);

/* The operation inside a network that must raise, and its arguments. */
typedef struct {
    mg_op op;
    double a, b;
} mg_net_fault;

/* Computes the outputs from the inputs. MG_OK, or why an operation must raise. */
mg_status mg_net_forward(mg_block *call, mg_net_fault *fault);

/* Reads the data of the parameters. Returns whether one of them is an interior node. */
int mg_net_read(mg_node *parameters);

/* Sends the adjoint of the call's output, `grad`, or those of its several outputs down, into the
   inputs and the dense gradients; the adjoints are zero then. The parameters must have been read.
 */
void mg_net_backward(mg_block *call, double grad);

/* The same in parts for a call of a tape, with adjoints of the caller's, one for each number and
   all zero at first. In between belongs mg_tape_reverse. */
void mg_net_seed(mg_block *call, double grad, double *adjoints);
void mg_net_collect(mg_block *call, const double *adjoints);

/* Sends nothing down: the adjoints of several outputs are zero then. */
void mg_net_forget(mg_block *call);

/* Adds the dense gradients to the parameters' grads; they are zero then. */
void mg_net_deliver(mg_node *parameters);

/* The partials of one output with respect to the call's inputs that are nodes and then all
   parameters. */
void mg_net_partials(mg_block *call, uint32_t output, double *partials);

static inline mg_net *mg_net_of(mg_node *parameters) {
    mg_block *block = mg_node_block(parameters);
    return (mg_net *)(block->operands + block->count);
}

static inline double *mg_call_inputs(mg_block *call) {
    return (double *)(call->operands + call->size);
}

/* Whether other nodes rely on what the node is: it stands between a network's outputs and the
   parameters. */
static inline int mg_net_is_hidden(const mg_node *node) {
    return node->op == MG_OP_parameters ||
           (node->op == MG_OP_network && mg_net_of(mg_node_block(node)->operands[0])->nout != 1);
}

/* Whether a network node is a call of a compiled function. */
static inline int mg_net_is_tape(const mg_node *node) {
    return mg_net_of(mg_node_block(node)->operands[0])->tape != NULL;
}

/* Which of the inputs each node among them is. */
static inline uint32_t *mg_call_places(mg_block *call) {
    return (uint32_t *)(mg_call_inputs(call) + mg_net_of(call->operands[0])->numbers);
}

static inline double *mg_call_adjoints(mg_block *call) {
    const mg_net *net = mg_net_of(call->operands[0]);
    return mg_call_inputs(call) + net->numbers - net->nout;
}

/* Where a run of a tape leaves them: tape->residual_count doubles. */
static inline double *mg_call_residuals(mg_block *call) {
    return mg_call_inputs(call) + mg_tape_forward_room(mg_net_of(call->operands[0])->tape);
}

static inline double *mg_call_outputs(mg_block *call) {
    return mg_call_adjoints(call) - mg_net_of(call->operands[0])->nout;
}

#endif
