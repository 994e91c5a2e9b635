#include "ops.h"

#include "ops_check.h"

#define SHAPE_RIGHT_LEAF MG_SHAPE_VC
#define SHAPE_RIGHT_PARAMETER MG_SHAPE_VP

const mg_op_info mg_op_table[MG_OP_COUNT] = {
    [MG_OP_free] = {"free", "", 0, MG_NEVER, MG_OP_free},
    [MG_OP_leaf] = {"leaf", "", 0, MG_NEVER, MG_OP_leaf},
    [MG_OP_closure] = {"closure", "", 0, MG_NEVER, MG_OP_closure},
    [MG_OP_parameters] = {"parameters", "", 0, MG_NEVER, MG_OP_parameters},
    [MG_OP_network] = {"network", "", 0, MG_NEVER, MG_OP_network},
    [MG_OP_network_output] = {"network_output", "", 0, MG_NEVER, MG_OP_network_output},
    [MG_OP_local] = {"local", "", 0, MG_NEVER, MG_OP_local},
#define UNARY(name, symbol, raises, ...) \
    [MG_OP_##name] = {#name, symbol, 1, MG_##raises, MG_OP_##name},
#define PARAMETRIC(name, symbol, raises, ...) \
    [MG_OP_##name] = {#name, symbol, 1, MG_##raises, MG_OP_##name},
#define BINARY(name, symbol, constant, raises, ...)                      \
    [MG_OP_##name] = {#name, symbol, 2, MG_##raises, MG_OP_##name},      \
    [MG_OP_##name##_vc] = {#name, symbol, 2, MG_##raises, MG_OP_##name}, \
    [MG_OP_##name##_cv] = {#name, symbol, 2, MG_##raises, MG_OP_##name},
#define TERNARY(name, symbol, raises, ...) \
    [MG_OP_##name] = {#name, symbol, 3, MG_##raises, MG_OP_##name},
#define NARY(name, symbol, ...) \
    [MG_OP_##name] = {#name, symbol, MG_ANY_ARITY, MG_NEVER, MG_OP_##name},
#include "ops.def"
};

const uint8_t mg_op_shapes[MG_OP_COUNT] = {
    [MG_OP_free] = MG_SHAPE_NONE,     [MG_OP_leaf] = MG_SHAPE_NONE,
    [MG_OP_closure] = MG_SHAPE_BLOCK, [MG_OP_parameters] = MG_SHAPE_BLOCK,
    [MG_OP_network] = MG_SHAPE_BLOCK, [MG_OP_network_output] = MG_SHAPE_VP,
    [MG_OP_local] = MG_SHAPE_BLOCK,
#define UNARY(name, ...) [MG_OP_##name] = MG_SHAPE_V,
#define PARAMETRIC(name, ...) [MG_OP_##name] = MG_SHAPE_VP,
#define BINARY(name, symbol, constant, ...)                                     \
    [MG_OP_##name] = MG_SHAPE_VV, [MG_OP_##name##_vc] = SHAPE_RIGHT_##constant, \
    [MG_OP_##name##_cv] = MG_SHAPE_CV,
#define TERNARY(name, ...) [MG_OP_##name] = MG_SHAPE_BLOCK,
#define NARY(name, ...) [MG_OP_##name] = MG_SHAPE_BLOCK,
#include "ops.def"
};

const mg_nary mg_nary_table[MG_OP_COUNT] = {
#define NARY(name, symbol, operands, forward, partials, tangents, ...) \
    [MG_OP_##name] = {forward, partials, tangents, MG_##operands},
#include "ops.def"
};

_Static_assert(MG_OP_COUNT <= 256, "an op code fits one byte of the node");

int mg_nary_fits(mg_op op, size_t n, double c) {
    switch (mg_nary_table[op].operands) {
    case MG_ANY:
        return 1;
    case MG_SOME:
        return n != 0;
    case MG_PAIRS:
        return n != 0 && n % 2 == 0;
    case MG_PAIRS_AND_ONE:
        return n >= 2;
    case MG_PLACE:
        return c >= 0.0 && c < (double)n && c == floor(c);
    }
    return 0;
}

mg_status mg_op_check(mg_op op, double a, double b, double r) {
    switch ((mg_raises)mg_op_table[op].raises) {
    case MG_NEVER:
        return MG_OK;
    case MG_OVERFLOW:
        return check_overflow(a, b, r);
    case MG_POLE:
        return check_pole(a, b, r);
    case MG_DIVISION:
        return check_division(a, b, r);
    case MG_POWER:
        return check_power(a, b, r);
    }
    return MG_OK;
}
