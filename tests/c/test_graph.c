/* backward: the marked sweep against hand computation and against orders that know nothing of the
 * log. */
#include <math.h>
#include <string.h>

#include "dag.h"

static mg_status backward(mg_node *root) { return mg_graph_backward(&heap, root); }

static void a_neuron_by_hand(void) {
    heap_begin();
    mg_node *x1 = leaf(2.0), *x2 = leaf(0.0), *w1 = leaf(-3.0), *w2 = leaf(1.0);
    mg_node *b = leaf(6.8813735870195432);
    mg_node *p1 = binary(MG_OP_mul, x1, w1), *p2 = binary(MG_OP_mul, x2, w2);
    mg_node *sum = binary(MG_OP_add, p1, p2), *n = binary(MG_OP_add, sum, b);
    mg_node *o = unary(MG_OP_tanh, n);
    CHECK_NEAR(o->data, 0.70710678118654757, 1e-15);
    CHECK_STATUS(backward(o), MG_OK);
    CHECK_SAME(o->grad, 1.0);
    CHECK_NEAR(n->grad, 0.5, 1e-15);
    CHECK_NEAR(x1->grad, -1.5, 1e-15);
    CHECK_NEAR(w1->grad, 1.0, 1e-15);
    CHECK_NEAR(x2->grad, 0.5, 1e-15);
    CHECK_SAME(w2->grad, 0.0);
    DROP(o, n, sum, p2, p1, b, w2, w1, x2, x1);
    heap_end();
}

/* A node of every code of the table, its operands and constant at points that suit the op. */
static mg_node *node_of_code(mg_op op, mg_node *x, mg_node *y, mg_node *z, double constant) {
    switch (mg_op_shapes[op]) {
    case MG_SHAPE_V:
        return unary(op, x);
    case MG_SHAPE_VV:
        return binary(op, x, y);
    case MG_SHAPE_BLOCK:
        return mg_op_table[op].arity == MG_ANY_ARITY
                   ? nary(op, nary_count(op), (mg_node *[]){x, y, z}, NARY_PARAMETER)
                   : ternary(op, x, y, z);
    default:
        return with_constant(op, x, constant);
    }
}

/* The partial in the operand at `moved`, by a difference of the row's forward. */
static double slope(mg_op op, double *operands, int moved) {
    const double h = 1e-5, at = operands[moved];
    operands[moved] = at + h;
    double above = op_forward(op, operands[0], operands[1], operands[2]);
    operands[moved] = at - h;
    double below = op_forward(op, operands[0], operands[1], operands[2]);
    operands[moved] = at;
    return (above - below) / (2.0 * h);
}

static void every_code_sends_each_operand_its_partial(void) {
    for (mg_op op = MG_OP_local + 1; op < MG_OP_COUNT; op++) {
        heap_begin();
        harness_case(mg_op_table[op].name);
        const double constant = 0.8;
        mg_node *x = leaf(op == MG_OP_acosh ? 1.6 : 0.6), *y = leaf(0.7),
                *z = leaf(op == MG_OP_take ? 1.0 : -1.3);
        mg_node *node = node_of_code(op, x, y, z, constant);
        double at[3] = {x->data, y->data, z->data}, d[3] = {NAN, NAN, NAN};
        int first = 0;
        if (mg_op_shapes[op] == MG_SHAPE_VC || mg_op_shapes[op] == MG_SHAPE_VP) {
            at[1] = constant;
        } else if (mg_op_shapes[op] == MG_SHAPE_CV) {
            at[0] = constant;
            at[1] = x->data;
            first = 1;
        }
        mg_node *pair[2], **operands = pair;
        uint32_t count = mg_node_operands(node, pair, &operands);
        for (int tracked = 0; tracked < 2; tracked++) {
            x->grad = y->grad = z->grad = 10.0; /* to be added to */
            CHECK_STATUS(backward(node), MG_OK);
            mg_graph_partials(node, d);
            for (uint32_t i = 0; i < count; i++) {
                /* The index of a take cannot be moved a little. */
                int is_index = op == MG_OP_take && i == count - 1;
                CHECK_NEAR(d[i], is_index ? 0.0 : slope(op, at, first + (int)i), 1e-8);
                CHECK_SAME(operands[i]->grad, 10.0 + d[i]);
            }
            /* Once more with the operands in a side record. */
            CHECK(tracked || track(node));
        }
        DROP(node, z, y, x);
        heap_end();
    }
}

