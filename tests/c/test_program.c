/* Building programs, their limits, and every way in which one can be malformed. */
#include <string.h>

#include "harness.h"
#include "program_run.h"
#include "program_text.h"

static mg_ref op_ref(uint32_t i) { return mg_ref_make(MG_REF_OP, i); }
static mg_ref input(uint32_t i) { return mg_ref_make(MG_REF_INPUT, i); }
static mg_ref constant(uint32_t i) { return mg_ref_make(MG_REF_CONSTANT, i); }

static void references_keep_kind_and_index(void) {
    static const uint32_t indices[] = {0, 1, 77, MG_PROGRAM_LIMIT - 1};
    for (int kind = 0; kind < MG_REF_KINDS; kind++) {
        for (size_t i = 0; i < sizeof indices / sizeof *indices; i++) {
            mg_ref ref = mg_ref_make((mg_ref_kind)kind, indices[i]);
            CHECK_COUNT(mg_ref_kind_of(ref), (uint64_t)kind);
            CHECK_COUNT(mg_ref_index(ref), indices[i]);
        }
    }
}

static void a_new_program_is_empty_and_valid(void) {
    const char *why = "";
    mg_program *program = mg_program_new(3);
    CHECK_COUNT(program->input_count, 3);
    CHECK_COUNT(program->op_count + program->constant_count + program->wide_count +
                    program->output_count,
                0);
    CHECK_STATUS(mg_program_verify(program, &why), MG_OK);
    CHECK(why == NULL);
    mg_program_free(program);
    mg_program_free(NULL);
}

static void what_is_appended_is_there_and_named(void) {
    mg_program *program = mg_program_new(2);
    mg_ref two, sum, wide, none;
    CHECK_STATUS(mg_program_constant(program, 2.5, &two), MG_OK);
    CHECK_STATUS(mg_program_op(program, MG_OP_add_vc, input(1), two, &sum), MG_OK);
    const mg_ref operands[] = {sum, input(0), two};
    CHECK_STATUS(mg_program_wide(program, MG_OP_where, operands, 3, two, &wide), MG_OK);
    CHECK_STATUS(mg_program_wide(program, MG_OP_sum, NULL, 0, two, &none), MG_OK);
    const mg_ref outputs[] = {wide, none};
    CHECK_STATUS(mg_program_set_outputs(program, outputs, 2), MG_OK);
    CHECK_COUNT(two, constant(0));
    CHECK_COUNT(sum, op_ref(0));
    CHECK_COUNT(wide, op_ref(1));
    CHECK_COUNT(none, op_ref(2));
    CHECK_TEXT(text_of(program), "add_vc $1 2.5; where %0 $0 2.5 | 2.5; sum | 2.5; out %1 %2");
    /* Outputs are replaced as a whole. */
    CHECK_STATUS(mg_program_set_outputs(program, &two, 1), MG_OK);
    CHECK_TEXT(text_of(program), "add_vc $1 2.5; where %0 $0 2.5 | 2.5; sum | 2.5; out 2.5");
    CHECK_STATUS(mg_program_set_outputs(program, NULL, 0), MG_OK);
    CHECK_COUNT(program->output_count, 0);
    mg_program_free(program);
}

static void operands_are_read_in_order(void) {
    mg_program *program =
        program_from_text("neg $0; pow_vc $1 3; div_cv 2 $0; sub $0 $1; where $0 %1 4; out");
    static const uint32_t counts[] = {1, 2, 2, 2, 3};
    for (uint32_t i = 0; i < program->op_count; i++) {
        mg_ref pair[2] = {0, 0};
        const mg_ref *operands = NULL;
        uint32_t count = mg_program_operands(program, &program->code[i], pair, &operands);
        CHECK_COUNT(count, counts[i]);
        CHECK((operands == pair) == (i < 4));
    }
    mg_ref pair[2];
    const mg_ref *operands;
    mg_program_operands(program, &program->code[2], pair, &operands);
    CHECK_SAME(program->constants[mg_ref_index(operands[0])], 2.0);
    CHECK_COUNT(operands[1], input(0));
    mg_program_operands(program, &program->code[4], pair, &operands);
    CHECK_COUNT(operands[1], op_ref(1));
    mg_program_free(program);
}

