/* Passes on random programs: whatever is wanted of them, the outputs stay the same to the bit, what
   raises raises the same, gradients agree, and each pass leaves nothing behind that is its work. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "passes.h"
#include "program_run.h"
#include "program_text.h"

#if !defined(RANDOM_PROGRAMS)
#define RANDOM_PROGRAMS 3000
#endif
#if !defined(LARGE_OPS)
#define LARGE_OPS (SANITIZED ? 200000 : 1000000)
#endif

enum { MOST_OPS = 80, MOST_INPUTS = 4, MOST_OUTPUTS = 4, MOST_RESULTS = 2 * MOST_OPS };

/* --- the same before and after --- */

typedef struct {
    double results[MOST_RESULTS], outputs[MOST_OUTPUTS];
    double gradient[MOST_INPUTS], scale[MOST_INPUTS];
    mg_status status;
} run;

static void run_all(const mg_program *program, const double *inputs, const double *weights,
                    run *of) {
    CHECK(program->op_count <= MOST_RESULTS && program->output_count <= MOST_OUTPUTS);
    of->status = program_run(program, inputs, of->results, NULL);
    for (uint32_t i = 0; i < program->output_count; i++) {
        of->outputs[i] = program_number(program, inputs, of->results, program->outputs[i]);
    }
    program_gradient(program, inputs, of->results, weights, of->gradient, of->scale);
}

/* How often the programs of a test raised, and gradients could be compared. */
static uint64_t raised, compared;

static void check_equal(const mg_program *before, const mg_program *after, uint32_t wanted) {
    static const double weights[MOST_OUTPUTS] = {1.0, -0.5, 2.0, 0.25};
    for (int tame = 0; tame < 2; tame++) {
        double inputs[MOST_INPUTS];
        run a, b;
        random_inputs(inputs, before->input_count, tame);
        run_all(before, inputs, weights, &a);
        run_all(after, inputs, weights, &b);
        for (uint32_t i = 0; i < before->output_count; i++) {
            CHECK_SAME(b.outputs[i], a.outputs[i]);
        }
        /* Only dropping what is not needed may change what raises, and only to nothing or to what
           comes next. */
        raised += a.status != MG_OK;
        if ((wanted & 1u << MG_PASS_prune) == 0) {
            CHECK_STATUS(b.status, a.status);
        } else if (wanted == 1u << MG_PASS_prune) {
            unsigned char needed[MOST_OPS];
            double results[MOST_OPS];
            program_needed(before, needed);
            CHECK_STATUS(b.status, program_run(before, inputs, results, needed));
        } else {
            CHECK(b.status == MG_OK || a.status != MG_OK);
        }
        for (uint32_t i = 0; i < before->input_count; i++) {
            if (a.scale[i] < 1e200) {
                CHECK_NEAR(b.gradient[i] / (a.scale[i] + 1e-300),
                           a.gradient[i] / (a.scale[i] + 1e-300), 1e-12);
                compared++;
            }
        }
    }
}

/* --- what a pass leaves --- */

static uint32_t row_of(const mg_instruction *op) { return mg_op_table[op->op].row; }

static int is_constant(mg_ref ref) { return mg_ref_kind_of(ref) == MG_REF_CONSTANT; }

/* No op on constants alone but one that raises, and no constant where the code could say so. */
static void check_folded(const mg_program *program) {
    double inputs[MOST_INPUTS] = {0}, results[MOST_RESULTS];
    program_run(program, inputs, results, NULL);
    for (uint32_t i = 0; i < program->op_count; i++) {
        const mg_instruction *op = &program->code[i];
        mg_ref pair[2];
        const mg_ref *operands = pair;
        uint32_t count = mg_program_operands(program, op, pair, &operands), constants = 0;
        for (uint32_t k = 0; k < count; k++) {
            constants += is_constant(operands[k]);
        }
        if (constants == count) {
            /* This one alone. */
            unsigned char only[MOST_RESULTS] = {0};
            only[i] = 1;
            CHECK(program_run(program, inputs, results, only) != MG_OK);
        } else if (mg_op_shapes[op->op] == MG_SHAPE_VV) {
            CHECK_COUNT(constants, 0);
        }
    }
}

static int is_same_op(const mg_program *program, uint32_t i, uint32_t j) {
    const mg_instruction *a = &program->code[i], *b = &program->code[j];
    if (row_of(a) != row_of(b)) {
        return 0;
    }
    if (mg_op_is_wide(a->op)) {
        return a->b == b->b &&
               memcmp(program->wide + a->a, program->wide + b->a, (a->b + 1) * sizeof(mg_ref)) == 0;
    }
    const uint32_t row = row_of(a);
    return (a->a == b->a && a->b == b->b) ||
           ((row == MG_OP_add || row == MG_OP_mul || row == MG_OP_hypot) && a->a == b->b &&
            a->b == b->a);
}

static void check_shared(const mg_program *program) {
    for (uint32_t i = 0; i < program->op_count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            CHECK(!is_same_op(program, i, j));
        }
    }
    for (uint32_t i = 0; i < program->constant_count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            CHECK(memcmp(&program->constants[i], &program->constants[j], sizeof(double)) != 0);
        }
    }
}

