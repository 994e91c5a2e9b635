/* The two ways to list a backward pass, against each other and against what an order must be. */
#include "dag.h"
#include "order.h"

typedef mg_status lister(mg_node *root, int (*poll)(void), mg_order *order);

static mg_status by_log(mg_node *root, int (*poll)(void), mg_order *order) {
    return mg_order_by_log(&heap.arena, root, poll, order);
}

static lister *const listers[] = {by_log, mg_order_depth_first};

static void drop_order(mg_order *order) {
    drop_nodes(order->nodes, order->count);
    mg_order_clear(order);
    CHECK(order->nodes == NULL && order->count == 0 && order->capacity == 0);
}

/* Each reachable node once, held once more, and no operand before a parent. */
static void check_order(const dag *graph, size_t root, const mg_order *order,
                        const intptr_t *refcounts) {
    flow *flows = expected_flows(graph, root);
    size_t *place = mg_memory_alloc(graph->count, sizeof *place);
    size_t reachable = 0;
    for (size_t i = 0; i < graph->count; i++) {
        place[i] = SIZE_MAX;
        reachable += flows[i].reachable != 0;
    }
    CHECK_COUNT(order->count, reachable);
    for (size_t i = 0; i < order->count; i++) {
        size_t index = index_of(order->nodes[i]);
        CHECK(order->nodes[i] == graph->nodes[index]);
        CHECK(flows[index].reachable);
        CHECK_COUNT(place[index], SIZE_MAX);
        place[index] = i;
        mg_node *pair[2], **operands = pair;
        uint32_t count = mg_node_operands(order->nodes[i], pair, &operands);
        for (uint32_t k = 0; k < count; k++) {
            CHECK_COUNT(place[index_of(operands[k])], SIZE_MAX);
        }
    }
    for (size_t i = 0; i < graph->count; i++) {
        CHECK_COUNT((uint64_t)graph->nodes[i]->refcount,
                    (uint64_t)refcounts[i] + (place[i] != SIZE_MAX));
    }
    mg_memory_free(place);
    mg_memory_free(flows);
}

static void check_both_orders(const dag *graph, size_t root) {
    intptr_t *refcounts = mg_memory_alloc(graph->count, sizeof *refcounts);
    for (size_t i = 0; i < graph->count; i++) {
        refcounts[i] = graph->nodes[i]->refcount;
    }
    for (int i = 0; i < 2; i++) {
        mg_order order = {0};
        harness_case(i == 0 ? "by log" : "depth first");
        CHECK_STATUS(listers[i](graph->nodes[root], NULL, &order), MG_OK);
        CHECK(order.nodes[0] == graph->nodes[root]);
        check_order(graph, root, &order, refcounts);
        drop_order(&order);
    }
    for (size_t i = 0; i < graph->count; i++) {
        CHECK_COUNT((uint64_t)graph->nodes[i]->refcount, (uint64_t)refcounts[i]);
    }
    mg_memory_free(refcounts);
}

static void both_are_orders_of_random_graphs(void) {
    for (int i = 0; i < 300; i++) {
        heap_begin();
        dag graph = random_dag(1 + random_below(10), 1 + random_below(200), 1);
        check_both_orders(&graph, random_below(graph.count));
        check_both_orders(&graph, graph.count - 1);
        drop_dag(&graph);
        heap_end();
    }
}

static void both_are_orders_of_large_graphs(void) {
    heap_begin();
    dag graph = random_dag(1000, 50000, 0);
    for (int i = 0; i < 3; i++) {
        check_both_orders(&graph, random_below(graph.count));
    }
    check_both_orders(&graph, graph.count - 1);
    drop_dag(&graph);
    heap_end();
}

static void both_are_orders_of_graphs_in_holes(void) {
    heap_begin();
    dag first = random_dag(20, 5000, 1);
    for (size_t i = 0; i < first.count; i++) {
        if (random_below(3) != 0) {
            drop(first.nodes[i]);
            first.nodes[i] = NULL;
        }
    }
    dag second = random_dag(20, 5000, 1);
    check_both_orders(&second, second.count - 1);
    drop_dag(&second);
    drop_dag(&first);
    heap_end();
}

static void a_leaf_is_an_order_of_its_own(void) {
    heap_begin();
    mg_node *x = leaf(1.0), *y = unary(MG_OP_neg, x);
    for (int i = 0; i < 2; i++) {
        mg_order order = {0};
        CHECK_STATUS(listers[i](x, NULL, &order), MG_OK);
        CHECK_COUNT(order.count, 1);
        CHECK(order.nodes[0] == x);
        CHECK_COUNT((uint64_t)x->refcount, 3);
        drop_order(&order);
    }
    DROP(y, x);
    heap_end();
}

/* No recursion: a chain as long as this would need more than any stack. */
static void a_chain_is_listed_from_its_top(void) {
    const size_t length = 300000;
    heap_begin();
    mg_node *x = leaf(1.0), *top = hold(x);
    for (size_t i = 0; i < length; i++) {
        top = then(top, unary(MG_OP_neg, top));
    }
    for (int i = 0; i < 2; i++) {
        mg_order order = {0};
        CHECK_STATUS(listers[i](top, NULL, &order), MG_OK);
        CHECK_COUNT(order.count, length + 1);
        for (size_t k = 1; k < order.count; k++) {
            CHECK(mg_node_left(order.nodes[k - 1])->node == order.nodes[k]);
        }
        drop_order(&order);
    }
    DROP(top, x);
    heap_end();
}

/* A leaf that is newer than its parent, as the leaf of an inline constant is when somebody looks at
 * it. */
