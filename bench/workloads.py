"""The programs that are timed, written as a user of micrograd writes them.

Every contender executes a copy of this file of its own (see contenders.load_workloads). The text
is therefore the same for all of them, while the bytecode that CPython specialises at run time is
not shared: a loop that has only ever seen floats stays a float loop, as in anybody's program.

As it stands the file computes with plain floats and without gradients. For the other contenders
the names in the first section are bound to their own.
"""

import math
import random
from itertools import repeat

# --- what differs between contenders -------------------------------------------------------------

Value = float


def relu(x):
    return x if x > 0.0 else 0.0


def exp(x):
    return math.exp(x)


def log(x):
    return math.log(x)


def data(x):
    return x


# --- loops over one operation --------------------------------------------------------------------
# The loop is the one that anybody writes, over a range. The result is bound to a local, so that the
# result before it is released on every pass.


def loop_mul(a, b, count):
    for _ in range(count):
        r = a * b
    return r


def loop_mul_number(a, count):
    for _ in range(count):
        r = a * 2.0
    return r


def loop_number_mul(a, count):
    for _ in range(count):
        r = 2.0 * a
    return r


def loop_nothing(a, count):
    for _ in range(count):
        r = a
    return r


def loop_relu(a, count):
    for _ in range(count):
        r = a.relu()
    return r


def loop_tanh(a, count):
    for _ in range(count):
        r = a.tanh()
    return r


def loop_tanh_function(a, tanh, count):
    for _ in range(count):
        r = tanh(a)
    return r


# --- the expression in micrograd's README --------------------------------------------------------


def readme_expression(a, b):
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + relu(b + a)
    d += 3 * d + relu(b - a)
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    return g


def loop_readme_floats(count):
    for _ in repeat(None, count):
        g = readme_expression(-4.0, 2.0)
    return g


def loop_readme(count):
    for _ in repeat(None, count):
        g = readme_expression(Value(-4.0), Value(2.0))
        g.backward()
    return g


# --- two moons, on neurons of the user's own -----------------------------------------------------


class Neuron:
    def __init__(self, nin, rng, nonlin):
        self.w = [Value(rng.uniform(-1.0, 1.0)) for _ in range(nin)]
        self.b = Value(0.0)
        self.nonlin = nonlin

    def __call__(self, x):
        act = sum((wi * xi for wi, xi in zip(self.w, x)), self.b)
        return relu(act) if self.nonlin else act

    def parameters(self):
        return [*self.w, self.b]


class Layer:
    def __init__(self, nin, nout, rng, nonlin):
        self.neurons = [Neuron(nin, rng, nonlin) for _ in range(nout)]

    def __call__(self, x):
        out = [n(x) for n in self.neurons]
        return out[0] if len(out) == 1 else out

    def parameters(self):
        return [p for n in self.neurons for p in n.parameters()]


class MLP:
    def __init__(self, nin, nouts, rng):
        sizes = [nin, *nouts]
        last = len(nouts) - 1
        self.layers = [
            Layer(sizes[i], sizes[i + 1], rng, nonlin=i != last) for i in range(len(nouts))
        ]

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

    def parameters(self):
        return [p for layer in self.layers for p in layer.parameters()]


def two_moons(count, rng):
    """Two interleaving half circles with noise, and their labels -1 and 1."""
    points, labels = [], []
    for i in range(count):
        t = math.pi * rng.random()
        upper = i % 2 == 0
        x = math.cos(t) if upper else 1.0 - math.cos(t)
        y = math.sin(t) if upper else 0.5 - math.sin(t)
        points.append([x + rng.gauss(0.0, 0.1), y + rng.gauss(0.0, 0.1)])
        labels.append(-1.0 if upper else 1.0)
    return points, labels


class TwoMoons:
    """The max-margin loss of a small MLP over a full batch, as in micrograd's demo."""

    learning_rate = 0.05

    def __init__(self, points, hidden):
        rng = random.Random(1337)
        self.points, self.labels = two_moons(points, rng)
        self.model = MLP(2, [hidden, hidden, 1], rng)

    def parameters(self):
        return self.model.parameters()

    def assign(self, values):
        """Put other objects in the parameters' places, for those that cannot be updated."""
        values = iter(values)
        for layer in self.model.layers:
            for neuron in layer.neurons:
                neuron.w = [next(values) for _ in neuron.w]
                neuron.b = next(values)

    def forward(self):
        scores = [self.model(x) for x in self.points]
        losses = [relu(1 + -yi * score) for yi, score in zip(self.labels, scores)]
        data_loss = sum(losses) * (1.0 / len(losses))
        reg_loss = 1e-4 * sum(p * p for p in self.parameters())
        return data_loss + reg_loss


# --- a character-level GPT -----------------------------------------------------------------------


def matrix(rows, columns, rng):
    return [[Value(rng.gauss(0.0, 0.08)) for _ in range(columns)] for _ in range(rows)]


def linear(x, weights):
    return [sum(wi * xi for wi, xi in zip(row, x)) for row in weights]


def softmax(logits):
    highest = max(data(v) for v in logits)
    exps = [exp(v - highest) for v in logits]
    total = sum(exps)
    return [e / total for e in exps]


def rmsnorm(x):
    mean_square = sum(xi * xi for xi in x) / len(x)
    scale = (mean_square + 1e-5) ** -0.5
    return [xi * scale for xi in x]


