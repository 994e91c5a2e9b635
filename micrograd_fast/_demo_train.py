"""The demo's three networks and how they are trained."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, TypeAlias

from .engine import Value
from .functional import dot, hinge_loss, mse_loss
from .nn import MLP

FOUR_POINTS_STEPS = 20
_BATCH = 32
_REPORT_EVERY = 10  # epochs

Samples: TypeAlias = list[list[float]]
Targets: TypeAlias = list[float]  # -1.0 or 1.0 a sample
# A Value of either engine: the speed comparison runs the loss on both.
Scalar: TypeAlias = Any


class Progress(Protocol):
    """What shows how far a training is: made from a name, a total and a unit, used by ``with``."""

    def __init__(self, name: str, total: int, unit: str) -> None: ...
    def __enter__(self) -> Progress: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def advance(self, line: str | None = None) -> None:
        """One unit further; ``line`` says how it went."""


@dataclass
class Training:
    """A trained network, its samples, and one entry a step (or epoch) in each curve."""

    network: MLP
    samples: Samples
    targets: Targets
    losses: list[float] = field(default_factory=list)
    # By the name of the samples, in percent: the curve, and the accuracy after the last step.
    accuracies: dict[str, list[float]] = field(default_factory=dict)
    final: dict[str, float] = field(default_factory=dict)


def _descend(parameters: list[Value], loss: Value, rate: float) -> None:
    """One step of gradient descent: gradients of ``loss``, then parameters moved against them."""
    for p in parameters:
        p.grad = 0.0
    loss.backward()
    for p in parameters:
        p.data -= rate * p.grad


def _accuracy(scores: list[Value], targets: Targets) -> float:
    """The percentage of ``scores`` whose sign is that of the target."""
    right = sum((score.data > 0) == (target > 0) for score, target in zip(scores, targets))
    return 100.0 * right / len(targets)


def train_four_points(seed: int, report: Callable[[str], None]) -> Training:
    """The seed's own example: four points, a squared error, 20 steps."""
    random.seed(seed)
    samples = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
    targets = [1.0, -1.0, -1.0, 1.0]
    training = Training(MLP(3, [4, 4, 1]), samples, targets)
    parameters = training.network.parameters()
    for step in range(1, FOUR_POINTS_STEPS + 1):
        outs = [training.network(x) for x in samples]
        loss: Any = sum((out - target) ** 2 for out, target in zip(outs, targets))
        _descend(parameters, loss, rate=0.1)
        training.losses.append(loss.data)
        report(f"step {step:2}  loss {loss.data:.6f}")
    outs = [training.network(x).data for x in samples]
    report("targets      " + "  ".join(f"{target:+.3f}" for target in targets))
    report("predictions  " + "  ".join(f"{out:+.3f}" for out in outs))
    return training


def _signs(classes: Any) -> Targets:
    """An array of the classes 0 and 1 as targets -1 and 1."""
    return [2.0 * c - 1.0 for c in classes.tolist()]


def moons(seed: int) -> tuple[Samples, Targets]:
    """100 points of two interleaved half circles: samples, and targets -1 and 1."""
    from sklearn.datasets import make_moons

    samples, classes = make_moons(n_samples=100, noise=0.1, random_state=seed)
    return samples.tolist(), _signs(classes)


def train_moons(seed: int, epochs: int, progress: type[Progress]) -> Training:
    """MLP 2-[16, 16, 1] on all the points in every step; ``progress`` shows how far it is."""
    samples, targets = moons(seed)
    random.seed(seed)
    training = Training(MLP(2, [16, 16, 1]), samples, targets)
    parameters = training.network.parameters()
    # One seed in fifteen would never learn: where 16 weights from -1 to 1 saturate the last tanh,
    # there is no slope to follow. So the last neuron starts small.
    for p in training.network.layers[-1].parameters():
        p.data *= 0.1
    curve = training.accuracies["training"] = []
    with progress("two moons", epochs, "step") as bar:
        for step in range(1, epochs + 1):
            scores = [training.network(x) for x in samples]
            loss = hinge_loss(scores, targets) + 1e-4 * dot(parameters, parameters)
            _descend(parameters, loss, rate=2.0 - 1.8 * (step - 1) / epochs)
            training.losses.append(loss.data)
            curve.append(_accuracy(scores, targets))
            bar.advance(f"step {step:3}  loss {loss.data:.4f}  accuracy {curve[-1]:5.1f} %")
    # Each entry of the curve was measured before its step moved the parameters.
    training.final["training"] = _accuracy([training.network(x) for x in samples], targets)
    return training


def _cancer(seed: int) -> tuple[Samples, Samples, Targets, Targets]:
    """Breast-cancer measurements, standardised: train and test samples, train and test targets."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    data = load_breast_cancer()
    train, test, train_classes, test_classes = train_test_split(
        data.data, data.target, test_size=0.25, stratify=data.target, random_state=seed
    )
    scaler = StandardScaler().fit(train)
    return (
        scaler.transform(train).tolist(),
        scaler.transform(test).tolist(),
        _signs(train_classes),
        _signs(test_classes),
    )


def train_cancer(seed: int, epochs: int, progress: type[Progress]) -> Training:
    """MLP 30-[8, 1] with a squared error, in shuffled minibatches."""
    train, test, train_targets, test_targets = _cancer(seed)
    random.seed(seed)
    training = Training(MLP(len(train[0]), [8, 1]), test, test_targets)
    network = training.network
    parameters = network.parameters()
    parts = {"training": (train, train_targets), "test": (test, test_targets)}
    training.accuracies = {name: [] for name in parts}
    order = list(range(len(train)))
    with progress("breast cancer", epochs, "epoch") as bar:
        for epoch in range(1, epochs + 1):
            random.shuffle(order)
            total = 0.0
            for start in range(0, len(order), _BATCH):
                batch = order[start : start + _BATCH]
                scores = [network(train[i]) for i in batch]
                loss = mse_loss(scores, [train_targets[i] for i in batch])
                _descend(parameters, loss, rate=0.1)
                total += loss.data * len(batch)
            training.losses.append(total / len(order))
            for name, (part, targets) in parts.items():
                accuracy = _accuracy([network(x) for x in part], targets)
                training.accuracies[name].append(accuracy)
                training.final[name] = accuracy
            if epoch % _REPORT_EVERY == 0 or epoch == epochs:
                figures = ", ".join(
                    f"{name} {value:.1f} %" for name, value in training.final.items()
                )
                line: str | None = (
                    f"epoch {epoch:3}  loss {training.losses[-1]:.4f}  accuracy {figures}"
                )
            else:
                line = None
            bar.advance(line)
    return training
