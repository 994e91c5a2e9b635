/* Tapes: programs made ready to run.

   A tape has one step for each op of its program, in the order that schedule.h finds. Steps with
   the same code that follow each other are a *run*, one loop.

   There are two ways to run it, and inputs and constants lie in the same places for both:
   - for values alone, results share a few *slots*, because one is free again after the last use of
     what was in it;
   - for derivatives every number has a *place* of its own, that of a result being given by its
     step, and keeps its value. Going forward also leaves, in the order of the steps, *residuals*:
     the partials of all ops but those that are as quickly worked out again from values. Then
     adjoints go down and tangents up, in arrays with the same places.

   A tape is immutable, so any number of threads may run it, each with arrays of its own. */
#ifndef MG_TAPE_H
#define MG_TAPE_H

#include "program.h"

/* The operands of a step, as places. Of a wide one, `a` is where the places of its operands begin
   in `wide`, with that of its parameter behind them, and b their count (mg_step_count), to which a
   dot adds MG_ROWS if it is of two rows: each a stretch of places, the two apart. */
typedef struct {
    uint32_t a, b;
} mg_step;

#define MG_ROWS ((uint32_t)1 << 31)

static inline uint32_t mg_step_count(mg_step step) { return step.b & ~MG_ROWS; }

/* The same as slots, and the slot of the result. */
typedef struct {
    uint32_t result, a, b;
} mg_slot_step;

/* Steps with the same code, up to step `end`. */
typedef struct {
    uint32_t op, end;
} mg_tape_run;

typedef struct {
    uint32_t holders;    /* references */
    mg_program *program; /* owned */
    uint32_t step_count, run_count;
    mg_tape_run *runs;
    uint32_t *ops; /* by step, the number of its op in the program */
    /* Places: the inputs, the constants, the results in the order of the steps. */
    uint32_t first_constant, first_result, place_count;
    mg_step *steps;
    uint32_t *wide;    /* as in the program, with places for references */
    uint32_t *outputs; /* their places */
    size_t residual_count;
    /* Slots: the inputs, the constants, then those of results. No more than places. */
    uint32_t slot_count;
    mg_slot_step *slot_steps;
    uint32_t *slot_wide;
    uint32_t *slot_outputs; /* nothing else takes these */
    uint32_t widest;        /* most operands of a wide op */
} mg_tape;

/* Whether running forward for derivatives leaves the partials of this row as residuals. Those of
   the others, and of all TERNARY ones, are numbers that are there, or a comparison away. */
static inline int mg_leaves_partials(mg_op row) {
    switch (row) {
    case MG_OP_add:
    case MG_OP_sub:
    case MG_OP_mul:
    case MG_OP_neg:
    case MG_OP_abs:
    case MG_OP_sign:
    case MG_OP_floor:
    case MG_OP_ceil:
    case MG_OP_exp:
    case MG_OP_relu:
    case MG_OP_leaky_relu:
    case MG_OP_less:
    case MG_OP_less_equal:
    case MG_OP_greater:
    case MG_OP_greater_equal:
    case MG_OP_dot:
    case MG_OP_sum:
    case MG_OP_take:
        return 0;
    default:
        return 1;
    }
}

/* How many residuals a step with this code and, if it is wide, so many operands leaves. */
uint32_t mg_step_residuals(uint32_t op, uint32_t count);

/* Why a run stopped. */
typedef struct {
    uint32_t op; /* its number in the program */
    double a, b; /* its operands; of a take, the index and the number of values */
} mg_failure;

/* A tape with one reference. Takes the program over, also when it fails. `grouped`: in the order of
   mg_schedule, else in that of the program. MG_OK, MG_NO_MEMORY, MG_TOO_LARGE or, as `poll` below
   says, MG_INTERRUPTED. May run without the GIL, see mg_memory_share. */
mg_status mg_tape_new(mg_program *program, int grouped, int (*poll)(void), mg_tape **result);

/* Gives a reference back. The GIL guards the count. */
void mg_tape_drop(mg_tape *tape);

/* Bytes that the tape takes, and a run of it with gradient. */
size_t mg_tape_bytes(const mg_tape *tape);
size_t mg_tape_run_bytes(const mg_tape *tape);

/* How many doubles an array of numbers must have, scratch room behind the places included: for
   every way of running, and for forward ones alone. */
static inline size_t mg_tape_room(const mg_tape *tape) {
    return tape->place_count + 4 * (size_t)tape->widest;
}
static inline size_t mg_tape_forward_room(const mg_tape *tape) {
    return tape->place_count + (size_t)tape->widest;
}

/* --- running; arrays are the caller's. `poll` (NULL: never) is called now and then, and not 0
   means stop with MG_INTERRUPTED --- */

/* Puts the constants into an array of numbers, which may then be used for any number of runs. */
void mg_tape_prepare(const mg_tape *tape, double *numbers);

/* Computes the outputs, in their slots, from the inputs, which the caller has put into theirs.
   MG_OK, MG_INTERRUPTED, or the status with which eager code would raise, `*failure` naming the
   op. */
mg_status mg_tape_values(const mg_tape *tape, double *numbers, int (*poll)(void),
                         mg_failure *failure);

/* Computes every number, in its place, and the residuals (residual_count doubles). Likewise. */
mg_status mg_tape_forward(const mg_tape *tape, double *numbers, double *residuals,
                          int (*poll)(void), mg_failure *failure);

/* Adjoints, from those of the outputs, which the caller has added to their places in an array of
   place_count zeros, to those of the inputs. Afterwards all but those of inputs and constants are
   zero again. MG_OK or MG_INTERRUPTED. */
mg_status mg_tape_reverse(const mg_tape *tape, const double *numbers, const double *residuals,
                          double *adjoints, int (*poll)(void));

/* Tangents, from those of the inputs to those of all results, in an array of place_count numbers
   where those of constants are zero. MG_OK or MG_INTERRUPTED. */
mg_status mg_tape_tangents(const mg_tape *tape, const double *numbers, const double *residuals,
                           double *tangents, int (*poll)(void));

/* After mg_tape_forward and mg_tape_tangents: as mg_tape_reverse, and with the tangents of the
   adjoints besides, forward over reverse. Writes to the scratch room behind `numbers`. */
mg_status mg_tape_reverse_tangents(const mg_tape *tape, double *numbers, const double *tangents,
                                   double *adjoints, double *adjoint_tangents, int (*poll)(void));

#endif
