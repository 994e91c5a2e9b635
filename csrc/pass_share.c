/* Common subexpressions, by value numbering: an op that does with the same operands what an earlier
   one does becomes that one. Operands are compared as they are in the program being written, where
   equal ones already have one name.

   Equal means equal to the bit, so the operands of an op may only change places where its row is
   symmetric to the bit, and constants are the same only if their bits are. A constant operand makes
   no difference: add_vc(x, 1) and add(x, 1) are one op here.

   The tables are open-addressed, not resized, and at most half full. Where the search for an op
   goes is chosen for memory: code mostly computes with what it has just computed, so the search
   begins near the place of the op's newest operand, and the part of the table in use stays in the
   cache. A few places further it starts anew in a larger neighbourhood, and in the end anywhere, so
   that no pattern of the code makes it long. */
#include <string.h>

#include "passes.h"
#include "rewrite.h"

/* Places of the table for each op. */
#define SPREAD 2

/* The neighbourhoods of an op, as powers of two, and how many of their places are tried. */
#define NEAR_BITS 4
#define NEAR_TRIES 3
#define WIDER_BITS 8
#define WIDER_TRIES 6

#define EMPTY UINT32_MAX

/* The neighbourhoods move through the table along with the code, though by no pattern that the
   processor knows. So many places ahead they are fetched. */
#define AHEAD 256
#if defined(__GNUC__)
#define PREFETCH(address) __builtin_prefetch((const void *)(address), 1)
#else
#define PREFETCH(address) ((void)(address))
#endif

typedef struct {
    mg_rewrite rewrite;
    uint32_t *places; /* indices of ops, or EMPTY */
    uint64_t place_count;
} sharing;

/* --- hashing --- */

static uint64_t mix(uint64_t hash, uint64_t more) {
    hash = (hash ^ more) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 32;
}

/* A way through a table: the place that it has come to, and what it needs to go on. */
typedef struct {
    uint64_t hash, place, base;
    uint32_t tried;
} probe;

static uint64_t place_anywhere(uint64_t hash, uint64_t place_count) {
    return (hash >> 33) * place_count >> 31;
}

/* `age` is that of the newest operand, 0 where none is an op. */
static probe probe_begin(uint64_t hash, uint32_t age, uint64_t place_count) {
    if (age == 0) {
        return (probe){hash, place_anywhere(hash, place_count), 0, NEAR_TRIES + WIDER_TRIES};
    }
    const uint64_t base = (uint64_t)(age - 1) * SPREAD;
    return (probe){hash, base + (hash >> 32 & ((1 << NEAR_BITS) - 1)), base, 1};
}

static void probe_next(probe *at, uint64_t place_count) {
    at->hash = mix(at->hash, at->tried);
    const uint64_t high = at->hash >> 32;
    if (at->tried < NEAR_TRIES) {
        at->place = at->base + (high & ((1 << NEAR_BITS) - 1));
    } else if (at->tried < NEAR_TRIES + WIDER_TRIES) {
        at->place = at->base + (high & ((1 << WIDER_BITS) - 1));
    } else {
        at->place = place_anywhere(at->hash, place_count);
    }
    at->tried++;
}

static uint32_t *new_places(uint64_t count) {
    uint32_t *places = mg_memory_alloc(count, sizeof(uint32_t));
    if (places != NULL) {
        memset(places, 0xff, count * sizeof(uint32_t));
    }
    return places;
}

/* --- constants --- */

static mg_status share_constants(mg_rewrite *at) {
    const mg_program *from = at->from;
    const double *numbers = from->constants;
    mg_ref *refs = at->refs + at->offsets[MG_REF_CONSTANT];
    const uint64_t place_count = 2 * (uint64_t)from->constant_count + 1;
    uint32_t *places = new_places(place_count);
    mg_status status = places != NULL ? MG_OK : MG_NO_MEMORY;
    for (uint32_t i = 0; status == MG_OK && i < from->constant_count; i++) {
        uint64_t bits;
        memcpy(&bits, &numbers[i], sizeof bits);
        probe at_place = probe_begin(mix(0, bits), 0, place_count);
        uint32_t found;
        while ((found = places[at_place.place]) != EMPTY &&
               memcmp(&numbers[found], &numbers[i], sizeof(double)) != 0) {
            probe_next(&at_place, place_count);
        }
        if (found == EMPTY) {
            places[at_place.place] = i;
            status = mg_program_constant(at->to, numbers[i], &refs[i]);
        } else {
            refs[i] = refs[found];
        }
        status = status == MG_OK ? mg_rewrite_pass_one(at) : status;
    }
    mg_memory_free(places);
    return status;
}

