"""The test table: what each op of csrc/ops.def is, where it is defined, what happens at its edges.

One row per op. The mathematics is given once more, in mpmath and by the textbook, so that the
table is an oracle and no copy of the engine. A new op is one row there and one row here: a test
fails when the names differ, and every check over the ops finds the new one by itself.
The notation is explained in op_rows.py.
"""

from mpmath import mp, mpf
from op_rows import NUMBERS, Op

BELOW_ONE, ABOVE_ONE = NUMBERS["below1"], NUMBERS["above1"]
EXP_MAX = 709.782712893384  # the last argument at which exp is finite
SINH_MAX = 710.4758600739439

# Domains. Products of two numbers from LINE are finite.
LINE = ((-1e150, 1e150),)
WIDE = ((-1e300, 1e300),)
POSITIVE = ((NUMBERS["tiny"], NUMBERS["huge"]), (0.5, 2.0))
ANGLES = (*WIDE, (-1e4, 1e4), (-4.0, 4.0))
OPEN_UNIT = ((-BELOW_ONE, BELOW_ONE), (0.999, BELOW_ONE))
# Where random programs stay, so that no value or gradient grows beyond bounds.
NEAR = ((-20.0, 20.0),)
NOT_ZERO = ((-20.0, -0.05), (0.05, 20.0))
INSIDE = ((-0.95, 0.95),)
ANY = ((-1000.0, 1000.0),)
ANY_NOT_ZERO = ((-1000.0, -0.01), (0.01, 1000.0))
ANY_POSITIVE = ((0.05, 1000.0),)

POINTS = "+-0; +-tiny; +-normal; +-1e-9; +-huge"
NAN = "nan -> nan | nan\n"
WAVE = NAN + "+-inf -> ValueError"
LOGARITHM = NAN + "+-0; -tiny; -1; -inf -> ValueError \n inf -> inf | 0"


def unary(name, value, partial, spans, safe, **rest):
    return Op(name, value, (partial,), (spans,), (safe,), **rest)


def zero(*arguments):
    return mpf(0)


def one(*arguments):
    return mpf(1)


def logistic(x):
    return 1 / (1 + mp.exp(-x))


def erfc(x):
    return mp.erfc(x) if abs(x) < 1e6 else mpf(2 if x < 0 else 0)  # mpmath's overflows there


def normal_cdf(x):
    return erfc(-x / mp.sqrt(2)) / 2


def normal_density(x):
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def gauss(x):
    return 2 / mp.sqrt(mp.pi) * mp.exp(-x * x)


