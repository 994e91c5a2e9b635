/* Programs written as bytes and read back; and bytes that are no programs. */
#include "program_bytes.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "programs.h"

/* Places in the header, as the header file describes it. */
enum {
    VERSION_PLACE = 8,
    SIZE_PLACE = 12,
    INPUTS_PLACE = 20,
    CONSTANTS_PLACE = 24,
    OPS_PLACE = 28,
    OUTPUTS_PLACE = 32,
    KINDS_PLACE = 36,
    HEADER_BYTES = 40
};

typedef struct {
    uint8_t *bytes;
    size_t size;
} blob;

static blob written(const mg_program *program) {
    blob made = {NULL, 0};
    CHECK_STATUS(mg_program_to_bytes(program, &made.bytes, &made.size), MG_OK);
    return made;
}

/* A copy of exactly these bytes, so that a sanitizer sees what reads behind them. */
static blob copy_of(const uint8_t *bytes, size_t size) {
    blob made = {mg_memory_alloc(size, 1), size};
    if (size != 0) {
        memcpy(made.bytes, bytes, size);
    }
    return made;
}

static uint32_t get_32(const uint8_t *at) {
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void put_32(uint8_t *at, uint32_t number) {
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(number >> 8 * i);
    }
}

/* Checks that these bytes are refused, and returns why: a text. */
static const char *refusal(const uint8_t *bytes, size_t size) {
    mg_program *program = NULL;
    const char *why = NULL;
    CHECK_STATUS(mg_program_from_bytes(bytes, size, &program, &why), MG_MALFORMED);
    CHECK(program == NULL);
    CHECK(why != NULL);
    return why != NULL ? why : "nothing";
}

/* Whatever they are: refused with a text, or a program whose bytes they are. Whether it is one. */
static int is_sound(const uint8_t *bytes, size_t size) {
    mg_program *program = NULL;
    const char *why = NULL;
    mg_status status = mg_program_from_bytes(bytes, size, &program, &why);
    if (status != MG_OK) {
        CHECK_STATUS(status, MG_MALFORMED);
        CHECK(why != NULL && why[0] != '\0');
        return 0;
    }
    CHECK(why == NULL);
    CHECK_STATUS(mg_program_verify(program, &why), MG_OK);
    blob again = written(program);
    CHECK_COUNT(again.size, size);
    CHECK(again.size == size && memcmp(again.bytes, bytes, size) == 0);
    mg_memory_free(again.bytes);
    mg_program_free(program);
    return 1;
}

/* --- round trips --- */

static void check_round_trip(const mg_program *program) {
    blob first = written(program);
    blob second = written(program);
    mg_program *loaded = NULL;
    const char *why = "not touched";
    CHECK(first.size == second.size && memcmp(first.bytes, second.bytes, first.size) == 0);
    if (CHECK_STATUS(mg_program_from_bytes(first.bytes, first.size, &loaded, &why), MG_OK)) {
        CHECK(why == NULL);
        CHECK(same_programs(program, loaded));
        CHECK(is_sound(first.bytes, first.size));
        mg_program_free(loaded);
    }
    mg_memory_free(first.bytes);
    mg_memory_free(second.bytes);
}

static void an_empty_program_makes_the_round_trip(void) {
    mg_program *program = mg_program_new(0);
    check_round_trip(program);
    blob made = written(program);
    CHECK_COUNT(made.size, HEADER_BYTES + 4);
    mg_memory_free(made.bytes);
    mg_program_free(program);
}

/* Operands that fit every row when the parameter is 0. */
static uint32_t fitting_count(uint32_t op) {
    uint32_t count = mg_op_table[op].arity;
    if (mg_op_shapes[op] == MG_SHAPE_VP || count == MG_ANY_ARITY) {
        count = 2;
    }
    return count == 2 && mg_op_is_wide(op) && !mg_nary_fits(op, 2, 0.0) ? 3 : count;
}

static void every_op_makes_the_round_trip(void) {
    for (uint32_t op = MG_OP_local + 1; op < MG_OP_COUNT; op++) {
        mg_program *program = program_of(op, fitting_count(op), 0.0);
        const char *why;
        harness_case(mg_op_table[op].name);
        CHECK_STATUS(mg_program_verify(program, &why), MG_OK);
        check_round_trip(program);
        mg_program_free(program);
    }
}

