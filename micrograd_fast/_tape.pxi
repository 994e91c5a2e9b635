# Tapes: what a recording becomes, and every way of running it.

cdef enum:
    # Runs with more steps than this release the GIL: about 0.1 ms.
    LONG_RUN = 20_000
    # How many runs a tape keeps the memory of; more only when as many threads call it.
    KEPT_RUNS = 8


cdef double _seconds() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec + 1e-9 * now.tv_nsec


# --- signals ---

def _remember_main_thread():
    global mg_main_thread
    mg_main_thread = threading.main_thread().ident


_remember_main_thread()
if hasattr(os, "register_at_fork"):
    # In the child that is the thread that has forked.
    os.register_at_fork(after_in_child=_remember_main_thread)


ctypedef int (*poller)() noexcept nogil


# --- the memory of one run ---

# Invariant: between runs `adjoints` and `adjoint_tangents` are zeros, and so are the tangents of
# constants; `numbers`, the inputs first, holds the constants. What is NULL has not been needed yet.
cdef struct run_memory:
    run_memory *next
    double *numbers
    double *residuals
    double *adjoints
    double *tangents
    double *adjoint_tangents
    # The adjoints of one argument as an array of numpy's, which is copied faster than a new one is
    # opened; and the structure of that argument. References of the run.
    PyObject *view
    PyObject *view_of


cdef void _free_run(run_memory *run) noexcept:
    Py_XDECREF(run.view)
    Py_XDECREF(run.view_of)
    mg_memory_free(run.numbers)
    mg_memory_free(run.residuals)
    mg_memory_free(run.adjoints)
    mg_memory_free(run.tangents)
    mg_memory_free(run.adjoint_tangents)
    mg_memory_free(run)


cdef double *_doubles(double **room, size_t count, bint zeroed) except NULL:
    """*room, made with this many numbers if it is NULL."""
    if room[0] == NULL:
        room[0] = <double *>mg_memory_alloc(count + 1, sizeof(double))
        if room[0] == NULL:
            raise MemoryError("no memory for a run of a compiled function")
        if zeroed:
            memset(room[0], 0, count * sizeof(double))
    return room[0]


# --- the tape ---