static void programs_grow_from_one_to_many(void) {
    enum { COUNT = 10000 };
    mg_program *program = mg_program_new(1);
    const char *why;
    for (uint32_t i = 0; i < COUNT; i++) {
        mg_ref number, ref, operands[3];
        CHECK_STATUS(mg_program_constant(program, i, &number), MG_OK);
        operands[0] = i == 0 ? input(0) : op_ref(i - 1);
        operands[1] = operands[2] = number;
        CHECK_STATUS(i % 3 == 0 ? mg_program_wide(program, MG_OP_where, operands, 3, number, &ref)
                                : mg_program_op(program, MG_OP_mul_vc, operands[0], number, &ref),
                     MG_OK);
        CHECK_COUNT(ref, op_ref(i));
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        CHECK_SAME(program->constants[i], i);
        const mg_instruction *at = &program->code[i];
        CHECK_COUNT(at->op, i % 3 == 0 ? MG_OP_where : MG_OP_mul_vc);
        CHECK_COUNT(i % 3 == 0 ? program->wide[at->a + 2] : at->b, constant(i));
    }
    CHECK_STATUS(mg_program_verify(program, &why), MG_OK);
    mg_program_free(program);
}

static void reserved_room_needs_no_allocation(void) {
    mg_program *program = mg_program_new(1);
    mg_ref ref;
    CHECK_STATUS(mg_program_reserve(program, 1000, 200, 700), MG_OK);
    mg_memory_fail_nth(1);
    for (int i = 0; i < 1000; i++) {
        CHECK_STATUS(mg_program_constant(program, i, &ref), MG_OK);
    }
    for (int i = 0; i < 100; i++) {
        const mg_ref operands[] = {input(0), input(0), input(0), input(0), input(0), input(0)};
        CHECK_STATUS(mg_program_op(program, MG_OP_neg, input(0), 0, &ref), MG_OK);
        CHECK_STATUS(mg_program_wide(program, MG_OP_sum, operands, 6, constant(0), &ref), MG_OK);
    }
    CHECK_STATUS(mg_program_op(program, MG_OP_neg, input(0), 0, &ref), MG_NO_MEMORY);
    CHECK_COUNT(program->op_count, 200);
    /* Room that is there already is not taken again. */
    mg_memory_fail_nth(1);
    CHECK_STATUS(mg_program_reserve(program, 0, 0, 0), MG_OK);
    mg_memory_fail_nth(0);
    mg_program_free(program);
}

/* Limits are met without the memory: the counts say that it is full. */
static void nothing_is_appended_at_the_limit(void) {
    const uint32_t most = MG_PROGRAM_LIMIT - 1;
    mg_program full = {.input_count = 1,
                       .constant_count = most,
                       .constant_room = most,
                       .op_count = most,
                       .op_room = most,
                       .wide_count = most,
                       .wide_room = most};
    const mg_program before = full;
    mg_ref ref = 7, operand = input(0);
    CHECK(mg_program_new(MG_PROGRAM_LIMIT) == NULL);
    CHECK_STATUS(mg_program_constant(&full, 1.0, &ref), MG_TOO_LARGE);
    CHECK_STATUS(mg_program_op(&full, MG_OP_neg, operand, 0, &ref), MG_TOO_LARGE);
    CHECK_STATUS(mg_program_wide(&full, MG_OP_sum, &operand, 1, 0, &ref), MG_TOO_LARGE);
    CHECK_STATUS(mg_program_wide(&full, MG_OP_sum, NULL, 0, 0, &ref), MG_TOO_LARGE);
    CHECK_STATUS(mg_program_wide(&full, MG_OP_sum, &operand, UINT32_MAX, 0, &ref), MG_TOO_LARGE);
    CHECK_STATUS(mg_program_reserve(&full, 1, 0, 0), MG_TOO_LARGE);
    CHECK_STATUS(mg_program_reserve(&full, 0, UINT32_MAX, 0), MG_TOO_LARGE);
    CHECK_STATUS(mg_program_reserve(&full, 0, 0, MG_PROGRAM_LIMIT), MG_TOO_LARGE);
    CHECK_COUNT(ref, 7);
    CHECK(memcmp(&full, &before, sizeof full) == 0);
    /* Wide operands may have room where ops have none. */
    full.wide_count = 0;
    CHECK_STATUS(mg_program_wide(&full, MG_OP_sum, NULL, 0, 0, &ref), MG_TOO_LARGE);
    CHECK_COUNT(full.wide_count, 0);
    CHECK_COUNT(full.op_count, most);
    mg_program *program = mg_program_new(1);
    CHECK_STATUS(mg_program_wide(program, MG_OP_sum, &operand, UINT32_MAX, 0, &ref), MG_TOO_LARGE);
    CHECK_STATUS(mg_program_wide(program, MG_OP_sum, &operand, most, 0, &ref), MG_TOO_LARGE);
    CHECK_COUNT(program->op_count, 0);
    mg_program_free(program);
}

