/* Calls of compiled functions as nodes: what `f(x, y)` returns is connected to the Values among its
   arguments and to the captured ones, as if it had been computed from them directly.

   A caller makes the parameters node of a tape once, and then for each call a block, tells it which
   inputs are Values, runs the tape with the residuals going into the block, and finishes it. */
#ifndef MG_VALUE_CALL_H
#define MG_VALUE_CALL_H

#include "net.h"
#include "value.h"

/* A parameters node with that block (NULL: out of memory), which it takes over; its calls show
   `name`, a str, as their `_op`. A new reference, or NULL with an exception. */
mg_node *mg_value_parameters(mg_block *block, PyObject *name);

/* The parameters node of a tape whose first `nin` inputs are arguments, a new reference that holds
   the tape and the captured nodes. NULL with an exception. */
mg_node *mg_value_tape_parameters(mg_tape *tape, uint32_t nin, mg_node *const *captured,
                                  uint32_t captured_count, PyObject *name);

/* The block of a call, holding a reference to `parameters`; its residuals are at
   mg_call_residuals(). NULL with MemoryError. End it with one of the next two. */
mg_block *mg_value_call_begin(mg_node *parameters);
void mg_value_call_abandon(mg_block *call);

/* The outputs, whose data the caller has put into mg_call_outputs(): a list with a Value for each,
   also of one; leaves where no graph is built. Takes the block over. NULL with an exception. */
PyObject *mg_value_call_end(mg_block *call);

/* Says that input `place` is `node`, and holds it. */
static inline void mg_value_call_input(mg_block *call, uint32_t place, mg_node *node) {
    node->refcount++;
    mg_call_places(call)[call->count - 1] = place;
    call->operands[call->count++] = node;
    mg_call_inputs(call)[place] = node->data;
}

#endif
