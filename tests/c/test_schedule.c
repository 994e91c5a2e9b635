/* The order of a tape's steps, and random programs run in it: the same numbers to the bit and the
   same failures as op by op, and the same gradients but for the order in which they are added. */
#include "schedule.h"

#include <math.h>
#include <string.h>

#include "harness.h"
#include "program_run.h"
#include "tape.h"

enum { MOST_OPS = 120, MOST_INPUTS = 4, MOST_OUTPUTS = 4 };

static double *zeros(size_t count) {
    double *numbers = mg_memory_alloc(count + 1, sizeof(double));
    if (numbers != NULL) {
        memset(numbers, 0, (count + 1) * sizeof(double));
    }
    return numbers;
}

/* --- the order --- */

/* Each op once, behind all that it reads, and in its own window. */
static void check_order(const mg_program *program, const uint32_t *order) {
    uint32_t *places = mg_memory_alloc(program->op_count + (size_t)1, sizeof(uint32_t));
    memset(places, 0xff, program->op_count * sizeof(uint32_t));
    for (uint32_t s = 0; s < program->op_count; s++) {
        mg_ref pair[2];
        const mg_ref *operands = pair;
        CHECK(order[s] < program->op_count && places[order[s]] == UINT32_MAX);
        CHECK_COUNT(order[s] / MG_WINDOW, s / MG_WINDOW);
        places[order[s]] = s;
        uint32_t count = mg_program_operands(program, &program->code[order[s]], pair, &operands);
        for (uint32_t k = 0; k < count; k++) {
            if (mg_ref_kind_of(operands[k]) == MG_REF_OP) {
                CHECK(places[mg_ref_index(operands[k])] < s);
            }
        }
    }
    mg_memory_free(places);
}

static void schedule(const mg_program *program) {
    uint32_t *order = mg_memory_alloc(program->op_count + (size_t)1, sizeof(uint32_t));
    CHECK_STATUS(mg_schedule(program, NULL, order), MG_OK);
    check_order(program, order);
    mg_memory_free(order);
}

static void an_op_comes_behind_what_it_reads(void) {
    for (int i = 0; i < 300; i++) {
        mg_program *program = program_random((uint32_t)(1 + random_below(MOST_OPS)));
        schedule(program);
        mg_program_free(program);
    }
    mg_program *large = program_random(3 * MG_WINDOW + 17);
    schedule(large);
    mg_program_free(large);
}

/* Sines and cosines in turn, as a loop writes them. */
static mg_program *alternating(uint32_t terms) {
    mg_program *program = mg_program_new(1);
    mg_ref x = mg_ref_make(MG_REF_INPUT, 0), s, c;
    for (uint32_t i = 0; i < terms; i++) {
        mg_program_op(program, MG_OP_sin, x, 0, &s);
        mg_program_op(program, MG_OP_cos, x, 0, &c);
    }
    mg_program_set_outputs(program, &c, 1);
    return program;
}

static void equal_ops_come_together(void) {
    mg_program *program = alternating(100);
    uint32_t order[200];
    CHECK_STATUS(mg_schedule(program, NULL, order), MG_OK);
    for (uint32_t s = 0; s < 200; s++) {
        CHECK_COUNT(order[s], s < 100 ? 2 * s : 2 * (s - 100) + 1);
    }
    mg_tape *tape = NULL;
    mg_program *copy = mg_program_copy(program);
    CHECK_STATUS(mg_tape_new(program, 1, NULL, &tape), MG_OK);
    CHECK_COUNT(tape->run_count, 2);
    CHECK_COUNT(tape->runs[0].op, MG_OP_sin);
    CHECK_COUNT(tape->runs[0].end, 100);
    mg_tape_drop(tape);
    CHECK_STATUS(mg_tape_new(copy, 0, NULL, &tape), MG_OK);
    CHECK_COUNT(tape->run_count, 200);
    mg_tape_drop(tape);
}

