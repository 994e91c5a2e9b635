/* Checks an arena against everything that arena.h and the invariants of arena.c promise, and makes
   the nodes for that: leaves whose data are their numbers in the order of creation. */
#ifndef ARENA_CHECK_H
#define ARENA_CHECK_H

#include "support.h"

/* Like heap_begin, and the next leaf has number 0. */
void numbered_begin(void);

mg_node *numbered_leaf(void);
void numbered_leaves(mg_node **nodes, size_t count);

/* Checks the whole of the arena, and that a walk up the log meets the live nodes, `live` of them,
   in the order of their numbers. Slow. Uses the sentinel slots of the pages as scratch. */
void check_arena(uint64_t live);

static inline mg_page *page_of(const mg_node *node) {
    return (mg_page *)((uintptr_t)node & ~(uintptr_t)(MG_PAGE_BYTES - 1));
}

#endif
