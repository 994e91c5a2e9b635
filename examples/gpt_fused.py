"""The GPT of gpt_operators.py with a native call for each of its few-line functions.

The model, the first weights and so the losses are the same; the arithmetic is a few large nodes
instead of many small ones. A layer is a module of nn, a weighted sum is one dot, and Adam is one
loop in C.
"""

import math
from itertools import pairwise

from _names import initial_weights, main
from _script import run

from micrograd_fast import cross_entropy, dot, mean, nn, softmax
from micrograd_fast.optim import Adam


def add(a, b):
    return [x + y for x, y in zip(a, b)]


class Block(nn.Module):
    """Attention to the letters so far, then a perceptron: each adds to what passes through."""

    def __init__(self, shape):
        width = shape.width
        self.heads = shape.heads
        self.attention_norm = nn.RMSNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.mix = nn.Linear(width, width, bias=False)
        self.mlp_norm = nn.RMSNorm(width)
        self.expand = nn.Linear(width, 4 * width, bias=False)
        self.contract = nn.Linear(4 * width, width, bias=False)

    def __call__(self, x, keys, values):
        normed = self.attention_norm(x)
        query = self.query(normed)
        keys.append(self.key(normed))
        values.append(self.value(normed))
        x = add(x, self.mix(self.attention(query, keys, values)))
        hidden = [v.relu() for v in self.expand(self.mlp_norm(x))]
        return add(x, self.contract(hidden))

    def attention(self, query, keys, values):
        """For each head: the values so far, weighted by how well their keys fit the query."""
        size = len(query) // self.heads
        out = []
        for start in range(0, len(query), size):
            part = slice(start, start + size)
            scores = [dot(query[part], key[part]) / math.sqrt(size) for key in keys]
            weights = softmax(scores)
            out += [dot(weights, column) for column in zip(*(value[part] for value in values))]
        return out


class GPT(nn.Module):
    """Logits of the next token from a token and the memory of those before it."""

    def __init__(self, shape, vocabulary_size, seed):
        self.tokens = nn.Embedding(vocabulary_size, shape.width)
        self.positions = nn.Embedding(shape.context, shape.width)
        self.blocks = [Block(shape) for _ in range(shape.layers)]
        self.last_norm = nn.RMSNorm(shape.width)
        self.logits = nn.Linear(shape.width, vocabulary_size, bias=False)
        self.load_state_dict(initial_weights(shape, vocabulary_size, seed))

    def memory(self):
        """A new memory: each block's keys and values, one of each a position, none yet."""
        return [([], []) for _ in self.blocks]

    def __call__(self, token, memory):
        position = len(memory[0][0])
        x = add(self.tokens(token), self.positions(position))
        for block, (keys, values) in zip(self.blocks, memory):
            x = block(x, keys, values)
        return self.logits(self.last_norm(x))

    def loss(self, tokens):
        """The mean cross entropy of each token after the first, given those before it."""
        memory = self.memory()
        return mean(
            cross_entropy(self(token, memory), following) for token, following in pairwise(tokens)
        )


def train(model, samples, steps, rate=0.01):
    """Adam with a rate that falls linearly to 0: yields the loss of each step."""
    optimizer = Adam(model.parameters(), lr=rate, betas=(0.9, 0.99))
    for step in range(steps):
        loss = model.loss(samples[step % len(samples)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.lr = rate * (1 - step / steps)
        optimizer.step()
        yield loss.data


if __name__ == "__main__":
    run(lambda: main(__doc__, GPT, train))
