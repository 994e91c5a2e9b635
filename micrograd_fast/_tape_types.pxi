# What the C core has for programs, tapes and recordings.

from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec


cdef extern from "Python.h":
    # An exception that it sets stays set.
    int mg_check_signals "PyErr_CheckSignals"() noexcept

cdef extern from "memory.h":
    void *mg_memory_alloc(size_t count, size_t size)
    void mg_memory_free(void *block)
    void mg_memory_share(int change)

cdef extern from "program.h":
    ctypedef uint32_t mg_ref
    ctypedef enum mg_ref_kind:
        MG_REF_OP, MG_REF_INPUT, MG_REF_CONSTANT
    ctypedef struct mg_instruction:
        uint32_t op
        mg_ref a, b
    ctypedef struct mg_program:
        uint32_t input_count, constant_count, op_count, wide_count, output_count
        double *constants
        mg_instruction *code
        mg_ref *wide
        mg_ref *outputs
    bint mg_op_is_wide(uint32_t op)
    uint32_t mg_ref_index(mg_ref ref)
    mg_ref_kind mg_ref_kind_of(mg_ref ref)
    uint32_t mg_program_operands(const mg_program *program, const mg_instruction *instruction,
                                 mg_ref *pair, const mg_ref **operands)
    void mg_program_free(mg_program *program)

cdef extern from "passes.h":
    ctypedef struct mg_pass_info:
        const char *name
        const char *meaning
    const mg_pass_info mg_pass_table[]
    int MG_PASS_COUNT
    mg_status mg_passes_run(const mg_program *program, uint32_t wanted,
                            int (*poll)() noexcept nogil, mg_program **result) nogil

cdef extern from "tape.h":
    ctypedef struct mg_slot_step:
        uint32_t result, a, b
    ctypedef struct mg_tape:
        uint32_t holders
        mg_program *program
        uint32_t step_count, run_count, place_count, slot_count, first_constant, first_result
        uint32_t widest
        size_t residual_count
        uint32_t *ops
        mg_slot_step *slot_steps
        uint32_t *slot_wide
        uint32_t *outputs
        uint32_t *slot_outputs
    ctypedef struct mg_failure:
        uint32_t op
        double a, b
    mg_status mg_tape_new(mg_program *program, bint grouped, int (*poll)() noexcept nogil,
                          mg_tape **result) nogil
    void mg_tape_drop(mg_tape *tape)
    size_t mg_tape_bytes(const mg_tape *tape)
    size_t mg_tape_run_bytes(const mg_tape *tape)
    size_t mg_tape_room(const mg_tape *tape)
    void mg_tape_prepare(const mg_tape *tape, double *v)
    mg_status mg_tape_values(const mg_tape *tape, double *v, int (*poll)() noexcept nogil,
                             mg_failure *failure) nogil
    mg_status mg_tape_forward(const mg_tape *tape, double *v, double *residuals,
                              int (*poll)() noexcept nogil, mg_failure *failure) nogil
    mg_status mg_tape_reverse(const mg_tape *tape, const double *v, const double *residuals,
                              double *adjoints, int (*poll)() noexcept nogil) nogil
    mg_status mg_tape_tangents(const mg_tape *tape, const double *v, const double *residuals,
                               double *tangents, int (*poll)() noexcept nogil) nogil
    mg_status mg_tape_reverse_tangents(const mg_tape *tape, double *v,
                                       const double *tangents, double *adjoints,
                                       double *adjoint_tangents,
                                       int (*poll)() noexcept nogil) nogil

cdef extern from "lower.h":
    ctypedef struct mg_recorded:
        mg_node **inputs
        mg_node **outputs
        uint32_t input_count, output_count
        const mg_node *floor
    ctypedef struct mg_lowered:
        mg_program *program
        mg_node **captured
        uint32_t captured_count
    mg_status mg_lower(mg_arena *arena, const mg_recorded *recorded, int (*poll)() noexcept nogil,
                       mg_lowered *lowered, mg_node **culprit)

cdef extern from "value_poll.h":
    unsigned long mg_main_thread
    int (*mg_value_poll())() noexcept nogil
    int (*mg_value_poll_apart())() noexcept nogil

cdef extern from "value_record.h":
    ctypedef struct mg_recording:
        mg_node *floor
    mg_recording *mg_recordings
    int mg_recording_begin(mg_recording *recording) except -1
    void mg_recording_stop(mg_recording *recording)
    void mg_recording_end(mg_recording *recording)
    mg_recording *mg_recording_here()

cdef extern from "value_call.h":
    ctypedef struct mg_block:
        pass
    mg_node *mg_value_tape_parameters(mg_tape *tape, uint32_t nin, mg_node **captured,
                                      uint32_t captured_count, object name) except NULL
    mg_block *mg_value_call_begin(mg_node *parameters) except NULL
    void mg_value_call_abandon(mg_block *call)
    list mg_value_call_end(mg_block *call)
    void mg_value_call_input(mg_block *call, uint32_t place, mg_node *node)
    double *mg_call_inputs(mg_block *call)
    double *mg_call_outputs(mg_block *call)
    double *mg_call_residuals(mg_block *call)

cdef extern from "value.h":
    bint mg_is_value(object candidate)
    mg_node *mg_value_leaf(double data) except NULL
    int mg_value_number(object candidate, double *number) except -1
    object mg_value_raise(mg_status status, int op, double a, double b)

cdef extern from "value_arrays.h":
    int mg_doubles_open(object array, const char *what, bint writable, int ndim,
                        const Py_ssize_t *shape, Py_buffer *view) except -1

cdef extern from "ops.h":
    int MG_OP_exp_difference
    double mg_exp_difference_forward(double a, double b) noexcept nogil

cdef extern from "value.h":
    object mg_value_binary(int op, double (*forward)(double, double) noexcept nogil, object first,
                           object second)
