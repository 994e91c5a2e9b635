/* What becomes of the arena's pages as nodes die: which are filled again, and which go back. */
#include "arena_check.h"

#define SLOTS ((size_t)MG_PAGE_SLOTS)

static void a_half_dead_page_is_filled_again_from_its_holes(void) {
    static mg_node *nodes[2 * MG_PAGE_SLOTS], *again[MG_PAGE_SLOTS];
    size_t holes = 0;
    numbered_begin();
    numbered_leaves(nodes, 2 * SLOTS);
    mg_page *page = page_of(nodes[0]);
    for (size_t i = 0; i < SLOTS; i += 2) {
        CHECK_COUNT(page->is_ready, 0);
        drop(nodes[i]);
        nodes[i] = NULL;
        holes++;
    }
    CHECK_COUNT(page->is_ready, 1);
    numbered_leaves(again, holes);
    for (size_t i = 0; i < holes; i++) {
        CHECK(again[i] == mg_page_slot(page, 2 * i));
        CHECK_COUNT(again[i]->run, 2);
    }
    CHECK_COUNT(heap.arena.page_count, 2);
    check_arena(2 * SLOTS);
    /* The next one needs another page. */
    mg_node *next = numbered_leaf();
    CHECK(page_of(next) != page && page_of(next) != page_of(nodes[SLOTS]));
    check_arena(2 * SLOTS + 1);
    drop_nodes(nodes, 2 * SLOTS);
    drop_nodes(again, holes);
    drop(next);
    heap_end();
}

static void emptied_pages_are_filled_in_sequence_again(void) {
    enum { COUNT = 3 * (int)MG_PAGE_SLOTS };
    static mg_node *nodes[COUNT];
    numbered_begin();
    for (int round = 0; round < 20; round++) {
        numbered_leaves(nodes, COUNT);
        for (size_t i = 1; i < COUNT; i++) {
            size_t first = nodes[i]->run == nodes[i - 1]->run ? 0 : 1;
            CHECK(nodes[i] ==
                  (first ? mg_page_slot(page_of(nodes[i]), 0) : mg_slot_after(nodes[i - 1])));
        }
        for (size_t i = COUNT - 1; i > 0; i--) { /* they die in any order */
            size_t j = random_below(i + 1);
            mg_node *node = nodes[j];
            nodes[j] = nodes[i];
            nodes[i] = node;
        }
        drop_nodes(nodes, COUNT);
        check_arena(0);
    }
    CHECK(heap.arena.page_count <= 4);
    heap_end();
}

static void survivors_are_skipped_and_keep_their_place_in_the_log(void) {
    static mg_node *nodes[3 * MG_PAGE_SLOTS];
    mg_node *later[100];
    numbered_begin();
    numbered_leaves(nodes, 3 * SLOTS);
    for (size_t i = 0; i < SLOTS; i++) {
        if (i % 10 != 0) {
            drop(nodes[i]);
            nodes[i] = NULL;
        }
    }
    numbered_leaves(later, 100);
    CHECK(later[0] == mg_slot_after(nodes[0]));
    CHECK(later[9] == mg_slot_after(nodes[10]));
    CHECK(later[9]->run > nodes[3 * SLOTS - 1]->run && nodes[10]->run == 0);
    check_arena(2 * SLOTS + (SLOTS + 9) / 10 + 100);
    drop_nodes(later, 100);
    drop_nodes(nodes, 3 * SLOTS);
    heap_end();
}

static mg_node *fillers[40 * MG_PAGE_SLOTS];
static size_t filler_count;

static mg_node *make_filler(void) {
    mg_node *node = numbered_leaf();
    fillers[filler_count++] = node;
    return node;
}

/* A node in `page`: what comes first elsewhere is used up. */
static mg_node *make_in(mg_page *page) {
    mg_node *node = numbered_leaf();
    while (page_of(node) != page && filler_count < sizeof fillers / sizeof *fillers) {
        fillers[filler_count++] = node;
        node = numbered_leaf();
    }
    CHECK(page_of(node) == page);
    return node;
}

/* Leaves one node in a page whose last filling was so short that it is not worth watching, and
   during which all else in the page died. */
static mg_node *strand_node(void) {
    static mg_node *nodes[MG_PAGE_SLOTS];
    size_t count = 0, filling;
    filler_count = 0;
    mg_node *node = make_filler();
    mg_page *page = page_of(node);
    while (page_of(node) == page) { /* to the first node of the next page */
        node = make_filler();
    }
    filler_count--;
    page = page_of(node);
    while (page_of(node) == page) {
        nodes[count++] = node;
        node = numbered_leaf();
    }
    fillers[filler_count++] = node;
    for (filling = count; filling >= 64;) {
        filling -= filling / 2;
        drop_nodes(nodes + count - filling, filling);
        for (size_t i = count - filling; i < count; i++) {
            nodes[i] = make_in(page);
        }
        if (filling >= 64) {
            make_filler();
        }
    }
    drop_nodes(nodes, count - filling);
    make_filler();
    drop_nodes(nodes + count - filling, filling - 1);
    drop_nodes(fillers, filler_count);
    return nodes[count - 1];
}

static void one_node_does_not_keep_a_page_to_itself(void) {
    enum { ROUNDS = 50 };
    mg_node *stranded[ROUNDS];
    numbered_begin();
    for (size_t i = 0; i < ROUNDS; i++) {
        stranded[i] = strand_node();
    }
    check_arena(ROUNDS);
    CHECK(heap.arena.page_count <= 10);
    drop_nodes(stranded, ROUNDS);
    heap_end();
}

