# Functions: from a call to the tape of its structure, and what is asked of it.

cdef enum:
    # How many tapes a call is compared with before it is described at length.
    RECENT_TAPES = 8


cdef object _needs_scalar(Tape tape, str method):
    return TypeError(f"{method} needs a function whose result is one number, but that of "
                     f"{tape.name} is {tape.outputs!r}: use jacobian or vjp")


# The last argument of methods that take one of their own behind those of the function.
cdef dict _LAST = {
    "vjp": "the cotangent of its result",
    "jvp": "the tangent of its argument",
    "hvp": "the vector that its Hessian is multiplied by",
}


cdef class Selection:
    """The arguments that something is differentiated with respect to, side by side."""

    cdef bint single
    cdef list parts
    cdef Structure first
    # The place of each part's first leaf among those of all parts.
    cdef list places
    cdef Py_ssize_t count

    cdef object with_numbers(self, const double *numbers):
        """One number for each leaf, in the arguments' structure; numbers[i] is of argument leaf i
        among all, selected or not."""
        if self.single:
            return _with_numbers(self.first, numbers, 0)
        return tuple([_with_numbers(<Structure>part, numbers, 0) for part in self.parts])

    cdef Py_ssize_t leaf(self, Py_ssize_t index) except -1:
        """The place among all argument leaves of one of these."""
        cdef Structure part
        for place, part in zip(self.places, self.parts):
            if index < place + part.count:
                return part.start + index - place
        raise IndexError("no such leaf")

    cdef void gather(self, const double *numbers, double *room) noexcept:
        """The same as a row."""
        cdef Structure part
        for part in self.parts:
            memcpy(room, numbers + part.start, part.count * sizeof(double))
            room += part.count

    cdef int match(self, object given, double *room, str what) except -1:
        """Writes the numbers of `given` to their places among all argument leaves."""
        cdef Py_ssize_t i
        if self.single:
            if _match(self.first, given, room, NULL):
                return 0
        elif isinstance(given, (tuple, list)) and len(given) == len(self.parts):
            for i in range(len(self.parts)):
                if not _match(<Structure>self.parts[i], given[i], room, NULL):
                    break
            else:
                return 0
        wanted = self.parts[0] if self.single else tuple(self.parts)
        raise TypeError(f"{what} must have the structure of what is differentiated, {wanted!r}")

    cdef Structure row(self):
        """The structure of these alone."""
        return self.first if self.single else None


cdef inline Selection _select(Tape tape, argnums):
    cdef PyObject *found = NULL
    if type(argnums) is int or type(argnums) is tuple:
        found = PyDict_GetItemWithError(tape.selections, argnums)
    return <Selection>found if found != NULL else _new_selection(tape, argnums)


cdef Selection _new_selection(Tape tape, argnums):
    cdef Selection made = Selection()
    made.single = not isinstance(argnums, (tuple, list))
    everything = tape.arguments.children
    if tape.keywords is not None:
        everything = everything + tape.keywords.children
    made.parts, made.places = [], []
    for number in ((argnums,) if made.single else argnums):
        if isinstance(number, bool) or not hasattr(type(number), "__index__"):
            raise TypeError(f"argnums must be an int or a tuple of ints, not {argnums!r}")
        place = operator.index(number)
        if not -len(everything) <= place < len(everything):
            raise ValueError(f"argnums {argnums!r}: {tape.name} was called with "
                             f"{len(everything)} argument{'s' * (len(everything) != 1)}")
        if everything[place].is_static:
            raise ValueError(f"argnums {argnums!r}: argument {place} of {tape.name} is static")
        if everything[place] in made.parts:
            raise ValueError(f"argnums {argnums!r} names an argument twice")
        made.parts.append(everything[place])
        made.places.append(made.count)
        made.count += everything[place].count
    made.first = made.parts[0] if made.parts else None
    if type(argnums) is int or type(argnums) is tuple:
        tape.selections[argnums] = made
    return made


cdef int _write_out(object out, list parts, const double *numbers) except -1:
    """The leaves of `parts`, from numbers[their places], to an array given by the caller."""
    cdef Structure part = parts[0] if len(parts) == 1 else None
    cdef Py_buffer view
    cdef Py_ssize_t total = 0
    cdef double *room
    if part is not None and part.kind == ARRAY:
        mg_doubles_open(out, "out", True, <int>len(part.shape), part.lengths, &view)
    else:
        for part in parts:
            total += part.count
        mg_doubles_open(out, "out", True, 1, &total, &view)
    room = <double *>view.buf
    for part in parts:
        if part.count != 0:
            memcpy(room, numbers + part.start, part.count * sizeof(double))
            room += part.count
    PyBuffer_Release(&view)
    return 0


