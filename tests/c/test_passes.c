/* Each pass on small programs, written out. test_passes_random.c runs them on thousands. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "passes.h"
#include "program_run.h"
#include "program_text.h"

static void check_run(uint32_t wanted, const char *before, const char *after, int line) {
    char place[32];
    const char *why;
    mg_program *program = program_from_text(before), *result = NULL;
    snprintf(place, sizeof place, "line %d", line);
    harness_case(place);
    CHECK_STATUS(mg_program_verify(program, &why), MG_OK);
    if (CHECK_STATUS(mg_passes_run(program, wanted, NULL, &result), MG_OK)) {
        CHECK_STATUS(mg_program_verify(result, &why), MG_OK);
        CHECK_TEXT(text_of(result), after);
    }
    CHECK(result != program);
    mg_program_free(result);
    mg_program_free(program);
    harness_case(NULL);
}

#define CHECK_PASS(name, before, after) check_run(1u << MG_PASS_##name, before, after, __LINE__)
#define CHECK_SAME_AFTER(name, program) CHECK_PASS(name, program, program)

/* --- fold --- */

static void constants_are_computed(void) {
    CHECK_PASS(fold, "neg 2; out %0; in 1", "out -2; unused 2; in 1");
    CHECK_PASS(fold, "add 2 3; mul %0 $0; out %1", "mul_cv 5 $0; out %0; unused 2; unused 3");
    CHECK_PASS(fold, "add 2 3; sub_vc %0 1; exp 0; leaky_relu -1 0.25; out %1 %2 %3",
               "out 4 1 -0.25; unused 2; unused 3; unused 1; unused 0; unused -1; "
               "unused 0.25; unused 5");
    CHECK_PASS(fold, "sum 1 2 4; sum; dot 1 2 3; out %0 %1 %2; in 1",
               "out 7 0 5; unused 1; unused 2; unused 4; unused 0; unused 0; unused 1; unused 2; "
               "unused 3; unused 0; in 1");
    CHECK_PASS(fold, "cross_entropy 0 0 | 1; out %0",
               "out 0.69314718055994529; unused 0; unused 0; unused 1");
    CHECK_SAME_AFTER(fold, "sum 1 $0 2; out %0");
}

static void what_raises_stays(void) {
    CHECK_SAME_AFTER(fold, "log -1; out %0");
    CHECK_SAME_AFTER(fold, "exp 1000; out %0");
    CHECK_PASS(fold, "div 1 0; out %0", "div_vc 1 0; out %0");
    CHECK_SAME_AFTER(fold, "div_cv 1 0; neg %0; out %1");
    CHECK_SAME_AFTER(fold, "pow_vc -8 0.5; out %0");
    CHECK_SAME_AFTER(fold, "pow_vc 0 -1; out %0");
    CHECK_SAME_AFTER(fold, "take 1 2 2; take 1 2 0.5; take 1 2 nan; take 1 2 -3; out %0");
    CHECK_SAME_AFTER(fold, "take $0 $1 2; out %0");
    /* Infinite and not a number without being an error. */
    CHECK_PASS(fold, "exp inf; mul 1e308 10; sub inf inf; out %0 %1",
               "out inf inf; unused inf; unused 1e+308; unused 10; unused inf; unused inf; "
               "unused -nan");
}

static void constant_operands_go_into_the_code(void) {
    CHECK_PASS(fold, "add $0 2; sub 2 $0; pow $0 2; pow 2 $0; minimum $0 1; less 0 $0; out %5",
               "add_vc $0 2; sub_cv 2 $0; pow_vc $0 2; pow_cv 2 $0; minimum_vc $0 1; "
               "less_cv 0 $0; out %5");
    CHECK_SAME_AFTER(fold, "add $0 $1; div_vc %0 2; where %1 1 $0; dot 1 $0 2; out %3");
}

