/* Forward over reverse: a run whose every number, residual and adjoint carries its tangent. Not the
   hot path: the values are those of mg_tape_forward, step by step. */
#include "tape.h"

#define POLL_STEPS 65536

static int is_interrupted(uint32_t step, int (*poll)(void)) {
    return poll != NULL && step % POLL_STEPS == POLL_STEPS - 1 && poll();
}

/* The tangents of a wide step's residuals; x and t are its numbers and their tangents. */
static void wide_tangents(const mg_step *step, const double *x, const double *t, double parameter,
                          double r, const double *d, double *dt) {
    if (mg_op_table[step->op].arity == MG_ANY_ARITY && step->op != MG_OP_sum &&
        step->op != MG_OP_take) {
        mg_nary_table[step->op].tangents(x, t, step->b, parameter, r, d, dt);
        return;
    }
    for (uint32_t k = 0; k < mg_step_residuals(step); k++) {
        dt[k] = 0.0;
    }
}

mg_status mg_tape_forward_tangents(const mg_tape *tape, double *slots, double *tangents,
                                   double *residuals, double *residual_tangents, int (*poll)(void),
                                   mg_failure *failure) {
    double *d = residuals, *dt = residual_tangents;
    for (uint32_t i = 0; i < tape->step_count; i++) {
        const mg_step *step = &tape->steps[i];
        if (mg_op_is_wide(step->op)) {
            const uint32_t *operands = tape->wide + step->a;
            double *x = slots + tape->scratch, *t = x + step->b;
            for (uint32_t k = 0; k < step->b; k++) {
                x[k] = slots[operands[k]];
                t[k] = tangents[operands[k]];
            }
            mg_status status = mg_tape_step(tape, i, slots, d, failure);
            if (status != MG_OK) {
                return status;
            }
            wide_tangents(step, x, t, slots[operands[step->b]], slots[step->result], d, dt);
            tangents[step->result] = mg_step_tangent(tape, step, d, tangents);
        } else {
            const double a = slots[step->a], b = slots[step->b];
            const double at = tangents[step->a], bt = tangents[step->b];
            double second[3];
            mg_status status = mg_tape_step(tape, i, slots, d, failure);
            if (status != MG_OK) {
                return status;
            }
            mg_op_second((mg_op)step->op, a, b, slots[step->result], d, second);
            dt[0] = second[0] * at + second[1] * bt;
            dt[1] = second[1] * at + second[2] * bt;
            tangents[step->result] = d[0] * at + d[1] * bt;
        }
        d += mg_step_residuals(step);
        dt += mg_step_residuals(step);
        if (is_interrupted(i, poll)) {
            return MG_INTERRUPTED;
        }
    }
    return MG_OK;
}

/* The slots of the operands of any step, in the order of its residuals; `pair` is room for two. */
static const uint32_t *operands_of(const mg_tape *tape, const mg_step *step, uint32_t pair[2],
                                   uint32_t *count) {
    if (mg_op_is_wide(step->op)) {
        *count = step->b;
        return tape->wide + step->a;
    }
    pair[0] = step->a;
    pair[1] = step->b;
    *count = 2;
    return pair;
}

mg_status mg_tape_reverse_tangents(const mg_tape *tape, const double *residuals,
                                   const double *residual_tangents, double *adjoints,
                                   double *adjoint_tangents, int (*poll)(void)) {
    const double *d = residuals + tape->residual_count;
    const double *dt = residual_tangents + tape->residual_count;
    for (uint32_t i = tape->step_count; i-- > 0;) {
        const mg_step *step = &tape->steps[i];
        const double g = adjoints[step->result], gt = adjoint_tangents[step->result];
        uint32_t pair[2], count;
        const uint32_t *operands = operands_of(tape, step, pair, &count);
        adjoints[step->result] = adjoint_tangents[step->result] = 0.0;
        d -= mg_step_residuals(step);
        dt -= mg_step_residuals(step);
        if (step->op == MG_OP_take) {
            adjoints[operands[(uint32_t)d[0]]] += g;
            adjoint_tangents[operands[(uint32_t)d[0]]] += gt;
            continue;
        }
        for (uint32_t k = 0; k < count; k++) {
            const double partial = step->op == MG_OP_sum ? 1.0 : d[k];
            const double partial_tangent = step->op == MG_OP_sum ? 0.0 : dt[k];
            adjoints[operands[k]] += partial * g;
            adjoint_tangents[operands[k]] += partial_tangent * g + partial * gt;
        }
        if (is_interrupted(i, poll)) {
            return MG_INTERRUPTED;
        }
    }
    return MG_OK;
}
