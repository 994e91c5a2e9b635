/* Invariant: whatever is flagged as absorbed is read by nothing but ops of its piece, and the last
   op of each piece is flagged as fused. So a piece is found again by walking down from there along
   what has been absorbed. */
#include "chain.h"

#include <string.h>

/* How many terms of a piece may have been computed along its way. */
#define WAITING_MOST 32

/* From so many terms on a piece takes no more links. */
#define TERMS_MOST ((uint64_t)1 << 18)

static void read_once_more(uint8_t *flags) {
    *flags = (uint8_t)(*flags | (*flags & MG_READ) << 1 | MG_READ);
}

static mg_status count_readers(mg_chains *at) {
    const mg_program *from = at->rewrite.from;
    const size_t nowhere = mg_rewrite_places(&at->rewrite);
    mg_status status = MG_OK;
    for (uint32_t i = 0; status == MG_OK && i < from->op_count; i++) {
        const mg_instruction *op = &from->code[i];
        status = mg_rewrite_pass(&at->rewrite, op);
        if (mg_op_is_wide(op->op)) {
            for (uint32_t k = 0; k < op->b; k++) {
                read_once_more(&at->flags[mg_rewrite_place(&at->rewrite, from->wide[op->a + k])]);
            }
        } else {
            /* What a unary op does not have is the place behind all others: no branch. */
            const size_t second = mg_rewrite_place(&at->rewrite, op->b);
            read_once_more(&at->flags[mg_rewrite_place(&at->rewrite, op->a)]);
            read_once_more(&at->flags[mg_op_shapes[op->op] == MG_SHAPE_V ? nowhere : second]);
        }
    }
    for (uint32_t i = 0; i < from->output_count; i++) {
        at->flags[mg_rewrite_place(&at->rewrite, from->outputs[i])] |= MG_READ | MG_READ_AGAIN;
    }
    return status;
}

static int is_newer(mg_ref ref, mg_ref first) {
    return mg_ref_kind_of(ref) == MG_REF_OP && ref > first;
}

/* How many of a link's terms have been computed since its running total was; what a product is
   made of, where it becomes part of the link. The terms of a sum wait in any case. */
static uint32_t count_waiting(const mg_chains *at, uint32_t i, mg_ref first) {
    uint32_t count;
    const mg_ref *terms = mg_link_terms(at, i, &count);
    if ((at->flags[i] & MG_FIRST_WIDE) != 0) {
        return 0;
    }
    if ((mg_chain_flags(at, terms[0]) & MG_PRODUCT) != 0) {
        const mg_instruction *product = &at->rewrite.from->code[mg_ref_index(terms[0])];
        return (uint32_t)(is_newer(product->a, first) + is_newer(product->b, first));
    }
    return (uint32_t)is_newer(terms[0], first);
}

static void absorb(mg_chains *at, mg_ref ref) {
    const mg_instruction *op = &at->rewrite.from->code[mg_ref_index(ref)];
    at->flags[mg_ref_index(ref)] |= MG_ABSORBED;
    at->absorbed++;
    at->absorbed_wide += mg_op_is_wide(op->op) ? op->b + 1 : 0;
}

/* Absorbs a piece of so many links into its last. */
static void absorb_piece(mg_chains *at, uint32_t end, uint32_t links) {
    for (uint32_t i = end;; i = mg_ref_index(mg_link_first(at, i))) {
        uint32_t count;
        const mg_ref *terms = mg_link_terms(at, i, &count);
        const mg_ref first = mg_link_first(at, i);
        for (uint32_t k = 0; k < count; k++) {
            if ((mg_chain_flags(at, terms[k]) & MG_PRODUCT) != 0) {
                absorb(at, terms[k]);
            }
        }
        if (--links != 0) {
            absorb(at, first);
            continue;
        }
        if ((mg_chain_flags(at, first) & MG_PRODUCT) != 0) {
            absorb(at, first);
            at->starts_with_product = 1;
        }
        return;
    }
}

/* Op number `end` is a link that is not part of a later piece: decides how far down its own goes,
   and whether it has one. */