static void a_leaf_may_be_newer_than_its_parent(void) {
    heap_begin();
    mg_node *x = leaf(1.0), *placeholder = leaf(2.0);
    mg_node *sum = binary(MG_OP_add, x, placeholder), *root = unary(MG_OP_neg, sum);
    mg_node *late = leaf(2.0);
    mg_node_right(sum)->node = hold(late);
    DROP(placeholder, placeholder);
    for (int i = 0; i < 2; i++) {
        mg_order order = {0};
        CHECK_STATUS(listers[i](root, NULL, &order), MG_OK);
        CHECK_COUNT(order.count, 4);
        CHECK(order.nodes[0] == root && order.nodes[1] == sum);
        CHECK((order.nodes[2] == x && order.nodes[3] == late) ||
              (order.nodes[2] == late && order.nodes[3] == x));
        drop_order(&order);
    }
    CHECK_STATUS(mg_graph_backward(&heap, root), MG_OK);
    CHECK_SAME(late->grad, -1.0);
    CHECK_SAME(x->grad, -1.0);
    DROP(late, root, sum, x);
    heap_end();
}

/* Runs of which nothing is left lie between the root and what it is made of. */
static void dead_runs_are_passed_over(void) {
    enum { COUNT = 5 * (int)MG_PAGE_SLOTS };
    static mg_node *nodes[COUNT];
    heap_begin();
    mg_node *x = leaf(1.0), *y = unary(MG_OP_neg, x);
    for (size_t i = 0; i < COUNT; i++) {
        nodes[i] = leaf(0.0);
    }
    mg_node *root = unary(MG_OP_neg, y);
    drop_nodes(nodes, COUNT);
    CHECK(heap.arena.dead_runs >= 3);
    for (int i = 0; i < 2; i++) {
        mg_order order = {0};
        CHECK_STATUS(listers[i](root, NULL, &order), MG_OK);
        CHECK_COUNT(order.count, 3);
        CHECK(order.nodes[0] == root && order.nodes[1] == y && order.nodes[2] == x);
        drop_order(&order);
    }
    CHECK_STATUS(mg_graph_backward(&heap, root), MG_OK);
    CHECK_SAME(x->grad, 1.0);
    DROP(root, y, x);
    heap_end();
}

/* --- failures --- */

static int stop(void) { return 1; }

static void an_interrupted_order_is_empty(void) {
    heap_begin();
    mg_node *x = leaf(1.0), *top = hold(x);
    for (size_t i = 0; i < 50000; i++) {
        top = then(top, unary(MG_OP_neg, top));
    }
    for (int i = 0; i < 2; i++) {
        mg_order order = {0};
        CHECK_STATUS(listers[i](top, stop, &order), MG_INTERRUPTED);
        CHECK(order.nodes == NULL && order.count == 0);
        CHECK_COUNT((uint64_t)top->refcount, 1);
    }
    DROP(top, x);
    heap_end();
}

static mg_status list_a_graph(lister *list) {
    heap_begin();
    mg_status status = MG_NO_MEMORY;
    dag graph = random_dag(600, 2000, 1);
    mg_order order = {0};
    if (graph.count != 0) {
        mg_node *root = graph.nodes[graph.count - 1];
        intptr_t refcount = graph.nodes[0]->refcount;
        status = list(root, NULL, &order);
        CHECK((order.count != 0) == (status == MG_OK));
        CHECK((order.nodes != NULL) == (status == MG_OK));
        drop_order(&order);
        CHECK_COUNT((uint64_t)graph.nodes[0]->refcount, (uint64_t)refcount);
        CHECK_COUNT((uint64_t)root->refcount, 1);
    }
    drop_dag(&graph);
    heap_end();
    return status;
}

static mg_status an_order_by_log(void) { return list_a_graph(by_log); }

static mg_status a_depth_first_order(void) { return list_a_graph(mg_order_depth_first); }

/* Deep enough for the path to grow. */
static mg_status a_depth_first_order_of_a_chain(void) {
    heap_begin();
    mg_order order = {0};
    mg_status status = MG_NO_MEMORY;
    mg_node *top = leaf(1.0);
    for (size_t i = 0; top != NULL && i < 700; i++) {
        top = then(top, unary(MG_OP_neg, top));
    }
    if (top != NULL) {
        status = mg_order_depth_first(top, NULL, &order);
        CHECK_COUNT(order.count, status == MG_OK ? 701 : 0);
        drop_order(&order);
        CHECK_COUNT((uint64_t)top->refcount, 1);
        drop(top);
    }
    heap_end();
    return status;
}

static mg_status an_order_of_one_leaf(void) {
    heap_begin();
    mg_status status = MG_NO_MEMORY;
    mg_node *x = leaf(1.0);
    for (int i = 0; x != NULL && i < 2; i++) {
        mg_order order = {0};
        status = listers[i](x, NULL, &order);
        drop_order(&order);
        if (status != MG_OK) {
            break;
        }
    }
    DROP(x);
    heap_end();
    return status;
}

int main(void) {
    nary_warm_up();
    RUN(both_are_orders_of_random_graphs);
    RUN(both_are_orders_of_large_graphs);
    RUN(both_are_orders_of_graphs_in_holes);
    RUN(a_leaf_is_an_order_of_its_own);
    RUN(a_chain_is_listed_from_its_top);
    RUN(a_leaf_may_be_newer_than_its_parent);
    RUN(dead_runs_are_passed_over);
    RUN(an_interrupted_order_is_empty);
    RUN_EACH_FAILURE(an_order_by_log);
    RUN_EACH_FAILURE(a_depth_first_order);
    RUN_EACH_FAILURE(a_depth_first_order_of_a_chain);
    RUN_EACH_FAILURE(an_order_of_one_leaf);
    return harness_summary("order");
}
