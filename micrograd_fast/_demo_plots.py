"""The demo's diagrams, drawn by matplotlib without a display."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from ._demo_train import Training
from .plot import plot_decision_boundary, plot_loss

_ACCURACY_COLOURS = ("#2166ac", "#d6604d")


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
        plot_loss(training.losses, axes, xlabel=unit, ylabel=loss_name, label="loss")
        axes.set_title(f"{title}: {training.network!r}")
        axes.set_ylim(bottom=0.0)
        lines = axes.get_lines()
        if training.accuracies:
            right = axes.twinx()
            for (name, curve), colour in zip(training.accuracies.items(), _ACCURACY_COLOURS):
                label = f"{name} accuracy"
                plot_loss(curve, right, ylabel="accuracy, %", label=label, color=colour)
            right.grid(visible=False)  # the loss has one
            right.set_ylim(0, 103)
            lines = [*lines, *right.get_lines()]
        axes.legend(handles=lines, loc="center right")
    return figure


def decision_boundary(training: Training) -> Figure:
    """The score of the two moons' network over the plane, with the points it was trained on."""
    figure = Figure(figsize=(8, 6), dpi=110, layout="constrained")
    axes = figure.subplots()
    plot_decision_boundary(training.network, training.samples, training.targets, axes)
    axes.set_title(f"Two moons: {training.network!r}, accuracy {training.final['training']:.1f} %")
    return figure
