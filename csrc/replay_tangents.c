/* Tangents up the tape, and forward over reverse: adjoints down with their tangents. The second is
   not the hot path, so it works every partial out again. */
#include <string.h>

#include "replay.h"

/* --- tangents --- */

ALWAYS_INLINE double nary_tangent(mg_op op, const uint32_t *operands, uint32_t count,
                                  const double *v, const double **residuals,
                                  const double *tangents) {
    double t = 0.0;
    if (op == MG_OP_dot) {
        const uint32_t m = count / 2;
        for (uint32_t k = 0; k < m; k++) {
            const uint32_t w = operands[k], x = operands[m + k];
            t += v[x] * tangents[w] + v[w] * tangents[x];
        }
        return count % 2 != 0 ? t + tangents[operands[count - 1]] : t;
    }
    if (op == MG_OP_take) {
        return tangents[operands[nary_place(v[operands[count - 1]], count - 1)]];
    }
    const double *d = *residuals;
    for (uint32_t k = 0; k < count; k++) {
        t += op == MG_OP_sum ? tangents[operands[k]] : d[k] * tangents[operands[k]];
    }
    *residuals += op == MG_OP_sum ? 0 : count;
    return t;
}

#define PARTIAL(name, da) (mg_leaves_partials(MG_OP_##name) ? *d++ : (da))

