"""plot_loss and plot_decision_boundary: what is drawn, and what is refused."""

import math
import random
import re
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from micrograd_fast import Value, nn, plot_decision_boundary, plot_loss

matplotlib.use("agg")


@pytest.fixture
def ax():
    return Figure(layout="constrained").subplots()


@pytest.fixture(autouse=True)
def no_figure_is_left_open():
    from matplotlib import pyplot

    yield
    pyplot.close("all")


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def colour(artist):
    return matplotlib.colors.to_hex(np.atleast_2d(artist.get_facecolor())[0])


def points_of(ax):
    """Label of a class -> its colour and its points."""
    return {
        dots.get_label(): (colour(dots), dots.get_offsets().tolist())
        for dots in ax.collections
        if dots.get_label().startswith("class")
    }


# Losses.


def test_a_curve_starts_at_step_1(ax):
    assert plot_loss([0.9, 0.5, 0.25], ax) is ax
    (line,) = ax.lines
    assert line.get_xdata().tolist() == [1, 2, 3]
    assert line.get_ydata().tolist() == [0.9, 0.5, 0.25]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "loss")
    assert ax.get_legend() is None


@pytest.mark.parametrize(
    "losses",
    [
        [Value(3.0), 2, np.float64(1.0)],
        (3.0, 2.0, 1.0),
        np.array([3.0, 2.0, 1.0]),
        iter([3, 2, 1]),
        np.array([Value(3.0), Value(2.0), Value(1.0)]),
    ],
    ids=["mixed", "tuple", "array", "iterator", "array of Values"],
)
def test_losses_of_every_kind(losses, ax):
    assert plot_loss(losses, ax).lines[0].get_ydata().tolist() == [3.0, 2.0, 1.0]


def test_several_curves_have_a_legend(ax):
    curves = {"training": [3.0, 2.0], "test": [3.5, 2.5, 2.0]}
    plot_loss(curves, ax, xlabel="epoch", ylabel="error", linestyle="--")
    assert [line.get_ydata().tolist() for line in ax.lines] == list(curves.values())
    assert [line.get_linestyle() for line in ax.lines] == ["--", "--"]
    assert len({line.get_color() for line in ax.lines}) == 2
    assert legend(ax) == ["training", "test"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "error")


def test_the_look_of_the_line_can_be_given(ax):
    plot_loss([1.0], ax, color="red", label="mine", marker="x")
    plot_loss([1.0], ax, c="blue")
    assert [line.get_color() for line in ax.lines] == ["red", "blue"]
    assert (ax.lines[0].get_label(), ax.lines[0].get_marker()) == ("mine", "x")


def test_only_few_points_are_marked_one_by_one(ax):
    plot_loss([1.0] * 29, ax)
    plot_loss([1.0] * 30, ax)
    assert [line.get_marker() for line in ax.lines] == ["o", "None"]


def test_losses_that_are_not_finite_leave_gaps(ax):
    plot_loss([1.0, math.inf, math.nan, 0.5], ax)
    ax.figure.canvas.draw()
    assert ax.get_ylim()[1] < 2


def test_no_losses_yet_is_an_empty_diagram(ax):
    assert plot_loss([], ax).lines[0].get_ydata().tolist() == []
    assert plot_loss({}, ax).get_legend() is None
    ax.figure.canvas.draw()


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        (Value(1.0), "plot_loss: losses must be a list, got Value"),
        (1.0, "plot_loss: losses must be a list, got float"),
        ("123", "plot_loss: losses must be a list, got str"),
        ([1.0, None], "plot_loss: losses[1] must be a Value or a number, got NoneType"),
        ([[1.0]], "plot_loss: losses[0] must be a Value or a number, got list"),
        (["0.5"], "plot_loss: losses[0] must be a Value or a number, got str"),
        ({"a": 1.0}, "plot_loss: losses['a'] must be a list, got float"),
        ({"a": [1.0, "x"]}, "plot_loss: losses['a'][1] must be a Value or a number, got str"),
    ],
)
def test_wrong_losses(losses, message, ax):
    with pytest.raises(TypeError, match=re.escape(message)):
        plot_loss(losses, ax)
    assert not ax.lines


# Decision boundaries.

