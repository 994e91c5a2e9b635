/* The n-ary formulas of ops.def. Arguments come as one array x of n numbers, n > 0, in the order in
   which the function takes them; c is the op's parameter, where it has one, and r its result. A
   function of partials puts them in the place of the numbers. */
#ifndef MG_OPS_NARY_H
#define MG_OPS_NARY_H

#include <math.h>
#include <stddef.h>

/* sum(x): starts from the first, so that a sum of one is that one, its sign of zero included. */
static inline double nary_sum(const double *x, size_t n, double c) {
    double total = n != 0 ? x[0] : 0.0;
    (void)c;
    for (size_t i = 1; i < n; i++) {
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

/* Both at once, with the same bits: the exponentials are worked out once. */
static inline double nary_logsumexp_and_partials(double *x, size_t n, double c) {
    const size_t place = nary_largest(x, n);
    const double largest = x[place];
    double others = 0.0, total = 0.0;
    if (!isfinite(largest)) {
        const double r = nary_logsumexp(x, n, c);
        nary_logsumexp_partials(x, n, c, r);
        return r;
    }
    for (size_t i = 0; i < n; i++) {
        x[i] = exp(x[i] - largest);
        total += x[i];
        others += i != place ? x[i] : 0.0;
    }
    for (size_t i = 0; i < n; i++) {
        x[i] /= total;
    }
    return largest + log1p(others);
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

/* take(values, index): n - 1 values and the index, a whole number from 1 - n to n - 2. */
static inline int nary_is_place(double index, size_t count) {
    return index >= -(double)count && index < (double)count && index == floor(index);
}

static inline size_t nary_place(double index, size_t count) {
    return (size_t)(index < 0.0 ? index + (double)count : index);
}

/* nan for an index that is none: who must not go on with that asks nary_is_place first. */
static inline double nary_take(const double *x, size_t n, double c) {
    (void)c;
    return nary_is_place(x[n - 1], n - 1) ? x[nary_place(x[n - 1], n - 1)] : NAN;
}

static inline void nary_take_partials(double *x, size_t n, double c, double r) {
    const double index = x[n - 1];
    (void)c, (void)r;
    for (size_t i = 0; i < n; i++) {
        x[i] = 0.0;
    }
    if (nary_is_place(index, n - 1)) {
        x[nary_place(index, n - 1)] = 1.0;
    }
}

/* --- tangents of the partials d, where the numbers x have the tangents t: dt = H t --- */

static inline void nary_linear_tangents(const double *x, const double *t, size_t n, double c,
                                        double r, const double *d, double *dt) {
    (void)x, (void)t, (void)c, (void)r, (void)d;
    for (size_t i = 0; i < n; i++) {
        dt[i] = 0.0;
    }
}

static inline void nary_dot_tangents(const double *x, const double *t, size_t n, double c, double r,
                                     const double *d, double *dt) {
    size_t m = n / 2;
    (void)x, (void)c, (void)r, (void)d;
    for (size_t i = 0; i < m; i++) {
        dt[i] = t[m + i];
        dt[m + i] = t[i];
    }
    if (n % 2 != 0) {
        dt[n - 1] = 0.0;
    }
}

/* Of a softmax p: p (t - p.t). With the t of the largest p subtracted from all, what is left of
   that one after a confident answer does not cancel. `p` may be `dt`. */
static inline void softmax_tangents(const double *p, const double *t, size_t n, double *dt) {
    size_t largest = 0;
    for (size_t i = 1; i < n; i++) {
        largest = p[i] > p[largest] ? i : largest;
    }
    double along = 0.0;
    for (size_t i = 0; i < n; i++) {
        along += p[i] * (t[i] - t[largest]);
    }
    for (size_t i = 0; i < n; i++) {
        dt[i] = p[i] * (t[i] - t[largest] - along);
    }
}

static inline void nary_logsumexp_tangents(const double *x, const double *t, size_t n, double c,
                                           double r, const double *d, double *dt) {
    (void)x, (void)c, (void)r;
    softmax_tangents(d, t, n, dt);
}

/* The same: only the term of class c has 1 subtracted from its p, in which a small one is lost. */
static inline void nary_cross_entropy_tangents(const double *x, const double *t, size_t n, double c,
                                               double r, const double *d, double *dt) {
    (void)x, (void)d;
    for (size_t i = 0; i < n; i++) {
        dt[i] = d[i];
    }
    /* r is minus the logarithm of that p. */
    dt[(size_t)c] = exp(-r);
    softmax_tangents(dt, t, n, dt);
}

static inline void nary_mse_loss_tangents(const double *x, const double *t, size_t n, double c,
                                          double r, const double *d, double *dt) {
    size_t m = n / 2;
    (void)x, (void)c, (void)r, (void)d;
    for (size_t i = 0; i < m; i++) {
        dt[i] = 2.0 * (t[i] - t[m + i]) / (double)m;
        dt[m + i] = -dt[i];
    }
}

static inline void nary_hinge_loss_tangents(const double *x, const double *t, size_t n, double c,
                                            double r, const double *d, double *dt) {
    size_t m = n / 2;
    (void)c, (void)r, (void)d;
    for (size_t i = 0; i < m; i++) {
        int active = !(1.0 - x[i] * x[m + i] <= 0.0);
        dt[i] = active ? -t[m + i] / (double)m : 0.0;
        dt[m + i] = active ? -t[i] / (double)m : 0.0;
    }
}

/* Of the unit vector d: what of t is across it, over r. */
static inline void nary_norm_tangents(const double *x, const double *t, size_t n, double c,
                                      double r, const double *d, double *dt) {
    double along = 0.0;
    (void)x, (void)c;
    for (size_t i = 0; i < n; i++) {
        along += d[i] * t[i];
    }
    for (size_t i = 0; i < n; i++) {
        dt[i] = r == 0.0 ? 0.0 : (t[i] - along * d[i]) / r;
    }
}

/* Horner's rule for the polynomial's second derivative, and for the first one of the polynomial
   whose coefficients are the tangents. */
static inline void nary_polyval_tangents(const double *x, const double *t, size_t n, double c,
                                         double r, const double *d, double *dt) {
    double at = x[n - 1], value = 0.0, slope = 0.0, curvature = 0.0;
    double moved = 0.0, moved_slope = 0.0;
    (void)c, (void)r;
    for (size_t i = 0; i + 1 < n; i++) {
        curvature = curvature * at + 2.0 * slope;
        slope = slope * at + value;
        value = value * at + x[i];
        moved_slope = moved_slope * at + moved;
        moved = moved * at + t[i];
    }
    /* d(x^k)/dx = k x^(k - 1), which is k times the partial of the next lower power. */
    for (size_t i = 0; i + 1 < n; i++) {
        dt[i] = i + 2 < n ? (double)(n - 2 - i) * d[i + 1] * t[n - 1] : 0.0;
    }
    dt[n - 1] = curvature * t[n - 1] + moved_slope;
}

/* See ops_text.c. */
#if defined(MG_EMBED)
MG_EMBED(mg_ops_nary_text, __FILE__);
#endif

#endif
