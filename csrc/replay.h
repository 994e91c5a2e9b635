/* What the loops over a tape have in common. */
#ifndef MG_REPLAY_H
#define MG_REPLAY_H

#include "tape.h"

#if defined(__GNUC__)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#else
#define UNLIKELY(x) (x)
#define ALWAYS_INLINE static inline
#endif

/* How many steps run between two looks at `poll`: about a millisecond. */
#define POLL_STEPS 131072

/* Whether, before so many more steps, it is time to poll. Counts them. */
ALWAYS_INLINE int is_time_to_poll(uint32_t *until_poll, uint32_t steps) {
    if (UNLIKELY(steps >= *until_poll)) {
        *until_poll = POLL_STEPS;
        return 1;
    }
    *until_poll -= steps;
    return 0;
}

#endif