cdef class Tape:
    """A lowered recording: immutable, and any number of threads may run it at once."""

    cdef mg_tape *tape
    # Of the arguments: a tuple, and by keyword a dict or None; of the result.
    cdef readonly Structure arguments, keywords, outputs
    # For each output, whether the function gave a plain number.
    cdef readonly list plain
    cdef bint any_plain
    # Values from outside, inputs after the arguments' numbers.
    cdef readonly tuple captured
    cdef Py_ssize_t argument_count
    cdef object parameters
    cdef readonly str name
    cdef readonly dict stats
    # Whatever the owner wants to know about it later.
    cdef public object notes
    cdef run_memory *idle
    cdef int idle_count
    # One bare number is the result.
    cdef bint is_scalar
    # Whether steps are in the order of mg_schedule.
    cdef readonly bint grouped
    # By argnums; see _function.pxi.
    cdef dict selections

    def __cinit__(self):
        self.selections = {}

    def __dealloc__(self):
        cdef run_memory *run = self.idle
        while run != NULL:
            self.idle = run.next
            _free_run(run)
            run = self.idle
        if self.tape != NULL:
            mg_tape_drop(self.tape)

    # --- memory ---

    cdef run_memory *take(self) except NULL:
        cdef run_memory *run = self.idle
        if run != NULL:
            self.idle = run.next
            self.idle_count -= 1
            return run
        run = <run_memory *>mg_memory_alloc(1, sizeof(run_memory))
        if run == NULL:
            raise MemoryError("no memory for a run of a compiled function")
        memset(run, 0, sizeof(run_memory))
        run.numbers = <double *>mg_memory_alloc(mg_tape_room(self.tape) + 1, sizeof(double))
        if run.numbers == NULL:
            mg_memory_free(run)
            raise MemoryError("no memory for a run of a compiled function")
        mg_tape_prepare(self.tape, run.numbers)
        return run

    cdef void give(self, run_memory *run) noexcept:
        if self.idle_count == KEPT_RUNS:
            _free_run(run)
            return
        run.next = self.idle
        self.idle = run
        self.idle_count += 1

    # --- single sweeps; arguments are in their places ---

    cdef poller poll(self) noexcept:
        """What a run is to poll; NULL for a short one, which keeps the GIL."""
        return NULL if self.tape.step_count < LONG_RUN else mg_value_poll_apart()

    cdef int fail(self, mg_status status, mg_failure *failure) except -1:
        if status == MG_INTERRUPTED:
            return -1  # the signal handler's exception is set
        cdef uint32_t op = self.tape.program.code[failure.op].op
        if status == MG_INDEX:
            raise IndexError(f"take(): index {failure.a!r} does not name one of the "
                             f"{failure.b:.0f} values")
        mg_value_raise(status, mg_op_table[op].row, failure.a, failure.b)
        return -1

    cdef void read_captured(self, double *numbers) noexcept:
        cdef Py_ssize_t i
        for i in range(len(self.captured)):
            numbers[self.argument_count + i] = (
                mg_node_of(<object>PyTuple_GET_ITEM(self.captured, i)).data)

    cdef int values(self, run_memory *run) except -1:
        """The outputs alone, in their slots."""
        cdef mg_status status
        cdef mg_failure failure
        cdef double *numbers = run.numbers
        cdef poller poll = self.poll()
        self.read_captured(numbers)
        if poll == NULL:
            status = mg_tape_values(self.tape, numbers, poll, &failure)
        else:
            with nogil:
                status = mg_tape_values(self.tape, numbers, poll, &failure)
        return 0 if status == MG_OK else self.fail(status, &failure)

    cdef int forward(self, double *numbers, double *residuals) except -1:
        """Every number, in its place, and the residuals."""
        cdef mg_status status
        cdef mg_failure failure
        cdef poller poll = self.poll()
        self.read_captured(numbers)
        if poll == NULL:
            status = mg_tape_forward(self.tape, numbers, residuals, poll, &failure)
        else:
            with nogil:
                status = mg_tape_forward(self.tape, numbers, residuals, poll, &failure)
        return 0 if status == MG_OK else self.fail(status, &failure)

    cdef int forward_of(self, run_memory *run) except -1:
        return self.forward(run.numbers, _doubles(&run.residuals, self.tape.residual_count, False))

    cdef double *reverse(self, run_memory *run) except NULL:
        """After forward_of, and after the outputs' adjoints were added: those of the inputs, until
        `cleared`."""
        cdef mg_status status = MG_OK
        cdef poller poll = self.poll()
        if poll == NULL:
            mg_tape_reverse(self.tape, run.numbers, run.residuals, run.adjoints, poll)
        else:
            with nogil:
                status = mg_tape_reverse(self.tape, run.numbers, run.residuals, run.adjoints, poll)
        if status != MG_OK:
            memset(run.adjoints, 0, self.tape.place_count * sizeof(double))
            return NULL
        return run.adjoints

    cdef void cleared(self, double *adjoints) noexcept:
        """Makes an array of adjoints zeros again after a sweep."""
        memset(adjoints, 0, self.tape.first_result * sizeof(double))

    cdef double *adjoints_of(self, run_memory *run, Py_ssize_t output) except NULL:
        """One reverse sweep, from one output alone."""
        _doubles(&run.adjoints, self.tape.place_count, True)
        run.adjoints[self.tape.outputs[output]] += 1.0
        return self.reverse(run)

    cdef object array_below(self, run_memory *run, Structure part):
        """The adjoints of an argument that is an array, as a new array."""
        cdef double *below
        if run.view_of != <PyObject *>part:
            if part.count == 0:
                return np.empty(part.shape)
            below = run.adjoints + part.start
            view = np.asarray(<double[:part.count]>below).reshape(part.shape)
            Py_XDECREF(run.view)
            Py_XDECREF(run.view_of)
            Py_INCREF(view)
            Py_INCREF(part)
            run.view = <PyObject *>view
            run.view_of = <PyObject *>part
        return (<object>run.view).copy()

    cdef double *seed(self, run_memory *run) except NULL:
        """The tangents of the inputs, all zero."""
        _doubles(&run.tangents, self.tape.place_count, True)
        memset(run.tangents, 0, self.tape.program.input_count * sizeof(double))
        return run.tangents

    cdef int tangents_of(self, run_memory *run) except -1:
        """After forward_of and seed(): the tangents of the outputs."""
        cdef mg_status status
        cdef poller poll = self.poll()
        if poll == NULL:
            status = mg_tape_tangents(self.tape, run.numbers, run.residuals, run.tangents, poll)
        else:
            with nogil:
                status = mg_tape_tangents(self.tape, run.numbers, run.residuals, run.tangents,
                                          poll)
        return 0 if status == MG_OK else -1

    cdef double *second(self, run_memory *run) except NULL:
        """Forward over reverse of a scalar output, after forward_of() and seed(): the tangents of
        the inputs' adjoints, until `cleared`."""
        cdef mg_status status
        cdef mg_tape *tape = self.tape
        cdef double *adjoints = _doubles(&run.adjoints, tape.place_count, True)
        cdef double *over = _doubles(&run.adjoint_tangents, tape.place_count, True)
        cdef poller poll = self.poll()
        self.tangents_of(run)
        adjoints[tape.outputs[0]] += 1.0
        if poll == NULL:
            status = mg_tape_reverse_tangents(tape, run.numbers, run.tangents, adjoints, over, poll)
        else:
            with nogil:
                status = mg_tape_reverse_tangents(tape, run.numbers, run.tangents, adjoints, over,
                                                  poll)
        if status != MG_OK:
            memset(adjoints, 0, tape.place_count * sizeof(double))
            memset(over, 0, tape.place_count * sizeof(double))
            return NULL
        self.cleared(adjoints)
        return over

    # --- whole runs; run.numbers holds the arguments ---

    cdef void read_outputs(self, const double *numbers, const uint32_t *outputs,
                           double *room) noexcept:
        cdef uint32_t i
        for i in range(self.tape.program.output_count):
            room[i] = numbers[outputs[i]]

    cdef object result_of(self, const double *numbers, const uint32_t *outputs):
        """The outputs as floats and arrays, given where they are."""
        cdef double *room = NULL
        if self.is_scalar:
            return numbers[outputs[0]]
        try:
            _doubles(&room, self.tape.program.output_count, False)
            self.read_outputs(numbers, outputs, room)
            return _with_numbers(self.outputs, room, 0)
        finally:
            mg_memory_free(room)

    cdef object call(self, mg_block *call):
        """What eager code would give; `call`, which it takes over, has its inputs."""
        cdef list outputs
        cdef double *numbers = mg_call_inputs(call)
        try:
            mg_tape_prepare(self.tape, numbers)
            self.forward(numbers, mg_call_residuals(call))
        except BaseException:
            mg_value_call_abandon(call)
            raise
        self.read_outputs(numbers, self.tape.outputs, mg_call_outputs(call))
        outputs = mg_value_call_end(call)
        if self.any_plain:
            outputs = [mg_node_of(output).data if plain else output
                       for output, plain in zip(outputs, self.plain)]
        return self.object_of(outputs)

    cdef object object_of(self, list outputs):
        """The outputs in the structure of the result."""
        return outputs[0] if self.is_scalar else _with_objects(self.outputs, outputs, 0)

    cdef object leaf_of(self, run_memory *run, uint32_t i):
        """After values(): an output as a leaf, or as a float where the function gave one."""
        cdef double number = run.numbers[self.tape.slot_outputs[i]]
        if self.any_plain and self.plain[i]:
            return number
        leaf = <object><PyObject *>mg_value_leaf(number)
        Py_DECREF(leaf)
        return leaf

    cdef mg_block *call_begin(self) except NULL:
        if self.parameters is None:
            self.parameters = self.make_parameters()
        return mg_value_call_begin(mg_node_of(self.parameters))

    cdef object make_parameters(self):
        cdef Py_ssize_t i
        cdef mg_node *made
        cdef mg_node **nodes
        nodes = <mg_node **>mg_memory_alloc(len(self.captured) + 1, sizeof(mg_node *))
        if nodes == NULL:
            raise MemoryError
        for i in range(len(self.captured)):
            nodes[i] = mg_node_of(self.captured[i])
        try:
            made = mg_value_tape_parameters(self.tape, <uint32_t>self.argument_count, nodes,
                                            <uint32_t>len(self.captured), self.name)
        finally:
            mg_memory_free(nodes)
        parameters = <object><PyObject *>made
        Py_DECREF(parameters)
        return parameters

    # --- reading ---

    def bound(self, tuple captured):
        """The same tape with other Values in place of those captured."""
        if len(captured) != len(self.captured):
            raise ValueError(f"{self.name} has captured {len(self.captured)} Values, but "
                             f"{len(captured)} were given")
        return _new_tape(self, captured)

    def fill(self, tuple arguments, dict keywords):
        """The numbers of arguments as a list, or None if their structure is another one."""
        cdef double[::1] room = np.empty(self.argument_count + 1)
        if not self.match(arguments, keywords, &room[0], NULL):
            return None
        return [room[i] for i in range(self.argument_count)]

    cdef int match(self, tuple arguments, dict keywords, double *room, mg_block *call) except -1:
        """Whether they are of the structure; then room[i] is set for every argument's number."""
        if not _match(self.arguments, arguments, room, call):
            return 0
        if self.keywords is None:
            return not keywords
        return keywords is not None and _match(self.keywords, keywords, room, call)

    def listing(self):
        """The program: its constants, a tuple (op's name, operands, parameter) for each op, and the
        outputs. Operands are pairs of a letter, 'o'p, 'i'nput or 'c'onstant, and a number."""
        cdef const mg_program *program = self.tape.program
        cdef mg_ref pair[2]
        cdef const mg_ref *operands = pair
        cdef uint32_t i, k, count
        constants = [program.constants[i] for i in range(program.constant_count)]
        ops = []
        for i in range(program.op_count):
            count = mg_program_operands(program, &program.code[i], pair, &operands)
            parameter = None
            if mg_op_is_wide(program.code[i].op):
                parameter = program.constants[mg_ref_index(operands[count])]
            ops.append((mg_op_table[program.code[i].op].name.decode(),
                        [_named_ref(operands[k]) for k in range(count)], parameter))
        return constants, ops, [_named_ref(program.outputs[i])
                                for i in range(program.output_count)]


