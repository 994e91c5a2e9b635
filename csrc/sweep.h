/* What the steps of a backward pass share: how a node that gradient flows into is marked. */
#ifndef MG_SWEEP_H
#define MG_SWEEP_H

#include <stddef.h>

#include "node.h"

#if defined(__GNUC__)
#define MG_ALWAYS_INLINE static inline __attribute__((always_inline))
#else
#define MG_ALWAYS_INLINE static inline
#endif

/* Marks `node` as reached by the sweep of this epoch; of epoch 0, a step by hand, nobody keeps
   track. Returns how many interior nodes that adds to those the sweep has yet to visit: 1 or 0.
   Steps return the sum over their operands, instead of counting in memory, so that the sweep can
   keep its count in a register. */
MG_ALWAYS_INLINE size_t mg_reach(mg_node *node, uint16_t epoch) {
    if (epoch == 0) {
        return 0;
    }
    size_t added = (node->mark != epoch) & mg_node_is_interior(node);
    node->mark = epoch;
    return added;
}

/* The same for nodes with many operands, of which most are alike: parameters and inputs that were
   reached before, or leaves that nobody else has. A branch is right nearly always then, and saves
   the store; among the operands of small nodes it is not. */
MG_ALWAYS_INLINE size_t mg_reach_alike(mg_node *node, uint16_t epoch) {
    return epoch == 0 || node->mark == epoch ? 0 : mg_reach(node, epoch);
}

#endif
