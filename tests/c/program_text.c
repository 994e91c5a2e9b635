#include "program_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

enum { MOST_WORDS = 64, MOST_LETTERS = 64, MOST_TEXT = 4096 };

/* --- reading --- */

typedef char word[MOST_LETTERS];

/* Takes one statement off `*text`: its words, and how many. */
static size_t next_statement(const char **text, word *words) {
    size_t count = 0;
    while (**text != '\0' && **text != ';') {
        size_t letters = strcspn(*text, " ;");
        if (letters == 0) {
            ++*text;
            continue;
        }
        if (!CHECK(count < MOST_WORDS && letters < MOST_LETTERS)) {
            abort();
        }
        memcpy(words[count], *text, letters);
        words[count++][letters] = '\0';
        *text += letters;
    }
    *text += **text == ';';
    return count;
}

/* The name of a code: of its row, and _vc or _cv. */
static const char *code_name(uint32_t op) {
    static char name[MOST_LETTERS];
    static const char *const endings[] = {"", "_vc", "_cv"};
    snprintf(name, sizeof name, "%s%s", mg_op_table[op].name, endings[op - mg_op_table[op].row]);
    return name;
}

static uint32_t code_of(const char *name) {
    for (uint32_t op = MG_OP_local + 1; op < MG_OP_COUNT; op++) {
        if (strcmp(name, code_name(op)) == 0) {
            return op;
        }
    }
    CHECK_TEXT(name, "the name of an op");
    abort();
}

static mg_status read_operand(mg_program *program, const char *text, mg_ref *ref) {
    char *end;
    if (text[0] == '%' || text[0] == '$') {
        uint32_t index = (uint32_t)strtoul(text + 1, &end, 10);
        *ref = mg_ref_make(text[0] == '%' ? MG_REF_OP : MG_REF_INPUT, index);
        if (text[0] == '$' && index >= program->input_count) {
            program->input_count = index + 1;
        }
        CHECK_TEXT(end, "");
        return MG_OK;
    }
    double number = strtod(text, &end);
    CHECK_TEXT(end, "");
    return mg_program_constant(program, number, ref);
}

static mg_status read_statement(mg_program *program, word *words, size_t count) {
    mg_ref operands[MOST_WORDS] = {0}, parameter, ref;
    size_t operand_count = 0;
    const char *parameter_text = "0";
    mg_status status = MG_OK;
    if (strcmp(words[0], "in") == 0) {
        program->input_count = (uint32_t)strtoul(words[1], NULL, 10);
        return MG_OK;
    }
    for (size_t i = 1; status == MG_OK && i < count; i++) {
        if (strcmp(words[i], "|") == 0) {
            parameter_text = words[++i];
        } else {
            status = read_operand(program, words[i], &operands[operand_count++]);
        }
    }
    if (status != MG_OK) {
        return status;
    }
    if (strcmp(words[0], "out") == 0) {
        return mg_program_set_outputs(program, operands, (uint32_t)operand_count);
    }
    uint32_t op = code_of(words[0]);
    if (!mg_op_is_wide(op)) {
        return mg_program_op(program, op, operands[0], operands[1], &ref);
    }
    status = read_operand(program, parameter_text, &parameter);
    return status == MG_OK
               ? mg_program_wide(program, op, operands, (uint32_t)operand_count, parameter, &ref)
               : status;
}

mg_program *program_from_text(const char *text) {
    mg_program *program = mg_program_new(0);
    word words[MOST_WORDS];
    while (program != NULL && *text != '\0') {
        size_t count = next_statement(&text, words);
        if (count != 0 && read_statement(program, words, count) != MG_OK) {
            mg_program_free(program);
            program = NULL;
        }
    }
    return program;
}

/* --- writing --- */

static char written[MOST_TEXT];
static size_t written_length;

static void put(const char *text) {
    size_t length = strlen(text);
    if (CHECK(written_length + length < MOST_TEXT)) {
        memcpy(written + written_length, text, length + 1);
        written_length += length;
    }
}

static void put_number(double number) {
    char text[64];
    snprintf(text, sizeof text, " %.17g", number);
    put(text);
}

static void put_operand(const mg_program *program, mg_ref ref, uint32_t *inputs,
                        unsigned char *used) {
    char text[64];
    uint32_t index = mg_ref_index(ref);
    switch (mg_ref_kind_of(ref)) {
    case MG_REF_CONSTANT:
        used[index] = 1;
        put_number(program->constants[index]);
        return;
    case MG_REF_INPUT:
        *inputs = index >= *inputs ? index + 1 : *inputs;
        snprintf(text, sizeof text, " $%u", (unsigned)index);
        break;
    default:
        snprintf(text, sizeof text, " %%%u", (unsigned)index);
        break;
    }
    put(text);
}

const char *text_of(const mg_program *program) {
    unsigned char used[MOST_TEXT] = {0};
    uint32_t inputs = 0;
    written_length = 0;
    put("");
    for (uint32_t i = 0; i < program->op_count; i++) {
        const mg_instruction *op = &program->code[i];
        mg_ref pair[2];
        const mg_ref *operands = pair;
        uint32_t count = mg_program_operands(program, op, pair, &operands);
        put(code_name(op->op));
        for (uint32_t k = 0; k < count; k++) {
            put_operand(program, operands[k], &inputs, used);
        }
        if (mg_op_is_wide(op->op)) {
            used[mg_ref_index(operands[count])] = 1;
            if (program->constants[mg_ref_index(operands[count])] != 0.0) {
                put(" |");
                put_operand(program, operands[count], &inputs, used);
            }
        }
        put("; ");
    }
    put("out");
    for (uint32_t i = 0; i < program->output_count; i++) {
        put_operand(program, program->outputs[i], &inputs, used);
    }
    for (uint32_t i = 0; i < program->constant_count; i++) {
        if (!used[i]) {
            put("; unused");
            put_number(program->constants[i]);
        }
    }
    if (inputs != program->input_count) {
        char text[64];
        snprintf(text, sizeof text, "; in %u", (unsigned)program->input_count);
        put(text);
    }
    return written;
}
