/* Invariant: the counts never exceed the rooms, the rooms what is allocated, and a program that a
   function here has failed on is as it was before. */
#include "program.h"

#include <string.h>

mg_program *mg_program_new(uint32_t input_count) {
    mg_program *program =
        input_count < MG_PROGRAM_LIMIT ? mg_memory_alloc(1, sizeof(mg_program)) : NULL;
    if (program != NULL) {
        *program = (mg_program){.input_count = input_count};
    }
    return program;
}

void mg_program_free(mg_program *program) {
    if (program != NULL) {
        mg_memory_free(program->constants);
        mg_memory_free(program->code);
        mg_memory_free(program->wide);
        mg_memory_free(program->outputs);
        mg_memory_free(program);
    }
}

/* Room for `more` items behind `count` in an array of `room`. */
static mg_status make_room(void **items, size_t size, uint32_t count, uint32_t more,
                           uint32_t *room) {
    if (more <= *room - count) {
        return MG_OK;
    }
    if (more >= MG_PROGRAM_LIMIT - count) {
        return MG_TOO_LARGE;
    }
    uint32_t wanted = count + more, grown = *room < 64 ? 64 : *room + *room / 2;
    grown = grown < wanted ? wanted : grown;
    void *resized = mg_memory_resize(*items, grown, size);
    if (resized == NULL) {
        return MG_NO_MEMORY;
    }
    *items = resized;
    *room = grown;
    return MG_OK;
}

mg_status mg_program_reserve(mg_program *program, uint32_t constants, uint32_t ops, uint32_t wide) {
    mg_status status = make_room((void **)&program->constants, sizeof(double),
                                 program->constant_count, constants, &program->constant_room);
    if (status == MG_OK) {
        status = make_room((void **)&program->code, sizeof(mg_instruction), program->op_count, ops,
                           &program->op_room);
    }
    if (status == MG_OK) {
        status = make_room((void **)&program->wide, sizeof(mg_ref), program->wide_count, wide,
                           &program->wide_room);
    }
    return status;
}

static void append(void *items, size_t size, uint32_t *count, const void *more,
                   uint32_t more_count) {
    if (more_count != 0) {
        memcpy((char *)items + *count * size, more, more_count * size);
        *count += more_count;
    }
}

mg_program *mg_program_copy(const mg_program *program) {
    mg_program *copy = mg_program_new(program->input_count);
    if (copy == NULL) {
        return NULL;
    }
    if (mg_program_reserve(copy, program->constant_count, program->op_count, program->wide_count) !=
            MG_OK ||
        mg_program_set_outputs(copy, program->outputs, program->output_count) != MG_OK) {
        mg_program_free(copy);
        return NULL;
    }
    append(copy->constants, sizeof(double), &copy->constant_count, program->constants,
           program->constant_count);
    append(copy->code, sizeof(mg_instruction), &copy->op_count, program->code, program->op_count);
    append(copy->wide, sizeof(mg_ref), &copy->wide_count, program->wide, program->wide_count);
    return copy;
}

mg_status mg_program_constant(mg_program *program, double number, mg_ref *ref) {
    mg_status status = make_room((void **)&program->constants, sizeof(double),
                                 program->constant_count, 1, &program->constant_room);
    if (status == MG_OK) {
        *ref = mg_ref_make(MG_REF_CONSTANT, program->constant_count);
        program->constants[program->constant_count++] = number;
    }
    return status;
}

mg_status mg_program_op(mg_program *program, uint32_t op, mg_ref a, mg_ref b, mg_ref *ref) {
    mg_status status = make_room((void **)&program->code, sizeof(mg_instruction), program->op_count,
                                 1, &program->op_room);
    if (status == MG_OK) {
        *ref = mg_ref_make(MG_REF_OP, program->op_count);
        program->code[program->op_count++] = (mg_instruction){op, a, b};
    }
    return status;
}

mg_status mg_program_wide(mg_program *program, uint32_t op, const mg_ref *operands, uint32_t count,
                          mg_ref parameter, mg_ref *ref) {
    if (count >= MG_PROGRAM_LIMIT - 1) {
        return MG_TOO_LARGE;
    }
    mg_status status = make_room((void **)&program->wide, sizeof(mg_ref), program->wide_count,
                                 count + 1, &program->wide_room);
    if (status == MG_OK) {
        status = mg_program_op(program, op, program->wide_count, count, ref);
    }
    if (status == MG_OK) {
        mg_ref *own = program->wide + program->wide_count;
        if (count != 0) {
            memcpy(own, operands, count * sizeof(mg_ref));
        }
        own[count] = parameter;
        program->wide_count += count + 1;
    }
    return status;
}

