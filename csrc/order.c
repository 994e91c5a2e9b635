#include "order.h"

#include <string.h>

#define POLL_STEPS 16384

static mg_status append(mg_order *order, mg_node *node) {
    if (order->count == order->capacity) {
        size_t capacity = order->capacity != 0 ? order->capacity * 2 : 256;
        mg_node **nodes = mg_memory_resize(order->nodes, capacity, sizeof(mg_node *));
        if (nodes == NULL) {
            return MG_NO_MEMORY;
        }
        order->nodes = nodes;
        order->capacity = capacity;
    }
    order->nodes[order->count++] = node;
    return MG_OK;
}

void mg_order_clear(mg_order *order) {
    mg_memory_free(order->nodes);
    *order = (mg_order){0};
}

/* Counts below are raised once the list is complete: until then every node in it is held by its
   parent or by the caller, since operands of arena nodes never change. */
static void hold_all(mg_order *order) {
    for (size_t i = 0; i < order->count; i++) {
        order->nodes[i]->refcount++;
    }
}

/* Marks the operands of `node`; leaves go to their list, interior nodes are counted. */
static mg_status mark_operands(mg_node *node, uint16_t epoch, mg_order *leaves, size_t *pending) {
    mg_node *pair[2], **operands = pair;
    uint32_t count = mg_node_operands(node, pair, &operands);
    for (uint32_t i = 0; i < count; i++) {
        mg_node *operand = operands[i];
        if (operand->mark == epoch) {
            continue;
        }
        operand->mark = epoch;
        if (mg_node_is_interior(operand)) {
            ++*pending;
        } else if (append(leaves, operand) != MG_OK) {
            return MG_NO_MEMORY;
        }
    }
    return MG_OK;
}

static mg_status walk_log(mg_arena *arena, mg_node *root, int (*poll)(void), mg_order *interior,
                          mg_order *leaves) {
    const uint16_t epoch = mg_arena_next_epoch(arena);
    size_t pending = 1, steps = 0;
    root->mark = epoch;
    mg_node *node = mg_slot_after(root);
    for (uint32_t run = root->run + 1; run-- > 0;) {
        if (arena->runs[run].page == NULL) {
            continue;
        }
        mg_node *first = mg_run_first(arena, run);
        if (run != root->run) {
            node = mg_run_end(arena, run);
        }
        while (node != first) {
            node = mg_slot_before(node);
            if (node->mark != epoch || node->run != run || !mg_node_is_interior(node)) {
                continue;
            }
            if (append(interior, node) != MG_OK ||
                mark_operands(node, epoch, leaves, &pending) != MG_OK) {
                return MG_NO_MEMORY;
            }
            if (--pending == 0) {
                return MG_OK;
            }
        }
        if (poll != NULL && (steps += MG_PAGE_SLOTS) > POLL_STEPS) {
            steps = 0;
            if (poll()) {
                return MG_INTERRUPTED;
            }
        }
    }
    return MG_OK;
}

mg_status mg_order_by_log(mg_arena *arena, mg_node *root, int (*poll)(void), mg_order *order) {
    mg_order leaves = {0};
    mg_status status = MG_OK;
    if (!mg_node_is_interior(root)) {
        status = append(order, root);
    } else {
        status = walk_log(arena, root, poll, order, &leaves);
    }
    /* A leaf is due after all of its parents, and the end of the list is after everything. */
    for (size_t i = 0; status == MG_OK && i < leaves.count; i++) {
        status = append(order, leaves.nodes[i]);
    }
    mg_order_clear(&leaves);
    if (status != MG_OK) {
        mg_order_clear(order);
        return status;
    }
    hold_all(order);
    return MG_OK;
}

/* A set of node addresses: open addressing, linear probing, at most half full. */
typedef struct {
    mg_node **slots;
    size_t count, mask;
} node_set;

static size_t slot_of(const node_set *set, const mg_node *node) {
    size_t i =
        (size_t)(((uint64_t)(uintptr_t)node >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 20) & set->mask;
    while (set->slots[i] != NULL && set->slots[i] != node) {
        i = (i + 1) & set->mask;
    }
    return i;
}

static mg_status set_grow(node_set *set) {
    node_set grown = {.count = set->count, .mask = set->slots != NULL ? set->mask * 2 + 1 : 255};
    grown.slots = mg_memory_alloc(grown.mask + 1, sizeof(mg_node *));
    if (grown.slots == NULL) {
        return MG_NO_MEMORY;
    }
    memset(grown.slots, 0, (grown.mask + 1) * sizeof(mg_node *));
    for (size_t i = 0; set->slots != NULL && i <= set->mask; i++) {
        if (set->slots[i] != NULL) {
            grown.slots[slot_of(&grown, set->slots[i])] = set->slots[i];
        }
    }
    mg_memory_free(set->slots);
    *set = grown;
    return MG_OK;
}

/* MG_OK with `*added` saying whether the node is new. */
static mg_status set_add(node_set *set, mg_node *node, int *added) {
    if ((set->slots == NULL || set->count * 2 > set->mask) && set_grow(set) != MG_OK) {
        return MG_NO_MEMORY;
    }
    size_t i = slot_of(set, node);
    *added = set->slots[i] == NULL;
    if (*added) {
        set->slots[i] = node;
        set->count++;
    }
    return MG_OK;
}

/* The path from the root to the node at hand; `next` is the operand to descend into. */
typedef struct {
    mg_node *node;
    uint32_t next;
} frame;

typedef struct {
    frame *frames;
    size_t count, capacity;
} path;

static mg_status path_push(path *stack, mg_node *node) {
    if (stack->count == stack->capacity) {
        size_t capacity = stack->capacity != 0 ? stack->capacity * 2 : 256;
        frame *frames = mg_memory_resize(stack->frames, capacity, sizeof(frame));
        if (frames == NULL) {
            return MG_NO_MEMORY;
        }
        stack->frames = frames;
        stack->capacity = capacity;
    }
    stack->frames[stack->count++] = (frame){node, 0};
    return MG_OK;
}

static mg_status visit(node_set *seen, path *stack, mg_node *node) {
    int added;
    mg_status status = set_add(seen, node, &added);
    return status == MG_OK && added ? path_push(stack, node) : status;
}

/* Appends nodes in post-order: every operand before its parents. */
static mg_status post_order(mg_node *root, int (*poll)(void), mg_order *order, node_set *seen,
                            path *stack) {
    mg_status status = visit(seen, stack, root);
    for (size_t steps = 1; status == MG_OK && stack->count != 0; steps++) {
        frame *top = &stack->frames[stack->count - 1];
        mg_node *pair[2], **operands = pair;
        if (top->next < mg_node_operands(top->node, pair, &operands)) {
            status = visit(seen, stack, operands[top->next++]);
        } else {
            status = append(order, top->node);
            stack->count--;
        }
        if (poll != NULL && steps % POLL_STEPS == 0 && status == MG_OK && poll()) {
            status = MG_INTERRUPTED;
        }
    }
    return status;
}

mg_status mg_order_depth_first(mg_node *root, int (*poll)(void), mg_order *order) {
    node_set seen = {0};
    path stack = {0};
    mg_status status = post_order(root, poll, order, &seen, &stack);
    mg_memory_free(seen.slots);
    mg_memory_free(stack.frames);
    if (status != MG_OK) {
        mg_order_clear(order);
        return status;
    }
    for (size_t i = 0, j = order->count; i + 1 < j; i++) {
        mg_node *swapped = order->nodes[--j];
        order->nodes[j] = order->nodes[i];
        order->nodes[i] = swapped;
    }
    hold_all(order);
    return MG_OK;
}
