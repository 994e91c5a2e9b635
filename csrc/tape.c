/* Invariants:
   - a slot holds one number at a time: from the step that computes it to the last step that reads
   it. That step may put its result into the slot of an operand, so whoever runs it reads first;
   - the slots of outputs are never given to anything else after they are set;
   - slot 0 and those of constants and inputs are never a step's result. */
#include "tape.h"

#include <string.h>

/* No later step reads it: it is an output, or its slot has been given back already. */
#define KEPT UINT32_MAX

/* Scratch memory of the assignment: by op, the last step that reads it, and its slot; and the slots
   that are free. */
typedef struct {
    uint32_t *last_use, *slot, *free_slots;
    uint32_t free_count;
} assignment;

static mg_status assignment_new(assignment *at, uint32_t op_count) {
    size_t room = op_count + (size_t)1;
    *at = (assignment){
        .last_use = mg_memory_alloc(room, sizeof(uint32_t)),
        .slot = mg_memory_alloc(room, sizeof(uint32_t)),
        .free_slots = mg_memory_alloc(room, sizeof(uint32_t)),
    };
    return at->last_use != NULL && at->slot != NULL && at->free_slots != NULL ? MG_OK
                                                                              : MG_NO_MEMORY;
}

static void assignment_clear(assignment *at) {
    mg_memory_free(at->last_use);
    mg_memory_free(at->slot);
    mg_memory_free(at->free_slots);
}

static void find_last_uses(const mg_program *program, uint32_t *last_use) {
    for (uint32_t i = 0; i < program->op_count; i++) {
        mg_ref pair[2];
        const mg_ref *operands = pair;
        uint32_t count = mg_program_operands(program, &program->code[i], pair, &operands);
        last_use[i] = i; /* at least its own step writes it */
        for (uint32_t k = 0; k < count; k++) {
            if (mg_ref_kind_of(operands[k]) == MG_REF_OP) {
                last_use[mg_ref_index(operands[k])] = i;
            }
        }
    }
    for (uint32_t i = 0; i < program->output_count; i++) {
        if (mg_ref_kind_of(program->outputs[i]) == MG_REF_OP) {
            last_use[mg_ref_index(program->outputs[i])] = KEPT;
        }
    }
}

static uint32_t slot_of(const mg_tape *tape, const assignment *at, mg_ref ref) {
    uint32_t index = mg_ref_index(ref);
    switch (mg_ref_kind_of(ref)) {
    case MG_REF_OP:
        return at->slot[index];
    case MG_REF_INPUT:
        return tape->first_input + index;
    default:
        return 1 + index;
    }
}

/* Gives the slot of `ref` back if step i is the last to read it. */
static void retire(assignment *at, mg_ref ref, uint32_t i) {
    uint32_t index = mg_ref_index(ref);
    if (mg_ref_kind_of(ref) == MG_REF_OP && at->last_use[index] == i) {
        at->last_use[index] = KEPT;
        at->free_slots[at->free_count++] = at->slot[index];
    }
}

static void assign(mg_tape *tape, assignment *at) {
    const mg_program *program = tape->program;
    uint32_t next = tape->first_input + program->input_count, scratch = 0;
    for (uint32_t i = 0; i < program->op_count; i++) {
        const mg_instruction *from = &program->code[i];
        mg_step *step = &tape->steps[i];
        mg_ref pair[2];
        const mg_ref *operands = pair;
        uint32_t count = mg_program_operands(program, from, pair, &operands);
        *step = (mg_step){.op = from->op};
        if (mg_op_is_wide(from->op)) {
            step->a = from->a;
            step->b = from->b;
            for (uint32_t k = 0; k <= count; k++) { /* the parameter too */
                tape->wide[from->a + k] = slot_of(tape, at, operands[k]);
            }
            tape->wide_steps[tape->wide_step_count++] = i;
            scratch = count > scratch ? count : scratch;
        } else {
            step->a = slot_of(tape, at, operands[0]);
            step->b = count > 1 ? slot_of(tape, at, operands[1]) : 0;
        }
        for (uint32_t k = 0; k < count; k++) {
            retire(at, operands[k], i);
        }
        step->result = at->free_count != 0 ? at->free_slots[--at->free_count] : next++;
        at->slot[i] = step->result;
        retire(at, mg_ref_make(MG_REF_OP, i), i);
        tape->residual_count += mg_step_residuals(step);
    }
    for (uint32_t i = 0; i < program->output_count; i++) {
        tape->outputs[i] = slot_of(tape, at, program->outputs[i]);
    }
    tape->scratch = next;
    tape->scratch_count = scratch;
    tape->slot_count = next + 2 * scratch;
}

