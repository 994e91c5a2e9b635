/* Invariant: a rewrite owns the program it writes until mg_rewrite_end gives it away, and the
   program it reads is never changed. */
#include "rewrite.h"

#include <string.h>

mg_status mg_rewrite_begin(mg_rewrite *at, const mg_program *from, int (*poll)(void)) {
    *at = (mg_rewrite){.from = from, .poll = poll};
    at->offsets[MG_REF_INPUT] = from->op_count;
    at->offsets[MG_REF_CONSTANT] = (size_t)from->op_count + from->input_count;
    at->refs = mg_memory_alloc(mg_rewrite_places(at) + 1, sizeof(mg_ref));
    if (at->refs == NULL) {
        return MG_NO_MEMORY;
    }
    at->refs[0] = 0; /* see mg_rewrite_pair */
    for (uint32_t i = 0; i < from->input_count; i++) {
        at->refs[at->offsets[MG_REF_INPUT] + i] = mg_ref_make(MG_REF_INPUT, i);
    }
    at->to = mg_program_new(from->input_count);
    return at->to != NULL ? MG_OK : MG_NO_MEMORY;
}

mg_status mg_rewrite_ask(mg_rewrite *at) {
    at->passed = 0;
    return at->poll != NULL && at->poll() ? MG_INTERRUPTED : MG_OK;
}

mg_status mg_rewrite_keep_constants(mg_rewrite *at) {
    const mg_program *from = at->from;
    mg_status status = mg_program_reserve(at->to, from->constant_count, 0, 0);
    for (uint32_t i = 0; status == MG_OK && i < from->constant_count; i++) {
        status = mg_program_constant(at->to, from->constants[i],
                                     &at->refs[at->offsets[MG_REF_CONSTANT] + i]);
        status = status == MG_OK ? mg_rewrite_pass_one(at) : status;
    }
    return status;
}

mg_status mg_rewrite_constant(mg_rewrite *at, double number, mg_ref *ref) {
    const mg_program *to = at->to;
    for (uint32_t i = 0; i < to->constant_count; i++) {
        if (memcmp(&to->constants[i], &number, sizeof number) == 0) {
            *ref = mg_ref_make(MG_REF_CONSTANT, i);
            return MG_OK;
        }
    }
    return mg_program_constant(at->to, number, ref);
}

/* Outputs are looked up in place: an array of their own would be one more that can fail. */
static mg_status set_outputs(mg_rewrite *at) {
    const mg_program *from = at->from;
    mg_status status = mg_program_set_outputs(at->to, from->outputs, from->output_count);
    for (uint32_t i = 0; status == MG_OK && i < from->output_count; i++) {
        at->to->outputs[i] = mg_rewrite_ref(at, from->outputs[i]);
    }
    return status;
}

mg_status mg_rewrite_end(mg_rewrite *at, mg_status status, mg_program **result) {
    if (status == MG_OK) {
        status = set_outputs(at);
    }
    if (status == MG_OK) {
        *result = at->to;
    } else {
        mg_program_free(at->to);
    }
    mg_memory_free(at->refs);
    *at = (mg_rewrite){0};
    return status;
}