cdef class FunctionCore:
    """What Function in compile.py builds upon: it finds the tape for a call, and runs it."""

    cdef Tape last
    cdef list recent
    # All tapes, by the key of their arguments' structure.
    cdef dict known

    def __cinit__(self, *args, **kwargs):
        self.recent = []
        self.known = {}

    @property
    def tapes(self):
        """The recordings: a dict of Tapes by the structure of their arguments.

        >>> from micrograd_fast import compile
        >>> f = compile(lambda x: x * x)
        >>> f.value(2.0)
        4.0
        >>> len(f.tapes)
        1
        """
        return self.known

    # A subclass has: _canonical(args, kwargs) -> args, kwargs, the one way to write a call with
    # keywords; _tape_for(args, kwargs) -> Tape, found or made; _inline(args, kwargs).

    cdef Tape open(self, tuple arguments, dict keywords, run_memory **run):
        """The tape for these arguments and, for the caller to give back, a run that has them."""
        cdef Tape tape = self.last
        if mg_recordings != NULL:
            mg_value_guard("a compiled function is asked for plain numbers")
        if keywords:
            arguments, keywords = self._canonical(arguments, keywords)
        if tape is None or not self.load(tape, arguments, keywords, run):
            for tape in self.recent:
                if self.load(tape, arguments, keywords, run):
                    break
            else:
                tape = self._tape_for(arguments, keywords)
                if not self.load(tape, arguments, keywords, run):
                    raise TypeError("the arguments have changed while they were read")
            self.remember(tape)
        return tape

    cdef Tape open_but_last(self, tuple given, dict keywords, str method, run_memory **run):
        """The same for all arguments but the last, which is the method's own."""
        message = f"{method} takes the arguments of {self.__name__} and then {_LAST[method]}"
        if not given:
            raise TypeError(message)
        failure = None
        try:
            return self.open(given[:-1], keywords, run)
        except TypeError as error:
            failure = error
        words = str(failure)
        # Python's, for a call with an argument too few.
        if "missing" in words and "required" in words:
            raise TypeError(f"{message}: {words}")
        raise failure

    cdef int load(self, Tape tape, tuple arguments, dict keywords, run_memory **run) except -1:
        cdef int known = 0
        run[0] = tape.take()
        try:
            known = tape.match(arguments, keywords, run[0].numbers, NULL)
        finally:
            if not known:
                tape.give(run[0])
        return known

    cdef int remember(self, Tape tape) except -1:
        if tape in self.recent:
            self.recent.remove(tape)
        self.recent.insert(0, tape)
        del self.recent[RECENT_TAPES:]
        self.last = tape
        return 0

    def forget(self):
        """Drop every tape; the next call records again."""
        self.last = None
        self.recent = []
        self.known = {}

    def adopt(self, Tape tape):
        """Make `tape` the one for calls of its structure."""
        self.tapes[tape.arguments.key, None if tape.keywords is None else tape.keywords.key] = tape
        self.remember(tape)

    # --- connected calls ---

    cdef int load_call(self, Tape tape, tuple arguments, dict keywords, mg_block **call) except -1:
        cdef int known = 0
        call[0] = tape.call_begin()
        try:
            known = tape.match(arguments, keywords, mg_call_inputs(call[0]), call[0])
        finally:
            if not known:
                mg_value_call_abandon(call[0])
        return known

    def __call__(self, *args, **kwargs):
        cdef Tape tape = self.last
        cdef mg_block *call = NULL
        if mg_recordings != NULL and mg_recording_here() != NULL:
            return self._inline(args, kwargs)
        if mg_no_grads != NULL and mg_no_grad_here():
            return self.graphless(args, kwargs)
        if kwargs:
            args, kwargs = self._canonical(args, kwargs)
        if tape is None or not self.load_call(tape, args, kwargs, &call):
            for tape in self.recent:
                if self.load_call(tape, args, kwargs, &call):
                    break
            else:
                tape = self._tape_for(args, kwargs)
                if not self.load_call(tape, args, kwargs, &call):
                    raise TypeError("the arguments have changed while they were read")
            self.remember(tape)
        return tape.call(call)

    cdef object graphless(self, tuple args, dict kwargs):
        """The outputs as leaves: a forward pass that keeps nothing."""
        cdef run_memory *run = NULL
        cdef Tape tape = self.open(args, kwargs, &run)
        cdef uint32_t i
        cdef list outputs = []
        try:
            tape.values(run)
            for i in range(tape.tape.program.output_count):
                outputs.append(tape.leaf_of(run, i))
        finally:
            tape.give(run)
        return tape.object_of(outputs)

    # --- plain numbers ---

    def value(self, *args, out=None, **kwargs):
        """The result as plain numbers: floats, and float64 arrays where it has arrays.

        out
            a C-contiguous float64 array to write to and return: of the result's shape if that is
            an array, else of one dimension, with an item for each number

        No gradient is prepared, and nothing is connected to anything. Values among the arguments
        give their data. Raises what the operations raise for these numbers in eager code.

        >>> from micrograd_fast import compile
        >>> f = compile(lambda x, y: {"sum": x + y, "product": x * y})
        >>> f.value(2.0, 3.0)
        {'sum': 5.0, 'product': 6.0}
        """
        cdef run_memory *run = NULL
        cdef Tape tape = self.open(args, kwargs, &run)
        cdef double *room = NULL
        try:
            tape.values(run)
            if out is None:
                return tape.result_of(run.numbers, tape.tape.slot_outputs)
            _doubles(&room, tape.outputs.count, False)
            tape.read_outputs(run.numbers, tape.tape.slot_outputs, room)
            _write_out(out, [tape.outputs], room)
            return out
        finally:
            mg_memory_free(room)
            tape.give(run)

    cdef object differentiate(self, tuple args, dict kwargs, argnums, out, str method):
        """The value and the gradient, a pair."""
        cdef run_memory *run = NULL
        cdef Tape tape = self.open(args, kwargs, &run)
        cdef Selection chosen
        cdef double *below
        try:
            if not tape.is_scalar:
                raise _needs_scalar(tape, method)
            chosen = _select(tape, argnums)
            tape.forward_of(run)
            value = run.numbers[tape.tape.outputs[0]]
            below = tape.adjoints_of(run, 0)
            try:
                if out is not None:
                    _write_out(out, chosen.parts, below)
                    return value, out
                if chosen.single and chosen.first.kind == ARRAY:
                    return value, tape.array_below(run, chosen.first)
                return value, chosen.with_numbers(below)
            finally:
                tape.cleared(run.adjoints)
        finally:
            tape.give(run)

    def value_and_grad(self, *args, argnums=0, out=None, **kwargs):
        """The value, one number, and the gradient: a pair.

        argnums
            int or tuple of ints; the arguments to differentiate with respect to, by place (those
            given by keyword come after the others, as in the function's signature)
        out
            a C-contiguous float64 array to write the gradient to and return: of the argument's
            shape if that is an array, else of one dimension, with an item for each number

        The gradient has the structure of the argument, floats for numbers and float64 arrays for
        arrays; for a tuple of argnums it is a tuple. The grads of Values stay as they are.
        Raises TypeError if the result is not one number.

        >>> import numpy as np
        >>> from micrograd_fast import compile
        >>> f = compile(lambda x, w: w * (x * x).sum())
        >>> f.value_and_grad(np.array([1.0, 2.0]), 10.0)
        (50.0, array([20., 40.]))
        >>> f.value_and_grad(np.array([1.0, 2.0]), 10.0, argnums=(1,))
        (50.0, (5.0,))
        """
        return self.differentiate(args, kwargs, argnums, out, "value_and_grad")

    def grad(self, *args, argnums=0, out=None, **kwargs):
        """The gradient alone; all else is as for ``value_and_grad``.

        >>> from micrograd_fast import compile
        >>> compile(lambda x, y: x * y).grad(2.0, 3.0, argnums=(0, 1))
        (3.0, 2.0)
        """
        return (<tuple>self.differentiate(args, kwargs, argnums, out, "grad"))[1]

    def vjp(self, *args, argnums=0, **kwargs):
        """``f.vjp(x, u)``: the vector u, of the result's structure, times the Jacobian.

        That is the gradient of the sum of u times the result, by one reverse sweep. With several
        arguments u comes after them; ``argnums`` as for ``value_and_grad``.

        >>> from micrograd_fast import compile
        >>> f = compile(lambda x, y: [x * y, x + y])
        >>> f.vjp(2.0, 3.0, [1.0, 10.0], argnums=(0, 1))
        (13.0, 12.0)
        """
        cdef run_memory *run = NULL
        cdef Tape tape = self.open_but_last(args, kwargs, "vjp", &run)
        cotangent = args[-1]
        cdef Selection chosen
        cdef double *room = NULL
        cdef Py_ssize_t i
        try:
            chosen = _select(tape, argnums)
            if not _match(tape.outputs, cotangent, _doubles(&room, tape.outputs.count, False),
                          NULL):
                raise TypeError(f"the cotangent must have the structure of the result, "
                                f"{tape.outputs!r}")
            tape.forward_of(run)
            _doubles(&run.adjoints, tape.tape.place_count, True)
            for i in range(tape.outputs.count):
                run.adjoints[tape.tape.outputs[i]] += room[i]
            try:
                return chosen.with_numbers(tape.reverse(run))
            finally:
                tape.cleared(run.adjoints)
        finally:
            mg_memory_free(room)
            tape.give(run)

    def jvp(self, *args, argnums=0, **kwargs):
        """``f.jvp(x, v)``: the Jacobian times the vector v, of the argument's structure.

        That is the derivative of the result in the direction v, by one tangent sweep. With several
        arguments v comes after them; for a tuple of ``argnums`` it is a tuple.

        >>> from micrograd_fast import compile
        >>> f = compile(lambda x, y: [x * y, x + y])
        >>> f.jvp(2.0, 3.0, (1.0, 10.0), argnums=(0, 1))
        [23.0, 11.0]
        """
        cdef run_memory *run = NULL
        cdef Tape tape = self.open_but_last(args, kwargs, "jvp", &run)
        tangent = args[-1]
        try:
            _select(tape, argnums).match(tangent, tape.seed(run), "the tangent")
            tape.forward_of(run)
            tape.tangents_of(run)
            return tape.result_of(run.tangents, tape.tape.outputs)
        finally:
            tape.give(run)

    def jacobian(self, *args, argnums=0, out=None, **kwargs):
        """The derivatives of each number of the result with respect to each number of an argument.

        argnums
            as for ``value_and_grad``
        out
            a C-contiguous float64 array to write to and return: of the result's shape followed by
            the argument's if both are arrays or numbers, else of one row for each number of the
            result and one column for each number of the arguments

        Returns the result's structure with, in place of each number, its gradient in the argument's
        structure; where both are arrays that is one array. Takes one reverse sweep for each number
        of the result or one tangent sweep for each number of the arguments, whichever are fewer.

        >>> import numpy as np
        >>> from micrograd_fast import compile
        >>> f = compile(lambda x: x * x[0])
        >>> f.jacobian(np.array([1.0, 2.0, 3.0]))
        array([[2., 0., 0.],
               [2., 1., 0.],
               [3., 0., 1.]])
        """
        cdef run_memory *run = NULL
        cdef Tape tape = self.open(args, kwargs, &run)
        cdef Selection chosen
        cdef double *matrix = NULL
        try:
            chosen = _select(tape, argnums)
            tape.forward_of(run)
            _doubles(&matrix, tape.outputs.count * <size_t>chosen.count, False)
            if tape.outputs.count <= chosen.count:
                _rows_of_jacobian(tape, run, chosen, matrix)
            else:
                _columns_of_jacobian(tape, run, chosen, matrix)
            return _matrix_object(tape.outputs, 0, chosen, matrix, out)
        finally:
            mg_memory_free(matrix)
            tape.give(run)

    def hvp(self, *args, argnums=0, **kwargs):
        """``f.hvp(x, v)``: the Hessian times the vector v, of the argument's structure.

        One sweep up and one down, at the price of a few gradients whatever the size of x. With
        several arguments v comes after them; for a tuple of ``argnums`` it is a tuple.
        Raises TypeError if the result is not one number.

        >>> from micrograd_fast import compile
        >>> compile(lambda p: p[0] * p[0] * p[1]).hvp([2.0, 3.0], [1.0, 0.0])
        [6.0, 4.0]
        """
        cdef run_memory *run = NULL
        cdef Tape tape = self.open_but_last(args, kwargs, "hvp", &run)
        tangent = args[-1]
        cdef Selection chosen
        try:
            if not tape.is_scalar:
                raise _needs_scalar(tape, "hvp")
            chosen = _select(tape, argnums)
            chosen.match(tangent, tape.seed(run), "the vector")
            tape.forward_of(run)
            product = tape.second(run)
            try:
                return chosen.with_numbers(product)
            finally:
                tape.cleared(run.adjoint_tangents)
        finally:
            tape.give(run)

    def hessian(self, *args, argnums=0, out=None, **kwargs):
        """The second derivatives of a result that is one number.

        Returns the argument's structure with, in place of each number, the gradient of that partial
        derivative; for an array that is one array. ``argnums`` as for ``value_and_grad``: a tuple
        gives a tuple of tuples. ``out`` as for ``jacobian``.

        >>> import numpy as np
        >>> from micrograd_fast import compile
        >>> compile(lambda x: x[0] * x[0] * x[1]).hessian(np.array([2.0, 3.0]))
        array([[6., 4.],
               [4., 0.]])
        """
        cdef run_memory *run = NULL
        cdef Tape tape = self.open(args, kwargs, &run)
        cdef Selection chosen
        cdef double *matrix = NULL
        cdef Py_ssize_t row
        try:
            if not tape.is_scalar:
                raise _needs_scalar(tape, "hessian")
            chosen = _select(tape, argnums)
            _doubles(&matrix, chosen.count * <size_t>chosen.count, False)
            tape.forward_of(run)
            for row in range(chosen.count):
                tape.seed(run)[chosen.leaf(row)] = 1.0
                chosen.gather(tape.second(run), matrix + row * chosen.count)
                tape.cleared(run.adjoint_tangents)
                _between_sweeps(tape)
            if chosen.single:
                part = <Structure>chosen.parts[0]
                return _matrix_object(part, (<Structure>part).start, chosen, matrix, out)
            if out is not None:
                return _matrix_object(None, 0, chosen, matrix, out)
            return tuple([
                _matrix_object(<Structure>part, (<Structure>part).start - <Py_ssize_t>place, chosen,
                               matrix, None)
                for place, part in zip(chosen.places, chosen.parts)])
        finally:
            mg_memory_free(matrix)
            tape.give(run)


