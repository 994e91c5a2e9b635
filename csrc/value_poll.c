/* Interrupts of long work, and the GIL around it. */
#include "value_poll.h"

#include <time.h>

/* Getting the GIL back can take 5 ms while other threads compute, so that work without it looks for
   signals no more often than this. */
#define SECONDS_BETWEEN_LOOKS 0.02

unsigned long mg_main_thread;

static int is_main_thread(void) { return PyThread_get_thread_ident() == mg_main_thread; }

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int look(void) { return PyErr_CheckSignals() != 0; }

/* Only the main thread comes here: no lock for the time. */
static int look_apart(void) {
    static double last_look;
    if (seconds() - last_look < SECONDS_BETWEEN_LOOKS) {
        return 0;
    }
    PyGILState_STATE state = PyGILState_Ensure();
    int stop = look();
    PyGILState_Release(state);
    last_look = seconds();
    return stop;
}

static int look_nowhere(void) { return 0; }

int (*mg_value_poll(void))(void) { return is_main_thread() ? look : NULL; }

int (*mg_value_poll_apart(void))(void) { return is_main_thread() ? look_apart : look_nowhere; }

mg_status mg_value_apart(mg_status (*work)(void *argument, int (*poll)(void)), void *argument) {
    int (*poll)(void) = mg_value_poll_apart();
    PyThreadState *state = PyEval_SaveThread();
    mg_status status = work(argument, poll);
    PyEval_RestoreThread(state);
    return status;
}
