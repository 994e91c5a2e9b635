/* Invariant of reading: `at` never passes `end`; whoever takes bytes has asked `left` first, and
   nothing is allocated for items that the bytes left could not hold. What the bytes mean is checked
   once, at the end, by mg_program_verify: until then the program is only taken apart again. */
#include "program_bytes.h"

#include <string.h>

static const uint8_t magic[8] = {0x89, 'M', 'G', 'P', 'R', 'O', 'G', '\n'};

#define VERSION 1
/* Places in the header. */
#define SIZE_PLACE 12
#define HEADER_BYTES 40
#define CHECKSUM_BYTES 4

_Static_assert(MG_OP_COUNT <= 256, "the kind of an op fits one byte");

static uint32_t crc32(const uint8_t *bytes, size_t size) {
    uint32_t table[256], crc = UINT32_MAX;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t rest = i;
        for (int bit = 0; bit < 8; bit++) {
            rest = rest >> 1 ^ (rest & 1 ? UINT32_C(0xEDB88320) : 0);
        }
        table[i] = rest;
    }
    for (size_t i = 0; i < size; i++) {
        crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 0xFF];
    }
    return ~crc;
}

/* --- names of kinds --- */

/* How the operands of an op with this code stand: after its row's name and a dot. */
static const char *form_of(uint32_t op) {
    switch (op - mg_op_table[op].row) {
    case 1:
        return "vc";
    case 2:
        return "cv";
    }
    switch (mg_op_shapes[op]) {
    case MG_SHAPE_V:
        return "v";
    case MG_SHAPE_VP:
        return "vp";
    case MG_SHAPE_VV:
        return "vv";
    default:
        return "n";
    }
}

static size_t name_length(uint32_t op) {
    return strlen(mg_op_table[op].name) + 1 + strlen(form_of(op));
}

/* The code whose name these bytes are; MG_OP_COUNT if there is none. */
static uint32_t find_op(const uint8_t *name, size_t length) {
    uint32_t op = MG_OP_local + 1;
    for (; op < MG_OP_COUNT; op++) {
        const char *row = mg_op_table[op].name, *form = form_of(op);
        const size_t dot = strlen(row);
        if (name_length(op) == length && memcmp(name, row, dot) == 0 && name[dot] == '.' &&
            memcmp(name + dot + 1, form, length - dot - 1) == 0) {
            break;
        }
    }
    return op;
}

/* --- writing --- */

/* The kinds of op of a program in the order of their first use, and by code which of them it is. */
typedef struct {
    uint32_t count;
    uint8_t ops[MG_OP_COUNT], number[MG_OP_COUNT];
} kinds;

static void find_kinds(const mg_program *program, kinds *found) {
    uint8_t seen[MG_OP_COUNT] = {0};
    found->count = 0;
    for (uint32_t i = 0; i < program->op_count; i++) {
        const uint32_t op = program->code[i].op;
        if (!seen[op]) {
            seen[op] = 1;
            found->number[op] = (uint8_t)found->count;
            found->ops[found->count++] = (uint8_t)op;
        }
    }
}

/* How many references an op is written with; of a wide one its parameter is the last. */
static uint32_t references_of(const mg_program *program, const mg_instruction *instruction,
                              mg_ref pair[2], const mg_ref **references) {
    return mg_program_operands(program, instruction, pair, references) +
           (uint32_t)mg_op_is_wide(instruction->op);
}

/* How many bytes it will take: far from an overflow, whatever the counts. */
static uint64_t measure(const mg_program *program, const kinds *found) {
    uint64_t bytes = HEADER_BYTES + CHECKSUM_BYTES;
    for (uint32_t i = 0; i < found->count; i++) {
        bytes += 1 + name_length(found->ops[i]);
    }
    bytes += program->input_count + UINT64_C(8) * program->constant_count;
    for (uint32_t i = 0; i < program->op_count; i++) {
        const mg_ref *references;
        mg_ref pair[2];
        bytes += 1 + UINT64_C(4) * references_of(program, &program->code[i], pair, &references) +
                 (mg_op_is_wide(program->code[i].op) ? 4 : 0);
    }
    return bytes + UINT64_C(4) * program->output_count;
}

