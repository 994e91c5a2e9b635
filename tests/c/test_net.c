/* Network nodes: what a call computes, and where its gradients go, against the same net written
   with one node for each operation. */
#include "net.h"

#include <math.h>
#include <string.h>

#include "order.h"
#include "support.h"

#define MOST_PARAMETERS 128
#define MOST_WIDTH 8

/* A net, and the leaves that it was made from. */
typedef struct {
    mg_net_layer layers[3];
    uint8_t neurons[3 * MOST_WIDTH];
    uint32_t layer_count, parameter_count, nin, nout;
    mg_node *leaves[MOST_PARAMETERS];
    mg_node *parameters; /* the parameters node */
} net;

/* A parameters node with this block; NULL when out of memory. */
static mg_node *node_of_parameters(mg_block *block) {
    mg_node *node = block != NULL ? mg_arena_alloc(&heap.arena, MG_OP_parameters) : NULL;
    if (node == NULL) {
        mg_memory_free(block);
        return NULL;
    }
    node->refcount = 1;
    node->data = 0.0;
    mg_node_prefix(node)->left.block = block;
    node->right.node = NULL;
    for (uint32_t i = 0; i < block->count; i++) {
        hold(block->operands[i]);
    }
    return node;
}

static mg_node *parameters_node(const net *of) {
    return node_of_parameters(
        mg_net_new(of->layers, of->layer_count, of->neurons, of->leaves, of->parameter_count));
}

static mg_node *norm_parameters(const net *of, double eps) {
    return node_of_parameters(mg_net_new_norm(of->leaves, of->parameter_count, eps));
}

/* Layers of these widths on nin inputs, with random parameters. */
static net random_net(uint32_t nin, uint32_t layer_count, const uint32_t *widths, mg_op op,
                      uint32_t has_bias) {
    net made = {.layer_count = layer_count, .nin = nin, .nout = widths[layer_count - 1]};
    uint32_t below = nin, neurons = 0;
    for (uint32_t l = 0; l < layer_count; l++) {
        made.layers[l] = (mg_net_layer){.nin = below, .nout = widths[l], .has_bias = has_bias};
        made.parameter_count += widths[l] * (below + has_bias);
        for (uint32_t j = 0; j < widths[l]; j++) {
            made.neurons[neurons++] = (uint8_t)op;
        }
        below = widths[l];
    }
    CHECK(made.parameter_count <= MOST_PARAMETERS);
    for (uint32_t i = 0; i < made.parameter_count; i++) {
        made.leaves[i] = leaf(random_between(-1.0, 1.0));
    }
    made.parameters = parameters_node(&made);
    return made;
}

static void drop_net(net *of) {
    drop(of->parameters);
    drop_nodes(of->leaves, of->parameter_count);
}

/* A call on inputs of which some are nodes (the others NULL). NULL when out of memory. */
static mg_node *call(mg_node *parameters, uint32_t nin, mg_node *const *inputs,
                     const double *numbers) {
    mg_net_fault fault;
    mg_block *block = mg_net_call(parameters);
    mg_node *node = block != NULL ? mg_arena_alloc(&heap.arena, MG_OP_network) : NULL;
    if (node == NULL) {
        mg_memory_free(block);
        return NULL;
    }
    hold(parameters);
    for (uint32_t i = 0; i < nin; i++) {
        mg_call_inputs(block)[i] = inputs[i] != NULL ? inputs[i]->data : numbers[i];
        if (inputs[i] != NULL) {
            mg_call_places(block)[block->count - 1] = i;
            block->operands[block->count++] = hold(inputs[i]);
        }
    }
    CHECK_STATUS(mg_net_forward(block, &fault), MG_OK);
    node->refcount = 1;
    node->data = mg_call_outputs(block)[0];
    mg_node_prefix(node)->left.block = block;
    node->right.node = NULL;
    return node;
}

static mg_node *output(mg_node *core, uint32_t k) {
    mg_node *node = mg_arena_alloc(&heap.arena, MG_OP_network_output);
    node->refcount = 1;
    mg_node_prefix(node)->left.node = hold(core);
    node->right.constant = (double)k;
    node->data = mg_call_outputs(mg_node_block(core))[k];
    return node;
}

