/* The node. The Python object is the node: its first two fields are CPython's object header, and
   the bridge asserts that they coincide. Nothing in the core looks at `type`. */
#ifndef MG_NODE_H
#define MG_NODE_H

#include <stdint.h>

#include "ops.h"

typedef struct mg_node mg_node;

/* The operands of a node that has more than two, or that the user built. The node owns the block
   and one reference to each operand.

   `size` and what lies behind the operands are for nodes of the n-ary rows (nary.h) and of
   networks (net.h). */
typedef struct {
    uint32_t count;
    uint32_t size;
    uint32_t
        has_partials; /* of a node that the user built: then `count` doubles follow the operands */
    double parameter; /* of an n-ary op: c of ops_nary.h */
    mg_node *operands[];
} mg_block;

typedef struct mg_side mg_side;

/* What the right field of a node holds: its op and flags say which. */
typedef union {
    mg_node *node;   /* the second operand */
    double constant; /* an inline constant, or the parameter of the op */
    mg_side *side;   /* with MG_SIDE: the record that holds both operand fields */
} mg_right;

/* What the left field holds. */
typedef union {
    mg_node *node;   /* the first operand */
    mg_block *block; /* all operands */
} mg_left;

/* What few nodes have: a label, an op name, a user closure, and whatever the cyclic collector
   tracks. The objects are references owned by the node; the core never looks at them. */
struct mg_side {
    mg_left left;
    mg_right right;
    void *label;
    void *op_name;
    void *backward;
};

/* The 16 bytes before a node are CPython's link in the list of tracked objects. While a node is not
   tracked, `next` must be 0, and of the other word the collector reads only the two lowest bits,
   which are 0 in the address of a node: so the left field lives there, and moves to the side record
   when the node becomes tracked. That is what makes room for `attributes` within 80 bytes, and with
   it for CPython's fast paths, which want instance dicts where they know them. */
typedef struct {
    uintptr_t next;
    mg_left left;
} mg_prefix;

struct mg_node {
    intptr_t refcount;
    void *type;
    /* The run of the creation log that the node belongs to, the epoch of the last sweep that
       reached it, its op code and its flags. */
    uint32_t run;
    uint16_t mark;
    uint8_t op;
    uint8_t flags;
    double data;
    union {
        double grad;
        mg_node *next_dead; /* while the node waits to be freed */
    };
    mg_right right;
    void *attributes; /* a dict of free attributes; NULL for nearly all */
    void *weakrefs;   /* CPython's list of weak references; NULL for nearly all */
};

_Static_assert(sizeof(mg_prefix) == 16 && sizeof(mg_node) == 64,
               "a node and its prefix are 80 bytes");

enum {
    MG_SIDE = 1,             /* the right field holds the side record, and that the operands */
    MG_TRACKED = 2,          /* known to the cyclic collector; comes with MG_SIDE */
    MG_FOREIGN = 4,          /* an instance of a subclass: allocated by CPython, not in a page */
    MG_INTEGER_CONSTANT = 8, /* the constant was written as an int: only `_op` shows it */
    MG_CLOSURE = 16,         /* the side record holds a user closure */
};

/* Needs more than giving its slot back when it dies (weak references and attributes apart). */
#define MG_RARE (MG_SIDE | MG_TRACKED | MG_FOREIGN)

static inline mg_prefix *mg_node_prefix(const mg_node *node) { return (mg_prefix *)node - 1; }

/* Where the operand fields are. */
static inline mg_left *mg_node_left(const mg_node *node) {
    return node->flags & MG_SIDE ? &node->right.side->left : &mg_node_prefix(node)->left;
}

static inline mg_right *mg_node_right(mg_node *node) {
    return node->flags & MG_SIDE ? &node->right.side->right : &node->right;
}

static inline mg_block *mg_node_block(const mg_node *node) { return mg_node_left(node)->block; }

static inline double *mg_block_partials(mg_block *block) {
    return (double *)(block->operands + block->count);
}

static inline int mg_node_is_interior(const mg_node *node) { return node->op >= MG_FIRST_INTERIOR; }

/* The node operands of `node`, in order: returns how many there are and points `operands` at them,
   using `pair` as room where they do not lie side by side. Inline constants are not among them. */
static inline uint32_t mg_node_operands(mg_node *node, mg_node *pair[2], mg_node ***operands) {
    switch (mg_op_shapes[node->op]) {
    case MG_SHAPE_NONE:
        return 0;
    case MG_SHAPE_BLOCK: {
        mg_block *block = mg_node_block(node);
        *operands = block->operands;
        return block->count;
    }
    case MG_SHAPE_VV:
        pair[0] = mg_node_left(node)->node;
        pair[1] = mg_node_right(node)->node;
        *operands = pair;
        return 2;
    default:
        pair[0] = mg_node_left(node)->node;
        *operands = pair;
        return 1;
    }
}

#endif
