/* Lowering: from nodes to a program.

   What the outputs depend on is written down in creation order. The walk ends at the inputs, at
   leaves and, in a recording, at every node that is older than its *floor*: these are *captured*,
   that is they become inputs behind the given ones, to be read anew for each run. Inline constants
   become constants, and in a recording so do leaves made in it. */
#ifndef MG_LOWER_H
#define MG_LOWER_H

#include "arena.h"
#include "program.h"

typedef struct {
    mg_node *const *inputs, *const *outputs;
    uint32_t input_count, output_count;
    const mg_node *floor; /* a node of the arena, or NULL */
} mg_recorded;

typedef struct {
    mg_program *program; /* inputs: those of the recording, then the captured nodes */
    mg_node **captured;  /* oldest first; borrowed. Free with mg_memory_free */
    uint32_t captured_count;
} mg_lowered;

/* MG_OK; MG_NO_MEMORY; MG_TOO_LARGE; MG_INTERRUPTED; or MG_UNRECORDABLE, `*culprit` being a node
   whose op is no row of the table, or that has a closure. On failure there is nothing to free.
   Nodes stay as they are. No two inputs are the same node, and the caller holds inputs and outputs.

   `poll` (NULL: never) is called now and then, and not 0 means stop. It may do whatever a signal
   handler may do during a sweep: make nodes, drop them, differentiate, read constants as nodes, and
   lower other graphs. Calls that are under way at once end in reverse order. */
mg_status mg_lower(mg_arena *arena, const mg_recorded *recorded, int (*poll)(void),
                   mg_lowered *lowered, mg_node **culprit);

/* Whether `node` is older than `floor`, a node of the arena. Instances of subclasses count as
   older: the log does not know them. */
static inline int mg_node_is_older(const mg_node *node, const mg_node *floor) {
    return (node->flags & MG_FOREIGN) != 0 || node->run < floor->run ||
           (node->run == floor->run && node < floor);
}

#endif
