/* Node storage and the creation log.

   Nodes lie in pages of 64 KiB. A page is filled from its first free slot upwards, and one such
   filling is a *run*: the creation log is the list of runs. A node carries the number of its run,
   so

       (run, address within the page)

   orders all nodes by creation, at 4 bytes a node and no entry per node. A run that is walked
   downwards visits its nodes newest first; slots of a page that belong to older runs (survivors)
   are told apart by their run number and are met again when the walk reaches that run.

   A slot freed in the middle of a run stays empty until the page is filled again by a later run. A
   page becomes ready for that once half of a run of it has died, which bounds the waste, and counts
   as empty once all of its nodes have died. Empty pages beyond MG_EMPTY_PAGES_KEPT go back to the
   system. */
#ifndef MG_ARENA_H
#define MG_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "memory.h"
#include "node.h"

#define MG_SLOT_BYTES (sizeof(mg_prefix) + sizeof(mg_node))
#define MG_PAGE_HEADER 64
/* One slot fewer than fits: the last is a sentinel that never looks free. */
#define MG_PAGE_SLOTS ((MG_PAGE_BYTES - MG_PAGE_HEADER) / MG_SLOT_BYTES - 1)
/* 128 MiB: training loops of up to 1.6 million nodes never go back to the system for memory. */
#define MG_EMPTY_PAGES_KEPT 2048

typedef struct mg_page mg_page;
struct mg_page {
    mg_page *next, *previous; /* every page */
    mg_page *next_ready, *previous_ready;
    uint32_t *cells;    /* see cells.h; NULL outside of walks */
    uint32_t live_runs; /* runs of this page with a live node, and the open run */
    uint16_t is_ready;
    uint16_t is_due; /* became ready while it was open: push it when its run closes */
};

_Static_assert(sizeof(mg_page) <= MG_PAGE_HEADER, "the page header has its room");

typedef struct {
    mg_page *page; /* NULL once every node of the run has died */
    int32_t live;  /* live nodes; of the open run: MG_OPEN_RUN minus those freed so far */
    int32_t watch; /* mg_arena_run_event is due when `live` falls to this */
} mg_run;

#define MG_OPEN_RUN (1 << 30)

typedef struct {
    mg_node *cursor; /* the next slot to try */
    mg_run *runs;
    uint32_t run_count, run_capacity;
    uint32_t dead_runs;
    uint32_t skipped; /* survivors that the open run has stepped over */
    mg_page *page;    /* of the open run, which is the last one; NULL when none is open */
    mg_page *pages;
    mg_page *ready; /* pages to fill next, last in first out */
    uint32_t page_count, empty_pages;
    uint32_t sweeping; /* walks of the graph under way: log and operands must stay as they are */
    uint16_t epoch;    /* of the last marked sweep */
} mg_arena;

extern mg_node mg_arena_no_slot;

#define MG_ARENA_INITIAL \
    { .cursor = &mg_arena_no_slot }

/* Gives every page back. All nodes must be dead, or their memory is simply gone (tests). */
void mg_arena_destroy(mg_arena *arena);

/* The slow path of mg_arena_alloc. */
mg_node *mg_arena_refill(mg_arena *arena);

/* Takes note that `live` of a closed run fell to its watch. */
void mg_arena_run_event(mg_arena *arena, uint32_t run);

/* Drops dead runs from the log and renumbers the rest. Must not be called while `sweeping`. */
void mg_arena_compact(mg_arena *arena);

/* A new epoch for a marked sweep, different from every mark on a node of the arena. */
uint16_t mg_arena_next_epoch(mg_arena *arena);

/* Live nodes in the arena, by counting. */
size_t mg_arena_count(const mg_arena *arena);

static inline mg_node *mg_page_slot(mg_page *page, size_t index) {
    return (mg_node *)((char *)page + MG_PAGE_HEADER + index * MG_SLOT_BYTES + sizeof(mg_prefix));
}

static inline mg_node *mg_slot_after(mg_node *node) {
    return (mg_node *)((char *)node + MG_SLOT_BYTES);
}

static inline mg_node *mg_slot_before(mg_node *node) {
    return (mg_node *)((char *)node - MG_SLOT_BYTES);
}

/* The slots of run `index` as a half-open range of nodes: the whole page, or what is filled of it.
 */
static inline mg_node *mg_run_first(const mg_arena *arena, uint32_t index) {
    return mg_page_slot(arena->runs[index].page, 0);
}

static inline mg_node *mg_run_end(const mg_arena *arena, uint32_t index) {
    if (arena->page != NULL && index == arena->run_count - 1) {
        return arena->cursor;
    }
    return mg_page_slot(arena->runs[index].page, MG_PAGE_SLOTS);
}

/* A slot with its run, op and flags set, grad 0, no attributes and no weak references; the caller
   fills in the rest. NULL when out of memory, with nothing changed. */
static inline mg_node *mg_arena_alloc(mg_arena *arena, mg_op op) {
    mg_node *node = arena->cursor;
    if (node->op != MG_OP_free) {
        node = mg_arena_refill(arena);
        if (node == NULL) {
            return NULL;
        }
    }
    arena->cursor = mg_slot_after(node);
    node->run = arena->run_count - 1;
    node->mark = 0;
    node->op = (uint8_t)op;
    node->flags = 0;
    node->grad = 0.0;
    return node;
}

/* Gives the slot of a dead node back. Its operands must have been released, and its side record,
   attributes and weak references cleared. */
static inline void mg_arena_free(mg_arena *arena, mg_node *node) {
    uint32_t run = node->run;
    node->op = MG_OP_free;
    /* The newest slot is taken back at once, so that short-lived temporaries do not leave holes. */
    if (mg_slot_after(node) == arena->cursor && run == arena->run_count - 1) {
        arena->cursor = node;
        return;
    }
    if (--arena->runs[run].live <= arena->runs[run].watch) {
        mg_arena_run_event(arena, run);
    }
}

#endif
