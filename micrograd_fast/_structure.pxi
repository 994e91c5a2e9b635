# Structures: what arguments and results look like apart from their numbers.
#
# A structure is described once, from the first arguments of its kind, and then only compared with:
# `match` walks it together with what is given and writes the numbers straight to where they are
# needed, and the functions below it build objects of the same structure from numbers or Values.
# Its *leaves* are the numbers in it, counted from the first to the last.

from cpython.buffer cimport (PyBuffer_IsContiguous, PyBuffer_Release, PyBUF_STRIDED_RO,
                             PyBUF_WRITABLE, PyObject_GetBuffer)
from cpython.dict cimport PyDict_CheckExact, PyDict_GetItemWithError, PyDict_Next
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.list cimport PyList_CheckExact, PyList_GET_ITEM, PyList_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.tuple cimport PyTuple_CheckExact, PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.string cimport memcpy, memset


cdef enum:
    # More is a mistake, such as a list that contains itself.
    MAX_NESTING = 64

cdef enum structure_kind:
    NUMBER, ARRAY, LIST, TUPLE, NAMED_TUPLE, DICT, STATIC


cdef object _ndarray = np.ndarray
cdef object _float64 = np.dtype(np.float64)
cdef object _empty = np.empty


cdef class Structure:
    """One argument or result, or all of them together; see the top of this file."""

    cdef structure_kind kind
    # Its leaves, among those of the whole.
    cdef readonly Py_ssize_t start, count
    # Of an array: its dimensions.
    cdef readonly tuple shape
    cdef Py_ssize_t *lengths
    # Of a container: of each item; None where all `count` items are numbers.
    cdef tuple children
    # Of a dict: its keys, in order. Of a named tuple: its type. Of a static argument: itself.
    cdef object keys
    # Equal for equal structures, hashable.
    cdef readonly object key

    def __dealloc__(self):
        PyMem_Free(self.lengths)

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        """The structure of one item of a container."""
        return self.children[index]

    def __repr__(self):
        return _spelled(self)

    @property
    def is_number(self):
        return self.kind == NUMBER

    @property
    def is_static(self):
        return self.kind == STATIC

    def dict_keys(self):
        """The keys of a dict."""
        return self.keys

    def build(self, list leaves):
        """The object of this structure with these leaves; its arrays are arrays of objects."""
        if len(leaves) != self.count:
            raise ValueError(f"{self.count} leaves are needed, not {len(leaves)}")
        return _with_objects(self, leaves, self.start)

    def names(self, str name):
        """What to write for each leaf where `name` is the whole."""
        found = []
        _add_names(self, name, found)
        return found

    def numbers_of(self, given):
        """The leaves of `given` as a list of floats; None where its structure is another one."""
        cdef double[::1] room = np.empty(self.count + 1)
        if not _match(self, given, &room[0] - self.start, NULL):
            return None
        return [room[i] for i in range(self.count)]


# --- describing ---

def describe(given, str name):
    """The structure of `given` and a list of its leaves. TypeError, naming the place, for what is
    neither a number nor a Value."""
    cdef list leaves = []
    return _structure_of(given, [name], leaves), leaves


def describe_arguments(tuple arguments, tuple names, frozenset static=frozenset()):
    """The same for a tuple of arguments; `static` are the places of those taken as they are."""
    cdef list leaves = [], children = []
    cdef Py_ssize_t place
    for place, argument in enumerate(arguments):
        if place in static:
            children.append(_static(argument, names[place]))
        else:
            children.append(_structure_of(argument, [names[place]], leaves))
    return _container(TUPLE, None, children, 0, len(leaves)), leaves


def describe_keywords(dict keywords, static, list leaves):
    """The same for arguments by name, a dict. Their leaves are appended to `leaves`, and counted
    on from those; `static` are names."""
    cdef list children = []
    cdef Py_ssize_t start = len(leaves)
    for name, argument in keywords.items():
        if name in static:
            children.append(_static(argument, name))
        else:
            children.append(_structure_of(argument, [name], leaves))
    return _container(DICT, tuple(keywords), children, start, len(leaves))


