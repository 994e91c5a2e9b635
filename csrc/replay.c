/* Running a tape: forward, and adjoints down.

   Invariant: the residuals are written, and later read, in the order of the steps:
   mg_step_residuals() many for each. */
#include "replay.h"

#include <math.h>

/* --- forward --- */

/* nary_dot of two rows; both are read in order. */
ALWAYS_INLINE double dot_of_rows(const double *w, const double *x, double r, uint32_t m) {
    for (uint32_t k = 0; k < m; k++) {
        r += w[k] * x[k];
    }
    return r;
}

/* One NARY step; `op` and `keep` are known when it is compiled. 0 for a take of an index that is
   none. Those that leave no partials read their operands where they are. */
ALWAYS_INLINE int run_nary(const mg_tape *tape, mg_op op, const uint32_t *operands, mg_step step,
                           double *v, int keep, double *restrict *residuals, double *result) {
    const uint32_t count = mg_step_count(step);
    double r;
    if (op == MG_OP_dot) {
        const uint32_t m = count / 2;
        r = count % 2 != 0 ? v[operands[count - 1]] : 0.0;
        if ((step.b & MG_ROWS) != 0) {
            *result = dot_of_rows(v + operands[0], v + operands[m], r, m);
            return 1;
        }
        for (uint32_t k = 0; k < m; k++) {
            r += v[operands[k]] * v[operands[m + k]];
        }
    } else if (op == MG_OP_sum) {
        r = count != 0 ? v[operands[0]] : 0.0;
        for (uint32_t k = 1; k < count; k++) {
            r += v[operands[k]];
        }
    } else if (op == MG_OP_take) {
        const double index = v[operands[count - 1]];
        if (UNLIKELY(!nary_is_place(index, count - 1))) {
            return 0;
        }
        r = v[operands[nary_place(index, count - 1)]];
    } else {
        double *x = keep ? *residuals : v + tape->place_count;
        const double c = v[operands[count]];
        for (uint32_t k = 0; k < count; k++) {
            x[k] = v[operands[k]];
        }
        if (!keep) {
            r = mg_nary_table[op].forward(x, count, c);
        } else if (op == MG_OP_logsumexp) {
            r = nary_logsumexp_and_partials(x, count, c);
            *residuals += count;
        } else {
            r = mg_nary_table[op].forward(x, count, c);
            mg_nary_table[op].partials(x, count, c, r);
            *residuals += count;
        }
    }
    *result = r;
    return 1;
}

/* Step `s` must raise, but eager code raises where the first op in the order of the program must.
   That one reads nothing that raises, so it is found by going on with nan in the place of what
   raises: of all steps that must raise it has the lowest number in the program. `places`: numbers
   are in their places, else in their slots. */
static mg_status first_failure(const mg_tape *tape, uint32_t s, double *v, int places,
                               mg_failure *failure) {
    mg_status status = MG_OK;
    double *x = v + tape->place_count;
    for (; s < tape->step_count; s++) {
        const mg_instruction *op = &tape->program->code[tape->ops[s]];
        const uint32_t a = places ? tape->steps[s].a : tape->slot_steps[s].a;
        const uint32_t b = places ? mg_step_count(tape->steps[s]) : tape->slot_steps[s].b;
        const uint32_t *operands = (places ? tape->wide : tape->slot_wide) + a;
        double pair[2], c = 0.0, r = NAN;
        const double *numbers = pair;
        uint32_t count = 2;
        if (mg_op_is_wide(op->op)) {
            count = b;
            for (uint32_t k = 0; k < count; k++) {
                x[k] = v[operands[k]];
            }
            c = v[operands[count]];
            numbers = x;
        } else {
            pair[0] = v[a];
            pair[1] = v[b];
        }
        mg_status own = mg_op_evaluate((mg_op)op->op, numbers, count, c, &r);
        if (own != MG_OK && (status == MG_OK || tape->ops[s] < failure->op)) {
            status = own;
            failure->op = tape->ops[s];
            failure->a = own == MG_INDEX ? x[count - 1] : numbers[0];
            failure->b = own == MG_INDEX                      ? count - 1
                         : mg_op_shapes[op->op] == MG_SHAPE_V ? 0.0
                                                              : numbers[1];
        }
        v[places ? tape->first_result + s : tape->slot_steps[s].result] = r;
    }
    return status;
}

#define FORWARD run_values
#define FOR_DERIVATIVES 0
#include "replay_forward.inc"

#define FORWARD run_forward
#define FOR_DERIVATIVES 1
#include "replay_forward.inc"

mg_status mg_tape_values(const mg_tape *tape, double *numbers, int (*poll)(void),
                         mg_failure *failure) {
    return run_values(tape, numbers, NULL, poll, failure);
}

mg_status mg_tape_forward(const mg_tape *tape, double *numbers, double *residuals,
                          int (*poll)(void), mg_failure *failure) {
    return run_forward(tape, numbers, residuals, poll, failure);
}

/* --- reverse --- */