static void random_programs_make_the_round_trip(void) {
    const double inputs[] = {0.5, -1.5, 2.0};
    for (int i = 0; i < 300; i++) {
        mg_program *program =
            random_program(inputs, (uint32_t)random_below(4), (uint32_t)random_below(120),
                           (uint32_t)random_below(5));
        check_round_trip(program);
        mg_program_free(program);
    }
}

static void constants_keep_every_bit(void) {
    static const uint64_t bits[] = {
        0,
        UINT64_C(0x8000000000000000), /* -0.0 */
        1,                            /* the smallest denormal */
        UINT64_C(0x7FEFFFFFFFFFFFFF), /* the largest */
        UINT64_C(0x7FF0000000000000), /* inf */
        UINT64_C(0x7FF8000000000001), /* nan with something to say */
        UINT64_C(0xFFF8123456789ABC),
        UINT64_C(0x0123456789ABCDEF),
    };
    const size_t count = sizeof bits / sizeof *bits;
    mg_program *program = mg_program_new(0);
    mg_ref ref;
    for (size_t i = 0; i < count; i++) {
        double number;
        memcpy(&number, &bits[i], sizeof number);
        CHECK_STATUS(mg_program_constant(program, number, &ref), MG_OK);
    }
    check_round_trip(program);
    blob made = written(program);
    CHECK_COUNT(made.size, HEADER_BYTES + 8 * count + 4);
    for (size_t i = 0; i < count; i++) {
        uint64_t low = get_32(made.bytes + HEADER_BYTES + 8 * i);
        uint64_t high = get_32(made.bytes + HEADER_BYTES + 8 * i + 4);
        CHECK_COUNT(high << 32 | low, bits[i]);
    }
    mg_memory_free(made.bytes);
    mg_program_free(program);
}

/* A program with one of everything, whose bytes the next test spells out. */
static mg_program *small_program(void) {
    mg_program *program = mg_program_new(2);
    mg_ref x = mg_ref_make(MG_REF_INPUT, 0), y = mg_ref_make(MG_REF_INPUT, 1), two, zero;
    mg_ref ops[3], outputs[2];
    mg_status status = program != NULL ? MG_OK : MG_NO_MEMORY;
    if (status == MG_OK) {
        status = mg_program_constant(program, 2.0, &two);
    }
    if (status == MG_OK) {
        status = mg_program_constant(program, 0.0, &zero);
    }
    if (status == MG_OK) {
        status = mg_program_op(program, MG_OP_mul_vc, x, two, &ops[0]);
    }
    if (status == MG_OK) {
        status = mg_program_op(program, MG_OP_exp, ops[0], 0, &ops[1]);
    }
    if (status == MG_OK) {
        status = mg_program_op(program, MG_OP_mul, ops[1], y, &ops[2]);
    }
    if (status == MG_OK) {
        status = mg_program_wide(program, MG_OP_sum, ops, 3, zero, &outputs[0]);
    }
    if (status == MG_OK) {
        outputs[1] = ops[1];
        status = mg_program_set_outputs(program, outputs, 2);
    }
    if (status != MG_OK) {
        mg_program_free(program);
        return NULL;
    }
    return program;
}

/* The format itself: a reader of this version must go on reading just these. */
static void the_bytes_are_as_described(void) {
    static const char expected[] = "\211MGPROG\n"
                                   "\1\0\0\0"           /* version */
                                   "\214\0\0\0\0\0\0\0" /* 140 bytes */
                                   "\2\0\0\0"           /* inputs */
                                   "\2\0\0\0"           /* constants */
                                   "\4\0\0\0"           /* ops */
                                   "\2\0\0\0"           /* outputs */
                                   "\4\0\0\0"           /* kinds of op */
                                   "\6mul.vc"
                                   "\5exp.v"
                                   "\6mul.vv"
                                   "\5sum.n"
                                   "\0\0"                     /* kinds of input */
                                   "\0\0\0\0\0\0\0\100"       /* 2.0 */
                                   "\0\0\0\0\0\0\0\0"         /* 0.0 */
                                   "\0\0\0\0\100\0\0\0\200"   /* input 0 * constant 0 */
                                   "\1\0\0\0\0"               /* exp(op 0) */
                                   "\2\1\0\0\0\1\0\0\100"     /* op 1 * input 1 */
                                   "\3\3\0\0\0"               /* sum of 3: */
                                   "\0\0\0\0\1\0\0\0\2\0\0\0" /* ops 0, 1, 2 */
                                   "\1\0\0\200"               /* its parameter, constant 1 */
                                   "\3\0\0\0\1\0\0\0";        /* outputs: op 3, op 1 */
    const size_t size = sizeof expected - 1;
    mg_program *program = small_program();
    blob made = written(program);
    CHECK_COUNT(made.size, size + 4);
    CHECK(memcmp(made.bytes, expected, size) == 0);
    /* zlib.crc32 of the bytes above. */
    CHECK_COUNT(get_32(made.bytes + size), UINT32_C(3834196266));
    mg_memory_free(made.bytes);
    mg_program_free(program);
}