static void operands_that_are_returned_take_the_place_of_the_op(void) {
    static const char *const identities[] = {
        "mul $0 1",      "mul 1 $0",      "mul_vc $0 1",   "mul_cv 1 $0",     "div $0 1",
        "div_vc $0 1",   "add $0 -0",     "add -0 $0",     "add_vc $0 -0",    "add_cv -0 $0",
        "sub $0 0",      "sub_vc $0 0",   "pow $0 1",      "pow_vc $0 1",     "take $0 $1 0",
        "take $1 $0 -1", "where 1 $0 $1", "where 0 $1 $0", "where nan $0 $1", "where -0 $1 $0",
        "sum $0",        "mean $0",
    };
    for (size_t i = 0; i < sizeof identities / sizeof *identities; i++) {
        char before[128];
        mg_program *result = NULL;
        snprintf(before, sizeof before, "%s; exp %%0; out %%1; in 2", identities[i]);
        mg_program *program = program_from_text(before);
        harness_case(before);
        CHECK_STATUS(mg_pass_fold(program, NULL, &result), MG_OK);
        CHECK_COUNT(result->op_count, 1);
        CHECK_COUNT(result->code[0].a, mg_ref_make(MG_REF_INPUT, 0));
        mg_program_free(result);
        mg_program_free(program);
    }
    CHECK_PASS(fold, "neg $0; neg %0; neg %1; out %0 %1 %2", "neg $0; neg $0; out %0 $0 %1");
    CHECK_PASS(fold, "abs $0; abs %0; relu $0; relu %2; out %1 %3", "abs $0; relu $0; out %0 %1");
    CHECK_PASS(fold, "floor $0; ceil %0; floor %1; sign $0; ceil %3; out %2 %4",
               "floor $0; sign $0; out %0 %1");
    /* The identity of an identity. */
    CHECK_PASS(fold, "mul_vc $0 1; add_vc %0 -0; sub_vc %1 0; out %2",
               "out $0; unused 1; unused -0; unused 0");
}

static void what_looks_like_an_identity_stays(void) {
    CHECK_SAME_AFTER(fold, "add_vc $0 0; out %0");
    CHECK_SAME_AFTER(fold, "add_cv 0 $0; out %0");
    CHECK_SAME_AFTER(fold, "sub_vc $0 -0; out %0");
    CHECK_SAME_AFTER(fold, "sub_cv 0 $0; sub_cv -0 $0; out %0 %1");
    CHECK_SAME_AFTER(fold, "mul_vc $0 0; mul_vc $0 -1; div_cv 1 $0; div_vc $0 -1; out %0 %1");
    CHECK_SAME_AFTER(fold, "pow_cv 1 $0; pow_vc $0 0; pow_vc $0 2; out %0 %1 %2");
    CHECK_SAME_AFTER(fold, "sub $0 $0; div $0 $0; out %0 %1");
    CHECK_SAME_AFTER(fold, "mul_vc $0 0.99999999999999989; mul_vc $0 1.0000000000000002; out %1");
    CHECK_SAME_AFTER(fold, "neg $0; abs %0; neg %1; exp %2; exp %3; sign %4; sign %5; out %6");
    CHECK_SAME_AFTER(fold, "where $0 1 2; take 1 2 $0; polyval 1 $0; norm $0; logsumexp $0; out");
}

