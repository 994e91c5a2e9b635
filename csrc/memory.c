/* Invariant: every successful allocation raises `outstanding` by one and every release lowers it,
   and no allocation bypasses `refuse`, so a test that fails each allocation in turn visits them
   all. While all callers hold the GIL (or are single-threaded tests), the counters are not counted
   in one step; between mg_memory_share(1) and mg_memory_share(-1) they are. */
#if !defined(_WIN32) && !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS under -std=c11 */
#endif

#include "memory.h"

#include <stdatomic.h>
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

#define HUGE_PAGE_BYTES ((uintptr_t)1 << 21)

static _Atomic uint64_t fail_countdown;
static _Atomic uint64_t outstanding;
/* How many callers may be without the GIL. Whoever has it, or is one of them, sees that it is not
   0 when another one may count at the same time. */
static atomic_int sharers;

void mg_memory_fail_nth(uint64_t nth) { fail_countdown = nth; }

uint64_t mg_memory_outstanding(void) { return outstanding; }

void mg_memory_share(int change) { sharers += change; }

/* Large blocks on huge pages, as far as they cover any: the first touch of a million numbers then
   takes 4 faults instead of 2,000. */
static void prefer_huge_pages(void *block, size_t bytes) {
#if defined(MADV_HUGEPAGE)
    const uintptr_t begin = ((uintptr_t)block + HUGE_PAGE_BYTES - 1) & ~(HUGE_PAGE_BYTES - 1);
    const uintptr_t end = ((uintptr_t)block + bytes) & ~(HUGE_PAGE_BYTES - 1);
    if (begin < end) {
        madvise((void *)begin, end - begin, MADV_HUGEPAGE);
    }
#else
    (void)block, (void)bytes;
#endif
}