/* The live nodes of the run that `node` belongs to, among the `count` given. */
static size_t run_size(mg_node *const *nodes, size_t count, uint32_t run) {
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += nodes[i]->run == run;
    }
    return size;
}

/* Runs too short to be watched fill a page; nobody notices as they die, until the last one. */
static void a_page_of_short_runs_comes_back(void) {
    static mg_node *nodes[MG_PAGE_SLOTS];
    numbered_begin();
    filler_count = 0;
    numbered_leaves(nodes, SLOTS);
    mg_page *page = page_of(nodes[0]);
    for (size_t i = 0; i < SLOTS; i++) {
        uint32_t run = nodes[i]->run;
        make_filler();
        for (size_t size = run_size(nodes, SLOTS, run); size >= 64; size /= 2) {
            mg_node **replaced[MG_PAGE_SLOTS];
            size_t dropped = 0;
            for (size_t k = 0; k < SLOTS && dropped < size - size / 2; k++) {
                if (nodes[k]->run == run && k != i) {
                    drop(nodes[k]);
                    replaced[dropped++] = &nodes[k];
                }
            }
            CHECK_COUNT(page->is_ready, 1);
            for (size_t k = 0; k < dropped; k++) {
                *replaced[k] = make_in(page);
            }
            make_filler();
        }
    }
    CHECK(page->live_runs > 10);
    CHECK_COUNT(page->is_ready, 0);
    drop_nodes(nodes, SLOTS);
    CHECK_COUNT(page->live_runs, 0);
    CHECK_COUNT(page->is_ready, 1);
    check_arena(filler_count);
    drop_nodes(fillers, filler_count);
    heap_end();
}

static void empty_pages_beyond_the_kept_ones_go_back(void) {
    const size_t pages = MG_EMPTY_PAGES_KEPT + 50;
    numbered_begin();
    uint64_t before = mg_memory_outstanding();
    mg_node **nodes = mg_memory_alloc(pages * SLOTS, sizeof(mg_node *));
    numbered_leaves(nodes, pages * SLOTS);
    CHECK_COUNT(heap.arena.page_count, pages);
    CHECK_COUNT(mg_memory_outstanding(), before + pages + 2);
    drop_nodes(nodes, pages * SLOTS);
    check_arena(0);
    /* The open page is not counted as empty. */
    CHECK_COUNT(heap.arena.empty_pages, MG_EMPTY_PAGES_KEPT);
    CHECK_COUNT(heap.arena.page_count, MG_EMPTY_PAGES_KEPT + (heap.arena.page != NULL));
    CHECK_COUNT(mg_memory_outstanding(), before + 2 + heap.arena.page_count);
    mg_memory_free(nodes);
    heap_end();
    CHECK_COUNT(mg_memory_outstanding(), before);
}

static void a_ready_page_can_go_back_as_well(void) {
    const size_t pages = MG_EMPTY_PAGES_KEPT + 3;
    numbered_begin();
    mg_node **nodes = mg_memory_alloc(pages * SLOTS, sizeof(mg_node *));
    numbered_leaves(nodes, pages * SLOTS);
    mg_node *open = numbered_leaf();
    /* Two pages that are ready, with others on the list before and after them, then die. */
    drop_nodes(nodes, 2 * SLOTS - 10);
    drop_nodes(nodes + 2 * SLOTS, SLOTS - 10);
    drop_nodes(nodes + 3 * SLOTS, (pages - 3) * SLOTS);
    uint32_t count = heap.arena.page_count;
    drop_nodes(nodes + 2 * SLOTS - 10, 10);
    drop_nodes(nodes + 3 * SLOTS - 10, 10);
    CHECK_COUNT(heap.arena.page_count, count - 2);
    check_arena(1);
    drop(open);
    mg_memory_free(nodes);
    heap_end();
}

/* Who keeps one node in a thousand must not keep a page for each. */
static void kept_nodes_share_pages(size_t window, int oldest_first) {
    enum { KEPT = 400, EVERY = 1000 };
    static mg_node *kept[KEPT], *others[5000];
    size_t count = 0;
    numbered_begin();
    for (size_t i = 0; i < KEPT * EVERY; i++) {
        mg_node *node = numbered_leaf();
        if (i % EVERY == EVERY / 2) {
            kept[i / EVERY] = node;
        } else if (count < window) {
            others[count++] = node;
        } else if (oldest_first) {
            drop(others[i % window]);
            others[i % window] = node;
        } else {
            drop_nodes(others, count);
            others[0] = node;
            count = 1;
        }
    }
    check_arena(KEPT + count);
    CHECK(heap.arena.page_count <= (KEPT + window) / SLOTS + 4);
    drop_nodes(kept, KEPT);
    drop_nodes(others, count);
    heap_end();
}

static void pages_stay_few_when_one_node_in_a_thousand_is_kept(void) {
    kept_nodes_share_pages(1, 1);
    kept_nodes_share_pages(1500, 1);
    kept_nodes_share_pages(1500, 0);
    kept_nodes_share_pages(5000, 1);
    kept_nodes_share_pages(5000, 0);
}

int main(void) {
    RUN(a_half_dead_page_is_filled_again_from_its_holes);
    RUN(emptied_pages_are_filled_in_sequence_again);
    RUN(survivors_are_skipped_and_keep_their_place_in_the_log);
    RUN(one_node_does_not_keep_a_page_to_itself);
    RUN(a_page_of_short_runs_comes_back);
    RUN(empty_pages_beyond_the_kept_ones_go_back);
    RUN(a_ready_page_can_go_back_as_well);
    RUN(pages_stay_few_when_one_node_in_a_thousand_is_kept);
    return harness_summary("pages");
}