/* Sweeps from random roots of random graphs, a few of whose nodes have side records. */
static void sweep_random_graphs(size_t interior, int roots, int exact) {
    heap_begin();
    dag graph = random_dag(20, interior, exact);
    for (size_t i = 0; i < graph.count; i += 7) {
        CHECK(track(graph.nodes[i]));
    }
    for (int i = 0; i < roots; i++) {
        size_t root = i == 0 ? graph.count - 1 : random_below(graph.count);
        reset_grads(&graph, root, 123.0);
        CHECK_STATUS(backward(graph.nodes[root]), MG_OK);
        check_flows(&graph, root, 123.0, exact);
        reset_grads(&graph, root, 123.0);
        CHECK_STATUS(mg_graph_backward_depth_first(&heap, graph.nodes[root]), MG_OK);
        check_flows(&graph, root, 123.0, exact);
    }
    CHECK_COUNT(calls.closure, 0);
    drop_dag(&graph);
    heap_end();
}

static void random_graphs_of_whole_numbers(void) {
    for (int i = 0; i < 100; i++) {
        sweep_random_graphs(1 + random_below(100), 5, 1);
    }
    sweep_random_graphs(20000, 20, 1);
}

static void random_graphs_of_all_ops(void) {
    for (int i = 0; i < 100; i++) {
        sweep_random_graphs(1 + random_below(100), 5, 0);
    }
    sweep_random_graphs(20000, 20, 0);
}

/* Nodes that reuse the slots of dead ones lie before older nodes in memory. */
static void a_graph_in_the_holes_of_another(void) {
    heap_begin();
    dag first = random_dag(20, 5000, 1);
    for (size_t i = 0; i < first.count; i++) {
        if (random_below(3) != 0) {
            drop(first.nodes[i]);
            first.nodes[i] = NULL;
        }
    }
    dag second = random_dag(20, 5000, 1);
    CHECK(second.nodes[second.count - 1]->run != second.nodes[0]->run);
    for (int i = 0; i < 20; i++) {
        size_t root = i == 0 ? second.count - 1 : random_below(second.count);
        reset_grads(&second, root, 123.0);
        CHECK_STATUS(backward(second.nodes[root]), MG_OK);
        check_flows(&second, root, 123.0, 1);
    }
    drop_dag(&second);
    drop_dag(&first);
    heap_end();
}

static void what_is_not_reachable_is_not_written_to(void) {
    heap_begin();
    mg_node *x = leaf(2.0), *aside = leaf(3.0);
    mg_node *y = unary(MG_OP_neg, x);
    mg_node *between = binary(MG_OP_mul, aside, x);
    mg_node *root = unary(MG_OP_neg, y);
    mg_node *newer = binary(MG_OP_mul, root, y);
    mg_node *others[] = {aside, between, newer};
    mg_node before[3];
    for (int i = 0; i < 3; i++) {
        others[i]->grad = 7.0;
        before[i] = *others[i];
    }
    CHECK_STATUS(backward(root), MG_OK);
    for (int i = 0; i < 3; i++) {
        CHECK(memcmp(&before[i], others[i], sizeof(mg_node)) == 0);
    }
    CHECK_SAME(x->grad, 1.0);
    DROP(newer, root, between, y, aside, x);
    heap_end();
}