def number_of(leaf):
    """A leaf as a float."""
    cdef double number
    _match_number(leaf, &number, 0, NULL)
    return number


def static_key(argument):
    """What tells static arguments apart: 2, 2.0 and True differ, as do 0.0 and -0.0."""
    if type(argument) is tuple:
        return tuple, tuple([static_key(item) for item in argument])
    if type(argument) is float:
        return float, argument.hex()
    return type(argument), argument


cdef Structure _static(argument, name):
    try:
        hash(argument)
    except TypeError:
        raise TypeError(f"the static argument {name} must be hashable, but it is of type "
                        f"{type(argument).__name__!r}") from None
    cdef Structure made = Structure()
    made.kind = STATIC
    made.keys = argument
    made.key = STATIC, static_key(argument)
    return made


cdef str _place(list path):
    """Where a path leads, as Python writes it: x[0]['w']."""
    return str(path[0]) + "".join([step if type(step) is _Field else f"[{step!r}]"
                                   for step in path[1:]])


class _Field(str):
    """The part of a path that leads into a named tuple."""


cdef Structure _container(structure_kind kind, keys, list children, Py_ssize_t start,
                          Py_ssize_t end):
    cdef Structure made = Structure(), child
    made.kind = kind
    made.start = start
    made.count = end - start
    made.children = tuple(children)
    made.keys = keys
    made.key = kind, keys, tuple([child.key for child in children])
    return made


cdef Structure _row(structure_kind kind, Py_ssize_t start, Py_ssize_t count):
    """A list or tuple of numbers alone."""
    cdef Structure made = Structure()
    made.kind = kind
    made.start = start
    made.count = count
    made.key = kind, count
    return made


cdef Structure _scalar(Py_ssize_t start):
    cdef Structure made = Structure()
    made.kind = NUMBER
    made.start = start
    made.count = 1
    made.key = NUMBER
    return made


cdef bint _is_number(given) except -1:
    cdef double ignored
    return mg_is_value(given) or mg_value_number(given, &ignored) == 1


cdef Structure _structure_of(given, list path, list leaves):
    """The structure of `given`, whose leaves it appends; `path` leads there from a name."""
    cdef Py_ssize_t start = len(leaves)
    if _is_number(given):
        leaves.append(given)
        return _scalar(start)
    if len(path) > MAX_NESTING:
        raise ValueError(f"{path[0]} is nested more than {MAX_NESTING} deep")
    kind = type(given)
    if kind is _ndarray:
        return _array_structure(given, path, leaves)
    if kind is list or kind is tuple:
        return _sequence_structure(given, LIST if kind is list else TUPLE, None, path, leaves)
    if kind is dict:
        children = []
        for step, item in given.items():
            children.append(_structure_of(item, [*path, step], leaves))
        return _container(DICT, tuple(given), children, start, len(leaves))
    if isinstance(given, tuple) and hasattr(kind, "_fields") and hasattr(kind, "_make"):
        return _sequence_structure(given, NAMED_TUPLE, kind, path, leaves)
    raise TypeError(f"{_place(path)} must be a number, a Value, an array of numbers, or a nest of "
                    f"lists, tuples and dicts of these, not {kind.__name__!r}"
                    + ("; pass numpy.asarray() of it" if isinstance(given, _ndarray) else ""))


cdef Structure _sequence_structure(given, structure_kind kind, keys, list path, list leaves):
    cdef Py_ssize_t start = len(leaves)
    cdef list children = []
    cdef bint numbers = True
    for place, item in enumerate(given):
        # A long row of numbers is common, and needs no structure for each.
        if numbers and kind != NAMED_TUPLE and _is_number(item):
            leaves.append(item)
            continue
        if numbers:
            numbers = False
            children = [_scalar(start + i) for i in range(place)]
        step = _Field("." + keys._fields[place]) if kind == NAMED_TUPLE else place
        children.append(_structure_of(item, [*path, step], leaves))
    if numbers and kind != NAMED_TUPLE:
        return _row(kind, start, len(leaves) - start)
    return _container(kind, keys, children, start, len(leaves))