class CharGPT:
    """One transformer block over the letters of one name; the loss is its mean cross entropy.

    Token and position embeddings, RMSNorm, causal multi-head attention with cached keys and
    values, and a ReLU MLP of four times the width, both with residual connections.
    """

    learning_rate = 0.01
    letters = "abcdefghijklmnopqrstuvwxyz"

    def __init__(self, name, width, heads):
        rng = random.Random(42)
        boundary = len(self.letters)
        self.tokens = [boundary, *(self.letters.index(c) for c in name), boundary]
        self.heads = heads
        self.head_width = width // heads
        vocabulary = boundary + 1
        self.state = {
            "wte": matrix(vocabulary, width, rng),
            "wpe": matrix(len(self.tokens), width, rng),
            "wq": matrix(width, width, rng),
            "wk": matrix(width, width, rng),
            "wv": matrix(width, width, rng),
            "wo": matrix(width, width, rng),
            "fc1": matrix(4 * width, width, rng),
            "fc2": matrix(width, 4 * width, rng),
            "head": matrix(vocabulary, width, rng),
        }

    def parameters(self):
        return [p for weights in self.state.values() for row in weights for p in row]

    def assign(self, values):
        """Put other objects in the parameters' places, for those that cannot be updated."""
        values = iter(values)
        for weights in self.state.values():
            for row in weights:
                row[:] = [next(values) for _ in row]

    def attention(self, x, keys, values):
        q = linear(x, self.state["wq"])
        keys.append(linear(x, self.state["wk"]))
        values.append(linear(x, self.state["wv"]))
        out = []
        for h in range(self.heads):
            s = slice(h * self.head_width, (h + 1) * self.head_width)
            qh = q[s]
            scores = [sum(qi * ki for qi, ki in zip(qh, k[s])) / self.head_width**0.5 for k in keys]
            weights = softmax(scores)
            heads_values = [v[s] for v in values]
            out += [
                sum(w * v[j] for w, v in zip(weights, heads_values)) for j in range(self.head_width)
            ]
        return linear(out, self.state["wo"])

    def logits(self, token, position, keys, values):
        state = self.state
        x = [t + p for t, p in zip(state["wte"][token], state["wpe"][position])]
        x = rmsnorm(x)
        x = [a + b for a, b in zip(x, self.attention(rmsnorm(x), keys, values))]
        hidden = [relu(v) for v in linear(rmsnorm(x), state["fc1"])]
        x = [a + b for a, b in zip(x, linear(hidden, state["fc2"]))]
        return linear(x, state["head"])

    def forward(self):
        keys, values, losses = [], [], []
        for position in range(len(self.tokens) - 1):
            logits = self.logits(self.tokens[position], position, keys, values)
            losses.append(-log(softmax(logits)[self.tokens[position + 1]]))
        return sum(losses) * (1.0 / len(losses))


# --- bare graphs, for the sweep and for freeing --------------------------------------------------


class Chain:
    """A product of `length` steps: the deepest graph there is."""

    def __init__(self, length):
        self.length = length
        self.assign([Value(0.5), Value(1.0 + 1e-6)])

    def parameters(self):
        return [self.first, self.factor]

    def assign(self, values):
        self.first, self.factor = values

    def forward(self):
        v, factor = self.first, self.factor
        for _ in repeat(None, self.length):
            v = v * factor
        return v


def local_dag_program(length, pool_size):
    """Instructions of a random DAG, in which every node is reached from the root.

    An instruction (op, i, j, c) puts a result made of pool[i] and pool[j], or of pool[i] and the
    number c, in the place of pool[i]. So every value is used at least once, on average close to
    twice, and always soon after it was made. Operations are chosen so that the values and a tangent
    carried along stay between bounds: neither sweep meets an overflow or a denormal number, which
    processors treat differently.
    """
    rng = random.Random(2026)
    value = [rng.uniform(0.5, 1.5) for _ in range(pool_size)]
    tangent = [rng.choice((-1.0, 1.0)) for _ in range(pool_size)]
    program = []
    while len(program) < length:
        op = rng.randrange(4)
        i, j = rng.randrange(pool_size), rng.randrange(pool_size)
        a, b, da, db = value[i], value[j], tangent[i], tangent[j]
        # Drawn so that a product with it turns a large value back, and a small one.
        c = rng.uniform(0.3, 1.0) if max(abs(a), abs(da)) > 1.0 else rng.uniform(1.0, 2.0)
        if op == 0:
            v, dv = a + b, da + db
        elif op == 1:
            v, dv = a - b, da - db
        elif op == 2:
            v, dv = a * b, da * b + a * db
        else:
            v, dv = a * c, da * c
        if 0.1 < abs(v) < 10.0 and 0.1 < abs(dv) < 10.0:
            program.append((op, i, j, c))
            value[i], tangent[i] = v, dv
    return program


class LocalDag:
    """A random DAG whose operands lie near each other in creation order."""

    def __init__(self, program, pool_size):
        rng = random.Random(2026)
        self.program = program
        self.assign([Value(rng.uniform(0.5, 1.5)) for _ in range(pool_size)])

    def parameters(self):
        return self.leaves

    def assign(self, values):
        self.leaves = list(values)

    def forward(self):
        pool = list(self.leaves)
        for op, i, j, c in self.program:
            if op == 0:
                pool[i] = pool[i] + pool[j]
            elif op == 1:
                pool[i] = pool[i] - pool[j]
            elif op == 2:
                pool[i] = pool[i] * pool[j]
            else:
                pool[i] = pool[i] * c
        return sum(pool)


# --- one step of training ------------------------------------------------------------------------


def train_step(problem):
    """Forward, zero, backward, update: gradient descent as the seed notebook does it."""
    loss = problem.forward()
    for p in problem.parameters():
        p.grad = 0.0
    loss.backward()
    rate = problem.learning_rate
    for p in problem.parameters():
        p.data += -rate * p.grad
    return loss.data
