/* Differentiating: the marked sweep over the creation log, and the execution of a listed order.

   Invariant of the sweep: `pending` is the number of marked interior nodes not yet visited, and all
   of them are older than the node at hand. Leaves are marked too but never counted: nothing flows
   on from them, so the walk may end above them. */
#include "graph.h"

#include "nary.h"
#include "net_sweep.h"
#include "order.h"
#include "sweep.h"

/* How often long loops ask whether to stop: a run is at most MG_PAGE_SLOTS nodes, so both are far
   below a millisecond of work. */
#define POLL_RUNS 32
#define POLL_NODES 16384

static size_t propagate_block(mg_node *node, uint16_t epoch) {
    mg_block *block = mg_node_block(node);
    size_t added = 0;
    if (block->count == 0) {
        return 0;
    }
    double *partials = block->has_partials ? mg_block_partials(block) : NULL;
    for (uint32_t i = 0; i < block->count; i++) {
        mg_node *operand = block->operands[i];
        if (partials != NULL) {
            operand->grad += partials[i] * node->grad;
        }
        added += mg_reach(operand, epoch);
    }
    return added;
}

/* Adds what flows from `node` into its operands, and marks them: see mg_reach. A step by hand has
   no watch. */
MG_ALWAYS_INLINE size_t propagate(mg_node *node, uint16_t epoch, mg_watch *watch) {
    const double g = node->grad;
    const double r = node->data;
    mg_node *x = mg_node_left(node)->node;
    const mg_right right = *mg_node_right(node);
    size_t added = 0;
    (void)r;
    switch ((mg_op)node->op) {
#define UNARY(name, ...)                           \
    case MG_OP_##name:                             \
        x->grad += mg_##name##_da(x->data, r) * g; \
        added += mg_reach(x, epoch);               \
        break;
#define PARAMETRIC(name, ...)                                      \
    case MG_OP_##name:                                             \
        x->grad += mg_##name##_da(x->data, right.constant, r) * g; \
        added += mg_reach(x, epoch);                               \
        break;
#define BINARY(name, ...)                                          \
    case MG_OP_##name: {                                           \
        mg_node *y = right.node;                                   \
        const double a = x->data, b = y->data;                     \
        x->grad += mg_##name##_da(a, b, r) * g;                    \
        y->grad += mg_##name##_db(a, b, r) * g;                    \
        added += mg_reach(x, epoch);                               \
        added += mg_reach(y, epoch);                               \
        break;                                                     \
    }                                                              \
    case MG_OP_##name##_vc:                                        \
        x->grad += mg_##name##_da(x->data, right.constant, r) * g; \
        added += mg_reach(x, epoch);                               \
        break;                                                     \
    case MG_OP_##name##_cv:                                        \
        x->grad += mg_##name##_db(right.constant, x->data, r) * g; \
        added += mg_reach(x, epoch);                               \
        break;
/* A zero partial here is a choice not taken: nothing flows, not even inf * 0. */
#define TERNARY(name, ...)                                                                   \
    case MG_OP_##name: {                                                                     \
        mg_node **operands = mg_node_block(node)->operands;                                  \
        double d[3];                                                                         \
        mg_##name##_partials(operands[0]->data, operands[1]->data, operands[2]->data, r, d); \
        for (int i = 0; i < 3; i++) {                                                        \
            if (d[i] != 0.0) {                                                               \
                operands[i]->grad += d[i] * g;                                               \
            }                                                                                \
            added += mg_reach(operands[i], epoch);                                           \
        }                                                                                    \
        break;                                                                               \
    }
#define NARY(name, ...) case MG_OP_##name:
#include "ops.def"
        added += mg_nary_propagate(node, epoch);
        break;
    case MG_OP_closure:
    case MG_OP_local:
        added += propagate_block(node, epoch);
        break;
    case MG_OP_network:
        added += mg_net_propagate_network(node, epoch, watch);
        break;
    case MG_OP_network_output:
        added += mg_net_propagate_network_output(node, epoch);
        break;
    case MG_OP_parameters:
        added += mg_net_propagate_parameters(node, epoch);
        break;
    case MG_OP_free:
    case MG_OP_leaf:
    case MG_OP_COUNT:
        break;
    }
    return added;
}

void mg_graph_step(mg_node *node) { propagate(node, 0, NULL); }