mg_status mg_program_set_outputs(mg_program *program, const mg_ref *outputs, uint32_t count) {
    mg_ref *own = mg_memory_alloc(count + (size_t)1, sizeof(mg_ref));
    if (own == NULL) {
        return MG_NO_MEMORY;
    }
    if (count != 0) {
        memcpy(own, outputs, count * sizeof(mg_ref));
    }
    mg_memory_free(program->outputs);
    program->outputs = own;
    program->output_count = count;
    return MG_OK;
}

/* --- verification --- */

/* Whether `ref` may be read by op number `reader`. */
static int is_valid(const mg_program *program, mg_ref ref, uint32_t reader) {
    uint32_t index = mg_ref_index(ref);
    switch (mg_ref_kind_of(ref)) {
    case MG_REF_OP:
        return index < reader;
    case MG_REF_INPUT:
        return index < program->input_count;
    case MG_REF_CONSTANT:
        return index < program->constant_count;
    case MG_REF_KINDS:
        break;
    }
    return 0;
}

static int is_constant(mg_ref ref) { return mg_ref_kind_of(ref) == MG_REF_CONSTANT; }

static const char *wide_fault(const mg_program *program, const mg_instruction *instruction) {
    const mg_ref *operands = program->wide + instruction->a;
    const uint32_t count = instruction->b;
    const double parameter = program->constants[mg_ref_index(operands[count])];
    const uint8_t arity = mg_op_table[instruction->op].arity;
    int fits =
        arity != MG_ANY_ARITY ? count == arity : mg_nary_fits(instruction->op, count, parameter);
    return fits ? NULL : "operands that do not fit the op";
}

/* `next_wide` is where the operands of a wide op must begin: operands that two ops share could make
   a small program a large one. */
static const char *instruction_fault(const mg_program *program, uint32_t index,
                                     uint32_t next_wide) {
    const mg_instruction *at = &program->code[index];
    mg_ref pair[2];
    const mg_ref *operands = pair;
    if (!mg_op_is_row(at->op)) {
        return "unknown op";
    }
    if (mg_op_is_wide(at->op)) {
        if (at->a != next_wide) {
            return "operands out of place";
        }
        if (at->a >= program->wide_count || at->b >= program->wide_count - at->a) {
            return "operands out of range";
        }
        mg_ref parameter = program->wide[at->a + at->b];
        if (!is_constant(parameter) || !is_valid(program, parameter, 0)) {
            return "a parameter that is no constant";
        }
    }
    uint32_t count = mg_program_operands(program, at, pair, &operands);
    for (uint32_t k = 0; k < count; k++) {
        if (!is_valid(program, operands[k], index)) {
            return "a reference out of range";
        }
    }
    switch (mg_op_shapes[at->op]) {
    case MG_SHAPE_VC:
    case MG_SHAPE_VP:
        return is_constant(at->b) ? NULL : "an operand that is no constant";
    case MG_SHAPE_CV:
        return is_constant(at->a) ? NULL : "an operand that is no constant";
    case MG_SHAPE_V:
        return at->b == 0 ? NULL : "an operand too many";
    case MG_SHAPE_VV:
        return NULL;
    case MG_SHAPE_BLOCK:
        return wide_fault(program, at);
    default:
        return "unknown op";
    }
}

mg_status mg_program_verify(const mg_program *program, const char **why) {
    uint32_t next_wide = 0;
    *why = NULL;
    if (program->input_count >= MG_PROGRAM_LIMIT || program->constant_count >= MG_PROGRAM_LIMIT ||
        program->op_count >= MG_PROGRAM_LIMIT || program->wide_count >= MG_PROGRAM_LIMIT) {
        *why = "a count out of range";
    }
    for (uint32_t i = 0; *why == NULL && i < program->op_count; i++) {
        const mg_instruction *at = &program->code[i];
        *why = instruction_fault(program, i, next_wide);
        if (*why == NULL && mg_op_is_wide(at->op)) {
            next_wide += at->b + 1;
        }
    }
    if (*why == NULL && next_wide != program->wide_count) {
        *why = "operands of no op";
    }
    for (uint32_t i = 0; *why == NULL && i < program->output_count; i++) {
        if (!is_valid(program, program->outputs[i], program->op_count)) {
            *why = "an output out of range";
        }
    }
    return *why == NULL ? MG_OK : MG_MALFORMED;
}