/* What the comments in pass_fold.c claim, for every kind of double. */
static void identities_hold_for_every_double(void) {
    static const double edges[] = {0.0,
                                   -0.0,
                                   1.0,
                                   5e-324,
                                   -5e-324,
                                   1e-310,
                                   DBL_MIN,
                                   DBL_MAX,
                                   INFINITY,
                                   -INFINITY,
                                   NAN,
                                   -1.0,
                                   4503599627370495.5,
                                   9007199254740993.0};
    const size_t edge_count = sizeof edges / sizeof *edges;
    for (size_t i = 0; i < 200000; i++) {
        double x;
        uint64_t bits = random_bits();
        memcpy(&x, &bits, sizeof x);
        x = i < edge_count ? edges[i] : x;
        CHECK_SAME(mg_mul_forward(x, 1.0), x);
        CHECK_SAME(mg_mul_forward(1.0, x), x);
        CHECK_SAME(mg_div_forward(x, 1.0), x);
        CHECK_SAME(mg_add_forward(x, -0.0), x);
        CHECK_SAME(mg_add_forward(-0.0, x), x);
        CHECK_SAME(mg_sub_forward(x, 0.0), x);
        CHECK_SAME(mg_pow_forward(x, 1.0), x);
        CHECK_STATUS(mg_op_check(MG_OP_pow, x, 1.0, x), MG_OK);
        CHECK_SAME(mg_neg_forward(mg_neg_forward(x)), x);
        CHECK_SAME(mg_abs_forward(mg_abs_forward(x)), mg_abs_forward(x));
        CHECK_SAME(mg_relu_forward(mg_relu_forward(x)), mg_relu_forward(x));
        CHECK_SAME(mg_floor_forward(mg_ceil_forward(x)), mg_ceil_forward(x));
        CHECK_SAME(mg_ceil_forward(mg_floor_forward(x)), mg_floor_forward(x));
        CHECK_SAME(mg_ceil_forward(mg_sign_forward(x)), mg_sign_forward(x));
        CHECK_SAME(nary_sum(&x, 1, 0.0), x);
        CHECK_SAME(nary_mean(&x, 1, 0.0), x);
        /* What sharing and fusing rely on. */
        double y = random_below(4) ? edges[random_below(edge_count)] : random_between(-4.0, 4.0);
        CHECK_SAME(mg_add_forward(x, y), mg_add_forward(y, x));
        CHECK_SAME(mg_mul_forward(x, y), mg_mul_forward(y, x));
        CHECK_SAME(mg_hypot_forward(x, y), mg_hypot_forward(y, x));
        CHECK_SAME(-0.0 + x * y, x * y);
    }
}

/* --- share --- */

static void equal_ops_become_one(void) {
    CHECK_PASS(share, "exp $0; exp $0; add %0 %1; exp $1; out %2 %1 %3",
               "exp $0; add %0 %0; exp $1; out %1 %0 %2");
    CHECK_PASS(share, "exp $0; exp $0; neg %0; neg %1; out %3", "exp $0; neg %0; out %1");
    CHECK_PASS(share, "log -1; log -1; out %1", "log -1; out %0");
    CHECK_PASS(share, "where $0 $1 $2; where $0 $1 $2; where $0 $2 $1; out %0 %1 %2",
               "where $0 $1 $2; where $0 $2 $1; out %0 %0 %1");
    CHECK_PASS(share, "sum $0 $1; sum $0 $1; sum $1 $0; mean $0 $1; sum $0 $1 $2; sum; sum; out %6",
               "sum $0 $1; sum $1 $0; mean $0 $1; sum $0 $1 $2; sum; out %4");
    CHECK_PASS(
        share,
        "cross_entropy $0 $1 | 1; cross_entropy $0 $1; cross_entropy $0 $1 | 1; out %0 %1 %2",
        "cross_entropy $0 $1 | 1; cross_entropy $0 $1; out %0 %1 %0");
}

static void symmetric_ops_may_have_their_operands_swapped(void) {
    CHECK_PASS(share, "add $1 $0; add $0 $1; mul $0 $1; mul $1 $0; out %0 %1 %2 %3",
               "add $1 $0; mul $0 $1; out %0 %0 %1 %1");
    CHECK_PASS(share, "hypot $0 $1; hypot $1 $0; out %1", "hypot $0 $1; out %0");
    CHECK_SAME_AFTER(share, "sub $0 $1; sub $1 $0; div $0 $1; div $1 $0; pow $0 $1; pow $1 $0; "
                            "atan2 $0 $1; atan2 $1 $0; minimum $0 $1; minimum $1 $0; "
                            "maximum $0 $1; maximum $1 $0; less $0 $1; greater $0 $1; less $1 $0; "
                            "exp_difference $0 $1; exp_difference $1 $0; out");
}

