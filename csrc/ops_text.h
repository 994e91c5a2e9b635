/* The op table and the formulas that it calls as text: what C source is written from
   (micrograd_fast/_emit.py), so that it says what this core computes. */
#ifndef MG_OPS_TEXT_H
#define MG_OPS_TEXT_H

#include "ops.h"

typedef struct {
    const char *operands;    /* what the row calls them, a letter each; "" of an NARY one */
    const char *raises;      /* the word in the row */
    const char *forward;     /* an expression in the operands; of an NARY row a function */
    const char *partials[3]; /* in the operands and the result r; NULL: by a constant, or no more */
} mg_op_text;

/* All NULL for codes that are not of a row. */
extern const mg_op_text mg_op_texts[MG_OP_COUNT];

/* The headers with the functions that the expressions call, each whole and ending in a 0; NULL
   after the last. */
extern const char *const mg_formula_texts[];

#endif