/* How many operands and outputs name each op; an output counts as two. */
static void count_readers(const mg_program *program, uint32_t *readers) {
    memset(readers, 0, MOST_RESULTS * sizeof *readers);
    for (uint32_t i = 0; i < program->op_count; i++) {
        mg_ref pair[2];
        const mg_ref *operands = pair;
        uint32_t count = mg_program_operands(program, &program->code[i], pair, &operands);
        for (uint32_t k = 0; k < count; k++) {
            if (mg_ref_kind_of(operands[k]) == MG_REF_OP) {
                readers[mg_ref_index(operands[k])]++;
            }
        }
    }
    for (uint32_t i = 0; i < program->output_count; i++) {
        if (mg_ref_kind_of(program->outputs[i]) == MG_REF_OP) {
            readers[mg_ref_index(program->outputs[i])] += 2;
        }
    }
}

/* Whether `ref` is an op of the row that nothing else reads. */
static int is_own(const mg_program *program, const uint32_t *readers, mg_ref ref, mg_op row) {
    return mg_ref_kind_of(ref) == MG_REF_OP && readers[mg_ref_index(ref)] == 1 &&
           row_of(&program->code[mg_ref_index(ref)]) == row;
}

/* No addition of two products, and none of a product to such an addition. */
static void check_dotted(const mg_program *program) {
    uint32_t readers[MOST_RESULTS];
    count_readers(program, readers);
    for (uint32_t i = 0; i < program->op_count; i++) {
        const mg_instruction *op = &program->code[i];
        const mg_ref operands[] = {op->a, op->b};
        if (row_of(op) != MG_OP_add) {
            continue;
        }
        for (int k = 0; k < 2; k++) {
            const mg_ref other = operands[1 - k];
            if (!is_own(program, readers, operands[k], MG_OP_mul)) {
                continue;
            }
            CHECK(!is_own(program, readers, other, MG_OP_mul));
            if (is_own(program, readers, other, MG_OP_add)) {
                const mg_instruction *inner = &program->code[mg_ref_index(other)];
                CHECK(!is_own(program, readers, inner->a, MG_OP_mul));
                CHECK(!is_own(program, readers, inner->b, MG_OP_mul));
            }
        }
    }
}

/* No addition to a running total that only it reads, which could be part of it. */
static void check_summed(const mg_program *program) {
    uint32_t readers[MOST_RESULTS];
    count_readers(program, readers);
    for (uint32_t i = 0; i < program->op_count; i++) {
        const mg_instruction *op = &program->code[i];
        if (row_of(op) == MG_OP_add) {
            CHECK(!is_own(program, readers, op->a, MG_OP_add));
            CHECK(!is_own(program, readers, op->b, MG_OP_add));
        }
    }
}

static void check_again(const mg_program *program, mg_pass_number number) {
    char text[4096];
    mg_program *again = NULL;
    snprintf(text, sizeof text, "%s", text_of(program));
    CHECK_STATUS(mg_pass_table[number].run(program, NULL, &again), MG_OK);
    CHECK_TEXT(text_of(again), text);
    mg_program_free(again);
}

/* A pass on a random program; `check` looks at what it left. */
static void check_pass(mg_pass_number number, void (*check)(const mg_program *)) {
    raised = compared = 0;
    for (int i = 0; i < RANDOM_PROGRAMS; i++) {
        const char *why;
        char before_text[4096];
        mg_program *before = program_random((uint32_t)random_below(MOST_OPS)), *after = NULL;
        snprintf(before_text, sizeof before_text, "%s", text_of(before));
        if (CHECK_STATUS(mg_pass_table[number].run(before, NULL, &after), MG_OK)) {
            CHECK_STATUS(mg_program_verify(after, &why), MG_OK);
            CHECK(after->op_count <= before->op_count);
            check_equal(before, after, 1u << number);
            check(after);
            check_again(after, number);
        }
        CHECK_TEXT(text_of(before), before_text);
        mg_program_free(after);
        mg_program_free(before);
    }
    CHECK(raised > RANDOM_PROGRAMS / 10 && compared > RANDOM_PROGRAMS / 2);
}

static void check_pruned(const mg_program *program) {
    unsigned char needed[MOST_RESULTS];
    program_needed(program, needed);
    for (uint32_t i = 0; i < program->op_count; i++) {
        CHECK(needed[i]);
    }
    CHECK(strstr(text_of(program), "unused") == NULL);
}

static void folding_keeps_results(void) { check_pass(MG_PASS_fold, check_folded); }
static void sharing_keeps_results(void) { check_pass(MG_PASS_share, check_shared); }
static void pruning_keeps_results(void) { check_pass(MG_PASS_prune, check_pruned); }
static void dots_keep_results(void) { check_pass(MG_PASS_dots, check_dotted); }
static void sums_keep_results(void) { check_pass(MG_PASS_sums, check_summed); }