static uint64_t get(_Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* The counter before. An atomic addition takes as long as a small allocation. */
static uint64_t add(_Atomic uint64_t *counter, uint64_t change) {
    uint64_t before = get(counter);
    if (atomic_load_explicit(&sharers, memory_order_relaxed) != 0) {
        return atomic_fetch_add_explicit(counter, change, memory_order_relaxed);
    }
    atomic_store_explicit(counter, before + change, memory_order_relaxed);
    return before;
}

static void count(int change) { add(&outstanding, (uint64_t)(int64_t)change); }

static int refuse(void) {
    return get(&fail_countdown) != 0 && add(&fail_countdown, UINT64_MAX) == 1;
}

void *mg_memory_alloc(size_t items, size_t size) { return mg_memory_resize(NULL, items, size); }

void *mg_memory_resize(void *block, size_t items, size_t size) {
    if (refuse() || (size != 0 && items > SIZE_MAX / size)) {
        return NULL;
    }
    size_t bytes = items * size;
    void *resized = realloc(block, bytes != 0 ? bytes : 1);
    if (bytes >= HUGE_PAGE_BYTES && resized != NULL) {
        prefer_huge_pages(resized, bytes);
    }
    if (resized != NULL && block == NULL) {
        count(1);
    }
    return resized;
}

void mg_memory_free(void *block) {
    if (block != NULL) {
        count(-1);
        free(block);
    }
}

/* Pages are carved out of chunks of 2 MiB, aligned to their size, which the kernel can back with
   one huge page: a graph of a million nodes then needs 40 of them instead of 20,000 small ones, and
   building, sweeping and freeing it is up to twice as fast. A page that is given back returns its
   memory at once (its part of the huge page is split off); a chunk without pages in use goes
   altogether. */
#define CHUNK_BYTES HUGE_PAGE_BYTES
#define CHUNK_PAGES (CHUNK_BYTES / MG_PAGE_BYTES)

_Static_assert(CHUNK_PAGES == 32, "one bit of free_pages for each page of a chunk");

typedef struct chunk chunk;
struct chunk {
    chunk *next, *previous;
    char *base;
    uint32_t free_pages; /* a bit for each page not in use */
};

/* All chunks, those with a free page before those without. Giving a page back looks for its chunk
   from the front and moves it there, so that a run of pages is found at once. */
static chunk *chunks, *last_chunk;

#if defined(MG_HAVE_MMAP)

/* Over-allocate and trim: mmap promises no more than the alignment of a small page. */
static char *map_chunk(void) {
    char *base =
        mmap(NULL, 2 * CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        return NULL;
    }
    size_t before = (CHUNK_BYTES - ((uintptr_t)base & (CHUNK_BYTES - 1))) & (CHUNK_BYTES - 1);
    if (before != 0) {
        munmap(base, before);
    }
    munmap(base + before + CHUNK_BYTES, CHUNK_BYTES - before);
#if defined(MADV_HUGEPAGE)
    madvise(base + before, CHUNK_BYTES, MADV_HUGEPAGE);
#endif
    return base + before;
}

static void unmap_chunk(char *base) { munmap(base, CHUNK_BYTES); }

/* The page reads as zeros when it is used again. Where the kernel cannot promise that we do it. */
static void forget_page(char *page) {
#if defined(__linux__)
    if (madvise(page, MG_PAGE_BYTES, MADV_DONTNEED) == 0) {
        return;
    }
#endif
    memset(page, 0, MG_PAGE_BYTES);
}

#else

static char *map_chunk(void) {
#if defined(_WIN32)
    char *base = _aligned_malloc(CHUNK_BYTES, CHUNK_BYTES);
#else
    char *base = aligned_alloc(CHUNK_BYTES, CHUNK_BYTES);
#endif
    return base == NULL ? NULL : memset(base, 0, CHUNK_BYTES);
}

static void unmap_chunk(char *base) {
#if defined(_WIN32)
    _aligned_free(base);
#else
    free(base);
#endif
}

static void forget_page(char *page) { memset(page, 0, MG_PAGE_BYTES); }

#endif

static void link_first(chunk *at) {
    at->previous = NULL;
    at->next = chunks;
    if (chunks != NULL) {
        chunks->previous = at;
    } else {
        last_chunk = at;
    }
    chunks = at;
}

static void link_last(chunk *at) {
    at->next = NULL;
    at->previous = last_chunk;
    if (last_chunk != NULL) {
        last_chunk->next = at;
    } else {
        chunks = at;
    }
    last_chunk = at;
}

static void unlink_chunk(chunk *at) {
    if (at->previous != NULL) {
        at->previous->next = at->next;
    } else {
        chunks = at->next;
    }
    if (at->next != NULL) {
        at->next->previous = at->previous;
    } else {
        last_chunk = at->previous;
    }
}

static chunk *chunk_new(void) {
    chunk *made = malloc(sizeof(chunk));
    char *base = made != NULL ? map_chunk() : NULL;
    if (base == NULL) {
        free(made);
        return NULL;
    }
    made->base = base;
    made->free_pages = UINT32_MAX;
    link_first(made);
    return made;
}

static chunk *chunk_with_room(void) {
    return chunks != NULL && chunks->free_pages != 0 ? chunks : chunk_new();
}

void *mg_memory_page_alloc(void) {
    chunk *at = refuse() ? NULL : chunk_with_room();
    if (at == NULL) {
        return NULL;
    }
    uint32_t index = 0;
    while ((at->free_pages >> index & 1) == 0) {
        index++;
    }
    at->free_pages &= ~(UINT32_C(1) << index);
    if (at->free_pages == 0) {
        unlink_chunk(at);
        link_last(at);
    }
    count(1);
    return at->base + index * MG_PAGE_BYTES;
}

void mg_memory_page_free(void *page) {
    if (page == NULL) {
        return;
    }
    char *base = (char *)((uintptr_t)page & ~(CHUNK_BYTES - 1));
    chunk *at = chunks;
    while (at->base != base) {
        at = at->next;
    }
    count(-1);
    at->free_pages |= UINT32_C(1) << (size_t)((char *)page - base) / MG_PAGE_BYTES;
    unlink_chunk(at);
    if (at->free_pages == UINT32_MAX) {
        unmap_chunk(base);
        free(at);
        return;
    }
    forget_page(page);
    link_first(at);
}
