"""A GPT that learns to spell names, all of it in plain operations on single numbers.

Embeddings, RMSNorm, causal attention with several heads, a multilayer perceptron, cross entropy and
Adam: each is a few lines of +, *, exp on Values, and nothing else is used. A step trains on one
name. The model reads a letter at a time; the keys and values of the letters before are kept, so it
cannot look ahead. gpt_fused.py is the same model with a native call for each of those few lines.
"""

import math
from itertools import pairwise

from _names import initial_weights, main
from _script import run

from micrograd_fast import Value, exp, log


def add(a, b):
    return [x + y for x, y in zip(a, b)]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def linear(matrix, x):
    return [dot(row, x) for row in matrix]


def rms_norm(gains, x, eps=1e-5):
    """x at a mean square of 1, times the gains."""
    scale = (dot(x, x) / len(x) + eps) ** -0.5
    return [gain * (scale * v) for gain, v in zip(gains, x)]


def softmax(scores):
    # exp of a large score would overflow; all may be shifted alike.
    highest = max(score.data for score in scores)
    exps = [exp(score - highest) for score in scores]
    total = sum(exps)
    return [e / total for e in exps]


def cross_entropy(logits, target):
    """Minus the logarithm of the target's share in the softmax, its division written out."""
    highest = max(logit.data for logit in logits)
    return log(sum(exp(logit - highest) for logit in logits)) - (logits[target] - highest)


def wrap(numbers):
    """Numbers in lists of lists as Values in the same lists."""
    return Value(numbers) if isinstance(numbers, float) else [wrap(part) for part in numbers]


def flat(nest):
    """The Values in lists of lists as one list."""
    return [nest] if isinstance(nest, Value) else [v for part in nest for v in flat(part)]


class GPT:
    """Logits of the next token from a token and the memory of those before it."""

    def __init__(self, shape, vocabulary_size, seed):
        self.shape = shape
        weights = initial_weights(shape, vocabulary_size, seed)
        self.weights = {name: wrap(numbers) for name, numbers in weights.items()}

    def parameters(self):
        return flat(self.weights.values())

    def memory(self):
        """A new memory: each layer's keys and values, one of each a position, none yet."""
        return [([], []) for _ in range(self.shape.layers)]

    def __call__(self, token, memory):
        w = self.weights
        position = len(memory[0][0])
        x = add(w["tokens.w"][token], w["positions.w"][position])
        for layer, (keys, values) in enumerate(memory):
            block = f"blocks.{layer}."
            normed = rms_norm(w[block + "attention_norm.w"], x)
            query = linear(w[block + "query.w"], normed)
            keys.append(linear(w[block + "key.w"], normed))
            values.append(linear(w[block + "value.w"], normed))
            x = add(x, linear(w[block + "mix.w"], self.attention(query, keys, values)))
            normed = rms_norm(w[block + "mlp_norm.w"], x)
            hidden = [v.relu() for v in linear(w[block + "expand.w"], normed)]
            x = add(x, linear(w[block + "contract.w"], hidden))
        return linear(w["logits.w"], rms_norm(w["last_norm.w"], x))

    def attention(self, query, keys, values):
        """For each head: the values so far, weighted by how well their keys fit the query."""
        size = self.shape.width // self.shape.heads
        out = []
        for start in range(0, self.shape.width, size):
            part = slice(start, start + size)
            scores = [dot(query[part], key[part]) / math.sqrt(size) for key in keys]
            weights = softmax(scores)
            out += [dot(weights, column) for column in zip(*(value[part] for value in values))]
        return out

    def loss(self, tokens):
        """The mean cross entropy of each token after the first, given those before it."""
        memory = self.memory()
        losses = [
            cross_entropy(self(token, memory), following) for token, following in pairwise(tokens)
        ]
        return sum(losses) / len(losses)


def train(model, samples, steps, rate=0.01, betas=(0.9, 0.99), eps=1e-8):
    """Adam with a rate that falls linearly to 0: yields the loss of each step."""
    parameters = model.parameters()
    means, squares = [0.0] * len(parameters), [0.0] * len(parameters)
    for step in range(steps):
        loss = model.loss(samples[step % len(samples)])
        for p in parameters:
            p.grad = 0.0
        loss.backward()
        rate_now = rate * (1 - step / steps)
        correction1, correction2 = (1 - beta ** (step + 1) for beta in betas)
        for i, p in enumerate(parameters):
            means[i] = betas[0] * means[i] + (1 - betas[0]) * p.grad
            squares[i] = betas[1] * squares[i] + (1 - betas[1]) * p.grad**2
            mean, square = means[i] / correction1, squares[i] / correction2
            p.data -= rate_now * mean / (math.sqrt(square) + eps)
        yield loss.data


if __name__ == "__main__":
    run(lambda: main(__doc__, GPT, train))