static void a_second_backward_lets_stale_gradients_flow_again(void) {
    heap_begin();
    mg_node *a = leaf(1.0);
    mg_node *y = with_constant(MG_OP_mul_cv, a, 3.0), *z = with_constant(MG_OP_mul_cv, y, 2.0);
    CHECK_STATUS(backward(z), MG_OK);
    CHECK_SAME(a->grad, 6.0);
    CHECK_STATUS(backward(z), MG_OK);
    CHECK_SAME(z->grad, 1.0);
    CHECK_SAME(y->grad, 4.0);
    CHECK_SAME(a->grad, 18.0);
    DROP(z, y, a);
    heap_end();
}

static void a_leaf_as_root_only_gets_its_own_grad(void) {
    heap_begin();
    mg_node *x = leaf(5.0), *y = leaf(6.0);
    x->grad = y->grad = 9.0;
    CHECK_STATUS(backward(x), MG_OK);
    CHECK_STATUS(mg_graph_backward_depth_first(&heap, x), MG_OK);
    CHECK_SAME(x->grad, 1.0);
    CHECK_SAME(y->grad, 9.0);
    DROP(y, x);
    heap_end();
}

static void an_operand_may_stand_on_both_sides(void) {
    heap_begin();
    mg_node *x = leaf(3.0);
    mg_node *square = binary(MG_OP_mul, x, x);
    mg_node *twice = binary(MG_OP_add, square, square);
    mg_node *thrice = user_node(MG_OP_local, 0.0, 3, (mg_node *[]){twice, twice, twice},
                                (double[]){1.0, 1.0, 1.0});
    CHECK_STATUS(backward(thrice), MG_OK);
    CHECK_SAME(twice->grad, 3.0);
    CHECK_SAME(square->grad, 6.0);
    CHECK_SAME(x->grad, 36.0);
    DROP(thrice, twice, square, x);
    heap_end();
}

static void user_built_nodes_of_any_width(void) {
    enum { WIDTH = 3000 };
    static mg_node *operands[WIDTH];
    static double partials[WIDTH];
    heap_begin();
    for (int i = 0; i < WIDTH; i++) {
        operands[i] = leaf(i);
        partials[i] = 0.5 * i;
    }
    mg_node *wide = user_node(MG_OP_local, 1.0, WIDTH, operands, partials);
    mg_node *none = user_node(MG_OP_local, 1.0, 0, NULL, partials);
    mg_node *silent = user_node(MG_OP_closure, 1.0, 1, operands, NULL);
    mg_node *root = user_node(MG_OP_local, 1.0, 3, (mg_node *[]){wide, none, silent},
                              (double[]){2.0, 3.0, 4.0});
    CHECK_STATUS(backward(root), MG_OK);
    CHECK_SAME(none->grad, 3.0);
    CHECK_SAME(silent->grad, 4.0);
    for (int i = 0; i < WIDTH; i++) {
        CHECK_SAME(operands[i]->grad, (double)i);
    }
    double d[4] = {7.0, 7.0, 7.0, 7.0};
    mg_graph_partials(silent, d);
    CHECK_SAME(d[0], 0.0);
    CHECK_SAME(d[1], 7.0); /* no more than it has operands */
    mg_graph_partials(root, d);
    CHECK_SAME(d[2], 4.0);
    CHECK_SAME(d[3], 7.0);
    DROP(root, silent, none, wide);
    drop_nodes(operands, WIDTH);
    heap_end();
}

static void nothing_flows_into_the_branch_not_chosen(void) {
    heap_begin();
    mg_node *condition = leaf(1.0), *x = leaf(2.0), *y = leaf(3.0);
    mg_node *chosen = ternary(MG_OP_where, condition, x, y);
    mg_node *steep = with_constant(MG_OP_mul_vc, chosen, INFINITY);
    CHECK_STATUS(backward(steep), MG_OK);
    CHECK_SAME(x->grad, INFINITY);
    CHECK_SAME(y->grad, 0.0);
    CHECK_SAME(condition->grad, 0.0);
    DROP(steep, chosen, y, x, condition);
    heap_end();
}

