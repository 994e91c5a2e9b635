/* Random graphs, and what backward must make of them. */
#ifndef DAG_H
#define DAG_H

#include "support.h"

/* Nodes in the order of their creation, each with one reference and its index set. */
typedef struct {
    mg_node **nodes;
    size_t count;
} dag;

/* A random graph of `leaves` leaves and `interior` other nodes, whose operands are any older nodes,
   half of the time recent ones; most are reachable from the last, which is very wide. With `exact`
   it is made of sums and differences whose partials are whole numbers, so that gradients do not
   depend on the order of additions; otherwise of every op in the table, with operands for which
   values and partials stay of a moderate size. With `rows_alone` there are no nodes that a user
   would build. */
extern int rows_alone;
dag random_dag(size_t leaves, size_t interior, int exact);
void drop_dag(dag *graph);

/* What a backward pass from a root does, worked out node by node in the order of the list alone. */
typedef struct {
    double gradient;  /* what backward adds to grads that were 0 */
    double magnitude; /* the sum of the magnitudes that it is made of: bounds the rounding */
    int reachable;
} flow;

/* A block of one flow for each node, from mg_memory_alloc; NULL when out of memory. */
flow *expected_flows(const dag *graph, size_t root);

/* Sets the grads of what is reachable from the root to 0, and all others to `untouched`. */
void reset_grads(const dag *graph, size_t root, double untouched);

/* Checks that the grads of all nodes are what flows from the root, and `untouched` where nothing
   does: to the last bit where `exact`. */
void check_flows(const dag *graph, size_t root, double untouched, int exact);

#endif
