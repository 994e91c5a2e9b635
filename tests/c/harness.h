/* A small test harness. A test is a function without arguments; a check that does not hold is
   printed with its place and counted, and the test goes on, so that one run shows everything that
   is wrong.

   A test program runs its tests in main and ends with `return harness_summary("name")`, which
   prints 'N passed, N failed' and is not 0 when a test failed. After each test everything that it
   took from the allocation funnel must have been given back. */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdint.h>

#include "status.h"

#define RUN(test) harness_run(#test, (test))

/* Runs `scenario` once as it is, and then once for each allocation it makes, with that one failing.
   A scenario sets up its own state, puts it away again, and returns MG_OK, or MG_NO_MEMORY when an
   allocation failed; what must hold after the failure it checks itself. */
#define RUN_EACH_FAILURE(scenario) harness_run_each_failure(#scenario, (scenario))

void harness_run(const char *name, void (*test)(void));
void harness_run_each_failure(const char *name, mg_status (*scenario)(void));
int harness_summary(const char *program);

/* All of these are 1 when the check holds, so that a test may stop at one that does not. */
#define CHECK(condition) harness_check((condition) != 0, __FILE__, __LINE__, #condition)
#define CHECK_COUNT(actual, expected) \
    harness_check_count((actual), (expected), __FILE__, __LINE__, #actual)
#define CHECK_STATUS(actual, expected) \
    harness_check_status((actual), (expected), __FILE__, __LINE__, #actual)
#define CHECK_TEXT(actual, expected) \
    harness_check_text((actual), (expected), __FILE__, __LINE__, #actual)
/* The same double to the last bit, the sign of zero included; any nan equals any other. */
#define CHECK_SAME(actual, expected) \
    harness_check_same((actual), (expected), __FILE__, __LINE__, #actual)
/* Within `tolerance` times the larger of 1 and the expected magnitude. */
#define CHECK_NEAR(actual, expected, tolerance) \
    harness_check_near((actual), (expected), (tolerance), __FILE__, __LINE__, #actual)

int harness_check(int holds, const char *file, int line, const char *text);
int harness_check_count(uint64_t actual, uint64_t expected, const char *file, int line,
                        const char *text);
int harness_check_status(mg_status actual, mg_status expected, const char *file, int line,
                         const char *text);
int harness_check_text(const char *actual, const char *expected, const char *file, int line,
                       const char *text);
int harness_check_same(double actual, double expected, const char *file, int line,
                       const char *text);
int harness_check_near(double actual, double expected, double tolerance, const char *file, int line,
                       const char *text);

/* Printed with every failure until the next call; NULL for none. For loops over cases. */
void harness_case(const char *text);

/* Whether the address sanitizer is in force, which gcc and clang say differently. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#if !defined(SANITIZED)
#define SANITIZED 0
#endif

/* Random numbers, the same in every run: each test starts from the same state. */
uint64_t random_bits(void);
uint64_t random_below(uint64_t bound);
double random_between(double low, double high);

#endif