/* --- damage --- */

static void every_truncation_is_refused(void) {
    mg_program *program = small_program();
    blob made = written(program);
    for (size_t size = 0; size < made.size; size++) {
        blob cut = copy_of(made.bytes, size);
        const char *why = refusal(cut.bytes, size);
        CHECK_TEXT(why, size < HEADER_BYTES + 4 ? "too short for a program" : "cut short");
        /* Also when nothing but the content says so. */
        mg_program_bytes_seal(cut.bytes, size);
        refusal(cut.bytes, size);
        mg_memory_free(cut.bytes);
    }
    refusal(NULL, 0);
    mg_memory_free(made.bytes);
    mg_program_free(program);
}

static void what_comes_behind_is_refused(void) {
    mg_program *program = small_program();
    blob made = written(program), longer = copy_of(made.bytes, made.size);
    longer.bytes = mg_memory_resize(longer.bytes, ++longer.size, 1);
    longer.bytes[made.size] = 0;
    CHECK_TEXT(refusal(longer.bytes, longer.size), "more bytes than it says it has");
    mg_program_bytes_seal(longer.bytes, longer.size);
    CHECK_TEXT(refusal(longer.bytes, longer.size), "bytes that belong to nothing");
    mg_memory_free(longer.bytes);
    mg_memory_free(made.bytes);
    mg_program_free(program);
}

/* Every value of every byte: the checksum finds all of them. With a checksum that is right, most
   are found all the same, and the others are other programs. */
static void every_flip_of_a_byte_is_harmless(void) {
    mg_program *program = small_program();
    blob made = written(program), sealed = copy_of(made.bytes, made.size);
    size_t programs = 0;
    for (size_t place = 0; place < made.size; place++) {
        for (unsigned flip = 1; flip < 256; flip++) {
            blob flipped = copy_of(made.bytes, made.size);
            flipped.bytes[place] ^= (uint8_t)flip;
            refusal(flipped.bytes, flipped.size);
            mg_program_bytes_seal(flipped.bytes, flipped.size);
            programs += (size_t)is_sound(flipped.bytes, flipped.size);
            mg_memory_free(flipped.bytes);
        }
    }
    /* At least the constants' bytes, and the flips that sealing repairs. */
    CHECK(programs > (size_t)(16 + 8 + 4) * 255);
    mg_memory_free(sealed.bytes);
    mg_memory_free(made.bytes);
    mg_program_free(program);
}

static void random_damage_is_harmless(void) {
    const double inputs[] = {0.5, -1.5, 2.0};
    size_t programs = 0, tried = SANITIZED ? 20000 : 100000;
    for (size_t i = 0; i < tried; i += 100) {
        mg_program *program = random_program(inputs, 3, 1 + (uint32_t)random_below(40), 2);
        blob made = written(program);
        for (size_t k = 0; k < 100; k++) {
            blob damaged = copy_of(made.bytes, made.size);
            for (uint64_t n = 1 + random_below(4); n-- > 0;) {
                size_t place = random_below(2) ? random_below(damaged.size)
                                               : SIZE_PLACE + random_below(HEADER_BYTES);
                damaged.bytes[place % damaged.size] = (uint8_t)random_bits();
            }
            mg_program_bytes_seal(damaged.bytes, damaged.size);
            programs += (size_t)is_sound(damaged.bytes, damaged.size);
            mg_memory_free(damaged.bytes);
        }
        mg_memory_free(made.bytes);
        mg_program_free(program);
    }
    CHECK(programs > 0 && programs < tried);
}

/* --- malice --- */

