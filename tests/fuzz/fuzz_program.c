/* A libFuzzer target: bytes that are no program are refused with a reason, and whatever is accepted
   is written again as it was, and runs as the table says. Nothing may read or write out of bounds,
   be undefined, leak, or take long. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program_bytes.h"
#include "programs.h"
#include "tape.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert, also when NDEBUG is set. */
#define REQUIRE(condition) require((condition) != 0, #condition)

static void require(int holds, const char *text) {
    if (!holds) {
        fprintf(stderr, "fuzz_program: not so: %s\n", text);
        abort();
    }
}

static double *numbers(size_t count) {
    double *made = mg_memory_alloc(count + 1, sizeof(double));
    REQUIRE(made != NULL);
    memset(made, 0, (count + 1) * sizeof(double));
    return made;
}

/* The same bits, or both nan: what nans say differs from compiler to compiler. */
static int same(double one, double other) {
    return memcmp(&one, &other, sizeof one) == 0 || (one != one && other != other);
}

static void write_again(const mg_program *program, const uint8_t *data, size_t size) {
    uint8_t *bytes = NULL;
    size_t written = 0;
    REQUIRE(mg_program_to_bytes(program, &bytes, &written) == MG_OK);
    REQUIRE(written == size && memcmp(bytes, data, size) == 0);
    mg_memory_free(bytes);
}

/* Everything that a run has and should get. */
typedef struct {
    double *numbers, *residuals, *adjoints;
    double *inputs, *seeds, *values, *expected_adjoints, *gradient;
} arrays;

static void compare_runs(const mg_tape *tape, int grouped, const arrays *at) {
    const mg_program *program = tape->program;
    mg_failure failure, again;
    memcpy(at->numbers, at->inputs, program->input_count * sizeof(double));
    mg_tape_prepare(tape, at->numbers);
    mg_status status = mg_tape_values(tape, at->numbers, NULL, &failure);
    evaluate_program(program, at->inputs, at->values);
    for (uint32_t i = 0; status == MG_OK && i < program->output_count; i++) {
        REQUIRE(same(at->numbers[tape->slot_outputs[i]],
                     number_of(program, at->inputs, at->values, program->outputs[i])));
    }
    REQUIRE(mg_tape_forward(tape, at->numbers, at->residuals, NULL, &again) == status);
    if (status != MG_OK) {
        REQUIRE(failure.op < program->op_count && failure.op == again.op);
        return;
    }
    for (uint32_t i = 0; i < program->output_count; i++) {
        REQUIRE(same(at->numbers[tape->outputs[i]],
                     number_of(program, at->inputs, at->values, program->outputs[i])));
        at->adjoints[tape->outputs[i]] += at->seeds[i];
    }
    REQUIRE(mg_tape_reverse(tape, at->numbers, at->residuals, at->adjoints, NULL) == MG_OK);
    if (grouped) {
        return; /* what adds up to a gradient comes in another order */
    }
    differentiate_program(program, at->inputs, at->values, at->seeds, at->expected_adjoints,
                          at->gradient);
    for (uint32_t i = 0; i < program->input_count; i++) {
        REQUIRE(same(at->adjoints[i], at->gradient[i]));
    }
}

/* Takes the program over. */
static void run(mg_program *program, int grouped) {
    mg_tape *tape = NULL;
    REQUIRE(mg_tape_new(program, grouped, NULL, &tape) == MG_OK);
    const arrays at = {
        .numbers = numbers(mg_tape_room(tape)),
        .residuals = numbers(tape->residual_count),
        .adjoints = numbers(tape->place_count),
        .inputs = numbers(program->input_count),
        .seeds = numbers(program->output_count),
        .values = numbers(program->op_count),
        .expected_adjoints = numbers(program->op_count),
        .gradient = numbers(program->input_count),
    };
    for (uint32_t i = 0; i < program->input_count; i++) {
        at.inputs[i] = 0.75 * i - 1.0;
    }
    for (uint32_t i = 0; i < program->output_count; i++) {
        at.seeds[i] = 1.0 + i;
    }
    compare_runs(tape, grouped, &at);
    double *const all[] = {at.numbers, at.residuals, at.adjoints,          at.inputs,
                           at.seeds,   at.values,    at.expected_adjoints, at.gradient};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        mg_memory_free(all[i]);
    }
    mg_tape_drop(tape);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mg_program *program = NULL;
    const char *why = NULL;
    mg_status status = mg_program_from_bytes(data, size, &program, &why);
    if (status == MG_OK) {
        REQUIRE(why == NULL);
        write_again(program, data, size);
        mg_program *copy = mg_program_copy(program);
        REQUIRE(copy != NULL);
        run(copy, 0);
        run(program, 1);
    } else {
        REQUIRE(status == MG_MALFORMED && program == NULL && why != NULL);
    }
    REQUIRE(mg_memory_outstanding() == 0);
    return 0;
}

/* Mostly with a size and a checksum that are right: else nothing would get past them. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed) {
    size = LLVMFuzzerMutate(data, size, max_size);
    if (seed % 16 != 0) {
        mg_program_bytes_seal(data, size);
    }
    return size;
}