static void equal_constants_become_one(void) {
    CHECK_PASS(share, "mul_vc $0 2; mul_cv 2 $0; mul $0 2; add_vc %0 2; out %1 %2 2 %3",
               "mul_vc $0 2; add_vc %0 2; out %0 %0 2 %1");
    /* By their bits: the zeros are two. */
    CHECK_SAME_AFTER(share, "add_vc $0 0; add_vc $0 -0; sub_vc $0 1; sub_cv 1 $0; out");
    mg_program *program = program_from_text("sum 0 -0 0 nan nan 1 1 -0 2; out"), *result = NULL;
    CHECK_STATUS(mg_pass_share(program, NULL, &result), MG_OK);
    CHECK_COUNT(result->constant_count, 5);
    CHECK_TEXT(text_of(result), "sum 0 -0 0 nan nan 1 1 -0 2; out");
    mg_program_free(result);
    mg_program_free(program);
}

/* --- prune --- */

static void what_no_output_needs_goes(void) {
    CHECK_PASS(prune, "exp $0; neg %0; sin $0; add_vc %2 1; out %1", "exp $0; neg %0; out %1");
    CHECK_PASS(prune, "add_vc $1 7; mul_vc $0 2; sum %0 3 | 4; where %1 5 6; out %3 9; in 3",
               "mul_vc $0 2; where %0 5 6; out %1 9; in 3");
    CHECK_PASS(prune, "log -1; exp $0; out $0", "out $0");
    CHECK_PASS(prune, "exp $0; out; in 5", "out; in 5");
    CHECK_PASS(prune, "neg $0; exp $0; out %1", "exp $0; out %0");
    CHECK_SAME_AFTER(prune, "neg $0; neg %0; where %1 %0 3 | 2; neg 4; out %2 %3; in 2");
}

/* --- dots --- */

static void products_added_up_become_a_dot(void) {
    CHECK_PASS(dots, "mul $0 $1; mul $2 $3; add %0 %1; out %2", "dot $0 $2 $1 $3 -0; out %0");
    CHECK_PASS(dots, "mul $0 $1; add $4 %0; mul $2 $3; add %1 %2; out %3",
               "dot $0 $2 $1 $3 $4; out %0");
    /* Either operand of an addition. */
    CHECK_PASS(dots, "mul $0 $1; add %0 $4; mul $2 $3; add %2 %1; exp %3; out %4",
               "dot $0 $2 $1 $3 $4; exp %0; out %1");
    /* From what somebody else needs as well, on a constant, with constants. */
    CHECK_PASS(dots, "exp $0; mul_vc $0 2; add %0 %1; mul_cv 3 $1; add %2 %3; out %0 %4",
               "exp $0; dot $0 3 2 $1 %0; out %0 %1");
    CHECK_PASS(dots, "mul $0 $0; add_cv 0 %0; mul $1 $1; add %1 %2; out %3",
               "dot $0 $1 $0 $1 0; out %0");
    CHECK_PASS(dots, "mul $0 $0; add_vc %0 5; mul $1 $1; add %1 %2; out %3",
               "dot $0 $1 $0 $1 5; out %0");
    /* A sum of products, alone and in a chain. */
    CHECK_PASS(dots, "mul $0 $1; mul $2 $3; mul $4 $5; sum %0 %1 %2; out %3",
               "dot $0 $2 $4 $1 $3 $5 -0; out %0");
    CHECK_PASS(dots, "mul $0 $1; add %0 $6; mul $2 $3; mul $4 $5; sum %1 %2 %3; out %4",
               "dot $0 $2 $4 $1 $3 $5 $6; out %0");
    /* The total of a chain can be a factor or a start of the next. */
    CHECK_PASS(dots,
               "mul $0 $1; mul $1 $2; add %0 %1; mul %2 %2; mul $0 $0; add %3 %4; "
               "mul $1 $1; mul $2 $2; sum %5 %6 %7; out %8",
               "dot $0 $1 $1 $2 -0; dot %0 $0 $1 $2 %0 $0 $1 $2 -0; out %1");
}