cdef size_t _swept = 0


cdef int _between_sweeps(Tape tape) except -1:
    """Many short sweeps are as long as a long one."""
    global _swept
    if mg_check_signals():
        return -1
    _swept += tape.tape.step_count + <size_t>tape.tape.program.input_count
    if _swept > LONG_RUN:
        _swept = 0
        with nogil:
            pass
    return 0


cdef int _rows_of_jacobian(Tape tape, run_memory *run, Selection chosen, double *matrix) except -1:
    cdef Py_ssize_t row
    for row in range(tape.outputs.count):
        chosen.gather(tape.adjoints_of(run, row), matrix + row * chosen.count)
        tape.cleared(run.adjoints)
        _between_sweeps(tape)
    return 0


cdef int _columns_of_jacobian(Tape tape, run_memory *run, Selection chosen,
                              double *matrix) except -1:
    cdef Py_ssize_t row, column
    for column in range(chosen.count):
        tape.seed(run)[chosen.leaf(column)] = 1.0
        tape.tangents_of(run)
        for row in range(tape.outputs.count):
            matrix[row * chosen.count + column] = run.tangents[tape.tape.outputs[row]]
        _between_sweeps(tape)
    return 0


cdef object _matrix_object(Structure rows, Py_ssize_t row_shift, Selection chosen,
                           const double *matrix, out):
    """What jacobian and hessian return; `rows` is None for a Hessian of several arguments, which
    then is one array."""
    cdef Structure column
    cdef Py_buffer view
    cdef list sides = []
    cdef Py_ssize_t shape[2]
    cdef Py_ssize_t height = chosen.count if rows is None else rows.count
    if out is not None:
        column = chosen.row()
        if rows is not None and column is not None and _is_block(rows) and _is_block(column):
            sides = [*(rows.shape or ()), *(column.shape or ())]
            _open_shape(out, sides, &view)
        else:
            shape[0], shape[1] = height, chosen.count
            mg_doubles_open(out, "out", True, 2, shape, &view)
        if height * chosen.count != 0:
            memcpy(view.buf, matrix, height * chosen.count * sizeof(double))
        PyBuffer_Release(&view)
        return out
    parts = [
        _with_rows(rows, <Structure>part, matrix, chosen.count, row_shift,
                   (<Structure>part).start - <Py_ssize_t>place)
        for place, part in zip(chosen.places, chosen.parts)]
    return parts[0] if chosen.single else tuple(parts)


cdef bint _is_block(Structure of) noexcept:
    return of.kind in (NUMBER, ARRAY)


cdef int _open_shape(object out, list sides, Py_buffer *view) except -1:
    cdef Py_ssize_t *lengths = <Py_ssize_t *>PyMem_Malloc((len(sides) + 1) * sizeof(Py_ssize_t))
    if lengths == NULL:
        raise MemoryError
    try:
        for i, side in enumerate(sides):
            lengths[i] = side
        mg_doubles_open(out, "out", True, <int>len(sides), lengths, view)
    finally:
        PyMem_Free(lengths)
    return 0
