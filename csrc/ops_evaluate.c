/* Any op of the table on numbers: not how programs run, but for the few ops that are computed
   without running one. */
#include "ops.h"

static double forward(mg_op op, const double *x, size_t n, double c) {
    switch (op) {
#define UNARY(name, ...) \
    case MG_OP_##name:   \
        return mg_##name##_forward(x[0]);
#define PARAMETRIC(name, ...) \
    case MG_OP_##name:        \
        return mg_##name##_forward(x[0], x[1]);
#define BINARY(name, ...)   \
    case MG_OP_##name:      \
    case MG_OP_##name##_vc: \
    case MG_OP_##name##_cv: \
        return mg_##name##_forward(x[0], x[1]);
#define TERNARY(name, ...) \
    case MG_OP_##name:     \
        return mg_##name##_forward(x[0], x[1], x[2]);
#define NARY(name, ...) \
    case MG_OP_##name:  \
        return mg_nary_table[op].forward(x, n, c);
#include "ops.def"
    default:
        return NAN;
    }
}

mg_status mg_op_evaluate(mg_op op, const double *x, size_t n, double c, double *result) {
    double r = forward(op, x, n, c);
    if (op == MG_OP_take && !nary_is_place(x[n - 1], n - 1)) {
        return MG_INDEX;
    }
    mg_status status =
        isfinite(r) ? MG_OK : mg_op_check(op, n > 0 ? x[0] : 0.0, n > 1 ? x[1] : 0.0, r);
    if (status == MG_OK) {
        *result = r;
    }
    return status;
}
