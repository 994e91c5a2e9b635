#include "program_run.h"

#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "support.h"

/* The most operands of a wide op at random. */
enum { WIDE_MOST = 7 };

double program_number(const mg_program *program, const double *inputs, const double *results,
                      mg_ref ref) {
    uint32_t index = mg_ref_index(ref);
    switch (mg_ref_kind_of(ref)) {
    case MG_REF_OP:
        return results[index];
    case MG_REF_INPUT:
        return inputs[index];
    default:
        return program->constants[index];
    }
}

/* --- one op --- */

typedef struct {
    mg_op op;
    uint32_t count;
    const mg_ref *operands;
    mg_ref pair[2];
    double *x; /* the operands' numbers; free it */
    double parameter;
} op_view;

static void view_op(const mg_program *program, const double *inputs, const double *results,
                    uint32_t i, op_view *view) {
    const mg_instruction *at = &program->code[i];
    view->op = (mg_op)at->op;
    view->count = mg_program_operands(program, at, view->pair, &view->operands);
    view->x = malloc((view->count + 3) * sizeof(double));
    for (uint32_t k = 0; k < view->count; k++) {
        view->x[k] = program_number(program, inputs, results, view->operands[k]);
    }
    view->parameter = mg_op_is_wide(at->op)
                          ? program_number(program, inputs, results, program->wide[at->a + at->b])
                          : 0.0;
}

static double forward_of(const op_view *view) {
    if (mg_op_table[view->op].arity == MG_ANY_ARITY) {
        return mg_nary_table[view->op].forward(view->x, view->count, view->parameter);
    }
    return op_forward(view->op, view->x[0], view->x[1], view->x[2]);
}

static mg_status status_of(const op_view *view, double r) {
    if (view->op == MG_OP_take) {
        double last = view->x[view->count - 1], values = view->count - 1;
        return last == floor(last) && -values <= last && last < values ? MG_OK : MG_INDEX;
    }
    return isfinite(r) || mg_op_is_wide(view->op)
               ? MG_OK
               : mg_op_check(view->op, view->x[0], view->count > 1 ? view->x[1] : 0.0, r);
}

/* In every operand; those in constants are not looked at. */
static void partials_of(const op_view *view, double r, double *d) {
    const double *x = view->x;
    switch (view->op) {
#define UNARY(name, ...)                \
    case MG_OP_##name:                  \
        d[0] = mg_##name##_da(x[0], r); \
        break;
#define PARAMETRIC(name, ...)                 \
    case MG_OP_##name:                        \
        d[0] = mg_##name##_da(x[0], x[1], r); \
        d[1] = 0.0;                           \
        break;
#define BINARY(name, ...)                     \
    case MG_OP_##name:                        \
    case MG_OP_##name##_vc:                   \
    case MG_OP_##name##_cv:                   \
        d[0] = mg_##name##_da(x[0], x[1], r); \
        d[1] = mg_##name##_db(x[0], x[1], r); \
        break;
#define TERNARY(name, ...)                            \
    case MG_OP_##name:                                \
        mg_##name##_partials(x[0], x[1], x[2], r, d); \
        break;
#define NARY(name, ...)                                                       \
    case MG_OP_##name:                                                        \
        memcpy(d, x, view->count * sizeof(double));                           \
        mg_nary_table[view->op].partials(d, view->count, view->parameter, r); \
        break;
#include "ops.def"
    default:
        CHECK(!"an op with partials");
    }
}

/* --- programs --- */

mg_status program_run(const mg_program *program, const double *inputs, double *results,
                      const unsigned char *needed) {
    mg_status first = MG_OK;
    for (uint32_t i = 0; i < program->op_count; i++) {
        op_view view;
        view_op(program, inputs, results, i, &view);
        results[i] = forward_of(&view);
        if (first == MG_OK && (needed == NULL || needed[i])) {
            first = status_of(&view, results[i]);
        }
        free(view.x);
    }
    return first;
}

/* Where the adjoint of `ref` is in an array for ops and then inputs; NULL for a constant. */
static double *adjoint_of(const mg_program *program, double *adjoints, mg_ref ref) {
    switch (mg_ref_kind_of(ref)) {
    case MG_REF_OP:
        return &adjoints[mg_ref_index(ref)];
    case MG_REF_INPUT:
        return &adjoints[program->op_count + mg_ref_index(ref)];
    default:
        return NULL;
    }
}

