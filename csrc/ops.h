/* The op codes, and each op's forward and partials as inline functions, generated from ops.def.

   An op code says what the node's operands are as well as which op it is: `a * b`, `a * 2.0` and
   `2.0 / a` are three codes of their rows, so the sweep needs no second dispatch. */
#ifndef MG_OPS_H
#define MG_OPS_H

#include <stddef.h>
#include <stdint.h>

#include "ops_math.h"
#include "ops_nary.h"
#include "status.h"

/* Free must be 0: a zeroed page is a page of free slots. Codes from MG_FIRST_INTERIOR on have
   operands. `closure` nodes are built by the user with children and no rule of their own; `local`
   nodes carry the partials that the user gave; the three before it are the nodes of net.h. The rows
   follow. */
typedef enum {
    MG_OP_free,
    MG_OP_leaf,
    MG_OP_closure,
    MG_OP_parameters,
    MG_OP_network,
    MG_OP_network_output,
    MG_OP_local,
#define UNARY(name, ...) MG_OP_##name,
#define PARAMETRIC(name, ...) MG_OP_##name,
#define BINARY(name, ...) MG_OP_##name, MG_OP_##name##_vc, MG_OP_##name##_cv,
#define TERNARY(name, ...) MG_OP_##name,
#define NARY(name, ...) MG_OP_##name,
#include "ops.def"
    MG_OP_COUNT
} mg_op;

#define MG_FIRST_INTERIOR MG_OP_closure

/* What the operand fields of a node hold. V is a node, C an inline constant; the letters stand in
   the order of the operands. */
typedef enum {
    MG_SHAPE_NONE,  /* a leaf, or a free slot */
    MG_SHAPE_V,     /* one node */
    MG_SHAPE_VC,    /* a node and a constant that is an operand */
    MG_SHAPE_CV,    /* the constant is the first operand */
    MG_SHAPE_VP,    /* a node and a constant that is a parameter of the op */
    MG_SHAPE_VV,    /* two nodes */
    MG_SHAPE_BLOCK, /* an operand block */
} mg_shape;

/* How a forward result that is not finite turns into an exception; see ops.def. */
typedef enum { MG_NEVER, MG_OVERFLOW, MG_POLE, MG_DIVISION, MG_POWER } mg_raises;

/* The arity of an NARY row. */
#define MG_ANY_ARITY 255

typedef struct {
    const char *name;   /* of the row */
    const char *symbol; /* what `_op` shows */
    uint8_t arity;      /* operands of the row, parameters not counted; 0 for leaf and user-built */
    uint8_t raises;     /* mg_raises */
    uint8_t row;        /* the row's first code */
} mg_op_info;

extern const mg_op_info mg_op_table[MG_OP_COUNT];

/* The shapes alone, a byte each: what freeing a node looks at. */
extern const uint8_t mg_op_shapes[MG_OP_COUNT];

/* How many operands an NARY op needs; see ops.def. */
typedef enum { MG_ANY, MG_SOME, MG_PAIRS, MG_PAIRS_AND_ONE, MG_PLACE } mg_nary_operands;

/* What an NARY row says; zeros for every other code. */
typedef struct {
    double (*forward)(const double *x, size_t n, double c);
    void (*partials)(double *x, size_t n, double c, double r);
    void (*tangents)(const double *x, const double *t, size_t n, double c, double r,
                     const double *d, double *dt);
    mg_nary_operands operands;
} mg_nary;

extern const mg_nary mg_nary_table[MG_OP_COUNT];

/* Whether an NARY op can be called with n numbers and the parameter c. */
int mg_nary_fits(mg_op op, size_t n, double c);

/* Forward and partials. Unused arguments are part of the uniform signature. */
#define MG_INLINE static inline __attribute__((unused))
#if !defined(__GNUC__)
#undef MG_INLINE
#define MG_INLINE static inline
#endif

#define UNARY(name, symbol, raises, forward, da, ...)                    \
    MG_INLINE double mg_##name##_forward(double a) { return (forward); } \
    MG_INLINE double mg_##name##_da(double a, double r) {                \
        (void)a;                                                         \
        (void)r;                                                         \
        return (da);                                                     \
    }
#define PARAMETRIC(name, symbol, raises, parameter, initial, forward, da, ...)     \
    MG_INLINE double mg_##name##_forward(double a, double c) { return (forward); } \
    MG_INLINE double mg_##name##_da(double a, double c, double r) {                \
        (void)r;                                                                   \
        return (da);                                                               \
    }
#define BINARY(name, symbol, constant, raises, forward, da, db, ...)               \
    MG_INLINE double mg_##name##_forward(double a, double b) { return (forward); } \
    MG_INLINE double mg_##name##_da(double a, double b, double r) {                \
        (void)a;                                                                   \
        (void)b;                                                                   \
        (void)r;                                                                   \
        return (da);                                                               \
    }                                                                              \
    MG_INLINE double mg_##name##_db(double a, double b, double r) {                \
        (void)a;                                                                   \
        (void)b;                                                                   \
        (void)r;                                                                   \
        return (db);                                                               \
    }
#define TERNARY(name, symbol, raises, forward, da, db, dc, ...)                              \
    MG_INLINE double mg_##name##_forward(double a, double b, double c) { return (forward); } \
    MG_INLINE void mg_##name##_partials(double a, double b, double c, double r, double *d) { \
        (void)b;                                                                             \
        (void)c;                                                                             \
        (void)r;                                                                             \
        d[0] = (da);                                                                         \
        d[1] = (db);                                                                         \
        d[2] = (dc);                                                                         \
    }
#include "ops.def"

/* The second partials of a UNARY, PARAMETRIC or BINARY code, given its operands (b being the
   parameter of a PARAMETRIC one), its result r and its first partials d[0] and d[1]: by a twice, by
   a and b, by b twice. Those by a constant are 0. */
void mg_op_second(mg_op op, double a, double b, double r, const double *d, double second[3]);

/* MG_OK, or why the op with this code must raise: call it when the result r of a and b is not
 * finite. */
mg_status mg_op_check(mg_op op, double a, double b, double r);

/* The op with this code on its n operands x, in the order of its row; behind the one of a
   PARAMETRIC op stands its parameter, and c is that of an NARY one. MG_OK with `*result`, or why
   the op must raise. */
mg_status mg_op_evaluate(mg_op op, const double *x, size_t n, double c, double *result);

#endif