/* The small program's bytes with a number of the header replaced. */
static const char *refusal_with(size_t place, uint32_t number) {
    mg_program *program = small_program();
    blob made = written(program);
    put_32(made.bytes + place, number);
    if (place != SIZE_PLACE && place != SIZE_PLACE + 4) {
        mg_program_bytes_seal(made.bytes, made.size);
    }
    const char *why = refusal(made.bytes, made.size);
    mg_memory_free(made.bytes);
    mg_program_free(program);
    return why;
}

static void hostile_counts_are_refused(void) {
    static const uint32_t counts[] = {1000,       MG_PROGRAM_LIMIT - 1, MG_PROGRAM_LIMIT,
                                      0x7FFFFFFF, 0x80000000,           0xFFFFFFFF};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const char *large = "a count that is larger than the file";
        CHECK_TEXT(refusal_with(INPUTS_PLACE, counts[i]), large);
        CHECK_TEXT(refusal_with(CONSTANTS_PLACE, counts[i]), large);
        CHECK_TEXT(refusal_with(OPS_PLACE, counts[i]), large);
        CHECK_TEXT(refusal_with(OUTPUTS_PLACE, counts[i]), large);
        CHECK_TEXT(refusal_with(KINDS_PLACE, counts[i]), "more kinds of op than there are");
        CHECK_TEXT(refusal_with(SIZE_PLACE, counts[i]), "cut short");
        CHECK_TEXT(refusal_with(SIZE_PLACE + 4, counts[i]), "cut short");
    }
    CHECK_TEXT(refusal_with(SIZE_PLACE, 0), "more bytes than it says it has");
    CHECK_TEXT(refusal_with(VERSION_PLACE, 2), "written in another version of the format");
    CHECK_TEXT(refusal_with(VERSION_PLACE, 0), "written in another version of the format");
    CHECK_TEXT(refusal_with(0, 0), "not a program: it does not begin like one");
}

/* Where in the small program's bytes its parts begin. */
enum {
    NAMES_PLACE = HEADER_BYTES,
    INPUT_KINDS_PLACE = NAMES_PLACE + 7 + 6 + 7 + 6,
    CODE_PLACE = INPUT_KINDS_PLACE + 2 + 16,
    SUM_PLACE = CODE_PLACE + 9 + 5 + 9
};

/* The same with one byte replaced. */
static const char *refusal_with_byte(size_t place, uint8_t byte) {
    mg_program *program = small_program();
    blob made = written(program);
    made.bytes[place] = byte;
    mg_program_bytes_seal(made.bytes, made.size);
    const char *why = refusal(made.bytes, made.size);
    mg_memory_free(made.bytes);
    mg_program_free(program);
    return why;
}

static void a_refusal_says_what_is_wrong(void) {
    CHECK_TEXT(refusal_with_byte(NAMES_PLACE, 255), "it ends within the names of its ops");
    CHECK_TEXT(refusal_with_byte(NAMES_PLACE + 1, 'M'),
               "it uses an op that this version does not have");
    CHECK_TEXT(refusal_with_byte(NAMES_PLACE + 4, '_'),
               "it uses an op that this version does not have");
    CHECK_TEXT(refusal_with_byte(NAMES_PLACE + 6, 'v'), "it names an op twice");
    CHECK_TEXT(refusal_with_byte(INPUT_KINDS_PLACE, 1), "an input of an unknown kind");
    CHECK_TEXT(refusal_with_byte(CODE_PLACE, 4), "an op of a kind that has no name");
    CHECK_TEXT(refusal_with_byte(CODE_PLACE, 1),
               "names of ops in another order than that of their use");
    CHECK_TEXT(refusal_with_byte(SUM_PLACE, 2), "it names an op that it does not use");
    CHECK_TEXT(refusal_with_byte(SUM_PLACE + 1, 9), "a count that is larger than the file");
    CHECK_TEXT(refusal_with_byte(SUM_PLACE + 4, 255), "a count that is larger than the file");
    CHECK_TEXT(refusal_with_byte(CODE_PLACE + 8, 0x40), "an operand that is no constant");
    CHECK_TEXT(refusal_with_byte(CODE_PLACE + 1, 7), "a reference out of range");
    CHECK_TEXT(refusal_with_byte(CODE_PLACE + 4, 0xC0), "a reference out of range");
    CHECK_TEXT(refusal_with_byte(SUM_PLACE + 20, 0x40), "a parameter that is no constant");
    CHECK_TEXT(refusal_with_byte(SUM_PLACE + 21, 4), "an output out of range");
}

