/* Invariants:
   - the open run, if any, is the last of the log, its page is `arena->page`, and `arena->cursor` is
   a slot of that page or its sentinel; without an open run the cursor is `mg_arena_no_slot`;
   - a run is in the log with page != NULL exactly while it has a live node or is open, and is
   counted in its page's live_runs exactly then;
   - a page is on the ready list, or open, or has less than about half of its latest run free;
   - every slot that is not in use has op == MG_OP_free, is untracked, and has no attributes and
     no weakrefs. */
#include "arena.h"

#include <string.h>

/* Stands in for a slot when no page is open: it never looks free, so the fast path fails over. */
mg_node mg_arena_no_slot = {.op = MG_OP_leaf};

/* A run of fewer nodes only makes its page ready when all have died: refilling for a handful of
   slots is not worth a run. */
#define SMALL_RUN 64

static void ready_push(mg_arena *arena, mg_page *page) {
    page->is_ready = 1;
    page->previous_ready = NULL;
    page->next_ready = arena->ready;
    if (arena->ready != NULL) {
        arena->ready->previous_ready = page;
    }
    arena->ready = page;
}

static void ready_remove(mg_arena *arena, mg_page *page) {
    page->is_ready = 0;
    if (page->previous_ready != NULL) {
        page->previous_ready->next_ready = page->next_ready;
    } else {
        arena->ready = page->next_ready;
    }
    if (page->next_ready != NULL) {
        page->next_ready->previous_ready = page->previous_ready;
    }
}

static mg_page *page_new(mg_arena *arena) {
    mg_page *page = mg_memory_page_alloc();
    if (page == NULL) {
        return NULL;
    }
    mg_page_slot(page, MG_PAGE_SLOTS)->op = MG_OP_leaf;
    page->next = arena->pages;
    if (arena->pages != NULL) {
        arena->pages->previous = page;
    }
    arena->pages = page;
    arena->page_count++;
    return page;
}

static void page_delete(mg_arena *arena, mg_page *page) {
    if (page->previous != NULL) {
        page->previous->next = page->next;
    } else {
        arena->pages = page->next;
    }
    if (page->next != NULL) {
        page->next->previous = page->previous;
    }
    arena->page_count--;
    mg_memory_page_free(page);
}

/* The run's last node has died. */
static void run_died(mg_arena *arena, uint32_t index) {
    mg_page *page = arena->runs[index].page;
    arena->runs[index].page = NULL;
    arena->dead_runs++;
    while (arena->run_count > 0 && arena->runs[arena->run_count - 1].page == NULL) {
        arena->run_count--;
        arena->dead_runs--;
    }
    if (--page->live_runs != 0) {
        return;
    }
    if (arena->empty_pages < MG_EMPTY_PAGES_KEPT) {
        arena->empty_pages++;
        if (!page->is_ready) {
            ready_push(arena, page);
        }
    } else {
        if (page->is_ready) {
            ready_remove(arena, page);
        }
        page_delete(arena, page);
    }
}

static int32_t run_watch(int32_t live) { return live >= SMALL_RUN ? live / 2 : 0; }

void mg_arena_run_event(mg_arena *arena, uint32_t run) {
    mg_page *page = arena->runs[run].page;
    if (arena->runs[run].live == 0) {
        run_died(arena, run);
        return;
    }
    /* Halving the watch each time makes the events of a run logarithmic in its size. */
    arena->runs[run].watch = run_watch(arena->runs[run].live);
    if (page == arena->page) {
        page->is_due = 1;
    } else if (!page->is_ready) {
        ready_push(arena, page);
    }
}

/* The cursor has reached the end of the page. */
static void close_run(mg_arena *arena) {
    uint32_t index = arena->run_count - 1;
    mg_run *run = &arena->runs[index];
    mg_page *page = run->page;
    int32_t made = (int32_t)(MG_PAGE_SLOTS - arena->skipped);
    run->live -= MG_OPEN_RUN - made;
    run->watch = run_watch(made);
    arena->page = NULL;
    arena->cursor = &mg_arena_no_slot;
    if (page->is_due) {
        page->is_due = 0;
        ready_push(arena, page);
    }
    if (run->live <= run->watch) {
        mg_arena_run_event(arena, index);
    }
}

