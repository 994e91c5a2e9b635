#include "support.h"

#include "nary.h"

#include <math.h>
#include <string.h>

mg_graph heap;
hook_calls calls;
int (*on_poll)(void);
void (*on_finalize)(mg_node *node);
void (*on_foreign)(mg_node *node);

/* What a field holds that nobody may look at. */
#define POISON ((mg_node *)(uintptr_t)0x5A5A5A5A)

/* What `backward` of a side record points at. */
typedef struct {
    closure *run;
    void *context;
} bound_closure;

static int poll_hook(void) {
    calls.poll++;
    return on_poll != NULL ? on_poll() : 0;
}

static mg_status closure_hook(mg_node *node) {
    bound_closure *bound = node->right.side->backward;
    calls.closure++;
    return bound->run(node, bound->context);
}

static void untrack_hook(mg_node *node) {
    calls.untrack++;
    CHECK_COUNT((uint64_t)node->refcount, 0);
    CHECK((node->flags & MG_TRACKED) && !(node->flags & MG_FOREIGN));
    *mg_node_prefix(node) = (mg_prefix){.next = 0, .left.node = POISON};
    node->flags &= (uint8_t)~MG_TRACKED;
}

/* Lets go of what a node owns besides its operands, and puts these back where they belong. */
static void strip(mg_node *node) {
    mg_node *attributes = node->attributes;
    node->attributes = NULL;
    node->weakrefs = NULL;
    if (node->flags & MG_SIDE) {
        mg_side *side = node->right.side;
        heap.closures -= (node->flags & MG_CLOSURE) != 0;
        node->flags &= (uint8_t) ~(MG_SIDE | MG_CLOSURE);
        if (!(node->flags & MG_FOREIGN)) {
            mg_node_prefix(node)->left = side->left;
            node->right = side->right;
        }
        mg_memory_free(side->backward);
        mg_memory_free(side);
    }
    if (attributes != NULL) {
        drop(attributes);
    }
}

static void finalize_hook(mg_node *node) {
    calls.finalize++;
    CHECK_COUNT((uint64_t)node->refcount, 0);
    CHECK(!(node->flags & MG_TRACKED));
    if (on_finalize != NULL) {
        on_finalize(node);
    }
    strip(node);
}

static void foreign_hook(mg_node *node) {
    calls.foreign++;
    CHECK_COUNT((uint64_t)node->refcount, 0);
    CHECK(node->flags & MG_FOREIGN);
    if (on_foreign != NULL) {
        on_foreign(node);
    }
    mg_graph_drop_operands(&heap, node);
    strip(node);
    heap.foreign--;
    mg_memory_free(node);
}

static mg_status track_hook(mg_node *node) {
    calls.track++;
    CHECK(!(node->flags & MG_TRACKED));
    return track(node) ? MG_OK : MG_NO_MEMORY;
}

void heap_begin(void) {
    heap = (mg_graph){
        .arena = MG_ARENA_INITIAL,
        .hooks = {.poll = poll_hook,
                  .call_closure = closure_hook,
                  .untrack = untrack_hook,
                  .finalize = finalize_hook,
                  .dealloc_foreign = foreign_hook,
                  .track = track_hook},
    };
    calls = (hook_calls){0};
    on_poll = NULL;
    on_finalize = NULL;
    on_foreign = NULL;
}

void heap_end(void) {
    CHECK_COUNT(mg_arena_count(&heap.arena), 0);
    CHECK_COUNT(heap.closures, 0);
    CHECK_COUNT(heap.foreign, 0);
    CHECK_COUNT(heap.arena.sweeping, 0);
    CHECK(heap.releasing == 0 && heap.dead == NULL);
    mg_arena_destroy(&heap.arena);
}

uint32_t nary_count(mg_op op) { return mg_nary_fits(op, 3, NARY_PARAMETER) ? 3 : 2; }

