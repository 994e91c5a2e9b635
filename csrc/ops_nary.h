/* The n-ary formulas of ops.def. Arguments come as one array x of n numbers, n > 0, in the order in
   which the function takes them; c is the op's parameter, where it has one, and r its result. A
   function of partials puts them in the place of the numbers. */
#ifndef MG_OPS_NARY_H
#define MG_OPS_NARY_H

#include <math.h>
#include <stddef.h>

/* sum(x) */
static inline double nary_sum(const double *x, size_t n, double c) {
    double total = 0.0;
    (void)c;
    for (size_t i = 0; i < n; i++) {
        total += x[i];
    }
    return total;
}

static inline void nary_sum_partials(double *x, size_t n, double c, double r) {
    (void)c, (void)r;
    for (size_t i = 0; i < n; i++) {
        x[i] = 1.0;
    }
}

/* mean(x) */
static inline double nary_mean(const double *x, size_t n, double c) {
    return nary_sum(x, n, c) / (double)n;
}

static inline void nary_mean_partials(double *x, size_t n, double c, double r) {
    (void)c, (void)r;
    for (size_t i = 0; i < n; i++) {
        x[i] = 1.0 / (double)n;
    }
}

/* dot(w, x, b): the m of w, the m of x and, if n is odd, b; else b is 0. Starts from b and adds
   term by term, as the loop that it replaces does. */
static inline double nary_dot(const double *x, size_t n, double c) {
    size_t m = n / 2;
    double total = n % 2 != 0 ? x[n - 1] : 0.0;
    (void)c;
    for (size_t i = 0; i < m; i++) {
        total += x[i] * x[m + i];
    }
    return total;
}

static inline void nary_dot_partials(double *x, size_t n, double c, double r) {
    size_t m = n / 2;
    (void)c, (void)r;
    for (size_t i = 0; i < m; i++) {
        double w = x[i];
        x[i] = x[m + i];
        x[m + i] = w;
    }
    if (n % 2 != 0) {
        x[n - 1] = 1.0;
    }
}

/* The place of the largest number, or of the first nan. */
static inline size_t nary_largest(const double *x, size_t n) {
    size_t largest = 0;
    for (size_t i = 1; i < n && !isnan(x[largest]); i++) {
        if (x[i] > x[largest] || isnan(x[i])) {
            largest = i;
        }
    }
    return largest;
}

/* The sum of exp(x - largest) over all but the largest, which is `*largest`: log1p of it is what
   the others add to the largest in log(sum(exp(x))). Nothing overflows, and with the two parts
   apart a difference from that sum does not cancel. Means nothing where the largest is not finite.
 */
static inline double nary_others(const double *x, size_t n, double *largest) {
    size_t place = nary_largest(x, n);
    double others = 0.0;
    *largest = x[place];
    for (size_t i = 0; i < n; i++) {
        if (i != place) {
            others += exp(x[i] - *largest);
        }
    }
    return others;
}

/* log(sum(exp(x))) */
static inline double nary_logsumexp(const double *x, size_t n, double c) {
    double largest, others = nary_others(x, n, &largest);
    (void)c;
    return isfinite(largest) ? largest + log1p(others) : largest;
}

/* The softmax of x. Infinite x share it; of nothing but -inf there is none. Worked out from x and
   not from r, which has no digits left for it where x is huge. */
static inline void nary_logsumexp_partials(double *x, size_t n, double c, double r) {
    double largest = x[nary_largest(x, n)], total = 0.0;
    (void)c, (void)r;
    for (size_t i = 0; i < n; i++) {
        if (isinf(largest)) {
            x[i] = x[i] == INFINITY ? 1.0 : 0.0;
        } else {
            x[i] = exp(x[i] - largest);
        }
        total += x[i];
    }
    for (size_t i = 0; i < n && total != 0.0; i++) {
        x[i] /= total;
    }
}

/* logsumexp(x) - x[c]: minus the log-probability of class c. */
static inline double nary_cross_entropy(const double *x, size_t n, double c) {
    double largest, others = nary_others(x, n, &largest);
    double behind = largest - x[(size_t)c];
    return isfinite(largest) ? behind + log1p(others) : behind;
}

static inline void nary_cross_entropy_partials(double *x, size_t n, double c, double r) {
    size_t target = (size_t)c;
    double others = 0.0;
    nary_logsumexp_partials(x, n, c, r);
    for (size_t i = 0; i < n; i++) {
        others += i == target ? 0.0 : x[i];
    }
    /* softmax - 1 cancels for a confident and right answer; the rest of the sum does not. */
    x[target] = -others;
}