static void a_copy_has_all_and_is_another(void) {
    mg_program *program = program_from_text(
        "add_vc $0 2; where %0 1 $1; sum; cross_entropy %0 %1 | 1; out %3 $1; in 4");
    mg_program *copy = mg_program_copy(program);
    CHECK_TEXT(text_of(copy), "add_vc $0 2; where %0 1 $1; sum; cross_entropy %0 %1 | 1; "
                              "out %3 $1; in 4");
    CHECK(copy->code != program->code && copy->outputs != program->outputs);
    mg_program_free(program);
    mg_program_free(copy);
    mg_program *empty = mg_program_new(0);
    copy = mg_program_copy(empty);
    CHECK_TEXT(text_of(copy), "out");
    mg_program_free(empty);
    mg_program_free(copy);
}

/* A failed append leaves the program as it was. */
static mg_status build_under_failure(void) {
    mg_program *program = mg_program_new(1);
    mg_status status = program != NULL ? MG_OK : MG_NO_MEMORY;
    for (uint32_t i = 0; status == MG_OK && i < 200; i++) {
        mg_ref ref;
        const mg_program before = *program;
        const mg_ref operands[] = {input(0), input(0)};
        switch (i % 3) {
        case 0:
            status = mg_program_constant(program, i, &ref);
            break;
        case 1:
            status = mg_program_op(program, MG_OP_neg, input(0), 0, &ref);
            break;
        default:
            status = mg_program_wide(program, MG_OP_sum, operands, 2, constant(0), &ref);
            break;
        }
        if (status != MG_OK) {
            CHECK_COUNT(program->constant_count, before.constant_count);
            CHECK_COUNT(program->op_count, before.op_count);
            CHECK_COUNT(program->wide_count, before.wide_count);
        }
    }
    const mg_ref output = input(0);
    if (status == MG_OK) {
        status = mg_program_set_outputs(program, &output, 1);
    }
    if (status == MG_OK) {
        status = mg_program_set_outputs(program, &output, 1);
        CHECK_COUNT(program->output_count, 1);
    }
    if (status == MG_OK) {
        mg_program *copy = mg_program_copy(program);
        status = copy != NULL ? MG_OK : MG_NO_MEMORY;
        mg_program_free(copy);
    }
    if (program != NULL) {
        const char *why;
        CHECK_STATUS(mg_program_verify(program, &why), MG_OK);
    }
    mg_program_free(program);
    return status;
}

/* --- verification --- */

static void random_programs_are_valid(void) {
    for (int i = 0; i < 2000; i++) {
        const char *why = "";
        mg_program *program = program_random((uint32_t)random_below(50));
        if (!CHECK_STATUS(mg_program_verify(program, &why), MG_OK)) {
            CHECK_TEXT(why, "");
        }
        mg_program_free(program);
    }
}

/* What every tampering starts from. */
#define SOUND                                                          \
    "neg $0; add %0 $1; mul_vc %1 2; div_cv 3 %2; leaky_relu $0 0.5; " \
    "where %0 %1 4; dot $0 $1 5; cross_entropy %0 %1 | 1; sum; out %7 $0 2"