/* The same with a node for each product, sum and activation. Takes nothing, gives `outputs`. */
static void by_operations(const net *of, mg_node *const *inputs, const double *numbers,
                          mg_node **outputs) {
    mg_node *x[MOST_WIDTH], *next[MOST_WIDTH];
    uint32_t at = 0, neuron = 0;
    for (uint32_t i = 0; i < of->nin; i++) {
        x[i] = inputs[i] != NULL ? hold(inputs[i]) : leaf(numbers[i]);
    }
    for (uint32_t l = 0; l < of->layer_count; l++) {
        const mg_net_layer *layer = &of->layers[l];
        for (uint32_t j = 0; j < layer->nout; j++) {
            const uint32_t bias = at + layer->nin;
            mg_node *sum = layer->has_bias ? hold(of->leaves[bias]) : leaf(0.0);
            for (uint32_t i = 0; i < layer->nin; i++) {
                mg_node *product = binary(MG_OP_mul, of->leaves[at++], x[i]);
                mg_node *more = binary(MG_OP_add, sum, product);
                DROP(sum, product);
                sum = more;
            }
            at += layer->has_bias;
            mg_op op = (mg_op)of->neurons[neuron++];
            next[j] = op == MG_OP_leaf
                          ? hold(sum)
                          : (mg_op_shapes[op] == MG_SHAPE_V ? unary(op, sum)
                                                            : with_constant(op, sum, 0.01));
            drop(sum);
        }
        drop_nodes(x, layer->nin);
        memcpy(x, next, layer->nout * sizeof(mg_node *));
    }
    memcpy(outputs, x, of->nout * sizeof(mg_node *));
}

/* sum((k + 1) * outputs[k]), taking the outputs. */
static mg_node *weighted(mg_node *const *outputs, uint32_t count) {
    mg_node *total = NULL;
    for (uint32_t k = 0; k < count; k++) {
        mg_node *term = with_constant(MG_OP_mul_vc, outputs[k], (double)k + 1.0);
        drop(outputs[k]);
        if (total != NULL) {
            mg_node *sum = binary(MG_OP_add, total, term);
            DROP(total, term);
            total = sum;
        } else {
            total = term;
        }
    }
    return total;
}

static mg_node *weighted_call(net *of, mg_node *const *inputs, const double *numbers) {
    mg_node *outputs[MOST_WIDTH], *core = call(of->parameters, of->nin, inputs, numbers);
    if (of->nout == 1) {
        outputs[0] = core;
    } else {
        for (uint32_t k = 0; k < of->nout; k++) {
            outputs[k] = output(core, k);
        }
        drop(core);
    }
    return weighted(outputs, of->nout);
}

static void reset(const net *of, mg_node *const *inputs) {
    for (uint32_t i = 0; i < of->parameter_count; i++) {
        of->leaves[i]->grad = 0.0;
    }
    for (uint32_t i = 0; i < of->nin; i++) {
        if (inputs[i] != NULL) {
            inputs[i]->grad = 0.0;
        }
    }
}

