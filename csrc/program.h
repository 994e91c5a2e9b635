/* Programs: a graph written down as straight-line code, without nodes, addresses or Python.

   A program computes numbers from constants and inputs, one op after the other. Every op is
   computed once and named by its position (static single assignment), so a reference to it may only
   come from ops that follow, and the code read backwards is a reverse topological order. Once it is
   built a program never changes; a pass (passes.h) builds a new one.

   A *reference* names a number: two bits say whether it is the result of an op, an input or a
   constant, the rest which one. Programs that come from outside are verified (mg_program_verify),
   and whoever gets one from this interface may trust it. */
#ifndef MG_PROGRAM_H
#define MG_PROGRAM_H

#include "memory.h"
#include "ops.h"

typedef uint32_t mg_ref;

typedef enum { MG_REF_OP, MG_REF_INPUT, MG_REF_CONSTANT, MG_REF_KINDS } mg_ref_kind;

#define MG_REF_BITS 30
/* Ops, inputs, constants and wide operands: fewer than this of each. */
#define MG_PROGRAM_LIMIT ((uint32_t)1 << MG_REF_BITS)

static inline mg_ref mg_ref_make(mg_ref_kind kind, uint32_t index) {
    return (uint32_t)kind << MG_REF_BITS | index;
}
static inline mg_ref_kind mg_ref_kind_of(mg_ref ref) { return (mg_ref_kind)(ref >> MG_REF_BITS); }
static inline uint32_t mg_ref_index(mg_ref ref) { return ref & (MG_PROGRAM_LIMIT - 1); }

/* One op. Its code is that of a node (ops.h), so it says which operands are constants; they stand
   in the order of the row's arguments:

       row               a                            b
       UNARY             the argument                 0
       PARAMETRIC        the argument                 the parameter, a constant
       BINARY            the first argument           the second
       BINARY _vc        the first argument           the second, a constant
       BINARY _cv        the first, a constant        the second
       TERNARY, NARY     where in `wide` its          how many these are
       (the wide ones)   operands begin

   Behind the operands of a wide op stands the op's parameter, a constant. Wide ops have their
   operands in `wide` in the order of the code, without gaps.

   Other operands may be constants too; mg_pass_fold leaves one only where it must be one, or where
   the op raises. */
typedef struct {
    uint32_t op;
    mg_ref a, b;
} mg_instruction;

typedef struct {
    uint32_t input_count, constant_count, op_count, wide_count, output_count;
    uint32_t constant_room, op_room, wide_room;
    double *constants;
    mg_instruction *code;
    mg_ref *wide;
    mg_ref *outputs;
} mg_program;

/* Whether the op's operands stand in `wide`. */
static inline int mg_op_is_wide(uint32_t op) { return mg_op_shapes[op] == MG_SHAPE_BLOCK; }

/* Whether a code can stand in a program: those of the rows. */
static inline int mg_op_is_row(uint32_t op) { return op > MG_OP_local && op < MG_OP_COUNT; }

/* --- building --- */

/* An empty program with `input_count` inputs; NULL when out of memory. */
mg_program *mg_program_new(uint32_t input_count);

/* NULL is allowed. */
void mg_program_free(mg_program *program);

/* The same numbers once more; NULL when out of memory. */
mg_program *mg_program_copy(const mg_program *program);

/* Room for so many more, taken at once: what follows cannot fail within it. MG_OK, MG_NO_MEMORY or
   MG_TOO_LARGE; on failure the program computes what it did before. */
mg_status mg_program_reserve(mg_program *program, uint32_t constants, uint32_t ops, uint32_t wide);

/* Each appends one thing and, in `*ref`, names it. MG_OK, MG_NO_MEMORY, or MG_TOO_LARGE at
   MG_PROGRAM_LIMIT; on failure the program is as before. Refs must be valid. */
mg_status mg_program_constant(mg_program *program, double number, mg_ref *ref);
mg_status mg_program_op(mg_program *program, uint32_t op, mg_ref a, mg_ref b, mg_ref *ref);
/* `operands` are `count` references; `parameter` is a constant's. */
mg_status mg_program_wide(mg_program *program, uint32_t op, const mg_ref *operands, uint32_t count,
                          mg_ref parameter, mg_ref *ref);

/* Sets the outputs, copying the references. MG_OK or MG_NO_MEMORY. */
mg_status mg_program_set_outputs(mg_program *program, const mg_ref *outputs, uint32_t count);

/* --- reading --- */

/* The operands of an op as an array, in order, constants among them, and of two-field ops also a
   parameter: points `operands` into the program, or at `pair`, and returns how many there are. */
static inline uint32_t mg_program_operands(const mg_program *program,
                                           const mg_instruction *instruction, mg_ref pair[2],
                                           const mg_ref **operands) {
    switch (mg_op_shapes[instruction->op]) {
    case MG_SHAPE_BLOCK:
        *operands = program->wide + instruction->a;
        return instruction->b;
    case MG_SHAPE_V:
        pair[0] = instruction->a;
        *operands = pair;
        return 1;
    default:
        pair[0] = instruction->a;
        pair[1] = instruction->b;
        *operands = pair;
        return 2;
    }
}

/* Whether everything in it is as described above, every count and reference in range. MG_OK or
   MG_MALFORMED with `*why`, a static text. */
mg_status mg_program_verify(const mg_program *program, const char **why);

#endif
