/* List scheduling. Within a window, an op is ready once all ops of the window that it reads have
   run. Ready ops wait in queues, one for each kind; the longest queue runs until it is empty, with
   what has become ready for it meanwhile.

   Invariant: an op is in a queue or in `order` if and only if it waits for nothing; its place in
   `next` belongs to its queue. */
#include "schedule.h"

#include <string.h>

#define NONE UINT32_MAX

/* So many ops between two calls of `poll`, whole windows: some milliseconds. */
#define POLL_OPS (32 * MG_WINDOW)

/* Kinds: the op codes, and for wide ops, whose loops are of one length only if their numbers of
   operands are equal, so many pairs of code and number. */
#define WIDE_KINDS 64
#define KIND_COUNT (MG_OP_COUNT + WIDE_KINDS)

typedef struct {
    uint32_t first, last, length;
} queue;

typedef struct {
    uint32_t reader, next;
} edge;

typedef struct {
    const mg_program *program;
    uint32_t begin, end;         /* of the window */
    uint32_t waits[MG_WINDOW];   /* by op of the window: for how many operands it waits */
    uint32_t readers[MG_WINDOW]; /* its first edge */
    uint32_t next[MG_WINDOW];    /* behind it in its queue */
    uint16_t kinds[MG_WINDOW];
    edge *edges; /* room for those of the window that has most */
    queue queues[KIND_COUNT];
    uint16_t active[KIND_COUNT]; /* the kinds with a queue that is not empty */
    uint32_t active_count;
    mg_instruction wide_kinds[WIDE_KINDS]; /* op and, in b, the number of operands; or op 0 */
} scheduling;

/* Which wide kind an op is; one too many shares the queue of its code. */
static uint16_t wide_kind(scheduling *at, const mg_instruction *op) {
    uint32_t place = (op->op * 31 + op->b) % WIDE_KINDS;
    for (uint32_t tries = 0; tries < WIDE_KINDS; tries++) {
        mg_instruction *kind = &at->wide_kinds[place];
        if (kind->op == 0) {
            *kind = *op;
        }
        if (kind->op == op->op && kind->b == op->b) {
            return (uint16_t)(MG_OP_COUNT + place);
        }
        place = (place + 1) % WIDE_KINDS;
    }
    return (uint16_t)op->op;
}

static void enqueue(scheduling *at, uint32_t i) {
    queue *to = &at->queues[at->kinds[i]];
    at->next[i] = NONE;
    if (to->length++ == 0) {
        to->first = i;
        at->active[at->active_count++] = at->kinds[i];
    } else {
        at->next[to->last] = i;
    }
    to->last = i;
}

/* Links an op of the window to those that it reads there. */
static uint32_t link_op(scheduling *at, uint32_t i, uint32_t edge_count) {
    const mg_instruction *op = &at->program->code[at->begin + i];
    mg_ref pair[2];
    const mg_ref *operands = pair;
    const uint32_t count = mg_program_operands(at->program, op, pair, &operands);
    at->waits[i] = 0;
    at->kinds[i] = mg_op_is_wide(op->op) ? wide_kind(at, op) : (uint16_t)op->op;
    for (uint32_t k = 0; k < count; k++) {
        const uint32_t index = mg_ref_index(operands[k]);
        if (mg_ref_kind_of(operands[k]) == MG_REF_OP && index >= at->begin) {
            at->edges[edge_count] = (edge){i, at->readers[index - at->begin]};
            at->readers[index - at->begin] = edge_count++;
            at->waits[i]++;
        }
    }
    return edge_count;
}

/* The longest queue, taken off the active ones. */
static queue *longest(scheduling *at) {
    uint32_t found = 0;
    for (uint32_t k = 1; k < at->active_count; k++) {
        if (at->queues[at->active[k]].length > at->queues[at->active[found]].length) {
            found = k;
        }
    }
    queue *chosen = &at->queues[at->active[found]];
    at->active[found] = at->active[--at->active_count];
    return chosen;
}

static uint32_t *run_window(scheduling *at, uint32_t *order) {
    uint32_t edge_count = 0;
    memset(at->wide_kinds, 0, sizeof at->wide_kinds);
    memset(at->readers, 0xff, sizeof at->readers); /* NONE */
    /* Backwards, so that readers come in the order of the program. */
    for (uint32_t i = at->end - at->begin; i-- > 0;) {
        edge_count = link_op(at, i, edge_count);
    }
    for (uint32_t i = 0; i < at->end - at->begin; i++) {
        if (at->waits[i] == 0) {
            enqueue(at, i);
        }
    }
    while (at->active_count != 0) {
        queue *from = longest(at);
        while (from->length != 0) {
            const uint32_t i = from->first;
            *order++ = at->begin + i;
            for (uint32_t e = at->readers[i]; e != NONE; e = at->edges[e].next) {
                const uint32_t reader = at->edges[e].reader;
                if (--at->waits[reader] == 0) {
                    /* Into its own queue it goes without becoming active. */
                    enqueue(at, reader);
                }
            }
            from->first = at->next[i];
            from->length--;
        }
    }
    return order;
}

/* The most operands that the ops of a window have. */
static size_t most_edges(const mg_program *program) {
    size_t most = 0, count = 0;
    for (uint32_t i = 0; i < program->op_count; i++) {
        const mg_instruction *op = &program->code[i];
        count = (i % MG_WINDOW == 0 ? 0 : count) + (mg_op_is_wide(op->op) ? op->b : 2);
        most = count > most ? count : most;
    }
    return most;
}

mg_status mg_schedule(const mg_program *program, int (*poll)(void), uint32_t *order) {
    mg_status status = MG_OK;
    scheduling *at = mg_memory_alloc(1, sizeof(scheduling));
    edge *edges = mg_memory_alloc(most_edges(program) + 1, sizeof(edge));
    if (at == NULL || edges == NULL) {
        mg_memory_free(at);
        mg_memory_free(edges);
        return MG_NO_MEMORY;
    }
    memset(at, 0, sizeof *at);
    at->program = program;
    at->edges = edges;
    while (status == MG_OK && at->end != program->op_count) {
        at->begin = at->end;
        at->end =
            program->op_count - at->begin > MG_WINDOW ? at->begin + MG_WINDOW : program->op_count;
        order = run_window(at, order);
        if (at->end % POLL_OPS == 0 && poll != NULL && poll()) {
            status = MG_INTERRUPTED;
        }
    }
    mg_memory_free(edges);
    mg_memory_free(at);
    return status;
}
