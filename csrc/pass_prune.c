/* What no output needs goes. An op can only be read by later ones, so one walk backwards marks all
   that is needed. Inputs stay: they are the caller's.

   Marks are made in the array `refs`, each before the number's reference replaces it. */
#include <string.h>

#include "passes.h"
#include "rewrite.h"

#define NEEDED 1

typedef struct {
    uint32_t constants, ops, wide;
} counts;

static void need(mg_rewrite *at, mg_ref ref) { at->refs[mg_rewrite_place(at, ref)] = NEEDED; }

static mg_status mark(mg_rewrite *at, counts *marked) {
    const mg_program *from = at->from;
    const mg_ref *constants = at->refs + at->offsets[MG_REF_CONSTANT];
    counts needed = {0, 0, 0};
    mg_status status = MG_OK;
    for (uint32_t i = 0; i < from->output_count; i++) {
        need(at, from->outputs[i]);
    }
    for (uint32_t i = from->op_count; status == MG_OK && i-- > 0;) {
        const mg_instruction *op = &from->code[i];
        status = mg_rewrite_pass(at, op);
        if (at->refs[i] == 0) {
            continue;
        }
        needed.ops++;
        if (mg_op_is_wide(op->op)) {
            for (uint32_t k = 0; k <= op->b; k++) { /* the parameter too */
                need(at, from->wide[op->a + k]);
            }
            needed.wide += op->b + 1;
        } else {
            need(at, op->a);
            /* Of a unary op again the first: no branch. */
            need(at, mg_op_shapes[op->op] == MG_SHAPE_V ? op->a : op->b);
        }
    }
    for (uint32_t i = 0; i < from->constant_count; i++) {
        needed.constants += constants[i];
    }
    *marked = needed;
    return status;
}

static mg_status write(mg_rewrite *at) {
    const mg_program *from = at->from;
    mg_ref *inputs = at->refs + at->offsets[MG_REF_INPUT];
    mg_ref *constants = at->refs + at->offsets[MG_REF_CONSTANT];
    mg_status status = MG_OK;
    for (uint32_t i = 0; i < from->input_count; i++) {
        inputs[i] = mg_ref_make(MG_REF_INPUT, i);
    }
    for (uint32_t i = 0; status == MG_OK && i < from->constant_count; i++) {
        if (constants[i] == NEEDED) {
            status = mg_program_constant(at->to, from->constants[i], &constants[i]);
        }
        status = status == MG_OK ? mg_rewrite_pass_one(at) : status;
    }
    for (uint32_t i = 0; status == MG_OK && i < from->op_count; i++) {
        if (at->refs[i] == NEEDED) {
            at->refs[i] = mg_rewrite_copy(at, &from->code[i]);
        }
        status = mg_rewrite_pass(at, &from->code[i]);
    }
    return status;
}

mg_status mg_pass_prune(const mg_program *program, int (*poll)(void), mg_program **result) {
    mg_rewrite at;
    counts needed;
    mg_status status = mg_rewrite_begin(&at, program, poll);
    if (status == MG_OK) {
        memset(at.refs, 0, mg_rewrite_places(&at) * sizeof(mg_ref));
        status = mark(&at, &needed);
    }
    if (status == MG_OK) {
        status = mg_program_reserve(at.to, needed.constants, needed.ops, needed.wide);
    }
    if (status == MG_OK) {
        status = write(&at);
    }
    return mg_rewrite_end(&at, status, result);
}
