/* What the passes are made of: reading one program while writing another.

   `refs` says what each number of the program that is read has become in the one that is written.
   It is one array over ops, inputs and constants, so that looking a reference up takes no branch on
   its kind, which no processor could predict. */
#ifndef MG_REWRITE_H
#define MG_REWRITE_H

#include "program.h"

typedef struct {
    const mg_program *from;
    mg_program *to;
    mg_ref *refs;
    size_t offsets[MG_REF_KINDS]; /* where in `refs` the numbers of a kind begin; 0 for ops */
    int (*poll)(void);            /* see passes.h */
    uint32_t passed;              /* operands that loops have gone through since it was asked */
} mg_rewrite;

/* So many operands between two calls of `poll`: some milliseconds. */
#define MG_REWRITE_POLLED 131072

/* A program to write to that has the inputs of `from`, and nothing else yet; the other `refs` are
   unset. MG_OK or MG_NO_MEMORY; in any case mg_rewrite_end must follow. */
mg_status mg_rewrite_begin(mg_rewrite *at, const mg_program *from, int (*poll)(void));

/* Takes all constants over. MG_OK, MG_NO_MEMORY or MG_INTERRUPTED. */
mg_status mg_rewrite_keep_constants(mg_rewrite *at);

/* The constant of the program being written with the bits of `number`, which is appended if it is
   not there. Looks at all of them. MG_OK, MG_NO_MEMORY or MG_TOO_LARGE. */
mg_status mg_rewrite_constant(mg_rewrite *at, double number, mg_ref *ref);

/* Sets the outputs, and `*result` to the new program. With a status other than MG_OK drops it
   instead. Returns the status, or MG_NO_MEMORY. */
mg_status mg_rewrite_end(mg_rewrite *at, mg_status status, mg_program **result);

/* Asks `poll`. MG_OK or MG_INTERRUPTED. */
mg_status mg_rewrite_ask(mg_rewrite *at);

/* What every loop calls with what it goes through, before or after what it does: a constant, an op.
   MG_OK or MG_INTERRUPTED. */
static inline mg_status mg_rewrite_pass_one(mg_rewrite *at) {
    return ++at->passed < MG_REWRITE_POLLED ? MG_OK : mg_rewrite_ask(at);
}

static inline mg_status mg_rewrite_pass(mg_rewrite *at, const mg_instruction *op) {
    at->passed += mg_op_is_wide(op->op) ? op->b : 0;
    return mg_rewrite_pass_one(at);
}

/* A place in an array over ops, inputs and constants such as `refs`. */
static inline size_t mg_rewrite_place(const mg_rewrite *at, mg_ref ref) {
    return at->offsets[mg_ref_kind_of(ref)] + mg_ref_index(ref);
}

/* How many numbers the program that is read has. */
static inline size_t mg_rewrite_places(const mg_rewrite *at) {
    return at->offsets[MG_REF_CONSTANT] + at->from->constant_count;
}

static inline mg_ref mg_rewrite_ref(const mg_rewrite *at, mg_ref ref) {
    return at->refs[mg_rewrite_place(at, ref)];
}

/* Appends an op, for which there must be room. */
static inline mg_ref mg_rewrite_op(mg_rewrite *at, uint32_t op, mg_ref a, mg_ref b) {
    mg_program *to = at->to;
    to->code[to->op_count] = (mg_instruction){op, a, b};
    return mg_ref_make(MG_REF_OP, to->op_count++);
}

/* The two fields of an op that is not wide, in the program being written. Where there is no second
   operand the field is 0, that is op 0: looked up in vain, not jumped over. */
static inline void mg_rewrite_pair(const mg_rewrite *at, const mg_instruction *from, mg_ref *a,
                                   mg_ref *b) {
    const mg_ref second = mg_rewrite_ref(at, from->b);
    *a = mg_rewrite_ref(at, from->a);
    *b = mg_op_shapes[from->op] == MG_SHAPE_V ? 0 : second;
}

/* Writes the operands of a wide op, its parameter with them, behind the wide operands that there
   are, without counting them in; there must be room. Returns them. */
static inline mg_ref *mg_rewrite_wide(const mg_rewrite *at, const mg_instruction *from) {
    const mg_ref *operands = at->from->wide + from->a;
    mg_ref *own = at->to->wide + at->to->wide_count;
    for (uint32_t k = 0; k <= from->b; k++) {
        own[k] = mg_rewrite_ref(at, operands[k]);
    }
    return own;
}

/* Appends a wide op whose operands have been written where mg_rewrite_wide does. */
static inline mg_ref mg_rewrite_wide_op(mg_rewrite *at, uint32_t op, uint32_t count) {
    mg_ref ref = mg_rewrite_op(at, op, at->to->wide_count, count);
    at->to->wide_count += count + 1;
    return ref;
}

/* Takes an op over as it is. */
static inline mg_ref mg_rewrite_copy(mg_rewrite *at, const mg_instruction *from) {
    mg_ref a, b;
    if (mg_op_is_wide(from->op)) {
        mg_rewrite_wide(at, from);
        return mg_rewrite_wide_op(at, from->op, from->b);
    }
    mg_rewrite_pair(at, from, &a, &b);
    return mg_rewrite_op(at, from->op, a, b);
}

#endif