/* One op more, a mul.vv that has only the outputs to read: one byte too few. */
static void ops_may_not_reach_beyond_the_end(void) {
    mg_program *program = small_program();
    blob made = written(program);
    put_32(made.bytes + OPS_PLACE, 5);
    made.bytes[SUM_PLACE + 21] = 2;
    mg_program_bytes_seal(made.bytes, made.size);
    CHECK_TEXT(refusal(made.bytes, made.size), "it ends within its ops");
    mg_memory_free(made.bytes);
    mg_program_free(program);
}

static void an_op_that_is_named_must_be_used(void) {
    mg_program *program = small_program();
    blob made = written(program);
    blob longer = {mg_memory_alloc(made.size + 6, 1), made.size + 6};
    memcpy(longer.bytes, made.bytes, INPUT_KINDS_PLACE);
    memcpy(longer.bytes + INPUT_KINDS_PLACE, "\5sin.v", 6);
    memcpy(longer.bytes + INPUT_KINDS_PLACE + 6, made.bytes + INPUT_KINDS_PLACE,
           made.size - INPUT_KINDS_PLACE);
    put_32(longer.bytes + KINDS_PLACE, 5);
    mg_program_bytes_seal(longer.bytes, longer.size);
    CHECK_TEXT(refusal(longer.bytes, longer.size), "it names an op that it does not use");
    mg_memory_free(longer.bytes);
    mg_memory_free(made.bytes);
    mg_program_free(program);
}

/* Names of what is in the table but no row. */
static void codes_that_are_no_rows_are_refused(void) {
    static const char *const names[] = {"\6free.n", "\6leaf.n", "\7local.n", "\5sum.v", "\6exp.vv"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        blob made = {mg_memory_alloc(HEADER_BYTES + 12, 1), HEADER_BYTES + strlen(names[i]) + 4};
        mg_program *empty = mg_program_new(0);
        blob header = written(empty);
        memcpy(made.bytes, header.bytes, HEADER_BYTES);
        memcpy(made.bytes + HEADER_BYTES, names[i], strlen(names[i]));
        put_32(made.bytes + KINDS_PLACE, 1);
        mg_program_bytes_seal(made.bytes, made.size);
        CHECK_TEXT(refusal(made.bytes, made.size), "it uses an op that this version does not have");
        mg_memory_free(header.bytes);
        mg_memory_free(made.bytes);
        mg_program_free(empty);
    }
}

static void sealing_what_is_too_short_does_nothing(void) {
    uint8_t bytes[HEADER_BYTES + 3] = {0};
    mg_program_bytes_seal(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        CHECK_COUNT(bytes[i], 0);
    }
}

/* --- out of memory --- */

static mg_status write_and_read(void) {
    mg_program *program = small_program(), *loaded = NULL;
    blob made = {NULL, 0};
    const char *why = "not touched";
    mg_status status =
        program != NULL ? mg_program_to_bytes(program, &made.bytes, &made.size) : MG_NO_MEMORY;
    if (status == MG_OK) {
        status = mg_program_from_bytes(made.bytes, made.size, &loaded, &why);
        CHECK(why == NULL);
        CHECK((loaded != NULL) == (status == MG_OK));
    }
    mg_memory_free(made.bytes);
    mg_program_free(program);
    mg_program_free(loaded);
    return status;
}

int main(void) {
    RUN(an_empty_program_makes_the_round_trip);
    RUN(every_op_makes_the_round_trip);
    RUN(random_programs_make_the_round_trip);
    RUN(constants_keep_every_bit);
    RUN(the_bytes_are_as_described);
    RUN(every_truncation_is_refused);
    RUN(what_comes_behind_is_refused);
    RUN(every_flip_of_a_byte_is_harmless);
    RUN(random_damage_is_harmless);
    RUN(hostile_counts_are_refused);
    RUN(a_refusal_says_what_is_wrong);
    RUN(ops_may_not_reach_beyond_the_end);
    RUN(an_op_that_is_named_must_be_used);
    RUN(codes_that_are_no_rows_are_refused);
    RUN(sealing_what_is_too_short_does_nothing);
    RUN_EACH_FAILURE(write_and_read);
    return harness_summary("program_bytes");
}