# One row stays one block of lines, which the formatter would spread over two screens.
# fmt: off
OPS = (
    Op("add", lambda a, b: a + b, (one, one), (LINE, LINE), (NEAR, NEAR),
       points="0 -0; tiny tiny; huge -huge; normal -tiny",
       edges="""huge huge; inf 1 -> inf | 1 1
                inf -inf; nan 1 -> nan | 1 1"""),
    Op("sub", lambda a, b: a - b, (one, lambda a, b: mpf(-1)), (LINE, LINE), (NEAR, NEAR),
       points="0 0; -0 0; tiny normal; huge huge",
       edges="""huge -huge -> inf | 1 -1
                inf inf; 1 nan -> nan | 1 -1"""),
    Op("mul", lambda a, b: a * b, (lambda a, b: b, lambda a, b: a), (LINE, LINE), (NEAR, NEAR),
       points="0 -3; tiny 0.5; tiny 0.25; normal below1; tiny huge",
       edges="""huge 2 -> inf | 2 huge
                0 inf -> nan | inf 0
                nan 2 -> nan | 2 nan"""),
    Op("div", lambda a, b: a / b, (lambda a, b: 1 / b, lambda a, b: -a / b**2),
       (LINE, LINE), (NEAR, NOT_ZERO),
       points="""0 3; tiny 3; 1 huge; huge huge; normal 0.7; normal normal; 1e-300 1e-200
                 tiny 1e-10; 3e-320 1e-5; -1e-310 1e-9""",
       edges="""1 0; 1 -0; 0 0; inf 0; nan 0 -> ZeroDivisionError
                1 tiny -> inf | inf -inf
                huge 0.5 -> inf | 2 -inf
                1 inf -> 0 | 0 -0
                inf 2 -> inf | 0.5 -inf
                inf inf -> nan | 0 nan
                1 nan -> nan | nan nan"""),
    Op("pow", mp.power,
       (lambda a, b: b * mp.power(a, b - 1), lambda a, b: mp.power(a, b) * mp.log(a)),
       (((1e-10, 1e10), (0.5, 2.0)), ((-30.0, 30.0),)), (((0.1, 5.0),), ((-3.0, 3.0),)),
       points="""1 0; 5 0; 2 1023; 2 -1074; huge 1; tiny 1; tiny 0.5; tiny -0.5; huge 0.5
                 1e-300 2; above1 1e15; 1e150 2; 7 2; 7 3; 7 -1; 7 0.5""",
       edges="""+-0 -1; 0 -0.5 -> ZeroDivisionError
                1e200 2; -1e200 3; 2 1024; 1e-200 -2 -> OverflowError
                -2 0.5; -8 1/3 -> ValueError
                -2 3 -> -8 | 12 nan
                -2 2 -> 4 | -4 nan
                -2 -3 -> -0.125 | -0.1875 nan
                -2 0 -> 1 | 0 nan
                -1e-200 2 -> 0 | -2e-200 nan
                inf 2 -> inf | inf inf
                inf -1 -> 0 | -0 0
                inf 0 -> 1 | 0 ?
                -inf 3 -> -inf | inf nan
                -inf 0.5 -> inf | ? nan
                2 inf -> inf | inf inf
                0 -inf -> inf | ? ?
                2 -inf -> 0 | ? 0
                1 inf -> 1 | inf 0
                nan 2 -> nan | nan nan
                nan 0 -> 1 | 0 nan
                1 nan -> 1 | nan ?
                2 nan; 0 nan -> nan | nan nan""",
       kinks="""0 0 -> 1 | 0 0
                0 0.5 -> 0 | inf 0
                0 1 -> 0 | 1 0
                0 2 -> 0 | 0 0
                -0 3 -> -0 | 0 0""",
       units=1100.0),
    unary("neg", lambda x: -x, lambda x: mpf(-1), WIDE, ANY, points=POINTS,
          edges="inf -> -inf | -1 \n nan -> nan | -1"),
    unary("abs", abs, mp.sign, WIDE, ANY, points="+-tiny; +-normal; +-huge",
          edges=NAN + "inf -> inf | 1 \n -inf -> inf | -1", kinks="+-0 -> 0 | 0"),
    unary("exp", mp.exp, mp.exp, ((-745.0, EXP_MAX), (-1.0, 1.0)), ((-5.0, 3.0),),
          points="+-0; +-tiny; 709.782712893384; -708.5; -744.9; -745.13; -746; -huge",
          edges=NAN + """709.7827128933841; 1000; huge -> OverflowError
                         inf -> inf | inf
                         -inf -> 0 | 0"""),
    unary("expm1", mp.expm1, mp.exp, ((-745.0, EXP_MAX), (-1.0, 1.0)), ((-5.0, 3.0),),
          points="+-0; +-tiny; +-normal; +-1e-17; 709.782712893384; -40; -700; -745; -huge",
          edges=NAN + """709.7827128933841; 1000; huge -> OverflowError
                         inf -> inf | inf
                         -inf -> -1 | 0"""),
    unary("log", mp.log, lambda x: 1 / x, POSITIVE, ANY_POSITIVE,
          points="tiny; 1e-308; normal; below1; 1; above1; huge", edges=LOGARITHM),
    unary("log1p", mp.log1p, lambda x: 1 / (1 + x), ((-0.999999, 1.0), (1.0, 1e300)),
          ((-0.9, 1000.0),),
          points="+-0; +-tiny; +-normal; +-1e-17; +-0.5; -below1; huge",
          edges=NAN + "-1; -1.5; -inf -> ValueError \n inf -> inf | 0"),
    unary("log2", lambda x: mp.log(x, 2), lambda x: 1 / (x * mp.log(2)), POSITIVE, ANY_POSITIVE,
          points="tiny; 1e-308; 4e-309; normal; below1; 1; above1; huge", edges=LOGARITHM),
    unary("log10", mp.log10, lambda x: 1 / (x * mp.log(10)), POSITIVE, ANY_POSITIVE,
          points="tiny; 1e-308; 4e-309; normal; below1; 1; above1; huge", edges=LOGARITHM),
    unary("sqrt", mp.sqrt, lambda x: 1 / (2 * mp.sqrt(x)), POSITIVE, ((0.01, 1000.0),),
          points="tiny; normal; below1; huge",
          edges=NAN + "-tiny; -1; -inf -> ValueError \n inf -> inf | 0",
          kinks="0 -> 0 | inf \n -0 -> -0 | inf"),
    unary("cbrt", lambda x: mp.sign(x) * mp.cbrt(abs(x)), lambda x: 1 / (3 * mp.cbrt(abs(x)) ** 2),
          WIDE, ANY_NOT_ZERO, points="+-tiny; +-normal; +-1; +-huge",
          edges=NAN + "inf -> inf | 0 \n -inf -> -inf | 0",
          kinks="0 -> 0 | inf \n -0 -> -0 | inf"),
    unary("sin", mp.sin, mp.cos, ANGLES, ((-50.0, 50.0),),
          points=POINTS + "; +-pi; +-pi/2; +-1e22", edges=WAVE),
    unary("cos", mp.cos, lambda x: -mp.sin(x), ANGLES, ((-50.0, 50.0),),
          points=POINTS + "; +-pi; +-pi/2; +-1e22", edges=WAVE),
    unary("tan", mp.tan, lambda x: mp.sec(x) ** 2, ANGLES, ((-1.3, 1.3),),
          points=POINTS + "; +-pi; +-pi/2; +-1e22", edges=WAVE),
    unary("asin", mp.asin, lambda x: 1 / mp.sqrt(1 - x * x), OPEN_UNIT, INSIDE,
          points="+-0; +-tiny; +-1e-9; +-0.5; +-below1",
          edges=NAN + """+-above1; -2; +-inf -> ValueError
                         1 -> pi/2 | inf
                         -1 -> -pi/2 | inf"""),
    unary("acos", mp.acos, lambda x: -1 / mp.sqrt(1 - x * x), OPEN_UNIT, INSIDE,
          points="+-0; +-tiny; +-1e-9; +-0.5; +-below1",
          edges=NAN + """+-above1; -2; +-inf -> ValueError
                         1 -> 0 | -inf
                         -1 -> pi | -inf"""),
    unary("atan", mp.atan, lambda x: 1 / (1 + x * x), (*WIDE, (-5.0, 5.0)), ANY,
          points=POINTS + "; +-1; +-9.9e7; +-1.01e8; +-1e154; +-1e155",
          edges=NAN + "inf -> pi/2 | 0 \n -inf -> -pi/2 | 0"),
    Op("atan2", mp.atan2, (lambda y, x: x / (x * x + y * y), lambda y, x: -y / (x * x + y * y)),
       (LINE, LINE), (((0.01, 1000.0),), ANY_NOT_ZERO),
       points="""0 1; 1 0; tiny 1; 1 tiny; normal normal; 1e300 -1e-300; -3 -4
                 tiny 1e-10; 1e-317 1e-312; huge huge; 1.5e308 -1.2e308""",
       edges="""-1 -0 -> -pi/2 | -0 1
                0 -1 -> pi | -1 -0
                0 0 -> 0 | nan nan
                0 -0 -> pi | nan nan
                tiny tiny -> pi/4 | inf -inf
                1 inf -> 0 | 0 0
                1 -inf -> pi | 0 0
                -inf 1 -> -pi/2 | 0 0
                inf inf -> pi/4 | 0 0
                nan 1; 1 nan -> nan | nan nan"""),
    unary("sinh", mp.sinh, mp.cosh, ((-SINH_MAX, SINH_MAX), (-2.0, 2.0)), ((-5.0, 5.0),),
          points="+-0; +-tiny; +-normal; +-1e-9; +-40; +-710.4758600739439",
          edges=NAN + """+-710.475860073944; +-huge -> OverflowError
                         inf -> inf | inf
                         -inf -> -inf | inf"""),
    unary("cosh", mp.cosh, mp.sinh, ((-SINH_MAX, SINH_MAX), (-2.0, 2.0)), ((-5.0, 5.0),),
          points="+-0; +-tiny; +-normal; +-1e-9; +-40; +-710.4758600739439",
          edges=NAN + """+-710.475860073944; +-huge -> OverflowError
                         inf -> inf | inf
                         -inf -> inf | -inf"""),
    unary("tanh", mp.tanh, lambda x: mp.sech(x) ** 2, ((-400.0, 400.0), (-4.0, 4.0)), NEAR,
          points=POINTS + "; +-2.99; +-3; +-19; +-20; +-354.9; +-370; +-372.5",
          edges=NAN + "inf -> 1 | 0 \n -inf -> -1 | 0"),
    unary("asinh", mp.asinh, lambda x: 1 / mp.sqrt(1 + x * x), (*WIDE, (-4.0, 4.0)), ANY,
          points=POINTS + "; +-1e160", edges=NAN + "inf -> inf | 0 \n -inf -> -inf | 0"),
    unary("acosh", mp.acosh, lambda x: 1 / mp.sqrt(x * x - 1), ((ABOVE_ONE, 1.5), (1.5, 1e300)),
          ((1.05, 1000.0),),
          points="above1; 1.000000001; 1e160; huge",
          edges=NAN + "below1; +-0; -2; -inf -> ValueError \n inf -> inf | 0 \n 1 -> 0 | inf"),
    unary("atanh", mp.atanh, lambda x: 1 / (1 - x * x), OPEN_UNIT, INSIDE,
          points="+-0; +-tiny; +-normal; +-1e-9; +-below1",
          edges=NAN + "+-1; +-above1; +-inf -> ValueError"),
    unary("erf", mp.erf, gauss, ((-28.0, 28.0), (-3.0, 3.0)), ((-4.0, 4.0),),
          points=POINTS + "; +-5.9; +-6; +-26.6; +-27.2; +-28",
          edges=NAN + "inf -> 1 | 0 \n -inf -> -1 | 0"),
    unary("erfc", erfc, lambda x: -gauss(x), ((-28.0, 27.2), (-3.0, 3.0)), ((-4.0, 4.0),),
          points=POINTS + "; +-26.5; +-27.2; +-28",
          edges=NAN + "inf -> 0 | -0 \n -inf -> 2 | -0"),
    unary("sigmoid", logistic, lambda x: logistic(x) * logistic(-x),
          ((-745.0, 745.0), (-4.0, 4.0)), ((-30.0, 30.0),),
          points=POINTS + "; +-36; +-40; +-709; +-710; +-745; +-800",
          edges=NAN + "inf -> 1 | 0 \n -inf -> 0 | 0"),
    unary("relu", lambda x: max(x, mpf(0)), lambda x: mpf(x > 0), WIDE, ANY,
          points="+-tiny; +-normal; +-huge",
          edges="nan -> nan | 0 \n inf -> inf | 1 \n -inf -> 0 | 0",
          kinks="0 -> 0 | 0 \n -0 -> -0 | 0"),
    unary("leaky_relu", lambda x: x if x > 0 else mpf(0.01) * x,
          lambda x: mpf(1) if x > 0 else mpf(0.01), WIDE, ANY,
          points="+-tiny; +-normal; +-huge",
          edges="nan -> nan | ? \n inf -> inf | 1 \n -inf -> -inf | 0.01",
          kinks="0 -> 0 | 0.01 \n -0 -> -0 | 0.01"),
    unary("softplus", lambda x: mp.log1p(mp.exp(x)), logistic, ((-745.0, 800.0), (-4.0, 4.0)),
          ((-30.0, 30.0),),
          points=POINTS + "; +-36; +-40; +-709; +-745; +-800",
          edges=NAN + "inf -> inf | 1 \n -inf -> 0 | 0"),
    unary("silu", lambda x: x * logistic(x), lambda x: logistic(x) * (1 + x * logistic(-x)),
          ((-745.0, 745.0), (-5.0, 5.0)), ((-30.0, 30.0),),
          points=POINTS + "; +-36; +-40; +-709; +-745; +-800; -1.2784645427610738",
          edges=NAN + "inf -> inf | 1 \n -inf -> -0 | 0",
          scale=lambda x: logistic(x) * (1 + abs(x) * logistic(-x)), units=800.0),
    unary("gelu", lambda x: x * normal_cdf(x), lambda x: normal_cdf(x) + x * normal_density(x),
          ((-38.0, 38.0), (-5.0, 5.0)), ((-6.0, 6.0),),
          points=POINTS + "; +-8; +-9; +-37.5; +-38.4; +-40; -0.7517915246935645",
          edges=NAN + "inf -> inf | 1 \n -inf -> -0 | 0",
          scale=lambda x: normal_cdf(x) + abs(x) * normal_density(x), units=64.0),
    Op("minimum", min, (lambda a, b: mpf(a < b), lambda a, b: mpf(b < a)), (WIDE, WIDE),
       (ANY, ANY), points="1 2; 2 1; tiny 0; -tiny -0; huge -huge",
       edges="""nan 1; 1 nan; inf nan; nan -inf -> nan | nan nan
                -inf 1 -> -inf | 1 0
                1 inf -> 1 | 1 0""",
       kinks="""3 3 -> 3 | 0.5 0.5
                0 -0 -> 0 | 0.5 0.5
                -0 0 -> -0 | 0.5 0.5
                inf inf -> inf | 0.5 0.5"""),
    Op("maximum", max, (lambda a, b: mpf(a > b), lambda a, b: mpf(b > a)), (WIDE, WIDE),
       (ANY, ANY), points="1 2; 2 1; tiny 0; -tiny -0; huge -huge",
       edges="""nan 1; 1 nan; inf nan; nan -inf -> nan | nan nan
                -inf 1 -> 1 | 0 1
                1 inf -> inf | 0 1""",
       kinks="""3 3 -> 3 | 0.5 0.5
                0 -0 -> 0 | 0.5 0.5
                -0 0 -> -0 | 0.5 0.5
                inf inf -> inf | 0.5 0.5"""),
    Op("less", lambda a, b: mpf(a < b), (zero, zero), (WIDE, WIDE), (ANY, ANY),
       points="1 2; 2 1; tiny 0; -tiny -0; huge -huge",
       edges="nan 1; 1 nan; nan nan -> 0 | 0 0", kinks="3 3; 0 -0; inf inf -> 0 | 0 0"),
    Op("less_equal", lambda a, b: mpf(a <= b), (zero, zero), (WIDE, WIDE), (ANY, ANY),
       points="1 2; 2 1; tiny 0; -tiny -0; huge -huge",
       edges="nan 1; 1 nan; nan nan -> 0 | 0 0", kinks="3 3; 0 -0; inf inf -> 1 | 0 0"),
    Op("greater", lambda a, b: mpf(a > b), (zero, zero), (WIDE, WIDE), (ANY, ANY),
       points="1 2; 2 1; tiny 0; -tiny -0; huge -huge",
       edges="nan 1; 1 nan; nan nan -> 0 | 0 0", kinks="3 3; 0 -0; inf inf -> 0 | 0 0"),
    Op("greater_equal", lambda a, b: mpf(a >= b), (zero, zero), (WIDE, WIDE), (ANY, ANY),
       points="1 2; 2 1; tiny 0; -tiny -0; huge -huge",
       edges="nan 1; 1 nan; nan nan -> 0 | 0 0", kinks="3 3; 0 -0; inf inf -> 1 | 0 0"),
    Op("where", lambda c, a, b: a if c != 0 else b,
       (zero, lambda c, a, b: mpf(c != 0), lambda c, a, b: mpf(c == 0)),
       (((-1.0, 1.0), (0.0, 0.0)), WIDE, WIDE), (((-1.0, 1.0), (0.0, 0.0)), ANY, ANY),
       points="0 1 2; -0 1 2; tiny 1 2; 1 tiny huge",
       edges="""nan 1 2; inf 1 2 -> 1 | 0 1 0
                1 nan 2 -> nan | 0 1 0
                1 2 nan -> 2 | 0 1 0
                0 inf -inf -> -inf | 0 0 1"""),
    Op("hypot", mp.hypot, (lambda a, b: a / mp.hypot(a, b), lambda a, b: b / mp.hypot(a, b)),
       (LINE, LINE), (((0.01, 1000.0),), ANY_NOT_ZERO),
       points="""3 4; 0 -2; tiny 1; 1e-200 1e200; huge 1; 1e308 -1e308; normal normal
                 tiny tiny; 3e-320 -4e-320""",
       edges="""huge huge -> inf | sqrt1/2 sqrt1/2
                inf 1 -> inf | 1 0
                -inf 1 -> inf | -1 0
                3 -inf -> inf | 0 -1
                inf nan; inf inf -> inf | ? ?
                nan 1 -> nan | nan nan""",
       kinks="0 0; -0 0 -> 0 | 0 0"),
    unary("sign", mp.sign, zero, WIDE, ANY, points="+-tiny; +-normal; +-huge",
          edges="nan -> nan | ? \n inf -> 1 | 0 \n -inf -> -1 | 0", kinks="+-0 -> 0 | 0"),
    unary("floor", mp.floor, zero, ((-1e6, 1e6), *WIDE), ANY,
          points="+-tiny; +-0.5; +-below1; +-4503599627370495.5; +-huge",
          edges="nan -> nan | ? \n inf -> inf | 0 \n -inf -> -inf | 0",
          kinks="0 -> 0 | 0 \n -0 -> -0 | 0 \n 2 -> 2 | 0 \n -2 -> -2 | 0"),
    unary("ceil", mp.ceil, zero, ((-1e6, 1e6), *WIDE), ANY,
          points="+-tiny; +-0.5; +-below1; +-4503599627370495.5; +-huge",
          edges="nan -> nan | ? \n inf -> inf | 0 \n -inf -> -inf | 0",
          kinks="0 -> 0 | 0 \n -0 -> -0 | 0 \n 2 -> 2 | 0 \n -2 -> -2 | 0"),
)
# fmt: on

BY_NAME = {op.name: op for op in OPS}
