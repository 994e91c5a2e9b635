/* The table of the passes, and running several. */
#include "passes.h"

const mg_pass_info mg_pass_table[MG_PASS_COUNT] = {
#define PASS(name, meaning) [MG_PASS_##name] = {#name, meaning, mg_pass_##name},
    MG_PASSES(PASS)
#undef PASS
};

mg_status mg_passes_run(const mg_program *program, uint32_t wanted, int (*poll)(void),
                        mg_program **result) {
    mg_program *current = NULL; /* ours, once a pass has run */
    for (int number = 0; number < MG_PASS_COUNT; number++) {
        if ((wanted >> number & 1) != 0) {
            mg_program *next = NULL;
            mg_status status =
                mg_pass_table[number].run(current != NULL ? current : program, poll, &next);
            mg_program_free(current);
            if (status != MG_OK) {
                return status;
            }
            current = next;
        }
    }
    if (current == NULL) {
        current = mg_program_copy(program);
    }
    *result = current;
    return current != NULL ? MG_OK : MG_NO_MEMORY;
}
