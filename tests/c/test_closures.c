/* backward where it cannot be one sweep: user closures, which may do anything; foreign nodes; a
   backward inside another one; no memory for the order. */
#include <math.h>

#include "dag.h"

static mg_status backward(mg_node *root) { return mg_graph_backward(&heap, root); }

/* A closure node over x whose closure is `run`. */
static mg_node *closure_node(mg_node *x, closure *run, void *context) {
    mg_node *node = user_node(MG_OP_closure, x->data, 1, &x, NULL);
    CHECK(set_closure(node, run, context));
    return node;
}

static mg_node *only_operand(mg_node *node) { return mg_node_block(node)->operands[0]; }

/* --- closures --- */

static mg_status add_triple(mg_node *node, void *context) {
    (void)context;
    only_operand(node)->grad += 3.0 * node->grad;
    return MG_OK;
}

static void a_closure_runs_in_its_topological_place(void) {
    heap_begin();
    mg_node *x = leaf(2.0);
    mg_node *y = closure_node(x, add_triple, NULL);
    mg_node *z = with_constant(MG_OP_mul_vc, y, 10.0);
    mg_node *unused = closure_node(x, add_triple, NULL);
    mg_node *root = binary(MG_OP_add, y, z);
    CHECK_STATUS(backward(root), MG_OK);
    CHECK_SAME(y->grad, 11.0);
    CHECK_SAME(x->grad, 33.0);
    CHECK_COUNT(calls.closure, 1);
    CHECK_STATUS(mg_graph_backward_depth_first(&heap, x), MG_OK);
    CHECK_COUNT(calls.closure, 1);
    DROP(root, unused, z, y, x);
    heap_end();
}

/* A leaf may have one as well: it has no operands, but the closure may reach for anything. */
static mg_status copy_grad(mg_node *node, void *context) {
    *(double *)context = node->grad;
    return MG_OK;
}

static void the_closure_of_a_leaf_runs_last(void) {
    heap_begin();
    double seen = 0.0, seen_at_root = 0.0;
    mg_node *x = leaf(2.0);
    mg_node *square = binary(MG_OP_mul, x, x), *root = binary(MG_OP_mul, square, x);
    CHECK(set_closure(x, copy_grad, &seen));
    CHECK_STATUS(backward(root), MG_OK);
    CHECK_SAME(seen, 12.0);
    CHECK(set_closure(root, copy_grad, &seen_at_root)); /* in place of the op's own rule */
    square->grad = x->grad = 0.0;
    CHECK_STATUS(backward(root), MG_OK);
    CHECK_SAME(seen_at_root, 1.0);
    CHECK_SAME(x->grad, 0.0);
    CHECK_STATUS(backward(x), MG_OK);
    CHECK_SAME(seen, 1.0);
    DROP(root, square, x);
    heap_end();
}

static mg_status step_and_check_order(mg_node *node, void *context) {
    size_t *last = context;
    CHECK(index_of(node) < *last);
    *last = index_of(node);
    mg_graph_step(node);
    return MG_OK;
}

static void closures_among_other_nodes_change_nothing(void) {
    heap_begin();
    dag graph = random_dag(20, 3000, 1);
    size_t last, closures = 0;
    for (size_t i = 0; i < graph.count; i++) {
        if (mg_node_is_interior(graph.nodes[i]) && random_below(4) == 0) {
            CHECK(set_closure(graph.nodes[i], step_and_check_order, &last));
        }
    }
    for (int i = 0; i < 20; i++) {
        size_t root = i == 0 ? graph.count - 1 : random_below(graph.count);
        flow *flows = expected_flows(&graph, root);
        for (size_t j = 0; j < graph.count; j++) {
            closures += flows[j].reachable && (graph.nodes[j]->flags & MG_CLOSURE);
        }
        mg_memory_free(flows);
        last = SIZE_MAX;
        reset_grads(&graph, root, 123.0);
        CHECK_STATUS(backward(graph.nodes[root]), MG_OK);
        check_flows(&graph, root, 123.0, 1);
        CHECK_COUNT(calls.closure, closures);
    }
    drop_dag(&graph);
    heap_end();
}

