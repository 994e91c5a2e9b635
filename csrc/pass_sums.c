/* Chains of additions become sums: (x0 + x1) + x2 is what nary_sum computes, step by step. Sums
   that are there already are links as well, so that a sum to which something is added stays one op.
 */
#include "chain.h"
#include "passes.h"

/* Terms that are added to what a chain starts from. */
#define LEAST_ADDED 2

/* How good a running total an operand would make: as the start of a longer chain the best. */
static int rank(const mg_chains *at, mg_ref ref) {
    const unsigned flags = mg_chain_flags(at, ref);
    if (!mg_is_inner_link(flags)) {
        return 0;
    }
    return mg_is_inner_link(mg_chain_flags(at, mg_link_first(at, mg_ref_index(ref)))) ? 2 : 1;
}

static unsigned classify(const mg_chains *at, uint32_t i) {
    const mg_instruction *op = &at->rewrite.from->code[i];
    switch (op->op) {
    case MG_OP_add:
    case MG_OP_add_vc:
    case MG_OP_add_cv:
        return rank(at, op->b) > rank(at, op->a) ? MG_FIRST_B : MG_FIRST_A;
    case MG_OP_sum:
        return op->b > 1 ? MG_FIRST_WIDE : 0;
    default:
        return 0;
    }
}

static mg_ref fuse(mg_chains *at, uint32_t end) {
    mg_rewrite *rewrite = &at->rewrite;
    const uint32_t added = mg_piece_terms(at, end);
    mg_ref *x = rewrite->to->wide + rewrite->to->wide_count, first = 0;
    uint32_t next =
        added; /* where the last term that has been written is; they come last to first */
    for (uint32_t i = end;; i = mg_ref_index(first)) {
        uint32_t count;
        const mg_ref *terms = mg_link_terms(at, i, &count);
        for (uint32_t k = count; k-- > 0;) {
            x[next--] = mg_rewrite_ref(rewrite, terms[k]);
        }
        first = mg_link_first(at, i);
        if ((mg_chain_flags(at, first) & MG_ABSORBED) == 0) {
            break;
        }
    }
    x[0] = mg_rewrite_ref(rewrite, first);
    x[added + 1] = at->parameter;
    return mg_rewrite_wide_op(rewrite, MG_OP_sum, added + 1);
}

mg_status mg_pass_sums(const mg_program *program, int (*poll)(void), mg_program **result) {
    static const mg_chain_kind sums = {.least_terms = LEAST_ADDED,
                                       .least_links = 2,
                                       .wide_per_term = 1,
                                       .wide_per_piece = 2,
                                       .classify = classify,
                                       .fuse = fuse};
    return mg_chains_fuse(program, &sums, poll, result);
}
