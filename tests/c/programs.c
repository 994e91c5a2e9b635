/* Invariant: a random program and the array of the values of its ops grow together, so that each op
   is tried on the numbers it would get before it is added. */
#include "programs.h"

#include <math.h>
#include <string.h>

#define MOST_OPERANDS 9

double number_of(const mg_program *program, const double *inputs, const double *values,
                 mg_ref ref) {
    switch (mg_ref_kind_of(ref)) {
    case MG_REF_OP:
        return values[mg_ref_index(ref)];
    case MG_REF_INPUT:
        return inputs[mg_ref_index(ref)];
    default:
        return program->constants[mg_ref_index(ref)];
    }
}

/* --- the table on numbers --- */

static double forward(uint32_t op, const double *x, size_t count, double parameter) {
    const double a = count > 0 ? x[0] : 0.0, b = count > 1 ? x[1] : 0.0;
    switch (op) {
#define UNARY(name, ...) \
    case MG_OP_##name:   \
        return mg_##name##_forward(a);
#define PARAMETRIC(name, ...) \
    case MG_OP_##name:        \
        return mg_##name##_forward(a, b);
#define BINARY(name, ...)   \
    case MG_OP_##name:      \
    case MG_OP_##name##_vc: \
    case MG_OP_##name##_cv: \
        return mg_##name##_forward(a, b);
#define TERNARY(name, ...) \
    case MG_OP_##name:     \
        return mg_##name##_forward(a, b, x[2]);
#include "ops.def"
    default:
        return mg_nary_table[op].forward(x, count, parameter);
    }
}

/* The partials in those operands that get one; how many these are, from the first on. */
static void partials(uint32_t op, const double *x, size_t count, double parameter, double r,
                     double *d) {
    const double a = count > 0 ? x[0] : 0.0, b = count > 1 ? x[1] : 0.0;
    switch (op) {
#define UNARY(name, ...)             \
    case MG_OP_##name:               \
        d[0] = mg_##name##_da(a, r); \
        break;
#define PARAMETRIC(name, ...)           \
    case MG_OP_##name:                  \
        d[0] = mg_##name##_da(a, b, r); \
        break;
#define BINARY(name, ...)               \
    case MG_OP_##name:                  \
        d[0] = mg_##name##_da(a, b, r); \
        d[1] = mg_##name##_db(a, b, r); \
        break;                          \
    case MG_OP_##name##_vc:             \
        d[0] = mg_##name##_da(a, b, r); \
        break;                          \
    case MG_OP_##name##_cv:             \
        d[1] = mg_##name##_db(a, b, r); \
        break;
#define TERNARY(name, ...)                      \
    case MG_OP_##name:                          \
        mg_##name##_partials(a, b, x[2], r, d); \
        break;
#include "ops.def"
    default:
        memcpy(d, x, count * sizeof(double));
        mg_nary_table[op].partials(d, count, parameter, r);
    }
}

/* --- expectations --- */

/* The operands of op number i, and the parameter if it is wide. */
static uint32_t read_operands(const mg_program *program, uint32_t i, const double *inputs,
                              const double *values, double *x, const mg_ref **operands,
                              mg_ref pair[2], double *parameter) {
    const mg_instruction *instruction = &program->code[i];
    const uint32_t count = mg_program_operands(program, instruction, pair, operands);
    for (uint32_t k = 0; k < count; k++) {
        x[k] = number_of(program, inputs, values, (*operands)[k]);
    }
    *parameter = mg_op_is_wide(instruction->op)
                     ? number_of(program, inputs, values, (*operands)[count])
                     : 0.0;
    return count;
}

static double *scratch_for(const mg_program *program) {
    return mg_memory_alloc(2 * ((size_t)program->wide_count + 2), sizeof(double));
}

void evaluate_program(const mg_program *program, const double *inputs, double *values) {
    double *x = scratch_for(program);
    for (uint32_t i = 0; i < program->op_count; i++) {
        double parameter;
        mg_ref pair[2];
        const mg_ref *operands = pair;
        uint32_t count = read_operands(program, i, inputs, values, x, &operands, pair, &parameter);
        values[i] = forward(program->code[i].op, x, count, parameter);
    }
    mg_memory_free(x);
}

/* What an op's shape lets the sweep add to: the operand is not the constant of a form. */
static int gets_gradient(uint32_t op, uint32_t k) {
    switch (mg_op_shapes[op]) {
    case MG_SHAPE_VC:
    case MG_SHAPE_VP:
        return k == 0;
    case MG_SHAPE_CV:
        return k == 1;
    default:
        return 1;
    }
}

static void add_adjoint(mg_ref ref, double more, double *adjoints, double *gradient) {
    if (mg_ref_kind_of(ref) == MG_REF_OP) {
        adjoints[mg_ref_index(ref)] += more;
    } else if (mg_ref_kind_of(ref) == MG_REF_INPUT) {
        gradient[mg_ref_index(ref)] += more;
    }
}