CORNERS = [[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [1.0, 2.0]]


def boundary(ax):
    """The points of the black line."""
    lines = [
        c for c in ax.collections if len(c.get_edgecolor()) and c.get_linewidth().tolist() == [1.8]
    ]
    return np.concatenate([path.vertices for c in lines for path in c.get_paths()])


def test_the_line_lies_where_the_score_passes_0(ax):
    assert plot_decision_boundary(lambda p: p[0] - 0.25, CORNERS, [-1, 1, -1, 1], ax) is ax
    assert np.allclose(boundary(ax)[:, 0], 0.25)
    assert legend(ax) == ["decision boundary", "class -1", "class 1"]


def test_the_threshold_moves_the_line(ax):
    def model(p):
        return Value(4 * p[0]).sigmoid()

    plot_decision_boundary(model, CORNERS, [0, 1, 0, 1], ax, threshold=0.75)
    assert np.allclose(boundary(ax)[:, 0], math.log(3) / 4, atol=1e-3)


def test_points_stand_in_their_places_in_the_colour_of_their_side(ax):
    plot_decision_boundary(lambda p: p[0] - 0.5, CORNERS, [-1, 1, -1, 1], ax)
    shown = points_of(ax)
    assert shown["class -1"][1] == [[0.0, 0.0], [0.0, 2.0]]
    assert shown["class 1"][1] == [[1.0, 0.0], [1.0, 2.0]]
    figure_colours = shown["class -1"][0], shown["class 1"][0]
    # Red below the threshold, blue above it, as the plane is filled.
    assert figure_colours == ("#b2182b", "#2166ac")
    alone = Figure().subplots()
    plot_decision_boundary(lambda p: p[0], CORNERS, [1, 1, 1, 1], alone)
    assert points_of(alone)["class 1"][0] == "#2166ac"


def test_the_plane_around_the_points_is_filled(ax):
    asked = []
    plot_decision_boundary(
        lambda p: asked.append(p) or p[0], CORNERS, [0, 1, 0, 1], ax, resolution=4
    )
    assert len(asked) == 16
    assert all(type(p) is list and list(map(type, p)) == [float, float] for p in asked)
    assert np.allclose(ax.get_xlim(), (-0.15, 1.15))
    assert np.allclose(ax.get_ylim(), (-0.3, 2.3))
    assert np.allclose([asked[0], asked[-1]], [(-0.15, -0.3), (1.15, 2.3)])


def test_a_network_and_numpy_arrays(ax):
    random.seed(3)
    X = np.random.default_rng(0).normal(size=(30, 2))
    y = np.where(X[:, 0] > 0, 1, -1)
    plot_decision_boundary(nn.MLP(2, [4, 1]), X, y, ax, resolution=10)
    assert sum(len(points) for _, points in points_of(ax).values()) == 30


def test_targets_may_be_values(ax):
    plot_decision_boundary(lambda p: p[0], CORNERS, [Value(-1.0), 1, Value(-1.0), 1], ax)
    assert set(points_of(ax)) == {"class -1", "class 1"}


def test_the_greatest_of_several_scores_is_the_class(ax):
    def model(p):
        return [Value(0.0), p[0] - 0.5, p[1] - 1.0]

    plot_decision_boundary(model, CORNERS, [0, 1, 2, 2], ax, resolution=5)
    (image,) = ax.images
    xs, ys = (np.linspace(low, high, 5) for low, high in ((-0.15, 1.15), (-0.3, 2.3)))
    shown = points_of(ax)
    for i, y in enumerate(ys):
        for j, x in enumerate(xs):
            scores = [v.data if isinstance(v, Value) else v for v in model([x, y])]
            expected = shown[f"class {scores.index(max(scores))}"][0]
            assert matplotlib.colors.to_hex(image.get_array()[i, j]) == expected
    left, right, bottom, top = image.get_extent()
    assert np.allclose([left, right], [xs[0] - 0.1625, xs[-1] + 0.1625])
    assert np.allclose([bottom, top], [ys[0] - 0.325, ys[-1] + 0.325])


def test_a_list_of_one_score_is_a_score(ax):
    plot_decision_boundary(lambda p: [p[0] - 0.5], CORNERS, [-1, 1, -1, 1], ax)
    assert np.allclose(boundary(ax)[:, 0], 0.5)


@pytest.mark.parametrize(
    "score",
    [0.0, 1.0, -3.0, math.nan, math.inf, -math.inf, 1e300, 1e-300],
)
def test_a_score_that_is_the_same_everywhere_has_no_line(score, ax):
    plot_decision_boundary(lambda p: score, CORNERS, [-1, 1, -1, 1], ax, resolution=5)
    assert legend(ax) == ["class -1", "class 1"]
    ax.figure.canvas.draw()


def test_a_single_point(ax):
    plot_decision_boundary(lambda p: p[0], [[3.0, 3.0]], [1], ax, resolution=3)
    assert np.allclose(ax.get_xlim(), (2.5, 3.5))
    ax.figure.canvas.draw()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([[1.0]], [1]), ValueError, "points of 2 coordinates, X[0] has 1"),
        (([[1.0, 2.0], [1.0, 2.0, 3.0]], [1, 1]), ValueError, "X[1] has 3"),
        ((CORNERS, [1, 1, 1]), ValueError, "4 points in X, 3 labels in y"),
        (([], []), ValueError, "at least 1 point, X has 0"),
        ((3.0, [1]), TypeError, "X must be a list, got float"),
        (([1.0, 2.0], [1, 1]), TypeError, "X[0] must be a list, got float"),
        (([[1.0, "x"]], [1]), TypeError, "X[0][1] must be a Value or a number, got str"),
        ((CORNERS, 1), TypeError, "y must be a list, got int"),
        ((CORNERS, ["a"] * 4), TypeError, "y[0] must be a Value or a number, got str"),
        (([[1.0, math.nan]], [1]), ValueError, "X[0][1] must be finite, got nan"),
        (([[-math.inf, 1.0]], [1]), ValueError, "X[0][0] must be finite, got -inf"),
        ((CORNERS, [1, 1, math.nan, 1]), ValueError, "y[2] must be finite, got nan"),
    ],
)
def test_wrong_points(arguments, error, message, ax):
    with pytest.raises(error, match=re.escape(message)):
        plot_decision_boundary(lambda p: 0.0, *arguments, ax)