void mg_graph_partials(mg_node *node, double *d) {
    mg_node *x = mg_node_left(node)->node;
    const mg_right right = *mg_node_right(node);
    const double r = node->data;
    switch ((mg_op)node->op) {
#define UNARY(name, ...)                   \
    case MG_OP_##name:                     \
        d[0] = mg_##name##_da(x->data, r); \
        break;
#define PARAMETRIC(name, ...)                              \
    case MG_OP_##name:                                     \
        d[0] = mg_##name##_da(x->data, right.constant, r); \
        break;
#define BINARY(name, ...)                                    \
    case MG_OP_##name:                                       \
        d[0] = mg_##name##_da(x->data, right.node->data, r); \
        d[1] = mg_##name##_db(x->data, right.node->data, r); \
        break;                                               \
    case MG_OP_##name##_vc:                                  \
        d[0] = mg_##name##_da(x->data, right.constant, r);   \
        break;                                               \
    case MG_OP_##name##_cv:                                  \
        d[0] = mg_##name##_db(right.constant, x->data, r);   \
        break;
#define TERNARY(name, ...)                                                                   \
    case MG_OP_##name: {                                                                     \
        mg_node **operands = mg_node_block(node)->operands;                                  \
        mg_##name##_partials(operands[0]->data, operands[1]->data, operands[2]->data, r, d); \
        break;                                                                               \
    }
#define NARY(name, ...) case MG_OP_##name:
#include "ops.def"
        mg_nary_partials(node, d);
        break;
    case MG_OP_closure:
    case MG_OP_local: {
        mg_block *block = mg_node_block(node);
        for (uint32_t i = 0; i < block->count; i++) {
            d[i] = block->has_partials ? mg_block_partials(block)[i] : 0.0;
        }
        break;
    }
    /* What flows through the nodes of a network are many adjoints, not one (mg_net_partials). */
    case MG_OP_network:
    case MG_OP_parameters:
        for (uint32_t i = 0; i < mg_node_block(node)->count; i++) {
            d[i] = 0.0;
        }
        break;
    case MG_OP_network_output:
        d[0] = 0.0;
        break;
    case MG_OP_free:
    case MG_OP_leaf:
    case MG_OP_COUNT:
        break;
    }
}

/* Operands lie anywhere below their parent. Asking for those of a slot some way down hides the wait
   for their memory; of a slot that is free, or holds a constant, this asks for memory that nobody
   needs, and never faults. */
#define PREFETCH_SLOTS 12
#if defined(__GNUC__)
#define PREFETCH_FOR_WRITE(address) __builtin_prefetch((const void *)(address), 1)
#else
#define PREFETCH_FOR_WRITE(address) ((void)(address))
#endif

/* Addresses as numbers: what the slot holds need not be a pointer at all. */
MG_ALWAYS_INLINE void prefetch_operands(const mg_node *node) {
    PREFETCH_FOR_WRITE((uintptr_t)mg_node_prefix(node)->left.node + offsetof(mg_node, grad));
    PREFETCH_FOR_WRITE((uintptr_t)node->right.node + offsetof(mg_node, grad));
}

/* What outputs of a network have added to its adjoints counts as flowed, since they behave as if
   computed from inputs and parameters directly. A pass that stops between outputs and network must
   send it on, or the next pass would find it there. Sending it through a long tape would make an
   interrupt wait; forgetting it is as if the interrupt had come before the outputs. */
static void complete_network(mg_node *node, mg_status stopped) {
    if (node->op != MG_OP_network || !mg_net_is_hidden(node)) {
        return;
    }
    if (stopped == MG_INTERRUPTED && mg_net_is_tape(node)) {
        mg_net_forget(mg_node_block(node));
    } else {
        mg_graph_step(node);
    }
}

/* The marked networks in the runs below `run`, where an interrupted sweep has left `pending` marked
   interior nodes. */
static void complete_networks(mg_arena *arena, uint32_t run, uint16_t epoch, size_t pending) {
    while (run-- > 0) {
        if (arena->runs[run].page == NULL) {
            continue;
        }
        mg_node *first = mg_run_first(arena, run), *node = mg_run_end(arena, run);
        while (node != first) {
            node = mg_slot_before(node);
            if (node->mark == epoch && node->run == run && mg_node_is_interior(node)) {
                complete_network(node, MG_INTERRUPTED);
                if (--pending == 0) {
                    return;
                }
            }
        }
    }
}