static uint8_t *put_32(uint8_t *at, uint32_t number) {
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(number >> 8 * i);
    }
    return at + 4;
}

static uint8_t *put_64(uint8_t *at, uint64_t number) {
    return put_32(put_32(at, (uint32_t)number), (uint32_t)(number >> 32));
}

static uint8_t *put_text(uint8_t *at, const char *text) {
    const size_t length = strlen(text);
    memcpy(at, text, length);
    return at + length;
}

static uint8_t *put_references(uint8_t *at, const mg_ref *references, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        at = put_32(at, references[i]);
    }
    return at;
}

static uint8_t *put_op(uint8_t *at, const mg_program *program, const mg_instruction *instruction,
                       uint8_t kind) {
    mg_ref pair[2];
    const mg_ref *references = pair;
    const uint32_t count = references_of(program, instruction, pair, &references);
    *at++ = kind;
    if (mg_op_is_wide(instruction->op)) {
        at = put_32(at, instruction->b);
    }
    return put_references(at, references, count);
}

void mg_program_bytes_seal(uint8_t *bytes, size_t size) {
    if (size >= HEADER_BYTES + CHECKSUM_BYTES) {
        put_64(bytes + SIZE_PLACE, size);
        put_32(bytes + size - CHECKSUM_BYTES, crc32(bytes, size - CHECKSUM_BYTES));
    }
}

mg_status mg_program_to_bytes(const mg_program *program, uint8_t **bytes, size_t *size) {
    kinds found;
    find_kinds(program, &found);
    const uint64_t total = measure(program, &found);
    uint8_t *block = total <= SIZE_MAX ? mg_memory_alloc((size_t)total, 1) : NULL, *at = block;
    if (block == NULL) {
        return MG_NO_MEMORY;
    }
    memcpy(at, magic, sizeof magic);
    at = put_32(at + sizeof magic, VERSION);
    at = put_64(at, total);
    at = put_32(at, program->input_count);
    at = put_32(at, program->constant_count);
    at = put_32(at, program->op_count);
    at = put_32(at, program->output_count);
    at = put_32(at, found.count);
    for (uint32_t i = 0; i < found.count; i++) {
        *at++ = (uint8_t)name_length(found.ops[i]);
        at = put_text(at, mg_op_table[found.ops[i]].name);
        *at++ = '.';
        at = put_text(at, form_of(found.ops[i]));
    }
    memset(at, 0, program->input_count);
    at += program->input_count;
    for (uint32_t i = 0; i < program->constant_count; i++) {
        uint64_t bits;
        memcpy(&bits, &program->constants[i], sizeof bits);
        at = put_64(at, bits);
    }
    for (uint32_t i = 0; i < program->op_count; i++) {
        const mg_instruction *instruction = &program->code[i];
        at = put_op(at, program, instruction, found.number[instruction->op]);
    }
    put_references(at, program->outputs, program->output_count);
    *bytes = block;
    *size = (size_t)total;
    mg_program_bytes_seal(*bytes, *size);
    return MG_OK;
}

/* --- reading --- */

typedef struct {
    const uint8_t *at, *end;
    const char *why; /* the first thing that was wrong */
    uint32_t kind_count;
    uint32_t kinds[MG_OP_COUNT]; /* codes */
    uint8_t used[MG_OP_COUNT];   /* by number of the kind */
} reader;

static size_t left(const reader *from) { return (size_t)(from->end - from->at); }

static mg_status malformed(reader *from, const char *why) {
    from->why = why;
    return MG_MALFORMED;
}