cdef Structure _array_structure(given, list path, list leaves):
    cdef Py_ssize_t start = len(leaves)
    cdef Structure made = Structure()
    if given.dtype.kind == "O":
        for place, item in np.ndenumerate(given):
            if not _is_number(item):
                raise TypeError(f"{_place(path)}[{', '.join(map(str, place))}] must be a number or "
                                f"a Value, not {type(item).__name__!r}")
            leaves.append(item)
    elif given.dtype.kind in "biuf":
        leaves.extend(np.asarray(given, dtype=np.float64).ravel().tolist())
    else:
        raise TypeError(f"{_place(path)} must be an array of numbers, not of {given.dtype}")
    made.kind = ARRAY
    made.start = start
    made.count = given.size
    made.shape = given.shape
    made.lengths = <Py_ssize_t *>PyMem_Malloc((len(made.shape) + 1) * sizeof(Py_ssize_t))
    if made.lengths == NULL:
        raise MemoryError
    for i in range(len(made.shape)):
        made.lengths[i] = made.shape[i]
    made.key = ARRAY, made.shape
    return made


# --- matching ---

# The functions here write a leaf to room[its place]. With `call` (NULL: none), whose inputs `room`
# then is, Values become operands of it. They return 0 where `given` is of another structure; what
# has been written until then means nothing.

cdef inline int _match_number(object given, double *room, Py_ssize_t place,
                              mg_block *call) except -1:
    if PyFloat_CheckExact(given):
        room[place] = PyFloat_AS_DOUBLE(given)
        return 1
    if mg_is_value(given):
        if call != NULL:
            mg_value_call_input(call, <uint32_t>place, mg_node_of(given))
        else:
            room[place] = mg_node_of(given).data
        return 1
    return mg_value_number(given, room + place)


cdef int _match_row(Structure self, object given, double *room, mg_block *call) except -1:
    cdef Py_ssize_t i
    cdef object item
    if self.kind == LIST:
        if not PyList_CheckExact(given):
            return 0
        for i in range(self.count):
            # Converting an unusual number may run arbitrary Python.
            if PyList_GET_SIZE(given) != self.count:
                return 0
            item = <object>PyList_GET_ITEM(given, i)
            if not _match_number(item, room, self.start + i, call):
                return 0
        return PyList_GET_SIZE(given) == self.count
    if not PyTuple_CheckExact(given) or PyTuple_GET_SIZE(given) != self.count:
        return 0
    for i in range(self.count):
        if not _match_number(<object>PyTuple_GET_ITEM(given, i), room, self.start + i, call):
            return 0
    return 1


cdef int _match_unusual_array(Structure self, object given, double *room,
                              mg_block *call) except -1:
    cdef double[::1] numbers
    cdef Py_ssize_t i
    if given.shape != self.shape:
        return 0
    if given.dtype.kind == "O":
        for i, item in enumerate(given.ravel().tolist()):
            if not _match_number(item, room, self.start + i, call):
                return 0
        return 1
    if given.dtype.kind not in "biuf":
        return 0
    numbers = np.asarray(given, dtype=np.float64, order="C").ravel()
    if self.count != 0:
        memcpy(room + self.start, &numbers[0], self.count * sizeof(double))
    return 1


