/* The formulas that do not fit a cell of ops.def. Each is accurate to a few ULP over its whole
   domain: where the textbook form cancels (1 - r*r for a saturated tanh) another form takes over.
 */
#ifndef MG_OPS_MATH_H
#define MG_OPS_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Spelled out: M_PI and its kin are not part of ISO C. */
#define MG_LOG2_E 1.44269504088896340736
#define MG_LOG10_E 0.434294481903251827651
#define MG_SQRT_HALF 0.707106781186547524401
#define MG_TWO_OVER_SQRT_PI 1.12837916709551257390
#define MG_ONE_OVER_SQRT_TWO_PI 0.398942280401432677940

static inline double math_sign(double a) { return isnan(a) ? a : (double)((a > 0.0) - (a < 0.0)); }

/* Whether the square of a keeps its digits: it neither overflows nor becomes denormal. */
static inline int math_square_is_safe(double a) { return fabs(a) > 1e-150 && fabs(a) < 1e150; }

/* Whether pow(a, 2.0) surely is the product p = a * a, to the last bit. A good pow errs by at most
   0.54 ULP (glibc's documents itself so), and can only give another result than the product, which
   is rounded right, where the exact square lies near the middle between two doubles. How far it
   lies from the product is found by Dekker's splitting (A floating-point technique for extending
   the available precision, 1971). Beside a power of two the doubles below are nearer: that is not
   sure. */
static inline int math_square_is_product(double a, double p) {
    const double split = 134217729.0 * a; /* 2^27 + 1 */
    const double high = split - (split - a), low = a - high;
    const double error = ((high * high - p) + 2.0 * high * low) + low * low;
    uint64_t bits;
    double scale;
    memcpy(&bits, &p, sizeof bits);
    const int is_power_of_two = (bits & 0xfffffffffffff) == 0;
    bits &= 0x7ff0000000000000;
    memcpy(&scale, &bits, sizeof scale);
    return math_square_is_safe(a) &&
           (error == 0.0 || (fabs(error) < 0.45 * 0x1p-52 * scale && !is_power_of_two));
}

/* The square is what nearly everybody raises to. */
static inline double math_pow(double a, double b) {
    const double p = a * a;
    return b == 2.0 && math_square_is_product(a, p) ? p : pow(a, b);
}

/* 2*a is exact. */
static inline double math_pow_da(double a, double b) {
    if (b == 2.0) {
        return 2.0 * a;
    }
    return b == 0.0 ? 0.0 : b * pow(a, b - 1.0);
}

/* r * log(a), continued by its limit 0 where r vanishes. */
static inline double math_pow_db(double a, double b, double r) {
    if (isnan(a) || isnan(b) || a < 0.0) {
        return NAN;
    }
    if (a == 0.0) {
        return b >= 0.0 ? 0.0 : -INFINITY;
    }
    return r == 0.0 ? 0.0 : r * log(a);
}

/* -a / (b*b); the two-step form loses digits when a / b is denormal, this one when b*b is. */
static inline double math_div_db(double a, double b) {
    return math_square_is_safe(b) ? -a / (b * b) : -(a / b) / b;
}

/* 1 / (1 + a*a); past 1e8 the 1 is below half an ULP and a*a may overflow. */
static inline double math_atan_da(double a) {
    return fabs(a) < 1e8 ? 1.0 / (1.0 + a * a) : (1.0 / a) / a;
}

/* 1 - r*r loses digits as r nears 1; from there 1/cosh(a)^2 written with a decaying exponential. */
static inline double math_tanh_da(double a, double r) {
    double square = r * r;
    if (square < 0.99) {
        return 1.0 - square;
    }
    double e = exp(-2.0 * fabs(a));
    return 4.0 * e / ((1.0 + e) * (1.0 + e));
}

static inline double math_erf_da(double a) { return MG_TWO_OVER_SQRT_PI * exp(-a * a); }

/* Both branches exponentiate a non-positive number, so nothing overflows. */
static inline double math_sigmoid(double a) {
    if (a >= 0.0) {
        return 1.0 / (1.0 + exp(-a));
    }
    double e = exp(a);
    return e / (1.0 + e);
}

static inline double math_sigmoid_da(double a) {
    double e = exp(-fabs(a));
    return e / ((1.0 + e) * (1.0 + e));
}

static inline double math_softplus(double a) { return (a > 0.0 ? a : 0.0) + log1p(exp(-fabs(a))); }

