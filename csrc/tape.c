/* Invariants:
   - the steps are those of the program, each behind those that it reads;
   - a slot holds one number at a time: from the step that computes it to the last step that reads
   it. That step may put its result into the slot of an operand, so whoever runs it reads first;
   - the slots of outputs are never given to anything else after they are set;
   - the slots and places of inputs and constants are never a step's result. */
#include "tape.h"

#include <string.h>

#include "schedule.h"

/* No later step reads it: it is an output, or its slot has been given back already. */
#define KEPT UINT32_MAX

/* A run ends here at the latest, so that whoever polls between runs does so in time. */
#define LONGEST_RUN 65536

/* So many operands between two calls of `poll`: some milliseconds. */
#define POLL_OPERANDS 131072

/* Scratch memory of the assignment: by op, the last step that reads it, its slot and its place; and
   the slots that are free. */
typedef struct {
    uint32_t *last_use, *slot, *place, *free_slots;
    uint32_t free_count;
    int (*poll)(void);
    uint32_t passed; /* operands since it was called */
} assignment;

static int must_stop(assignment *at, uint32_t operands) {
    at->passed += operands + 1;
    if (at->passed < POLL_OPERANDS) {
        return 0;
    }
    at->passed = 0;
    return at->poll != NULL && at->poll();
}

static mg_status assignment_new(assignment *at, uint32_t op_count, int (*poll)(void)) {
    size_t room = op_count + (size_t)1;
    *at = (assignment){
        .poll = poll,
        .last_use = mg_memory_alloc(room, sizeof(uint32_t)),
        .slot = mg_memory_alloc(room, sizeof(uint32_t)),
        .place = mg_memory_alloc(room, sizeof(uint32_t)),
        .free_slots = mg_memory_alloc(room, sizeof(uint32_t)),
    };
    return at->last_use != NULL && at->slot != NULL && at->place != NULL && at->free_slots != NULL
               ? MG_OK
               : MG_NO_MEMORY;
}

static void assignment_clear(assignment *at) {
    mg_memory_free(at->last_use);
    mg_memory_free(at->slot);
    mg_memory_free(at->place);
    mg_memory_free(at->free_slots);
}

static mg_status find_last_uses(const mg_tape *tape, assignment *at) {
    const mg_program *program = tape->program;
    uint32_t *last_use = at->last_use;
    for (uint32_t s = 0; s < tape->step_count; s++) {
        mg_ref pair[2];
        const mg_ref *operands = pair;
        uint32_t count =
            mg_program_operands(program, &program->code[tape->ops[s]], pair, &operands);
        if (must_stop(at, count)) {
            return MG_INTERRUPTED;
        }
        last_use[tape->ops[s]] = s; /* at least its own step writes it */
        for (uint32_t k = 0; k < count; k++) {
            if (mg_ref_kind_of(operands[k]) == MG_REF_OP) {
                last_use[mg_ref_index(operands[k])] = s;
            }
        }
    }
    for (uint32_t i = 0; i < program->output_count; i++) {
        if (mg_ref_kind_of(program->outputs[i]) == MG_REF_OP) {
            last_use[mg_ref_index(program->outputs[i])] = KEPT;
        }
    }
    return MG_OK;
}

/* Where `ref` is, given where the results are. */
static inline uint32_t find(const mg_tape *tape, const uint32_t *results, mg_ref ref) {
    uint32_t index = mg_ref_index(ref);
    switch (mg_ref_kind_of(ref)) {
    case MG_REF_OP:
        return results[index];
    case MG_REF_INPUT:
        return index;
    default:
        return tape->first_constant + index;
    }
}

/* Gives the slot of `ref` back if step s is the last to read it. */
static inline void retire(assignment *at, mg_ref ref, uint32_t s) {
    uint32_t index = mg_ref_index(ref);
    if (mg_ref_kind_of(ref) == MG_REF_OP && at->last_use[index] == s) {
        at->last_use[index] = KEPT;
        at->free_slots[at->free_count++] = at->slot[index];
    }
}

/* Rows shorter than this are not worth a loop of their own. */
#define SHORTEST_ROW 4

static int is_row(const uint32_t *places, uint32_t count) {
    for (uint32_t k = 1; k < count; k++) {
        if (places[k] != places[0] + k) {
            return 0;
        }
    }
    return 1;
}

