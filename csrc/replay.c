/* Running a tape. Invariant: the residuals are written, and later read, in the order of the steps:
   mg_step_residuals() many for each. */
#include "tape.h"

#include <math.h>

#if defined(__GNUC__)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#else
#define UNLIKELY(x) (x)
#define ALWAYS_INLINE static inline
#endif

/* How many steps run between two looks at `poll`: about a millisecond. */
#define POLL_STEPS 131072

/* --- forward --- */

static mg_status fail(const mg_tape *tape, const mg_step *step, mg_status status, double a,
                      double b, mg_failure *failure) {
    *failure = (mg_failure){.step = (uint32_t)(step - tape->steps), .a = a, .b = b};
    return status;
}

/* An NARY step; `op` and `keep` are known when it is compiled. Three rows read their operands where
   they are, and leave fewer residuals or none. */
ALWAYS_INLINE mg_status run_nary(const mg_tape *tape, const mg_step *step, mg_op op, int keep,
                                 double *v, double *restrict d, mg_failure *failure) {
    const uint32_t *operands = tape->wide + step->a, count = step->b;
    double r;
    if (op == MG_OP_dot) {
        const uint32_t m = count / 2;
        r = count % 2 != 0 ? v[operands[count - 1]] : 0.0;
        for (uint32_t k = 0; k < m; k++) {
            const double w = v[operands[k]], x = v[operands[m + k]];
            if (keep) {
                d[k] = x;
                d[m + k] = w;
            }
            r += w * x;
        }
        if (keep && count % 2 != 0) {
            d[count - 1] = 1.0;
        }
    } else if (op == MG_OP_sum) {
        r = count != 0 ? v[operands[0]] : 0.0;
        for (uint32_t k = 1; k < count; k++) {
            r += v[operands[k]];
        }
    } else if (op == MG_OP_take) {
        const double index = v[operands[count - 1]];
        if (UNLIKELY(!nary_is_place(index, count - 1))) {
            return fail(tape, step, MG_INDEX, index, count - 1, failure);
        }
        const size_t place = nary_place(index, count - 1);
        r = v[operands[place]];
        if (keep) {
            d[0] = (double)place;
        }
    } else {
        double *x = keep ? d : v + tape->scratch;
        const double c = v[operands[count]];
        for (uint32_t k = 0; k < count; k++) {
            x[k] = v[operands[k]];
        }
        r = mg_nary_table[op].forward(x, count, c);
        if (keep) {
            mg_nary_table[op].partials(x, count, c, r);
        }
    }
    v[step->result] = r;
    return MG_OK;
}

#define WITH_RESIDUALS 0
#define FORWARD forward_values
#include "replay_forward.inc"

#define WITH_RESIDUALS 1
#define FORWARD forward_residuals
#include "replay_forward.inc"

static size_t min_size(size_t a, size_t b) { return a < b ? a : b; }

mg_status mg_tape_forward(const mg_tape *tape, double *slots, double *residuals, int (*poll)(void),
                          mg_failure *failure) {
    size_t from = 0, count = tape->step_count;
    while (from < count) {
        size_t to = from + min_size(count - from, POLL_STEPS);
        mg_status status = residuals != NULL
                               ? forward_residuals(tape, from, to, slots, &residuals, failure)
                               : forward_values(tape, from, to, slots, NULL, failure);
        if (status != MG_OK) {
            return status;
        }
        from = to;
        if (from < count && poll != NULL && poll()) {
            return MG_INTERRUPTED;
        }
    }
    return MG_OK;
}

mg_status mg_tape_step(const mg_tape *tape, uint32_t step, double *slots, double *residuals,
                       mg_failure *failure) {
    return forward_residuals(tape, step, step + (size_t)1, slots, &residuals, failure);
}

/* --- reverse --- */

/* Steps of one or two operands, the last first. Returns where the residuals of the first begin. */
static const double *reverse_stretch(const mg_step *first, const mg_step *end, const double *d,
                                     double *adjoints) {
    while (end != first) {
        end--;
        d -= 2;
        const double g = adjoints[end->result];
        adjoints[end->result] = 0.0;
        adjoints[end->a] += d[0] * g;
        adjoints[end->b] += d[1] * g;
    }
    return d;
}

static const double *reverse_wide(const mg_tape *tape, const mg_step *step, const double *d,
                                  double *adjoints) {
    const uint32_t *operands = tape->wide + step->a;
    const double g = adjoints[step->result];
    adjoints[step->result] = 0.0;
    if (step->op == MG_OP_sum) {
        for (uint32_t k = 0; k < step->b; k++) {
            adjoints[operands[k]] += g;
        }
        return d;
    }
    if (step->op == MG_OP_take) {
        d--;
        adjoints[operands[(uint32_t)d[0]]] += g;
        return d;
    }
    d -= step->b;
    for (uint32_t k = 0; k < step->b; k++) {
        adjoints[operands[k]] += d[k] * g;
    }
    return d;
}

mg_status mg_tape_reverse(const mg_tape *tape, const double *residuals, double *adjoints,
                          int (*poll)(void)) {
    const double *d = residuals + tape->residual_count;
    uint32_t end = tape->step_count, wide = tape->wide_step_count, polled = end;
    while (end != 0) {
        uint32_t first = wide != 0 ? tape->wide_steps[wide - 1] + 1 : 0;
        if (first == end) { /* a wide step is next */
            d = reverse_wide(tape, &tape->steps[--end], d, adjoints);
            wide--;
        } else {
            first = end - first > POLL_STEPS ? end - POLL_STEPS : first;
            d = reverse_stretch(tape->steps + first, tape->steps + end, d, adjoints);
            end = first;
        }
        if (poll != NULL && polled - end >= POLL_STEPS) {
            polled = end;
            if (poll()) {
                return MG_INTERRUPTED;
            }
        }
    }
    return MG_OK;
}

/* --- tangents --- */

double mg_step_tangent(const mg_tape *tape, const mg_step *step, const double *d,
                       const double *tangents) {
    const uint32_t *operands = tape->wide + step->a;
    double t = 0.0;
    if (step->op == MG_OP_take) {
        return tangents[operands[(uint32_t)d[0]]];
    }
    for (uint32_t k = 0; k < step->b; k++) {
        t += step->op == MG_OP_sum ? tangents[operands[k]] : d[k] * tangents[operands[k]];
    }
    return t;
}

mg_status mg_tape_tangents(const mg_tape *tape, const double *residuals, double *tangents,
                           int (*poll)(void)) {
    const double *d = residuals;
    for (uint32_t i = 0; i < tape->step_count; i++) {
        const mg_step *step = &tape->steps[i];
        if (mg_op_is_wide(step->op)) {
            tangents[step->result] = mg_step_tangent(tape, step, d, tangents);
            d += mg_step_residuals(step);
        } else {
            tangents[step->result] = d[0] * tangents[step->a] + d[1] * tangents[step->b];
            d += 2;
        }
        if (poll != NULL && i % POLL_STEPS == POLL_STEPS - 1 && poll()) {
            return MG_INTERRUPTED;
        }
    }
    return MG_OK;
}
