"""Forward functions and partials of the pure-Python reference, as functions of floats.

Forward values come from the functions of the C library, because the native engine calls the same
ones and the tests compare to the last bit. ``math`` hands over to them unchanged, with two
exceptions: ``math.hypot`` has an algorithm of its own and ``math.cbrt`` starts with Python 3.11.
Those two, and the places that need IEEE results where ``math`` raises, go through ``ctypes``.
numpy is no stand-in: on processors with AVX-512 it has vector versions that differ in the last bit.

The composite functions are defined as

    sigmoid(x)  = 1 / (1 + exp(-x)) for x >= 0, e / (1 + e) with e = exp(x) otherwise
    softplus(x) = max(x, 0) + log1p(exp(-|x|))
    silu(x)     = x * sigmoid(x)
    gelu(x)     = x * 0.5 * erfc(-x * sqrt(1/2))

and the partials are written so that they neither cancel nor overflow nor raise where the derivative
itself is harmless. The tests hold them, too, against mpmath.
"""

import ctypes
import math

INF = math.inf
MIN_NORMAL = 2.2250738585072014e-308
NAN = math.nan
SQRT_HALF = 0.7071067811865476
TWO_OVER_SQRT_PI = 1.1283791670955126
ONE_OVER_SQRT_TWO_PI = 0.3989422804014327
LOG2_E = 1.4426950408889634
LOG10_E = 0.4342944819032518


_LIBM = ctypes.CDLL(None)  # the interpreter itself is linked with the C library's mathematics


def _load(name, arity):
    function = getattr(_LIBM, name)
    function.restype = ctypes.c_double
    function.argtypes = [ctypes.c_double] * arity
    return function


_c_cbrt, _c_floor, _c_ceil = (_load(name, 1) for name in ("cbrt", "floor", "ceil"))
_c_exp, _c_log, _c_sin, _c_cos = (_load(name, 1) for name in ("exp", "log", "sin", "cos"))
_c_sinh, _c_cosh = (_load(name, 1) for name in ("sinh", "cosh"))
_c_sqrt = _load("sqrt", 1)
_c_hypot, _c_pow = (_load(name, 2) for name in ("hypot", "pow"))


def divide(a, b):
    """``a / b`` as the processor does it: a zero divisor gives inf or nan, not an exception."""
    if b != 0.0:
        return a / b
    if a == 0.0 or a != a:
        return NAN
    return math.copysign(INF, a) * math.copysign(1.0, b)


# Forward formulas that math does not have, or has with exceptions that ours must not raise.


def power(a, b):
    """``a ** b`` on floats; a negative base with a fractional power stays real: ValueError."""
    result = a**b
    if isinstance(result, complex):
        raise ValueError("** of a negative base needs a whole exponent")
    return result


def _sigmoid(a):
    if a >= 0.0:
        return 1.0 / (1.0 + math.exp(-a))
    e = math.exp(a)
    return e / (1.0 + e)


def _softplus(a):
    return (a if a > 0.0 else 0.0) + math.log1p(math.exp(-abs(a)))


def _silu(a):
    return -0.0 if a == -INF else a * _sigmoid(a)


def _gelu(a):
    return -0.0 if a == -INF else a * 0.5 * math.erfc(-a * SQRT_HALF)


def _sign(a):
    return a if a != a else float(a > 0.0) - float(a < 0.0)


def _minimum(a, b):
    return a if a <= b or a != a else b


def _maximum(a, b):
    return a if a >= b or a != a else b


# Partials: functions of the operands and of the result r.


def over_square(a, b):
    """``a / (b*b)`` without forming the square."""
    quotient = divide(a, b)
    if 0.0 < abs(quotient) < MIN_NORMAL:  # it has lost bits that dividing by a small b would show
        return a * 2.0**100 / b / b * 2.0**-100
    return divide(quotient, b)


def base_partial(a, b):
    # x ** 0 is 1 everywhere, also where a ** -1 is infinite
    return 0.0 if b == 0.0 else b * _c_pow(a, b - 1.0)


def exponent_partial(a, b, r):
    if a < 0.0:
        return NAN
    if a == 0.0 and b >= 0.0:
        return 0.0
    # where r vanishes so does the product, also for inf ** -1, whose logarithm is infinite
    return 0.0 if r == 0.0 else r * _c_log(a)


def _tanh_partial(a, r):
    if r * r < 0.99:
        return 1.0 - r * r
    e = math.exp(-2.0 * abs(a))
    return 4.0 * e / ((1.0 + e) * (1.0 + e))


def _sigmoid_partial(a, r):
    e = math.exp(-abs(a))
    return e / ((1.0 + e) * (1.0 + e))


def _atan_partial(a, r):
    if abs(a) < 1e8:
        return 1.0 / (1.0 + a * a)
    return (1.0 / a) / a  # the one is lost in a * a, which may overflow


def _silu_partial(a, r):
    if math.isinf(a):
        return 1.0 if a > 0.0 else 0.0
    return _sigmoid(a) * (1.0 + a * _sigmoid(-a))


def _gelu_partial(a, r):
    if math.isinf(a):
        return 1.0 if a > 0.0 else 0.0
    slope = a * ONE_OVER_SQRT_TWO_PI * math.exp(-0.5 * a * a)
    return 0.5 * math.erfc(-a * SQRT_HALF) + slope