static void what_others_need_stays_out_of_a_dot(void) {
    /* A product or a total that is read twice, or is an output. */
    CHECK_SAME_AFTER(dots, "mul $0 $1; mul $2 $3; add %0 %1; exp %0; out %2 %3");
    CHECK_SAME_AFTER(dots, "mul $0 $1; mul $2 $3; add %0 %1; out %2 %1");
    CHECK_SAME_AFTER(dots, "mul $0 $1; add $2 %0; mul $0 $2; add %1 %2; out %3 %1");
    CHECK_SAME_AFTER(dots, "mul $0 $1; add %0 %0; out %1");
    CHECK_SAME_AFTER(dots, "mul $0 $1; sum %0 %0; out %1");
    /* One product alone, a difference, a sum that has more than products. */
    CHECK_SAME_AFTER(dots, "mul $0 $1; add $2 %0; exp %1; out %2");
    CHECK_SAME_AFTER(dots, "mul $0 $1; mul $2 $3; sub %0 %1; out %2");
    CHECK_SAME_AFTER(dots, "mul $0 $1; mul $2 $3; sum %0 %1 $4; out %2");
    CHECK_SAME_AFTER(dots, "mul $0 $1; sum %0; neg $0; sum; out %1");
    /* Two chains that are added up: each is too short. */
    CHECK_SAME_AFTER(dots, "mul $0 $1; add $2 %0; mul $0 $2; add $3 %2; add %1 %3; out %4");
    /* As long as it is read once the product may be anywhere. */
    CHECK_PASS(dots, "mul $0 $1; exp $2; mul %1 %1; sin %1; add %0 %2; add %4 %3; out %5",
               "exp $2; sin %0; dot $0 %0 $1 %0 -0; add %2 %1; out %3");
}

/* --- sums --- */

static void additions_become_a_sum(void) {
    CHECK_PASS(sums, "add $0 $1; add %0 $2; out %1", "sum $0 $1 $2; out %0");
    CHECK_PASS(sums, "add $0 $1; add $2 %0; add %1 $3; out %2", "sum $0 $1 $2 $3; out %0");
    CHECK_PASS(sums, "add_cv 0 $0; add %0 $1; add_vc %1 7; exp %2; out %3",
               "sum 0 $0 $1 7; exp %0; out %1");
    CHECK_PASS(sums, "add $0 $0; add %0 $0; out %1", "sum $0 $0 $0; out %0");
    /* Of two totals the one that has come further goes on. */
    CHECK_PASS(sums, "add $0 $1; add %0 $2; add $3 $0; add %2 %1; out %3",
               "add $3 $0; sum $0 $1 $2 %0; out %1");
    CHECK_PASS(sums, "add $0 $1; add $2 $3; add %0 %1; out %2", "add $2 $3; sum $0 $1 %0; out %1");
    /* Sums are links like others. */
    CHECK_PASS(sums, "sum $0 $1; add %0 $2; sum %1 $0 $3; add $4 %2; out %3",
               "sum $0 $1 $2 $0 $3 $4; out %0; unused 0");
}

static void what_others_need_stays_out_of_a_sum(void) {
    CHECK_SAME_AFTER(sums, "add $0 $1; add %0 $2; out %1 %0");
    CHECK_SAME_AFTER(sums, "add $0 $1; add %0 %0; out %1");
    CHECK_SAME_AFTER(sums, "add $0 $1; sub %0 $2; add %1 $3; out %2");
    CHECK_SAME_AFTER(sums, "add $0 $1; neg %0; add %1 $2; out %2");
    CHECK_SAME_AFTER(sums, "sum $0 $1 $2; mean %0 $1; sum; add %2 $0; sum %3; out %4");
    /* A sum that is not the first operand of one is a term of it. */
    CHECK_SAME_AFTER(sums, "sum $0 $1; sum $2 %0; out %1");
}