/* Outputs and gradients of the two versions, by each of the orders. */
static void check_net(net *of) {
    mg_node *inputs[MOST_WIDTH], *outputs[MOST_WIDTH], *culprit = NULL;
    double numbers[MOST_WIDTH], expected[MOST_PARAMETERS + MOST_WIDTH];
    for (uint32_t i = 0; i < of->nin; i++) {
        numbers[i] = random_between(-1.0, 1.0);
        inputs[i] = i % 2 == 0 ? leaf(numbers[i]) : NULL;
    }
    by_operations(of, inputs, numbers, outputs);
    mg_node *slow = weighted(outputs, of->nout);
    reset(of, inputs);
    CHECK_STATUS(mg_graph_backward(&heap, slow), MG_OK);
    for (uint32_t i = 0; i < of->parameter_count; i++) {
        expected[i] = of->leaves[i]->grad;
    }
    for (uint32_t i = 0; i < of->nin; i += 2) {
        expected[of->parameter_count + i] = inputs[i]->grad;
    }
    for (int order = 0; order < 3; order++) {
        mg_node *fused = weighted_call(of, inputs, numbers);
        CHECK_SAME(fused->data, slow->data);
        reset(of, inputs);
        CHECK_STATUS(order == 0   ? mg_graph_backward(&heap, fused)
                     : order == 1 ? mg_graph_backward_depth_first(&heap, fused)
                                  : mg_graph_backward_checked(&heap, fused, &culprit),
                     MG_OK);
        for (uint32_t i = 0; i < of->parameter_count; i++) {
            CHECK_NEAR(of->leaves[i]->grad, expected[i], 1e-13);
            CHECK_SAME(mg_net_of(of->parameters)->grads[i], 0.0);
        }
        for (uint32_t i = 0; i < of->nin; i += 2) {
            CHECK_NEAR(inputs[i]->grad, expected[of->parameter_count + i], 1e-13);
        }
        CHECK_COUNT(mg_net_of(of->parameters)->touched, 0);
        drop(fused);
    }
    drop(slow);
    for (uint32_t i = 0; i < of->nin; i += 2) {
        drop(inputs[i]);
    }
}

static void nets_of_many_sizes(void) {
    static const uint32_t widths[][3] = {{1}, {1, 1, 1}, {5}, {4, 4, 1}, {3, 6, 2}, {8, 1, 3}};
    static const uint32_t layer_counts[] = {1, 3, 1, 3, 3, 3}, nins[] = {1, 1, 3, 8, 2, 5};
    for (size_t i = 0; i < sizeof layer_counts / sizeof *layer_counts; i++) {
        for (uint32_t has_bias = 0; has_bias < 2; has_bias++) {
            heap_begin();
            net of = random_net(nins[i], layer_counts[i], widths[i], MG_OP_tanh, has_bias);
            check_net(&of);
            drop_net(&of);
            heap_end();
        }
    }
}

static void every_activation(void) {
    for (mg_op op = MG_OP_leaf; op < MG_OP_COUNT; op++) {
        int unary_row = mg_op_table[op].arity == 1;
        CHECK((mg_net_activations[op].forward != NULL) == (unary_row || op == MG_OP_leaf));
        CHECK((mg_net_activations[op].backward != NULL) == (unary_row || op == MG_OP_leaf));
        /* Those with a domain meet other numbers too: that is the next test's. */
        if (op != MG_OP_leaf && (!unary_row || mg_op_table[op].raises != MG_NEVER)) {
            continue;
        }
        heap_begin();
        harness_case(mg_op_table[op].name);
        net of = random_net(3, 2, (uint32_t[]){4, 2}, op, 1);
        check_net(&of);
        drop_net(&of);
        heap_end();
    }
}

static void activations_say_when_they_must_raise(void) {
    heap_begin();
    net of = random_net(1, 1, (uint32_t[]){2}, MG_OP_log, 0);
    of.leaves[0]->data = 1.0;
    of.leaves[1]->data = -3.0;
    mg_block *block = mg_net_call(of.parameters);
    mg_net_fault fault = {.op = MG_OP_leaf};
    mg_call_inputs(block)[0] = 2.0;
    CHECK_STATUS(mg_net_forward(block, &fault), MG_DOMAIN);
    CHECK_COUNT(fault.op, MG_OP_log);
    CHECK_SAME(fault.a, -6.0);
    mg_memory_free(block);
    drop_net(&of);
    heap_end();
}

static void neurons_of_one_layer_may_differ(void) {
    static const mg_op ops[] = {MG_OP_relu, MG_OP_tanh, MG_OP_tanh, MG_OP_leaf,
                                MG_OP_abs,  MG_OP_relu, MG_OP_silu};
    heap_begin();
    net of = random_net(3, 2, (uint32_t[]){5, 2}, MG_OP_leaf, 1);
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        of.neurons[i] = (uint8_t)ops[i];
    }
    drop(of.parameters);
    of.parameters = parameters_node(&of);
    check_net(&of);
    drop_net(&of);
    heap_end();
}