double op_forward(mg_op op, double a, double b, double c) {
    if (mg_op_table[op].arity == MG_ANY_ARITY) {
        const double x[] = {a, b, c};
        return mg_nary_table[op].forward(x, nary_count(op), NARY_PARAMETER);
    }
    switch (op) {
#define UNARY(name, ...) \
    case MG_OP_##name:   \
        return mg_##name##_forward(a);
#define PARAMETRIC(name, ...) \
    case MG_OP_##name:        \
        return mg_##name##_forward(a, b);
#define BINARY(name, ...)   \
    case MG_OP_##name:      \
    case MG_OP_##name##_vc: \
    case MG_OP_##name##_cv: \
        return mg_##name##_forward(a, b);
#define TERNARY(name, ...) \
    case MG_OP_##name:     \
        return mg_##name##_forward(a, b, c);
#include "ops.def"
    default:
        CHECK(!"an op with a forward");
        return NAN;
    }
}

static mg_node *new_node(mg_op op, double data) {
    mg_node *node = mg_arena_alloc(&heap.arena, op);
    if (node != NULL) {
        node->refcount = 1;
        node->type = NULL;
        node->data = data;
        CHECK(node->attributes == NULL && node->weakrefs == NULL);
        /* In force where the op does not use these. */
        mg_node_left(node)->node = POISON;
        mg_node_right(node)->node = POISON;
    }
    return node;
}

mg_node *leaf(double data) { return new_node(MG_OP_leaf, data); }

mg_node *unary(mg_op op, mg_node *x) {
    CHECK(mg_op_shapes[op] == MG_SHAPE_V);
    mg_node *node = new_node(op, op_forward(op, x->data, NAN, NAN));
    if (node != NULL) {
        mg_node_left(node)->node = hold(x);
    }
    return node;
}

mg_node *with_constant(mg_op op, mg_node *x, double constant) {
    mg_shape shape = (mg_shape)mg_op_shapes[op];
    CHECK(shape == MG_SHAPE_VC || shape == MG_SHAPE_CV || shape == MG_SHAPE_VP);
    double data = shape == MG_SHAPE_CV ? op_forward(op, constant, x->data, NAN)
                                       : op_forward(op, x->data, constant, NAN);
    mg_node *node = new_node(op, data);
    if (node != NULL) {
        mg_node_left(node)->node = hold(x);
        mg_node_right(node)->constant = constant;
    }
    return node;
}

mg_node *binary(mg_op op, mg_node *x, mg_node *y) {
    CHECK(mg_op_shapes[op] == MG_SHAPE_VV);
    mg_node *node = new_node(op, op_forward(op, x->data, y->data, NAN));
    if (node != NULL) {
        mg_node_left(node)->node = hold(x);
        mg_node_right(node)->node = hold(y);
    }
    return node;
}

static mg_block *new_block(uint32_t count, mg_node *const *operands, const double *partials) {
    size_t room = sizeof(mg_node *) + (partials != NULL ? sizeof(double) : 0);
    mg_block *block = mg_memory_alloc(1, sizeof(mg_block) + count * room);
    if (block == NULL) {
        return NULL;
    }
    *block = (mg_block){.count = count, .size = count};
    block->has_partials = partials != NULL;
    for (uint32_t i = 0; i < count; i++) {
        block->operands[i] = hold(operands[i]);
    }
    if (partials != NULL) {
        memcpy(mg_block_partials(block), partials, count * sizeof(double));
    }
    return block;
}

/* Turns a new node into one with that block, both of which may be NULL, or gives them back. */
static mg_node *own_block(mg_node *node, mg_block *block) {
    if (node == NULL) {
        for (uint32_t i = 0; block != NULL && i < block->count; i++) {
            drop(block->operands[i]);
        }
        mg_memory_free(block);
        return NULL;
    }
    if (block == NULL) {
        node->op = MG_OP_leaf;
        drop(node);
        return NULL;
    }
    mg_node_left(node)->block = block;
    return node;
}

static mg_node *add_block(mg_node *node, uint32_t count, mg_node *const *operands,
                          const double *partials) {
    return node != NULL ? own_block(node, new_block(count, operands, partials)) : NULL;
}