static uint32_t get_32(const uint8_t *at) {
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint32_t take_32(reader *from) {
    from->at += 4;
    return get_32(from->at - 4);
}

static uint64_t take_64(reader *from) {
    uint64_t low = take_32(from);
    return low | (uint64_t)take_32(from) << 32;
}

/* An array of `count` items, none of which takes fewer than `bytes` of what is left. */
static mg_status allocate(reader *from, uint32_t count, size_t bytes, size_t item, void **items) {
    if (count >= MG_PROGRAM_LIMIT || count > left(from) / bytes) {
        return malformed(from, "a count that is larger than the file");
    }
    *items = mg_memory_alloc(count + (size_t)1, item);
    return *items != NULL ? MG_OK : MG_NO_MEMORY;
}

static mg_status check_frame(reader *from, size_t size) {
    const uint8_t *bytes = from->at;
    if (size < HEADER_BYTES + CHECKSUM_BYTES) {
        return malformed(from, "too short for a program");
    }
    if (memcmp(bytes, magic, sizeof magic) != 0) {
        return malformed(from, "not a program: it does not begin like one");
    }
    from->at += sizeof magic;
    if (take_32(from) != VERSION) {
        return malformed(from, "written in another version of the format");
    }
    const uint64_t stated = take_64(from);
    if (stated != size) {
        return malformed(from, stated > size ? "cut short" : "more bytes than it says it has");
    }
    from->end = bytes + size - CHECKSUM_BYTES;
    return get_32(from->end) == crc32(bytes, size - CHECKSUM_BYTES)
               ? MG_OK
               : malformed(from, "damaged: its checksum is wrong");
}

static mg_status read_kinds(reader *from, uint32_t count) {
    uint8_t seen[MG_OP_COUNT] = {0};
    if (count > MG_OP_COUNT) {
        return malformed(from, "more kinds of op than there are");
    }
    for (uint32_t i = 0; i < count; i++) {
        if (left(from) == 0 || left(from) - 1 < *from->at) {
            return malformed(from, "it ends within the names of its ops");
        }
        const size_t length = *from->at++;
        const uint32_t op = find_op(from->at, length);
        if (op == MG_OP_COUNT) {
            return malformed(from, "it uses an op that this version does not have");
        }
        if (seen[op]) {
            return malformed(from, "it names an op twice");
        }
        seen[op] = 1;
        from->kinds[i] = op;
        from->at += length;
    }
    from->kind_count = count;
    return MG_OK;
}

static mg_status read_constants(reader *from, mg_program *program, uint32_t inputs,
                                uint32_t count) {
    if (inputs >= MG_PROGRAM_LIMIT || inputs > left(from)) {
        return malformed(from, "a count that is larger than the file");
    }
    for (uint32_t i = 0; i < inputs; i++) {
        if (*from->at++ != 0) {
            return malformed(from, "an input of an unknown kind");
        }
    }
    program->input_count = inputs;
    mg_status status = allocate(from, count, 8, sizeof(double), (void **)&program->constants);
    if (status == MG_OK) {
        program->constant_room = program->constant_count = count;
        for (uint32_t i = 0; i < count; i++) {
            const uint64_t bits = take_64(from);
            memcpy(&program->constants[i], &bits, sizeof bits);
        }
    }
    return status;
}

/* The operands of a wide op and its parameter, put behind those that are there. */
static mg_status read_wide(reader *from, mg_program *program, mg_instruction *instruction) {
    if (left(from) < 4) {
        return malformed(from, "it ends within its ops");
    }
    const uint32_t count = take_32(from);
    if (count >= left(from) / 4 || count >= program->wide_room - program->wide_count) {
        return malformed(from, "a count that is larger than the file");
    }
    instruction->a = program->wide_count;
    instruction->b = count;
    for (uint32_t i = 0; i <= count; i++) {
        program->wide[program->wide_count++] = take_32(from);
    }
    return MG_OK;
}

static mg_status read_op(reader *from, mg_program *program, mg_instruction *instruction) {
    if (left(from) < 1) {
        return malformed(from, "it ends within its ops");
    }
    const uint32_t kind = *from->at++;
    if (kind >= from->kind_count) {
        return malformed(from, "an op of a kind that has no name");
    }
    if (!from->used[kind] && kind != 0 && !from->used[kind - 1]) {
        return malformed(from, "names of ops in another order than that of their use");
    }
    from->used[kind] = 1;
    *instruction = (mg_instruction){.op = from->kinds[kind]};
    if (mg_op_is_wide(instruction->op)) {
        return read_wide(from, program, instruction);
    }
    const int two = mg_op_shapes[instruction->op] != MG_SHAPE_V;
    if (left(from) < (two ? 8 : 4)) {
        return malformed(from, "it ends within its ops");
    }
    instruction->a = take_32(from);
    instruction->b = two ? take_32(from) : 0;
    return MG_OK;
}

static mg_status read_code(reader *from, mg_program *program, uint32_t count) {
    /* The shortest op takes 5 bytes. */
    mg_status status = allocate(from, count, 5, sizeof(mg_instruction), (void **)&program->code);
    if (status != MG_OK) {
        return status;
    }
    program->op_room = count;
    /* Room for as many wide operands as there are bytes for; given back to what is used below. */
    const size_t most = left(from) / 4;
    program->wide_room = most < MG_PROGRAM_LIMIT ? (uint32_t)most : MG_PROGRAM_LIMIT - 1;
    program->wide = mg_memory_alloc(program->wide_room + (size_t)1, sizeof(mg_ref));
    if (program->wide == NULL) {
        return MG_NO_MEMORY;
    }
    while (status == MG_OK && program->op_count < count) {
        status = read_op(from, program, &program->code[program->op_count]);
        program->op_count += status == MG_OK;
    }
    if (status == MG_OK) {
        mg_ref *fitting =
            mg_memory_resize(program->wide, program->wide_count + (size_t)1, sizeof(mg_ref));
        if (fitting == NULL) {
            return MG_NO_MEMORY;
        }
        program->wide = fitting;
        program->wide_room = program->wide_count;
        if (from->kind_count != 0 && !from->used[from->kind_count - 1]) {
            status = malformed(from, "it names an op that it does not use");
        }
    }
    return status;
}

static mg_status read_outputs(reader *from, mg_program *program, uint32_t count) {
    mg_status status = allocate(from, count, 4, sizeof(mg_ref), (void **)&program->outputs);
    if (status == MG_OK) {
        program->output_count = count;
        for (uint32_t i = 0; i < count; i++) {
            program->outputs[i] = take_32(from);
        }
        if (left(from) != 0) {
            status = malformed(from, "bytes that belong to nothing");
        }
    }
    return status;
}

static mg_status read_program(reader *from, mg_program *program) {
    const uint32_t inputs = take_32(from), constants = take_32(from), ops = take_32(from);
    const uint32_t outputs = take_32(from), kind_count = take_32(from);
    mg_status status = read_kinds(from, kind_count);
    if (status == MG_OK) {
        status = read_constants(from, program, inputs, constants);
    }
    if (status == MG_OK) {
        status = read_code(from, program, ops);
    }
    if (status == MG_OK) {
        status = read_outputs(from, program, outputs);
    }
    return status == MG_OK ? mg_program_verify(program, &from->why) : status;
}

mg_status mg_program_from_bytes(const uint8_t *bytes, size_t size, mg_program **program,
                                const char **why) {
    reader from = {.at = bytes};
    mg_program *made = NULL;
    mg_status status = check_frame(&from, size);
    if (status == MG_OK) {
        made = mg_program_new(0);
        status = made != NULL ? read_program(&from, made) : MG_NO_MEMORY;
    }
    if (status == MG_OK) {
        *program = made;
    } else {
        mg_program_free(made);
    }
    *why = status == MG_MALFORMED ? from.why : NULL;
    return status;
}
