/* When the result of an op is an error, and which. */
#include <math.h>

#include "support.h"

static void each_way_to_raise_is_told_apart(void) {
    static const struct {
        mg_op op;
        double a, b;
        mg_status status;
    } cases[] = {
        {MG_OP_mul, 1e308, 1e308, MG_OK},
        {MG_OP_tanh, NAN, NAN, MG_OK},
        {MG_OP_exp, 1.0, NAN, MG_OK},
        {MG_OP_exp, 1000.0, NAN, MG_RANGE},
        {MG_OP_exp, INFINITY, NAN, MG_OK},
        {MG_OP_exp, NAN, NAN, MG_OK},
        {MG_OP_sinh, -1000.0, NAN, MG_RANGE},
        {MG_OP_sinh, -INFINITY, NAN, MG_OK},
        {MG_OP_log, 0.0, NAN, MG_DOMAIN},
        {MG_OP_log, -1.0, NAN, MG_DOMAIN},
        {MG_OP_log, -INFINITY, NAN, MG_DOMAIN},
        {MG_OP_log, INFINITY, NAN, MG_OK},
        {MG_OP_log, NAN, NAN, MG_OK},
        {MG_OP_sin, INFINITY, NAN, MG_DOMAIN},
        {MG_OP_sqrt, -1.0, NAN, MG_DOMAIN},
        {MG_OP_atanh, -1.0, NAN, MG_DOMAIN},
        {MG_OP_div, 1.0, 0.0, MG_ZERO_DIVISION},
        {MG_OP_div, 0.0, -0.0, MG_ZERO_DIVISION},
        {MG_OP_div, NAN, 0.0, MG_ZERO_DIVISION},
        {MG_OP_div, 1e308, 1e-308, MG_OK},
        {MG_OP_div, INFINITY, INFINITY, MG_OK},
        {MG_OP_pow, 2.0, 3.0, MG_OK},
        {MG_OP_pow, 0.0, -1.0, MG_ZERO_POWER},
        {MG_OP_pow, -0.0, -3.0, MG_ZERO_POWER},
        {MG_OP_pow, 0.0, -INFINITY, MG_OK},
        {MG_OP_pow, -8.0, 1.0 / 3.0, MG_COMPLEX_POWER},
        {MG_OP_pow, 10.0, 400.0, MG_RANGE},
        {MG_OP_pow, 1e-200, -2.0, MG_RANGE},
        {MG_OP_pow, -INFINITY, 0.5, MG_OK},
        {MG_OP_pow, 2.0, INFINITY, MG_OK},
        {MG_OP_pow, NAN, 2.0, MG_OK},
        {MG_OP_pow, 2.0, NAN, MG_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mg_op op = cases[i].op;
        double a = cases[i].a, b = cases[i].b;
        double r = op_forward(op, a, b, NAN);
        harness_case(mg_op_table[op].name);
        CHECK_STATUS(mg_op_check(op, a, b, r), cases[i].status);
        if (mg_op_shapes[op] == MG_SHAPE_VV) {
            CHECK_STATUS(mg_op_check((mg_op)(op + 1), a, b, r), cases[i].status);
            CHECK_STATUS(mg_op_check((mg_op)(op + 2), a, b, r), cases[i].status);
        }
    }
}

/* Whatever the operands are: only what is not finite raises, and never an op that says NEVER. */
static void what_never_raises_never_does(void) {
    static const double edges[] = {0.0,    -0.0,  1.0,    -1.0,     0.5,       -2.5,
                                   1e-310, 1e308, -1e308, INFINITY, -INFINITY, NAN};
    const size_t count = sizeof edges / sizeof *edges;
    for (mg_op op = MG_OP_local + 1; op < MG_OP_COUNT; op++) {
        harness_case(mg_op_table[op].name);
        for (size_t i = 0; i < count * count; i++) {
            double a = edges[i / count], b = edges[i % count];
            double r = op_forward(op, a, b, b);
            int may_raise = mg_op_table[op].raises != MG_NEVER && !isfinite(r);
            CHECK(may_raise || mg_op_check(op, a, b, r) == MG_OK);
        }
    }
}

int main(void) {
    RUN(each_way_to_raise_is_told_apart);
    RUN(what_never_raises_never_does);
    return harness_summary("op_check");
}