/* What was computed from others hands its gradient on, after all calls have given theirs. */
static void parameters_may_be_interior(void) {
    heap_begin();
    net of = random_net(2, 1, (uint32_t[]){1}, MG_OP_leaf, 0);
    mg_node *base = leaf(3.0), *square = binary(MG_OP_mul, base, base);
    mg_node *inputs[2] = {NULL, NULL};
    drop(of.leaves[1]);
    of.leaves[1] = square;
    drop(of.parameters);
    of.parameters = parameters_node(&of);
    mg_node *first = call(of.parameters, 2, inputs, (double[]){1.0, 5.0});
    inputs[0] = base;
    mg_node *second = call(of.parameters, 2, inputs, (double[]){0.0, 7.0});
    mg_node *root = binary(MG_OP_add, first, second);
    CHECK_STATUS(mg_graph_backward(&heap, root), MG_OK);
    CHECK_SAME(square->grad, 12.0);
    CHECK_SAME(base->grad, 12.0 * 6.0 + of.leaves[0]->data);
    CHECK_SAME(of.leaves[0]->grad, 1.0 + 3.0);
    DROP(root, second, first, base);
    drop_net(&of);
    heap_end();
}

/* Calls of two nets in one sweep, and one net in two sweeps. */
static void several_nets(void) {
    heap_begin();
    net one = random_net(1, 1, (uint32_t[]){1}, MG_OP_leaf, 1);
    net two = random_net(1, 1, (uint32_t[]){1}, MG_OP_leaf, 1);
    mg_node *none = NULL;
    mg_node *inner = call(one.parameters, 1, &none, (double[]){2.0});
    mg_node *outer = call(two.parameters, 1, &inner, NULL);
    mg_node *root = binary(MG_OP_add, outer, inner);
    for (int times = 1; times <= 2; times++) {
        inner->grad = outer->grad = 0.0;
        CHECK_STATUS(mg_graph_backward(&heap, root), MG_OK);
        CHECK_SAME(two.leaves[0]->grad, times * inner->data);
        CHECK_SAME(two.leaves[1]->grad, times);
        CHECK_SAME(one.leaves[1]->grad, times * (two.leaves[0]->data + 1.0));
    }
    DROP(root, outer, inner);
    drop_net(&one);
    drop_net(&two);
    heap_end();
}

static mg_node *polled_root, *polled_leaf;
static double seen_grad;
static int interrupt;

static int backward_while_polled(void) {
    on_poll = NULL;
    CHECK_STATUS(mg_graph_backward(&heap, polled_root), MG_OK);
    seen_grad = polled_leaf->grad;
    return interrupt;
}

/* A signal handler differentiates a call of the very net that a sweep under way has touched: both
   get what is theirs, and an interrupted sweep leaves nothing behind. */
static void a_sweep_within_a_sweep(void) {
    enum { LENGTH = 100 * (int)MG_PAGE_SLOTS };
    for (interrupt = 0; interrupt < 2; interrupt++) {
        heap_begin();
        net of = random_net(1, 1, (uint32_t[]){1}, MG_OP_leaf, 1);
        mg_node *none = NULL, *x = leaf(1.0), *chain = hold(x);
        for (int i = 0; i < LENGTH; i++) {
            mg_node *longer = unary(MG_OP_neg, chain);
            drop(chain);
            chain = longer;
        }
        mg_node *above = call(of.parameters, 1, &chain, NULL);
        polled_root = call(of.parameters, 1, &none, (double[]){10.0});
        polled_leaf = of.leaves[0];
        on_poll = backward_while_polled;
        CHECK_STATUS(mg_graph_backward(&heap, above), interrupt ? MG_INTERRUPTED : MG_OK);
        CHECK_SAME(seen_grad, 10.0 + chain->data);
        CHECK_SAME(of.leaves[0]->grad, 10.0 + chain->data);
        CHECK_SAME(of.leaves[1]->grad, 2.0);
        CHECK_COUNT(mg_net_of(of.parameters)->touched, 0);
        DROP(above, polled_root, chain, x);
        drop_net(&of);
        heap_end();
    }
}

