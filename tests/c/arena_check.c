#include "arena_check.h"

#include <math.h>

static double next_number;

void numbered_begin(void) {
    heap_begin();
    next_number = 0.0;
}

mg_node *numbered_leaf(void) {
    mg_node *node = leaf(next_number);
    next_number += node != NULL;
    return node;
}

void numbered_leaves(mg_node **nodes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        nodes[i] = numbered_leaf();
    }
}

static mg_node *sentinel_of(mg_page *page) { return mg_page_slot(page, MG_PAGE_SLOTS); }

static int is_open(const mg_arena *arena, uint32_t run) {
    return arena->page != NULL && run == arena->run_count - 1;
}

static void check_slots(mg_page *page) {
    CHECK(sentinel_of(page)->op != MG_OP_free);
    for (size_t i = 0; i < MG_PAGE_SLOTS; i++) {
        mg_node *node = mg_page_slot(page, i);
        if (node->op == MG_OP_free) {
            CHECK(node->attributes == NULL && node->weakrefs == NULL);
            CHECK(mg_node_prefix(node)->next == 0);
        }
    }
}

/* A live node of run `index`; all of the run's are in its range of slots. */
static int is_of_run(const mg_node *node, uint32_t index) {
    return node->op != MG_OP_free && node->run == index;
}

static size_t check_run(mg_arena *arena, uint32_t index) {
    const mg_run *run = &arena->runs[index];
    mg_node *first = mg_run_first(arena, index), *end = mg_run_end(arena, index);
    size_t live = 0;
    for (mg_node *node = first; node != end; node = mg_slot_after(node)) {
        live += is_of_run(node, index);
    }
    if (is_open(arena, index)) {
        size_t span = (size_t)((char *)end - (char *)first) / MG_SLOT_BYTES;
        size_t freed = (size_t)(MG_OPEN_RUN - run->live);
        CHECK(run->page == arena->page);
        CHECK_COUNT(live, span - arena->skipped - freed);
    } else {
        CHECK_COUNT(live, (uint64_t)run->live);
        CHECK(run->live > run->watch);
    }
    sentinel_of(run->page)->run++;
    return live;
}

static size_t check_runs(mg_arena *arena) {
    size_t live = 0, dead_runs = 0;
    CHECK(arena->run_count <= arena->run_capacity);
    for (uint32_t run = 0; run < arena->run_count; run++) {
        if (arena->runs[run].page == NULL) {
            dead_runs++;
        } else {
            live += check_run(arena, run);
        }
    }
    CHECK_COUNT(arena->dead_runs, dead_runs);
    /* Dead runs at the end are forgotten at once. */
    CHECK(arena->run_count == 0 || arena->runs[arena->run_count - 1].page != NULL);
    return live;
}

static void check_ready(const mg_arena *arena, size_t flagged) {
    size_t count = 0;
    const mg_page *previous = NULL;
    for (const mg_page *page = arena->ready; page != NULL; page = page->next_ready) {
        CHECK(page->previous_ready == previous);
        CHECK_COUNT(page->is_ready, 1);
        CHECK(page != arena->page);
        previous = page;
        count++;
    }
    CHECK_COUNT(count, flagged);
}

static void check_cursor(const mg_arena *arena) {
    if (arena->page == NULL) {
        CHECK(arena->cursor == &mg_arena_no_slot);
        return;
    }
    size_t offset = (size_t)((char *)arena->cursor - (char *)mg_page_slot(arena->page, 0));
    CHECK(arena->cursor >= mg_page_slot(arena->page, 0));
    CHECK(arena->cursor <= sentinel_of(arena->page));
    CHECK_COUNT(offset % MG_SLOT_BYTES, 0);
}

static size_t check_structure(mg_arena *arena) {
    size_t pages = 0, empty = 0, ready = 0;
    for (mg_page *page = arena->pages; page != NULL; page = page->next) {
        check_slots(page);
        sentinel_of(page)->run = 0;
    }
    size_t live = check_runs(arena);
    const mg_page *previous = NULL;
    for (mg_page *page = arena->pages; page != NULL; page = page->next) {
        CHECK(page->previous == previous);
        CHECK_COUNT(page->live_runs, sentinel_of(page)->run);
        CHECK(page->live_runs != 0 || page->is_ready);
        empty += page->live_runs == 0;
        ready += page->is_ready != 0;
        previous = page;
        pages++;
    }
    CHECK_COUNT(arena->page_count, pages);
    CHECK_COUNT(arena->empty_pages, empty);
    CHECK(arena->empty_pages <= MG_EMPTY_PAGES_KEPT);
    check_ready(arena, ready);
    check_cursor(arena);
    CHECK_COUNT(mg_arena_count(arena), live);
    return live;
}

static void check_log_order(const mg_arena *arena) {
    double last = -INFINITY;
    for (uint32_t run = 0; run < arena->run_count; run++) {
        if (arena->runs[run].page == NULL) {
            continue;
        }
        mg_node *end = mg_run_end(arena, run);
        for (mg_node *node = mg_run_first(arena, run); node != end; node = mg_slot_after(node)) {
            if (is_of_run(node, run)) {
                CHECK(node->data > last);
                last = node->data;
            }
        }
    }
}

void check_arena(uint64_t live) {
    CHECK_COUNT(check_structure(&heap.arena), live);
    check_log_order(&heap.arena);
}
