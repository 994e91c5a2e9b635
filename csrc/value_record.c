/* The list of recordings. The floor is a leaf that stays alive while the recording lasts: the
   arena's cursor cannot fall below it, so that "older" is a comparison with it. */
#include "value_record.h"

#include "lower.h"

mg_recording *mg_recordings;

int mg_recording_begin(mg_recording *recording) {
    recording->floor = mg_value_leaf(0.0);
    if (recording->floor == NULL) {
        return -1;
    }
    recording->thread = PyThread_get_thread_ident();
    recording->outer = mg_recordings;
    mg_recordings = recording;
    recording->active = 1;
    return 0;
}

/* Recordings of one thread end in reverse order, those of several in any. */
void mg_recording_stop(mg_recording *recording) {
    mg_recording **at = &mg_recordings;
    while (recording->active && *at != recording) {
        at = &(*at)->outer;
    }
    if (recording->active) {
        *at = recording->outer;
        recording->active = 0;
    }
}

void mg_recording_end(mg_recording *recording) {
    mg_recording_stop(recording);
    mg_graph_drop(&mg_heap, recording->floor);
    recording->floor = NULL;
}

mg_recording *mg_recording_here(void) {
    unsigned long thread = PyThread_get_thread_ident();
    mg_recording *recording = mg_recordings;
    while (recording != NULL && recording->thread != thread) {
        recording = recording->outer;
    }
    return recording;
}

int mg_recording_holds(const mg_node *node) {
    const mg_recording *recording = mg_recording_here();
    return recording != NULL &&
           (mg_node_is_interior(node) || mg_node_is_older(node, recording->floor));
}

int mg_recording_refuse(const char *what) {
    mg_loans.refuse_recorded(what);
    return -1;
}