static void add_to(double *adjoint, double more) {
    if (adjoint != NULL) {
        *adjoint += more;
    }
}

void program_gradient(const mg_program *program, const double *inputs, const double *results,
                      const double *weights, double *gradient, double *scale) {
    const size_t count = program->op_count + (size_t)program->input_count;
    double *adjoints = calloc(count + 1, sizeof(double));
    double *sizes = calloc(count + 1, sizeof(double));
    for (uint32_t i = 0; i < program->output_count; i++) {
        add_to(adjoint_of(program, adjoints, program->outputs[i]), weights[i]);
        add_to(adjoint_of(program, sizes, program->outputs[i]), fabs(weights[i]));
    }
    for (uint32_t i = program->op_count; i-- > 0;) {
        op_view view;
        view_op(program, inputs, results, i, &view);
        double *d = calloc(view.count + 3, sizeof(double));
        partials_of(&view, results[i], d);
        for (uint32_t k = 0; k < view.count; k++) {
            add_to(adjoint_of(program, adjoints, view.operands[k]), d[k] * adjoints[i]);
            add_to(adjoint_of(program, sizes, view.operands[k]), fabs(d[k]) * sizes[i]);
        }
        free(d);
        free(view.x);
    }
    if (program->input_count != 0) {
        memcpy(gradient, adjoints + program->op_count, program->input_count * sizeof(double));
        memcpy(scale, sizes + program->op_count, program->input_count * sizeof(double));
    }
    free(adjoints);
    free(sizes);
}

void program_needed(const mg_program *program, unsigned char *needed) {
    memset(needed, 0, program->op_count);
    for (uint32_t i = 0; i < program->output_count; i++) {
        if (mg_ref_kind_of(program->outputs[i]) == MG_REF_OP) {
            needed[mg_ref_index(program->outputs[i])] = 1;
        }
    }
    for (uint32_t i = program->op_count; i-- > 0;) {
        mg_ref pair[2];
        const mg_ref *operands = pair;
        uint32_t count = mg_program_operands(program, &program->code[i], pair, &operands);
        for (uint32_t k = 0; needed[i] && k < count; k++) {
            if (mg_ref_kind_of(operands[k]) == MG_REF_OP) {
                needed[mg_ref_index(operands[k])] = 1;
            }
        }
    }
}

/* --- at random --- */

static const double edges[] = {0.0,    -0.0,    1.0,      -1.0,      2.0,  0.5,  -3.0,
                               5e-324, -1e-310, 1e308,    -1e308,    1e-5, 1000, -1000,
                               0.1,    7.0,     INFINITY, -INFINITY, NAN};

static double random_edge(void) { return edges[random_below(sizeof edges / sizeof *edges)]; }

void random_inputs(double *inputs, uint32_t count, int tame) {
    for (uint32_t i = 0; i < count; i++) {
        inputs[i] = tame || random_below(2) ? random_between(0.25, 1.75) : random_edge();
    }
}

static mg_status random_constant(mg_program *program, mg_ref *ref) {
    /* Half of the time one that identities are about; rarely one that is not finite. */
    static const double special[] = {0.0, -0.0, 1.0, -1.0};
    double number = random_below(2) ? special[random_below(4)] : random_between(-2.0, 2.0);
    return mg_program_constant(program, random_below(24) ? number : random_edge(), ref);
}

static mg_status random_operand(mg_program *program, mg_ref *ref) {
    const uint32_t ops = program->op_count;
    const uint64_t kind = random_below(16);
    if (kind < 2) {
        return random_constant(program, ref);
    }
    if (kind == 2 && program->constant_count != 0) {
        *ref = mg_ref_make(MG_REF_CONSTANT, (uint32_t)random_below(program->constant_count));
    } else if (kind < 6 || ops == 0) {
        *ref = mg_ref_make(MG_REF_INPUT, (uint32_t)random_below(program->input_count));
    } else if (kind < 13) { /* one of the latest */
        *ref = mg_ref_make(MG_REF_OP, ops - 1 - (uint32_t)random_below(ops < 3 ? ops : 3));
    } else {
        *ref = mg_ref_make(MG_REF_OP, (uint32_t)random_below(ops));
    }
    return MG_OK;
}

