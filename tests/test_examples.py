"""The examples: each run as a user runs it, in a short mode, and what it found out is checked."""

import contextlib
import importlib
import importlib.util
import json
import math
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import micrograd_fast
from micrograd_fast._layout import available as layout_available

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
# Script: the options that make it short.
SHORT = {
    "black_scholes.py": ["--short"],
    "digits.py": ["--short"],
    "four_points.py": ["--steps", "20"],
    "gpt_fused.py": ["--steps", "20", "--invent", "3"],
    "gpt_operators.py": ["--steps", "20", "--invent", "3"],
    "mixture_fit.py": ["--points", "100"],
    "newton.py": [],
    "ode_fit.py": ["--steps", "100"],
    "robot_arm.py": [],
    "seed_notebook.py": ["--steps", "5"],
    "two_moons.py": ["--steps", "40"],
}
RANDOM = sorted(set(SHORT) - {"black_scholes.py", "newton.py", "robot_arm.py"})
GPTS = ["gpt_fused.py", "gpt_operators.py"]
EXTRAS = {"digits.py": "sklearn", "mixture_fit.py": "scipy"}


def environment(**changes):
    """The environment of a child that imports the package from where this process did."""
    home = str(Path(micrograd_fast.__file__).parent.parent)
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **changes}


@pytest.fixture
def run(tmp_path):
    """Runs an example in an empty directory: what it printed, or its one line of complaint."""

    def run(script, *options, status=0, **changes):
        done = subprocess.run(
            [sys.executable, "-W", "error", EXAMPLES / script, *map(str, options)],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env=environment(**changes),
        )
        assert done.returncode == status, done.stderr
        if status == 0:
            assert done.stderr == ""
            return done.stdout
        assert done.stderr.startswith(f"{script}: ")
        assert done.stderr.count("\n") == 1
        return done.stderr

    return run


@contextlib.contextmanager
def example(name):
    """The module of an example, its directory on the path as if it had been run from there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        before = set(sys.modules)
        yield importlib.import_module(name)
        for added in set(sys.modules) - before:
            if not added.startswith("micrograd_fast"):
                del sys.modules[added]


def short(run, script, *options, **changes):
    if script in EXTRAS:
        pytest.importorskip(EXTRAS[script])
    return run(script, *SHORT[script], *options, **changes)


def without_times(printed):
    return re.sub(r"^.*(ms a step|s an epoch)\n", "", printed, flags=re.MULTILINE)


def numbers(pattern, printed):
    """The numbers that stand where ``pattern`` has its only group."""
    found = [float(number) for number in re.findall(pattern, printed, re.MULTILINE)]
    assert found, printed
    return found


# All of them.


def test_every_script_is_here():
    scripts = {path.name for path in EXAMPLES.glob("*.py") if not path.name.startswith("_")}
    assert scripts == set(SHORT)


def test_the_readme_has_a_line_for_each():
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[`(\w+\.\w+)`\]\((\w+\.\w+)\) \|", text, re.MULTILINE)
    assert all(name == target for name, target in listed)
    assert sorted(name for name, _ in listed) == sorted([*SHORT, "seed_notebook.ipynb"])


@pytest.mark.parametrize("script", SHORT)
def test_help_is_the_docstring(script, run):
    with open(EXAMPLES / script, encoding="utf-8") as file:
        first_line = file.readline().strip().removeprefix('"""')
    assert first_line in run(script, "--help")


@pytest.mark.parametrize("script", SHORT)
def test_a_wrong_option_is_one_line(script, run):
    assert "unrecognized arguments: --stepz" in run(script, "--stepz", "3", status=2)


@pytest.mark.parametrize("script", sorted({*RANDOM, "newton.py"} - {"digits.py", "mixture_fit.py"}))
def test_wrong_steps_are_one_line(script, run):
    assert "argument --steps: 0 is not between 1 and" in run(script, "--steps", 0, status=2)
    assert "'many' is not a whole number" in run(script, "--steps", "many", status=2)


@pytest.mark.parametrize("script", RANDOM)
def test_the_seed_decides_everything(script, run):
    first, again = (without_times(short(run, script, "--seed", 5)) for _ in range(2))
    assert first == again
    assert without_times(short(run, script, "--seed", 6)) != first


# One by one.


def test_black_scholes_agrees_with_the_closed_forms(run):
    printed = short(run, "black_scholes.py")
    table = printed[printed.index("price ") :]
    rows = re.findall(r"^(\w+) +(\S+) +(\S+) +(\S+)$", table, re.MULTILINE)
    names = "price delta vega theta rho gamma vanna vomma".split()
    assert [name for name, *_ in rows] == names
    for _, *row in rows:
        found, closed, difference = map(float, row)
        assert abs(found - closed) < 1e-9
        assert difference < 1e-9


