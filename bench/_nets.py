"""The nets of nets.py: the problems of workloads.py with fused nodes, and as torch tensors.

Each starts from the numbers of its original, and must have its loss and its gradients.
"""

import math
import random

from bench import workloads
from bench._contender import Unavailable
from bench.contenders import MicrogradFast, Torch


class Fused(MicrogradFast):
    """micrograd_fast with native layers, losses and optimisers."""

    label = "micrograd_fast, fused"

    def problem(self, make):
        """The same problem as `make` builds, made of fused nodes."""
        original = make(workloads)
        return {"TwoMoons": FusedTwoMoons, "CharGPT": FusedCharGPT}[type(original).__name__](
            original
        )

    def step(self, problem):
        loss = problem.forward()
        problem.optimizer.zero_grad()
        loss.backward()
        problem.optimizer.step()
        return loss.data


class FusedTwoMoons:
    def __init__(self, original):
        from micrograd_fast import nn, optim, set_data

        hidden = len(original.model.layers[0].neurons)
        self.points, self.labels = original.points, original.labels
        self.model = nn.MLP(2, [hidden, hidden, 1], "relu", "linear")
        # The same order: the weights of a neuron, then its bias.
        set_data(self.model.parameters(), original.parameters())
        self.optimizer = optim.SGD(self.model.parameters(), lr=original.learning_rate)

    def parameters(self):
        return self.model.parameters()

    def forward(self):
        from micrograd_fast import dot, hinge_loss

        scores = [self.model(x) for x in self.points]
        parameters = self.parameters()
        return hinge_loss(scores, self.labels) + 1e-4 * dot(parameters, parameters)


class FusedCharGPT:
    def __init__(self, original):
        from micrograd_fast import nn, optim, values

        self.tokens, self.heads = original.tokens, original.heads
        self.head_width = original.head_width
        self.state = {name: values(rows) for name, rows in original.state.items()}
        self.layers = {}
        for name, rows in self.state.items():
            if name not in ("wte", "wpe"):
                self.layers[name] = nn.Linear(len(rows[0]), len(rows), bias=False)
                self.layers[name].w = rows
        # The original has no gains: these stay 1 and are not among the parameters.
        self.norm = nn.RMSNorm(len(self.state["wte"][0]))
        self.optimizer = optim.SGD(self.parameters(), lr=original.learning_rate)

    def parameters(self):
        return [p for weights in self.state.values() for row in weights for p in row]

    def attention(self, x, keys, values):
        from micrograd_fast import dot, softmax

        q = self.layers["wq"](x)
        keys.append(self.layers["wk"](x))
        values.append(self.layers["wv"](x))
        scale, out = 1.0 / self.head_width**0.5, []
        for start in range(0, len(q), self.head_width):
            s = slice(start, start + self.head_width)
            qh = q[s]
            weights = softmax([dot(qh, k[s]) * scale for k in keys])
            out += [dot(weights, column) for column in zip(*(v[s] for v in values))]
        return self.layers["wo"](out)

    def logits(self, token, position, keys, values):
        layers, norm = self.layers, self.norm
        x = [t + p for t, p in zip(self.state["wte"][token], self.state["wpe"][position])]
        x = norm(x)
        x = [a + b for a, b in zip(x, self.attention(norm(x), keys, values))]
        hidden = [v.relu() for v in layers["fc1"](norm(x))]
        x = [a + b for a, b in zip(x, layers["fc2"](hidden))]
        return layers["head"](x)

    def forward(self):
        from micrograd_fast import cross_entropy, mean

        keys, values = [], []
        return mean(
            cross_entropy(self.logits(token, position, keys, values), self.tokens[position + 1])
            for position, token in enumerate(self.tokens[:-1])
        )


class TorchTensors(Torch):
    """The same nets as matrices: the honest other end, which scalars are not made for."""

    label = "torch tensors"

    def problem(self, make):
        original = make(workloads)
        kind = {"TwoMoons": TensorTwoMoons, "CharGPT": TensorCharGPT}[type(original).__name__]
        return kind(original, self.torch)

    def gradients(self, problem):
        return problem.gradients()


class TensorTwoMoons:
    def __init__(self, original, torch):
        self.torch, self.learning_rate = torch, original.learning_rate
        self.points = torch.tensor(original.points, dtype=torch.float64)
        self.labels = torch.tensor(original.labels, dtype=torch.float64)
        self.layers = []
        for layer in original.model.layers:
            w = torch.tensor([n.w for n in layer.neurons], dtype=torch.float64, requires_grad=True)
            b = torch.tensor([n.b for n in layer.neurons], dtype=torch.float64, requires_grad=True)
            self.layers.append((w, b))

    def parameters(self):
        return [p for layer in self.layers for p in layer]

    def gradients(self):
        found = []
        for w, b in self.layers:
            for row, bias in zip(w.grad.tolist(), b.grad.tolist()):
                found += [*row, bias]
        return found

    def forward(self):
        torch, x = self.torch, self.points
        for i, (w, b) in enumerate(self.layers):
            x = x @ w.T + b
            x = torch.relu(x) if i + 1 < len(self.layers) else x
        losses = torch.relu(1 - self.labels * x[:, 0])
        return losses.mean() + 1e-4 * sum((p * p).sum() for p in self.parameters())


class TensorCharGPT:
    def __init__(self, original, torch):
        self.torch, self.learning_rate = torch, original.learning_rate
        self.tokens = torch.tensor(original.tokens)
        self.heads, self.head_width = original.heads, original.head_width
        self.state = {
            name: torch.tensor(rows, dtype=torch.float64, requires_grad=True)
            for name, rows in original.state.items()
        }

    def parameters(self):
        return list(self.state.values())

    def gradients(self):
        return [g for p in self.parameters() for g in p.grad.flatten().tolist()]

    def forward(self):
        torch, state, n = self.torch, self.state, len(self.tokens) - 1

        def norm(x):
            return x * ((x * x).mean(-1, keepdim=True) + 1e-5) ** -0.5

        def heads(x):
            return x.view(n, self.heads, self.head_width).transpose(0, 1)

        x = norm(state["wte"][self.tokens[:-1]] + state["wpe"][:n])
        h = norm(x)
        q, k, v = (heads(h @ state[name].T) for name in ("wq", "wk", "wv"))
        scores = q @ k.transpose(1, 2) / math.sqrt(self.head_width)
        future = torch.ones(n, n, dtype=torch.bool).triu(1)
        weights = torch.softmax(scores.masked_fill(future, -math.inf), -1)
        x = x + (weights @ v).transpose(0, 1).reshape(n, -1) @ state["wo"].T
        x = x + torch.relu(norm(x) @ state["fc1"].T) @ state["fc2"].T
        return torch.nn.functional.cross_entropy(x @ state["head"].T, self.tokens[1:])


def more_contenders():
    """The contenders that nets.py adds, and why others are missing."""
    present, missing = [Fused("fused")], []
    try:
        present.append(TorchTensors("torch_tensors"))
    except Unavailable as reason:
        missing.append(str(reason))
    return present, missing


class Dots:
    """The numbers of one dot product: w, x and b."""

    def __init__(self, Value, size):
        rng = random.Random(size)
        self.w = [Value(rng.uniform(-1.0, 1.0)) for _ in range(size)]
        self.x = [Value(rng.uniform(-1.0, 1.0)) for _ in range(size)]
        self.b = Value(0.5)

    def leaves(self):
        return [*self.w, *self.x, self.b]

    def by_operators(self):
        return sum((wi * xi for wi, xi in zip(self.w, self.x)), self.b)
