/* Freeing at any depth, and what the collector is told. */
#include <limits.h>
#include <pthread.h>

#include "support.h"

/* How long a chain must be freed without recursion; valgrind's own target shortens it. */
#if !defined(CHAIN_NODES)
#if SANITIZED
#define CHAIN_NODES 1000000
#else
#define CHAIN_NODES 10000000
#endif
#endif

/* Sanitizers make frames larger, but not by this much: recursion would need gigabytes. */
#define SMALL_STACK ((size_t)(SANITIZED ? 256 : 64) * 1024)

static void *run_test(void *test) {
    (*(void (**)(void))test)();
    return NULL;
}

static void on_small_stack(void (*test)(void)) {
    pthread_t thread;
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, SMALL_STACK) == 0);
    if (CHECK(pthread_create(&thread, &attributes, run_test, &test) == 0)) {
        CHECK(pthread_join(thread, NULL) == 0);
    }
    CHECK(pthread_attr_destroy(&attributes) == 0);
}

/* --- depth --- */

static void build_and_free_a_chain(void) {
    heap_begin();
    mg_node *x = leaf(1.0), *top = hold(x);
    for (size_t i = 0; i < CHAIN_NODES; i++) {
        top = then(top, unary(MG_OP_neg, top));
    }
    CHECK_STATUS(mg_graph_backward(&heap, top), MG_OK);
    CHECK_SAME(x->grad, CHAIN_NODES % 2 == 0 ? 1.0 : -1.0);
    drop(top);
    CHECK_COUNT((uint64_t)x->refcount, 1);
    CHECK_COUNT(mg_arena_count(&heap.arena), 1);
    CHECK_COUNT(calls.finalize, 0);
    drop(x);
    heap_end();
}

static void a_long_chain_is_freed_on_a_small_stack(void) { on_small_stack(build_and_free_a_chain); }

/* One link of a chain: a node that owns `below` in its own way. */
typedef mg_node *linker(mg_node *below, mg_node *x);

static mg_node *link_right(mg_node *below, mg_node *x) { return binary(MG_OP_add, x, below); }

static mg_node *link_both(mg_node *below, mg_node *x) {
    (void)x;
    return binary(MG_OP_sub, below, below);
}

static mg_node *link_block(mg_node *below, mg_node *x) { return ternary(MG_OP_where, x, x, below); }

static mg_node *link_attribute(mg_node *below, mg_node *x) {
    mg_node *node = unary(MG_OP_neg, x);
    set_attribute(node, below);
    return node;
}

static mg_node *link_tracked(mg_node *below, mg_node *x) {
    mg_node *node = binary(MG_OP_add, below, x);
    CHECK(track(node));
    return node;
}

/* Foreign nodes are deallocated by their owner, one in another; here only every second one is. */
static mg_node *link_foreign(mg_node *below, mg_node *x) {
    mg_node *foreign = foreign_node(0.0, 1, &below, NULL);
    return then(foreign, binary(MG_OP_add, foreign, x));
}

static linker *const linkers[] = {link_right,     link_both,    link_block,
                                  link_attribute, link_tracked, link_foreign};

static void free_chains_of_all_kinds(void) {
    for (size_t kind = 0; kind < sizeof linkers / sizeof *linkers; kind++) {
        heap_begin();
        mg_node *x = leaf(1.0), *top = hold(x);
        for (size_t i = 0; i < CHAIN_NODES / 50; i++) {
            top = then(top, linkers[kind](top, x));
        }
        drop(top);
        CHECK_COUNT((uint64_t)x->refcount, 1);
        CHECK_COUNT(mg_arena_count(&heap.arena), 1);
        drop(x);
        heap_end();
    }
}

static void chains_of_every_kind_are_freed_on_a_small_stack(void) {
    on_small_stack(free_chains_of_all_kinds);
}

static void what_is_still_held_stays(void) {
    heap_begin();
    mg_node *x = leaf(1.0), *y = leaf(2.0);
    mg_node *shared = binary(MG_OP_mul, x, y), *kept = unary(MG_OP_neg, shared);
    mg_node *wide = user_node(MG_OP_local, 0.0, 4, (mg_node *[]){shared, x, shared, kept},
                              (double[]){1.0, 1.0, 1.0, 1.0});
    mg_node *root = binary(MG_OP_add, wide, shared);
    DROP(shared, y, wide, root);
    CHECK_COUNT(mg_arena_count(&heap.arena), 4); /* x, y, shared, kept */
    CHECK_COUNT((uint64_t)shared->refcount, 1);
    CHECK_COUNT((uint64_t)y->refcount, 1);
    CHECK_COUNT((uint64_t)x->refcount, 2);
    CHECK_SAME(shared->data, 2.0);
    DROP(kept, x);
    heap_end();
}

/* --- hooks --- */