cdef int _match_array(Structure self, object given, double *room, mg_block *call) except -1:
    cdef Py_buffer view
    cdef Py_ssize_t i
    cdef Py_ssize_t dimensions = len(self.shape)
    cdef int same
    if type(given) is not _ndarray:
        return 0
    if given.dtype is not _float64:
        return _match_unusual_array(self, given, room, call)
    PyObject_GetBuffer(given, &view, PyBUF_STRIDED_RO)
    same = view.ndim == dimensions
    for i in range(dimensions):
        same = same and view.shape[i] == self.lengths[i]
    if same and PyBuffer_IsContiguous(&view, b"C"):
        memcpy(room + self.start, view.buf, self.count * sizeof(double))
    elif same and dimensions == 1:
        for i in range(self.count):
            memcpy(room + self.start + i, <char *>view.buf + i * view.strides[0], sizeof(double))
    elif same:
        PyBuffer_Release(&view)
        return _match_unusual_array(self, given, room, call)
    PyBuffer_Release(&view)
    return same


cdef int _match_dict(Structure self, object given, double *room, mg_block *call) except -1:
    cdef PyObject *key
    cdef PyObject *item
    cdef Py_ssize_t position = 0, i = 0
    cdef Py_ssize_t length = len(self.children)
    if not PyDict_CheckExact(given) or len(<dict>given) != length:
        return 0
    while PyDict_Next(given, &position, &key, &item):
        if i == length:
            return 0
        held = <object>item
        expected = (<tuple>self.keys)[i]
        if key != <PyObject *>expected and expected != <object>key:
            return 0
        if not _match(<Structure>self.children[i], held, room, call):
            return 0
        i += 1
    return i == length


cdef int _match(Structure self, object given, double *room, mg_block *call) except -1:
    cdef Py_ssize_t i, length
    cdef object item
    if self.kind == NUMBER:
        return _match_number(given, room, self.start, call)
    if self.kind == ARRAY:
        return _match_array(self, given, room, call)
    if self.kind == STATIC:
        return given is self.keys or (STATIC, static_key(given)) == self.key
    if self.kind == DICT:
        return _match_dict(self, given, room, call)
    if self.children is None:
        return _match_row(self, given, room, call)
    length = len(self.children)
    if self.kind == LIST:
        if not PyList_CheckExact(given):
            return 0
        for i in range(length):
            if PyList_GET_SIZE(given) != length:
                return 0
            item = <object>PyList_GET_ITEM(given, i)
            if not _match(<Structure>PyTuple_GET_ITEM(self.children, i), item, room, call):
                return 0
        return PyList_GET_SIZE(given) == length
    if self.kind == TUPLE:
        if not PyTuple_CheckExact(given):
            return 0
    elif type(given) is not self.keys:
        return 0
    if PyTuple_GET_SIZE(given) != length:
        return 0
    for i in range(length):
        item = <object>PyTuple_GET_ITEM(given, i)
        if not _match(<Structure>PyTuple_GET_ITEM(self.children, i), item, room, call):
            return 0
    return 1


# --- building ---

# Leaf number i is numbers[i - shift].

cdef object _new_array(tuple shape, const double *numbers, Py_ssize_t count):
    cdef Py_buffer view
    array = _empty(shape)
    PyObject_GetBuffer(array, &view, PyBUF_WRITABLE)
    memcpy(view.buf, numbers, count * sizeof(double))
    PyBuffer_Release(&view)
    return array


cdef object _with_numbers(Structure self, const double *numbers, Py_ssize_t shift):
    """The object of this structure with these numbers, in float64 arrays and floats."""
    cdef Py_ssize_t i
    if self.kind == NUMBER:
        return numbers[self.start - shift]
    if self.kind == ARRAY:
        return _new_array(self.shape, numbers + (self.start - shift), self.count)
    if self.children is None:
        items = [numbers[self.start - shift + i] for i in range(self.count)]
    else:
        items = [_with_numbers(<Structure>child, numbers, shift) for child in self.children]
    return _filled(self, items)


cdef object _filled(Structure self, list items):
    """A container of this structure with these items."""
    if self.kind == LIST:
        return items
    if self.kind == TUPLE:
        return tuple(items)
    if self.kind == DICT:
        return dict(zip(self.keys, items))
    return self.keys._make(items)


