/* The nodes of the n-ary rows: their operand blocks, and what flows through them.

   A function takes `size` numbers, and each is an operand or a plain number. A block of operands
   alone (count == size) is nothing but these; a *mixed* one has room for `size` operands, and
   behind it `size` doubles (the plain numbers in their places) and the place of each operand. */
#ifndef MG_NARY_H
#define MG_NARY_H

#include <stddef.h>

#include "node.h"

/* A block with room for `size` operands and none yet, owned by the caller. Makes sure that a node
   with it can be differentiated without allocating. NULL when out of memory. */
mg_block *mg_nary_new(uint32_t size, double parameter);

/* The same block with room for plain numbers, from before the first of them is stored; the operands
   so far have the first places. NULL when out of memory, with the block as it was. */
mg_block *mg_nary_mix(mg_block *block);

/* Of a mixed block: the plain numbers, each in its place, and the places of the operands. */
static inline double *mg_nary_constants(mg_block *block) {
    return (double *)(block->operands + block->size);
}

static inline uint32_t *mg_nary_places(mg_block *block) {
    return (uint32_t *)(mg_nary_constants(block) + block->size);
}

/* Puts a leaf in the place of each plain number of a mixed block, which takes the references over:
   `leaves` has size - count of them, in the order of the numbers. */
void mg_nary_materialize(mg_block *block, mg_node *const *leaves);

/* All numbers that the function takes, in order, the data of operands as it is now. The array is
   good until the next call of this or of a step; the owner may write to it. */
double *mg_nary_numbers(mg_block *block);

/* Adds what flows from `node` into its operands, and marks them: see mg_reach. */
size_t mg_nary_propagate(mg_node *node, uint16_t epoch);

/* The partials with respect to the operands, in their order. */
void mg_nary_partials(mg_node *node, double *d);

#endif