static void any_choice_of_passes_keeps_results(void) {
    uint64_t before_ops = 0, after_ops = 0;
    for (uint32_t i = 0; i < 2 * RANDOM_PROGRAMS; i++) {
        const uint32_t wanted = i % (1u << MG_PASS_COUNT);
        const char *why;
        mg_program *before = program_random((uint32_t)random_below(MOST_OPS)), *after = NULL;
        if (CHECK_STATUS(mg_passes_run(before, wanted, NULL, &after), MG_OK)) {
            CHECK_STATUS(mg_program_verify(after, &why), MG_OK);
            check_equal(before, after, wanted);
            before_ops += before->op_count;
            after_ops += after->op_count;
        }
        mg_program_free(after);
        mg_program_free(before);
    }
    CHECK(after_ops < before_ops / 10 * 8);
}

/* --- large ones: a pass whose time is not linear does not end --- */

static mg_ref append_op(mg_program *program, uint32_t op, mg_ref a, mg_ref b) {
    mg_ref ref = 0;
    CHECK_STATUS(mg_program_op(program, op, a, b, &ref), MG_OK);
    return ref;
}

static mg_ref append_constant(mg_program *program, double number) {
    mg_ref ref = 0;
    CHECK_STATUS(mg_program_constant(program, number, &ref), MG_OK);
    return ref;
}

/* Runs all passes, and checks how many ops are left. */
static void check_large(mg_program *program, mg_ref output, uint32_t fewest, uint32_t most) {
    mg_program *result = NULL;
    const char *why;
    CHECK_STATUS(mg_program_set_outputs(program, &output, 1), MG_OK);
    if (CHECK_STATUS(mg_passes_run(program, ~0u, NULL, &result), MG_OK)) {
        CHECK_STATUS(mg_program_verify(result, &why), MG_OK);
        CHECK(result->op_count >= fewest && result->op_count <= most);
    }
    mg_program_free(result);
    mg_program_free(program);
}

/* Everything computed from the same op: where a search begins in the table is taken. */
static void an_op_that_everything_reads(void) {
    mg_program *program = mg_program_new(1);
    mg_ref star = append_op(program, MG_OP_exp, mg_ref_make(MG_REF_INPUT, 0), 0), total = star;
    for (uint32_t i = 0; i < LARGE_OPS; i++) {
        mg_ref number = append_constant(program, i / 2); /* each twice */
        mg_ref ray = append_op(program, MG_OP_atan2_vc, star, number);
        total = append_op(program, MG_OP_hypot, total, ray);
    }
    check_large(program, total, LARGE_OPS + LARGE_OPS / 2, LARGE_OPS + LARGE_OPS / 2 + 2);
}

/* A region of the table that is full, into which others come at random. */
static void a_crowded_table(void) {
    mg_program *program = mg_program_new(1);
    const mg_ref x = mg_ref_make(MG_REF_INPUT, 0);
    mg_ref total = x;
    const uint32_t count = LARGE_OPS / 4;
    for (uint32_t i = 0; i < count; i++) {
        append_op(program, MG_OP_atan2_vc, x, append_constant(program, i));
    }
    for (uint32_t i = 0; i < 3 * count; i++) {
        mg_ref from = mg_ref_make(MG_REF_OP, i % count);
        mg_ref one = append_op(program,
                               i < count       ? MG_OP_sin
                               : i < 2 * count ? MG_OP_cos
                                               : MG_OP_exp,
                               from, 0);
        total = append_op(program, MG_OP_hypot, total, one);
    }
    check_large(program, total, 7 * count, 7 * count);
}

static void long_chains(void) {
    mg_program *program = mg_program_new(2);
    const mg_ref x = mg_ref_make(MG_REF_INPUT, 0), y = mg_ref_make(MG_REF_INPUT, 1);
    mg_ref total = x;
    for (uint32_t i = 0; i < LARGE_OPS; i++) { /* one dot of what differs */
        mg_ref number = append_constant(program, 2.0 + i);
        total = append_op(program, MG_OP_add, total, append_op(program, MG_OP_mul, number, y));
    }
    for (uint32_t i = 0; i < LARGE_OPS; i++) { /* one sum */
        total = append_op(program, MG_OP_add, i % 2 ? x : total, i % 2 ? total : y);
    }
    for (uint32_t i = 0; i < LARGE_OPS; i++) { /* nothing, when each has been looked at */
        total = append_op(program, MG_OP_neg, total, 0);
    }
    for (uint32_t i = 0; i < LARGE_OPS; i++) { /* nothing at all */
        append_op(program, MG_OP_neg, mg_ref_make(MG_REF_OP, i), 0);
    }
    /* A piece ends after 2^18 terms. */
    const uint32_t pieces = (LARGE_OPS + (1 << 18) - 1) >> 18;
    check_large(program, total, 2 * pieces, 2 * pieces);
}

int main(void) {
    RUN(folding_keeps_results);
    RUN(sharing_keeps_results);
    RUN(pruning_keeps_results);
    RUN(dots_keep_results);
    RUN(sums_keep_results);
    RUN(any_choice_of_passes_keeps_results);
    RUN(an_op_that_everything_reads);
    RUN(a_crowded_table);
    RUN(long_chains);
    return harness_summary("passes_random");
}
