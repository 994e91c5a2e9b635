/* Cells: a number for each node that a walk has met, found from the node and gone after the walk.

   The cells of the nodes of a page lie in an array at the page, made when the first of them is met;
   the cell of a foreign node is its run number, which the log does not need. Outside walks no page
   has cells, and the run of every foreign node is MG_UNSEEN.

   Nodes that have been met must stay alive until the walk ends. A second walk may begin in the
   middle of a first one, and then ends before that goes on: it finds no cells either, for it
   *parks* those of the first, whose lists know them, until it ends. */
#ifndef MG_CELLS_H
#define MG_CELLS_H

#include "arena.h"

#if defined(__GNUC__)
#define MG_LIKELY(x) __builtin_expect(!!(x), 1)
#else
#define MG_LIKELY(x) (x)
#endif

/* What a cell holds at first. */
#define MG_UNSEEN UINT32_MAX

/* A growing array. */
typedef struct {
    void *items;
    uint32_t count, room;
} mg_list;

/* Room for so many items of a size. MG_OK, MG_NO_MEMORY or MG_TOO_LARGE. */
mg_status mg_list_reserve(mg_list *of, uint32_t count, size_t size);

/* Appends a pointer. MG_OK, MG_NO_MEMORY or MG_TOO_LARGE. */
mg_status mg_list_append(mg_list *to, void *item);

typedef struct mg_cells mg_cells;
struct mg_cells {
    mg_cells *outer; /* of the walk that this one has interrupted */
    mg_list pages, foreign;
};

/* The beginning and the end of a walk. */
void mg_cells_begin(mg_cells *cells);
void mg_cells_end(mg_cells *cells);

/* The slow path of mg_cells_meet. */
uint32_t *mg_cells_meet_first(mg_cells *cells, mg_node *node);

static inline mg_page *mg_page_of(const mg_node *node) {
    return (mg_page *)((uintptr_t)node & ~(uintptr_t)(MG_PAGE_BYTES - 1));
}

static inline uint32_t *mg_cell_in(const mg_page *page, const mg_node *node) {
    return &page->cells[((uintptr_t)node - (uintptr_t)page - MG_PAGE_HEADER) / MG_SLOT_BYTES];
}

/* The cell of a node that has been met. */
static inline uint32_t *mg_cell_of(mg_node *node) {
    return node->flags & MG_FOREIGN ? &node->run : mg_cell_in(mg_page_of(node), node);
}

/* The cell of any node, which must be set if it is that of a foreign one; NULL when out of memory.
 */
static inline uint32_t *mg_cells_meet(mg_cells *cells, mg_node *node) {
    if (MG_LIKELY(!(node->flags & MG_FOREIGN) && mg_page_of(node)->cells != NULL)) {
        return mg_cell_in(mg_page_of(node), node);
    }
    return mg_cells_meet_first(cells, node);
}

#endif