/* Gathers as the extension does: room for plain numbers is made when the first of them comes. */
static mg_block *new_nary_block(uint32_t size, mg_node *const *operands, const double *numbers,
                                double parameter) {
    mg_block *block = mg_nary_new(size, parameter);
    int is_mixed = 0;
    for (uint32_t i = 0; block != NULL && i < size; i++) {
        if (operands[i] == NULL && !is_mixed) {
            mg_block *mixed = mg_nary_mix(block);
            if (mixed == NULL) {
                drop_nodes(block->operands, block->count);
                mg_memory_free(block);
                return NULL;
            }
            block = mixed;
            is_mixed = 1;
        }
        if (operands[i] == NULL) {
            mg_nary_constants(block)[i] = numbers[i];
            continue;
        }
        if (is_mixed) {
            mg_nary_places(block)[block->count] = i;
        }
        block->operands[block->count++] = hold(operands[i]);
    }
    return block;
}

mg_node *nary_mixed(mg_op op, uint32_t size, mg_node *const *operands, const double *numbers,
                    double parameter) {
    CHECK(mg_nary_fits(op, size, parameter));
    mg_block *block = new_nary_block(size, operands, numbers, parameter);
    if (block == NULL) {
        return NULL;
    }
    double r = mg_nary_table[op].forward(mg_nary_numbers(block), size, parameter);
    return own_block(new_node(op, r), block);
}

mg_node *nary(mg_op op, uint32_t count, mg_node *const *operands, double parameter) {
    return nary_mixed(op, count, operands, NULL, parameter);
}

void nary_warm_up(void) { mg_memory_free(mg_nary_new(1 << 20, 0.0)); }

mg_node *ternary(mg_op op, mg_node *x, mg_node *y, mg_node *z) {
    CHECK_COUNT(mg_op_table[op].arity, 3);
    mg_node *operands[] = {x, y, z};
    return add_block(new_node(op, op_forward(op, x->data, y->data, z->data)), 3, operands, NULL);
}

mg_node *user_node(mg_op op, double data, uint32_t count, mg_node *const *operands,
                   const double *partials) {
    CHECK(op == (partials != NULL ? MG_OP_local : MG_OP_closure));
    return add_block(new_node(op, data), count, operands, partials);
}

mg_node *foreign_node(double data, uint32_t count, mg_node *const *operands,
                      const double *partials) {
    mg_node *node = mg_memory_alloc(1, sizeof(mg_node));
    mg_side *side = node != NULL ? mg_memory_alloc(1, sizeof(mg_side)) : NULL;
    if (side == NULL) {
        mg_memory_free(node);
        return NULL;
    }
    /* There is no prefix: the collector's is in use, so operands are in the side record only. */
    *side = (mg_side){0};
    *node = (mg_node){.refcount = 1,
                      .op = partials != NULL ? MG_OP_local : MG_OP_closure,
                      .flags = MG_FOREIGN | MG_TRACKED | MG_SIDE,
                      .run = UINT32_MAX,
                      .data = data,
                      .right.side = side};
    heap.foreign++;
    return add_block(node, count, operands, partials);
}

void drop_nodes(mg_node *const *nodes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (nodes[i] != NULL) {
            drop(nodes[i]);
        }
    }
}

static mg_side *side_of(mg_node *node) {
    if (!(node->flags & MG_SIDE)) {
        mg_side *side = mg_memory_alloc(1, sizeof *side);
        if (side == NULL) {
            return NULL;
        }
        *side = (mg_side){.left = mg_node_prefix(node)->left, .right = node->right};
        node->right.side = side;
        node->flags |= MG_SIDE;
    }
    return node->right.side;
}

int track(mg_node *node) {
    if (side_of(node) == NULL) {
        return 0;
    }
    if (!(node->flags & MG_FOREIGN)) {
        /* Both words belong to the collector now. */
        *mg_node_prefix(node) = (mg_prefix){.next = 1, .left.node = POISON};
    }
    node->flags |= MG_TRACKED;
    return 1;
}

void set_attribute(mg_node *node, mg_node *value) {
    CHECK(node->attributes == NULL);
    node->attributes = hold(value);
}

int set_closure(mg_node *node, closure *run, void *context) {
    mg_side *side = side_of(node);
    bound_closure *bound = side != NULL ? mg_memory_alloc(1, sizeof *bound) : NULL;
    if (bound == NULL) {
        return 0;
    }
    CHECK(!(node->flags & MG_CLOSURE));
    *bound = (bound_closure){run, context};
    side->backward = bound;
    node->flags |= MG_CLOSURE;
    heap.closures++;
    return 1;
}