@pytest.mark.parametrize(
    ("model", "labels", "error", "message"),
    [
        (lambda p: "high", [1] * 4, TypeError, "output of the model must be a Value or a number"),
        (lambda p: None, [1] * 4, TypeError, "the model must be a Value or a number, got NoneType"),
        (lambda p: [], [1] * 4, ValueError, "the output of the model has 0 scores"),
        (lambda p: [1.0] * (2 + (p[0] > 0)), [1] * 4, ValueError, "has 2 or 3 scores"),
        (lambda p: [0.0, 1.0], [0, 1, 2, 1], ValueError, "2 scores, so a class is a whole number"),
        (lambda p: [0.0, 1.0], [0, 1, -1, 1], ValueError, "from 0 to 1, not -1"),
        (lambda p: [0.0, 1.0], [0, 1, 0.5, 1], ValueError, "from 0 to 1, not 0.5"),
    ],
)
def test_models_that_do_not_fit(model, labels, error, message, ax):
    with pytest.raises(error, match=re.escape(message)):
        plot_decision_boundary(model, CORNERS, labels, ax, resolution=4)


def test_a_resolution_that_is_no_grid(ax):
    with pytest.raises(ValueError, match="resolution must be at least 2, got 1"):
        plot_decision_boundary(lambda p: 0.0, CORNERS, [1] * 4, ax, resolution=1)
    with pytest.raises(TypeError, match="resolution must be an int, got float"):
        plot_decision_boundary(lambda p: 0.0, CORNERS, [1] * 4, ax, resolution=4.0)


def test_what_is_no_model_no_threshold_and_no_axes(ax):
    with pytest.raises(TypeError, match="a function of a list of two numbers, got list"):
        plot_decision_boundary([0.0], CORNERS, [1] * 4, ax)
    with pytest.raises(TypeError, match="threshold must be a Value or a number, got str"):
        plot_decision_boundary(lambda p: 0.0, CORNERS, [1] * 4, ax, threshold="0")
    with pytest.raises(ValueError, match="threshold must be finite, got inf"):
        plot_decision_boundary(lambda p: 0.0, CORNERS, [1] * 4, ax, threshold=math.inf)
    with pytest.raises(TypeError, match="plot_loss: ax must be the Axes of matplotlib, got int"):
        plot_loss([1.0], 3)


def test_the_scale_has_short_numbers_at_its_marks(ax):
    plot_decision_boundary(lambda p: 6.3 * p[0], CORNERS, [1, -1] * 2, ax, resolution=8)
    ax.figure.canvas.draw()
    (scale,) = [other for other in ax.figure.axes if other is not ax]
    marks = [mark.get_text() for mark in scale.get_yticklabels()]
    assert len(marks) == 5
    assert marks[2] == "0"
    assert max(map(len, marks)) <= 5


def test_an_error_of_the_model_comes_out_as_it_is(ax):
    with pytest.raises(ZeroDivisionError):
        plot_decision_boundary(lambda p: 1 / 0, CORNERS, [1] * 4, ax)


# Axes and packages.


def test_without_axes_each_diagram_gets_a_figure_of_its_own():
    one = plot_loss([1.0])
    other = plot_decision_boundary(lambda p: p[0], CORNERS, [0, 1, 0, 1], resolution=4)
    assert one.figure is not other.figure


def test_with_axes_no_window_system_is_touched():
    program = (
        "import sys\n"
        "from matplotlib.figure import Figure\n"
        "from micrograd_fast import plot_loss, plot_decision_boundary\n"
        "plot_loss([1.0], Figure().subplots())\n"
        "plot_decision_boundary(lambda p: p[0], [[0, 0], [1, 1]], [0, 1], Figure().subplots())\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_importing_the_package_does_not_import_matplotlib():
    program = "import sys, micrograd_fast.plot; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: plot_loss([1.0]),
        lambda: plot_decision_boundary(lambda p: p[0], CORNERS, [0, 1, 0, 1], resolution=2),
    ],
    ids=["plot_loss", "plot_decision_boundary"],
)
def test_without_matplotlib_the_extra_is_named(call, monkeypatch, request):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    name = request.node.callspec.id
    with pytest.raises(ImportError) as raised:
        call()
    assert str(raised.value) == f"{name} needs matplotlib: pip install micrograd_fast[plot]"
    assert raised.value.name == "matplotlib"
