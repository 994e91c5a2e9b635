/* What depends on constants alone is computed here and now, by the functions that running the
   program would call, and an op that returns one of its operands, whatever that is, gives way to
   the operand. "Whatever" means every double: both zeros, infinities, subnormals, nan (of whose
   bits nothing is promised), rounded to nearest.

   Nothing that can raise disappears here: what would raise is left as it is, and no op that is
   dropped as the identity can. */
#include <math.h>
#include <string.h>

#include "passes.h"
#include "rewrite.h"

typedef struct {
    mg_rewrite rewrite;
    double *numbers; /* room for the operands of one op */
    uint32_t number_room;
} folding;

static int is_constant(mg_ref ref) { return mg_ref_kind_of(ref) == MG_REF_CONSTANT; }

static double number_of(const folding *at, mg_ref constant) {
    return at->rewrite.to->constants[mg_ref_index(constant)];
}

/* Whether `ref` is the constant `number`, the sign of zero included. */
static int is_number(const folding *at, mg_ref ref, double number) {
    double own;
    if (!is_constant(ref)) {
        return 0;
    }
    own = number_of(at, ref);
    return memcmp(&own, &number, sizeof own) == 0;
}

/* Computes an op whose operands are all constants. MG_OK, also where it must stay for it raises:
   then `*ref` is not set and `*folded` 0. */
static mg_status compute(folding *at, uint32_t op, const mg_ref *operands, uint32_t count,
                         double parameter, int *folded, mg_ref *ref) {
    double result;
    if (count > at->number_room) {
        double *numbers = mg_memory_resize(at->numbers, count, sizeof(double));
        if (numbers == NULL) {
            return MG_NO_MEMORY;
        }
        at->numbers = numbers;
        at->number_room = count;
    }
    for (uint32_t k = 0; k < count; k++) {
        at->numbers[k] = number_of(at, operands[k]);
    }
    *folded = mg_op_evaluate((mg_op)op, at->numbers, count, parameter, &result) == MG_OK;
    return *folded ? mg_program_constant(at->rewrite.to, result, ref) : MG_OK;
}

/* --- ops of one or two operands --- */

/* Which operand op(a) returns where a is the result of an op with the code `inner`: a itself, or
   its operand `from_inner`. 1 and `*ref`, or 0. */
static int is_unary_identity(uint32_t op, uint32_t inner, mg_ref a, mg_ref from_inner,
                             mg_ref *ref) {
    *ref = op == MG_OP_neg ? from_inner : a;
    switch (op) {
    case MG_OP_neg:  /* only ever turns the sign bit */
    case MG_OP_abs:  /* leaves a clear sign bit; its slope at 0 is 0, once or twice */
    case MG_OP_relu: /* leaves what is not negative; its slope is 0 or 1 */
        return inner == op;
    case MG_OP_floor: /* leave whole numbers, and all of these have slope 0 */
    case MG_OP_ceil:
        return inner == MG_OP_floor || inner == MG_OP_ceil || inner == MG_OP_sign;
    default:
        return 0;
    }
}

/* The same for op(a, b), one of which is a constant. The slope is 1 in all of these. */
static int is_binary_identity(const folding *at, uint32_t op, mg_ref a, mg_ref b, mg_ref *ref) {
    const mg_ref constant = is_constant(a) ? a : b;
    *ref = is_constant(a) ? b : a;
    switch (mg_op_table[op].row) {
    case MG_OP_mul: /* x * 1 and 1 * x */
        return is_number(at, constant, 1.0);
    case MG_OP_add: /* x + -0 and -0 + x; but -0 + 0 is 0 */
        return is_number(at, constant, -0.0);
    case MG_OP_sub: /* x - 0, which is x + -0; but -0 - -0 is 0 */
        return constant == b && is_number(at, b, 0.0);
    case MG_OP_div: /* x / 1 */
        return constant == b && is_number(at, b, 1.0);
    case MG_OP_pow: /* x ** 1: a pow that errs by less than an ULP hits what is representable */
        return constant == b && is_number(at, b, 1.0);
    default:
        return 0;
    }
}

/* The rows of is_unary_identity, which are the more frequent ones among unary ops. */
static int may_undo(uint32_t op) {
    return (op == MG_OP_neg) | (op == MG_OP_abs) | (op == MG_OP_relu) | (op == MG_OP_floor) |
           (op == MG_OP_ceil);
}