cdef tuple _named_ref(mg_ref ref):
    return "oic"[<int>mg_ref_kind_of(ref)], mg_ref_index(ref)


cdef Tape _new_tape(Tape like, tuple captured):
    cdef Tape made = Tape()
    made.tape = like.tape
    made.tape.holders += 1
    made.arguments, made.keywords, made.outputs = like.arguments, like.keywords, like.outputs
    made.plain, made.any_plain = like.plain, like.any_plain
    made.argument_count = like.argument_count
    made.name, made.stats, made.notes = like.name, like.stats, like.notes
    made.is_scalar, made.grouped = like.is_scalar, like.grouped
    made.captured = captured
    return made


# --- recording ---

def pass_table():
    """The passes as a list of pairs, name and meaning, in the order in which they run."""
    return [*((mg_pass_table[i].name.decode(), mg_pass_table[i].meaning.decode())
              for i in range(MG_PASS_COUNT)),
            # Not from program to program, but the order of the tape's steps.
            ("group", "runs ops with the same code one after the other")]


def is_recording():
    """Whether this thread is recording."""
    return mg_recordings != NULL and mg_recording_here() != NULL


cdef class Recording:
    """While it is entered, this thread records; see csrc/value_record.h."""

    cdef mg_recording recording
    cdef bint active

    def __enter__(self):
        mg_recording_begin(&self.recording)
        self.active = True
        return self

    def __exit__(self, *exception):
        self.active = False
        mg_recording_end(&self.recording)

    def lower(self, list inputs, list outputs, passes):
        """lower() of what was recorded, in here; that ends the recording."""
        # Signal handlers may run meanwhile, and read what they want.
        mg_recording_stop(&self.recording)
        return _lower(inputs, outputs, passes, self.recording.floor)


