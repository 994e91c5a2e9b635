/* The order of a backward pass as a list, for when it must be known before it is executed. */
#ifndef MG_ORDER_H
#define MG_ORDER_H

#include "arena.h"

/* Nodes in the order in which backward visits them: every parent before its operands. The list
   holds a reference to each. */
typedef struct {
    mg_node **nodes;
    size_t count, capacity;
} mg_order;

/* Both fill an empty `order` with all nodes reachable from root, leaves included; `poll` as in
   mg_hooks (NULL: never). On failure the order is empty again. References are given back with
   mg_order_clear's caller dropping each node first, see mg_graph. */

/* By a marked walk down the creation log. Needs every reachable node in the arena. */
mg_status mg_order_by_log(mg_arena *arena, mg_node *root, int (*poll)(void), mg_order *order);

/* Depth first, with a set of its own for the nodes visited and a stack of its own: knows nothing of
   the log. */
mg_status mg_order_depth_first(mg_node *root, int (*poll)(void), mg_order *order);

/* Frees the list itself, not the references in it. */
void mg_order_clear(mg_order *order);

#endif
