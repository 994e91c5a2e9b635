# Blocks without graphs; see csrc/value_no_grad.h.

cdef extern from "value_no_grad.h":
    ctypedef struct mg_no_grad:
        pass
    mg_no_grad *mg_no_grads
    bint mg_no_grad_here()
    int mg_no_grad_enter(mg_no_grad **own) except -1
    int mg_no_grad_leave(mg_no_grad **own) except -1
    void mg_no_grad_leave_all(mg_no_grad **own)


cdef class NoGrad:
    """What no_grad() builds upon. May be entered any number of times, by any thread."""

    cdef mg_no_grad *entered

    def __enter__(self):
        mg_no_grad_enter(&self.entered)

    def __exit__(self, *exception):
        mg_no_grad_leave(&self.entered)

    def __dealloc__(self):
        # Entered by hand and forgotten, or left in a generator by a thread that has ended.
        mg_no_grad_leave_all(&self.entered)