def lower(list inputs, list outputs, passes):
    """The Values `outputs` as a function of the Values `inputs`: an unfinished Tape.

    passes
        the numbers of the passes wanted
    """
    return _lower(inputs, outputs, passes, NULL)


class Unrecordable(Exception):
    """What lower() raises for a node that no program can have."""


cdef Tape _lower(list inputs, list outputs, passes, const mg_node *floor):
    cdef mg_recorded recorded
    cdef mg_lowered lowered
    cdef mg_node *culprit = NULL
    cdef mg_status status
    cdef mg_node **nodes
    cdef Py_ssize_t i
    cdef double begun = _seconds()
    nodes = <mg_node **>mg_memory_alloc(len(inputs) + len(outputs) + 1, sizeof(mg_node *))
    if nodes == NULL:
        raise MemoryError
    for i in range(len(inputs)):
        nodes[i] = mg_node_of(inputs[i])
    for i in range(len(outputs)):
        nodes[len(inputs) + i] = mg_node_of(outputs[i])
    recorded.inputs = nodes
    recorded.outputs = nodes + len(inputs)
    recorded.input_count = <uint32_t>len(inputs)
    recorded.output_count = <uint32_t>len(outputs)
    recorded.floor = floor
    status = mg_lower(&mg_heap.arena, &recorded, mg_value_poll(), &lowered, &culprit)
    mg_memory_free(nodes)
    if status == MG_UNRECORDABLE:
        raise _unrecordable(<object><PyObject *>culprit)
    _check_lowering(status)
    return _finish(&lowered, len(inputs), passes, begun)


