/* The funnel. The linker sends the funnel's mmap, munmap, madvise and malloc here (see Makefile),
   so that the tests can place mappings, refuse them, and see exactly what stays mapped. */
#if !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS under -std=c11 */
#endif

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

void *__real_mmap(void *address, size_t length, int protection, int flags, int file, off_t offset);
void *__wrap_mmap(void *address, size_t length, int protection, int flags, int file, off_t offset);
int __real_munmap(void *address, size_t length);
int __wrap_munmap(void *address, size_t length);
int __real_madvise(void *address, size_t length, int advice);
int __wrap_madvise(void *address, size_t length, int advice);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

/* What pages are carved out of. */
#define CHUNK_BYTES ((size_t)1 << 21)
#define CHUNK_PAGES (CHUNK_BYTES / MG_PAGE_BYTES)

/* A stretch of addresses kept for mappings that a test places. */
#define STRETCH_BYTES (16 * CHUNK_BYTES)
#define SMALLEST_STEP ((size_t)4096)

static size_t step;   /* the system's unit of mapping */
static char *stretch; /* aligned; NULL: mappings go where the system puts them */
static size_t placed; /* how far into the stretch the next mapping may begin */
static unsigned char mapped[STRETCH_BYTES / SMALLEST_STEP];
static int refuse_mapping, refuse_malloc, refuse_advice; /* the next one fails */
static uint64_t pages_forgotten;

static int take(int *flag) {
    int was = *flag;
    *flag = 0;
    return was;
}

static void set_mapped(const char *address, size_t length, unsigned char value) {
    size_t start = (size_t)(address - stretch);
    if (CHECK(start % step == 0 && length % step == 0 && start + length <= STRETCH_BYTES)) {
        memset(mapped + start / step, value, length / step);
    }
}

/* The first room for `length` bytes that begins at or after `placed`. */
static char *find_room(size_t length) {
    size_t first = placed / step, free_steps = 0;
    for (size_t i = first; i < STRETCH_BYTES / step && free_steps < length / step; i++) {
        free_steps = mapped[i] ? 0 : free_steps + 1;
        first = mapped[i] ? i + 1 : first;
    }
    return stretch + first * step;
}

void *__wrap_mmap(void *address, size_t length, int protection, int flags, int file, off_t offset) {
    if (take(&refuse_mapping)) {
        return MAP_FAILED;
    }
    if (stretch == NULL) {
        return __real_mmap(address, length, protection, flags, file, offset);
    }
    char *place = find_room(length);
    set_mapped(place, length, 1);
    return __real_mmap(place, length, protection, flags | MAP_FIXED, file, offset);
}

