/* N-ary nodes. Backward asks for no memory, so that it cannot fail for want of it: the room for the
   numbers of a step is there since the first node of that size was made. The GIL guards it, and
   nothing that uses it calls out. */
#include "nary.h"

#include "memory.h"
#include "sweep.h"

#include <string.h>

static double *scratch;
static size_t scratch_size;

static mg_status reserve(size_t size) {
    if (size <= scratch_size) {
        return MG_OK;
    }
    size_t grown = size > 512 ? size + size / 2 : 512;
    double *resized = mg_memory_resize(scratch, grown, sizeof(double));
    if (resized == NULL) {
        return MG_NO_MEMORY;
    }
    scratch = resized;
    scratch_size = grown;
    return MG_OK;
}

/* --- blocks --- */

mg_block *mg_nary_new(uint32_t size, double parameter) {
    mg_block *block = NULL;
    if (reserve(size) == MG_OK) {
        block = mg_memory_alloc(1, sizeof(mg_block) + size * sizeof(mg_node *));
    }
    if (block != NULL) {
        *block = (mg_block){.size = size, .parameter = parameter};
    }
    return block;
}

mg_block *mg_nary_mix(mg_block *block) {
    const size_t each = sizeof(mg_node *) + sizeof(double) + sizeof(uint32_t);
    mg_block *mixed = mg_memory_resize(block, 1, sizeof(mg_block) + block->size * each);
    if (mixed != NULL) {
        for (uint32_t i = 0; i < mixed->count; i++) {
            mg_nary_places(mixed)[i] = i;
        }
    }
    return mixed;
}

void mg_nary_materialize(mg_block *block, mg_node *const *leaves) {
    const uint32_t *places = mg_nary_places(block);
    uint32_t operands = block->count, numbers = block->size - block->count;
    /* From the last on, each moves up or stays. */
    for (uint32_t i = block->size; i-- > 0;) {
        int is_operand = operands != 0 && places[operands - 1] == i;
        block->operands[i] = is_operand ? block->operands[--operands] : leaves[--numbers];
    }
    block->count = block->size;
}

double *mg_nary_numbers(mg_block *block) {
    double *x = scratch;
    if (block->count == block->size) {
        for (uint32_t i = 0; i < block->count; i++) {
            x[i] = block->operands[i]->data;
        }
        return x;
    }
    const uint32_t *places = mg_nary_places(block);
    memcpy(x, mg_nary_constants(block), block->size * sizeof(double));
    for (uint32_t i = 0; i < block->count; i++) {
        x[places[i]] = block->operands[i]->data;
    }
    return x;
}

/* --- backward --- */

static double *partials_of(mg_node *node, mg_block *block) {
    double *x = mg_nary_numbers(block);
    mg_nary_table[node->op].partials(x, block->size, block->parameter, node->data);
    return x;
}

/* dot of operands alone, the most used: their data and grads in one pass. */
static size_t propagate_dot(const mg_block *block, double g, uint16_t epoch) {
    const uint32_t m = block->size / 2;
    mg_node *const *w = block->operands, *const *x = block->operands + m;
    size_t added = 0;
    for (uint32_t i = 0; i < m; i++) {
        const double a = w[i]->data, b = x[i]->data;
        w[i]->grad += b * g;
        x[i]->grad += a * g;
        added += mg_reach_alike(w[i], epoch);
        added += mg_reach_alike(x[i], epoch);
    }
    if (block->size % 2 != 0) {
        x[m]->grad += g;
        added += mg_reach_alike(x[m], epoch);
    }
    return added;
}

size_t mg_nary_propagate(mg_node *node, uint16_t epoch) {
    mg_block *block = mg_node_block(node);
    const double g = node->grad;
    size_t added = 0;
    if (node->op == MG_OP_dot && block->count == block->size) {
        return propagate_dot(block, g, epoch);
    }
    const double *d = partials_of(node, block);
    if (block->count == block->size) {
        for (uint32_t i = 0; i < block->count; i++) {
            block->operands[i]->grad += d[i] * g;
            added += mg_reach_alike(block->operands[i], epoch);
        }
        return added;
    }
    const uint32_t *places = mg_nary_places(block);
    for (uint32_t i = 0; i < block->count; i++) {
        block->operands[i]->grad += d[places[i]] * g;
        added += mg_reach_alike(block->operands[i], epoch);
    }
    return added;
}

void mg_nary_partials(mg_node *node, double *d) {
    mg_block *block = mg_node_block(node);
    const double *all = partials_of(node, block);
    for (uint32_t i = 0; i < block->count; i++) {
        d[i] = all[block->count == block->size ? i : mg_nary_places(block)[i]];
    }
}
