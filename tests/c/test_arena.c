/* How the arena stores nodes: slots, pages, and what comes back when they die. */
#include "arena_check.h"

#define SLOTS ((size_t)MG_PAGE_SLOTS)

static void an_unused_arena_owns_nothing(void) {
    uint64_t before = mg_memory_outstanding();
    numbered_begin();
    check_arena(0);
    CHECK_COUNT(mg_memory_outstanding(), before);
    heap_end();
    CHECK_COUNT(heap.arena.page_count, 0);
}

static void a_new_node_is_blank(void) {
    numbered_begin();
    mg_node *node = numbered_leaf();
    drop(node);
    /* What the dead leave behind, their grads used as links among it. */
    node->grad = 5.0;
    node->mark = 9;
    node->flags = MG_INTEGER_CONSTANT;
    mg_node *again = mg_arena_alloc(&heap.arena, MG_OP_tanh);
    CHECK(again == node);
    CHECK_COUNT(again->op, MG_OP_tanh);
    CHECK_COUNT(again->flags, 0);
    CHECK_COUNT(again->mark, 0);
    CHECK_COUNT(again->run, 0);
    CHECK_SAME(again->grad, 0.0);
    CHECK(again->attributes == NULL && again->weakrefs == NULL);
    mg_arena_free(&heap.arena, again);
    heap_end();
}

static void nodes_lie_in_sequence(void) {
    enum { COUNT = 2000 };
    static mg_node *nodes[COUNT];
    numbered_begin();
    numbered_leaves(nodes, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        CHECK(nodes[i] == mg_page_slot(page_of(nodes[i]), i % SLOTS));
        CHECK_COUNT(nodes[i]->run, i / SLOTS);
        CHECK_COUNT((uintptr_t)nodes[i] % 16, 0);
    }
    CHECK_COUNT(heap.arena.page_count, COUNT / SLOTS + 1);
    check_arena(COUNT);
    drop_nodes(nodes, COUNT);
    check_arena(0);
    heap_end();
}

static void the_newest_slot_is_taken_back_at_once(void) {
    numbered_begin();
    mg_node *kept = numbered_leaf();
    mg_node *slot = mg_slot_after(kept);
    for (int i = 0; i < 10000; i++) {
        mg_node *x = numbered_leaf(), *y = numbered_leaf();
        CHECK(x == slot && y == mg_slot_after(slot));
        DROP(y, x);
    }
    CHECK_COUNT(heap.arena.page_count, 1);
    CHECK_COUNT(heap.arena.run_count, 1);
    check_arena(1);
    drop(kept);
    heap_end();
}

static void the_last_slot_of_a_page_is_taken_back_too(void) {
    static mg_node *nodes[MG_PAGE_SLOTS];
    numbered_begin();
    numbered_leaves(nodes, SLOTS);
    mg_node *last = nodes[SLOTS - 1];
    for (int i = 0; i < 100; i++) {
        drop(last);
        CHECK(numbered_leaf() == last);
    }
    CHECK_COUNT(heap.arena.page_count, 1);
    check_arena(SLOTS);
    drop_nodes(nodes, SLOTS);
    heap_end();
}

static void a_hole_stays_empty_while_the_page_is_filled(void) {
    numbered_begin();
    mg_node *nodes[10];
    numbered_leaves(nodes, 10);
    drop(nodes[4]);
    check_arena(9);
    CHECK(numbered_leaf() == mg_slot_after(nodes[9]));
    drop(mg_slot_after(nodes[9]));
    /* The hole before the newest is not taken back with it: that would put a new node before an old
     * one. */
    drop(nodes[9]);
    CHECK(heap.arena.cursor == nodes[9]);
    nodes[9] = numbered_leaf();
    check_arena(9);
    nodes[4] = NULL;
    drop_nodes(nodes, 10);
    heap_end();
}

/* More pages than the first table of runs has room for. */
static mg_status nodes_survive_when_there_is_no_room(void) {
    enum { COUNT = 70 * (int)MG_PAGE_SLOTS };
    static mg_node *nodes[COUNT];
    size_t count = 0;
    mg_status status = MG_OK;
    numbered_begin();
    while (count < COUNT) {
        mg_node *node = numbered_leaf();
        if (node == NULL) {
            status = MG_NO_MEMORY;
            check_arena(count);
            node = numbered_leaf();
            CHECK(node != NULL);
        }
        nodes[count++] = node;
    }
    check_arena(COUNT);
    drop_nodes(nodes, COUNT);
    heap_end();
    return status;
}

/* With the open page full and no memory for another: what is freed must be found again. */
static void freed_slots_are_reused_when_there_is_no_room(void) {
    static mg_node *nodes[MG_PAGE_SLOTS];
    numbered_begin();
    numbered_leaves(nodes, SLOTS);
    mg_memory_fail_nth(1);
    CHECK(numbered_leaf() == NULL);
    check_arena(SLOTS);
    drop_nodes(nodes + 1, SLOTS - 1);
    check_arena(1);
    CHECK(numbered_leaf() == nodes[1]);
    CHECK_COUNT(heap.arena.page_count, 1);
    drop(nodes[1]);
    drop(nodes[0]);
    heap_end();
}

int main(void) {
    RUN(an_unused_arena_owns_nothing);
    RUN(a_new_node_is_blank);
    RUN(nodes_lie_in_sequence);
    RUN(the_newest_slot_is_taken_back_at_once);
    RUN(the_last_slot_of_a_page_is_taken_back_too);
    RUN(a_hole_stays_empty_while_the_page_is_filled);
    RUN_EACH_FAILURE(nodes_survive_when_there_is_no_room);
    RUN(freed_slots_are_reused_when_there_is_no_room);
    return harness_summary("arena");
}
