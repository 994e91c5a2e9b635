/* What a program goes through before it runs. Each pass takes a program and makes a new one that
   computes the same outputs from the same inputs, to the last bit: nothing is reassociated, nothing
   contracted, and an identity is only used where IEEE arithmetic has it for every operand (x * 1 is
   x; x + 0 is not, for x = -0). Gradients stay the same up to the order in which contributions to
   one adjoint are added.

   Nor do they change what raises, with one exception that is wanted: what no output needs is not
   computed, so it does not raise either. `where` and `take` with a condition or an index that is
   constant need only what they choose.

   A pass never changes its argument, takes time and memory linear in its size, and expects it to be
   valid. It touches nothing but programs, so that it may run without the GIL (see mg_memory_share).
   MG_OK with `*result` a new program, which the caller frees; MG_NO_MEMORY; MG_INTERRUPTED, when
   `poll` (NULL: never), which is called now and then, returned other than 0; or MG_TOO_LARGE, which
   a program with less than a third of MG_PROGRAM_LIMIT of everything never is. */
#ifndef MG_PASSES_H
#define MG_PASSES_H

#include "program.h"

/* PASS(name, meaning): in the order in which they run. */
#define MG_PASSES(PASS)                                                                       \
    PASS(fold,                                                                                \
         "computes what depends on constants alone, and drops ops that return their operand") \
    PASS(share, "computes common subexpressions once")                                        \
    PASS(prune, "drops what no output needs, constants included")                             \
    PASS(dots, "turns chains of multiply and add into one dot each")                          \
    PASS(sums, "turns chains of additions into one sum each")

typedef enum {
#define MG_PASS_NUMBER(name, meaning) MG_PASS_##name,
    MG_PASSES(MG_PASS_NUMBER)
#undef MG_PASS_NUMBER
        MG_PASS_COUNT
} mg_pass_number;

typedef mg_status mg_pass(const mg_program *program, int (*poll)(void), mg_program **result);

#define MG_PASS_FUNCTION(name, meaning) mg_pass mg_pass_##name;
MG_PASSES(MG_PASS_FUNCTION)
#undef MG_PASS_FUNCTION

typedef struct {
    const char *name, *meaning;
    mg_pass *run;
} mg_pass_info;

extern const mg_pass_info mg_pass_table[MG_PASS_COUNT];

/* Runs the passes whose bit (1 << number) is set in `wanted`, in order. MG_OK with `*result` a new
   program, also if none is wanted; else as above. */
mg_status mg_passes_run(const mg_program *program, uint32_t wanted, int (*poll)(void),
                        mg_program **result);

#endif
