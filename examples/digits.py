"""Handwritten digits: a small network reads 1,797 scanned digits of 8 by 8 pixels.

A multilayer perceptron 64-[32, 10] gives each of the ten digits a score; the cross entropy of the
scores is what it learns by, in shuffled minibatches, with Adam. A quarter of the scans is kept
back: the accuracy on those says whether it can read or has learned by heart. Needs scikit-learn,
for the scans.
"""

import random
from time import perf_counter

from _script import Parser, need, run, whole_number

from micrograd_fast import cross_entropy, mean
from micrograd_fast.nn import MLP
from micrograd_fast.optim import Adam

BATCH = 32
SHADES = " .:-=+*#%@"


def load(rng):
    """``(pixels, digit)`` of every scan, shuffled; a pixel is a number from 0 to 1."""
    scans = need("sklearn.datasets", "scikit-learn", "demo").load_digits()
    samples = list(zip((scans.data / 16.0).tolist(), scans.target.tolist()))
    rng.shuffle(samples)
    return samples


def best_guess(network, pixels):
    """The digit with the highest score."""
    scores = network(pixels)
    return max(range(10), key=lambda digit: scores[digit].data)


def accuracy(network, samples):
    """The share of samples that the network reads right."""
    right = sum(best_guess(network, pixels) == digit for pixels, digit in samples)
    return right / len(samples)


def train_epoch(network, optimizer, samples, rng):
    """One pass over the samples in an order of its own: the mean of its losses."""
    order = rng.sample(samples, len(samples))
    total = 0.0
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        loss = mean(cross_entropy(network(pixels), digit) for pixels, digit in batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.data * len(batch)
    return total / len(order)


def show(pixels):
    """A scan in letters."""
    for row in range(8):
        print("  " + "".join(2 * SHADES[int(9 * v)] for v in pixels[8 * row : 8 * row + 8]))


def main():
    parser = Parser(__doc__)
    parser.add_argument(
        "--epochs",
        type=whole_number(1, 10_000),
        default=15,
        metavar="N",
        help="passes over the training scans (default: %(default)s)",
    )
    parser.add_argument("--short", action="store_true", help="400 scans and 5 epochs, as in tests")
    parser.add_seed()
    options = parser.parse_args()

    rng = random.Random(options.seed)
    samples = load(rng)
    epochs = options.epochs
    if options.short:
        samples, epochs = samples[:400], min(epochs, 5)
    kept_back = len(samples) // 4
    test, training = samples[:kept_back], samples[kept_back:]
    parts = {"training": training, "test": test}
    network = MLP(
        64,
        [32, 10],
        activation="tanh",
        output_activation="linear",
        init="xavier",
        seed=options.seed,
    )
    optimizer = Adam(network.parameters(), lr=0.01)
    print(f"{network}: {len(network.parameters()):,} parameters, {len(training):,} scans")

    start = perf_counter()
    for epoch in range(1, epochs + 1):
        loss = train_epoch(network, optimizer, training, rng)
        print(f"epoch {epoch:2}  loss {loss:.4f}  test accuracy {accuracy(network, test):.1%}")
    print(f"{(perf_counter() - start) / epochs:.2f} s an epoch")
    shares = (f"{name} {accuracy(network, part):.1%}" for name, part in parts.items())
    print(f"accuracy: {', '.join(shares)}")
    wrong = [sample for sample in test if best_guess(network, sample[0]) != sample[1]]
    if wrong:
        pixels, digit = wrong[0]
        print(f"\nThis is a {digit}, read as {best_guess(network, pixels)}:")
        show(pixels)


if __name__ == "__main__":
    run(main)
