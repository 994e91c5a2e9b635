/* Invariant: every successful allocation raises `outstanding` by one and every release lowers it,
   and no allocation bypasses `refuse`, so a test that fails each allocation in turn visits them
   all. Callers hold the GIL (or are single-threaded tests); the counters need no atomics. */
#if !defined(_WIN32) && !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS under -std=c11 */
#endif

#include "memory.h"

#include <stdlib.h>
#include <string.h>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#if !defined(MAP_ANONYMOUS)
#define MAP_ANONYMOUS MAP_ANON
#endif
#define MG_HAVE_MMAP 1
#elif defined(_WIN32)
#include <malloc.h>
#endif

static uint64_t fail_countdown;
static uint64_t outstanding;

void mg_memory_fail_nth(uint64_t nth) { fail_countdown = nth; }

uint64_t mg_memory_outstanding(void) { return outstanding; }

static int refuse(void) { return fail_countdown != 0 && --fail_countdown == 0; }

void *mg_memory_alloc(size_t count, size_t size) { return mg_memory_resize(NULL, count, size); }

void *mg_memory_resize(void *block, size_t count, size_t size) {
    if (refuse() || (size != 0 && count > SIZE_MAX / size)) {
        return NULL;
    }
    size_t bytes = count * size;
    void *resized = realloc(block, bytes != 0 ? bytes : 1);
    if (resized != NULL && block == NULL) {
        outstanding++;
    }
    return resized;
}

void mg_memory_free(void *block) {
    if (block != NULL) {
        outstanding--;
        free(block);
    }
}

#if defined(MG_HAVE_MMAP)

/* The kernel places mappings next to each other, so once one page is aligned the next usually is
   too: ask for exactly one page first, and over-allocate and trim only when that one is not
   aligned. */
static void *map_aligned(void) {
    char *base =
        mmap(NULL, MG_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        return NULL;
    }
    if (((uintptr_t)base & (MG_PAGE_BYTES - 1)) == 0) {
        return base;
    }
    munmap(base, MG_PAGE_BYTES);
    base =
        mmap(NULL, 2 * MG_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        return NULL;
    }
    size_t before = (MG_PAGE_BYTES - ((uintptr_t)base & (MG_PAGE_BYTES - 1))) & (MG_PAGE_BYTES - 1);
    if (before != 0) {
        munmap(base, before);
    }
    if (before != MG_PAGE_BYTES) {
        munmap(base + before + MG_PAGE_BYTES, MG_PAGE_BYTES - before);
    }
    return base + before;
}

static void unmap_aligned(void *page) { munmap(page, MG_PAGE_BYTES); }

#else

static void *map_aligned(void) {
#if defined(_WIN32)
    void *page = _aligned_malloc(MG_PAGE_BYTES, MG_PAGE_BYTES);
#else
    void *page = aligned_alloc(MG_PAGE_BYTES, MG_PAGE_BYTES);
#endif
    return page == NULL ? NULL : memset(page, 0, MG_PAGE_BYTES);
}

static void unmap_aligned(void *page) {
#if defined(_WIN32)
    _aligned_free(page);
#else
    free(page);
#endif
}

#endif

void *mg_memory_page_alloc(void) {
    if (refuse()) {
        return NULL;
    }
    void *page = map_aligned();
    if (page != NULL) {
        outstanding++;
    }
    return page;
}

void mg_memory_page_free(void *page) {
    if (page != NULL) {
        outstanding--;
        unmap_aligned(page);
    }
}