/* y += g * x; the two are apart. */
ALWAYS_INLINE void add_scaled(double *restrict y, double g, const double *restrict x, uint32_t m) {
    for (uint32_t k = 0; k < m; k++) {
        y[k] += x[k] * g;
    }
}

ALWAYS_INLINE const double *reverse_nary(mg_op op, const uint32_t *operands, mg_step step, double g,
                                         const double *v, const double *d, double *adjoints) {
    const uint32_t count = mg_step_count(step);
    if (op == MG_OP_dot) {
        const uint32_t m = count / 2;
        if ((step.b & MG_ROWS) != 0) {
            add_scaled(adjoints + operands[0], g, v + operands[m], m);
            add_scaled(adjoints + operands[m], g, v + operands[0], m);
        } else {
            for (uint32_t k = 0; k < m; k++) {
                const uint32_t w = operands[k], x = operands[m + k];
                adjoints[w] += v[x] * g;
                adjoints[x] += v[w] * g;
            }
        }
        if (count % 2 != 0) {
            adjoints[operands[count - 1]] += g;
        }
    } else if (op == MG_OP_sum) {
        for (uint32_t k = 0; k < count; k++) {
            adjoints[operands[k]] += g;
        }
    } else if (op == MG_OP_take) {
        adjoints[operands[nary_place(v[operands[count - 1]], count - 1)]] += g;
    } else {
        d -= count;
        for (uint32_t k = 0; k < count; k++) {
            adjoints[operands[k]] += d[k] * g;
        }
    }
    return d;
}

/* A zero partial of a TERNARY op is a choice not taken: nothing flows, not even inf * 0. */
ALWAYS_INLINE void reverse_choice(const uint32_t *operands, const double *d, double g,
                                  double *adjoints) {
    for (int k = 0; k < 3; k++) {
        if (d[k] != 0.0) {
            adjoints[operands[k]] += d[k] * g;
        }
    }
}

/* The result's adjoint, which gives way to the zero that the next run must find. */
ALWAYS_INLINE double take_adjoint(double *adjoint) {
    const double g = *adjoint;
    *adjoint = 0.0;
    return g;
}

#define PARTIAL(name, da) (mg_leaves_partials(MG_OP_##name) ? *--d : (da))

/* The steps of a run, the last first: g and r are a step's adjoint and result. */
#define STEPS_DOWN(code, ...)                                        \
    case MG_OP_##code:                                               \
        while (step != first) {                                      \
            const double g = take_adjoint(--adjoint), r = *--result; \
            step--;                                                  \
            (void)r;                                                 \
            __VA_ARGS__                                              \
        }                                                            \
        break;

mg_status mg_tape_reverse(const mg_tape *tape, const double *numbers, const double *residuals,
                          double *restrict adjoints, int (*poll)(void)) {
    const double *const restrict v = numbers, *d = residuals + tape->residual_count;
    const double *result = v + tape->place_count;
    double *adjoint = adjoints + tape->place_count;
    const mg_step *step = tape->steps + tape->step_count;
    uint32_t until_poll = POLL_STEPS;
    for (uint32_t run = tape->run_count; run-- > 0;) {
        const mg_step *const first = tape->steps + (run != 0 ? tape->runs[run - 1].end : 0);
        if (is_time_to_poll(&until_poll, (uint32_t)(step - first)) && poll != NULL && poll()) {
            return MG_INTERRUPTED;
        }
        switch ((mg_op)tape->runs[run].op) {
#define UNARY(name, ...) \
    STEPS_DOWN(name, adjoints[step->a] += PARTIAL(name, mg_##name##_da(v[step->a], r)) * g;)
#define TWO_OPERANDS(name, d) PARTIAL(name, mg_##name##_##d(v[step->a], v[step->b], r))
#define PARAMETRIC(name, ...) STEPS_DOWN(name, adjoints[step->a] += TWO_OPERANDS(name, da) * g;)
#define BINARY(name, ...)                                                                    \
    STEPS_DOWN(name, const double q = TWO_OPERANDS(name, db);                                \
               adjoints[step->a] += TWO_OPERANDS(name, da) * g; adjoints[step->b] += q * g;) \
    STEPS_DOWN(name##_vc, adjoints[step->a] += TWO_OPERANDS(name, da) * g;)                  \
    STEPS_DOWN(name##_cv, adjoints[step->b] += TWO_OPERANDS(name, db) * g;)
#define TERNARY(name, ...)                                                                  \
    STEPS_DOWN(name, const uint32_t *operands = tape->wide + step->a; double d3[3];         \
               mg_##name##_partials(v[operands[0]], v[operands[1]], v[operands[2]], r, d3); \
               reverse_choice(operands, d3, g, adjoints);)
#define NARY(name, ...) \
    STEPS_DOWN(name,    \
               d = reverse_nary(MG_OP_##name, tape->wide + step->a, *step, g, v, d, adjoints);)
#include "ops.def"
        default:
            break;
        }
    }
    return MG_OK;
}
