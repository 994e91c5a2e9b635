/* Recording: while a function is being recorded, what would freeze a number into the program
   (reading or assigning data, comparing) is refused on the thread that records. Constants made in
   the recording may be read: they are the same at every call. */
#ifndef MG_VALUE_RECORD_H
#define MG_VALUE_RECORD_H

#include "value.h"

/* A recording under way. Values made before mg_recording_begin, the inputs among them, are
   recorded; leaves made after it are constants. */
typedef struct mg_recording mg_recording;
struct mg_recording {
    mg_recording *outer;
    int active; /* in the list */
    unsigned long thread;
    mg_node *floor; /* older than all that is made in the recording; a reference of its own */
};

/* Those of all threads, the last begun first; the GIL guards the list. */
extern mg_recording *mg_recordings;

/* Begins a recording on this thread. 0, or -1 with MemoryError. */
int mg_recording_begin(mg_recording *recording);

/* What has been recorded is complete: from here on nothing is refused, but nodes made before and
   after the beginning can still be told apart. */
void mg_recording_stop(mg_recording *recording);
void mg_recording_end(mg_recording *recording);

/* The innermost recording of this thread, or NULL. */
mg_recording *mg_recording_here(void);

/* Whether `node` may not be read now: its number would be frozen. */
int mg_recording_holds(const mg_node *node);

/* Raises RecordingError, naming the line and `what` was done there. Returns -1. */
int mg_recording_refuse(const char *what);

/* To be asked before a node's number leaves the graph: 0, or -1 with RecordingError. */
static inline int mg_value_guard_read(const mg_node *node, const char *what) {
    return LIKELY(mg_recordings == NULL) || !mg_recording_holds(node) ? 0
                                                                      : mg_recording_refuse(what);
}

/* To be asked before anything is done that is no part of a program, on any node. */
static inline int mg_value_guard(const char *what) {
    return LIKELY(mg_recordings == NULL) || mg_recording_here() == NULL ? 0
                                                                        : mg_recording_refuse(what);
}

#endif
