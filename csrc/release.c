/* Freeing, and what the cyclic collector needs to know.

   A dead node waits in a list threaded through its grad field. The cascade takes one node at a
   time, gives up its operands, which may put them on the list, and frees its slot: no recursion at
   any depth. Finalizing runs arbitrary Python, and a node that dies there (an attribute of a node,
   a cell of a closure) finds `releasing` set and joins the outer list instead of starting a cascade
   of its own, so chains through attributes and closures are as flat as chains of operands. That
   Python may run the collector too, so a node leaves the collector the moment it dies, not when its
   turn comes. */
#include "graph.h"
#include "net.h"

static inline void push_dead(mg_node **list, mg_node *node) {
    node->next_dead = *list;
    *list = node;
}

/* Hooks run arbitrary Python: what dies in there waits in graph->dead, and joins `list` here. */
static void call_hook(mg_graph *graph, mg_node **list, void (*hook)(mg_node *), mg_node *node) {
    graph->releasing++;
    hook(node);
    graph->releasing--;
    while (graph->dead != NULL && graph->releasing == 0) {
        mg_node *dead = graph->dead;
        graph->dead = dead->next_dead;
        push_dead(list, dead);
    }
}

/* The collector must not meet a node that is dead but not yet freed. */
static inline void leave_collector(mg_graph *graph, mg_node *dead) {
    if (dead->flags & MG_TRACKED) {
        graph->hooks.untrack(dead);
    }
}

static inline void drop_operand(mg_graph *graph, mg_node **list, mg_node *operand) {
    if (--operand->refcount != 0) {
        return;
    }
    if (operand->flags & MG_FOREIGN) {
        call_hook(graph, list, graph->hooks.dealloc_foreign, operand);
        return;
    }
    leave_collector(graph, operand);
    push_dead(list, operand);
}

static void drop_block(mg_graph *graph, mg_node **list, mg_block *block) {
    for (uint32_t i = 0; i < block->count; i++) {
        drop_operand(graph, list, block->operands[i]);
    }
    mg_memory_free(block);
}

void mg_graph_release(mg_graph *graph, mg_node *dead) {
    if (dead->flags & MG_FOREIGN) {
        graph->hooks.dealloc_foreign(dead);
        return;
    }
    leave_collector(graph, dead);
    if (graph->releasing != 0) {
        push_dead(&graph->dead, dead);
        return;
    }
    mg_node *list = dead;
    dead->next_dead = NULL;
    do {
        mg_node *node = list;
        list = node->next_dead;
        if ((node->flags & MG_RARE) != 0 || node->attributes != NULL || node->weakrefs != NULL) {
            call_hook(graph, &list, graph->hooks.finalize, node);
        }
        mg_node *left = mg_node_prefix(node)->left.node, *right = node->right.node;
        const uint8_t op = node->op;
        mg_shape shape = mg_op_shapes[op];
        /* The slot first: its line is at hand. Nothing allocates before the next node is taken. */
        mg_arena_free(&graph->arena, node);
        if (shape == MG_SHAPE_VV) {
            /* The one at the higher address is probably younger, and lies next to the node just
               freed: last on the list, it is the next to go, and memory is walked downwards. */
            int right_is_higher = right > left;
            drop_operand(graph, &list, right_is_higher ? left : right);
            drop_operand(graph, &list, right_is_higher ? right : left);
        } else if (shape == MG_SHAPE_BLOCK) {
            if (op == MG_OP_parameters) {
                mg_net_dispose((mg_block *)left);
            }
            drop_block(graph, &list, (mg_block *)left);
        } else if (shape != MG_SHAPE_NONE) {
            drop_operand(graph, &list, left);
        }
    } while (list != NULL);
}

void mg_graph_drop_operands(mg_graph *graph, mg_node *node) {
    mg_node *pair[2], **operands = pair;
    mg_shape shape = mg_op_shapes[node->op];
    if (shape == MG_SHAPE_NONE) {
        return;
    }
    uint32_t count = mg_node_operands(node, pair, &operands);
    mg_block *block = shape == MG_SHAPE_BLOCK ? mg_node_block(node) : NULL;
    if (node->op == MG_OP_parameters) {
        mg_net_dispose(block);
    }
    /* A leaf first: what dies below may look at the node. */
    node->op = MG_OP_leaf;
    mg_node_left(node)->node = NULL;
    for (uint32_t i = 0; i < count; i++) {
        mg_graph_drop(graph, operands[i]);
    }
    mg_memory_free(block);
}

mg_status mg_graph_spread_tracking(mg_graph *graph) {
    mg_arena *arena = &graph->arena;
    for (uint32_t run = 0; run < arena->run_count; run++) {
        if (arena->runs[run].page == NULL) {
            continue;
        }
        mg_node *end = mg_run_end(arena, run);
        for (mg_node *node = mg_run_first(arena, run); node != end; node = mg_slot_after(node)) {
            /* A count of 0 is a node that waits to be freed. */
            if (node->run != run || !mg_node_is_interior(node) || node->refcount == 0 ||
                (node->flags & MG_TRACKED) != 0) {
                continue;
            }
            mg_node *pair[2], **operands = pair;
            uint32_t count = mg_node_operands(node, pair, &operands);
            for (uint32_t i = 0; i < count; i++) {
                if (operands[i]->flags & MG_TRACKED) {
                    if (graph->hooks.track(node) != MG_OK) {
                        return MG_NO_MEMORY;
                    }
                    break;
                }
            }
        }
    }
    return MG_OK;
}