cdef _unrecordable(value):
    cdef mg_node *culprit = mg_node_of(value)
    if culprit.flags & MG_CLOSURE:
        why = "has a _backward function of your own"
    elif culprit.flags & MG_FOREIGN:
        why = "is of a subclass of Value"
    elif mg_op_table[culprit.op].row == MG_OP_local:
        why = "has local gradients of your own"
    elif mg_value_is_call(culprit):
        why = "is the result of a network or of a compiled function"
    else:
        why = "was made by hand"
    return Unrecordable(f"the {_describe(value)} {why}")


cdef int _check_lowering(mg_status status) except -1:
    if status == MG_INTERRUPTED:
        return -1  # the signal handler's exception is set
    if status == MG_NO_MEMORY:
        raise MemoryError("no memory to lower a recording")
    if status == MG_TOO_LARGE:
        raise OverflowError("a recording has too many operations for one program")
    return 0


cdef int _make_tape(mg_program *program, bint grouped, mg_tape **tape) except -1:
    """mg_tape_new, which takes the program over."""
    cdef mg_status status
    cdef poller poll
    if program.op_count < LONG_RUN:
        status = mg_tape_new(program, grouped, NULL, tape)
    else:
        poll = mg_value_poll_apart()
        mg_memory_share(1)
        with nogil:
            status = mg_tape_new(program, grouped, poll, tape)
        mg_memory_share(-1)
    return _check_lowering(status)


cdef Tape _finish(mg_lowered *lowered, Py_ssize_t argument_count, passes, double begun):
    cdef Tape made = Tape()
    cdef mg_program *program = NULL
    cdef mg_program *written = lowered.program
    cdef uint32_t wanted = 0, i, before = written.op_count
    cdef mg_status status
    cdef double lowering, optimised
    cdef poller poll
    try:
        made.captured = tuple([<object><PyObject *>lowered.captured[i]
                               for i in range(lowered.captured_count)])
        for number in passes:
            wanted |= <uint32_t>1 << <int>number
        lowering = _seconds()
        if before < LONG_RUN:
            status = mg_passes_run(written, wanted, NULL, &program)
        else:
            poll = mg_value_poll_apart()
            mg_memory_share(1)
            with nogil:
                status = mg_passes_run(written, wanted, poll, &program)
            mg_memory_share(-1)
    finally:
        mg_memory_free(lowered.captured)
        mg_program_free(written)
    _check_lowering(status)
    optimised = _seconds()
    made.grouped = wanted >> MG_PASS_COUNT & 1
    _make_tape(program, made.grouped, &made.tape)
    made.argument_count = argument_count
    made.stats = {
        "operations_recorded": before,
        "operations": made.tape.step_count,
        "inputs": argument_count,
        "captured": len(made.captured),
        "outputs": made.tape.program.output_count,
        "runs": made.tape.run_count,
        "slots": made.tape.slot_count,
        "bytes": mg_tape_bytes(made.tape),
        "run_bytes": mg_tape_run_bytes(made.tape),
        "seconds_recording": 0.0,
        "seconds_lowering": lowering - begun,
        "seconds_passes": optimised - lowering,
        "seconds_slots": _seconds() - optimised,
    }
    return made


def finish(Tape tape, Structure arguments, keywords, Structure outputs, list plain, str name,
           double seconds, notes):
    """Tells a Tape made by lower() what its inputs and outputs are."""
    tape.arguments, tape.keywords, tape.outputs = arguments, keywords, outputs
    tape.plain = plain
    tape.any_plain = any(plain)
    tape.is_scalar = outputs.kind == NUMBER
    tape.name = name
    tape.notes = notes
    tape.stats["seconds_recording"] = seconds


def softmax_element(a, b):
    """The one binary op that has no spelling of its own: an element of a softmax."""
    return mg_value_binary(MG_OP_exp_difference, mg_exp_difference_forward, a, b)
