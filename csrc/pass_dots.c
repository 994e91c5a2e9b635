/* Chains whose terms are products become dots: ((b + w0*x0) + w1*x1) + ... is what nary_dot
   computes, step by step. It does not matter which operand of an addition or a product is the
   first. A chain that starts with a product starts from -0 instead, to which every product can be
   added unchanged (from 0, a product -0 could not). A sum of products is such a chain, too. */
#include "chain.h"
#include "passes.h"

#define LEAST_PRODUCTS 2

static int is_product(const mg_chains *at, mg_ref ref) {
    return (mg_chain_flags(at, ref) & MG_PRODUCT) != 0;
}

static unsigned classify(const mg_chains *at, uint32_t i) {
    const mg_program *from = at->rewrite.from;
    const mg_instruction *op = &from->code[i];
    switch (op->op) {
    case MG_OP_mul:
    case MG_OP_mul_vc:
    case MG_OP_mul_cv:
        return mg_is_read_once(at->flags[i]) ? MG_PRODUCT : 0;
    case MG_OP_add:
    case MG_OP_add_vc:
    case MG_OP_add_cv:
        return is_product(at, op->b) ? MG_FIRST_A : is_product(at, op->a) ? MG_FIRST_B : 0;
    case MG_OP_sum:
        for (uint32_t k = 1; k < op->b; k++) {
            if (!is_product(at, from->wide[op->a + k])) {
                return 0;
            }
        }
        return op->b > 1 ? MG_FIRST_WIDE : 0;
    default:
        return 0;
    }
}

static mg_ref fuse(mg_chains *at, uint32_t end) {
    mg_rewrite *rewrite = &at->rewrite;
    const mg_instruction *code = rewrite->from->code;
    const uint32_t m = mg_piece_terms(at, end);
    mg_ref *w = rewrite->to->wide + rewrite->to->wide_count, *x = w + m, start = at->minus_zero;
    uint32_t next = m; /* where the last term that has been written is; they come last to first */
    for (uint32_t i = end; next != 0;) {
        uint32_t count;
        const mg_ref *terms = mg_link_terms(at, i, &count);
        const mg_ref first = mg_link_first(at, i);
        for (uint32_t k = count; k-- > 0;) {
            mg_rewrite_pair(rewrite, &code[mg_ref_index(terms[k])], &w[next - 1], &x[next - 1]);
            next--;
        }
        if ((mg_chain_flags(at, first) & MG_ABSORBED) == 0) {
            start = mg_rewrite_ref(rewrite, first);
        } else if (is_product(at, first)) {
            mg_rewrite_pair(rewrite, &code[mg_ref_index(first)], &w[0], &x[0]);
            next--;
        } else {
            i = mg_ref_index(first);
        }
    }
    w[2 * (size_t)m] = start;
    w[2 * (size_t)m + 1] = at->parameter;
    return mg_rewrite_wide_op(rewrite, MG_OP_dot, 2 * m + 1);
}

mg_status mg_pass_dots(const mg_program *program, int (*poll)(void), mg_program **result) {
    static const mg_chain_kind dots = {.least_terms = LEAST_PRODUCTS,
                                       .least_links = 1,
                                       .wide_per_term = 2,
                                       .wide_per_piece = 2,
                                       .classify = classify,
                                       .fuse = fuse};
    return mg_chains_fuse(program, &dots, poll, result);
}
