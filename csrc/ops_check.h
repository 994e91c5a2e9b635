/* When a result means that the op must raise: a function for each word in the column `raises` of
   ops.def but NEVER, of the operands a and b and the result r. A result that is finite never
   does; nor, in Python, does one that only hands on a nan or an infinity from the operands. */
#ifndef MG_OPS_CHECK_H
#define MG_OPS_CHECK_H

#include <math.h>

#include "status.h"

static inline mg_status check_overflow(double a, double b, double r) {
    (void)b;
    if (isnan(r)) {
        return isnan(a) ? MG_OK : MG_DOMAIN;
    }
    return isinf(r) && isfinite(a) ? MG_RANGE : MG_OK;
}

static inline mg_status check_pole(double a, double b, double r) {
    (void)b;
    if (isnan(r)) {
        return isnan(a) ? MG_OK : MG_DOMAIN;
    }
    return isinf(r) && isfinite(a) ? MG_DOMAIN : MG_OK;
}

static inline mg_status check_division(double a, double b, double r) {
    (void)a;
    return !isfinite(r) && b == 0.0 ? MG_ZERO_DIVISION : MG_OK;
}

static inline mg_status check_power(double a, double b, double r) {
    if (isfinite(r) || isnan(a) || isnan(b)) {
        return MG_OK;
    }
    if (a == 0.0 && b < 0.0 && isfinite(b)) {
        return MG_ZERO_POWER;
    }
    if (isnan(r)) {
        return MG_COMPLEX_POWER;
    }
    return isfinite(a) && isfinite(b) ? MG_RANGE : MG_OK;
}

/* See ops_text.c. */
#if defined(MG_EMBED)
MG_EMBED(mg_ops_check_text, __FILE__);
#endif

#endif