/* In which order operands get their shares, which counts where one comes twice: those of a dot in
   pairs. */
static uint32_t nth_operand(uint32_t op, uint32_t count, uint32_t j) {
    const uint32_t m = count / 2;
    return op != MG_OP_dot || j >= 2 * m ? j : j % 2 == 0 ? j / 2 : m + j / 2;
}

void differentiate_program(const mg_program *program, const double *inputs, const double *values,
                           const double *seeds, double *adjoints, double *gradient) {
    double *x = scratch_for(program), *d = x + program->wide_count + 2;
    for (uint32_t i = 0; i < program->op_count; i++) {
        adjoints[i] = 0.0;
    }
    for (uint32_t i = 0; i < program->output_count; i++) {
        add_adjoint(program->outputs[i], seeds[i], adjoints, gradient);
    }
    for (uint32_t i = program->op_count; i-- > 0;) {
        const uint32_t op = program->code[i].op;
        const double g = adjoints[i];
        double parameter;
        mg_ref pair[2];
        const mg_ref *operands = pair;
        uint32_t count = read_operands(program, i, inputs, values, x, &operands, pair, &parameter);
        if (op == MG_OP_take) { /* the one that is taken, and not even a zero to the others */
            if (nary_is_place(x[count - 1], count - 1)) {
                add_adjoint(operands[nary_place(x[count - 1], count - 1)], g, adjoints, gradient);
            }
            continue;
        }
        partials(op, x, count, parameter, values[i], d);
        for (uint32_t j = 0; j < count; j++) {
            const uint32_t k = nth_operand(op, count, j);
            /* A zero partial of three operands is a choice not taken, of which inf * 0 is no part.
             */
            if (gets_gradient(op, k) && (mg_op_table[op].arity != 3 || d[k] != 0.0)) {
                add_adjoint(operands[k], d[k] * g, adjoints, gradient);
            }
        }
    }
    mg_memory_free(x);
}

/* --- making --- */

/* Counts of operands that an NARY op may have, 9 at most; of a take at least one value. */
static uint32_t random_count(uint32_t op) {
    uint32_t count = 1 + (uint32_t)random_below(MOST_OPERANDS / 2);
    switch (mg_nary_table[op].operands) {
    case MG_PAIRS:
        return 2 * count;
    case MG_PAIRS_AND_ONE:
        return count + 1;
    case MG_ANY:
        return count - 1;
    case MG_SOME:
    case MG_PLACE:
        break;
    }
    return op == MG_OP_take ? count + 1 : count;
}

static mg_status random_constant(mg_program *program, mg_ref *ref) {
    static const double often[] = {0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 3.0};
    double number = random_below(2) ? often[random_below(sizeof often / sizeof *often)]
                                    : random_between(-3.0, 3.0);
    if (program->constant_count != 0 && random_below(3) == 0) {
        *ref = mg_ref_make(MG_REF_CONSTANT, (uint32_t)random_below(program->constant_count));
        return MG_OK;
    }
    return mg_program_constant(program, number, ref);
}

static mg_status random_operand(mg_program *program, mg_ref *ref) {
    const uint32_t ops = program->op_count;
    if (random_below(12) == 0) {
        return random_constant(program, ref);
    }
    if (ops == 0 || (program->input_count != 0 && random_below(4) == 0)) {
        if (program->input_count == 0) {
            return random_constant(program, ref);
        }
        *ref = mg_ref_make(MG_REF_INPUT, (uint32_t)random_below(program->input_count));
        return MG_OK;
    }
    /* Half of the time a recent one. */
    uint64_t back = random_below(2) ? random_below(ops) : random_below(ops < 8 ? ops : 8);
    *ref = mg_ref_make(MG_REF_OP, ops - 1 - (uint32_t)back);
    return MG_OK;
}

static int must_be_constant(uint32_t op, uint32_t k) {
    const uint8_t shape = mg_op_shapes[op];
    return (shape == MG_SHAPE_CV && k == 0) ||
           ((shape == MG_SHAPE_VC || shape == MG_SHAPE_VP) && k == 1);
}

/* Where a wide op gets its operands, and some small whole number for an index. */
static mg_status random_operands(mg_program *program, uint32_t op, uint32_t count, mg_ref *refs) {
    mg_status status = MG_OK;
    for (uint32_t k = 0; status == MG_OK && k < count; k++) {
        if (op == MG_OP_take && k == count - 1) {
            const double values = count - 1;
            status = mg_program_constant(program, floor(random_between(-values, values)), &refs[k]);
        } else {
            status = must_be_constant(op, k) ? random_constant(program, &refs[k])
                                             : random_operand(program, &refs[k]);
        }
    }
    return status;
}

