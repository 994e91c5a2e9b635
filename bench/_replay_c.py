"""What a person would write by hand: value and gradient in C, compiled to a shared library.

Every function has the signature of FUNCTION below. The derivatives are worked out on paper. Points
are stored one coordinate after the other, in blocks where there are many, so that a compiler which
may reorder sums uses the whole width of its vectors. The random DAG is straight-line code.
"""

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from bench._contender import Unavailable

FUNCTION = "double f(const double *x, const double *extra, const double *data, double *g)"
HEAD = "#include <math.h>\n#include <string.h>\n"

NET = """
static double a[H][P], b[H][P], da[H][P], db[H][P], score[P], ds[P];

/* x: (weights, bias) of each neuron; data: first coordinates, second coordinates, labels. */
FUNCTION {
    const double *px = data, *py = data + P, *label = data + 2 * P;
    const double *x1 = x, *x2 = x + 3 * H, *x3 = x2 + (H + 1) * H;
    double *g1 = g, *g2 = g + 3 * H, *g3 = g2 + (H + 1) * H;
    double loss = 0.0, squares = 0.0;
    for (int j = 0; j < H; j++) {
        const double *w = x1 + 3 * j;
        for (int p = 0; p < P; p++) {
            double s = w[2] + w[0] * px[p] + w[1] * py[p];
            a[j][p] = s > 0.0 ? s : 0.0;
        }
    }
    for (int j = 0; j < H; j++) {
        const double *w = x2 + (H + 1) * j;
        for (int p = 0; p < P; p++)
            b[j][p] = w[H];
        for (int i = 0; i < H; i++)
            for (int p = 0; p < P; p++)
                b[j][p] += w[i] * a[i][p];
        for (int p = 0; p < P; p++)
            b[j][p] = b[j][p] > 0.0 ? b[j][p] : 0.0;
    }
    for (int p = 0; p < P; p++)
        score[p] = x3[H];
    for (int i = 0; i < H; i++)
        for (int p = 0; p < P; p++)
            score[p] += x3[i] * b[i][p];
    for (int p = 0; p < P; p++) {
        double margin = 1.0 - label[p] * score[p];
        loss += margin > 0.0 ? margin : 0.0;
        ds[p] = margin > 0.0 ? -label[p] / P : 0.0;
    }
    for (int i = 0; i < N; i++) {
        squares += x[i] * x[i];
        g[i] = 2e-4 * x[i];
    }
    memset(da, 0, sizeof da);
    for (int p = 0; p < P; p++)
        g3[H] += ds[p];
    for (int i = 0; i < H; i++) {
        double sum = 0.0;
        for (int p = 0; p < P; p++) {
            sum += ds[p] * b[i][p];
            db[i][p] = b[i][p] > 0.0 ? ds[p] * x3[i] : 0.0;
        }
        g3[i] += sum;
    }
    for (int j = 0; j < H; j++) {
        double bias = 0.0;
        for (int p = 0; p < P; p++)
            bias += db[j][p];
        g2[(H + 1) * j + H] += bias;
        for (int i = 0; i < H; i++) {
            double sum = 0.0, w = x2[(H + 1) * j + i];
            for (int p = 0; p < P; p++) {
                sum += db[j][p] * a[i][p];
                da[i][p] += db[j][p] * w;
            }
            g2[(H + 1) * j + i] += sum;
        }
    }
    for (int j = 0; j < H; j++) {
        double sx = 0.0, sy = 0.0, sb = 0.0;
        for (int p = 0; p < P; p++) {
            double d = a[j][p] > 0.0 ? da[j][p] : 0.0;
            sx += d * px[p];
            sy += d * py[p];
            sb += d;
        }
        g1[3 * j] += sx;
        g1[3 * j + 1] += sy;
        g1[3 * j + 2] += sb;
    }
    return loss / P + 1e-4 * squares;
}
"""

