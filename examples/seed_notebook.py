"""# How a network learns: slopes, a neuron, four points

micrograd's lesson, told on `micrograd_fast`: from a slope found by nudging to a trained network.
This lesson is there twice, as a script and as a notebook, with the same cells in both.
"""

# ruff: noqa: E402  (a lesson imports things where they come up)

# %%
STEPS, SEED = 20, 1337

# %% script
from itertools import count
from pathlib import Path

from _script import Parser

from micrograd_fast import draw_svg

parser = Parser(__doc__)
parser.add_argument("--pictures", metavar="DIR", help="write the graphs into this directory")
parser.add_steps(STEPS)
parser.add_seed(SEED)
options = parser.parse_args()
STEPS, SEED = options.steps, options.seed
numbers = count(1)


def display(value):
    """What a notebook has of its own; here the picture goes to --pictures."""
    if options.pictures is None:
        return
    path = Path(options.pictures, f"graph_{next(numbers)}.svg")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_svg(value).save(path)
    except (OSError, ImportError) as error:
        parser.error(f"cannot write {str(path)!r}: {getattr(error, 'strerror', error)}")
    print(f"wrote {path}")


# %% [markdown]
# ## A slope, by nudging
#
# The derivative of `f` at `x` tells how fast `f` moves when `x` does. It can be found without any
# calculus: nudge `x` a little, see how far `f` went, divide.


# %%
def f(x):
    return 3 * x**2 - 4 * x + 5


nudge = 1e-6
for x in (-2.0, 0.0, 2 / 3, 3.0):
    slope = (f(x + nudge) - f(x)) / nudge
    print(f"x = {x:+.3f}   f(x) = {f(x):+.3f}   slope = {slope:+.3f}")

# %% notebook
# import matplotlib.pyplot as plt
#
# inputs = [i / 4 for i in range(-20, 21)]
# curve = plt.plot(inputs, [f(x) for x in inputs])

# %% [markdown]
# Downhill left of 2/3, flat there, uphill after it. A function of several inputs has a slope for
# each of them, and each costs another evaluation. That is too dear for a network with millions of
# inputs.


# %%
def g(a, b, c):
    return a * b + c


inputs = {"a": 2.0, "b": -3.0, "c": 10.0}
for name in inputs:
    nudged = {**inputs, name: inputs[name] + nudge}
    print(f"slope in {name}: {(g(**nudged) - g(**inputs)) / nudge:+.3f}")

# %% [markdown]
# ## Numbers that remember
#
# A `Value` is a number that knows what it was computed from. Ordinary arithmetic on Values builds
# a graph behind the scenes.

# %%
from micrograd_fast import Value

a = Value(2.0, label="a")
b = Value(-3.0, label="b")
c = Value(10.0, label="c")
e = a * b
e.label = "e"
d = e + c
d.label = "d"
k = Value(-2.0, label="k")
L = d * k
L.label = "L"
print(L)
print(d._op, "made", d, "from", d._children)

# %% [markdown]
# `backward()` walks that graph from the end to the beginning. At each node the chain rule hands the
# slope on: to both sides of a `+` unchanged, to each side of a `*` times the other side. One walk
# finds the slope of `L` in everything that went into it.

# %%
L.backward()
for v in (a, b, c, e, d, k, L):
    print(f"{v.label}: data {v.data:+.1f}   grad {v.grad:+.1f}")
display(L)

# %% [markdown]
# Those slopes say how to change `L`: move every input a little the way its slope points, and `L`
# grows.

# %%
for v in (a, b, c, k):
    v.data += 0.01 * v.grad
print(f"L was {L.data:.4f} and is {((a * b + c) * k).data:.4f}")

# %% [markdown]
# ## A neuron
#
# A neuron weighs its inputs, adds a bias, and squashes the sum into the range from -1 to 1. The
# bias here makes the slopes come out round.

# %%
x1 = Value(2.0, label="x1")
x2 = Value(0.0, label="x2")
w1 = Value(-3.0, label="w1")
w2 = Value(1.0, label="w2")
b = Value(6.8813735870195432, label="b")
n = x1 * w1 + x2 * w2 + b
n.label = "n"
o = n.tanh()
o.label = "o"
o.backward()
neuron = (x1, w1, x2, w2, b)
for v in (*neuron, o):
    print(f"{v.label:2}  data {v.data:+.4f}   grad {v.grad:+.4f}")
display(o)

# %% [markdown]
# The weight `w2` has slope 0, because the input that it weighs is 0: moving it changes nothing.
#
# How large the pieces are is our choice. `tanh` can be one step of the chain rule, or several that
# everybody knows; the slopes are the same.

# %%
slopes = [v.grad for v in neuron]
for v in neuron:
    v.grad = 0.0
n = x1 * w1 + x2 * w2 + b
power = (2 * n).exp()
o = (power - 1) / (power + 1)
o.backward()
for v, slope in zip(neuron, slopes):
    print(f"{v.label:2}  grad {v.grad:+.4f}   with tanh {slope:+.4f}")
display(o)

# %% [markdown]
# ## A network
#
# A layer is a list of neurons that look at the same inputs; a multilayer perceptron is a list of
# layers, each looking at the one before. The package has them ready made. This one has three
# inputs, two layers of four neurons, and one neuron that gives the answer.

# %%
import random

from micrograd_fast.nn import MLP

random.seed(SEED)
network = MLP(3, [4, 4, 1])
print(network, "has", len(network.parameters()), "parameters")
print(f"an untrained answer: {network([2.0, 3.0, -1.0]).data:+.4f}")

# %% [markdown]
# ## Learning
#
# Four points, and the answer that we wish for at each. The loss says how far off the network is.
# Learning is the same three lines again and again: find the loss, find its slope in every
# parameter, move every parameter a little the other way.

# %%
xs = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
wished = [1.0, -1.0, -1.0, 1.0]
losses = []
for step in range(STEPS):
    answers = [network(x) for x in xs]
    loss = sum((answer - wish) ** 2 for answer, wish in zip(answers, wished))
    for p in network.parameters():
        p.grad = 0.0  # or the slopes of the last step would be added to
    loss.backward()
    for p in network.parameters():
        p.data -= 0.1 * p.grad
    losses.append(loss.data)
    print(f"step {step:2}   loss {loss.data:.6f}")

# %% notebook
# from micrograd_fast import plot_loss
#
# curve = plot_loss(losses)

# %% [markdown]
# The answers are near what we wished for. That is all there is to it: larger networks have more of
# the same.

# %%
for x, wish in zip(xs, wished):
    print(f"wished {wish:+.0f}   answered {network(x).data:+.3f}")
