#include "harness.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"

/* A broken loop would otherwise bury its first failure under a million others. */
#define SHOWN_PER_TEST 10

/* More allocations than a scenario may make. */
#define MOST_ALLOCATIONS 65536

static const char *test_name;
static const char *case_text;
static uint64_t failures; /* in the test at hand */
static uint64_t passed_tests, failed_tests;
static uint64_t random_state;

static int fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(const char *file, int line, const char *format, ...) {
    if (failures++ < SHOWN_PER_TEST) {
        va_list arguments;
        va_start(arguments, format);
        fprintf(stderr, "%s:%d: %s: ", file, line, test_name);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        if (case_text != NULL) {
            fprintf(stderr, " (%s)", case_text);
        }
        fputc('\n', stderr);
    }
    return 0;
}

int harness_check(int holds, const char *file, int line, const char *text) {
    return holds ? 1 : fail(file, line, "%s", text);
}

int harness_check_count(uint64_t actual, uint64_t expected, const char *file, int line,
                        const char *text) {
    return actual == expected
               ? 1
               : fail(file, line, "%s is %" PRIu64 ", not %" PRIu64, text, actual, expected);
}

int harness_check_status(mg_status actual, mg_status expected, const char *file, int line,
                         const char *text) {
    return actual == expected ? 1
                              : fail(file, line, "%s is '%s', not '%s'", text,
                                     mg_status_text(actual), mg_status_text(expected));
}

int harness_check_text(const char *actual, const char *expected, const char *file, int line,
                       const char *text) {
    return strcmp(actual, expected) == 0
               ? 1
               : fail(file, line, "%s is \"%s\", not \"%s\"", text, actual, expected);
}

int harness_check_same(double actual, double expected, const char *file, int line,
                       const char *text) {
    if (memcmp(&actual, &expected, sizeof actual) == 0 || (isnan(actual) && isnan(expected))) {
        return 1;
    }
    return fail(file, line, "%s is %.17g, not %.17g", text, actual, expected);
}

int harness_check_near(double actual, double expected, double tolerance, const char *file, int line,
                       const char *text) {
    if (fabs(actual - expected) <= tolerance * fmax(1.0, fabs(expected))) {
        return 1;
    }
    return fail(file, line, "%s is %.17g, not %.17g", text, actual, expected);
}

void harness_case(const char *text) { case_text = text; }

uint64_t random_bits(void) {
    /* splitmix64 */
    uint64_t bits = (random_state += UINT64_C(0x9E3779B97F4A7C15));
    bits = (bits ^ bits >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    bits = (bits ^ bits >> 27) * UINT64_C(0x94D049BB133111EB);
    return bits ^ bits >> 31;
}

uint64_t random_below(uint64_t bound) { return random_bits() % bound; }

double random_between(double low, double high) {
    return low + (high - low) * (double)(random_bits() >> 11) * 0x1p-53;
}

static void begin(const char *name) {
    test_name = name;
    case_text = NULL;
    failures = 0;
    random_state = 0;
}

static void end(void) {
    if (failures > SHOWN_PER_TEST) {
        fprintf(stderr, "%s: %" PRIu64 " more\n", test_name, failures - SHOWN_PER_TEST);
    }
    if (failures != 0) {
        failed_tests++;
    } else {
        passed_tests++;
    }
}

void harness_run(const char *name, void (*test)(void)) {
    begin(name);
    uint64_t before = mg_memory_outstanding();
    test();
    mg_memory_fail_nth(0);
    case_text = NULL;
    CHECK_COUNT(mg_memory_outstanding(), before);
    end();
}

/* How many allocations from now the refused one is; the refusal is used up by that. */
static uint64_t allocations_until_refusal(void) {
    for (uint64_t nth = 1;; nth++) {
        void *block = mg_memory_alloc(1, 1);
        if (block == NULL) {
            return nth;
        }
        mg_memory_free(block);
    }
}

static mg_status run_refusing(mg_status (*scenario)(void), uint64_t nth) {
    uint64_t before = mg_memory_outstanding();
    random_state = 0;
    mg_memory_fail_nth(nth);
    mg_status status = scenario();
    CHECK_COUNT(mg_memory_outstanding(), before);
    return status;
}

void harness_run_each_failure(const char *name, mg_status (*scenario)(void)) {
    char text[64];
    begin(name);
    harness_case("no allocation failed");
    if (CHECK_STATUS(run_refusing(scenario, MOST_ALLOCATIONS), MG_OK)) {
        uint64_t allocations = MOST_ALLOCATIONS - allocations_until_refusal();
        CHECK(allocations > 0);
        for (uint64_t nth = 1; nth <= allocations; nth++) {
            snprintf(text, sizeof text, "allocation %" PRIu64 " of %" PRIu64 " failed", nth,
                     allocations);
            harness_case(text);
            CHECK_STATUS(run_refusing(scenario, nth), MG_NO_MEMORY);
        }
    }
    mg_memory_fail_nth(0);
    harness_case(NULL);
    end();
}

int harness_summary(const char *program) {
    printf("%s: %" PRIu64 " passed, %" PRIu64 " failed\n", program, passed_tests, failed_tests);
    return failed_tests != 0;
}
