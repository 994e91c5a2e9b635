/* The graph: what happens to nodes together. Differentiating, and freeing.

   backward walks the creation log down from the root. A child is always older than its parent, so
   the log read backwards is a reverse topological order of any graph: a marked node hands its
   adjoint to its operands and marks them, and the walk ends when no marked interior node is left.
   No stack, no sort, nothing but reachable nodes touched, exact.

   Three situations need the order before anything is executed, and get it as a list (order.h): a
   node with a user closure is alive, because a closure runs arbitrary Python (it builds and drops
   nodes, raises, calls backward on this very graph); an instance of a subclass is alive, which the
   log does not know; or a marked sweep is already under way below us on the stack (a signal handler
   that calls backward), whose marks must stay. */
#ifndef MG_GRAPH_H
#define MG_GRAPH_H

#include "arena.h"

/* What the graph asks of its owner. In the extension these touch Python objects; tests bring
   theirs. Every hook may run arbitrary code, backward and release included. */
typedef struct {
    /* Called now and then during long work: not 0 means stop with MG_INTERRUPTED. */
    int (*poll)(void);
    /* See mg_watch in sweep.h; NULL: work is done where it comes up. */
    mg_status (*apart)(mg_status (*work)(void *argument, int (*poll)(void)), void *argument);
    /* Runs the node's user closure: MG_OK or MG_CLOSURE_RAISED. */
    mg_status (*call_closure)(mg_node *node);
    /* Takes a node that has just died out of the cyclic collector and clears MG_TRACKED. Runs
       nothing else. */
    void (*untrack)(mg_node *node);
    /* Clears weak references, attributes and side record of a dead node of the arena, when its turn
       comes. */
    void (*finalize)(mg_node *node);
    /* Deallocates a dead foreign node altogether. */
    void (*dealloc_foreign)(mg_node *node);
    /* Makes the node known to the cyclic collector and sets MG_TRACKED; MG_OK or MG_NO_MEMORY. */
    mg_status (*track)(mg_node *node);
} mg_hooks;

typedef struct {
    mg_arena arena;
    mg_hooks hooks;
    int releasing;   /* hooks of a release cascade under way */
    mg_node *dead;   /* nodes that died meanwhile and wait for it */
    size_t closures; /* live nodes with a user closure */
    size_t foreign;  /* live nodes outside the arena */
} mg_graph;

/* Sets the root's grad to 1 and adds to every reachable node's grad what flows into it, newest node
   first; grads are not cleared before. The caller holds a reference to root. On MG_INTERRUPTED and
   MG_CLOSURE_RAISED the sweep stops where it is: grads hold what had flowed by then, and the graph
   stays usable. From a call of a compiled function that an interrupt comes in the middle of, or has
   left behind, nothing has flowed. */
mg_status mg_graph_backward(mg_graph *graph, mg_node *root);

/* The same through the listed order, checking: MG_NOT_FINITE when a node whose grad is not
   finite comes up, and `*culprit` becomes a new reference to it. */
mg_status mg_graph_backward_checked(mg_graph *graph, mg_node *root, mg_node **culprit);

/* The same by the depth-first order, which shares nothing with marks and log: the tests' oracle. */
mg_status mg_graph_backward_depth_first(mg_graph *graph, mg_node *root);

/* One step by hand: adds what flows from this node alone into its operands, closure not considered.
 */
void mg_graph_step(mg_node *node);

/* The partials of `node` with respect to its operands, inline constants not counted, at their
   present data: writes up to mg_node_operands() doubles; a node without a rule, and the nodes of
   net.h, get zeros. */
void mg_graph_partials(mg_node *node, double *partials);

/* Frees a node whose count has fallen to 0, and all that dies with it, without recursion at any
 * depth. */
void mg_graph_release(mg_graph *graph, mg_node *dead);

/* The common end of a temporary, without a cascade: frees a dead node that has nothing rare about
   it and whose operands live on. Returns 0, with nothing done, for any other. */
static inline int mg_graph_release_alone(mg_graph *graph, mg_node *dead) {
    mg_node *left = mg_node_prefix(dead)->left.node, *right = dead->right.node;
    mg_shape shape = mg_op_shapes[dead->op];
    if ((dead->flags & MG_RARE) != 0 || dead->attributes != NULL || dead->weakrefs != NULL) {
        return 0;
    }
    if (shape == MG_SHAPE_VV) {
        if (left->refcount <= 2 || right->refcount <= 2) {
            return 0;
        }
        left->refcount--;
        right->refcount--;
    } else {
        if (shape == MG_SHAPE_NONE || shape == MG_SHAPE_BLOCK || left->refcount <= 1) {
            return 0;
        }
        left->refcount--;
    }
    mg_arena_free(&graph->arena, dead);
    return 1;
}

/* Gives one reference back. */
static inline void mg_graph_drop(mg_graph *graph, mg_node *node) {
    if (--node->refcount == 0) {
        mg_graph_release(graph, node);
    }
}

/* Gives up the operands of a node, which must be a leaf from then on. */
void mg_graph_drop_operands(mg_graph *graph, mg_node *node);

/* Tracks every node that has a tracked operand, however far up: the collector sees a cycle through
   nodes only if all of them are tracked. On MG_NO_MEMORY some are not; call it again. */
mg_status mg_graph_spread_tracking(mg_graph *graph);

#endif