def test_black_scholes_greeks_are_the_textbooks():
    # Haug, Option Pricing Formulas: spot 60, strike 65, a quarter, 8 %, 30 %: the call is 2.1334.
    with example("black_scholes") as module:
        assert abs(module.greeks(60.0, 65.0, 0.08, 0.30, 0.25)["price"] - 2.1334) < 5e-5
        for numbers in (
            (100.0, 105.0, 0.03, 0.25, 0.75),
            (100.0, 100.0, 0.0, 0.2, 1.0),
            (42.0, 40.0, 0.1, 0.2, 0.5),
            (100.0, 140.0, -0.01, 0.4, 2.0),
            (100.0, 100.0, 0.05, 0.6, 10.0),
        ):
            exact = module.closed_forms(*numbers)
            for name, found in module.greeks(*numbers).items():
                assert abs(found - exact[name]) < 1e-9 * max(1.0, abs(exact[name])), name


def test_black_scholes_wrong_numbers(run):
    assert "0 is not greater than 0" in run("black_scholes.py", "--spot", 0, status=2)
    assert "nan is not finite" in run("black_scholes.py", "--rate", "nan", status=2)
    assert "too extreme" in run("black_scholes.py", "--volatility", "1e-320", status=2)


@pytest.mark.parametrize(
    ("function", "root"),
    [
        ("wallis", 2.0945514815423265),
        ("dottie", 0.7390851332151607),
        ("kepler", 1.8620866868745322),
        ("root2", math.sqrt(2.0)),
    ],
)
def test_newton_finds_the_root(function, root, run):
    printed = run("newton.py", "--function", function)
    [found] = numbers(r"^root  (\S+)$", printed)
    assert abs(found - root) < 1e-15 * 4
    # Quadratic: from the second step on, each residual is about the square of the one before.
    residuals = numbers(r"^ +\d+  \S+ +(\S+)  \S+$", printed)
    assert len(residuals) < 9
    assert residuals[3] < 10 * residuals[2] ** 2 < 1e-3


def test_newton_wrong_starts(run):
    assert "the tangent at x = 0 is flat" in run(
        "newton.py", "--function", "root2", "--start", 0, status=2
    )
    assert "cannot be computed" in run("newton.py", "--start", "1e200", status=2)
    assert "no root after 2 steps" in run("newton.py", "--steps", 2, status=2)
    assert "invalid choice: 'cube'" in run("newton.py", "--function", "cube", status=2)