MIXTURE = """
#define F (D * (D + 1) / 2)
#define B 100
static double off[D][B], q[K][D][B], part[K][B], top[B], all[B], slope[D][B];

/* data: first coordinates of all points, second coordinates, and so on. */
FUNCTION {
    const double *mean = x + K, *factor = x + K + K * D;
    double *gmean = g + K, *gfactor = g + K + K * D;
    double diagonal[K][D], constant[K], total = CONSTANT, highest = x[0], weights = 0.0;
    memset(g, 0, sizeof(double) * (K + K * D + K * F));
    for (int k = 0; k < K; k++) {
        constant[k] = x[k];
        for (int i = 0; i < D; i++) {
            constant[k] += factor[k * F + i];
            diagonal[k][i] = exp(factor[k * F + i]);
        }
    }
    for (int start = 0; start < N; start += B) {
        int n = N - start < B ? N - start : B;
        for (int k = 0; k < K; k++) {
            for (int i = 0; i < D; i++) {
                const double *point = data + i * N + start, centre = mean[k * D + i];
                const double *row = factor + k * F + D + i * (i - 1) / 2;
                for (int p = 0; p < n; p++) {
                    off[i][p] = point[p] - centre;
                    q[k][i][p] = diagonal[k][i] * off[i][p];
                }
                for (int j = 0; j < i; j++)
                    for (int p = 0; p < n; p++)
                        q[k][i][p] += row[j] * off[j][p];
            }
            for (int p = 0; p < n; p++)
                part[k][p] = constant[k];
            for (int i = 0; i < D; i++)
                for (int p = 0; p < n; p++)
                    part[k][p] -= 0.5 * q[k][i][p] * q[k][i][p];
        }
        for (int p = 0; p < n; p++) {
            top[p] = part[0][p];
            all[p] = 0.0;
        }
        for (int k = 1; k < K; k++)
            for (int p = 0; p < n; p++)
                top[p] = part[k][p] > top[p] ? part[k][p] : top[p];
        for (int k = 0; k < K; k++)
            for (int p = 0; p < n; p++) {
                part[k][p] = exp(part[k][p] - top[p]);
                all[p] += part[k][p];
            }
        for (int p = 0; p < n; p++)
            total += top[p] + log(all[p]);
        /* What follows weighs every point with its share in the component. */
        for (int k = 0; k < K; k++) {
            double sum = 0.0;
            for (int p = 0; p < n; p++) {
                part[k][p] /= all[p];
                sum += part[k][p];
            }
            g[k] += sum;
            for (int i = 0; i < D; i++) {
                const double *point = data + i * N + start, centre = mean[k * D + i];
                for (int p = 0; p < n; p++) {
                    off[i][p] = point[p] - centre;
                    slope[i][p] = 0.0;
                }
            }
            for (int i = 0; i < D; i++) {
                const double *row = factor + k * F + D + i * (i - 1) / 2;
                double *grow = gfactor + k * F + D + i * (i - 1) / 2, along = 0.0;
                for (int p = 0; p < n; p++) {
                    double weighted = part[k][p] * q[k][i][p];
                    q[k][i][p] = weighted;
                    along += weighted * off[i][p];
                    slope[i][p] += weighted * diagonal[k][i];
                }
                gfactor[k * F + i] += sum - along * diagonal[k][i];
                for (int j = 0; j < i; j++) {
                    double across = 0.0;
                    for (int p = 0; p < n; p++) {
                        across += q[k][i][p] * off[j][p];
                        slope[j][p] += q[k][i][p] * row[j];
                    }
                    grow[j] -= across;
                }
            }
            for (int i = 0; i < D; i++) {
                double moved = 0.0;
                for (int p = 0; p < n; p++)
                    moved += slope[i][p];
                gmean[k * D + i] += moved;
            }
        }
    }
    for (int k = 1; k < K; k++)
        highest = x[k] > highest ? x[k] : highest;
    for (int k = 0; k < K; k++)
        weights += exp(x[k] - highest);
    for (int k = 0; k < K; k++)
        g[k] -= N * exp(x[k] - highest) / weights;
    return total - N * (highest + log(weights));
}
"""

ASIAN = """
static double growth[S];

/* d price_t / d drift = t price_t, and d price_t / d scale = (z_1 + ... + z_t) price_t. */
FUNCTION {
    double spot = x[0], strike = x[1], rate = x[2], volatility = x[3], years = x[4];
    double dt = years / S, root = sqrt(dt), net = rate - 0.5 * volatility * volatility;
    double drift = net * dt, scale = volatility * root;
    double price = 1.0, sum = 0.0, by_drift = 0.0, by_scale = 0.0, walk = 0.0;
    for (int t = 0; t < S; t++)
        growth[t] = exp(drift + scale * extra[t]);
    for (int t = 0; t < S; t++) {
        price *= growth[t];
        walk += extra[t];
        sum += price;
        by_drift += (t + 1) * price;
        by_scale += walk * price;
    }
    double discount = exp(-rate * years), payoff = spot * sum / S - strike;
    if (!(payoff > 0.0)) {
        memset(g, 0, 5 * sizeof(double));
        return 0.0;
    }
    by_drift *= discount * spot / S;
    by_scale *= discount * spot / S;
    g[0] = discount * sum / S;
    g[1] = -discount;
    g[2] = by_drift * dt - years * discount * payoff;
    g[3] = by_scale * root - by_drift * volatility * dt;
    g[4] = by_drift * net / S + by_scale * 0.5 * volatility / (S * root) - rate * discount * payoff;
    return discount * payoff;
}
"""

ROSENBROCK = """
FUNCTION {
    double total = 0.0;
    memset(g, 0, N * sizeof(double));
    for (int i = 0; i + 1 < N; i++) {
        double off = x[i + 1] - x[i] * x[i], rest = 1.0 - x[i];
        total += 100.0 * off * off + rest * rest;
        g[i] -= 400.0 * off * x[i] + 2.0 * rest;
        g[i + 1] += 200.0 * off;
    }
    return total;
}
"""

