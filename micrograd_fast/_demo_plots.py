"""The demo's diagrams, drawn by matplotlib without a display."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ._demo_train import Training

_LOSS = "#333333"
_CLASS_COLOURS = {-1.0: "#b2182b", 1.0: "#2166ac"}
_ACCURACY_COLOURS = ("#2166ac", "#d6604d")
_GRID = 80  # points a side at which the decision boundary's score is worked out
_FEW = 30  # a curve of fewer points shows each of them


def save(figure: Figure, path: Path) -> None:
    """Writes ``figure`` to ``path``; the same figure gives the same bytes."""
    with rc_context({"svg.hashsalt": "micrograd_fast"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def loss_curves(four_points: Training, two_moons: Training, cancer: Training) -> Figure:
    """One panel a network: its loss, and the accuracies it has."""
    figure = Figure(figsize=(15, 4.6), dpi=110, layout="constrained")
    figure.suptitle("micrograd_fast demo: loss and accuracy while training", fontsize=14)
    panels = figure.subplots(1, 3)
    rows = (
        (four_points, "Four points of the seed", "step", "squared error, summed"),
        (two_moons, "Two moons", "step", "max-margin loss + L2"),
        (cancer, "Breast cancer, real measurements", "epoch", "squared error, mean"),
    )
    for axes, (training, title, unit, loss_name) in zip(panels, rows):
        steps = range(1, len(training.losses) + 1)
        marker = "o" if len(steps) < _FEW else None
        axes.set_title(f"{title}: {training.network!r}")
        axes.set_xlabel(unit)
        axes.set_ylabel(loss_name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        lines = axes.plot(steps, training.losses, color=_LOSS, marker=marker, ms=4, label="loss")
        axes.set_ylim(bottom=0.0)
        if training.accuracies:
            right = axes.twinx()
            right.set_ylabel("accuracy, %")
            right.set_ylim(0, 103)
            for (name, curve), colour in zip(training.accuracies.items(), _ACCURACY_COLOURS):
                lines += right.plot(
                    steps, curve, color=colour, marker=marker, ms=4, label=f"{name} accuracy"
                )
        axes.legend(handles=lines, loc="center right")
    return figure


def decision_boundary(training: Training) -> Figure:
    """The score of the two moons' network over the plane, with the points it was trained on."""
    columns = list(zip(*training.samples))
    (left, right), (bottom, top) = ((min(c) - 0.5, max(c) + 0.5) for c in columns)
    xs = [left + (right - left) * i / (_GRID - 1) for i in range(_GRID)]
    ys = [bottom + (top - bottom) * i / (_GRID - 1) for i in range(_GRID)]
    scores = [[training.network([x, y]).data for x in xs] for y in ys]

    figure = Figure(figsize=(8, 6), dpi=110, layout="constrained")
    axes = figure.subplots()
    levels = [i / 10 for i in range(-10, 11)]
    filled = axes.contourf(xs, ys, scores, levels=levels, cmap="RdBu", alpha=0.75)
    figure.colorbar(filled, ax=axes, label="score of the network (its sign is the class)")
    if min(map(min, scores)) < 0.0 < max(map(max, scores)):
        axes.contour(xs, ys, scores, levels=[0.0], colors="black", linewidths=1.8)
        axes.plot([], [], color="black", linewidth=1.8, label="decision boundary")  # its legend
    for target, colour in _CLASS_COLOURS.items():
        points = [x for x, t in zip(training.samples, training.targets) if t == target]
        across, up = zip(*points)
        axes.scatter(
            across, up, s=46, color=colour, edgecolor="white", label=f"class {target:+.0f}"
        )
    axes.set_title(f"Two moons: {training.network!r}, accuracy {training.final['training']:.1f} %")
    axes.set_xlabel("x1")
    axes.set_ylabel("x2")
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.legend(loc="upper right")
    return figure