/* mean((p - t)^2): n = 2m numbers, the m of p and the m of t. */
static inline double nary_mse_loss(const double *x, size_t n, double c) {
    size_t m = n / 2;
    double total = 0.0;
    (void)c;
    for (size_t i = 0; i < m; i++) {
        double difference = x[i] - x[m + i];
        total += difference * difference;
    }
    return total / (double)m;
}

static inline void nary_mse_loss_partials(double *x, size_t n, double c, double r) {
    size_t m = n / 2;
    (void)c, (void)r;
    for (size_t i = 0; i < m; i++) {
        x[i] = 2.0 * (x[i] - x[m + i]) / (double)m;
        x[m + i] = -x[i];
    }
}

/* mean(max(0, 1 - s*t)): n = 2m numbers, the m of s and the m of t. */
static inline double nary_hinge_loss(const double *x, size_t n, double c) {
    size_t m = n / 2;
    double total = 0.0;
    (void)c;
    for (size_t i = 0; i < m; i++) {
        double loss = 1.0 - x[i] * x[m + i];
        total += loss <= 0.0 ? 0.0 : loss;
    }
    return total / (double)m;
}

static inline void nary_hinge_loss_partials(double *x, size_t n, double c, double r) {
    size_t m = n / 2;
    (void)c, (void)r;
    for (size_t i = 0; i < m; i++) {
        double s = x[i], t = x[m + i];
        int active = !(1.0 - s * t <= 0.0);
        x[i] = active ? -t / (double)m : 0.0;
        x[m + i] = active ? -s / (double)m : 0.0;
    }
}

/* The largest magnitude; nan if one is nan. */
static inline double nary_magnitude(const double *x, size_t n) {
    double magnitude = 0.0;
    for (size_t i = 0; i < n && !isnan(magnitude); i++) {
        magnitude = fabs(x[i]) > magnitude || isnan(x[i]) ? fabs(x[i]) : magnitude;
    }
    return magnitude;
}

/* The root of the sum of the squares of x / scale. */
static inline double nary_length(const double *x, size_t n, double scale) {
    double total = 0.0;
    for (size_t i = 0; i < n; i++) {
        double scaled = x[i] / scale;
        total += scaled * scaled;
    }
    return sqrt(total);
}

/* sqrt(sum(x^2)), scaled by the largest where the squares would overflow or vanish. */
static inline double nary_norm(const double *x, size_t n, double c) {
    double magnitude = nary_magnitude(x, n);
    (void)c;
    if (magnitude == 0.0 || !isfinite(magnitude)) {
        return magnitude;
    }
    double scale = magnitude > 1e-140 && magnitude < 1e140 ? 1.0 : magnitude;
    return scale * nary_length(x, n, scale);
}

/* x / r, with the subgradient 0 at the origin. Where r has overflowed, or has few digits left, from
   scaled numbers; infinite ones are all that counts beside finite ones, as in hypot. */
static inline void nary_norm_partials(double *x, size_t n, double c, double r) {
    double scale = 1.0, length = r;
    (void)c;
    if (!(r == 0.0 || (r > 1e-290 && r < INFINITY))) {
        double magnitude = nary_magnitude(x, n);
        if (isinf(magnitude)) {
            for (size_t i = 0; i < n; i++) {
                x[i] = isinf(x[i]) ? copysign(1.0, x[i]) : 0.0;
            }
            magnitude = 1.0;
        }
        scale = magnitude;
        length = nary_length(x, n, scale);
    }
    for (size_t i = 0; i < n; i++) {
        x[i] = r == 0.0 ? 0.0 : x[i] / scale / length;
    }
}

/* polyval(coefficients, x): n - 1 coefficients, the highest power first, and x. Horner's rule. */
static inline double nary_polyval(const double *x, size_t n, double c) {
    double at = x[n - 1], value = x[0];
    (void)c;
    for (size_t i = 1; i + 1 < n; i++) {
        value = value * at + x[i];
    }
    return value;
}

static inline void nary_polyval_partials(double *x, size_t n, double c, double r) {
    double at = x[n - 1], value = x[0], slope = 0.0, power = 1.0;
    (void)c, (void)r;
    for (size_t i = 1; i + 1 < n; i++) {
        slope = i == 1 ? value : slope * at + value;
        value = value * at + x[i];
    }
    x[n - 1] = slope;
    for (size_t i = n - 1; i-- > 0;) {
        x[i] = power;
        power *= at;
    }
}

#endif
