/* Writes what the fuzzer starts from: `seeds DIRECTORY` makes one file for each op of the table and
   some of random programs. */
#include <stdio.h>
#include <stdlib.h>

#include "program_bytes.h"
#include "programs.h"

#define RANDOM_PROGRAMS 40

static void fail(const char *what) {
    fprintf(stderr, "seeds: %s\n", what);
    exit(1);
}

static void save(const char *directory, unsigned number, mg_program *program) {
    char path[4096];
    uint8_t *bytes;
    size_t size;
    if (program == NULL || mg_program_to_bytes(program, &bytes, &size) != MG_OK) {
        fail("out of memory");
    }
    snprintf(path, sizeof path, "%s/%03u.program", directory, number);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
        fail(path);
    }
    mg_memory_free(bytes);
    mg_program_free(program);
}

/* How many operands fit, with 0 for a parameter. */
static uint32_t fitting_count(uint32_t op) {
    uint32_t count = mg_op_table[op].arity;
    if (count == MG_ANY_ARITY) {
        count = mg_nary_fits(op, 4, 0.0) ? 4 : 5;
    }
    return count;
}

int main(int argc, char **argv) {
    const double inputs[] = {-1.0, -0.25, 0.5, 1.25};
    unsigned number = 0;
    if (argc != 2) {
        fail("usage: seeds DIRECTORY");
    }
    save(argv[1], number++, mg_program_new(0));
    for (uint32_t op = MG_OP_local + 1; op < MG_OP_COUNT; op++) {
        save(argv[1], number++, program_of(op, fitting_count(op), 0.0));
    }
    for (uint32_t i = 0; i < RANDOM_PROGRAMS; i++) {
        save(argv[1], number++, random_program(inputs, 4, 1 + i % 16, 1 + i % 3));
    }
    return 0;
}