static int interrupt_once(void) {
    on_poll = NULL;
    return 1;
}

/* An interruption between the outputs of a network and the network itself. */
static void an_interrupted_sweep_completes_networks(void) {
    enum { LENGTH = 100 * (int)MG_PAGE_SLOTS };
    heap_begin();
    net of = random_net(1, 1, (uint32_t[]){2}, MG_OP_leaf, 1);
    mg_node *x = leaf(3.0), *core = call(of.parameters, 1, &x, NULL);
    mg_node *first = output(core, 0), *second = output(core, 1), *chain = hold(second);
    for (int i = 0; i < LENGTH; i++) {
        mg_node *longer = unary(MG_OP_neg, chain);
        drop(chain);
        chain = longer;
    }
    /* Older than the chain in the graph, but in the log above it: a copy of the first output. */
    mg_node *late = output(core, 0), *root = binary(MG_OP_add, late, chain);
    on_poll = interrupt_once;
    CHECK_STATUS(mg_graph_backward(&heap, root), MG_INTERRUPTED);
    CHECK_SAME(x->grad, of.leaves[0]->data);
    CHECK_SAME(of.leaves[0]->grad, 3.0);
    CHECK_SAME(second->grad, 0.0);
    /* Nothing has stayed behind. */
    reset(&of, &x);
    second->grad = 1.0;
    mg_graph_step(second);
    mg_graph_step(core);
    CHECK_SAME(of.leaves[0]->grad, 0.0);
    CHECK_SAME(x->grad, of.leaves[2]->data);
    DROP(root, late, chain, second, first, core, x);
    drop_net(&of);
    heap_end();
}

/* output = w * x * (mean(x * x) + eps) ** -0.5, with one input that is a number and a node twice.
 */
static void norms(void) {
    heap_begin();
    net of = {.parameter_count = 3, .nin = 3, .nout = 3};
    for (uint32_t i = 0; i < 3; i++) {
        of.leaves[i] = leaf(random_between(-1.0, 1.0));
    }
    of.parameters = norm_parameters(&of, 0.25);
    mg_node *x = leaf(0.75), *inputs[3] = {x, NULL, x};
    mg_node *core = call(of.parameters, 3, inputs, (double[]){0.0, -2.0, 0.0});
    const double total = 0.75 * 0.75 + 4.0 + 0.75 * 0.75;
    const double scale = pow(total / 3.0 + 0.25, -0.5);
    double partials[2 + 3];
    for (uint32_t k = 0; k < 3; k++) {
        const double at = k == 1 ? -2.0 : 0.75, w = of.leaves[k]->data;
        mg_node *out = output(core, k);
        CHECK_SAME(out->data, w * (at * scale));
        for (uint32_t i = 0; i < 3; i++) {
            of.leaves[i]->grad = 0.0;
        }
        x->grad = 0.0;
        CHECK_STATUS(mg_graph_backward(&heap, out), MG_OK);
        for (uint32_t i = 0; i < 3; i++) {
            CHECK_SAME(of.leaves[i]->grad, i == k ? at * scale : 0.0);
        }
        /* d scale / d x, which is an input twice. */
        const double slope = -(scale * scale * scale) * 2.0 * 0.75 / 3.0;
        const double expected = w * ((k != 1 ? scale : 0.0) + at * slope);
        CHECK_NEAR(x->grad, expected, 1e-15);
        mg_net_partials(mg_node_block(core), k, partials);
        CHECK_NEAR(partials[0] + partials[1], expected, 1e-15);
        CHECK_SAME(partials[2 + k], at * scale);
        drop(out);
    }
    DROP(core, x);
    drop_net(&of);
    heap_end();
}

