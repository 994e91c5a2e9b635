/* Second partials, generated from the table. */
#include "ops.h"

#define UNARY(name, symbol, raises, forward, da, daa, ...)  \
    static double name##_aa(double a, double r, double p) { \
        (void)a, (void)r, (void)p;                          \
        return (daa);                                       \
    }
#define PARAMETRIC(name, symbol, raises, parameter, initial, forward, da, daa, ...) \
    static double name##_aa(double a, double c, double r, double p) {               \
        (void)a, (void)c, (void)r, (void)p;                                         \
        return (daa);                                                               \
    }
#define SECOND(function, formula)                                              \
    static double function(double a, double b, double r, double p, double q) { \
        (void)a, (void)b, (void)r, (void)p, (void)q;                           \
        return (formula);                                                      \
    }
#define BINARY(name, symbol, constant, raises, forward, da, db, daa, dab, dbb, ...) \
    SECOND(name##_aa, daa)                                                          \
    SECOND(name##_ab, dab)                                                          \
    SECOND(name##_bb, dbb)
#include "ops.def"

/* A _vc or _cv code left the partial by its constant out, and a row may need it. */
void mg_op_second(mg_op op, double a, double b, double r, const double *d, double second[3]) {
    const double p = d[0], q = d[1];
    second[0] = second[1] = second[2] = 0.0;
    switch (op) {
#define UNARY(name, ...)                \
    case MG_OP_##name:                  \
        second[0] = name##_aa(a, r, p); \
        break;
#define PARAMETRIC(name, ...)              \
    case MG_OP_##name:                     \
        second[0] = name##_aa(a, b, r, p); \
        break;
#define BINARY(name, ...)                                           \
    case MG_OP_##name:                                              \
        second[0] = name##_aa(a, b, r, p, q);                       \
        second[1] = name##_ab(a, b, r, p, q);                       \
        second[2] = name##_bb(a, b, r, p, q);                       \
        break;                                                      \
    case MG_OP_##name##_vc:                                         \
        second[0] = name##_aa(a, b, r, p, mg_##name##_db(a, b, r)); \
        break;                                                      \
    case MG_OP_##name##_cv:                                         \
        second[2] = name##_bb(a, b, r, mg_##name##_da(a, b, r), q); \
        break;
#include "ops.def"
    default:
        break;
    }
}