static mg_status random_wide(mg_program *program, mg_op op) {
    mg_ref operands[WIDE_MOST], parameter, ref;
    uint32_t count = mg_op_table[op].arity;
    mg_status status = MG_OK;
    double number = 0.0;
    if (count == MG_ANY_ARITY) {
        do {
            count = (uint32_t)random_below(WIDE_MOST + 1);
            number = mg_nary_table[op].operands == MG_PLACE ? (double)random_below(count + 1) : 0.0;
        } while (!mg_nary_fits(op, count, number));
    }
    for (uint32_t k = 0; status == MG_OK && k < count; k++) {
        status = random_operand(program, &operands[k]);
    }
    if (status == MG_OK && op == MG_OP_take && random_below(4) != 0) {
        double place = (double)random_below(count) - (double)(count / 2);
        status = mg_program_constant(program, place, &operands[count - 1]);
    }
    if (status == MG_OK) {
        status = mg_program_constant(program, number, &parameter);
    }
    return status == MG_OK ? mg_program_wide(program, op, operands, count, parameter, &ref)
                           : status;
}

static mg_status random_narrow(mg_program *program, mg_op op) {
    const mg_shape shape = (mg_shape)mg_op_shapes[op];
    mg_ref a, b = 0, ref;
    mg_status status =
        shape == MG_SHAPE_CV ? random_constant(program, &a) : random_operand(program, &a);
    if (status == MG_OK && shape != MG_SHAPE_V) {
        status = shape == MG_SHAPE_VC || shape == MG_SHAPE_VP ? random_constant(program, &b)
                                                              : random_operand(program, &b);
    }
    return status == MG_OK ? mg_program_op(program, op, a, b, &ref) : status;
}

/* Once more what an earlier op does, perhaps the other way round. */
static mg_status repeat_op(mg_program *program) {
    const mg_instruction earlier = program->code[random_below(program->op_count)];
    mg_ref ref, operands[WIDE_MOST];
    if (mg_op_is_wide(earlier.op)) {
        mg_ref parameter = program->wide[earlier.a + earlier.b];
        memcpy(operands, program->wide + earlier.a, earlier.b * sizeof(mg_ref));
        return mg_program_wide(program, earlier.op, operands, earlier.b, parameter, &ref);
    }
    return mg_op_shapes[earlier.op] == MG_SHAPE_VV && random_below(2)
               ? mg_program_op(program, earlier.op, earlier.b, earlier.a, &ref)
               : mg_program_op(program, earlier.op, earlier.a, earlier.b, &ref);
}

static mg_status random_op(mg_program *program) {
    static const mg_op frequent[] = {MG_OP_add,    MG_OP_add,    MG_OP_mul,    MG_OP_mul,
                                     MG_OP_add_vc, MG_OP_mul_vc, MG_OP_add_cv, MG_OP_mul_cv,
                                     MG_OP_sub,    MG_OP_neg,    MG_OP_tanh,   MG_OP_sum};
    const uint64_t kind = random_below(20);
    if (kind < 2 && program->op_count != 0) {
        return repeat_op(program);
    }
    mg_op op = kind < 13 ? frequent[random_below(sizeof frequent / sizeof *frequent)]
                         : (mg_op)(MG_OP_local + 1 + random_below(MG_OP_COUNT - MG_OP_local - 1));
    return mg_op_is_wide(op) ? random_wide(program, op) : random_narrow(program, op);
}

mg_program *program_random(uint32_t ops) {
    mg_program *program = mg_program_new(1 + (uint32_t)random_below(4));
    mg_ref outputs[4];
    uint32_t output_count = (uint32_t)random_below(5);
    mg_status status = program != NULL ? MG_OK : MG_NO_MEMORY;
    for (uint32_t i = 0; status == MG_OK && i < ops; i++) {
        status = random_op(program);
    }
    for (uint32_t i = 0; status == MG_OK && i < output_count; i++) {
        status = random_operand(program, &outputs[i]);
    }
    if (status == MG_OK) {
        status = mg_program_set_outputs(program, outputs, output_count);
    }
    if (status != MG_OK) {
        mg_program_free(program);
        return NULL;
    }
    return program;
}
