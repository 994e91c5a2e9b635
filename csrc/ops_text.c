/* The headers are embedded by the assembler, from the very files that are compiled here. Their
   functions as arguments of stringifying macros would be text too, but on one line each, without
   comments, and unreadable where they are defined; files beside the module could be others than
   those it was made of. Each header passes its own name, with which `.incbin` finds it wherever
   the compiler did. */
#define MG_EMBED(symbol, file)                                                               \
    __asm__(".pushsection .rodata\n.global " #symbol "\n.hidden " #symbol "\n" #symbol ":\n" \
            ".incbin \"" file "\"\n.byte 0\n.popsection")

#include "ops_text.h"

#include "ops_check.h"

extern const char mg_ops_math_text[], mg_ops_nary_text[], mg_ops_check_text[];

const char *const mg_formula_texts[] = {mg_ops_math_text, mg_ops_nary_text, mg_ops_check_text,
                                        NULL};

const mg_op_text mg_op_texts[MG_OP_COUNT] = {
#define UNARY(name, symbol, raises, forward, da, ...) \
    [MG_OP_##name] = {"a", #raises, #forward, {#da}},
#define PARAMETRIC(name, symbol, raises, parameter, initial, forward, da, ...) \
    [MG_OP_##name] = {"ac", #raises, #forward, {#da}},
#define BINARY(name, symbol, constant, raises, forward, da, db, ...) \
    [MG_OP_##name] = {"ab", #raises, #forward, {#da, #db}},          \
    [MG_OP_##name##_vc] = {"ab", #raises, #forward, {#da, NULL}},    \
    [MG_OP_##name##_cv] = {"ab", #raises, #forward, {NULL, #db}},
#define TERNARY(name, symbol, raises, forward, da, db, dc, ...) \
    [MG_OP_##name] = {"abc", #raises, #forward, {#da, #db, #dc}},
#define NARY(name, symbol, operands, forward, partials, ...) \
    [MG_OP_##name] = {"", "NEVER", #forward, {#partials}},
#include "ops.def"
};