static void find_piece(mg_chains *at, uint32_t end) {
    uint32_t links = 0, waiting = 0;
    uint64_t terms = 0;
    for (uint32_t i = end;;) {
        uint32_t count;
        const mg_ref first = mg_link_first(at, i);
        const unsigned flags = mg_chain_flags(at, first);
        mg_link_terms(at, i, &count);
        links++;
        terms += count;
        waiting += count_waiting(at, i, first);
        if (!mg_is_inner_link(flags) || waiting > WAITING_MOST || terms >= TERMS_MOST) {
            terms += (flags & MG_PRODUCT) != 0;
            break;
        }
        i = mg_ref_index(first);
    }
    at->rewrite.passed += links;
    if (terms >= at->kind->least_terms && links >= at->kind->least_links) {
        at->flags[end] |= MG_FUSED;
        at->pieces++;
        at->terms += terms;
        absorb_piece(at, end, links);
        at->absorbed_wide +=
            mg_op_is_wide(at->rewrite.from->code[end].op) ? at->rewrite.from->code[end].b + 1 : 0;
    }
}

uint32_t mg_piece_terms(const mg_chains *at, uint32_t end) {
    uint32_t terms = 0;
    for (uint32_t i = end;;) {
        uint32_t count;
        const mg_ref first = mg_link_first(at, i);
        const unsigned flags = mg_chain_flags(at, first);
        mg_link_terms(at, i, &count);
        terms += count;
        if ((flags & MG_ABSORBED) == 0 || (flags & MG_PRODUCT) != 0) {
            return terms + ((flags & MG_ABSORBED) != 0);
        }
        i = mg_ref_index(first);
    }
}

static mg_status write(mg_chains *at) {
    mg_rewrite *rewrite = &at->rewrite;
    const mg_program *from = rewrite->from;
    const mg_chain_kind *kind = at->kind;
    /* What is absorbed is part of what is there, so only the sum may exceed the limit. */
    uint64_t wide = at->terms * kind->wide_per_term + (uint64_t)at->pieces * kind->wide_per_piece +
                    from->wide_count - at->absorbed_wide;
    if (wide >= MG_PROGRAM_LIMIT) {
        return MG_TOO_LARGE;
    }
    mg_status status =
        mg_program_reserve(rewrite->to, 0, from->op_count - at->absorbed, (uint32_t)wide);
    if (status == MG_OK) {
        status = mg_rewrite_keep_constants(rewrite);
    }
    if (status == MG_OK && at->pieces != 0) {
        status = mg_rewrite_constant(rewrite, 0.0, &at->parameter);
    }
    if (status == MG_OK && at->starts_with_product) {
        status = mg_rewrite_constant(rewrite, -0.0, &at->minus_zero);
    }
    for (uint32_t i = 0; status == MG_OK && i < from->op_count; i++) {
        const unsigned flags = at->flags[i];
        status = mg_rewrite_pass(rewrite, &from->code[i]);
        if ((flags & MG_ABSORBED) == 0) {
            rewrite->refs[i] = (flags & MG_FUSED) != 0 ? kind->fuse(at, i)
                                                       : mg_rewrite_copy(rewrite, &from->code[i]);
        }
    }
    return status;
}

mg_status mg_chains_fuse(const mg_program *program, const mg_chain_kind *kind, int (*poll)(void),
                         mg_program **result) {
    mg_chains at = {.kind = kind};
    mg_status status = mg_rewrite_begin(&at.rewrite, program, poll);
    if (status == MG_OK) {
        at.flags = mg_memory_alloc(mg_rewrite_places(&at.rewrite) + 1, 1);
        status = at.flags != NULL ? MG_OK : MG_NO_MEMORY;
    }
    if (status == MG_OK) {
        memset(at.flags, 0, mg_rewrite_places(&at.rewrite) + 1);
        status = count_readers(&at);
    }
    for (uint32_t i = 0; status == MG_OK && i < program->op_count; i++) {
        at.flags[i] = (uint8_t)(at.flags[i] | kind->classify(&at, i));
        status = mg_rewrite_pass(&at.rewrite, &program->code[i]);
    }
    for (uint32_t i = program->op_count; status == MG_OK && i-- > 0;) {
        if ((at.flags[i] & MG_LINK) != 0 && (at.flags[i] & MG_ABSORBED) == 0) {
            find_piece(&at, i);
        }
        status = mg_rewrite_pass(&at.rewrite, &program->code[i]);
    }
    if (status == MG_OK) {
        status = write(&at);
    }
    mg_memory_free(at.flags);
    return mg_rewrite_end(&at.rewrite, status, result);
}