/* MG_ROWS for a dot of such places, else 0. */
static uint32_t rows_flag(const mg_instruction *op, const uint32_t *places) {
    const uint32_t m = op->b / 2;
    if (op->op != MG_OP_dot || m < SHORTEST_ROW) {
        return 0;
    }
    const uint32_t w = places[0], x = places[m], apart = w < x ? x - w : w - x;
    return apart >= m && is_row(places, m) && is_row(places + m, m) ? MG_ROWS : 0;
}

static mg_status assign(mg_tape *tape, assignment *at) {
    const mg_program *program = tape->program;
    uint32_t next = tape->first_result;
    for (uint32_t s = 0; s < tape->step_count; s++) {
        const uint32_t i = tape->ops[s];
        const mg_instruction *from = &program->code[i];
        mg_step *step = &tape->steps[s];
        mg_slot_step *slot_step = &tape->slot_steps[s];
        mg_ref pair[2];
        const mg_ref *operands = pair;
        const uint32_t count = mg_program_operands(program, from, pair, &operands);
        if (must_stop(at, count)) {
            return MG_INTERRUPTED;
        }
        if (mg_op_is_wide(from->op)) {
            *slot_step = (mg_slot_step){.a = from->a, .b = from->b};
            for (uint32_t k = 0; k <= count; k++) { /* the parameter too */
                tape->wide[from->a + k] = find(tape, at->place, operands[k]);
                tape->slot_wide[from->a + k] = find(tape, at->slot, operands[k]);
            }
            *step = (mg_step){from->a, from->b | rows_flag(from, tape->wide + from->a)};
            tape->widest = count > tape->widest ? count : tape->widest;
        } else {
            const mg_ref last = operands[count - 1];
            *step = (mg_step){find(tape, at->place, operands[0]), find(tape, at->place, last)};
            *slot_step = (mg_slot_step){.a = find(tape, at->slot, operands[0]),
                                        .b = find(tape, at->slot, last)};
        }
        for (uint32_t k = 0; k < count; k++) {
            retire(at, operands[k], s);
        }
        slot_step->result = at->free_count != 0 ? at->free_slots[--at->free_count] : next++;
        at->slot[i] = slot_step->result;
        at->place[i] = tape->first_result + s;
        retire(at, mg_ref_make(MG_REF_OP, i), s);
        tape->residual_count += mg_step_residuals(from->op, from->b);
    }
    for (uint32_t i = 0; i < program->output_count; i++) {
        tape->outputs[i] = find(tape, at->place, program->outputs[i]);
        tape->slot_outputs[i] = find(tape, at->slot, program->outputs[i]);
    }
    tape->slot_count = next;
    return MG_OK;
}

/* The runs of the steps, or only how many there are (`runs` NULL). */
static uint32_t find_runs(const mg_tape *tape, mg_tape_run *runs) {
    uint32_t count = 0, begin = 0, op = 0;
    for (uint32_t s = 0; s < tape->step_count; s++) {
        const uint32_t own = tape->program->code[tape->ops[s]].op;
        if (own != op || s - begin == LONGEST_RUN) {
            op = own;
            begin = s;
            count++;
        }
        if (runs != NULL) {
            runs[count - 1] = (mg_tape_run){op, s + 1};
        }
    }
    return count;
}

static mg_tape *new_tape(mg_program *program) {
    mg_tape *tape = mg_memory_alloc(1, sizeof(mg_tape));
    if (tape != NULL) {
        *tape = (mg_tape){
            .holders = 1,
            .program = program,
            .step_count = program->op_count,
            .first_constant = program->input_count,
            .first_result = program->input_count + program->constant_count,
            .place_count = program->input_count + program->constant_count + program->op_count,
            .ops = mg_memory_alloc(program->op_count + (size_t)1, sizeof(uint32_t)),
            .steps = mg_memory_alloc(program->op_count + (size_t)1, sizeof(mg_step)),
            .slot_steps = mg_memory_alloc(program->op_count + (size_t)1, sizeof(mg_slot_step)),
            .wide = mg_memory_alloc(program->wide_count + (size_t)1, sizeof(uint32_t)),
            .slot_wide = mg_memory_alloc(program->wide_count + (size_t)1, sizeof(uint32_t)),
            .outputs = mg_memory_alloc(program->output_count + (size_t)1, sizeof(uint32_t)),
            .slot_outputs = mg_memory_alloc(program->output_count + (size_t)1, sizeof(uint32_t)),
        };
    }
    return tape;
}

