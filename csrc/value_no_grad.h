/* Computing without graphs: within a block of no_grad(), what operations give on that thread are
   leaves.

   That is decided where the result of an operation becomes a node, in value.h, value_node.c,
   value_gather.c and value_call.c, and nowhere else. What Python constructs by hand, parameters
   nodes, and leaves are what they always are. A recording, which is made of the graph, is not
   affected: while a thread records it is in no block. */
#ifndef MG_VALUE_NO_GRAD_H
#define MG_VALUE_NO_GRAD_H

#include "value.h"

/* A block under way. The GIL guards the lists. */
struct mg_no_grad {
    mg_no_grad *outer, *next_own; /* in mg_no_grads, and among those of one owner */
    unsigned long thread;
};

/* Begins a block on this thread, `*own` being the list of its owner. 0, or -1 with MemoryError. */
int mg_no_grad_enter(mg_no_grad **own);

/* Ends the owner's last block on this thread, or if it has none here the last of all. 0, or -1 with
   RuntimeError if there is none. */
int mg_no_grad_leave(mg_no_grad **own);

/* Ends all blocks of an owner. */
void mg_no_grad_leave_all(mg_no_grad **own);

#endif
