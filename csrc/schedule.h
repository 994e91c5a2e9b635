/* The order in which a tape runs its ops.

   Ops with the same code are put next to each other where nothing hinders it: then they run in one
   loop, and the processor has no jumps to guess and no code to switch. An op never comes before one
   that it reads. So that what is computed is read again while it is still in the cache, an op only
   changes places within a window of the program.

   Values do not depend on the order. Gradients do in their last bits, for it says in which order
   contributions to one adjoint are added up. */
#ifndef MG_SCHEDULE_H
#define MG_SCHEDULE_H

#include "program.h"

/* Ops of a window. */
#define MG_WINDOW 2048

/* Writes the numbers of the program's ops to `order`, in the order in which they run: op_count
   many. `poll` (NULL: never) is called between windows, and not 0 means stop. MG_OK, MG_NO_MEMORY
   or MG_INTERRUPTED. */
mg_status mg_schedule(const mg_program *program, int (*poll)(void), uint32_t *order);

#endif