static mg_status raise(mg_node *node, void *context) {
    (void)node;
    return *(int *)context ? MG_CLOSURE_RAISED : add_triple(node, NULL);
}

static void a_closure_that_raises_stops_the_pass(void) {
    heap_begin();
    int raising = 1;
    mg_node *x = leaf(2.0);
    mg_node *y = closure_node(x, raise, &raising);
    mg_node *z = with_constant(MG_OP_mul_vc, y, 10.0);
    CHECK_STATUS(backward(z), MG_CLOSURE_RAISED);
    CHECK_SAME(y->grad, 10.0);
    CHECK_SAME(x->grad, 0.0);
    CHECK_COUNT((uint64_t)x->refcount, 2);
    CHECK_COUNT((uint64_t)z->refcount, 1);
    raising = 0;
    y->grad = 0.0;
    CHECK_STATUS(backward(z), MG_OK);
    CHECK_SAME(x->grad, 30.0);
    DROP(z, y, x);
    heap_end();
}

typedef struct {
    mg_node *root;
    int depth;
} nested_pass;

static mg_status run_backward_below(mg_node *node, void *context) {
    nested_pass *pass = context;
    if (pass->depth > 0) {
        pass->depth--;
        CHECK_STATUS(backward(pass->root), MG_OK);
    }
    return add_triple(node, NULL);
}

static void a_closure_may_run_backward_on_the_same_graph(void) {
    heap_begin();
    mg_node *x = leaf(2.0);
    mg_node *other = with_constant(MG_OP_mul_vc, x, 5.0);
    nested_pass pass = {other, 1};
    mg_node *y = closure_node(x, run_backward_below, &pass);
    mg_node *z = with_constant(MG_OP_mul_vc, y, 2.0);
    CHECK_STATUS(backward(z), MG_OK);
    CHECK_SAME(x->grad, 5.0 + 3.0 * 2.0);
    /* From the very root: y's grad has 2 of the outer pass when the inner one adds 2. */
    pass = (nested_pass){z, 1};
    x->grad = y->grad = 0.0;
    CHECK_STATUS(backward(z), MG_OK);
    CHECK_SAME(y->grad, 4.0);
    CHECK_SAME(x->grad, 3.0 * 4.0 + 3.0 * 4.0);
    CHECK_COUNT(calls.closure, 3);
    CHECK_COUNT((uint64_t)z->refcount, 1);
    DROP(z, y, other, x);
    heap_end();
}

/* Fills pages and drops them, so that runs begin, die, and are compacted. */
static mg_status build_and_drop(mg_node *node, void *context) {
    enum { COUNT = 200 * (int)MG_PAGE_SLOTS };
    static mg_node *made[COUNT];
    (void)context;
    CHECK_COUNT(heap.arena.sweeping, 0);
    for (size_t i = 0; i < COUNT; i++) {
        made[i] = unary(MG_OP_neg, node);
    }
    drop_nodes(made, COUNT);
    return add_triple(node, NULL);
}

static void a_closure_may_build_and_drop_nodes(void) {
    heap_begin();
    mg_node *x = leaf(1.0);
    mg_node *y = closure_node(x, build_and_drop, NULL);
    mg_node *z = closure_node(y, build_and_drop, NULL);
    CHECK_STATUS(backward(z), MG_OK);
    CHECK_SAME(x->grad, 9.0);
    DROP(z, y, x);
    heap_end();
}

static mg_status drop_root(mg_node *node, void *context) {
    mg_node **root = context;
    drop(*root);
    *root = NULL;
    return add_triple(node, NULL);
}

static void a_closure_may_drop_the_last_reference_to_the_root(void) {
    heap_begin();
    mg_node *root;
    mg_node *x = leaf(1.0);
    mg_node *y = closure_node(x, add_triple, NULL);
    mg_node *z = closure_node(y, drop_root, &root);
    root = with_constant(MG_OP_mul_vc, z, 2.0);
    DROP(z, y);
    /* The caller holds a reference, and gives it up inside. */
    CHECK_STATUS(backward(root), MG_OK);
    CHECK(root == NULL);
    CHECK_SAME(x->grad, 18.0);
    CHECK_COUNT((uint64_t)x->refcount, 1);
    CHECK_COUNT(mg_arena_count(&heap.arena), 1);
    drop(x);
    heap_end();
}