static mg_status sweep(mg_graph *graph, mg_node *root) {
    mg_arena *arena = &graph->arena;
    const uint16_t epoch = mg_arena_next_epoch(arena);
    mg_watch watch = {.poll = graph->hooks.poll, .apart = graph->hooks.apart};
    size_t pending = 1;
    uint32_t until_poll = POLL_RUNS;
    root->mark = epoch;
    mg_node *node = mg_slot_after(root);
    for (uint32_t run = root->run + 1; run-- > 0;) {
        if (arena->runs[run].page != NULL) {
            mg_node *first = mg_run_first(arena, run);
            if (run != root->run) {
                node = mg_run_end(arena, run);
            }
            const mg_node *prefetch_end = mg_page_slot(arena->runs[run].page, PREFETCH_SLOTS);
            while (node != first) {
                node = mg_slot_before(node);
                if (node >= prefetch_end) {
                    prefetch_operands(
                        (const mg_node *)((const char *)node - PREFETCH_SLOTS * MG_SLOT_BYTES));
                }
                if (node->mark == epoch && node->run == run) {
                    pending += propagate(node, epoch, &watch);
                    /* Leaves get here as well, uncounted. */
                    if (mg_node_is_interior(node) && --pending == 0) {
                        return watch.status;
                    }
                }
            }
        }
        /* When a step has been stopped, those of its run that follow it make no difference. */
        if (watch.status == MG_OK && --until_poll == 0) {
            until_poll = POLL_RUNS;
            mg_watch_ask(&watch);
        }
        if (watch.status != MG_OK) {
            complete_networks(arena, run, epoch, pending);
            return watch.status;
        }
    }
    return MG_OK;
}

/* Executes the nodes from `*done` on, and counts there. */
static mg_status execute(mg_graph *graph, const mg_order *order, size_t *done, mg_node **culprit) {
    mg_watch watch = {.poll = graph->hooks.poll, .apart = graph->hooks.apart};
    for (; *done < order->count; ++*done) {
        mg_node *node = order->nodes[*done];
        if (culprit != NULL && !isfinite(node->grad)) {
            node->refcount++;
            *culprit = node;
            return MG_NOT_FINITE;
        }
        if (node->flags & MG_CLOSURE) {
            mg_status status = graph->hooks.call_closure(node);
            if (status != MG_OK) {
                return status;
            }
        } else if (node->op == MG_OP_network) {
            /* Whoever goes on meanwhile must leave the call as it is. */
            graph->arena.sweeping++;
            propagate(node, 0, &watch);
            graph->arena.sweeping--;
        } else {
            mg_graph_step(node);
        }
        if (*done % POLL_NODES == POLL_NODES - 1 && watch.status == MG_OK) {
            mg_watch_ask(&watch);
        }
        if (watch.status != MG_OK) {
            return watch.status;
        }
    }
    return MG_OK;
}

static mg_status backward_listed(mg_graph *graph, mg_node *root, int depth_first,
                                 mg_node **culprit) {
    mg_order order = {0};
    mg_arena *arena = &graph->arena;
    mg_status status;
    int by_log = !depth_first && graph->foreign == 0 && arena->sweeping == 0;
    /* Until the list holds its references, nothing may change an operand or the log. */
    arena->sweeping++;
    if (by_log) {
        status = mg_order_by_log(arena, root, graph->hooks.poll, &order);
    } else {
        status = mg_order_depth_first(root, graph->hooks.poll, &order);
    }
    arena->sweeping--;
    if (status == MG_OK) {
        root->grad = 1.0;
        size_t done = 0;
        status = execute(graph, &order, &done, culprit);
        for (; done < order.count; done++) {
            complete_network(order.nodes[done], status);
        }
    }
    for (size_t i = 0; i < order.count; i++) {
        mg_graph_drop(graph, order.nodes[i]);
    }
    mg_order_clear(&order);
    return status;
}

mg_status mg_graph_backward(mg_graph *graph, mg_node *root) {
    if (graph->closures != 0 || graph->foreign != 0 || graph->arena.sweeping != 0) {
        return backward_listed(graph, root, 0, NULL);
    }
    root->grad = 1.0;
    if (!mg_node_is_interior(root)) {
        return MG_OK;
    }
    graph->arena.sweeping++;
    mg_status status = sweep(graph, root);
    mg_net_deliver_touched();
    graph->arena.sweeping--;
    return status;
}

mg_status mg_graph_backward_checked(mg_graph *graph, mg_node *root, mg_node **culprit) {
    return backward_listed(graph, root, 0, culprit);
}

mg_status mg_graph_backward_depth_first(mg_graph *graph, mg_node *root) {
    return backward_listed(graph, root, 1, NULL);
}