/* Dots of one length first, then those of the other: the loop in each is of one length. */
static void wide_ops_of_one_length_come_together(void) {
    mg_program *program = mg_program_new(1);
    mg_ref x = mg_ref_make(MG_REF_INPUT, 0), operands[] = {x, x, x, x, x}, zero, r;
    uint32_t order[80];
    mg_program_constant(program, 0.0, &zero);
    for (uint32_t i = 0; i < 80; i++) {
        mg_program_wide(program, MG_OP_dot, operands, i % 2 != 0 ? 5 : 3, zero, &r);
    }
    mg_program_set_outputs(program, &r, 1);
    CHECK_STATUS(mg_schedule(program, NULL, order), MG_OK);
    check_order(program, order);
    for (uint32_t s = 1; s < 80; s++) {
        CHECK(order[s] % 2 == order[s - 1] % 2 || s == 40);
    }
    /* More lengths than there are queues for. */
    for (uint32_t i = 0; i < 100; i++) {
        mg_ref many[120];
        for (uint32_t k = 0; k < 120; k++) {
            many[k] = x;
        }
        mg_program_wide(program, MG_OP_sum, many, 10 + i, zero, &r);
    }
    schedule(program);
    mg_program_free(program);
}

/* --- running in it --- */

typedef struct {
    double *numbers, *residuals, *adjoints;
} arrays;

static void check_run(const mg_tape *tape, const arrays *at, const double *inputs) {
    static const double weights[MOST_OUTPUTS] = {1.0, -0.5, 2.0, 0.25};
    const mg_program *program = tape->program;
    double results[MOST_OPS], gradient[MOST_INPUTS], scale[MOST_INPUTS];
    mg_failure failure;
    const mg_status expected = program_run(program, inputs, results, NULL);
    memcpy(at->numbers, inputs, program->input_count * sizeof(double));
    CHECK_STATUS(mg_tape_values(tape, at->numbers, NULL, &failure), expected);
    for (uint32_t i = 0; expected == MG_OK && i < program->output_count; i++) {
        CHECK_SAME(at->numbers[tape->slot_outputs[i]],
                   program_number(program, inputs, results, program->outputs[i]));
    }
    CHECK_STATUS(mg_tape_forward(tape, at->numbers, at->residuals, NULL, &failure), expected);
    if (expected != MG_OK) {
        return;
    }
    for (uint32_t s = 0; s < tape->step_count; s++) {
        CHECK_SAME(at->numbers[tape->first_result + s], results[tape->ops[s]]);
    }
    for (uint32_t i = 0; i < program->output_count; i++) {
        at->adjoints[tape->outputs[i]] += weights[i];
    }
    CHECK_STATUS(mg_tape_reverse(tape, at->numbers, at->residuals, at->adjoints, NULL), MG_OK);
    program_gradient(program, inputs, results, weights, gradient, scale);
    for (uint32_t i = 0; i < program->input_count; i++) {
        if (scale[i] < 1e200) {
            CHECK_NEAR(at->adjoints[i] / (scale[i] + 1e-300), gradient[i] / (scale[i] + 1e-300),
                       1e-12);
        }
    }
    memset(at->adjoints, 0, tape->first_result * sizeof(double));
}

static void random_programs_run_as_op_by_op(void) {
    for (int i = 0; i < 3000; i++) {
        mg_program *program = program_random((uint32_t)(1 + random_below(MOST_OPS)));
        mg_tape *tape = NULL;
        CHECK_STATUS(mg_tape_new(program, i % 4 != 0, NULL, &tape), MG_OK);
        const arrays at = {.numbers = zeros(mg_tape_room(tape)),
                           .residuals = zeros(tape->residual_count),
                           .adjoints = zeros(tape->place_count)};
        mg_tape_prepare(tape, at.numbers);
        for (int tame = 0; tame < 2; tame++) {
            double inputs[MOST_INPUTS];
            random_inputs(inputs, program->input_count, tame);
            check_run(tape, &at, inputs);
        }
        mg_memory_free(at.numbers);
        mg_memory_free(at.residuals);
        mg_memory_free(at.adjoints);
        mg_tape_drop(tape);
    }
}

/* --- memory --- */

static mg_status make_a_tape(void) {
    mg_program *program = program_random(200);
    mg_tape *tape = NULL;
    if (program == NULL) {
        return MG_NO_MEMORY;
    }
    mg_status status = mg_tape_new(program, 1, NULL, &tape);
    if (status == MG_OK) {
        mg_tape_drop(tape);
    }
    return status;
}

static void every_allocation_may_fail(void) { RUN_EACH_FAILURE(make_a_tape); }

int main(void) {
    RUN(an_op_comes_behind_what_it_reads);
    RUN(equal_ops_come_together);
    RUN(wide_ops_of_one_length_come_together);
    RUN(random_programs_run_as_op_by_op);
    RUN(every_allocation_may_fail);
    return harness_summary("schedule");
}
