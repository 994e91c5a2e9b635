"""``python -m micrograd_fast demo``: its pictures, its numbers, and what it says when it cannot."""

import itertools
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zlib
from pathlib import Path

import pytest

import micrograd_fast
from micrograd_fast import _demo_speed
from micrograd_fast.__main__ import main

PICTURES = {
    f"{name}.{kind}"
    for name, kind in itertools.product(
        ("loss_curves", "decision_boundary", "seed_graph"), ("png", "svg")
    )
}
COMMAND = [sys.executable, "-m", "micrograd_fast", "demo"]


def png_size(data):
    """Width and height of a PNG whose every chunk has the right checksum."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    position, kinds = 8, []
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        chunk = data[position + 4 : position + 8 + length]
        checksum = data[position + 8 + length : position + 12 + length]
        assert zlib.crc32(chunk) == int.from_bytes(checksum, "big")
        kinds.append(chunk[:4])
        position += 12 + length
    assert kinds[0] == b"IHDR"
    assert kinds[-1] == b"IEND"
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def check_pictures(directory):
    assert {path.name for path in directory.iterdir()} == PICTURES
    for path in directory.iterdir():
        if path.suffix == ".png":
            width, height = png_size(path.read_bytes())
            assert width > 500
            assert height > 100
        else:
            root = ElementTree.fromstring(path.read_bytes())
            assert root.tag == "{http://www.w3.org/2000/svg}svg"
            assert len(list(root.iter())) > 50


@pytest.fixture
def quick(monkeypatch):
    """The speed comparison on fewer points and only once, for tests that are not about it."""
    compare = _demo_speed.compare

    def compare_once(seed, repetitions, collector):
        return compare(seed, 1, collector, points=6)

    monkeypatch.setattr(_demo_speed, "compare", compare_once)


@pytest.fixture
def no_dot(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))


def one_line(text):
    """``text``, seen to be one line."""
    assert text.endswith("\n")
    assert text.count("\n") == 1, text
    return text


def environment(**changes):
    """The environment of a child that imports the package from where this process did."""
    home = str(Path(micrograd_fast.__file__).parent.parent)
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **changes}


# The whole command.


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """What the command printed, and where its pictures are."""
    directory = tmp_path_factory.mktemp("demo")
    out = directory / "new" / "pictures"
    done = subprocess.run(
        [*COMMAND, "--epochs", "2", "--out", out, "--seed", "7"],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
        env=environment(PATH="", DISPLAY=""),
    )
    assert done.returncode == 0, done.stderr
    return done, out


def test_the_command_trains_draws_and_sums_up(finished):
    done, out = finished
    check_pictures(out)
    said = done.stdout
    losses = [float(loss) for loss in re.findall(r"^step +\d+  loss ([\d.]+)$", said, re.MULTILINE)]
    assert len(losses) == 20
    assert losses[-1] < losses[0]
    moons = r"^step +[12]  loss [\d.]+  accuracy +[\d.]+ %$"
    assert len(re.findall(moons, said, re.MULTILINE)) == 2
    assert re.search(
        r"^epoch +2  loss [\d.]+  accuracy training [\d.]+ %, test [\d.]+ %$", said, re.M
    )
    assert "two moons: 100%" in done.stderr
    assert "breast cancer: 100%" in done.stderr
    assert "65,177 operations" in said
    assert "agree to 9 digits" in said
    assert "NOT" not in said
    assert re.search(r"^speed +[\d.]+ million operations per second, plain Python", said, re.M)
    named = {line.strip() for line in said.splitlines() if line.startswith("  " + str(out))}
    assert named == {str(out / name) for name in PICTURES}


@pytest.mark.usefixtures("quick", "no_dot")
def test_the_same_seed_gives_the_same_run(tmp_path, capsys):
    outputs, pictures = [], []
    for name in ("a", "b"):
        assert main(["demo", "--epochs", "1", "--seed", "3", "--out", str(tmp_path / name)]) == 0
        said = capsys.readouterr().out.replace(str(tmp_path / name), "DIR")
        outputs.append(
            [line for line in said.splitlines() if re.match("(step|epoch|targ|pred)", line)]
        )
        pictures.append({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()})
    assert len(outputs[0]) == 20 + 2 + 1 + 1
    assert outputs[0] == outputs[1]
    assert pictures[0] == pictures[1]


def test_the_seed_graph_shows_every_value_of_the_seed(finished):
    _, out = finished
    svg = ElementTree.parse(out / "seed_graph.svg")
    texts = {text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert {"x1", "x2", "w1", "w2", "b", "x1*w1", "x2*w2", "x1*w1 + x2*w2", "n", "o"} <= texts
    assert {"data 0.7071", "grad -1.5000", "tanh", "+", "*"} <= texts


# What it refuses: one line, status 2.


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["dem"], "invalid choice: 'dem'"),
        (["demo", "--epoch", "3"], "unrecognized arguments: --epoch 3"),
        (["demo", "--nope\nnope"], "unrecognized arguments: --nope nope"),
        (["demo", "--epochs"], "argument --epochs: expected one argument"),
        (["demo", "--epochs", "-3"], "argument --epochs: -3 is not between 1 and"),
        (["demo", "--epochs", "0"], "argument --epochs: 0 is not between 1 and"),
        (["demo", "--epochs", "2.5"], "argument --epochs: '2.5' is not a whole number"),
        (["demo", "--epochs", "many"], "argument --epochs: 'many' is not a whole number"),
        (["demo", "--seed", "-1"], "argument --seed: -1 is not between 0 and 4294967295"),
        (["demo", "--seed", "4294967296"], "argument --seed: 4294967296 is not between 0 and"),
        (["demo", "--out", ""], "argument --out: the name of the directory is empty"),
    ],
)
def test_bad_options(arguments, complaint, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert complaint in one_line(said.err)


@pytest.mark.parametrize(
    ("out", "complaint"),
    [
        ("file", "it is not a directory"),
        ("file/below", "it is not a directory"),
        ("/proc/nothing/here", "No such file or directory"),
        ("/proc", "cannot write into"),  # is there, and takes no files, not even from root
        ("x" * 300, "File name too long"),
    ],
)
def test_a_directory_that_cannot_be_written(out, complaint, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["demo", "--out", str(tmp_path / out)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert complaint in one_line(said.err)
    assert str(tmp_path / out) in said.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission(tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert main(["demo", "--out", str(tmp_path)]) == 2
    assert "Permission denied" in one_line(capsys.readouterr().err)


@pytest.mark.usefixtures("quick", "no_dot")
def test_a_picture_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "loss_curves.svg").mkdir()
    assert main(["demo", "--epochs", "1", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "cannot write a picture into" in said
    assert "Is a directory" in said


@pytest.mark.parametrize("module", ["sklearn", "matplotlib", "tqdm", "graphviz"])
def test_a_missing_package_is_named_with_the_extra(module, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["demo", "--out", str(tmp_path / "out")]) == 2
    said = one_line(capsys.readouterr().err)
    name = {"sklearn": "scikit-learn"}.get(module, module)
    assert f"the demo needs {name}: pip install 'micrograd_fast[demo]'" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_dot")
def test_without_any_graphviz_the_package_that_brings_one_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    assert main(["demo", "--out", str(tmp_path / "out")]) == 2
    said = one_line(capsys.readouterr().err)
    assert "the demo needs pygraphviz: pip install 'micrograd_fast[demo]'" in said


@pytest.mark.usefixtures("quick")
def test_a_graphviz_that_fails_is_one_line(monkeypatch, tmp_path, capsys):
    broken = tmp_path / "dot"
    broken.write_text("#!/bin/sh\necho out of order >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    assert main(["demo", "--epochs", "1", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("python -m micrograd_fast demo: Graphviz could not draw the graph")
    assert said.endswith("out of order")


def test_help_explains(capsys):
    for arguments in (["--help"], ["demo", "--help"]):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    for word in ("--out DIR", "--seed N", "--epochs N", "default: 100", "micrograd_fast[demo]"):
        assert word in said


# How it ends early.


def started(tmp_path):
    return subprocess.Popen(
        [*COMMAND, "--epochs", "1000000", "--out", tmp_path / "out"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment(),
    )


def test_ctrl_c_is_one_line_and_status_130(tmp_path):
    with started(tmp_path) as process:
        for line in process.stdout:
            if line.startswith("2. Two moons"):
                break
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    *bars, last = errors.splitlines()
    assert last == "python -m micrograd_fast demo: interrupted"
    assert all(bar.startswith("two moons: ") for bar in bars)


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path):
    with started(tmp_path) as process:
        assert process.stdout.readline().startswith("micrograd_fast demo")
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert "Exception" not in errors