static mg_status fill(mg_tape *tape, int grouped, int (*poll)(void)) {
    assignment at;
    if (tape->ops == NULL || tape->steps == NULL || tape->slot_steps == NULL ||
        tape->wide == NULL || tape->slot_wide == NULL || tape->outputs == NULL ||
        tape->slot_outputs == NULL) {
        return MG_NO_MEMORY;
    }
    if (grouped) {
        mg_status status = mg_schedule(tape->program, poll, tape->ops);
        if (status != MG_OK) {
            return status;
        }
    } else {
        for (uint32_t s = 0; s < tape->step_count; s++) {
            tape->ops[s] = s;
        }
    }
    tape->run_count = find_runs(tape, NULL);
    tape->runs = mg_memory_alloc(tape->run_count + (size_t)1, sizeof(mg_tape_run));
    mg_status status = assignment_new(&at, tape->step_count, poll);
    if (tape->runs != NULL && status == MG_OK) {
        find_runs(tape, tape->runs);
        status = find_last_uses(tape, &at);
        status = status == MG_OK ? assign(tape, &at) : status;
    }
    assignment_clear(&at);
    return tape->runs != NULL ? status : MG_NO_MEMORY;
}

mg_status mg_tape_new(mg_program *program, int grouped, int (*poll)(void), mg_tape **result) {
    if ((uint64_t)program->op_count + program->input_count + program->constant_count +
            4 * (uint64_t)program->wide_count >=
        UINT32_MAX) {
        mg_program_free(program);
        return MG_TOO_LARGE;
    }
    mg_tape *tape = new_tape(program);
    if (tape == NULL) {
        mg_program_free(program);
        return MG_NO_MEMORY;
    }
    mg_status status = fill(tape, grouped, poll);
    if (status != MG_OK) {
        mg_tape_drop(tape);
        return status;
    }
    *result = tape;
    return MG_OK;
}

void mg_tape_drop(mg_tape *tape) {
    if (--tape->holders == 0) {
        mg_program_free(tape->program);
        mg_memory_free(tape->runs);
        mg_memory_free(tape->ops);
        mg_memory_free(tape->steps);
        mg_memory_free(tape->slot_steps);
        mg_memory_free(tape->wide);
        mg_memory_free(tape->slot_wide);
        mg_memory_free(tape->outputs);
        mg_memory_free(tape->slot_outputs);
        mg_memory_free(tape);
    }
}

uint32_t mg_step_residuals(uint32_t op, uint32_t count) {
    if (!mg_leaves_partials((mg_op)mg_op_table[op].row)) {
        return 0;
    }
    switch (mg_op_shapes[op]) {
    case MG_SHAPE_BLOCK:
        return mg_op_table[op].arity == MG_ANY_ARITY ? count : 0;
    case MG_SHAPE_VV:
        return 2;
    default:
        return 1;
    }
}

size_t mg_tape_bytes(const mg_tape *tape) {
    const mg_program *program = tape->program;
    return sizeof(mg_tape) + sizeof(mg_program) + program->constant_room * sizeof(double) +
           program->op_room * sizeof(mg_instruction) + tape->run_count * sizeof(mg_tape_run) +
           tape->step_count * (sizeof(uint32_t) + sizeof(mg_step) + sizeof(mg_slot_step)) +
           (program->wide_room + 2 * (size_t)program->wide_count) * sizeof(uint32_t) +
           3 * (size_t)program->output_count * sizeof(uint32_t);
}

size_t mg_tape_run_bytes(const mg_tape *tape) {
    return (mg_tape_room(tape) + tape->place_count + tape->residual_count) * sizeof(double);
}

void mg_tape_prepare(const mg_tape *tape, double *numbers) {
    if (tape->program->constant_count != 0) {
        memcpy(numbers + tape->first_constant, tape->program->constants,
               tape->program->constant_count * sizeof(double));
    }
}