/* --- ops --- */

/* hypot(a, b) and hypot(b, a) are equal by annex F of the C standard; minimum and maximum are not
   symmetric, for they tell the zeros apart by their places. */
static int is_symmetric(uint32_t row) {
    return (row == MG_OP_add) | (row == MG_OP_mul) | (row == MG_OP_hypot); /* takes no branch */
}

/* One more than the index of an op, 0 for other references. */
static uint32_t age(mg_ref ref) { return ref < MG_PROGRAM_LIMIT ? ref + 1 : 0; }

static uint32_t larger(uint32_t a, uint32_t b) { return a > b ? a : b; }

static mg_ref share_narrow(sharing *at, const mg_instruction *from) {
    const mg_program *to = at->rewrite.to;
    const uint32_t row = mg_op_table[from->op].row;
    mg_ref a, b;
    mg_rewrite_pair(&at->rewrite, from, &a, &b);
    const int swapped = is_symmetric(row) & (a > b);
    const mg_ref first = swapped ? b : a, second = swapped ? a : b;
    const uint32_t newest = larger(age(a), mg_op_shapes[from->op] == MG_SHAPE_V ? 0 : age(b));
    probe at_place = probe_begin(mix((uint64_t)first << 32 | second, row), newest, at->place_count);
    for (uint32_t found; (found = at->places[at_place.place]) != EMPTY;) {
        const mg_instruction *other = &to->code[found];
        const int same = (other->a == a && other->b == b) ||
                         (other->a == b && other->b == a && is_symmetric(row));
        if (same && mg_op_table[other->op].row == row) {
            return mg_ref_make(MG_REF_OP, found);
        }
        probe_next(&at_place, at->place_count);
    }
    at->places[at_place.place] = to->op_count;
    return mg_rewrite_op(&at->rewrite, from->op, a, b);
}

/* The order of the operands counts. Ops that are not wide may be met, too, but have other codes. */
static mg_ref share_wide(sharing *at, const mg_instruction *from) {
    const mg_program *to = at->rewrite.to;
    const uint32_t count = from->b;
    const mg_ref *operands = mg_rewrite_wide(&at->rewrite, from);
    uint64_t hash = mix(from->op, count);
    uint32_t newest = 0;
    for (uint32_t k = 0; k <= count; k++) {
        hash = mix(hash, operands[k]);
        newest = larger(newest, age(operands[k]));
    }
    probe at_place = probe_begin(hash, newest, at->place_count);
    for (uint32_t found; (found = at->places[at_place.place]) != EMPTY;) {
        const mg_instruction *other = &to->code[found];
        if (other->op == from->op && other->b == count &&
            memcmp(to->wide + other->a, operands, (count + 1) * sizeof(mg_ref)) == 0) {
            return mg_ref_make(MG_REF_OP, found);
        }
        probe_next(&at_place, at->place_count);
    }
    at->places[at_place.place] = to->op_count;
    return mg_rewrite_wide_op(&at->rewrite, from->op, count);
}

mg_status mg_pass_share(const mg_program *program, int (*poll)(void), mg_program **result) {
    sharing at = {.place_count = SPREAD * (uint64_t)program->op_count + (1 << WIDER_BITS)};
    mg_status status = mg_rewrite_begin(&at.rewrite, program, poll);
    if (status == MG_OK) {
        status = mg_program_reserve(at.rewrite.to, 0, program->op_count, program->wide_count);
    }
    if (status == MG_OK) {
        status = share_constants(&at.rewrite);
    }
    if (status == MG_OK) {
        at.places = new_places(at.place_count);
        status = at.places != NULL ? MG_OK : MG_NO_MEMORY;
    }
    for (uint32_t i = 0; status == MG_OK && i < program->op_count; i++) {
        const mg_instruction *op = &program->code[i];
        PREFETCH((uintptr_t)at.places +
                 (at.rewrite.to->op_count * (uint64_t)SPREAD + AHEAD) * sizeof(uint32_t));
        at.rewrite.refs[i] = mg_op_is_wide(op->op) ? share_wide(&at, op) : share_narrow(&at, op);
        status = mg_rewrite_pass(&at.rewrite, op);
    }
    mg_memory_free(at.places);
    return mg_rewrite_end(&at.rewrite, status, result);
}