int __wrap_munmap(void *address, size_t length) {
    if (stretch == NULL) {
        return __real_munmap(address, length);
    }
    set_mapped(address, length, 0);
    /* Stays reserved, so that nothing else moves in. */
    void *kept =
        __real_mmap(address, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    return kept == MAP_FAILED ? -1 : 0;
}

int __wrap_madvise(void *address, size_t length, int advice) {
    if (take(&refuse_advice)) {
        return -1;
    }
    pages_forgotten += advice == MADV_DONTNEED && length == MG_PAGE_BYTES;
    return __real_madvise(address, length, advice);
}

void *__wrap_malloc(size_t size) { return take(&refuse_malloc) ? NULL : __real_malloc(size); }

static size_t mapped_bytes(void) {
    size_t count = 0;
    for (size_t i = 0; i < sizeof mapped; i++) {
        count += mapped[i];
    }
    return count * step;
}

static int is_aligned(const void *page) { return ((uintptr_t)page & (MG_PAGE_BYTES - 1)) == 0; }

static int is_zero(const void *page) {
    static const unsigned char zeros[MG_PAGE_BYTES];
    return memcmp(page, zeros, MG_PAGE_BYTES) == 0;
}

static void sizes_that_overflow_are_refused(void) {
    static const size_t wrong[][2] = {
        {SIZE_MAX, 2},
        {2, SIZE_MAX},
        {SIZE_MAX, SIZE_MAX},
        {SIZE_MAX / 8 + 1, 8},    /* the product would be 0 */
        {(SIZE_MAX >> 1) + 2, 2}, /* 2 */
        {(size_t)1 << 32, (size_t)1 << 32},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(mg_memory_alloc(wrong[i][0], wrong[i][1]) == NULL);
    }
}

static void an_overflowing_resize_leaves_the_block(void) {
    char *block = mg_memory_alloc(4, 2);
    memcpy(block, "overflo", 8);
    CHECK(mg_memory_resize(block, SIZE_MAX / 2 + 1, 2) == NULL);
    CHECK_TEXT(block, "overflo");
    mg_memory_free(block);
}

static void a_size_of_zero_is_a_block(void) {
    void *none = mg_memory_alloc(0, 8), *nothing = mg_memory_alloc(8, 0);
    CHECK(none != NULL && nothing != NULL && none != nothing);
    none = mg_memory_resize(none, 0, 0);
    CHECK(none != NULL);
    mg_memory_free(none);
    mg_memory_free(nothing);
}

static void resizing_keeps_what_fits(void) {
    unsigned char *block = mg_memory_resize(NULL, 100, 1);
    for (int i = 0; i < 100; i++) {
        block[i] = (unsigned char)i;
    }
    block = mg_memory_resize(block, 10000, 10);
    memset(block + 100, 0xFF, 100000 - 100);
    block = mg_memory_resize(block, 50, 1);
    for (int i = 0; i < 50; i++) {
        CHECK_COUNT(block[i], (uint64_t)i);
    }
    mg_memory_free(block);
}

static void outstanding_counts_blocks_and_pages(void) {
    uint64_t before = mg_memory_outstanding();
    void *block = mg_memory_alloc(1, 1);
    CHECK_COUNT(mg_memory_outstanding(), before + 1);
    block = mg_memory_resize(block, 100, 1);
    CHECK_COUNT(mg_memory_outstanding(), before + 1);
    void *page = mg_memory_page_alloc();
    CHECK_COUNT(mg_memory_outstanding(), before + 2);
    mg_memory_free(block);
    CHECK_COUNT(mg_memory_outstanding(), before + 1);
    mg_memory_page_free(page);
    CHECK_COUNT(mg_memory_outstanding(), before);
    mg_memory_free(NULL);
    mg_memory_page_free(NULL);
    CHECK_COUNT(mg_memory_outstanding(), before);
}

static void the_nth_allocation_fails_once(void) {
    for (uint64_t nth = 1; nth <= 3; nth++) {
        mg_memory_fail_nth(nth);
        for (uint64_t i = 1; i <= 5; i++) {
            void *block = mg_memory_alloc(1, 1);
            CHECK((block == NULL) == (i == nth));
            mg_memory_free(block);
        }
    }
    mg_memory_fail_nth(1);
    mg_memory_fail_nth(0);
    void *block = mg_memory_alloc(1, 1);
    CHECK(block != NULL);
    mg_memory_free(block);
}

static void every_kind_of_allocation_can_fail(void) {
    uint64_t before = mg_memory_outstanding();
    mg_memory_fail_nth(1);
    CHECK(mg_memory_page_alloc() == NULL);
    char *block = mg_memory_alloc(2, 1);
    memcpy(block, "x", 2);
    mg_memory_fail_nth(1);
    CHECK(mg_memory_resize(block, 1000, 1) == NULL);
    CHECK_TEXT(block, "x");
    CHECK_COUNT(mg_memory_outstanding(), before + 1);
    /* An overflow counts as an attempt as well. */
    mg_memory_fail_nth(2);
    CHECK(mg_memory_alloc(SIZE_MAX, 2) == NULL);
    CHECK(mg_memory_alloc(1, 1) == NULL);
    mg_memory_free(block);
}

static void pages_are_aligned_and_zero(void) {
    enum { PAGES = 64 };
    char *pages[PAGES];
    for (int i = 0; i < PAGES; i++) {
        pages[i] = mg_memory_page_alloc();
        CHECK(is_aligned(pages[i]) && is_zero(pages[i]));
        memset(pages[i], 0xFF, MG_PAGE_BYTES);
    }
    for (int i = 0; i < PAGES; i += 2) {
        mg_memory_page_free(pages[i]);
    }
    for (int i = 0; i < PAGES; i += 2) {
        pages[i] = mg_memory_page_alloc();
        CHECK(is_aligned(pages[i]) && is_zero(pages[i]));
    }
    for (int i = 0; i < PAGES; i++) {
        mg_memory_page_free(pages[i]);
    }
}

/* Runs `test` with mappings going into the stretch, and checks that it leaves nothing there. */
static void in_stretch(void (*test)(void)) {
    size_t reserved = STRETCH_BYTES + CHUNK_BYTES;
    char *start = __real_mmap(NULL, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!CHECK(start != MAP_FAILED)) {
        return;
    }
    stretch = start + (-(uintptr_t)start & (CHUNK_BYTES - 1));
    placed = 0;
    memset(mapped, 0, sizeof mapped);
    test();
    CHECK_COUNT(mapped_bytes(), 0);
    stretch = NULL;
    __real_munmap(start, reserved);
}

static void place_everywhere(void) {
    for (placed = 0; placed < CHUNK_BYTES; placed += step) {
        char *page = mg_memory_page_alloc();
        CHECK(page != NULL && is_aligned(page) && is_zero(page));
        /* Its chunk stays, and nothing else of what was mapped to find it. */
        CHECK_COUNT(mapped_bytes(), CHUNK_BYTES);
        CHECK_COUNT(mapped[(size_t)(page - stretch) / step], 1);
        memset(page, 0xFF, MG_PAGE_BYTES);
        mg_memory_page_free(page);
        CHECK_COUNT(mapped_bytes(), 0);
    }
}

static void pages_are_cut_out_of_any_mapping(void) { in_stretch(place_everywhere); }

/* Pages in use, each filled with one byte. */
static unsigned char *pages[10 * CHUNK_PAGES];
static size_t page_count;

static void take_page(void) {
    unsigned char *page = mg_memory_page_alloc();
    CHECK(page != NULL && is_aligned(page) && is_zero(page));
    memset(page, (int)(1 + page_count % 255), MG_PAGE_BYTES);
    pages[page_count++] = page;
}

static void give_page_back(size_t i) {
    unsigned char *page = pages[i];
    for (size_t k = 0; k < MG_PAGE_BYTES; k += 4095) {
        CHECK_COUNT(page[k], page[0]);
    }
    CHECK(page[0] != 0);
    pages[i] = pages[--page_count];
    refuse_advice = random_below(4) == 0;
    mg_memory_page_free(page);
    refuse_advice = 0;
}

static size_t chunks_in_use(void) {
    unsigned char used[STRETCH_BYTES / CHUNK_BYTES] = {0};
    size_t count = 0;
    for (size_t i = 0; i < page_count; i++) {
        used[((char *)pages[i] - stretch) / (ptrdiff_t)CHUNK_BYTES] = 1;
    }
    for (size_t i = 0; i < sizeof used; i++) {
        count += used[i];
    }
    return count;
}

static void take_and_give_back_at_random(void) {
    uint64_t before = mg_memory_outstanding();
    for (int round = 0; round < 60; round++) {
        size_t wanted = random_below(10 * CHUNK_PAGES + 1);
        size_t chunks = chunks_in_use();
        while (page_count > wanted) {
            give_page_back(random_below(page_count));
        }
        while (page_count < wanted) {
            take_page();
        }
        CHECK_COUNT(mapped_bytes(), chunks_in_use() * CHUNK_BYTES);
        /* No new chunk while an old one has room. */
        size_t least = (page_count + CHUNK_PAGES - 1) / CHUNK_PAGES;
        CHECK(chunks_in_use() <= (chunks > least ? chunks : least));
        CHECK_COUNT(mg_memory_outstanding(), before + page_count);
    }
    while (page_count != 0) {
        give_page_back(page_count - 1);
    }
}

static void pages_come_and_go_in_any_order(void) { in_stretch(take_and_give_back_at_random); }

/* A page that is given back costs nothing, though others of its chunk are in use. */
static void a_page_given_back_is_forgotten_by_the_system(void) {
    void *first = mg_memory_page_alloc(), *second = mg_memory_page_alloc();
    pages_forgotten = 0;
    mg_memory_page_free(first);
    CHECK_COUNT(pages_forgotten, 1);
    mg_memory_page_free(second);
}

static void refuse_what_a_page_needs(void) {
    uint64_t before = mg_memory_outstanding();
    refuse_mapping = 1;
    CHECK(mg_memory_page_alloc() == NULL);
    CHECK_COUNT((uint64_t)refuse_mapping, 0);
    refuse_malloc = 1;
    CHECK(mg_memory_page_alloc() == NULL);
    CHECK_COUNT((uint64_t)refuse_malloc, 0);
    CHECK_COUNT(mapped_bytes(), 0);
    CHECK_COUNT(mg_memory_outstanding(), before);
    /* A chunk with room needs neither. */
    void *first = mg_memory_page_alloc();
    refuse_mapping = refuse_malloc = 1;
    void *second = mg_memory_page_alloc();
    CHECK(first != NULL && second != NULL);
    refuse_mapping = refuse_malloc = 0;
    mg_memory_page_free(first);
    mg_memory_page_free(second);
}

static void the_system_may_refuse_a_page(void) { in_stretch(refuse_what_a_page_needs); }

static void the_system_may_refuse_a_block(void) {
#if !SANITIZED /* there it is an error to ask for so much */
    uint64_t before = mg_memory_outstanding();
    CHECK(mg_memory_alloc(SIZE_MAX / 16, 8) == NULL);
    char *block = mg_memory_alloc(2, 1);
    memcpy(block, "x", 2);
    CHECK(mg_memory_resize(block, SIZE_MAX / 16, 8) == NULL);
    CHECK_TEXT(block, "x");
    CHECK_COUNT(mg_memory_outstanding(), before + 1);
    mg_memory_free(block);
#endif
}

int main(void) {
    step = (size_t)sysconf(_SC_PAGESIZE);
    RUN(sizes_that_overflow_are_refused);
    RUN(an_overflowing_resize_leaves_the_block);
    RUN(a_size_of_zero_is_a_block);
    RUN(resizing_keeps_what_fits);
    RUN(outstanding_counts_blocks_and_pages);
    RUN(the_nth_allocation_fails_once);
    RUN(every_kind_of_allocation_can_fail);
    RUN(pages_are_aligned_and_zero);
    RUN(pages_are_cut_out_of_any_mapping);
    RUN(pages_come_and_go_in_any_order);
    RUN(a_page_given_back_is_forgotten_by_the_system);
    RUN(the_system_may_refuse_a_page);
    RUN(the_system_may_refuse_a_block);
    return harness_summary("memory");
}
