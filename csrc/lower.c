/* Collects what the outputs depend on, newest first, and writes it down from the other end. Cells
   (cells.h) say where each node stands: not met, pending (an interior node still to be written
   down), captured, or the reference that it has become.

   While `poll` runs, others may come here; see cells.h. As `sweeping` is raised, the operands of
   nodes that have been met stay, but for one thing: an inline constant may become a leaf, which
   nobody has met. */
#include "lower.h"

#include "cells.h"
#include "nary.h"

#include <stdlib.h>
#include <string.h>

#define PENDING (UINT32_MAX - 1)
#define CAPTURED (UINT32_MAX - 2)

/* A constant that has been written down; ref 0 is that of no constant. Code uses few, again and
   again. */
typedef struct {
    uint64_t bits;
    mg_ref ref;
} known;

#define KNOWN_CONSTANTS 64

_Static_assert(KNOWN_CONSTANTS == 1 << (64 - 58), "constant_ref takes that many bits of a hash");

typedef struct {
    mg_arena *arena;
    const mg_recorded *recorded;
    int (*poll)(void);
    uint32_t worked; /* operands since `poll` was called */
    mg_program *program;
    mg_cells cells;
    mg_list interior; /* mg_node *: to be written down, newest first */
    mg_list captured; /* mg_node * */
    mg_list operands; /* mg_ref: room for a wide op */
    uint32_t pending;
    uint32_t newest; /* run of the newest pending node */
    uint64_t wide;   /* how many of these writing the interior nodes down will take */
    known constants[KNOWN_CONSTANTS];
    mg_node *culprit;
} lowering;

/* So many operands between two calls of `poll`: some milliseconds. */
#define POLL_OPERANDS 32768
/* What looking through a run costs besides, in operands. */
#define PASSED_RUN 64

/* Takes note of work, and asks whether to stop when it was enough. */
static mg_status work(lowering *at, uint32_t operands) {
    at->worked += operands;
    if (at->worked < POLL_OPERANDS) {
        return MG_OK;
    }
    at->worked = 0;
    return at->poll != NULL && at->poll() ? MG_INTERRUPTED : MG_OK;
}

/* --- constants --- */

static mg_status constant_ref(lowering *at, double number, mg_ref *ref) {
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    known *place = &at->constants[bits * UINT64_C(0x9E3779B97F4A7C15) >> 58];
    if (place->ref != 0 && place->bits == bits) {
        *ref = place->ref;
        return MG_OK;
    }
    mg_status status = mg_program_constant(at->program, number, ref);
    if (status == MG_OK) {
        *place = (known){bits, *ref};
    }
    return status;
}

/* --- collecting --- */

static mg_status refuse(lowering *at, mg_node *node) {
    at->culprit = node;
    return MG_UNRECORDABLE;
}

/* Takes note of a node that something depends on. */
static mg_status reach(lowering *at, mg_node *node) {
    const mg_node *floor = at->recorded->floor;
    uint32_t *cell = mg_cells_meet(&at->cells, node);
    if (cell == NULL) {
        return MG_NO_MEMORY;
    }
    if (*cell != MG_UNSEEN) {
        return MG_OK;
    }
    if (floor != NULL && mg_node_is_older(node, floor)) {
        *cell = CAPTURED;
        return mg_list_append(&at->captured, node);
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
        return constant_ref(at, node->data, cell);
    }
    *cell = CAPTURED;
    return mg_list_append(&at->captured, node);
}

/* Adds up what writing the node down will take. */
static void measure(lowering *at, mg_node *node) {
    if (mg_op_shapes[node->op] == MG_SHAPE_BLOCK) {
        const mg_block *block = mg_node_block(node);
        const uint32_t size =
            mg_op_table[node->op].arity == MG_ANY_ARITY ? block->size : block->count;
        at->wide += size + UINT64_C(1);
    }
}