mg_status mg_tape_new(mg_program *program, mg_tape **result) {
    assignment at;
    uint32_t wide_steps = 0;
    mg_tape *tape = NULL;
    mg_status status = MG_NO_MEMORY;
    if ((uint64_t)program->op_count + program->input_count + program->constant_count +
            2 * (uint64_t)program->wide_count >=
        UINT32_MAX) {
        mg_program_free(program);
        return MG_TOO_LARGE;
    }
    for (uint32_t i = 0; i < program->op_count; i++) {
        wide_steps += mg_op_is_wide(program->code[i].op);
    }
    if (assignment_new(&at, program->op_count) == MG_OK) {
        tape = mg_memory_alloc(1, sizeof(mg_tape));
    }
    if (tape != NULL) {
        *tape = (mg_tape){
            .holders = 1,
            .program = program,
            .step_count = program->op_count,
            .first_input = 1 + program->constant_count,
            .steps = mg_memory_alloc(program->op_count + (size_t)1, sizeof(mg_step)),
            .wide = mg_memory_alloc(program->wide_count + (size_t)1, sizeof(uint32_t)),
            .outputs = mg_memory_alloc(program->output_count + (size_t)1, sizeof(uint32_t)),
            .wide_steps = mg_memory_alloc(wide_steps + (size_t)1, sizeof(uint32_t)),
        };
        if (tape->steps != NULL && tape->wide != NULL && tape->outputs != NULL &&
            tape->wide_steps != NULL) {
            find_last_uses(program, at.last_use);
            assign(tape, &at);
            *result = tape;
            status = MG_OK;
        }
    }
    if (status != MG_OK) {
        if (tape != NULL) {
            mg_tape_drop(tape);
        } else {
            mg_program_free(program);
        }
    }
    assignment_clear(&at);
    return status;
}

void mg_tape_drop(mg_tape *tape) {
    if (--tape->holders == 0) {
        mg_program_free(tape->program);
        mg_memory_free(tape->steps);
        mg_memory_free(tape->wide);
        mg_memory_free(tape->outputs);
        mg_memory_free(tape->wide_steps);
        mg_memory_free(tape);
    }
}

size_t mg_tape_bytes(const mg_tape *tape) {
    const mg_program *program = tape->program;
    return sizeof(mg_tape) + sizeof(mg_program) + program->constant_room * sizeof(double) +
           program->op_room * sizeof(mg_instruction) + tape->step_count * sizeof(mg_step) +
           (program->wide_room + (size_t)program->wide_count) * sizeof(uint32_t) +
           2 * program->output_count * sizeof(uint32_t) + tape->wide_step_count * sizeof(uint32_t);
}

size_t mg_tape_run_bytes(const mg_tape *tape) {
    return (2 * (size_t)tape->slot_count + tape->residual_count) * sizeof(double);
}

void mg_tape_prepare(const mg_tape *tape, double *slots) {
    slots[0] = 0.0;
    if (tape->program->constant_count != 0) {
        memcpy(slots + 1, tape->program->constants, tape->program->constant_count * sizeof(double));
    }
}