cdef object _with_objects(Structure self, list leaves, Py_ssize_t shift):
    cdef Py_ssize_t i
    if self.kind == NUMBER:
        return leaves[self.start - shift]
    if self.kind == STATIC:
        return self.keys
    if self.kind == ARRAY:
        array = np.empty(self.shape, dtype=object)
        flat = array.reshape(-1)
        for i in range(self.count):
            flat[i] = leaves[self.start - shift + i]
        return array
    if self.children is None:
        items = [leaves[self.start - shift + i] for i in range(self.count)]
    else:
        items = [_with_objects(<Structure>child, leaves, shift) for child in self.children]
    return _filled(self, items)


# A matrix has a row for each leaf of one structure and a column for each leaf of another.

cdef object _with_rows(Structure rows, Structure columns, const double *matrix, Py_ssize_t width,
                       Py_ssize_t row_shift, Py_ssize_t column_shift):
    """The object of the structure `rows`, each leaf of it being its row as an object of the
    structure `columns`; arrays of arrays are one array."""
    if rows.kind == NUMBER:
        return _with_numbers(columns, matrix + (rows.start - row_shift) * width, column_shift)
    if rows.kind == ARRAY:
        return _stacked(columns, rows.shape, matrix + (rows.start - row_shift) * width, rows.count,
                        width, column_shift)
    children = rows.children
    if children is None:
        children = [_scalar(rows.start + i) for i in range(rows.count)]
    return _filled(rows, [_with_rows(<Structure>child, columns, matrix, width, row_shift,
                                     column_shift) for child in children])


cdef object _stacked(Structure columns, tuple shape, const double *rows, Py_ssize_t height,
                     Py_ssize_t width, Py_ssize_t shift):
    cdef double[:, ::1] cells
    cdef Py_ssize_t i
    if columns.kind in (NUMBER, ARRAY):
        array = np.empty((height, columns.count))
        cells = array
        for i in range(height):
            if columns.count != 0:
                memcpy(&cells[i, 0], rows + i * width + (columns.start - shift),
                       columns.count * sizeof(double))
        return array.reshape(shape + (() if columns.kind == NUMBER else columns.shape))
    children = columns.children
    if children is None:
        children = [_scalar(columns.start + i) for i in range(columns.count)]
    return _filled(columns, [_stacked(<Structure>child, shape, rows, height, width, shift)
                             for child in children])


# --- words ---

cdef _add_names(Structure self, str name, list found):
    if self.kind == STATIC:
        return
    if self.kind == NUMBER:
        found.append(name)
    elif self.kind == ARRAY:
        found.extend([f"{name}[{', '.join(map(str, place))}]" for place in np.ndindex(self.shape)])
    elif self.children is None:
        found.extend([f"{name}[{i}]" for i in range(self.count)])
    else:
        for i, child in enumerate(self.children):
            step = (f"[{self.keys[i]!r}]" if self.kind == DICT else
                    f".{self.keys._fields[i]}" if self.kind == NAMED_TUPLE else f"[{i}]")
            _add_names(<Structure>child, name + step, found)


cdef str _spelled(Structure self):
    if self.kind == NUMBER:
        return "number"
    if self.kind == ARRAY:
        return f"array{list(self.shape)}"
    if self.kind == STATIC:
        return repr(self.keys)
    if self.children is None:
        inner = f"{self.count} numbers" if self.count != 1 else "number"
    elif self.kind == DICT:
        inner = ", ".join([f"{key!r}: {child!r}" for key, child in zip(self.keys, self.children)])
    else:
        inner = ", ".join(map(repr, self.children))
    if self.kind == LIST:
        return f"[{inner}]"
    if self.kind == DICT:
        return f"{{{inner}}}"
    return f"({inner})" if self.kind == TUPLE else f"{self.keys.__name__}({inner})"