static void data_are_read_when_backward_runs(void) {
    heap_begin();
    mg_node *x = leaf(2.0);
    mg_node *square = binary(MG_OP_mul, x, x);
    x->data = 10.0;
    CHECK_STATUS(backward(square), MG_OK);
    CHECK_SAME(x->grad, 20.0);
    DROP(square, x);
    heap_end();
}

static void one_step_by_hand(void) {
    heap_begin();
    mg_node *x = leaf(2.0), *y = leaf(5.0);
    mg_node *product = binary(MG_OP_mul, x, y), *root = unary(MG_OP_neg, product);
    uint16_t epoch = heap.arena.epoch;
    product->grad = 3.0;
    mg_graph_step(product);
    mg_graph_step(product);
    CHECK_SAME(x->grad, 30.0);
    CHECK_SAME(y->grad, 12.0);
    CHECK_SAME(root->grad, 0.0);
    CHECK_COUNT(heap.arena.epoch, epoch);
    mg_graph_step(x); /* nothing flows from a leaf */
    CHECK_SAME(x->grad, 30.0);
    double d = 77.0;
    mg_graph_partials(x, &d);
    CHECK_SAME(d, 77.0);
    DROP(root, product, y, x);
    heap_end();
}

/* --- the check for gradients that are not finite --- */

static void the_first_node_without_a_finite_gradient_is_named(void) {
    heap_begin();
    mg_node *zero = leaf(0.0), *one = leaf(1.0), *culprit = NULL;
    mg_node *product = with_constant(MG_OP_mul_vc, zero, 2.0);
    mg_node *steep = unary(MG_OP_sqrt, product); /* inf for product, and from there for zero */
    mg_node *root = binary(MG_OP_add, steep, one);
    CHECK_STATUS(mg_graph_backward_checked(&heap, root, &culprit), MG_NOT_FINITE);
    CHECK(culprit == product);
    CHECK_COUNT((uint64_t)product->refcount, 3);
    CHECK_COUNT((uint64_t)root->refcount, 1);
    CHECK_SAME(zero->grad, 0.0); /* it did not get there */
    drop(culprit);
    culprit = NULL;
    zero->data = 4.0;
    steep->data = sqrt(8.0);
    steep->grad = product->grad = one->grad = 0.0;
    CHECK_STATUS(mg_graph_backward_checked(&heap, root, &culprit), MG_OK);
    CHECK(culprit == NULL);
    CHECK_NEAR(zero->grad, 1.0 / sqrt(8.0), 1e-15);
    /* A leaf can be the culprit, and backward itself does not mind. */
    one->grad = NAN;
    CHECK_STATUS(mg_graph_backward_checked(&heap, root, &culprit), MG_NOT_FINITE);
    CHECK(culprit == one);
    CHECK_STATUS(backward(root), MG_OK);
    DROP(culprit, root, steep, product, one, zero);
    heap_end();
}

int main(void) {
    nary_warm_up();
    RUN(a_neuron_by_hand);
    RUN(every_code_sends_each_operand_its_partial);
    RUN(random_graphs_of_whole_numbers);
    RUN(random_graphs_of_all_ops);
    RUN(a_graph_in_the_holes_of_another);
    RUN(what_is_not_reachable_is_not_written_to);
    RUN(a_second_backward_lets_stale_gradients_flow_again);
    RUN(a_leaf_as_root_only_gets_its_own_grad);
    RUN(an_operand_may_stand_on_both_sides);
    RUN(user_built_nodes_of_any_width);
    RUN(nothing_flows_into_the_branch_not_chosen);
    RUN(data_are_read_when_backward_runs);
    RUN(one_step_by_hand);
    RUN(the_first_node_without_a_finite_gradient_is_named);
    return harness_summary("graph");
}