def _acosh_partial(a, r):
    return divide(1.0, _c_sqrt(a - 1.0) * _c_sqrt(a + 1.0))


def _scaled_hypot(a, b):
    """``a``, ``b`` and their hypot, times a power of two that keeps all three normal numbers."""
    shift = -math.frexp(max(abs(a), abs(b)))[1]
    a, b = math.ldexp(a, shift), math.ldexp(b, shift)
    return a, b, _c_hypot(a, b), shift


def _hypot_partial(a, b, r):
    if r == 0.0:
        return 0.0
    if math.isinf(a):
        return math.copysign(SQRT_HALF if math.isinf(b) else 1.0, a)
    if math.isinf(b):
        return 0.0
    if 1e-290 < r < INF:
        return a / r
    if a != a or b != b:
        return NAN
    a, b, length, _ = _scaled_hypot(a, b)
    return a / length


def _atan2_partial(a, b):
    """``a / (a*a + b*b)``: for y if a is x, and for x, up to the sign, if a is y."""
    h = _c_hypot(a, b)
    if a != a or b != b or h == 0.0:
        return NAN
    if math.isinf(a) or math.isinf(b):
        return 0.0
    if 1e-290 < h < INF:
        return over_square(a, h)
    a, b, length, shift = _scaled_hypot(a, b)
    return _ldexp(a / length / length, shift)


def _ldexp(mantissa, exponent):
    try:
        return math.ldexp(mantissa, exponent)
    except OverflowError:
        return math.copysign(INF, mantissa)


def _share(first, second):
    """The share of the first operand: everything if it is the one chosen, half at a tie."""
    if first != first or second != second:
        return NAN
    return 0.5 if first == second else float(first < second)


# name: (forward from a, partial from a and the result r)
UNARY = {
    "abs": (abs, lambda a, r: _sign(a)),
    "exp": (math.exp, lambda a, r: r),
    "expm1": (math.expm1, lambda a, r: _c_exp(a)),
    "log": (math.log, lambda a, r: divide(1.0, a)),
    "log1p": (math.log1p, lambda a, r: divide(1.0, 1.0 + a)),
    "log2": (math.log2, lambda a, r: divide(LOG2_E, a)),
    "log10": (math.log10, lambda a, r: divide(LOG10_E, a)),
    "sqrt": (math.sqrt, lambda a, r: divide(0.5, abs(r))),
    "cbrt": (_c_cbrt, lambda a, r: divide(1.0, 3.0 * r * r)),
    "sin": (math.sin, lambda a, r: _c_cos(a)),
    "cos": (math.cos, lambda a, r: -_c_sin(a)),
    "tan": (math.tan, lambda a, r: 1.0 + r * r),
    "asin": (math.asin, lambda a, r: divide(1.0, _c_sqrt((1.0 - a) * (1.0 + a)))),
    "acos": (math.acos, lambda a, r: -divide(1.0, _c_sqrt((1.0 - a) * (1.0 + a)))),
    "atan": (math.atan, _atan_partial),
    "sinh": (math.sinh, lambda a, r: _c_cosh(a)),
    "cosh": (math.cosh, lambda a, r: _c_sinh(a)),
    "tanh": (math.tanh, _tanh_partial),
    "asinh": (math.asinh, lambda a, r: 1.0 / _c_hypot(1.0, a)),
    "acosh": (math.acosh, _acosh_partial),
    "atanh": (math.atanh, lambda a, r: divide(1.0, (1.0 - a) * (1.0 + a))),
    "erf": (math.erf, lambda a, r: TWO_OVER_SQRT_PI * math.exp(-a * a)),
    "erfc": (math.erfc, lambda a, r: -TWO_OVER_SQRT_PI * math.exp(-a * a)),
    "sigmoid": (_sigmoid, _sigmoid_partial),
    "relu": (lambda a: 0.0 if a < 0.0 else a, lambda a, r: float(r > 0.0)),
    "softplus": (_softplus, lambda a, r: _sigmoid(a)),
    "silu": (_silu, _silu_partial),
    "gelu": (_gelu, _gelu_partial),
    "sign": (_sign, lambda a, r: 0.0),
    "floor": (_c_floor, lambda a, r: 0.0),
    "ceil": (_c_ceil, lambda a, r: 0.0),
}

# name: (forward from a and b, both partials from a, b and the result r)
BINARY = {
    "atan2": (math.atan2, lambda a, b, r: (_atan2_partial(b, a), -_atan2_partial(a, b))),
    "minimum": (_minimum, lambda a, b, r: (_share(a, b), _share(b, a))),
    "less": (lambda a, b: float(a < b), lambda a, b, r: (0.0, 0.0)),
    "less_equal": (lambda a, b: float(a <= b), lambda a, b, r: (0.0, 0.0)),
    "greater": (lambda a, b: float(a > b), lambda a, b, r: (0.0, 0.0)),
    "greater_equal": (lambda a, b: float(a >= b), lambda a, b, r: (0.0, 0.0)),
    "maximum": (_maximum, lambda a, b, r: (_share(b, a), _share(a, b))),
    "hypot": (_c_hypot, lambda a, b, r: (_hypot_partial(a, b, r), _hypot_partial(b, a, r))),
}