/* --- foreign nodes --- */

static void foreign_nodes_take_part(void) {
    heap_begin();
    mg_node *x = leaf(1.0), *parameter = foreign_node(3.0, 0, NULL, (double[]){0.0});
    mg_node *product = binary(MG_OP_mul, x, parameter);
    mg_node *sub = foreign_node(3.0, 2, (mg_node *[]){product, x}, (double[]){2.0, 5.0});
    mg_node *root = binary(MG_OP_add, sub, product);
    uint16_t epoch = heap.arena.epoch;
    CHECK_STATUS(backward(root), MG_OK);
    CHECK_SAME(sub->grad, 1.0);
    CHECK_SAME(product->grad, 3.0);
    CHECK_SAME(x->grad, 5.0 + 9.0);
    CHECK_SAME(parameter->grad, 3.0);
    CHECK_COUNT(heap.arena.epoch, epoch); /* the log does not know them: nothing was marked */
    parameter->grad = 0.0;
    CHECK_STATUS(backward(parameter), MG_OK);
    CHECK_SAME(parameter->grad, 1.0);
    DROP(root, sub, product, parameter, x);
    CHECK_COUNT(calls.foreign, 2);
    heap_end();
}

/* --- a backward inside a marked sweep, as from a signal handler --- */

static mg_node *inner_root;
static uint64_t inner_passes;

static int run_inner_pass(void) {
    if (inner_root != NULL) {
        mg_node *root = inner_root;
        uint16_t epoch = heap.arena.epoch;
        uint32_t sweeping = heap.arena.sweeping;
        inner_root = NULL;
        inner_passes++;
        CHECK_COUNT(sweeping, 1);
        CHECK_STATUS(backward(root), MG_OK);
        CHECK_COUNT(heap.arena.epoch, epoch);
        CHECK_COUNT(heap.arena.sweeping, sweeping);
    }
    return 0;
}

/* s = 3x below a long chain; the inner pass, from 5s, comes while the outer one is in the chain. */
static void check_inner_pass(int with_closure) {
    heap_begin();
    mg_node *x = leaf(1.0), *s = with_constant(MG_OP_mul_vc, x, 3.0);
    mg_node *five = with_constant(MG_OP_mul_vc, s, 5.0), *top = hold(s);
    for (size_t i = 0; i < 50 * MG_PAGE_SLOTS; i++) {
        top = then(top, with_constant(MG_OP_add_vc, top, 1.0));
    }
    mg_node *aside = closure_node(x, add_triple, NULL);
    if (!with_closure) {
        drop(aside);
        aside = NULL;
    }
    inner_root = five;
    inner_passes = 0;
    on_poll = run_inner_pass;
    CHECK_STATUS(backward(top), MG_OK);
    CHECK_COUNT(inner_passes, 1);
    CHECK_SAME(five->grad, 1.0);
    CHECK_SAME(top->grad, 1.0);
    CHECK_SAME(s->grad, 5.0 + 1.0);
    CHECK_SAME(x->grad, 15.0 + 18.0);
    DROP(aside, top, five, s, x);
    heap_end();
}

static void a_backward_inside_a_sweep_leaves_it_right(void) { check_inner_pass(0); }

static void a_backward_inside_the_listing_leaves_it_right(void) { check_inner_pass(1); }

static int churn(void) {
    enum { COUNT = 300 * (int)MG_PAGE_SLOTS };
    static mg_node *made[COUNT];
    uint32_t runs = heap.arena.run_count;
    for (size_t i = 0; i < COUNT; i++) {
        made[i] = leaf(0.0);
    }
    CHECK(heap.arena.run_count > runs);
    drop_nodes(made, COUNT);
    return 0;
}