/* Tries one op; without a trace, but perhaps a constant, when its result would not be moderate. */
static mg_status try_op(mg_program *program, const double *inputs, double *values) {
    mg_ref refs[MOST_OPERANDS + 1], ref;
    double x[MOST_OPERANDS + 1], parameter = 0.0;
    const uint32_t op = MG_OP_local + 1 + (uint32_t)random_below(MG_OP_COUNT - MG_OP_local - 1);
    const uint8_t shape = mg_op_shapes[op], arity = mg_op_table[op].arity;
    const uint32_t count = arity == MG_ANY_ARITY  ? random_count(op)
                           : shape == MG_SHAPE_VP ? 2
                                                  : arity;
    mg_status status = random_operands(program, op, count, refs);
    if (status == MG_OK && shape == MG_SHAPE_BLOCK) {
        parameter = op == MG_OP_cross_entropy ? (double)random_below(count) : 0.0;
        status = mg_program_constant(program, parameter, &refs[count]);
    }
    if (status != MG_OK) {
        return status;
    }
    for (uint32_t k = 0; k < count; k++) {
        x[k] = number_of(program, inputs, values, refs[k]);
    }
    const double r = forward(op, x, count, parameter);
    if (!(fabs(r) < 100.0)) {
        return MG_OK;
    }
    values[program->op_count] = r;
    return shape == MG_SHAPE_BLOCK
               ? mg_program_wide(program, op, refs, count, refs[count], &ref)
               : mg_program_op(program, op, refs[0], shape == MG_SHAPE_V ? 0 : refs[1], &ref);
}

static mg_status set_random_outputs(mg_program *program, uint32_t count) {
    mg_ref *outputs = mg_memory_alloc(count + (size_t)1, sizeof(mg_ref));
    mg_status status = outputs != NULL ? MG_OK : MG_NO_MEMORY;
    for (uint32_t i = 0; status == MG_OK && i < count; i++) {
        if (i == 0 && program->op_count != 0) {
            outputs[i] = mg_ref_make(MG_REF_OP, program->op_count - 1);
        } else {
            status = random_operand(program, &outputs[i]);
        }
    }
    if (status == MG_OK) {
        status = mg_program_set_outputs(program, outputs, count);
    }
    mg_memory_free(outputs);
    return status;
}

mg_program *random_program(const double *inputs, uint32_t input_count, uint32_t op_count,
                           uint32_t output_count) {
    mg_program *program = mg_program_new(input_count);
    double *values = mg_memory_alloc(op_count + (size_t)1, sizeof(double));
    mg_status status = program != NULL && values != NULL ? MG_OK : MG_NO_MEMORY;
    while (status == MG_OK && program->op_count < op_count) {
        status = try_op(program, inputs, values);
    }
    if (status == MG_OK) {
        status = set_random_outputs(program, output_count);
    }
    mg_memory_free(values);
    if (status != MG_OK) {
        mg_program_free(program);
        return NULL;
    }
    return program;
}

mg_program *program_of(uint32_t op, uint32_t count, double constant) {
    mg_program *program = mg_program_new(count);
    mg_ref refs[MOST_OPERANDS], number, output;
    mg_status status =
        program != NULL ? mg_program_constant(program, constant, &number) : MG_NO_MEMORY;
    for (uint32_t k = 0; k < count && k < MOST_OPERANDS; k++) {
        refs[k] = mg_ref_make(MG_REF_INPUT, k);
    }
    if (status == MG_OK && mg_op_is_wide(op)) {
        status = mg_program_wide(program, op, refs, count, number, &output);
    } else if (status == MG_OK) {
        const int one = mg_op_shapes[op] == MG_SHAPE_V;
        status = mg_program_op(program, op, must_be_constant(op, 0) ? number : refs[0],
                               one                       ? 0
                               : must_be_constant(op, 1) ? number
                                                         : refs[1],
                               &output);
    }
    if (status == MG_OK) {
        status = mg_program_set_outputs(program, &output, 1);
    }
    if (status != MG_OK) {
        mg_program_free(program);
        return NULL;
    }
    return program;
}

/* memcmp may not be asked about the no bytes of NULL. */
static int same_bytes(const void *one, const void *other, size_t size) {
    return size == 0 || memcmp(one, other, size) == 0;
}

int same_programs(const mg_program *one, const mg_program *other) {
    return one->input_count == other->input_count && one->constant_count == other->constant_count &&
           one->op_count == other->op_count && one->wide_count == other->wide_count &&
           one->output_count == other->output_count &&
           same_bytes(one->constants, other->constants, one->constant_count * sizeof(double)) &&
           same_bytes(one->code, other->code, one->op_count * sizeof(mg_instruction)) &&
           same_bytes(one->wide, other->wide, one->wide_count * sizeof(mg_ref)) &&
           same_bytes(one->outputs, other->outputs, one->output_count * sizeof(mg_ref));
}
