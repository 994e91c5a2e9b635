/* The op table: its codes, and the mathematics of every row. The rows come from ops.def itself, so
   a new one is tested, or missed with a failure, without an edit here but for its samples. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

/* One row, as the macros of ops.def give it. A parametric row takes its parameter as b. */
typedef struct {
    mg_op op;
    uint8_t codes; /* how many codes the row has */
    uint8_t arity; /* operands with a partial */
    const char *name, *symbol;
    mg_raises raises;
    mg_shape second; /* shape of the code after the first, if any */
    double parameter;
    const char *x, *fx;
} op_row;

#define SECOND_LEAF MG_SHAPE_VC
#define SECOND_PARAMETER MG_SHAPE_VP

static const op_row rows[] = {
#define UNARY(name, symbol, raises, forward, da, daa, help, x, fx) \
    {MG_OP_##name, 1, 1, #name, symbol, MG_##raises, MG_SHAPE_NONE, NAN, x, fx},
#define PARAMETRIC(name, symbol, raises, parameter, initial, forward, da, daa, help, x, fx) \
    {MG_OP_##name, 1, 1, #name, symbol, MG_##raises, MG_SHAPE_NONE, initial, x, fx},
#define BINARY(name, symbol, constant, raises, forward, da, db, daa, dab, dbb, help, x, fx) \
    {MG_OP_##name, 3, 2, #name, symbol, MG_##raises, SECOND_##constant, NAN, x, fx},
#define TERNARY(name, symbol, raises, forward, da, db, dc, help, x, fx) \
    {MG_OP_##name, 1, 3, #name, symbol, MG_##raises, MG_SHAPE_NONE, NAN, x, fx},
#define NARY(name, symbol, operands, forward, partials, tangents, help, x, fx) \
    {MG_OP_##name, 1, MG_ANY_ARITY, #name, symbol, MG_NEVER, MG_SHAPE_NONE, NAN, x, fx},
#include "ops.def"
};

#define ROW_COUNT (sizeof rows / sizeof *rows)

/* The partials of a row in all of its operands, by the functions of ops.h. */
static void partials_of(mg_op op, const double *x, double r, double *d) {
    if (mg_op_table[op].arity == MG_ANY_ARITY) {
        memcpy(d, x, nary_count(op) * sizeof(double));
        mg_nary_table[op].partials(d, nary_count(op), NARY_PARAMETER, r);
        return;
    }
    switch (op) {
#define UNARY(name, ...)                \
    case MG_OP_##name:                  \
        d[0] = mg_##name##_da(x[0], r); \
        break;
#define PARAMETRIC(name, ...)                 \
    case MG_OP_##name:                        \
        d[0] = mg_##name##_da(x[0], x[1], r); \
        break;
#define BINARY(name, ...)                     \
    case MG_OP_##name:                        \
        d[0] = mg_##name##_da(x[0], x[1], r); \
        d[1] = mg_##name##_db(x[0], x[1], r); \
        break;
#define TERNARY(name, ...)                            \
    case MG_OP_##name:                                \
        mg_##name##_partials(x[0], x[1], x[2], r, d); \
        break;
#include "ops.def"
    default:
        CHECK(!"a row");
    }
}

static double forward_at(mg_op op, const double *x) { return op_forward(op, x[0], x[1], x[2]); }

/* --- the table --- */

static void free_and_leaf_come_before_what_has_operands(void) {
    CHECK_COUNT(MG_OP_free, 0);
    CHECK(MG_OP_leaf < MG_FIRST_INTERIOR);
    CHECK_COUNT(mg_op_shapes[MG_OP_free], MG_SHAPE_NONE);
    CHECK_COUNT(mg_op_shapes[MG_OP_leaf], MG_SHAPE_NONE);
    CHECK_COUNT(mg_op_shapes[MG_OP_closure], MG_SHAPE_BLOCK);
    CHECK_COUNT(mg_op_shapes[MG_OP_local], MG_SHAPE_BLOCK);
}

static mg_shape expected_shape(const op_row *row, unsigned code) {
    if (row->codes == 3) {
        return code == 0 ? MG_SHAPE_VV : code == 1 ? row->second : MG_SHAPE_CV;
    }
    if (row->arity >= 3) {
        return MG_SHAPE_BLOCK;
    }
    return isnan(row->parameter) ? MG_SHAPE_V : MG_SHAPE_VP;
}

static void the_rows_fill_the_table_in_order(void) {
    unsigned next = MG_OP_local + 1;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        const op_row *row = &rows[i];
        harness_case(row->name);
        CHECK_COUNT(row->op, next);
        for (unsigned code = 0; code < row->codes; code++, next++) {
            const mg_op_info *info = &mg_op_table[next];
            CHECK_TEXT(info->name, row->name);
            CHECK_TEXT(info->symbol, row->symbol);
            CHECK_COUNT(info->arity, row->arity);
            CHECK_COUNT(info->raises, row->raises);
            CHECK_COUNT(info->row, row->op);
            CHECK_COUNT(mg_op_shapes[next], expected_shape(row, code));
            CHECK(next >= MG_FIRST_INTERIOR);
        }
        CHECK(strlen(row->symbol) > 0);
    }
    CHECK_COUNT(next, MG_OP_COUNT);
}

static void names_are_unique_and_aliases_lead_to_rows(void) {
    static const char *const aliases[][2] = {
#define ALIAS(alias, name, ...) {#alias, #name},
#include "ops.def"
    };
    size_t alias_count = sizeof aliases / sizeof *aliases;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        for (size_t j = 0; j < i; j++) {
            CHECK(strcmp(rows[i].name, rows[j].name) != 0);
        }
    }
    for (size_t i = 0; i < alias_count; i++) {
        size_t targets = 0;
        for (size_t j = 0; j < ROW_COUNT; j++) {
            targets += strcmp(aliases[i][1], rows[j].name) == 0;
            CHECK(strcmp(aliases[i][0], rows[j].name) != 0);
        }
        harness_case(aliases[i][0]);
        CHECK_COUNT(targets, 1);
        for (size_t j = 0; j < i; j++) {
            CHECK(strcmp(aliases[i][0], aliases[j][0]) != 0);
        }
    }
}

#define MOST_NUMBERS 8

/* "2.0, -inf, True" or "[1.0, 2.0], 3" as numbers; how many there are. */
static size_t parse_numbers(const char *text, double *numbers) {
    size_t count = 0;
    text += strspn(text, "[");
    while (*text != '\0' && count < MOST_NUMBERS) {
        char *end = NULL;
        if (strncmp(text, "True", 4) == 0) {
            numbers[count] = 1.0;
            text += 4;
        } else {
            numbers[count] = strtod(text, &end);
            CHECK(end != text);
            text = end;
        }
        text += strspn(text, "[], ");
        count++;
    }
    CHECK_TEXT(text, "");
    return count;
}

static void the_examples_are_true(void) {
    for (size_t i = 0; i < ROW_COUNT; i++) {
        const op_row *row = &rows[i];
        double x[MOST_NUMBERS] = {NAN, NAN, NAN}, expected[MOST_NUMBERS];
        harness_case(row->name);
        size_t count = parse_numbers(row->x, x);
        if (row->arity == MG_ANY_ARITY) {
            /* The place that an op takes stands behind its numbers. */
            int has_place = mg_nary_table[row->op].operands == MG_PLACE;
            double place = has_place ? x[--count] : 0.0;
            CHECK(mg_nary_fits(row->op, count, place));
            CHECK_COUNT(parse_numbers(row->fx, expected), 1);
            CHECK_SAME(mg_nary_table[row->op].forward(x, count, place), expected[0]);
            continue;
        }
        CHECK_COUNT(count, row->arity);
        if (!isnan(row->parameter)) {
            x[1] = row->parameter;
        }
        CHECK_COUNT(parse_numbers(row->fx, expected), 1);
        CHECK_SAME(forward_at(row->op, x), expected[0]);
    }
}

/* --- the mathematics --- */

#define SAMPLES(name, ...)            \
    {                                 \
        MG_OP_##name, { __VA_ARGS__ } \
    }

/* Points at which the op is smooth; nan ends the list of a row. */
static const struct {
    mg_op op;
    double points[4][3];
} samples[] = {
    SAMPLES(add, {1.5, -0.7}, {-3.0, 0.25}),
    SAMPLES(sub, {1.5, -0.7}, {-3.0, 0.25}),
    SAMPLES(mul, {1.5, -0.7}, {-3.0, 0.25}),
    SAMPLES(div, {1.5, -0.7}, {-3.0, 0.8}),
    SAMPLES(pow, {1.5, -0.7}, {0.3, 2.0}, {2.5, 3.0}, {1.2, 0.5}),
    SAMPLES(neg, {1.5}, {-0.2}),
    SAMPLES(abs, {1.5}, {-0.2}),
    SAMPLES(sign, {1.5}, {-0.2}),
    SAMPLES(floor, {1.5}, {-0.2}),
    SAMPLES(ceil, {1.5}, {-0.2}),
    SAMPLES(exp, {1.5}, {-3.0}),
    SAMPLES(expm1, {1.5}, {-3.0}, {0.01}),
    SAMPLES(log, {0.3}, {7.0}),
    SAMPLES(log1p, {-0.3}, {7.0}, {0.01}),
    SAMPLES(log2, {0.3}, {7.0}),
    SAMPLES(log10, {0.3}, {7.0}),
    SAMPLES(sqrt, {0.3}, {7.0}),
    SAMPLES(cbrt, {0.3}, {-7.0}),
    SAMPLES(sin, {0.4}, {-5.0}),
    SAMPLES(cos, {0.4}, {-5.0}),
    SAMPLES(tan, {0.4}, {-1.0}),
    SAMPLES(asin, {0.4}, {-0.7}),
    SAMPLES(acos, {0.4}, {-0.7}),
    SAMPLES(atan, {0.4}, {-5.0}),
    SAMPLES(sinh, {0.4}, {-3.0}),
    SAMPLES(cosh, {0.4}, {-3.0}),
    SAMPLES(tanh, {0.4}, {-2.0}, {3.0}, {-4.0}),
    SAMPLES(asinh, {0.4}, {-5.0}),
    SAMPLES(acosh, {1.4}, {5.0}),
    SAMPLES(atanh, {0.4}, {-0.8}),
    SAMPLES(erf, {0.4}, {-1.5}),
    SAMPLES(erfc, {0.4}, {-1.5}),
    SAMPLES(sigmoid, {0.4}, {-3.0}, {5.0}),
    SAMPLES(relu, {1.5}, {-0.2}),
    SAMPLES(leaky_relu, {1.5, 0.01}, {-0.2, 0.3}),
    SAMPLES(softplus, {0.4}, {-3.0}, {5.0}),
    SAMPLES(silu, {0.4}, {-3.0}, {5.0}),
    SAMPLES(gelu, {0.4}, {-3.0}, {2.0}),
    SAMPLES(atan2, {0.4, 0.9}, {-2.0, 1.5}, {1.0, -1.0}, {-1.0, -2.0}),
    SAMPLES(hypot, {0.4, 0.9}, {-2.0, 1.5}),
    SAMPLES(minimum, {0.4, 0.9}, {2.0, 1.5}),
    SAMPLES(maximum, {0.4, 0.9}, {2.0, 1.5}),
    SAMPLES(exp_difference, {1.5, -0.7}, {-3.0, 0.25}),
    SAMPLES(dot, {1.5, -0.7, 0.3}, {-3.0, 0.25, 2.0}),
    SAMPLES(sum, {1.5, -0.7, 0.3}, {-3.0, 0.25, 2.0}),
    SAMPLES(mean, {1.5, -0.7, 0.3}, {-3.0, 0.25, 2.0}),
    SAMPLES(logsumexp, {1.5, -0.7, 0.3}, {-3.0, 0.25, 2.0}),
    SAMPLES(cross_entropy, {1.5, -0.7, 0.3}, {-3.0, 0.25, 2.0}),
    SAMPLES(mse_loss, {1.5, -0.7}, {-3.0, 0.25}),
    SAMPLES(hinge_loss, {1.5, -0.7}, {-3.0, 0.8}),
    SAMPLES(norm, {1.5, -0.7, 0.3}, {-3.0, 0.25, 2.0}),
    SAMPLES(take, {1.5, -0.7, 0.0}, {-3.0, 0.25, 1.0}),
    SAMPLES(polyval, {1.5, -0.7, 0.3}, {-3.0, 0.25, 2.0}),
    SAMPLES(less, {1.5, -0.7}, {-3.0, 0.25}),
    SAMPLES(less_equal, {1.5, -0.7}, {-3.0, 0.25}),
    SAMPLES(greater, {1.5, -0.7}, {-3.0, 0.25}),
    SAMPLES(greater_equal, {1.5, -0.7}, {-3.0, 0.25}),
    SAMPLES(where, {1.0, 2.0, 3.0}, {-0.5, -2.0, 3.0}),
};

/* The partial in operand k by differences of fourth order. */
static double difference(mg_op op, const double *x, unsigned k) {
    static const double weights[] = {1.0, -8.0, 8.0, -1.0};
    static const double steps[] = {-2.0, -1.0, 1.0, 2.0};
    const double h = 1e-3;
    double sum = 0.0;
    for (int i = 0; i < 4; i++) {
        double moved[3] = {x[0], x[1], x[2]};
        moved[k] += steps[i] * h;
        sum += weights[i] * forward_at(op, moved);
    }
    return sum / (12.0 * h);
}

static void check_against_differences(const op_row *row, const double *point) {
    double d[3] = {NAN, NAN, NAN};
    partials_of(row->op, point, forward_at(row->op, point), d);
    unsigned count = row->arity == MG_ANY_ARITY ? nary_count(row->op) : row->arity;
    /* The index of a take cannot be moved a little. */
    for (unsigned k = 0; k < count - (row->op == MG_OP_take); k++) {
        CHECK_NEAR(d[k], difference(row->op, point, k), 1e-9);
    }
}

static void partials_agree_with_differences(void) {
    for (size_t i = 0; i < ROW_COUNT; i++) {
        size_t tried = 0;
        harness_case(rows[i].name);
        for (size_t j = 0; j < sizeof samples / sizeof *samples; j++) {
            /* An unused point of the array is all zeros, which no row has as a sample. */
            for (int k = 0; samples[j].op == rows[i].op && k < 4; k++) {
                const double *point = samples[j].points[k];
                if (point[0] != 0.0) {
                    check_against_differences(&rows[i], point);
                    tried++;
                }
            }
        }
        CHECK(tried >= 2);
    }
}

static void choices_at_kinks_and_edges(void) {
    static const struct {
        mg_op op;
        double x[3], d[3];
    } cases[] = {
        {MG_OP_relu, {0.0}, {0.0}},
        {MG_OP_relu, {NAN}, {0.0}},
        {MG_OP_abs, {0.0}, {0.0}},
        {MG_OP_abs, {-0.0}, {0.0}},
        {MG_OP_leaky_relu, {0.0, 0.25}, {0.25}},
        {MG_OP_sign, {0.0}, {0.0}},
        {MG_OP_floor, {2.0}, {0.0}},
        {MG_OP_ceil, {2.0}, {0.0}},
        {MG_OP_sqrt, {0.0}, {INFINITY}},
        {MG_OP_cbrt, {0.0}, {INFINITY}},
        {MG_OP_minimum, {2.0, 2.0}, {0.5, 0.5}},
        {MG_OP_maximum, {2.0, 2.0}, {0.5, 0.5}},
        {MG_OP_minimum, {NAN, 2.0}, {NAN, NAN}},
        {MG_OP_maximum, {2.0, NAN}, {NAN, NAN}},
        {MG_OP_atan2, {INFINITY, 1.0}, {0.0, -0.0}},
        {MG_OP_hypot, {0.0, 0.0}, {0.0, 0.0}},
        {MG_OP_hypot, {INFINITY, 1.0}, {1.0, 0.0}},
        {MG_OP_hypot, {-1.0, -INFINITY}, {0.0, -1.0}},
        {MG_OP_pow, {0.0, 2.0}, {0.0, 0.0}},
        {MG_OP_pow, {0.0, 0.0}, {0.0, 0.0}},
        {MG_OP_pow, {3.0, 0.0}, {0.0, 1.0986122886681098}},
        {MG_OP_pow, {-1.5, 3.0}, {6.75, NAN}},
        {MG_OP_where, {0.0, 2.0, 3.0}, {0.0, 0.0, 1.0}},
        {MG_OP_where, {NAN, 2.0, 3.0}, {0.0, 1.0, 0.0}},
        {MG_OP_silu, {INFINITY}, {1.0}},
        {MG_OP_silu, {-INFINITY}, {0.0}},
        {MG_OP_gelu, {INFINITY}, {1.0}},
        {MG_OP_gelu, {-INFINITY}, {0.0}},
        {MG_OP_tanh, {INFINITY}, {0.0}},
        {MG_OP_sigmoid, {-INFINITY}, {0.0}},
        {MG_OP_atan, {1e200}, {0.0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const mg_op_info *info = &mg_op_table[cases[i].op];
        double d[3] = {NAN, NAN, NAN};
        harness_case(info->name);
        partials_of(cases[i].op, cases[i].x, forward_at(cases[i].op, cases[i].x), d);
        for (unsigned k = 0; k < info->arity; k++) {
            CHECK_SAME(d[k], cases[i].d[k]);
        }
    }
}

/* Where the textbook form would have no digits left, or overflow on the way: relative to the exact
   partial in the first operand, however small. */
static void extreme_partials_keep_their_digits(void) {
    static const struct {
        mg_op op;
        double x[3], d;
    } cases[] = {
        {MG_OP_tanh, {20.0}, 1.6993417021166356e-17},
        {MG_OP_tanh, {-3.0}, 0.009866037165440192},
        {MG_OP_sigmoid, {40.0}, 4.248354255291589e-18},
        {MG_OP_sigmoid, {-40.0}, 4.248354255291589e-18},
        {MG_OP_softplus, {-40.0}, 4.248354255291589e-18},
        {MG_OP_asin, {1.0 - 0x1p-50}, 23726566.406062893},
        {MG_OP_atan, {1e9}, 1e-18},
        {MG_OP_asinh, {1e200}, 1e-200},
        {MG_OP_hypot, {0x3p-1070, 0x4p-1070}, 0.6},
        {MG_OP_hypot, {0x3p1021, 0x3p1021}, 0.70710678118654752},
        {MG_OP_atan2, {0x3p600, 0x4p600}, 0x4p-600 / 25.0},
        {MG_OP_atan2, {0x3p-600, 0x4p-600}, 0x4p600 / 25.0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double d[3];
        harness_case(mg_op_table[cases[i].op].name);
        partials_of(cases[i].op, cases[i].x, forward_at(cases[i].op, cases[i].x), d);
        CHECK_NEAR(d[0] / cases[i].d, 1.0, 1e-14);
    }
}

static void results_at_the_edges(void) {
    static const struct {
        mg_op op;
        double x[3], r;
    } cases[] = {
        {MG_OP_relu, {NAN}, NAN},
        {MG_OP_relu, {-INFINITY}, 0.0},
        {MG_OP_tanh, {1e308}, 1.0},
        {MG_OP_sigmoid, {1000.0}, 1.0},
        {MG_OP_sigmoid, {-1000.0}, 0.0},
        {MG_OP_sigmoid, {NAN}, NAN},
        {MG_OP_softplus, {-INFINITY}, 0.0},
        {MG_OP_softplus, {1000.0}, 1000.0},
        {MG_OP_silu, {-INFINITY}, -0.0},
        {MG_OP_gelu, {-INFINITY}, -0.0},
        {MG_OP_sign, {-0.0}, 0.0},
        {MG_OP_sign, {NAN}, NAN},
        {MG_OP_minimum, {NAN, 1.0}, NAN},
        {MG_OP_minimum, {1.0, NAN}, NAN},
        {MG_OP_maximum, {NAN, 1.0}, NAN},
        {MG_OP_maximum, {1.0, NAN}, NAN},
        {MG_OP_hypot, {0x1.8p601, 0x1p602}, 0x1.4p602},
        {MG_OP_where, {-0.0, 1.0, 2.0}, 2.0},
        {MG_OP_where, {NAN, 1.0, 2.0}, 1.0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        harness_case(mg_op_table[cases[i].op].name);
        CHECK_SAME(forward_at(cases[i].op, cases[i].x), cases[i].r);
    }
}

/* --- squares --- */

/* What the C library's pow gives, on doubles of every kind and on those where squares are safe. */
static void squares_are_those_of_pow(void) {
    volatile double two = 2.0; /* or the compiler makes a product of it */
    for (int i = 0; i < 1000000; i++) {
        uint64_t bits = random_bits();
        double a;
        if (i % 4 != 0) {
            bits = (bits & 0x800fffffffffffff) | (1000 + random_below(50)) << 52;
        }
        memcpy(&a, &bits, sizeof a);
        if (!CHECK_SAME(mg_pow_forward(a, two), pow(a, two))) {
            return;
        }
    }
    const double edges[] = {0.0, -0.0, 1.0, -1.0, 0.5, 3.0, 1e-150, 1e150, 1e-200, 1e200, INFINITY};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        CHECK_SAME(mg_pow_forward(edges[i], two), pow(edges[i], two));
    }
}

int main(void) {
    nary_warm_up();
    RUN(free_and_leaf_come_before_what_has_operands);
    RUN(the_rows_fill_the_table_in_order);
    RUN(names_are_unique_and_aliases_lead_to_rows);
    RUN(the_examples_are_true);
    RUN(partials_agree_with_differences);
    RUN(choices_at_kinks_and_edges);
    RUN(extreme_partials_keep_their_digits);
    RUN(results_at_the_edges);
    RUN(squares_are_those_of_pow);
    return harness_summary("ops");
}
