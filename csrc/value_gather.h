/* Gathering the arguments of the n-ary functions: any mix of Values and numbers, from any iterable,
   into the block of one node.

   Every operand is held from the moment it is met, because converting an unusual number, or running
   a generator, runs arbitrary Python. What Python can change meanwhile (the length of a list, the
   data of an operand) is looked at again afterwards. */
#ifndef MG_VALUE_GATHER_H
#define MG_VALUE_GATHER_H

#include "nary.h"
#include "value.h"

/* An iterable argument: a list or tuple of its items, or a row of doubles in a buffer. */
typedef struct {
    const char *function, *name; /* for messages */
    PyObject *items;             /* NULL: the row */
    Py_buffer row;
    Py_ssize_t count;
} mg_argument;

/* 0, or -1 with an exception, and then there is nothing to close. */
int mg_argument_open(mg_argument *from, PyObject *iterable, const char *function, const char *name);
void mg_argument_close(mg_argument *from);

/* 0, or -1 with ValueError if there is nothing in it. */
int mg_argument_refuse_empty(const mg_argument *from);

typedef struct {
    mg_block *block;
    uint32_t filled; /* of the block's size: operands and plain numbers so far */
    int is_mixed;    /* the block has room for plain numbers: see nary.h */
    int python_ran;
    uint8_t flags; /* of all operands */
} mg_gathering;

/* For `size` numbers. 0, or -1 with an exception, and then there is nothing to abandon. */
int mg_gather_begin(mg_gathering *all, size_t size, double parameter);

/* Gives up what was gathered. */
void mg_gather_abandon(mg_gathering *all);

/* All items of an argument. 0, or -1 with an exception that names the function, the argument and
   the place. */
int mg_gather_argument(mg_gathering *all, const mg_argument *from);

/* One Value or number; `index` is its place in an iterable, -1 if it is the argument itself. */
int mg_gather_one(mg_gathering *all, PyObject *item, const char *function, const char *name,
                  Py_ssize_t index);

/* The node of what was gathered, an operand at least, with the result r: it takes the block over.
   NULL with MemoryError, and all abandoned. */
PyObject *mg_gather_node(mg_gathering *all, mg_op op, double r);

#endif