mg_status mg_tape_tangents(const mg_tape *tape, const double *numbers, const double *residuals,
                           double *tangents, int (*poll)(void)) {
    const double *const v = numbers, *d = residuals, *result = v + tape->first_result;
    double *tangent = tangents + tape->first_result;
    const mg_step *step = tape->steps;
    uint32_t until_poll = POLL_STEPS;
    for (uint32_t run = 0; run < tape->run_count; run++) {
        const mg_step *const end = tape->steps + tape->runs[run].end;
        if (is_time_to_poll(&until_poll, (uint32_t)(end - step)) && poll != NULL && poll()) {
            return MG_INTERRUPTED;
        }
        switch ((mg_op)tape->runs[run].op) {
#define UNARY(name, ...)                                                         \
    case MG_OP_##name:                                                           \
        for (; step != end; step++, result++) {                                  \
            const double p = PARTIAL(name, mg_##name##_da(v[step->a], *result)); \
            *tangent++ = p * tangents[step->a];                                  \
        }                                                                        \
        break;
#define ONE_OPERAND(code, name, operand, partial)                                      \
    case MG_OP_##code:                                                                 \
        for (; step != end; step++, result++) {                                        \
            const double p =                                                           \
                PARTIAL(name, mg_##name##_##partial(v[step->a], v[step->b], *result)); \
            *tangent++ = p * tangents[step->operand];                                  \
        }                                                                              \
        break;
#define PARAMETRIC(name, ...) ONE_OPERAND(name, name, a, da)
#define BINARY(name, ...)                                                                    \
    case MG_OP_##name:                                                                       \
        for (; step != end; step++, result++) {                                              \
            const double p = PARTIAL(name, mg_##name##_da(v[step->a], v[step->b], *result)); \
            const double q = PARTIAL(name, mg_##name##_db(v[step->a], v[step->b], *result)); \
            *tangent++ = p * tangents[step->a] + q * tangents[step->b];                      \
        }                                                                                    \
        break;                                                                               \
        ONE_OPERAND(name##_vc, name, a, da)                                                  \
        ONE_OPERAND(name##_cv, name, b, db)
/* A zero partial is a choice not taken. */
#define TERNARY(name, ...)                                               \
    case MG_OP_##name:                                                   \
        for (; step != end; step++, result++) {                          \
            const uint32_t *o = tape->wide + step->a;                    \
            double p[3], t = 0.0;                                        \
            mg_##name##_partials(v[o[0]], v[o[1]], v[o[2]], *result, p); \
            for (int k = 0; k < 3; k++) {                                \
                t += p[k] != 0.0 ? p[k] * tangents[o[k]] : 0.0;          \
            }                                                            \
            *tangent++ = t;                                              \
        }                                                                \
        break;
#define NARY(name, ...)                                                                            \
    case MG_OP_##name:                                                                             \
        for (; step != end; step++, result++) {                                                    \
            *tangent++ = nary_tangent(MG_OP_##name, tape->wide + step->a, mg_step_count(*step), v, \
                                      &d, tangents);                                               \
        }                                                                                          \
        break;
#include "ops.def"
        default:
            break;
        }
    }
    return MG_OK;
}

/* --- forward over reverse --- */

/* The partials of an op of one or two operands. */
static void narrow_partials(mg_op op, double a, double b, double r, double *p) {
    p[0] = p[1] = 0.0;
    switch (op) {
#define UNARY(name, ...)             \
    case MG_OP_##name:               \
        p[0] = mg_##name##_da(a, r); \
        break;
#define PARAMETRIC(name, ...)           \
    case MG_OP_##name:                  \
        p[0] = mg_##name##_da(a, b, r); \
        break;
#define BINARY(name, ...)               \
    case MG_OP_##name:                  \
        p[0] = mg_##name##_da(a, b, r); \
        p[1] = mg_##name##_db(a, b, r); \
        break;                          \
    case MG_OP_##name##_vc:             \
        p[0] = mg_##name##_da(a, b, r); \
        break;                          \
    case MG_OP_##name##_cv:             \
        p[1] = mg_##name##_db(a, b, r); \
        break;
#include "ops.def"
    default:
        break;
    }
}

/* The partials p of a wide op of the numbers x, and their tangents s where x has the tangents t. */
static void wide_partials(mg_op op, uint32_t count, const double *x, const double *t, double c,
                          double r, double *p, double *s) {
    switch (op) {
#define TERNARY(name, ...)                             \
    case MG_OP_##name:                                 \
        mg_##name##_partials(x[0], x[1], x[2], r, p);  \
        memset(s, 0, 3 * sizeof(double)); /* linear */ \
        break;
#include "ops.def"
    default:
        memcpy(p, x, count * sizeof(double));
        mg_nary_table[op].partials(p, count, c, r);
        mg_nary_table[op].tangents(x, t, count, c, r, p, s);
        break;
    }
}

static void descend(double p, double s, double g, double gt, double *adjoint,
                    double *adjoint_tangent) {
    *adjoint += p * g;
    *adjoint_tangent += s * g + p * gt;
}

/* One step down, of the adjoint g with the tangent gt. */
static void reverse_step(const mg_tape *tape, mg_op op, uint32_t step_number, double *v,
                         const double *tangents, double g, double gt, double *adjoints,
                         double *adjoint_tangents) {
    const mg_step step = tape->steps[step_number];
    const double r = v[tape->first_result + step_number];
    if (mg_op_is_wide(op)) {
        const uint32_t *operands = tape->wide + step.a, count = mg_step_count(step);
        double *x = v + tape->place_count, *t = x + count, *p = t + count, *s = p + count;
        for (uint32_t k = 0; k < count; k++) {
            x[k] = v[operands[k]];
            t[k] = tangents[operands[k]];
        }
        wide_partials(op, count, x, t, v[operands[count]], r, p, s);
        for (uint32_t k = 0; k < count; k++) {
            const int is_choice = op == MG_OP_take || mg_op_table[op].arity != MG_ANY_ARITY;
            if (!is_choice || p[k] != 0.0) {
                descend(p[k], s[k], g, gt, &adjoints[operands[k]], &adjoint_tangents[operands[k]]);
            }
        }
        return;
    }
    const double a = v[step.a], b = v[step.b], at = tangents[step.a], bt = tangents[step.b];
    double p[2], second[3];
    narrow_partials(op, a, b, r, p);
    mg_op_second(op, a, b, r, p, second);
    switch (mg_op_shapes[op]) {
    case MG_SHAPE_VV:
        descend(p[0], second[0] * at + second[1] * bt, g, gt, &adjoints[step.a],
                &adjoint_tangents[step.a]);
        descend(p[1], second[1] * at + second[2] * bt, g, gt, &adjoints[step.b],
                &adjoint_tangents[step.b]);
        break;
    case MG_SHAPE_CV:
        descend(p[1], second[2] * bt, g, gt, &adjoints[step.b], &adjoint_tangents[step.b]);
        break;
    default:
        descend(p[0], second[0] * at, g, gt, &adjoints[step.a], &adjoint_tangents[step.a]);
        break;
    }
}

mg_status mg_tape_reverse_tangents(const mg_tape *tape, double *numbers, const double *tangents,
                                   double *adjoints, double *adjoint_tangents, int (*poll)(void)) {
    uint32_t until_poll = POLL_STEPS;
    for (uint32_t run = tape->run_count; run-- > 0;) {
        const uint32_t first = run != 0 ? tape->runs[run - 1].end : 0, end = tape->runs[run].end;
        if (is_time_to_poll(&until_poll, end - first) && poll != NULL && poll()) {
            return MG_INTERRUPTED;
        }
        for (uint32_t s = end; s-- > first;) {
            const uint32_t place = tape->first_result + s;
            const double g = adjoints[place], gt = adjoint_tangents[place];
            adjoints[place] = adjoint_tangents[place] = 0.0;
            reverse_step(tape, (mg_op)tape->runs[run].op, s, numbers, tangents, g, gt, adjoints,
                         adjoint_tangents);
        }
    }
    return MG_OK;
}