static void only_what_owns_more_than_operands_is_finalized(void) {
    static void *reference;
    heap_begin();
    mg_node *x = leaf(1.0), *y = unary(MG_OP_neg, x), *z = binary(MG_OP_add, x, y);
    drop(z);
    y->flags |= MG_INTEGER_CONSTANT;
    drop(y);
    CHECK_COUNT(calls.finalize, 0);
    y = unary(MG_OP_neg, x);
    y->weakrefs = &reference;
    drop(y);
    CHECK_COUNT(calls.finalize, 1);
    y = unary(MG_OP_neg, x);
    set_attribute(y, x);
    drop(y);
    CHECK_COUNT(calls.finalize, 2);
    CHECK_COUNT(calls.untrack, 0);
    y = unary(MG_OP_neg, x);
    CHECK(track(y));
    drop(y);
    CHECK_COUNT(calls.finalize, 3);
    CHECK_COUNT(calls.untrack, 1);
    CHECK_COUNT((uint64_t)x->refcount, 1);
    drop(x);
    heap_end();
}

static mg_node *chain(size_t length) {
    mg_node *top = leaf(1.0);
    for (size_t i = 0; i < length; i++) {
        top = then(top, unary(MG_OP_neg, top));
    }
    return top;
}

static mg_node *victim, *finalized;

/* What dies in a hook is not freed there, but has left the collector; new nodes are no trouble. */
static void drop_victim(mg_node *node) {
    mg_node *pair[2], **operands = pair;
    uint32_t count = mg_node_operands(node, pair, &operands);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(operands[i]->refcount > 0); /* operands outlive the hook */
    }
    CHECK(heap.releasing != 0);
    if (victim != NULL) {
        mg_node *dying = victim;
        victim = NULL;
        finalized = node;
        drop(dying);
        CHECK(heap.dead == dying);
        CHECK_COUNT((uint64_t)dying->refcount, 0);
        CHECK(!(dying->flags & MG_TRACKED));
        drop(chain(2000));
        CHECK(heap.dead != NULL && dying->op != MG_OP_free);
        mg_node *root = chain(3000);
        CHECK_STATUS(mg_graph_backward(&heap, root), MG_OK);
        drop(root);
    }
}

static void what_dies_in_a_hook_joins_the_outer_list(void) {
    heap_begin();
    mg_node *x = leaf(1.0), *y = leaf(2.0), *z = binary(MG_OP_add, x, y);
    CHECK(track(z));
    victim = chain(1000);
    CHECK(track(victim));
    on_finalize = drop_victim;
    DROP(x, y, z);
    CHECK(finalized == z && victim == NULL);
    CHECK_COUNT(calls.finalize, 2);
    CHECK_COUNT(calls.untrack, 2);
    CHECK_COUNT(mg_arena_count(&heap.arena), 0);
    heap_end();
}

static mg_node *siblings[3];

static void check_siblings(mg_node *node) {
    (void)node;
    for (int i = 0; i < 3; i++) {
        if (siblings[i]->refcount == 0) {
            CHECK(!(siblings[i]->flags & MG_TRACKED));
        }
    }
    /* A collection now would spread tracking: the dead must be left alone. */
    CHECK_STATUS(mg_graph_spread_tracking(&heap), MG_OK);
}

static void the_collector_never_meets_a_dead_node(void) {
    heap_begin();
    mg_node *x = leaf(1.0);
    CHECK(track(x));
    for (int i = 0; i < 3; i++) {
        siblings[i] = unary(MG_OP_neg, x);
        CHECK(track(siblings[i]));
    }
    mg_node *root = user_node(MG_OP_closure, 0.0, 3, siblings, NULL);
    set_attribute(root, x);
    drop_nodes(siblings, 3);
    on_finalize = check_siblings;
    drop(root);
    CHECK_COUNT(calls.finalize, 4);
    CHECK_COUNT(calls.track, 0);
    on_finalize = NULL;
    drop(x);
    heap_end();
}

static mg_node *made_in_hook[2];

static void make_two(mg_node *node) {
    (void)node;
    made_in_hook[0] = leaf(10.0);
    made_in_hook[1] = leaf(20.0);
}

static void a_foreign_node_may_run_code_while_its_parent_dies(void) {
    heap_begin();
    for (int side = 0; side < 3; side++) {
        mg_node *x = leaf(1.0), *y = foreign_node(2.0, 1, &x, (double[]){1.0});
        mg_node *z = side == 0   ? binary(MG_OP_add, x, y)
                     : side == 1 ? binary(MG_OP_add, y, x)
                                 : ternary(MG_OP_where, x, y, x);
        on_foreign = make_two;
        DROP(x, y, z);
        CHECK_COUNT(calls.foreign, (uint64_t)side + 1);
        CHECK_SAME(made_in_hook[0]->data, 10.0);
        CHECK_SAME(made_in_hook[1]->data, 20.0);
        CHECK_COUNT(mg_arena_count(&heap.arena), 2);
        DROP(made_in_hook[1], made_in_hook[0]);
    }
    heap_end();
}