/* Terms computed along the way would wait: a long chain of them becomes pieces. */
static void long_chains_are_cut_where_terms_would_wait(void) {
    enum { TERMS = 1000 };
    for (int kind = 0; kind < 3; kind++) {
        mg_program *program = mg_program_new(2), *result = NULL;
        mg_ref term = mg_ref_make(MG_REF_INPUT, 0), total = term;
        for (int i = 0; i < TERMS; i++) {
            if (kind == 0) { /* a term that is new each time */
                CHECK_STATUS(mg_program_op(program, MG_OP_exp, term, 0, &term), MG_OK);
            }
            mg_ref product = term;
            if (kind != 2) {
                CHECK_STATUS(mg_program_op(program, MG_OP_mul, term, term, &product), MG_OK);
            }
            CHECK_STATUS(mg_program_op(program, MG_OP_add, total, product, &total), MG_OK);
        }
        CHECK_STATUS(mg_program_set_outputs(program, &total, 1), MG_OK);
        CHECK_STATUS(mg_passes_run(program, 1u << MG_PASS_dots | 1u << MG_PASS_sums, NULL, &result),
                     MG_OK);
        uint32_t longest = 0, pieces = 0;
        for (uint32_t i = 0; i < result->op_count; i++) {
            const mg_instruction *op = &result->code[i];
            if (op->op != MG_OP_exp) {
                CHECK_COUNT(op->op, kind == 2 ? MG_OP_sum : MG_OP_dot);
                longest = op->b > longest ? op->b : longest;
                pieces++;
            }
        }
        CHECK_COUNT(pieces == 1, kind != 0);
        CHECK(kind != 0 || (longest < 80 && pieces < TERMS / 10));
        mg_program_free(result);
        mg_program_free(program);
    }
}

/* Prune, dots and sums know beforehand what they will write: the last of them, whose program is
   kept, takes no more memory than that. */
static void programs_are_as_large_as_what_is_in_them(void) {
    static const mg_pass_number exact[] = {MG_PASS_prune, MG_PASS_dots, MG_PASS_sums};
    mg_program *program = mg_program_new(1);
    const mg_ref x = mg_ref_make(MG_REF_INPUT, 0), operands[] = {x, x};
    mg_ref total = x, last[2];
    for (int i = 0; i < 200; i++) {
        mg_ref product, number, sum;
        CHECK_STATUS(mg_program_constant(program, i, &number), MG_OK);
        CHECK_STATUS(mg_program_op(program, MG_OP_mul_vc, x, number, &product), MG_OK);
        CHECK_STATUS(mg_program_op(program, MG_OP_add, total, product, &total), MG_OK);
        CHECK_STATUS(mg_program_op(program, MG_OP_mul_cv, number, x, &product), MG_OK);
        CHECK_STATUS(mg_program_op(program, MG_OP_add, total, product, &total), MG_OK);
        CHECK_STATUS(mg_program_op(program, MG_OP_exp, total, 0, &sum), MG_OK);
        CHECK_STATUS(mg_program_wide(program, MG_OP_sum, operands, 2, number, &sum), MG_OK);
        CHECK_STATUS(mg_program_op(program, MG_OP_add, sum, x, &sum), MG_OK);
        CHECK_STATUS(mg_program_op(program, MG_OP_add, sum, x, &last[0]), MG_OK);
        CHECK_STATUS(mg_program_op(program, MG_OP_mul, total, last[0], &total), MG_OK);
    }
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++) {
        mg_program *result = NULL;
        last[1] = total;
        CHECK_STATUS(mg_program_set_outputs(program, last, 2), MG_OK);
        CHECK_STATUS(mg_pass_table[exact[i]].run(program, NULL, &result), MG_OK);
        CHECK(result->op_count < program->op_count);
        CHECK_COUNT(result->op_room, result->op_count);
        CHECK_COUNT(result->wide_room, result->wide_count);
        mg_program_free(result);
    }
    mg_program_free(program);
}

