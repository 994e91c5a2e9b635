#include "dag.h"

#include <math.h>

/* A node of a random graph has at most this many levels of operands below it, which bounds how far
   partials multiply up: with at most 4 as the sum of a node's partials, whole numbers stay below
   2^53. */
#define MOST_LEVELS 20

typedef struct {
    mg_node **nodes;
    uint8_t *levels;
    size_t first_leaves, count;
} growing_dag;

static mg_node *random_operand(const growing_dag *graph) {
    size_t recent = graph->count < 16 ? graph->count : 16;
    size_t i =
        random_below(2) ? random_below(graph->count) : graph->count - 1 - random_below(recent);
    return graph->nodes[graph->levels[i] < MOST_LEVELS ? i : random_below(graph->first_leaves)];
}

#define MOST_OPERANDS 7

/* An n-ary node of up to MOST_OPERANDS numbers, of which any but the first may be plain ones. */
static mg_node *random_nary(const growing_dag *graph, mg_op op) {
    mg_node *operands[MOST_OPERANDS];
    double numbers[MOST_OPERANDS], place;
    uint32_t size;
    do {
        size = 1 + (uint32_t)random_below(MOST_OPERANDS);
        place = (double)random_below(size);
    } while (!mg_nary_fits(op, size, place));
    for (uint32_t i = 0; i < size; i++) {
        operands[i] = i == 0 || random_below(4) != 0 ? random_operand(graph) : NULL;
        numbers[i] = (double)random_below(5) - 2.0;
    }
    return nary_mixed(op, size, operands, numbers, place);
}

static mg_node *random_node(const growing_dag *graph, mg_op op) {
    static const double partials[] = {1.0, -2.0, 1.0};
    mg_node *x = random_operand(graph), *y = random_operand(graph), *z = random_operand(graph);
    switch (mg_op_shapes[op]) {
    case MG_SHAPE_V:
        return unary(op, x);
    case MG_SHAPE_VC:
    case MG_SHAPE_CV:
    case MG_SHAPE_VP:
        return with_constant(op, x, (double)random_below(7) - 3.0);
    case MG_SHAPE_VV:
        return binary(op, x, y);
    default:
        if (mg_op_table[op].arity == MG_ANY_ARITY) {
            return random_nary(graph, op);
        }
        return mg_op_table[op].arity == 3 ? ternary(op, x, y, z)
                                          : user_node(op, x->data - 2.0 * y->data + z->data, 3,
                                                      (mg_node *[]){x, y, z}, partials);
    }
}

int rows_alone;

/* Half of the time an op on two nodes: most codes of the table have one, and a graph of those alone
   would be a bundle of chains. */
static mg_op random_op(int exact) {
    static const mg_op whole[] = {MG_OP_add, MG_OP_sub,   MG_OP_add_vc, MG_OP_sub_cv, MG_OP_mul_vc,
                                  MG_OP_neg, MG_OP_where, MG_OP_sum,    MG_OP_local};
    int branching = random_below(2) == 0;
    mg_op op;
    do {
        op = exact ? whole[random_below(sizeof whole / sizeof *whole)]
                   : (mg_op)(MG_OP_local + random_below(MG_OP_COUNT - MG_OP_local));
    } while ((branching && mg_op_shapes[op] != MG_SHAPE_VV) || (rows_alone && op == MG_OP_local) ||
             op == MG_OP_take);
    return op;
}

/* Whether values and partials stay of a size at which rounding can be bounded. */
static int is_tame(mg_node *node) {
    double partials[MOST_OPERANDS], sum = 0.0;
    mg_node *pair[2], **operands = pair;
    uint32_t count = mg_node_operands(node, pair, &operands);
    mg_graph_partials(node, partials);
    for (uint32_t i = 0; i < count; i++) {
        sum += fabs(partials[i]);
    }
    return sum <= 4.0 && fabs(node->data) <= 0x1p50;
}

static mg_node *tame_node(const growing_dag *graph, int exact) {
    for (;;) {
        mg_node *node = random_node(graph, random_op(exact));
        if (node == NULL || is_tame(node)) {
            return node;
        }
        drop(node);
    }
}

static uint8_t level_of(const growing_dag *graph, mg_node *node) {
    uint8_t level = 0;
    mg_node *pair[2], **operands = pair;
    uint32_t count = mg_node_operands(node, pair, &operands);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t below = graph->levels[index_of(operands[i])];
        level = below >= level ? (uint8_t)(below + 1) : level;
    }
    return level;
}