/* --- giving up operands --- */

static void a_node_gives_up_its_operands(void) {
    for (int kind = 0; kind < 6; kind++) {
        heap_begin();
        mg_node *x = leaf(1.0), *y = leaf(2.0);
        mg_node *inner = unary(MG_OP_neg, y);
        mg_node *node = kind % 3 == 0   ? unary(MG_OP_neg, inner)
                        : kind % 3 == 1 ? binary(MG_OP_add, x, inner)
                                        : ternary(MG_OP_where, x, inner, x);
        CHECK(kind < 3 || track(node));
        drop(inner);
        mg_graph_drop_operands(&heap, node);
        CHECK_COUNT(node->op, MG_OP_leaf);
        CHECK(mg_node_left(node)->node == NULL);
        CHECK_COUNT(mg_arena_count(&heap.arena), 3); /* inner is gone */
        CHECK_COUNT((uint64_t)x->refcount, 1);
        CHECK_COUNT((uint64_t)y->refcount, 1);
        /* A leaf has nothing to give up. */
        mg_graph_drop_operands(&heap, node);
        CHECK_STATUS(mg_graph_backward(&heap, node), MG_OK);
        CHECK_SAME(node->grad, 1.0);
        CHECK_SAME(x->grad, 0.0);
        DROP(node, y, x);
        heap_end();
    }
}

/* --- tracking --- */

static mg_status tracking_spreads_to_all_that_is_above(void) {
    enum { ABOVE = 300 };
    static mg_node *above[ABOVE];
    heap_begin();
    mg_status status = MG_NO_MEMORY, first = MG_OK;
    size_t count = 0;
    mg_node *x = leaf(1.0), *other = x != NULL ? leaf(2.0) : NULL;
    mg_node *below = other != NULL ? unary(MG_OP_neg, other) : NULL;
    mg_node *sub = below != NULL ? foreign_node(0.0, 1, &below, NULL) : NULL;
    mg_node *on_sub = sub != NULL ? unary(MG_OP_neg, sub) : NULL;
    while (on_sub != NULL && count < ABOVE) {
        mg_node *last = count != 0 ? above[count - 1] : x;
        mg_node *made = count % 3 == 2 ? ternary(MG_OP_where, other, below, last)
                                       : binary(MG_OP_add, count % 3 == 0 ? below : last, last);
        if (made == NULL) {
            break;
        }
        above[count++] = made;
    }
    if (count == ABOVE && track(x)) {
        status = first = mg_graph_spread_tracking(&heap);
        if (first != MG_OK) { /* where it stopped it goes on */
            CHECK_STATUS(mg_graph_spread_tracking(&heap), MG_OK);
        }
        for (size_t i = 0; i < ABOVE; i++) {
            CHECK(above[i]->flags & MG_TRACKED);
        }
        CHECK(on_sub->flags & MG_TRACKED);
        CHECK(!(other->flags & MG_TRACKED) && !(below->flags & MG_TRACKED));
        CHECK_COUNT(calls.track, ABOVE + 1 + (uint64_t)(first != MG_OK));
        /* All is known: nothing is left to do. */
        CHECK_STATUS(mg_graph_spread_tracking(&heap), MG_OK);
        CHECK_COUNT(calls.track, ABOVE + 1 + (uint64_t)(first != MG_OK));
    }
    drop_nodes(above, count);
    DROP(on_sub, sub, below, other, x);
    heap_end();
    return status;
}

static void tracking_passes_over_dead_runs(void) {
    enum { COUNT = 3 * (int)MG_PAGE_SLOTS };
    static mg_node *nodes[COUNT];
    heap_begin();
    for (size_t i = 0; i < COUNT; i++) {
        nodes[i] = leaf(0.0);
    }
    mg_node *x = leaf(1.0), *y = unary(MG_OP_neg, x);
    drop_nodes(nodes, COUNT);
    CHECK(heap.arena.dead_runs != 0);
    CHECK(track(x));
    CHECK_STATUS(mg_graph_spread_tracking(&heap), MG_OK);
    CHECK(y->flags & MG_TRACKED);
    CHECK_COUNT(calls.track, 1);
    DROP(y, x);
    heap_end();
}

int main(void) {
    RUN(a_long_chain_is_freed_on_a_small_stack);
    RUN(chains_of_every_kind_are_freed_on_a_small_stack);
    RUN(what_is_still_held_stays);
    RUN(only_what_owns_more_than_operands_is_finalized);
    RUN(what_dies_in_a_hook_joins_the_outer_list);
    RUN(the_collector_never_meets_a_dead_node);
    RUN(a_foreign_node_may_run_code_while_its_parent_dies);
    RUN(a_node_gives_up_its_operands);
    RUN_EACH_FAILURE(tracking_spreads_to_all_that_is_above);
    RUN(tracking_passes_over_dead_runs);
    return harness_summary("release");
}