enum { NEG, ADD, MUL_VC, DIV_CV, LEAKY_RELU, WHERE, DOT, CROSS_ENTROPY, SUM };
/* Constants: in the order of the text, parameters behind the operands. */
enum { TWO, THREE, HALF, FOUR, WHERE_PARAMETER, FIVE, DOT_PARAMETER, PLACE, SUM_PARAMETER };

static mg_program *tampered(void) { return program_from_text(SOUND); }

static void check_fault(mg_program *program, const char *fault) {
    const char *why = NULL;
    CHECK_STATUS(mg_program_verify(program, &why), MG_MALFORMED);
    CHECK_TEXT(why != NULL ? why : "(none)", fault);
    mg_program_free(program);
}

/* Verifies SOUND after `change`, an assignment to something of `p`. */
#define FAULT(change, fault)        \
    do {                            \
        mg_program *p = tampered(); \
        harness_case(#change);      \
        change;                     \
        check_fault(p, fault);      \
    } while (0)

static void what_tampering_starts_from_is_sound(void) {
    const char *why;
    mg_program *program = tampered();
    CHECK_TEXT(text_of(program), SOUND);
    CHECK_STATUS(mg_program_verify(program, &why), MG_OK);
    CHECK_SAME(program->constants[PLACE], 1.0);
    mg_program_free(program);
}

static void counts_out_of_range_are_found(void) {
    FAULT(p->input_count = MG_PROGRAM_LIMIT, "a count out of range");
    FAULT(p->constant_count = MG_PROGRAM_LIMIT, "a count out of range");
    FAULT(p->op_count = MG_PROGRAM_LIMIT, "a count out of range");
    FAULT(p->wide_count = MG_PROGRAM_LIMIT, "a count out of range");
    FAULT(p->wide_count = UINT32_MAX, "a count out of range");
}

static void codes_that_are_no_rows_are_found(void) {
    for (uint32_t op = 0; op <= MG_OP_local; op++) {
        FAULT(p->code[NEG].op = op, "unknown op");
    }
    FAULT(p->code[NEG].op = MG_OP_COUNT, "unknown op");
    FAULT(p->code[NEG].op = 256 + MG_OP_neg, "unknown op");
    FAULT(p->code[SUM].op = UINT32_MAX, "unknown op");
}

static void references_out_of_range_are_found(void) {
    const char *fault = "a reference out of range";
    FAULT(p->code[NEG].a = op_ref(NEG), fault); /* of itself */
    FAULT(p->code[ADD].a = op_ref(ADD), fault);
    FAULT(p->code[ADD].b = op_ref(MUL_VC), fault); /* of a later one */
    FAULT(p->code[ADD].b = input(2), fault);
    FAULT(p->code[ADD].a = constant(p->constant_count), fault);
    FAULT(p->code[ADD].a = mg_ref_make(MG_REF_KINDS, 0), fault);
    FAULT(p->code[ADD].a = UINT32_MAX, fault);
    FAULT(p->code[MUL_VC].b = constant(p->constant_count), fault);
    FAULT(p->wide[p->code[WHERE].a] = op_ref(WHERE), fault);
    FAULT(p->wide[p->code[WHERE].a + 2] = input(2), fault);
    FAULT(p->wide[p->code[DOT].a + 1] = op_ref(SUM), fault);
    FAULT(p->input_count = 1, fault);
}

static void operands_that_must_be_constants_are_found(void) {
    const char *fault = "an operand that is no constant";
    FAULT(p->code[MUL_VC].b = input(0), fault);
    FAULT(p->code[DIV_CV].a = op_ref(NEG), fault);
    FAULT(p->code[LEAKY_RELU].b = op_ref(NEG), fault);
    fault = "a parameter that is no constant";
    FAULT(p->wide[p->code[WHERE].a + 3] = input(0), fault);
    FAULT(p->wide[p->code[SUM].a] = op_ref(0), fault);
    FAULT(p->wide[p->code[DOT].a + 3] = constant(p->constant_count), fault);
}

static void operands_in_the_wrong_place_are_found(void) {
    FAULT(p->code[NEG].b = input(0), "an operand too many");
    FAULT(p->code[DOT].a = p->code[WHERE].a, "operands out of place"); /* shared */
    FAULT(p->code[WHERE].a = 1, "operands out of place");
    FAULT(p->code[SUM].a = UINT32_MAX, "operands out of place");
    FAULT(p->code[SUM].b = 1, "operands out of range");
    FAULT(p->code[SUM].b = UINT32_MAX, "operands out of range");
    FAULT(p->code[WHERE].b = p->wide_count, "operands out of range");
    FAULT(p->wide_count -= 1, "operands out of range");
    FAULT(p->op_count -= 1, "operands of no op");
    FAULT(p->code[WHERE].op = MG_OP_neg; p->code[WHERE].a = input(0);
          p->code[WHERE].b = 0, "operands out of place");
}

static void operands_that_do_not_fit_are_found(void) {
    const char *fault = "operands that do not fit the op";
    FAULT(p->code[DOT].op = MG_OP_mse_loss, fault); /* an odd number */
    FAULT(p->code[SUM].op = MG_OP_mean, fault);     /* none */
    FAULT(p->code[SUM].op = MG_OP_dot, fault);
    FAULT(p->code[SUM].op = MG_OP_take, fault);
    FAULT(p->code[CROSS_ENTROPY].op = MG_OP_where, fault);
    FAULT(p->constants[PLACE] = 2.0, fault);
    FAULT(p->constants[PLACE] = -1.0, fault);
    FAULT(p->constants[PLACE] = 0.5, fault);
    FAULT(p->constants[PLACE] = NAN, fault);
    FAULT(p->constants[PLACE] = INFINITY, fault);
}

static void outputs_out_of_range_are_found(void) {
    FAULT(p->outputs[0] = op_ref(p->op_count), "an output out of range");
    FAULT(p->outputs[1] = input(2), "an output out of range");
    FAULT(p->outputs[2] = constant(p->constant_count), "an output out of range");
    FAULT(p->outputs[0] = UINT32_MAX, "an output out of range");
}

/* A sound program with one word of it changed is found to be malformed, or can be run. */
static void a_word_changed_at_random_is_found_or_harmless(void) {
    uint64_t harmless = 0, rounds = 20000;
    for (uint64_t i = 0; i < rounds; i++) {
        mg_program *program = program_random(1 + (uint32_t)random_below(12));
        uint32_t *words[] = {(uint32_t *)program->code, program->wide, program->outputs};
        const size_t counts[] = {3 * (size_t)program->op_count, program->wide_count,
                                 program->output_count};
        const char *why;
        size_t array = random_below(3);
        if (counts[array] != 0) {
            uint32_t *at = &words[array][random_below(counts[array])];
            *at = random_below(2) ? *at ^ (uint32_t)1 << random_below(32)
                                  : (uint32_t)random_below(8) << random_below(30);
        }
        if (mg_program_verify(program, &why) == MG_OK) {
            double inputs[4], results[16];
            random_inputs(inputs, 4, 0);
            program_run(program, inputs, results, NULL); /* no sanitizer objects */
            harmless++;
        } else {
            CHECK(why != NULL);
        }
        mg_program_free(program);
    }
    CHECK(harmless > rounds / 20 && harmless < rounds / 20 * 19);
}

int main(void) {
    RUN(references_keep_kind_and_index);
    RUN(a_new_program_is_empty_and_valid);
    RUN(what_is_appended_is_there_and_named);
    RUN(operands_are_read_in_order);
    RUN(programs_grow_from_one_to_many);
    RUN(reserved_room_needs_no_allocation);
    RUN(nothing_is_appended_at_the_limit);
    RUN(a_copy_has_all_and_is_another);
    RUN_EACH_FAILURE(build_under_failure);
    RUN(random_programs_are_valid);
    RUN(what_tampering_starts_from_is_sound);
    RUN(counts_out_of_range_are_found);
    RUN(codes_that_are_no_rows_are_found);
    RUN(references_out_of_range_are_found);
    RUN(operands_that_must_be_constants_are_found);
    RUN(operands_in_the_wrong_place_are_found);
    RUN(operands_that_do_not_fit_are_found);
    RUN(outputs_out_of_range_are_found);
    RUN(a_word_changed_at_random_is_found_or_harmless);
    return harness_summary("program");
}
