# Tapes as bytes: the program by csrc/program_bytes.c, structures as what JSON can hold.

cdef extern from "program_bytes.h":
    mg_status mg_program_to_bytes(const mg_program *program, uint8_t **content, size_t *size) nogil
    mg_status mg_program_from_bytes(const uint8_t *content, size_t size, mg_program **program,
                                    const char **why) nogil


class TapeError(ValueError):
    """What was to be loaded is no saved function.

    It is damaged, cut off, of another version, or something else; the message says which.

    >>> import io
    >>> from micrograd_fast import TapeError, load
    >>> try:
    ...     load(io.BytesIO(b"something else"))
    ... except TapeError as error:
    ...     print(error)
    this is no saved function
    """


def program_bytes(Tape tape):
    """The program of a tape as bytes."""
    cdef uint8_t *content = NULL
    cdef size_t size = 0
    cdef const mg_program *program = tape.tape.program
    cdef mg_status status
    if program.op_count < LONG_RUN:
        status = mg_program_to_bytes(program, &content, &size)
    else:
        mg_memory_share(1)
        with nogil:
            status = mg_program_to_bytes(program, &content, &size)
        mg_memory_share(-1)
    if status != MG_OK:
        raise MemoryError("no memory to write a compiled function")
    try:
        return (<char *>content)[:size]
    finally:
        mg_memory_free(content)


def tape_from_bytes(bytes content, Py_ssize_t argument_count, tuple captured, bint grouped):
    """An unfinished Tape with the program in `content`. TapeError for what is none, or not one of
    as many inputs."""
    cdef mg_program *program = NULL
    cdef const char *why = NULL
    cdef Tape made = Tape()
    cdef const uint8_t *first = <const uint8_t *><const char *>content
    cdef size_t size = len(content)
    cdef mg_status status
    # An op takes 5 bytes or more.
    if size < 5 * LONG_RUN:
        status = mg_program_from_bytes(first, size, &program, &why)
    else:
        mg_memory_share(1)
        with nogil:
            status = mg_program_from_bytes(first, size, &program, &why)
        mg_memory_share(-1)
    if status == MG_NO_MEMORY:
        raise MemoryError("no memory to load a compiled function")
    if status != MG_OK:
        raise TapeError(why.decode())
    if program.input_count != <size_t>argument_count + <size_t>len(captured):
        mg_program_free(program)
        raise TapeError("a program has other inputs than its arguments and captured Values")
    made.grouped = grouped
    _make_tape(program, grouped, &made.tape)
    made.captured = captured
    made.argument_count = argument_count
    made.stats = {
        "operations_recorded": made.tape.step_count,
        "operations": made.tape.step_count,
        "inputs": argument_count,
        "captured": len(captured),
        "outputs": made.tape.program.output_count,
        "runs": made.tape.run_count,
        "slots": made.tape.slot_count,
        "bytes": mg_tape_bytes(made.tape),
        "run_bytes": mg_tape_run_bytes(made.tape),
        "seconds_recording": 0.0,
        "seconds_lowering": 0.0,
        "seconds_passes": 0.0,
        "seconds_slots": 0.0,
    }
    return made


def structure_spec(Structure of):
    """A structure as nested lists of strings and numbers. TypeError for what they cannot say."""
    kind = {NUMBER: "number", ARRAY: "array", LIST: "list", TUPLE: "tuple", DICT: "dict",
            STATIC: "static"}.get(of.kind)
    if kind is None:
        raise TypeError(f"a function of a named tuple ({of.keys.__name__}) cannot be saved: "
                        "its type belongs to a program, not to a file")
    if of.kind == NUMBER:
        return [kind]
    if of.kind == ARRAY:
        return [kind, list(of.shape)]
    if of.kind == STATIC:
        if of.keys is not None and type(of.keys) not in (bool, int, str):
            raise TypeError(f"a static argument of type {type(of.keys).__name__!r} cannot be "
                            "saved: use None, a bool, an int or a str")
        return [kind, of.keys]
    items = (["number"] for _ in range(of.count)) if of.children is None else (
        structure_spec(child) for child in of.children)
    if of.kind != DICT:
        return [kind, list(items)]
    for key in of.keys:
        if type(key) not in (int, str):
            raise TypeError(f"a dict with the key {key!r} cannot be saved: use a str or an int")
    return [kind, list(of.keys), list(items)]
