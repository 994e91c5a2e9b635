/* What long native work asks now and then whether to stop: whether a signal has arrived whose
   handler raises. Only the main thread handles signals. Handlers run arbitrary Python. */
#ifndef MG_VALUE_POLL_H
#define MG_VALUE_POLL_H

#include "value.h"

/* Which thread that is, as PyThread_get_thread_ident() numbers them. To be kept up to date: asking
   Python would run a handler that has been waiting, in the wrong place. */
extern unsigned long mg_main_thread;

/* For work that keeps the GIL. NULL: this thread has nothing to ask. */
int (*mg_value_poll(void))(void);

/* For work without the GIL, chosen with it. Never NULL. */
int (*mg_value_poll_apart(void))(void);

/* Runs work without the GIL, which touches no Python object and no node. */
mg_status mg_value_apart(mg_status (*work)(void *argument, int (*poll)(void)), void *argument);

#endif