/* At minus infinity the product is inf * 0; its limit is a zero from below. */
static inline double math_silu(double a) { return a == -INFINITY ? -0.0 : a * math_sigmoid(a); }

static inline double math_silu_da(double a) {
    if (isinf(a)) {
        return a > 0.0 ? 1.0 : 0.0;
    }
    return math_sigmoid(a) * (1.0 + a * math_sigmoid(-a));
}

static inline double math_gelu(double a) {
    return a == -INFINITY ? -0.0 : a * 0.5 * erfc(-a * MG_SQRT_HALF);
}

static inline double math_gelu_da(double a) {
    if (isinf(a)) {
        return a > 0.0 ? 1.0 : 0.0;
    }
    return 0.5 * erfc(-a * MG_SQRT_HALF) + a * MG_ONE_OVER_SQRT_TWO_PI * exp(-0.5 * a * a);
}

/* Powers of two that bring a very large or very small pair to where squares are safe. */
#define MG_SCALE_UP 0x1p600
#define MG_SCALE_DOWN 0x1p-600

/* p / (p*p + q*q), scaled where the squares would overflow or vanish. */
static inline double math_atan2_partial(double p, double q) {
    double largest = fmax(fabs(p), fabs(q));
    if (isnan(p) || isnan(q) || math_square_is_safe(largest)) {
        return p / (p * p + q * q);
    }
    if (isinf(largest)) {
        return 0.0;
    }
    double scale = largest < 1.0 ? MG_SCALE_UP : MG_SCALE_DOWN;
    p *= scale;
    q *= scale;
    return p / (p * p + q * q) * scale;
}

/* p / r for r = hypot(p, q), with the subgradient 0 at the origin and the limits at infinity. */
static inline double math_hypot_partial(double p, double q, double r) {
    if (r == 0.0) {
        return 0.0;
    }
    if (isinf(p)) {
        return isinf(q) ? copysign(MG_SQRT_HALF, p) : copysign(1.0, p);
    }
    if (isinf(q)) {
        return 0.0;
    }
    if (r < 1e-290) { /* r is denormal or nearly so: too few digits */
        p *= MG_SCALE_UP;
        return p / hypot(p, q * MG_SCALE_UP);
    }
    /* Both finite: if r is infinite only the sum overflowed. */
    return isinf(r) ? 0.5 * p / hypot(0.5 * p, 0.5 * q) : p / r;
}

static inline double math_minimum(double a, double b) { return a <= b || isnan(a) ? a : b; }

static inline double math_maximum(double a, double b) { return a >= b || isnan(a) ? a : b; }

/* The share of the gradient of minimum(p, q) that goes to p: a tie is split. */
static inline double math_less_share(double p, double q) {
    if (isnan(p) || isnan(q)) {
        return NAN;
    }
    return p < q ? 1.0 : p == q ? 0.5 : 0.0;
}

/* --- second partials --- */

/* a * p for a first partial p that vanishes faster than a grows: at infinity too. */
static inline double math_times_vanishing(double a, double p) { return p == 0.0 ? 0.0 : a * p; }

static inline double math_pow_daa(double a, double b) {
    return b == 0.0 || b == 1.0 ? 0.0 : b * (b - 1.0) * pow(a, b - 2.0);
}

/* Where the power vanishes it outweighs the logarithm, be that infinite: at a = 0 for b > 1. */
static inline double math_pow_dab(double a, double b) {
    double power = pow(a, b - 1.0);
    return power == 0.0 && a >= 0.0 ? 0.0 : power * (1.0 + b * log(a));
}

static inline double math_pow_dbb(double a, double r) {
    return r == 0.0 && a >= 0.0 ? 0.0 : r * log(a) * log(a);
}

static inline double math_silu_daa(double a) {
    return isinf(a) ? 0.0 : math_sigmoid_da(a) * (2.0 - a * tanh(0.5 * a));
}

static inline double math_gelu_daa(double a) {
    /* From about 39 on the exponential is 0, and further on the square would be infinite. */
    return fabs(a) > 40.0 ? 0.0 : MG_ONE_OVER_SQRT_TWO_PI * exp(-0.5 * a * a) * (2.0 - a * a);
}

/* p and q being first partials of hypot: at the origin 0, as they are there. Of two small ones the
   product may have vanished before a small r would have brought it back. */
static inline double math_hypot_second(double p, double q, double r) {
    return r == 0.0 ? 0.0 : p * (q / r);
}

/* See ops_text.c. */
#if defined(MG_EMBED)
MG_EMBED(mg_ops_math_text, __FILE__);
#endif

#endif
