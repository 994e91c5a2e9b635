/* The lists of cells. */
#include "cells.h"

#include <string.h>

/* Far more items than any program may have. */
#define LIST_LIMIT ((uint32_t)1 << 30)

typedef struct {
    mg_page *page;
    uint32_t *cells;
} page_cells;

typedef struct {
    mg_node *node;
    uint32_t cell; /* while it is parked */
} foreign_cell;

/* The innermost walk under way; all others are parked. */
static mg_cells *innermost;

mg_status mg_list_reserve(mg_list *of, uint32_t count, size_t size) {
    if (count <= of->room) {
        return MG_OK;
    }
    if (count >= LIST_LIMIT) {
        return MG_TOO_LARGE;
    }
    uint32_t room = count + count / 2 + 64;
    void *items = mg_memory_resize(of->items, room, size);
    if (items == NULL) {
        return MG_NO_MEMORY;
    }
    of->items = items;
    of->room = room;
    return MG_OK;
}

mg_status mg_list_append(mg_list *to, void *item) {
    mg_status status = mg_list_reserve(to, to->count + 1, sizeof(void *));
    if (status == MG_OK) {
        ((void **)to->items)[to->count++] = item;
    }
    return status;
}

uint32_t *mg_cells_meet_first(mg_cells *at, mg_node *node) {
    if (node->flags & MG_FOREIGN) {
        if (node->run == MG_UNSEEN) {
            if (mg_list_reserve(&at->foreign, at->foreign.count + 1, sizeof(foreign_cell)) !=
                MG_OK) {
                return NULL;
            }
            ((foreign_cell *)at->foreign.items)[at->foreign.count++].node = node;
        }
        return &node->run;
    }
    mg_page *page = mg_page_of(node);
    if (page->cells == NULL) {
        if (mg_list_reserve(&at->pages, at->pages.count + 1, sizeof(page_cells)) != MG_OK) {
            return NULL;
        }
        uint32_t *cells = mg_memory_alloc(MG_PAGE_SLOTS, sizeof(uint32_t));
        if (cells == NULL) {
            return NULL;
        }
        memset(cells, 0xff, MG_PAGE_SLOTS * sizeof(uint32_t));
        ((page_cells *)at->pages.items)[at->pages.count++] = (page_cells){page, cells};
        page->cells = cells;
    }
    return mg_cell_in(page, node);
}

/* Takes the cells off the nodes. */
static void park(mg_cells *at) {
    for (uint32_t i = 0; i < at->pages.count; i++) {
        ((page_cells *)at->pages.items)[i].page->cells = NULL;
    }
    for (uint32_t i = 0; i < at->foreign.count; i++) {
        foreign_cell *of = &((foreign_cell *)at->foreign.items)[i];
        of->cell = of->node->run;
        of->node->run = MG_UNSEEN;
    }
}

static void unpark(mg_cells *at) {
    for (uint32_t i = 0; i < at->pages.count; i++) {
        page_cells *of = &((page_cells *)at->pages.items)[i];
        of->page->cells = of->cells;
    }
    for (uint32_t i = 0; i < at->foreign.count; i++) {
        foreign_cell *of = &((foreign_cell *)at->foreign.items)[i];
        of->node->run = of->cell;
    }
}

void mg_cells_begin(mg_cells *at) {
    *at = (mg_cells){.outer = innermost};
    if (at->outer != NULL) {
        park(at->outer);
    }
    innermost = at;
}

void mg_cells_end(mg_cells *at) {
    park(at);
    for (uint32_t i = 0; i < at->pages.count; i++) {
        mg_memory_free(((page_cells *)at->pages.items)[i].cells);
    }
    innermost = at->outer;
    if (at->outer != NULL) {
        unpark(at->outer);
    }
    mg_memory_free(at->pages.items);
    mg_memory_free(at->foreign.items);
}