static mg_status fold_narrow(folding *at, const mg_instruction *from, mg_ref *ref) {
    const uint32_t shape = mg_op_shapes[from->op], unary = shape == MG_SHAPE_V;
    mg_ref pair[2];
    uint32_t op = from->op;
    int folded = 0;
    mg_rewrite_pair(&at->rewrite, from, &pair[0], &pair[1]);
    /* Most ops are not for this pass, which one branch tells. */
    if (is_constant(pair[0]) | is_constant(pair[1]) | may_undo(op)) {
        if (is_constant(pair[0]) && (unary || is_constant(pair[1]))) {
            mg_status status = compute(at, op, pair, unary ? 1 : 2, 0.0, &folded, ref);
            if (status != MG_OK || folded) {
                return status;
            }
        } else if (!unary) {
            folded = is_binary_identity(at, op, pair[0], pair[1], ref);
        } else if (mg_ref_kind_of(pair[0]) == MG_REF_OP) {
            const mg_instruction *inner = &at->rewrite.to->code[mg_ref_index(pair[0])];
            folded = is_unary_identity(op, inner->op, pair[0], inner->a, ref);
        }
        if (folded) {
            return MG_OK;
        }
        if (shape == MG_SHAPE_VV) {
            op += is_constant(pair[1]) ? 1 : 2; /* _vc or _cv */
        }
    }
    *ref = mg_rewrite_op(&at->rewrite, op, pair[0], pair[1]);
    return MG_OK;
}

/* --- wide ops --- */

/* Which of its operands a wide op returns: its place, or `count` where it is none. */
static uint32_t chosen_operand(const folding *at, uint32_t op, const mg_ref *operands,
                               uint32_t count) {
    switch (op) {
    case MG_OP_where: /* the operand not chosen has no influence, and gets no gradient */
        return !is_constant(operands[0]) ? count : number_of(at, operands[0]) != 0.0 ? 1 : 2;
    case MG_OP_take:
        if (is_constant(operands[count - 1])) {
            double index = number_of(at, operands[count - 1]);
            return nary_is_place(index, count - 1) ? (uint32_t)nary_place(index, count - 1) : count;
        }
        return count;
    case MG_OP_sum:  /* starts from its first operand */
    case MG_OP_mean: /* divides that by 1 */
        return count == 1 ? 0 : count;
    default:
        return count;
    }
}

static mg_status fold_wide(folding *at, const mg_instruction *from, mg_ref *ref) {
    const uint32_t count = from->b;
    const mg_ref *operands = mg_rewrite_wide(&at->rewrite, from);
    const uint32_t chosen = chosen_operand(at, from->op, operands, count);
    uint32_t constants = 0;
    int folded = 0;
    if (chosen < count) {
        *ref = operands[chosen];
        return MG_OK;
    }
    while (constants < count && is_constant(operands[constants])) {
        constants++;
    }
    if (constants == count) {
        double parameter = number_of(at, operands[count]);
        mg_status status = compute(at, from->op, operands, count, parameter, &folded, ref);
        if (status != MG_OK || folded) {
            return status;
        }
    }
    *ref = mg_rewrite_wide_op(&at->rewrite, from->op, count);
    return MG_OK;
}

mg_status mg_pass_fold(const mg_program *program, int (*poll)(void), mg_program **result) {
    folding at = {.numbers = NULL};
    mg_status status = mg_rewrite_begin(&at.rewrite, program, poll);
    if (status == MG_OK) {
        status = mg_program_reserve(at.rewrite.to, 0, program->op_count, program->wide_count);
    }
    if (status == MG_OK) {
        status = mg_rewrite_keep_constants(&at.rewrite);
    }
    for (uint32_t i = 0; status == MG_OK && i < program->op_count; i++) {
        const mg_instruction *op = &program->code[i];
        mg_ref *ref = &at.rewrite.refs[i];
        status = mg_op_is_wide(op->op) ? fold_wide(&at, op, ref) : fold_narrow(&at, op, ref);
        status = status == MG_OK ? mg_rewrite_pass(&at.rewrite, op) : status;
    }
    mg_memory_free(at.numbers);
    return mg_rewrite_end(&at.rewrite, status, result);
}
