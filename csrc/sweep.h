/* What the steps of a backward pass share: how a node that gradient flows into is marked. */
#ifndef MG_SWEEP_H
#define MG_SWEEP_H

#include <stddef.h>

#include "node.h"
#include "status.h"

#if defined(__GNUC__)
#define MG_ALWAYS_INLINE static inline __attribute__((always_inline))
#else
#define MG_ALWAYS_INLINE static inline
#endif

/* What may stop a pass within its steps: most are so short that nobody asks in between, but a call
   of a network or of a compiled function may be long. */
typedef struct mg_watch mg_watch;
struct mg_watch {
    int (*poll)(void); /* not 0 means stop; NULL: never */
    /* Runs work that touches neither nodes nor anything else that others may change, so that they
       can go on meanwhile; `poll` is for the work to ask. NULL: there is nobody to let go on. */
    mg_status (*apart)(mg_status (*work)(void *argument, int (*poll)(void)), void *argument);
    size_t worked;    /* additions and multiplications since somebody asked */
    mg_status status; /* not MG_OK once the pass must stop */
};

static inline void mg_watch_ask(mg_watch *watch) {
    watch->worked = 0;
    if (watch->poll != NULL && watch->poll()) {
        watch->status = MG_INTERRUPTED;
    }
}

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
