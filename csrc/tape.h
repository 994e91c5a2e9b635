/* Tapes: programs made ready to run.

   A tape gives every number of a program a *slot*. Constants and inputs keep theirs; results share
   a few, because one is free again after the last use of what was in it. The same slots serve
   values on the way forward and adjoints on the way back: an adjoint is alive exactly as long as
   its value is.

   Going forward for a gradient writes the partials of each step, in order, into one stream of
   *residuals*. Everything that follows (adjoints down, tangents up) only multiplies and adds along
   that stream and needs neither values nor, for steps of one or two operands, to know the op.

   A tape is immutable, so any number of threads may run it, each with arrays of its own. */
#ifndef MG_TAPE_H
#define MG_TAPE_H

#include "program.h"

/* One op: its slots. Of a wide one, `a` is the place of its operands' slots in `wide`, with that of
   its parameter behind them, and b their count. An operand that is not there is slot 0, which holds
   0. */
typedef struct {
    uint32_t op, result, a, b;
} mg_step;

typedef struct {
    uint32_t holders;    /* references */
    mg_program *program; /* owned */
    uint32_t slot_count, step_count;
    /* Slots: 0, then the constants from 1 on, then the inputs, then results, then scratch room for
       the numbers of one wide step and their tangents. */
    uint32_t first_input, scratch, scratch_count;
    size_t residual_count;
    mg_step *steps;
    uint32_t *wide;    /* as in the program, with slots for references */
    uint32_t *outputs; /* the slots of the outputs, which nothing else takes */
    /* Stretches of steps with one or two operands end before these wide steps; the last is
       step_count. */
    uint32_t *wide_steps;
    uint32_t wide_step_count;
} mg_tape;

/* How many residuals a step leaves: the partials, but of a sum, where all are 1, none, and of a
   take the place of the value taken. */
static inline uint32_t mg_step_residuals(const mg_step *step) {
    if (!mg_op_is_wide(step->op)) {
        return 2;
    }
    return step->op == MG_OP_sum ? 0 : step->op == MG_OP_take ? 1 : step->b;
}

/* Why a run stopped. */
typedef struct {
    uint32_t step;
    double a, b; /* the operands of the step; of a take, the index and the number of values */
} mg_failure;

/* A tape with one reference. Takes the program over, also when it fails. MG_OK, MG_NO_MEMORY or
   MG_TOO_LARGE. */
mg_status mg_tape_new(mg_program *program, mg_tape **result);

/* Gives a reference back. The GIL guards the count. */
void mg_tape_drop(mg_tape *tape);

/* Bytes that the tape takes, and a run of it with gradient. */
size_t mg_tape_bytes(const mg_tape *tape);
size_t mg_tape_run_bytes(const mg_tape *tape);

/* --- running; arrays are the caller's. `poll` (NULL: never) is called now and then, and not 0
   means stop with MG_INTERRUPTED --- */

/* Puts the constants into `slots`, an array of slot_count doubles that may then be used for any
   number of runs. */
void mg_tape_prepare(const mg_tape *tape, double *slots);

/* Computes the outputs from the inputs, which the caller has put into their slots. With `residuals`
   (residual_count doubles; NULL: values alone) also the partials. MG_OK, MG_INTERRUPTED, or the
   status with which eager code would raise, `*failure` naming the step. */
mg_status mg_tape_forward(const mg_tape *tape, double *slots, double *residuals, int (*poll)(void),
                          mg_failure *failure);

/* Adjoints, from those of the outputs, which the caller has added to their slots in an array of
   slot_count zeros, to those of the inputs. Afterwards all slots but those of inputs, constants and
   slot 0 are zero again. MG_OK or MG_INTERRUPTED. */
mg_status mg_tape_reverse(const mg_tape *tape, const double *residuals, double *adjoints,
                          int (*poll)(void));

/* Tangents, from those of the inputs to those of the outputs, in an array of slot_count numbers
   whose slots below first_input are zero. MG_OK or MG_INTERRUPTED. */
mg_status mg_tape_tangents(const mg_tape *tape, const double *residuals, double *tangents,
                           int (*poll)(void));

/* One step of mg_tape_forward with residuals, which go to `residuals` itself. */
mg_status mg_tape_step(const mg_tape *tape, uint32_t step, double *slots, double *residuals,
                       mg_failure *failure);

/* The tangent of a wide step's result, given those of its operands. */
double mg_step_tangent(const mg_tape *tape, const mg_step *step, const double *residuals,
                       const double *tangents);

/* As mg_tape_forward with residuals, and with the tangents of values and residuals besides. */
mg_status mg_tape_forward_tangents(const mg_tape *tape, double *slots, double *tangents,
                                   double *residuals, double *residual_tangents, int (*poll)(void),
                                   mg_failure *failure);

/* As mg_tape_reverse, and with the tangents of the adjoints besides: forward over reverse. */
mg_status mg_tape_reverse_tangents(const mg_tape *tape, const double *residuals,
                                   const double *residual_tangents, double *adjoints,
                                   double *adjoint_tangents, int (*poll)(void));

#endif
