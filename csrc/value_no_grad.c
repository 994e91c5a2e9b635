/* The list of blocks without graphs under way. Which thread is in one is a question for the slow
   path: the fast one only looks whether there is any. */
#include "value_no_grad.h"

#include "value_record.h"

mg_no_grad *mg_no_grads;

int mg_no_grad_here(void) {
    unsigned long thread = PyThread_get_thread_ident();
    const mg_no_grad *entry = mg_no_grads;
    while (entry != NULL && entry->thread != thread) {
        entry = entry->outer;
    }
    return entry != NULL && (mg_recordings == NULL || mg_recording_here() == NULL);
}

int mg_no_grad_enter(mg_no_grad **own) {
    mg_no_grad *entry = mg_memory_alloc(1, sizeof(mg_no_grad));
    if (entry == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *entry =
        (mg_no_grad){.outer = mg_no_grads, .next_own = *own, .thread = PyThread_get_thread_ident()};
    mg_no_grads = *own = entry;
    return 0;
}

/* The blocks of one thread end in reverse order, those of several in any. */
static void leave(mg_no_grad **own_link) {
    mg_no_grad *entry = *own_link, **link = &mg_no_grads;
    while (*link != entry) {
        link = &(*link)->outer;
    }
    *link = entry->outer;
    *own_link = entry->next_own;
    mg_memory_free(entry);
}

int mg_no_grad_leave(mg_no_grad **own) {
    unsigned long thread = PyThread_get_thread_ident();
    mg_no_grad **link = own;
    while (*link != NULL && (*link)->thread != thread) {
        link = &(*link)->next_own;
    }
    /* A generator that is closed by another thread ends a block that it has begun elsewhere. */
    link = *link != NULL ? link : own;
    if (*link == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "no_grad() is left more often than it was entered");
        return -1;
    }
    leave(link);
    return 0;
}

void mg_no_grad_leave_all(mg_no_grad **own) {
    while (*own != NULL) {
        leave(own);
    }
}