static mg_status expand(lowering *at, mg_node *node) {
    mg_node *pair[2], **operands = pair;
    uint32_t count = mg_node_operands(node, pair, &operands), done = 0;
    mg_status status = mg_list_append(&at->interior, node);
    at->pending--;
    measure(at, node);
    while (status == MG_OK && done < count) {
        status = reach(at, operands[done++]);
        if (status == MG_OK && done % POLL_OPERANDS == 0) {
            status = work(at, POLL_OPERANDS);
            /* If constants have become operands, these have other places. */
            uint32_t now = mg_node_operands(node, pair, &operands);
            done = now == count ? done : 0;
            count = now;
        }
    }
    return status == MG_OK ? work(at, count % POLL_OPERANDS + 1) : status;
}

/* Walks the log down from the newest pending node until none is left. */
static mg_status collect(lowering *at) {
    mg_arena *arena = at->arena;
    for (uint32_t run = at->newest + 1; at->pending != 0 && run-- > 0;) {
        mg_page *page = arena->runs[run].page;
        if (page == NULL || page->cells == NULL) {
            continue;
        }
        mg_status status = work(at, PASSED_RUN);
        mg_node *first = mg_run_first(arena, run), *node = mg_run_end(arena, run);
        while (status == MG_OK && node != first && at->pending != 0) {
            node = mg_slot_before(node);
            if (node->run == run && *mg_cell_in(page, node) == PENDING &&
                mg_node_is_interior(node)) {
                status = expand(at, node);
            }
        }
        if (status != MG_OK) {
            return status;
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

/* Oldest first. Nodes are met newest first, so most often it is enough to turn them round. The run
   of a foreign node is its cell meanwhile, and the same for all. */
static void sort_captured(mg_node **captured, uint32_t count) {
    uint32_t rising = 1, falling = 1;
    while (rising < count && compare_age(&captured[rising - 1], &captured[rising]) < 0) {
        rising++;
    }
    while (falling < count && compare_age(&captured[falling - 1], &captured[falling]) > 0) {
        falling++;
    }
    if (falling >= count) {
        for (uint32_t i = 0, j = count; i + 1 < j; i++) {
            mg_node *swapped = captured[--j];
            captured[j] = captured[i];
            captured[i] = swapped;
        }
    } else if (rising < count) {
        qsort(captured, count, sizeof(*captured), compare_age);
    }
}

/* Captured nodes become inputs. */
static mg_status number_captured(lowering *at) {
    mg_node **captured = at->captured.items;
    const uint32_t given = at->recorded->input_count;
    mg_status status = MG_OK;
    if (at->captured.count >= MG_PROGRAM_LIMIT - given) {
        return MG_TOO_LARGE;
    }
    sort_captured(captured, at->captured.count);
    for (uint32_t i = 0; status == MG_OK && i < at->captured.count; i++) {
        *mg_cell_of(captured[i]) = mg_ref_make(MG_REF_INPUT, given + i);
        status = work(at, 1);
    }
    at->program->input_count = given + at->captured.count;
    return status;
}

/* --- writing down --- */

/* Room for all of it at once. What does not fit into a program is found out on the way. */
static mg_status reserve_program(lowering *at) {
    if (at->wide >= MG_PROGRAM_LIMIT) {
        return MG_TOO_LARGE;
    }
    return mg_program_reserve(at->program, 0, at->interior.count, (uint32_t)at->wide);
}

/* What an operand has become. */
static mg_status operand_ref(lowering *at, mg_node *node, mg_ref *ref) {
    if (MG_LIKELY((node->flags & MG_FOREIGN) != 0 || mg_page_of(node)->cells != NULL)) {
        *ref = *mg_cell_of(node);
        if (MG_LIKELY(*ref != MG_UNSEEN)) {
            return MG_OK;
        }
    }
    /* A leaf that was an inline constant when its parent was met. */
    return constant_ref(at, node->data, ref);
}

static mg_status write_wide(lowering *at, mg_node *node, mg_ref *ref) {
    const mg_block *block = mg_node_block(node);
    const uint32_t size = mg_op_table[node->op].arity == MG_ANY_ARITY ? block->size : block->count;
    mg_status status = mg_list_reserve(&at->operands, size, sizeof(mg_ref));
    mg_ref *operands = at->operands.items, parameter;
    if (status != MG_OK) {
        return status;
    }
    if (block->count == size) {
        for (uint32_t k = 0; status == MG_OK && k < size; k++) {
            status = operand_ref(at, block->operands[k], &operands[k]);
        }
    } else {
        const double *numbers = mg_nary_constants((mg_block *)block);
        const uint32_t *places = mg_nary_places((mg_block *)block);
        for (uint32_t k = 0, next = 0; status == MG_OK && k < size; k++) {
            if (next < block->count && places[next] == k) {
                status = operand_ref(at, block->operands[next++], &operands[k]);
            } else {
                status = constant_ref(at, numbers[k], &operands[k]);
            }
        }
    }
    if (status == MG_OK) {
        status = constant_ref(at, block->parameter, &parameter);
    }
    return status == MG_OK ? mg_program_wide(at->program, node->op, operands, size, parameter, ref)
                           : status;
}

static mg_status write(lowering *at, mg_node *node, mg_ref *ref) {
    mg_program *program = at->program;
    mg_ref left, right;
    if (mg_op_shapes[node->op] == MG_SHAPE_BLOCK) {
        return write_wide(at, node, ref);
    }
    mg_status status = operand_ref(at, mg_node_left(node)->node, &left);
    if (status == MG_OK) {
        switch (mg_op_shapes[node->op]) {
        case MG_SHAPE_V:
            right = 0;
            break;
        case MG_SHAPE_VV:
            status = operand_ref(at, mg_node_right(node)->node, &right);
            break;
        default:
            status = constant_ref(at, mg_node_right(node)->constant, &right);
        }
    }
    if (status != MG_OK) {
        return status;
    }
    return mg_op_shapes[node->op] == MG_SHAPE_CV
               ? mg_program_op(program, node->op, right, left, ref)
               : mg_program_op(program, node->op, left, right, ref);
}

static mg_status write_outputs(lowering *at) {
    const mg_recorded *recorded = at->recorded;
    mg_status status = mg_list_reserve(&at->operands, recorded->output_count, sizeof(mg_ref));
    mg_ref *refs = at->operands.items;
    for (uint32_t i = 0; status == MG_OK && i < recorded->output_count; i++) {
        refs[i] = *mg_cell_of(recorded->outputs[i]);
        status = work(at, 1);
    }
    return status == MG_OK ? mg_program_set_outputs(at->program, refs, recorded->output_count)
                           : status;
}

static mg_status lower(lowering *at) {
    const mg_recorded *recorded = at->recorded;
    mg_status status = MG_OK;
    for (uint32_t i = 0; status == MG_OK && i < recorded->input_count; i++) {
        uint32_t *cell = mg_cells_meet(&at->cells, recorded->inputs[i]);
        if (cell == NULL) {
            return MG_NO_MEMORY;
        }
        *cell = mg_ref_make(MG_REF_INPUT, i);
        status = work(at, 1);
    }
    for (uint32_t i = 0; status == MG_OK && i < recorded->output_count; i++) {
        status = reach(at, recorded->outputs[i]);
        status = status == MG_OK ? work(at, 1) : status;
    }
    if (status == MG_OK) {
        status = collect(at);
    }
    if (status == MG_OK) {
        status = number_captured(at);
    }
    if (status == MG_OK) {
        status = reserve_program(at);
    }
    for (uint32_t i = at->interior.count, written; status == MG_OK && i-- > 0;) {
        mg_node *node = ((mg_node **)at->interior.items)[i];
        written = at->program->wide_count;
        status = write(at, node, mg_cell_of(node));
        written = at->program->wide_count - written;
        status = status == MG_OK ? work(at, written + 1) : status;
    }
    return status == MG_OK ? write_outputs(at) : status;
}

mg_status mg_lower(mg_arena *arena, const mg_recorded *recorded, int (*poll)(void),
                   mg_lowered *lowered, mg_node **culprit) {
    lowering at = {.arena = arena, .recorded = recorded, .poll = poll};
    mg_status status = MG_NO_MEMORY;
    at.program = mg_program_new(recorded->input_count);
    arena->sweeping++;
    mg_cells_begin(&at.cells);
    if (at.program != NULL) {
        status = lower(&at);
    }
    mg_cells_end(&at.cells);
    arena->sweeping--;
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