static void a_sweep_does_not_mind_nodes_made_and_dropped_meanwhile(void) {
    heap_begin();
    mg_node *x = leaf(1.0), *top = hold(x);
    for (size_t i = 0; i < 70 * MG_PAGE_SLOTS; i++) {
        top = then(top, unary(MG_OP_neg, top));
    }
    on_poll = churn;
    CHECK_STATUS(backward(top), MG_OK);
    CHECK_SAME(x->grad, 1.0);
    CHECK(calls.poll >= 2);
    DROP(top, x);
    heap_end();
}

/* --- no memory for the order --- */

static mg_status check_nothing_happens(mg_status (*run)(mg_node *), int foreign, int closures) {
    heap_begin();
    mg_status status = MG_NO_MEMORY;
    dag graph = random_dag(100, 1000, 1);
    mg_node *subclass = foreign ? foreign_node(1.0, 0, NULL, NULL) : NULL;
    mg_node *aside = graph.count != 0 ? user_node(MG_OP_closure, 0.0, 1, graph.nodes, NULL) : NULL;
    if (graph.count != 0 && aside != NULL && (!foreign || subclass != NULL) &&
        (!closures || set_closure(aside, add_triple, NULL))) {
        size_t root = graph.count - 1;
        flow *flows = expected_flows(&graph, root);
        for (size_t i = 0; i < graph.count; i++) {
            graph.nodes[i]->grad = 0.0;
        }
        status = flows == NULL ? MG_NO_MEMORY : run(graph.nodes[root]);
        for (size_t i = 0; flows != NULL && i < graph.count; i++) {
            CHECK_SAME(graph.nodes[i]->grad, status == MG_OK ? flows[i].gradient : 0.0);
        }
        CHECK_COUNT((uint64_t)graph.nodes[root]->refcount, 1);
        CHECK_COUNT(heap.arena.sweeping, 0);
        mg_memory_free(flows);
    }
    DROP(aside, subclass);
    drop_dag(&graph);
    heap_end();
    return status;
}

static mg_status depth_first(mg_node *root) { return mg_graph_backward_depth_first(&heap, root); }

static mg_status checked(mg_node *root) {
    mg_node *culprit = NULL;
    return mg_graph_backward_checked(&heap, root, &culprit);
}

static mg_status a_listed_backward(void) { return check_nothing_happens(backward, 0, 1); }

static mg_status a_backward_with_foreign_nodes(void) {
    return check_nothing_happens(backward, 1, 0);
}

static mg_status a_depth_first_backward(void) { return check_nothing_happens(depth_first, 0, 0); }

static mg_status a_checked_backward(void) { return check_nothing_happens(checked, 0, 0); }

static void a_plain_sweep_needs_no_memory(void) {
    heap_begin();
    dag graph = random_dag(100, 10000, 1);
    size_t root = graph.count - 1;
    reset_grads(&graph, root, 123.0);
    mg_memory_fail_nth(1);
    CHECK_STATUS(backward(graph.nodes[root]), MG_OK);
    CHECK(mg_memory_alloc(1, 1) == NULL);
    check_flows(&graph, root, 123.0, 1);
    drop_dag(&graph);
    heap_end();
}

int main(void) {
    nary_warm_up();
    RUN(a_closure_runs_in_its_topological_place);
    RUN(the_closure_of_a_leaf_runs_last);
    RUN(closures_among_other_nodes_change_nothing);
    RUN(a_closure_that_raises_stops_the_pass);
    RUN(a_closure_may_run_backward_on_the_same_graph);
    RUN(a_closure_may_build_and_drop_nodes);
    RUN(a_closure_may_drop_the_last_reference_to_the_root);
    RUN(foreign_nodes_take_part);
    RUN(a_backward_inside_a_sweep_leaves_it_right);
    RUN(a_backward_inside_the_listing_leaves_it_right);
    RUN(a_sweep_does_not_mind_nodes_made_and_dropped_meanwhile);
    RUN_EACH_FAILURE(a_listed_backward);
    RUN_EACH_FAILURE(a_backward_with_foreign_nodes);
    RUN_EACH_FAILURE(a_depth_first_backward);
    RUN_EACH_FAILURE(a_checked_backward);
    RUN(a_plain_sweep_needs_no_memory);
    return harness_summary("closures");
}