def test_two_moons_draws_a_picture(run, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "moons.svg"
    assert f"wrote {path}\n" in run("two_moons.py", "--steps", 1, "--picture", path)
    assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    for wrong, reason in ((tmp_path, "Is a directory"), (tmp_path / "moons.doc", "not supported")):
        assert reason in run("two_moons.py", "--steps", 1, "--picture", wrong, status=2)


def fitted_parameters(printed):
    """The table at the end: true value, first guess and fitted value of the six parameters."""
    table = printed[printed.index("true   guess  fitted") :]
    rows = re.findall(r"^\w+ +(\S+) +(\S+) +(\S+)$", table, re.MULTILINE)
    assert len(rows) == 6
    return [tuple(map(float, row)) for row in rows]


def test_ode_fit_recovers_the_parameters(run):
    printed = run("ode_fit.py", "--noise", 0)
    for true, guess, fitted in fitted_parameters(printed):
        assert abs(fitted - true) < 0.01 * true
        assert abs(guess - true) > 0.15 * true
    misfits = numbers(r"^step +\d+  misfit (\S+)  ", printed)
    assert misfits[-1] < 1e-4 * misfits[0]


def test_ode_fit_comes_near_in_spite_of_noise(run):
    printed = short(run, "ode_fit.py", "--seed", 3)
    for true, _, fitted in fitted_parameters(printed):
        assert abs(fitted - true) < 0.1 * true
    # A fit that follows the noise is a little better than the truth.
    [truth] = numbers(r"^misfit of the true parameters  (\S+)$", printed)
    assert numbers(r"^step +\d+  misfit (\S+)  ", printed)[-1] < 1.05 * truth


def test_ode_fit_wrong_noise(run):
    assert "-1 is not between 0 and 1" in run("ode_fit.py", "--noise", -1, status=2)


def test_two_moons_are_told_apart(run):
    printed = short(run, "two_moons.py")
    losses = numbers(r"^step +\d+  loss (\S+)$", printed)
    assert losses[-1] < 0.2 * losses[0]
    assert numbers(r"^accuracy on these points  (\S+)%$", printed)[0] >= 97.0
    assert numbers(r"^accuracy on 1,000 others  (\S+)%$", printed)[0] >= 95.0
    # The map shows both kinds of points, and each answer somewhere.
    plane = printed[printed.index("others") :]
    assert all(plane.count(letter) > 5 for letter in "Ox. ")


def test_digits_are_read(run):
    printed = short(run, "digits.py")
    losses = numbers(r"^epoch +\d+  loss (\S+)  test accuracy \S+%$", printed)
    assert len(losses) == 5
    assert losses[-1] < 0.3 * losses[0]
    [(training, test)] = re.findall(r"^accuracy: training (\S+)%, test (\S+)%$", printed, re.M)
    assert float(training) >= 95.0
    assert float(test) >= 85.0


def test_digits_without_scikit_learn(run, tmp_path):
    (tmp_path / "sklearn.py").write_text("raise ImportError('not here')")
    path = os.pathsep.join([str(tmp_path), environment()["PYTHONPATH"]])
    said = run("digits.py", status=2, PYTHONPATH=path)
    assert said == "digits.py: needs scikit-learn: pip install 'micrograd_fast[demo]'\n"


# The GPT, twice.


@pytest.fixture
def names(tmp_path):
    """A file of a hundred names, whatever lies beside this checkout."""
    with example("_names") as module:
        path = tmp_path / "names.txt"
        path.write_text("\n".join(module.BUILT_IN), encoding="utf-8")
    return path


@pytest.mark.parametrize("script", GPTS)
def test_a_gpt_learns_to_spell(script, run, names):
    printed = run(script, "--names", names, "--steps", 100, "--invent", 5)
    losses = numbers(r"^step +\d+  mean loss (\S+)$", printed)
    [guess] = numbers(r"a guess costs (\S+)$", printed)
    assert len(losses) == 10
    assert guess * 1.1 > losses[0] > losses[-1]
    assert losses[-1] < guess - 0.5
    invented = printed[printed.index("invented:") :].split("\n")[1:-1]
    assert len(invented) == 5
    letters = set(names.read_text())
    for line in invented:
        assert line.startswith("  ")
        assert set(line[2:]) <= letters
        assert len(line[2:]) <= 16


@pytest.mark.parametrize("script", GPTS)
def test_a_gpt_takes_any_text(script, run, tmp_path):
    path = tmp_path / "any.txt"
    # Lines longer than the context, blank ones, letters of another script.
    path.write_text("αβγ αβγ αβγ αβγ αβγ αβγ αβγ\n\n  βα\r\nγ\n", encoding="utf-8")
    printed = run(script, "--names", path, "--steps", 3, "--invent", 2, "--temperature", 100)
    assert "3 names of 4 letters" in printed
    assert len(numbers(r"^step +\d+  mean loss (\S+)$", printed)) == 3


@pytest.mark.parametrize("script", GPTS)
def test_a_gpt_says_what_is_wrong_with_the_names(script, run, tmp_path):
    def said(path):
        return run(script, "--names", path, "--steps", 1, status=2)

    assert "No such file or directory" in said(tmp_path / "missing.txt")
    assert "Is a directory" in said(tmp_path)
    (tmp_path / "blank.txt").write_text("\n \n")
    assert "there are no names in" in said(tmp_path / "blank.txt")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    assert "not a text in UTF-8" in said(tmp_path / "bytes.txt")
    assert "-1 is not between" in run(script, "--temperature", "-1", status=2)


def test_the_names_beside_the_checkout_come_first(monkeypatch, tmp_path, capsys):
    with example("_names") as module:
        monkeypatch.setattr(module, "SHARED", tmp_path / "names.txt")
        built_in = module.load_names()
        assert len(built_in) > 100
        assert sorted(set(built_in)) == built_in
        said = capsys.readouterr().out
        assert (
            f"no shared/data/names.txt beside the checkout, so these are {len(built_in)} " in said
        )
        assert "--names FILE takes any other text" in said
        built_in.clear()
        assert len(module.load_names()) > 100
        (tmp_path / "names.txt").write_text("ida\nada\n")
        capsys.readouterr()
        assert module.load_names() == ["ida", "ada"]
        assert capsys.readouterr().out == ""


def relative(a, b):
    return abs(a - b) / max(abs(a), abs(b), 1e-300)


def test_both_gpts_are_the_same_model():
    with example("_names") as shared:
        operators, fused = map(importlib.import_module, ("gpt_operators", "gpt_fused"))
        vocabulary = shared.Vocabulary(shared.BUILT_IN)
        samples = [vocabulary.encode(name, 16) for name in shared.BUILT_IN]
        for shape in (shared.Shape(), shared.Shape(width=12, heads=2, layers=2, context=16)):
            models = [module.GPT(shape, vocabulary.size, 7) for module in (operators, fused)]
            one, two = (model.parameters() for model in models)
            assert len(one) == len(two)
            assert [p.data for p in one] == [p.data for p in two]

            # One loss and every gradient; then the losses of a training, Adam included.
            losses = [model.loss(samples[0]) for model in models]
            for loss in losses:
                loss.backward()
            assert relative(*(loss.data for loss in losses)) < 1e-12
            largest = max(abs(p.grad) for p in one)
            assert largest > 0.01
            for p, q in zip(one, two):
                assert abs(p.grad - q.grad) <= 1e-12 * max(abs(p.grad), 1e-3 * largest)

            trainings = [
                module.train(model, samples, 30)
                for module, model in zip((operators, fused), models)
            ]
            for first, second in zip(*trainings, strict=True):
                assert relative(first, second) < 1e-12
            # 30 steps of Adam have moved the weights, and moved them alike.
            assert max(relative(p.data, q.data) for p, q in zip(one, two)) < 1e-9


# The notebook.


def test_the_script_prints_what_the_notebook_shows(run):
    notebook = json.loads((EXAMPLES / "seed_notebook.ipynb").read_text(encoding="utf-8"))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    assert {output["output_type"] for output in outputs} == {"stream", "display_data"}
    shown = "".join(line for output in outputs for line in output.get("text", []))
    assert run("seed_notebook.py") == shown
    losses = numbers(r"^step +\d+   loss (\S+)$", shown)
    assert len(losses) == 20
    assert losses[-1] < 0.05 < losses[0]
    answers = re.findall(r"^wished (\S+)   answered (\S+)$", shown, re.MULTILINE)
    assert len(answers) == 4
    assert all(abs(float(wish) - float(answer)) < 0.2 for wish, answer in answers)
    # The seed's neuron: by tanh, and by its pieces.
    assert numbers(r"^\w+ +grad (\S+)   with tanh \S+$", shown) == [-1.5, 1.0, 0.5, 0.0, 0.5]
    assert numbers(r"^\w+ +grad \S+   with tanh (\S+)$", shown) == [-1.5, 1.0, 0.5, 0.0, 0.5]
    # Pictures: three graphs, and two curves.
    pictures = [output["data"] for output in outputs if output["output_type"] == "display_data"]
    graphs = [data for data in pictures if "image/svg+xml" in data]
    assert (len(graphs), len(pictures)) == (3, 5)
    for data in graphs:
        root = ElementTree.fromstring("".join(data["image/svg+xml"]))
        assert root.tag == "{http://www.w3.org/2000/svg}svg"


def test_the_script_writes_the_pictures(run, tmp_path):
    if not layout_available():
        pytest.skip("there is nothing here that lays graphs out")
    printed = run("seed_notebook.py", "--steps", 1, "--pictures", tmp_path / "new" / "pictures")
    assert printed.count("wrote ") == 3
    for number in (1, 2, 3):
        path = tmp_path / "new" / "pictures" / f"graph_{number}.svg"
        assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    (tmp_path / "file").touch()
    said = run("seed_notebook.py", "--pictures", tmp_path / "file", status=2)
    assert "graph_1.svg': File exists" in said


@pytest.fixture
def need_jupyter():
    for package in ("nbclient", "ipykernel", "matplotlib"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}")


@pytest.mark.usefixtures("need_jupyter")
def test_the_notebook_is_what_its_cells_give(run):
    assert run("_notebook.py", "--check") == ""


@pytest.mark.usefixtures("need_jupyter")
def test_a_notebook_that_lags_behind_is_noticed(tmp_path):
    copy = tmp_path / "examples"
    shutil.copytree(EXAMPLES, copy, ignore=shutil.ignore_patterns("__pycache__"))
    script = copy / "seed_notebook.py"
    script.write_text(
        script.read_text(encoding="utf-8").replace("x1 = Value(2.0", "x1 = Value(2.5")
    )
    done = subprocess.run(
        [sys.executable, copy / "_notebook.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert done.returncode == 1
    assert "seed_notebook.ipynb has" in done.stderr
    assert "x1 = Value(2.5" in done.stderr
