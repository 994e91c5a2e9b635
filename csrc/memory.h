/* The one allocation funnel: every byte the core owns comes from here, so that sizes are checked
   for overflow in one place and a test can make the Nth allocation fail. */
#ifndef MG_MEMORY_H
#define MG_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Size and alignment of an arena page: the page of a node is found by masking its address. */
#define MG_PAGE_BYTES ((size_t)65536)

/* `count * size` bytes, uninitialised; NULL when out of memory or when the product overflows.
   The caller owns the block and gives it back with mg_memory_free. */
void *mg_memory_alloc(size_t count, size_t size);

/* Grows or shrinks `block` (NULL allowed) to `count * size` bytes. On failure returns NULL and
   leaves `block` untouched and owned by the caller. */
void *mg_memory_resize(void *block, size_t count, size_t size);

/* Gives a block back; NULL is allowed. */
void mg_memory_free(void *block);

/* A zeroed page of MG_PAGE_BYTES, aligned to its size; NULL when out of memory. */
void *mg_memory_page_alloc(void);

/* Gives a page back to the operating system. */
void mg_memory_page_free(void *page);

/* With the GIL, 1 before and -1 after work that calls the functions above without it; that work
   does not touch pages. */
void mg_memory_share(int change);

/* Test switch: the `nth` allocation from now (1 is the next one) fails, once; 0 switches it off. */
void mg_memory_fail_nth(uint64_t nth);

/* Blocks and pages allocated and not yet given back. */
uint64_t mg_memory_outstanding(void);

#endif
