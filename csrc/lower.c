/* Every node that is met has a *cell*, which says where it stands: nothing yet, pending (an
   interior node still to be written down) or the reference that it has become. The cells of the
   nodes of a page lie in an array at the page, made when the first of them is met; the cell of a
   foreign node is its run number, which the log does not need. Outside lowering no page has cells,
   and the run of every foreign node is UNSEEN. */
#include "lower.h"

#include "nary.h"

#include <stdlib.h>
#include <string.h>

#define UNSEEN UINT32_MAX
#define PENDING (UINT32_MAX - 1)
#define CAPTURED (UINT32_MAX - 2)

typedef struct {
    void *items;
    uint32_t count, room;
} list;

typedef struct {
    mg_arena *arena;
    const mg_recorded *recorded;
    mg_program *program;
    list pages;    /* mg_page *: those with cells */
    list foreign;  /* mg_node *: those with a cell that is set */
    list interior; /* mg_node *: to be written down, newest first */
    list captured; /* mg_node * */
    list operands; /* mg_ref: room for a wide op */
    uint32_t pending;
    uint32_t newest; /* run of the newest pending node */
    mg_node *culprit;
} lowering;

static mg_status reserve(list *of, uint32_t count, size_t size) {
    if (count <= of->room) {
        return MG_OK;
    }
    if (count >= MG_PROGRAM_LIMIT) {
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

static mg_status append(list *to, void *item) {
    mg_status status = reserve(to, to->count + 1, sizeof(void *));
    if (status == MG_OK) {
        ((void **)to->items)[to->count++] = item;
    }
    return status;
}

/* --- cells --- */

static mg_page *page_of(const mg_node *node) {
    return (mg_page *)((uintptr_t)node & ~(uintptr_t)(MG_PAGE_BYTES - 1));
}

static uint32_t *cell_in(const mg_page *page, const mg_node *node) {
    return &page->cells[((uintptr_t)node - (uintptr_t)page - MG_PAGE_HEADER) / MG_SLOT_BYTES];
}

/* The cell of a node that has been met. */
static uint32_t *cell_of(mg_node *node) {
    return node->flags & MG_FOREIGN ? &node->run : cell_in(page_of(node), node);
}

/* The cell of any node; NULL when out of memory. */
static uint32_t *meet(lowering *at, mg_node *node) {
    if (node->flags & MG_FOREIGN) {
        if (node->run == UNSEEN && append(&at->foreign, node) != MG_OK) {
            return NULL;
        }
        return &node->run;
    }
    mg_page *page = page_of(node);
    if (page->cells == NULL) {
        uint32_t *cells = mg_memory_alloc(MG_PAGE_SLOTS, sizeof(uint32_t));
        if (cells == NULL || append(&at->pages, page) != MG_OK) {
            mg_memory_free(cells);
            return NULL;
        }
        memset(cells, 0xff, MG_PAGE_SLOTS * sizeof(uint32_t));
        page->cells = cells;
    }
    return cell_in(page, node);
}

static void forget_cells(lowering *at) {
    for (uint32_t i = 0; i < at->pages.count; i++) {
        mg_page *page = ((mg_page **)at->pages.items)[i];
        mg_memory_free(page->cells);
        page->cells = NULL;
    }
    for (uint32_t i = 0; i < at->foreign.count; i++) {
        ((mg_node **)at->foreign.items)[i]->run = UNSEEN;
    }
}

/* --- collecting --- */

static mg_status refuse(lowering *at, mg_node *node) {
    at->culprit = node;
    return MG_UNRECORDABLE;
}

/* Takes note of a node that something depends on. */
static mg_status reach(lowering *at, mg_node *node) {
    const mg_node *floor = at->recorded->floor;
    uint32_t *cell = meet(at, node);
    if (cell == NULL) {
        return MG_NO_MEMORY;
    }
    if (*cell != UNSEEN) {
        return MG_OK;
    }
    if (floor != NULL && mg_node_is_older(node, floor)) {
        *cell = CAPTURED;
        return append(&at->captured, node);
    }
    if (mg_node_is_interior(node)) {
        if (!mg_op_is_row(node->op) || (node->flags & (MG_CLOSURE | MG_FOREIGN)) != 0) {
            return refuse(at, node);
        }
        *cell = PENDING;
        at->pending++;
        at->newest = node->run > at->newest ? node->run : at->newest;
        return MG_OK;
    }
    if (floor != NULL) {
        return mg_program_constant(at->program, node->data, cell);
    }
    *cell = CAPTURED;
    return append(&at->captured, node);
}

static mg_status expand(lowering *at, mg_node *node) {
    mg_node *pair[2], **operands = pair;
    uint32_t count = mg_node_operands(node, pair, &operands);
    mg_status status = append(&at->interior, node);
    at->pending--;
    for (uint32_t i = 0; status == MG_OK && i < count; i++) {
        status = reach(at, operands[i]);
    }
    return status;
}

/* Walks the log down from the newest pending node until none is left. */
static mg_status collect(lowering *at) {
    mg_arena *arena = at->arena;
    for (uint32_t run = at->newest + 1; at->pending != 0 && run-- > 0;) {
        mg_page *page = arena->runs[run].page;
        if (page == NULL || page->cells == NULL) {
            continue;
        }
        mg_node *first = mg_run_first(arena, run);
        for (mg_node *node = mg_run_end(arena, run); node != first && at->pending != 0;) {
            node = mg_slot_before(node);
            if (node->run == run && *cell_in(page, node) == PENDING && mg_node_is_interior(node)) {
                mg_status status = expand(at, node);
                if (status != MG_OK) {
                    return status;
                }
            }
        }
    }
    return MG_OK;
}

static int compare_age(const void *a, const void *b) {
    const mg_node *x = *(mg_node *const *)a, *y = *(mg_node *const *)b;
    if (x->run != y->run) {
        return x->run < y->run ? -1 : 1;
    }
    return x < y ? -1 : x > y;
}

/* Captured nodes become inputs, the oldest first. */
static mg_status number_captured(lowering *at) {
    mg_node **captured = at->captured.items;
    const uint32_t given = at->recorded->input_count;
    if (at->captured.count >= MG_PROGRAM_LIMIT - given) {
        return MG_TOO_LARGE;
    }
    /* The run of a foreign node is its cell meanwhile, and the same for all. */
    if (at->captured.count != 0) {
        qsort(captured, at->captured.count, sizeof(*captured), compare_age);
    }
    for (uint32_t i = 0; i < at->captured.count; i++) {
        *cell_of(captured[i]) = mg_ref_make(MG_REF_INPUT, given + i);
    }
    at->program->input_count = given + at->captured.count;
    return MG_OK;
}

/* --- writing down --- */

static mg_status write_wide(lowering *at, mg_node *node, mg_ref *ref) {
    const mg_block *block = mg_node_block(node);
    const uint32_t size = mg_op_table[node->op].arity == MG_ANY_ARITY ? block->size : block->count;
    mg_status status = reserve(&at->operands, size, sizeof(mg_ref));
    mg_ref *operands = at->operands.items, parameter;
    if (status != MG_OK) {
        return status;
    }
    if (block->count == size) {
        for (uint32_t k = 0; k < size; k++) {
            operands[k] = *cell_of(block->operands[k]);
        }
    } else {
        const double *numbers = mg_nary_constants((mg_block *)block);
        const uint32_t *places = mg_nary_places((mg_block *)block);
        for (uint32_t k = 0, next = 0; status == MG_OK && k < size; k++) {
            if (next < block->count && places[next] == k) {
                operands[k] = *cell_of(block->operands[next++]);
            } else {
                status = mg_program_constant(at->program, numbers[k], &operands[k]);
            }
        }
    }
    if (status == MG_OK) {
        status = mg_program_constant(at->program, block->parameter, &parameter);
    }
    return status == MG_OK ? mg_program_wide(at->program, node->op, operands, size, parameter, ref)
                           : status;
}

static mg_status write(lowering *at, mg_node *node, mg_ref *ref) {
    mg_program *program = at->program;
    mg_ref constant;
    if (mg_op_shapes[node->op] == MG_SHAPE_BLOCK) {
        return write_wide(at, node, ref);
    }
    mg_ref left = *cell_of(mg_node_left(node)->node);
    switch (mg_op_shapes[node->op]) {
    case MG_SHAPE_V:
        return mg_program_op(program, node->op, left, 0, ref);
    case MG_SHAPE_VV:
        return mg_program_op(program, node->op, left, *cell_of(mg_node_right(node)->node), ref);
    default:
        break;
    }
    mg_status status = mg_program_constant(program, mg_node_right(node)->constant, &constant);
    if (status != MG_OK) {
        return status;
    }
    return mg_op_shapes[node->op] == MG_SHAPE_CV
               ? mg_program_op(program, node->op, constant, left, ref)
               : mg_program_op(program, node->op, left, constant, ref);
}

static mg_status write_outputs(lowering *at) {
    const mg_recorded *recorded = at->recorded;
    mg_status status = reserve(&at->operands, recorded->output_count, sizeof(mg_ref));
    mg_ref *refs = at->operands.items;
    for (uint32_t i = 0; status == MG_OK && i < recorded->output_count; i++) {
        refs[i] = *cell_of(recorded->outputs[i]);
    }
    return status == MG_OK ? mg_program_set_outputs(at->program, refs, recorded->output_count)
                           : status;
}

static mg_status lower(lowering *at) {
    const mg_recorded *recorded = at->recorded;
    mg_status status = MG_OK;
    for (uint32_t i = 0; i < recorded->input_count; i++) {
        uint32_t *cell = meet(at, recorded->inputs[i]);
        if (cell == NULL) {
            return MG_NO_MEMORY;
        }
        *cell = mg_ref_make(MG_REF_INPUT, i);
    }
    for (uint32_t i = 0; status == MG_OK && i < recorded->output_count; i++) {
        status = reach(at, recorded->outputs[i]);
    }
    if (status == MG_OK) {
        status = collect(at);
    }
    if (status == MG_OK) {
        status = number_captured(at);
    }
    for (uint32_t i = at->interior.count; status == MG_OK && i-- > 0;) {
        mg_node *node = ((mg_node **)at->interior.items)[i];
        status = write(at, node, cell_of(node));
    }
    return status == MG_OK ? write_outputs(at) : status;
}

mg_status mg_lower(mg_arena *arena, const mg_recorded *recorded, mg_lowered *lowered,
                   mg_node **culprit) {
    lowering at = {.arena = arena, .recorded = recorded};
    mg_status status = MG_NO_MEMORY;
    at.program = mg_program_new(recorded->input_count);
    if (at.program != NULL) {
        status = lower(&at);
    }
    forget_cells(&at);
    mg_memory_free(at.pages.items);
    mg_memory_free(at.foreign.items);
    mg_memory_free(at.interior.items);
    mg_memory_free(at.operands.items);
    if (status != MG_OK) {
        mg_program_free(at.program);
        mg_memory_free(at.captured.items);
        *culprit = at.culprit;
        return status;
    }
    *lowered = (mg_lowered){
        .program = at.program, .captured = at.captured.items, .captured_count = at.captured.count};
    return MG_OK;
}