static void a_norm_says_when_it_must_raise(void) {
    heap_begin();
    net of = {.parameter_count = 1, .nin = 1, .nout = 1, .leaves = {leaf(1.0)}};
    of.parameters = norm_parameters(&of, 0.0);
    mg_block *block = mg_net_call(of.parameters);
    mg_net_fault fault = {.op = MG_OP_leaf};
    mg_call_inputs(block)[0] = 0.0;
    CHECK_STATUS(mg_net_forward(block, &fault), MG_ZERO_POWER);
    CHECK_COUNT(fault.op, MG_OP_pow);
    CHECK_SAME(fault.a, 0.0);
    CHECK_SAME(fault.b, -0.5);
    mg_memory_free(block);
    drop_net(&of);
    heap_end();
}

static void partials_of_an_output(void) {
    heap_begin();
    net of = random_net(2, 2, (uint32_t[]){3, 2}, MG_OP_tanh, 1);
    mg_node *inputs[2] = {NULL, leaf(0.5)};
    mg_node *core = call(of.parameters, 2, inputs, (double[]){-1.0, 0.0});
    double partials[MOST_PARAMETERS + 1];
    for (uint32_t k = 0; k < 2; k++) {
        mg_node *out = output(core, k);
        reset(&of, inputs);
        CHECK_STATUS(mg_graph_backward(&heap, out), MG_OK);
        mg_net_partials(mg_node_block(core), k, partials);
        CHECK_SAME(partials[0], inputs[1]->grad);
        for (uint32_t i = 0; i < of.parameter_count; i++) {
            CHECK_SAME(partials[i + 1], of.leaves[i]->grad);
        }
        drop(out);
    }
    DROP(core, inputs[1]);
    drop_net(&of);
    heap_end();
}

/* By hand: what an output adds waits in the call, is sent down once, and is gone then. */
static void steps_by_hand(void) {
    heap_begin();
    net of = random_net(1, 1, (uint32_t[]){2}, MG_OP_leaf, 1);
    mg_node *x = leaf(3.0), *core = call(of.parameters, 1, &x, NULL);
    mg_node *first = output(core, 0), *second = output(core, 1);
    first->grad = 2.0;
    second->grad = 5.0;
    mg_graph_step(first);
    mg_graph_step(second);
    CHECK_SAME(of.leaves[0]->grad, 0.0);
    mg_graph_step(core);
    CHECK_SAME(of.leaves[0]->grad, 6.0);
    CHECK_SAME(of.leaves[3]->grad, 5.0);
    CHECK_SAME(x->grad, 2.0 * of.leaves[0]->data + 5.0 * of.leaves[2]->data);
    mg_graph_step(core);
    mg_graph_step(of.parameters);
    CHECK_SAME(of.leaves[0]->grad, 6.0);
    DROP(second, first, core, x);
    drop_net(&of);
    heap_end();
}

static mg_status a_net_and_a_call(void) {
    mg_status status = MG_NO_MEMORY;
    heap_begin();
    mg_node *w = leaf(2.0), *x = w != NULL ? leaf(3.0) : NULL;
    net of = {.layers = {{.nin = 1, .nout = 1}},
              .neurons = {MG_OP_leaf},
              .layer_count = 1,
              .parameter_count = 1,
              .leaves = {w}};
    of.parameters = x != NULL ? parameters_node(&of) : NULL;
    mg_node *out = of.parameters != NULL ? call(of.parameters, 1, &x, NULL) : NULL;
    if (out != NULL) {
        status = mg_graph_backward(&heap, out);
        CHECK_SAME(w->grad, 3.0);
    }
    DROP(out, of.parameters, x, w);
    heap_end();
    return status;
}

int main(void) {
    RUN(nets_of_many_sizes);
    RUN(every_activation);
    RUN(activations_say_when_they_must_raise);
    RUN(neurons_of_one_layer_may_differ);
    RUN(parameters_may_be_interior);
    RUN(several_nets);
    RUN(a_sweep_within_a_sweep);
    RUN(an_interrupted_sweep_completes_networks);
    RUN(norms);
    RUN(a_norm_says_when_it_must_raise);
    RUN(partials_of_an_output);
    RUN(steps_by_hand);
    RUN_EACH_FAILURE(a_net_and_a_call);
    return harness_summary("net");
}