/* A node over a part of all others, so that most of them are reachable from it. */
static mg_node *gathering_node(const growing_dag *graph) {
    uint32_t width = (uint32_t)(graph->count / 8 + 1);
    mg_node **operands = mg_memory_alloc(width, sizeof(mg_node *));
    double *ones = mg_memory_alloc(width, sizeof(double));
    mg_node *node = NULL;
    if (operands != NULL && ones != NULL) {
        for (uint32_t i = 0; i < width; i++) {
            operands[i] = graph->nodes[random_below(graph->count)];
            ones[i] = 1.0;
        }
        node = rows_alone ? nary(MG_OP_sum, width, operands, 0.0)
                          : user_node(MG_OP_local, 0.0, width, operands, ones);
    }
    mg_memory_free(operands);
    mg_memory_free(ones);
    return node;
}

static mg_node *next_node(const growing_dag *graph, size_t leaves, size_t total, int exact) {
    size_t missing = total - graph->count;
    if (missing == 1 && leaves == 0) {
        return gathering_node(graph);
    }
    /* Half of the leaves come first, the others anywhere but at the end. */
    if (graph->count < graph->first_leaves || random_below(missing - 1) < leaves) {
        return leaf(exact ? (double)random_below(9) - 4.0 : random_between(-2.0, 2.0));
    }
    return tame_node(graph, exact);
}

dag random_dag(size_t leaves, size_t interior, int exact) {
    size_t total = leaves + interior;
    growing_dag graph = {.nodes = mg_memory_alloc(total, sizeof(mg_node *)),
                         .levels = mg_memory_alloc(total, 1),
                         .first_leaves = leaves - leaves / 2};
    CHECK(leaves > 0 && interior > 0);
    while (graph.nodes != NULL && graph.levels != NULL && graph.count < total) {
        mg_node *node = next_node(&graph, leaves, total, exact);
        if (node == NULL) {
            break;
        }
        leaves -= node->op == MG_OP_leaf;
        graph.levels[graph.count] = level_of(&graph, node);
        set_index(node, graph.count);
        graph.nodes[graph.count++] = node;
    }
    dag made = {graph.nodes, graph.count};
    if (graph.count < total) {
        drop_dag(&made);
    }
    mg_memory_free(graph.levels);
    return made;
}

void drop_dag(dag *graph) {
    drop_nodes(graph->nodes, graph->count);
    mg_memory_free(graph->nodes);
    *graph = (dag){0};
}

flow *expected_flows(const dag *graph, size_t root) {
    flow *flows = mg_memory_alloc(graph->count, sizeof *flows);
    double *partials = mg_memory_alloc(graph->count + MOST_OPERANDS, sizeof *partials);
    if (flows == NULL || partials == NULL) {
        mg_memory_free(flows);
        mg_memory_free(partials);
        return NULL;
    }
    for (size_t i = 0; i < graph->count; i++) {
        flows[i] = (flow){0};
    }
    flows[root] = (flow){1.0, 1.0, 1};
    for (size_t i = root + 1; i-- > 0;) {
        mg_node *pair[2], **operands = pair;
        uint32_t count = mg_node_operands(graph->nodes[i], pair, &operands);
        mg_graph_partials(graph->nodes[i], partials);
        for (uint32_t k = 0; flows[i].reachable && k < count; k++) {
            flow *below = &flows[index_of(operands[k])];
            below->gradient += partials[k] * flows[i].gradient;
            below->magnitude += fabs(partials[k]) * flows[i].magnitude;
            below->reachable = 1;
        }
    }
    mg_memory_free(partials);
    return flows;
}

void reset_grads(const dag *graph, size_t root, double untouched) {
    flow *flows = expected_flows(graph, root);
    for (size_t i = 0; i < graph->count; i++) {
        graph->nodes[i]->grad = flows[i].reachable ? 0.0 : untouched;
    }
    mg_memory_free(flows);
}

void check_flows(const dag *graph, size_t root, double untouched, int exact) {
    flow *flows = expected_flows(graph, root);
    for (size_t i = 0; i < graph->count; i++) {
        double grad = graph->nodes[i]->grad;
        if (!flows[i].reachable) {
            CHECK_SAME(grad, untouched);
        } else if (exact) {
            CHECK_SAME(grad, flows[i].gradient);
        } else {
            CHECK(fabs(grad - flows[i].gradient) <= 1e-13 * flows[i].magnitude);
        }
    }
    mg_memory_free(flows);
}
