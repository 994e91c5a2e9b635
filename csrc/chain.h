/* Chains: what the passes that fuse running totals have in common.

   A *link* is an op that adds to a running total, its *first* operand, one or more *terms*: an
   addition, or a sum of two or more. Links whose totals nobody else reads form a chain, and because
   a dot and a sum add in order from their first number on, one of these in the place of the last
   link computes the same to the bit.

   Fusing makes operands wait: a loop that computes a term and adds it needs one term at a time, the
   fused op all of them at once. Therefore a chain is cut into pieces where too many terms would
   wait that have been computed along its way. Nor do pieces become so large that nobody could
   interrupt what is done with one of them. */
#ifndef MG_CHAIN_H
#define MG_CHAIN_H

#include "rewrite.h"

/* What is known of a number. */
enum {
    MG_READ = 1,       /* by one op */
    MG_READ_AGAIN = 2, /* by more, or it is an output */
    MG_FIRST_A = 4,    /* a link: what its first operand is */
    MG_FIRST_B = 8,
    MG_FIRST_WIDE = 16,
    MG_PRODUCT = 32,  /* a product that can become part of its reader */
    MG_ABSORBED = 64, /* part of a fused op */
    MG_FUSED = 128,   /* the last link of a piece: what is fused takes its place */
};
#define MG_LINK (MG_FIRST_A | MG_FIRST_B | MG_FIRST_WIDE)

typedef struct mg_chain_kind mg_chain_kind;

typedef struct {
    mg_rewrite rewrite;
    const mg_chain_kind *kind;
    uint8_t *flags; /* by place, see mg_rewrite_place */
    /* What fusing adds up to. */
    uint32_t pieces, absorbed, absorbed_wide;
    uint64_t terms;
    int starts_with_product; /* of any piece */
    mg_ref parameter;        /* of what is fused, which has none */
    mg_ref minus_zero;       /* if starts_with_product */
} mg_chains;

struct mg_chain_kind {
    /* What a piece must have: terms (a product in the first place is one), and links. */
    uint32_t least_terms, least_links;
    /* Wide operands of a fused op: so many for each term and for itself, the parameter included. */
    uint32_t wide_per_term, wide_per_piece;
    /* The flags that op number i gets besides. */
    unsigned (*classify)(const mg_chains *at, uint32_t i);
    /* Appends what piece `end` becomes; there is room. */
    mg_ref (*fuse)(mg_chains *at, uint32_t end);
};

/* Finds the chains of a kind and fuses them. MG_OK, MG_NO_MEMORY, MG_INTERRUPTED or MG_TOO_LARGE.
 */
mg_status mg_chains_fuse(const mg_program *program, const mg_chain_kind *kind, int (*poll)(void),
                         mg_program **result);

static inline unsigned mg_chain_flags(const mg_chains *at, mg_ref ref) {
    return at->flags[mg_rewrite_place(&at->rewrite, ref)];
}

/* Whether exactly one op reads it, once. */
static inline int mg_is_read_once(unsigned flags) {
    return (flags & (MG_READ | MG_READ_AGAIN)) == MG_READ;
}

/* Whether it is a link whose total only its reader needs. */
static inline int mg_is_inner_link(unsigned flags) {
    return (flags & MG_LINK) != 0 && mg_is_read_once(flags);
}

static inline mg_ref mg_link_first(const mg_chains *at, uint32_t i) {
    const mg_instruction *op = &at->rewrite.from->code[i];
    const unsigned flags = at->flags[i];
    return (flags & MG_FIRST_A) != 0   ? op->a
           : (flags & MG_FIRST_B) != 0 ? op->b
                                       : at->rewrite.from->wide[op->a];
}

/* The terms of a link, and how many. */
static inline const mg_ref *mg_link_terms(const mg_chains *at, uint32_t i, uint32_t *count) {
    const mg_instruction *op = &at->rewrite.from->code[i];
    const unsigned flags = at->flags[i];
    *count = 1;
    if ((flags & MG_FIRST_WIDE) != 0) {
        *count = op->b - 1;
        return at->rewrite.from->wide + op->a + 1;
    }
    return (flags & MG_FIRST_A) != 0 ? &op->b : &op->a;
}

/* How many terms a piece has; what it starts from is one if it has been absorbed. */
uint32_t mg_piece_terms(const mg_chains *at, uint32_t end);

#endif
