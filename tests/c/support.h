/* What the tests build graphs with: one graph, its hooks, and nodes of every shape.

   Builders return a node with one reference, which the caller gives back with drop, or NULL when
   out of memory. They compute `data` from the op table, take their own references to the operands,
   and give up nothing of the caller's. */
#ifndef SUPPORT_H
#define SUPPORT_H

#include "graph.h"
#include "harness.h"

extern mg_graph heap;

/* A fresh graph with the hooks below, all scripts off. */
void heap_begin(void);

/* Checks that nothing is left of the test in the graph, and gives its memory back. */
void heap_end(void);

/* How often each hook was called since heap_begin. */
typedef struct {
    uint64_t poll, closure, untrack, finalize, foreign, track;
} hook_calls;

extern hook_calls calls;

/* Scripts of the tests, run by the hooks when not NULL. */
extern int (*on_poll)(void);
extern void (*on_finalize)(mg_node *node);
extern void (*on_foreign)(mg_node *node);

mg_node *leaf(double data);
mg_node *unary(mg_op op, mg_node *x);
/* The op with this code on a node and a constant: MG_SHAPE_VC, _CV or _VP. */
mg_node *with_constant(mg_op op, mg_node *x, double constant);
mg_node *binary(mg_op op, mg_node *x, mg_node *y);
mg_node *ternary(mg_op op, mg_node *x, mg_node *y, mg_node *z);
/* An NARY op on nodes alone. */
mg_node *nary(mg_op op, uint32_t count, mg_node *const *operands, double parameter);
/* The same with plain numbers: numbers[i] where operands[i] is NULL. */
mg_node *nary_mixed(mg_op op, uint32_t size, mg_node *const *operands, const double *numbers,
                    double parameter);
/* To be called before the tests of a program that makes such nodes: the room that steps need for
   their numbers is never given back. */
void nary_warm_up(void);
/* A node that the user builds: MG_OP_local with partials, or MG_OP_closure with NULL. */
mg_node *user_node(mg_op op, double data, uint32_t count, mg_node *const *operands,
                   const double *partials);
/* The same outside the arena, as an instance of a subclass is. */
mg_node *foreign_node(double data, uint32_t count, mg_node *const *operands,
                      const double *partials);

/* How many of three operands an NARY op takes, with the parameter NARY_PARAMETER. */
#define NARY_PARAMETER 1.0
uint32_t nary_count(mg_op op);

/* The row's value for operands in the order of the row; an NARY row takes nary_count of them. */
double op_forward(mg_op op, double a, double b, double c);

static inline mg_node *hold(mg_node *node) {
    node->refcount++;
    return node;
}

static inline void drop(mg_node *node) { mg_graph_drop(&heap, node); }

/* Drops all arguments, from left to right, but those that are NULL. */
#define DROP(...) \
    drop_nodes((mg_node *[]){__VA_ARGS__}, sizeof((mg_node *[]){__VA_ARGS__}) / sizeof(mg_node *))
void drop_nodes(mg_node *const *nodes, size_t count);

/* `result`, and gives up the operand it was made from: `x = then(x, unary(MG_OP_neg, x))` builds a
   chain. A NULL result gives up nothing. */
static inline mg_node *then(mg_node *operand, mg_node *result) {
    if (result != NULL) {
        drop(operand);
    }
    return result;
}

/* Makes the node own `value` (a new reference) as an attribute does. */
void set_attribute(mg_node *node, mg_node *value);

/* Marks the node as known to the collector, which needs a side record: 0 when out of memory. */
int track(mg_node *node);

typedef mg_status closure(mg_node *node, void *context);

/* Gives `node` a user closure: 0 when out of memory. */
int set_closure(mg_node *node, closure *run, void *context);

/* Tests number their nodes in the field that the core does not look at. */
static inline void set_index(mg_node *node, size_t index) { node->type = (void *)(uintptr_t)index; }
static inline size_t index_of(const mg_node *node) { return (size_t)(uintptr_t)node->type; }

#endif
