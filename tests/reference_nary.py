"""The n-ary functions of the pure-Python reference: forward values and partials of lists of floats.

Forward values are sums in the order of the arguments and functions of the C library, as in
reference_math.py, so that the tests can compare them to the last bit.
"""

import math


def _halves(x):
    middle = len(x) // 2
    return x[:middle], x[middle : 2 * middle]


def _dot(x):
    w, v = _halves(x)
    total = x[-1] if len(x) % 2 else 0.0
    for a, b in zip(w, v, strict=True):
        total += a * b
    return total


def _dot_partials(x, r):
    w, v = _halves(x)
    return [*v, *w, 1.0][: len(x)]


def _sum(x):
    total = x[0] if x else 0.0
    for number in x[1:]:
        total += number
    return total


def _others(x, largest):
    """The sum of exp(v - largest), but for one v that is the largest."""
    rest = list(x)
    del rest[rest.index(largest)]
    return _sum([math.exp(number - largest) for number in rest])


def _logsumexp(x):
    largest = max(x)
    return largest + math.log1p(_others(x, largest))


def _softmax(x):
    largest = max(x)
    powers = [math.exp(number - largest) for number in x]
    total = _sum(powers)
    return [power / total for power in powers]


def _cross_entropy(x):
    *logits, target = x
    largest = max(logits)
    return largest - logits[target] + math.log1p(_others(logits, largest))


def _cross_entropy_partials(x, r):
    *logits, target = x
    shares = _softmax(logits)
    shares[target] = 0.0
    shares[target] = -_sum(shares)
    return [*shares, None]


def _mse_loss(x):
    p, t = _halves(x)
    return _sum([(a - b) * (a - b) for a, b in zip(p, t, strict=True)]) / len(p)


def _mse_loss_partials(x, r):
    p, t = _halves(x)
    slopes = [2.0 * (a - b) / len(p) for a, b in zip(p, t, strict=True)]
    return slopes + [-slope for slope in slopes]


def _hinge_loss(x):
    s, t = _halves(x)
    return _sum([max(0.0, 1.0 - a * b) for a, b in zip(s, t, strict=True)]) / len(s)


def _hinge_loss_partials(x, r):
    s, t = _halves(x)
    counts = [1.0 - a * b > 0.0 for a, b in zip(s, t, strict=True)]
    for_s = [-b / len(s) if on else 0.0 for b, on in zip(t, counts, strict=True)]
    return for_s + [-a / len(s) if on else 0.0 for a, on in zip(s, counts, strict=True)]


def _length(x, scale):
    return math.sqrt(_sum([(number / scale) * (number / scale) for number in x]))


def _norm(x):
    largest = max(map(abs, x))
    if largest == 0.0:
        return 0.0
    scale = 1.0 if 1e-140 < largest < 1e140 else largest
    return scale * _length(x, scale)


def _norm_partials(x, r):
    if r == 0.0:
        return [0.0] * len(x)
    if 1e-290 < r < math.inf:
        return [number / r for number in x]
    # r has overflowed, or has few digits left
    scale = max(map(abs, x))
    return [number / scale / _length(x, scale) for number in x]


def _polyval(x):
    first, *coefficients, at = x
    value = first
    for coefficient in coefficients:
        value = value * at + coefficient
    return value


def _polyval_partials(x, r):
    *coefficients, at = x
    powers = [1.0]
    while len(powers) < len(coefficients):
        powers.append(powers[-1] * at)
    # Horner's rule for the derivative, whose coefficients are the values on the way.
    value, slope = coefficients[0], 0.0
    for coefficient in coefficients[1:]:
        slope = slope * at + value
        value = value * at + coefficient
    return [*reversed(powers), slope]


# name: (forward from the list of all numbers, partials from the list and the result r)
NARY = {
    "dot": (_dot, _dot_partials),
    "sum": (_sum, lambda x, r: [1.0] * len(x)),
    "mean": (lambda x: _sum(x) / len(x), lambda x, r: [1.0 / len(x)] * len(x)),
    "logsumexp": (_logsumexp, lambda x, r: _softmax(x)),
    "cross_entropy": (_cross_entropy, _cross_entropy_partials),
    "mse_loss": (_mse_loss, _mse_loss_partials),
    "hinge_loss": (_hinge_loss, _hinge_loss_partials),
    "norm": (_norm, _norm_partials),
    "polyval": (_polyval, _polyval_partials),
}