static mg_status reserve_run(mg_arena *arena) {
    if (arena->run_count < arena->run_capacity) {
        return MG_OK;
    }
    size_t capacity = arena->run_capacity != 0 ? (size_t)arena->run_capacity * 2 : 64;
    mg_run *runs =
        capacity < UINT32_MAX ? mg_memory_resize(arena->runs, capacity, sizeof(mg_run)) : NULL;
    if (runs == NULL) {
        return MG_NO_MEMORY;
    }
    arena->runs = runs;
    arena->run_capacity = (uint32_t)capacity;
    return MG_OK;
}

static mg_status open_run(mg_arena *arena) {
    if (arena->dead_runs > 64 && arena->dead_runs > arena->run_count / 2 && arena->sweeping == 0) {
        mg_arena_compact(arena);
    }
    mg_page *page = arena->ready;
    if (reserve_run(arena) != MG_OK || (page == NULL && (page = page_new(arena)) == NULL)) {
        return MG_NO_MEMORY;
    }
    if (page->is_ready) {
        ready_remove(arena, page);
        arena->empty_pages -= page->live_runs == 0;
    }
    page->live_runs++;
    arena->runs[arena->run_count++] = (mg_run){.page = page, .live = MG_OPEN_RUN};
    arena->page = page;
    arena->skipped = 0;
    arena->cursor = mg_page_slot(page, 0);
    return MG_OK;
}

mg_node *mg_arena_refill(mg_arena *arena) {
    for (;;) {
        if (arena->page != NULL) {
            mg_node *sentinel = mg_page_slot(arena->page, MG_PAGE_SLOTS);
            mg_node *slot = arena->cursor;
            while (slot != sentinel && slot->op != MG_OP_free) {
                slot = mg_slot_after(slot);
                arena->skipped++;
            }
            if (slot != sentinel) {
                return slot;
            }
            close_run(arena);
        }
        if (open_run(arena) != MG_OK) {
            return NULL;
        }
    }
}

void mg_arena_compact(mg_arena *arena) {
    uint32_t kept = 0;
    for (uint32_t index = 0; index < arena->run_count; index++) {
        mg_run run = arena->runs[index];
        if (run.page == NULL) {
            continue;
        }
        if (index != kept) {
            /* Numbers only fall, and smaller ones are already settled: no two runs are confused. */
            mg_node *end = mg_run_end(arena, index);
            for (mg_node *node = mg_run_first(arena, index); node != end;
                 node = mg_slot_after(node)) {
                if (node->run == index) {
                    node->run = kept;
                }
            }
            arena->runs[kept] = run;
        }
        kept++;
    }
    arena->run_count = kept;
    arena->dead_runs = 0;
}

uint16_t mg_arena_next_epoch(mg_arena *arena) {
    if (++arena->epoch == 0) {
        /* 65,535 sweeps have used every mark up: forget them all and start again at 1. */
        for (mg_page *page = arena->pages; page != NULL; page = page->next) {
            for (size_t i = 0; i < MG_PAGE_SLOTS; i++) {
                mg_page_slot(page, i)->mark = 0;
            }
        }
        arena->epoch = 1;
    }
    return arena->epoch;
}

size_t mg_arena_count(const mg_arena *arena) {
    size_t count = 0;
    for (mg_page *page = arena->pages; page != NULL; page = page->next) {
        for (size_t i = 0; i < MG_PAGE_SLOTS; i++) {
            count += mg_page_slot(page, i)->op != MG_OP_free;
        }
    }
    return count;
}

void mg_arena_destroy(mg_arena *arena) {
    while (arena->pages != NULL) {
        page_delete(arena, arena->pages);
    }
    mg_memory_free(arena->runs);
    *arena = (mg_arena)MG_ARENA_INITIAL;
}