/* --- all of them --- */

static void passes_build_on_one_another(void) {
    const uint32_t all = (1u << MG_PASS_COUNT) - 1;
    const char *before = "mul $0 1; exp %0; exp $0; mul %1 %2; mul_vc $1 2; add %3 %4; "
                         "add 1 2; add %5 %6; add %7 $0; sin $1; out %8";
    const char *after = "exp $0; dot %0 $1 %0 2 -0; sum %1 3 $0; out %2";
    check_run(all, before, after, __LINE__);
    check_run(~0u, before, after, __LINE__); /* no bit but those of passes means anything */
    check_run(0, "mul $0 1; mul 1 1; out %0", "mul $0 1; mul 1 1; out %0", __LINE__);
    check_run(all, "out; in 3", "out; in 3", __LINE__);
    check_run(all, "out $1 $0 2.5 2.5", "out $1 $0 2.5 2.5", __LINE__);
}

static void the_table_names_each_pass(void) {
#define PASS(pass, text)                                     \
    CHECK_TEXT(mg_pass_table[MG_PASS_##pass].name, #pass);   \
    CHECK_TEXT(mg_pass_table[MG_PASS_##pass].meaning, text); \
    CHECK(mg_pass_table[MG_PASS_##pass].run == mg_pass_##pass);
    MG_PASSES(PASS)
#undef PASS
    CHECK_COUNT(MG_PASS_COUNT, 5);
}

static mg_status passes_under_failure(uint32_t wanted) {
    mg_program *program = program_from_text(
        "mul $0 1; exp %0; exp $0; mul %1 %2; mul_vc $1 2; add %3 %4; add 1 2; add %5 %6; "
        "add %7 $0; dot 1 2 3; where $0 %9 $1; sin $1; sum $0 $1 $0 | 3; sum 1 2 3 4; "
        "out %8 %10 %12 %13");
    mg_program *result = NULL;
    if (program == NULL) {
        return MG_NO_MEMORY;
    }
    mg_status status = mg_passes_run(program, wanted, NULL, &result);
    CHECK((result == NULL) == (status != MG_OK));
    mg_program_free(result);
    mg_program_free(program);
    return status;
}

static mg_status none_under_failure(void) { return passes_under_failure(0); }
static mg_status all_under_failure(void) { return passes_under_failure(~0u); }
#define PASS(pass, text)                                   \
    static mg_status pass##_under_failure(void) {          \
        return passes_under_failure(1u << MG_PASS_##pass); \
    }
MG_PASSES(PASS)
#undef PASS

int main(void) {
    RUN(constants_are_computed);
    RUN(what_raises_stays);
    RUN(constant_operands_go_into_the_code);
    RUN(operands_that_are_returned_take_the_place_of_the_op);
    RUN(what_looks_like_an_identity_stays);
    RUN(identities_hold_for_every_double);
    RUN(equal_ops_become_one);
    RUN(symmetric_ops_may_have_their_operands_swapped);
    RUN(equal_constants_become_one);
    RUN(what_no_output_needs_goes);
    RUN(products_added_up_become_a_dot);
    RUN(what_others_need_stays_out_of_a_dot);
    RUN(additions_become_a_sum);
    RUN(what_others_need_stays_out_of_a_sum);
    RUN(long_chains_are_cut_where_terms_would_wait);
    RUN(programs_are_as_large_as_what_is_in_them);
    RUN(passes_build_on_one_another);
    RUN(the_table_names_each_pass);
    RUN_EACH_FAILURE(none_under_failure);
    RUN_EACH_FAILURE(all_under_failure);
#define PASS(pass, text) RUN_EACH_FAILURE(pass##_under_failure);
    MG_PASSES(PASS)
#undef PASS
    return harness_summary("passes");
}