SMALL = """
FUNCTION {
    double u = x[0], v = x[1], w = x[2];
    double a = u * v + w, b = u * w - v, c = a * b + 0.5 * u, below = 1.0 + v * v, d = c / below;
    double e = d - a * w, t = tanh(e), h = t * b + c * d;
    double dh = 2.0 * h, de = dh * b * (1.0 - t * t) - v, dd = dh * c + de;
    double dc = dh * d + dd / below, da = dc * b - de * w, db = dc * a + dh * t;
    g[0] = da * v + db * w + 0.5 * dc;
    g[1] = da * u - db - e - 2.0 * dd * d * v / below;
    g[2] = da + db * u - de * a;
    return h * h - e * v + 2.0;
}
"""

# Forward and backward text of an operation r of a and b, whose adjoints end in _.
STEPS = {
    "add": ("{a} + {b}", ["{a_} += {r_};", "{b_} += {r_};"]),
    "sub": ("{a} - {b}", ["{a_} += {r_};", "{b_} -= {r_};"]),
    "mul": ("{a} * {b}", ["{a_} += {r_} * {b};", "{b_} += {r_} * {a};"]),
    "scale": ("{a} * {c}", ["{a_} += {r_} * {c};"]),
    "div": ("{a} / {b}", ["{a_} += {r_} / {b};", "{b_} -= {r_} * {r} / {b};"]),
    "tanh": ("tanh({a})", ["{a_} += {r_} * (1.0 - {r} * {r});"]),
    "sin": ("sin({a})", ["{a_} += {r_} * cos({a});"]),
    "exp": ("exp({a})", ["{a_} += {r_} * {r};"]),
    "log": ("log({a})", ["{a_} += {r_} / {a};"]),
    "sqrt": ("sqrt({a})", ["{a_} += {r_} * 0.5 / {r};"]),
}


# Statements in one function of the DAG: compilers need more than linear time for long ones.
CHUNK = 50


def dag_text(program):
    """Straight-line code on static arrays: of thousands of locals no compiler makes anything."""
    count, pool = program.inputs, list(range(program.inputs))
    forward, backward = [], []
    for op, i, j, c in program.instructions:
        names = {"a": pool[i], "b": pool[j], "r": count}
        fields = {key: f"v[{place}]" for key, place in names.items()}
        fields |= {f"{key}_": f"d[{place}]" for key, place in names.items()}
        expression, adjoints = STEPS[op]
        forward.append(f"{fields['r']} = {expression.format(**fields, c=repr(c))};")
        backward.append(" ".join(adjoints).format(**fields, c=repr(c)))
        pool[i] = count
        count += 1
    backward.reverse()
    parts = [
        part[i : i + CHUNK] for part in (forward, backward) for i in range(0, len(part), CHUNK)
    ]
    functions = [
        f"static __attribute__((noinline)) void part{number}(void) {{\n" + "\n".join(part) + "\n}"
        for number, part in enumerate(parts)
    ]
    steps = [f"part{number}();" for number in range(len(parts))]
    # Those of the way back follow once the adjoints of the pool are there.
    steps.insert(len(parts) // 2, " ".join(f"d[{place}] = 1.0;" for place in pool))
    total = " + ".join(f"v[{place}]" for place in pool)
    body = [
        f"memcpy(v, x, {program.inputs} * sizeof *v);",
        "memset(d, 0, sizeof d);",
        *steps,
        f"memcpy(g, d, {program.inputs} * sizeof *g);",
        f"return {total};",
    ]
    arrays = f"static double v[{count}], d[{count}];"
    return "\n".join([arrays, *functions, f"{FUNCTION} {{", *body, "}", ""])


def source(program):
    """(C text, data) of a program; data goes to the function's third argument."""
    if program.name == "dag":
        return HEAD + dag_text(program), np.empty(0)
    if program.name == "net":
        macros = {"H": program.hidden, "P": len(program.data), "N": program.inputs}
        text, data = NET, np.concatenate([program.data.T.ravel(), program.labels])
    elif program.name.startswith("gmm"):
        macros = {"K": program.components, "D": program.dimension, "N": len(program.data)}
        macros["CONSTANT"] = repr(program.normalisation())
        text, data = MIXTURE, np.ascontiguousarray(program.data.T).ravel()
    elif program.name == "asian":
        macros, text, data = {"S": program.steps}, ASIAN, np.empty(0)
    elif program.name == "rosenbrock":
        macros, text, data = {"N": program.inputs}, ROSENBROCK, np.empty(0)
    else:
        macros, text, data = {}, SMALL, np.empty(0)
    defines = "".join(f"#define {name} {value}\n" for name, value in macros.items())
    return HEAD + defines + text.replace("FUNCTION", FUNCTION), data


def find_compiler():
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise Unavailable("hand-written C: no C compiler")
    return compiler


def compiler_version():
    command = [find_compiler(), "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[0]


def compile_file(path, library, flags, libraries=("-lm",)):
    command = [find_compiler(), *flags, "-shared", "-fPIC", "-o", library, path, *libraries]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the C compiler refused:\n{done.stderr}")


def build(text, flags, libraries):
    """The text as a loaded shared library, whose file need not be there any more."""
    with tempfile.TemporaryDirectory(prefix="bench_replay_") as directory:
        path, library = Path(directory, "f.c"), Path(directory, "f.so")
        path.write_text(text)
        compile_file(path, library, flags, libraries)
        return ctypes.CDLL(str(library))
