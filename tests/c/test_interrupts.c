/* Long passes: how often they ask whether to stop, and what stopping leaves behind. */
#include "support.h"

/* Nodes of this many pages make a sweep long enough to be polled a few times. */
#define LONG_CHAIN (100 * (size_t)MG_PAGE_SLOTS)

static uint64_t polls_until_stop;

static int stop_after_some_polls(void) { return --polls_until_stop == 0; }

static mg_node *long_chain(mg_node *x, size_t length) {
    mg_node *node = hold(x);
    for (size_t i = 0; i < length; i++) {
        node = then(node, unary(MG_OP_neg, node));
    }
    return node;
}

static void check_interruption(mg_status (*run)(mg_graph *, mg_node *), uint64_t polls) {
    heap_begin();
    mg_node *x = leaf(1.0), *bottom = unary(MG_OP_neg, x), *top = long_chain(bottom, LONG_CHAIN);
    for (uint64_t stop = 1; stop <= polls; stop++) {
        on_poll = stop_after_some_polls;
        polls_until_stop = stop;
        CHECK_STATUS(run(&heap, top), MG_INTERRUPTED);
        CHECK_COUNT(polls_until_stop, 0);
        CHECK_COUNT(heap.arena.sweeping, 0);
        CHECK_SAME(bottom->grad, 0.0);
        CHECK_COUNT((uint64_t)top->refcount, 1);
    }
    on_poll = NULL;
    for (mg_node *node = top; node != x; node = mg_node_left(node)->node) {
        node->grad = 0.0;
    }
    CHECK_STATUS(run(&heap, top), MG_OK);
    CHECK_SAME(x->grad, -1.0);
    DROP(top, bottom, x);
    heap_end();
}

static void a_long_sweep_can_be_interrupted(void) { check_interruption(mg_graph_backward, 3); }

static void the_depth_first_order_can_be_interrupted(void) {
    check_interruption(mg_graph_backward_depth_first, 12);
}

static mg_status backward_checked(mg_graph *graph, mg_node *root) {
    mg_node *culprit = NULL;
    mg_status status = mg_graph_backward_checked(graph, root, &culprit);
    CHECK(culprit == NULL);
    return status;
}

static void the_listed_order_can_be_interrupted(void) { check_interruption(backward_checked, 8); }

/* However long the log is below what the root is made of. */
static void a_pass_ends_where_nothing_is_left_to_do(void) {
    heap_begin();
    mg_node *x = leaf(1.0), *below = long_chain(x, LONG_CHAIN);
    mg_node *y = leaf(2.0), *square = binary(MG_OP_mul, y, y), *root = unary(MG_OP_neg, square);
    CHECK_STATUS(mg_graph_backward(&heap, root), MG_OK);
    CHECK_STATUS(backward_checked(&heap, root), MG_OK);
    CHECK_STATUS(mg_graph_backward_depth_first(&heap, root), MG_OK);
    CHECK_COUNT(calls.poll, 0);
    DROP(root, square, y, below, x);
    heap_end();
}

/* Often enough for an interrupt to seem instant, and rarely enough to cost nothing: every 10,000
   nodes or so. */
static void a_long_pass_is_polled_now_and_then(void) {
    static mg_status (*const passes[])(mg_graph *, mg_node *) = {
        mg_graph_backward, backward_checked, mg_graph_backward_depth_first};
    heap_begin();
    mg_node *x = leaf(1.0), *top = long_chain(x, LONG_CHAIN);
    for (int i = 0; i < 3; i++) {
        calls.poll = 0;
        CHECK_STATUS(passes[i](&heap, top), MG_OK);
        CHECK(calls.poll >= 3 && calls.poll <= 20);
    }
    DROP(top, x);
    heap_end();
}

int main(void) {
    RUN(a_long_sweep_can_be_interrupted);
    RUN(the_depth_first_order_can_be_interrupted);
    RUN(the_listed_order_can_be_interrupted);
    RUN(a_pass_ends_where_nothing_is_left_to_do);
    RUN(a_long_pass_is_polled_now_and_then);
    return harness_summary("interrupts");
}
