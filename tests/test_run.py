"""``python -m micrograd_fast run SCRIPT``: only the engine differs from ``python SCRIPT``."""

import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import micrograd_fast
from micrograd_fast.__main__ import main

HOME = str(Path(micrograd_fast.__file__).parent.parent)
PLAIN = [sys.executable]
RUN = [sys.executable, "-m", "micrograd_fast", "run"]


def execute(command, folder, **options):
    paths = [HOME, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    for name in ("PYTHONSAFEPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"):
        environment.pop(name, None)
    environment.update(options.pop("variables", {}))
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, env=environment, **options
    )


def both(folder, *arguments, flags=(), **options):
    """What plain python and `run` do with the same script; sees that it is the same."""
    plain = execute([*PLAIN, *flags, *arguments], folder, **options)
    ours = execute([sys.executable, *flags, *RUN[1:], *arguments], folder, **options)
    assert ours.stdout == plain.stdout
    assert ours.stderr == plain.stderr
    assert ours.returncode == plain.returncode
    return ours


def write(folder, text, name="script.py"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


# Scripts for micrograd.

TRAINING = """
import random
from micrograd.engine import Value
from micrograd.nn import MLP

random.seed(1337)
model = MLP(3, [4, 4, 1])
print(model)
print("number of parameters", len(model.parameters()))
xs = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
ys = [1.0, -1.0, -1.0, 1.0]
for step in range(20):
    scores = [model(list(map(Value, x))) for x in xs]
    loss = sum((1 + -y * score).relu() for y, score in zip(ys, scores)) * (1.0 / len(xs))
    loss += 1e-4 * sum(p * p for p in model.parameters())
    model.zero_grad()
    loss.backward()
    for p in model.parameters():
        p.data -= 0.05 * p.grad
    right = sum((y > 0) == (score.data > 0) for y, score in zip(ys, scores))
    print(f"step {step} loss {loss.data:.9f}, accuracy {100.0 * right / len(xs)}%")
"""

README = """
from micrograd.engine import Value

a = Value(-4.0)
b = Value(2.0)
print(a, b, [a])
c = a + b
d = a * b + b**3
c += c + 1
c += 1 + c + (-a)
d += d * 2 + (b + a).relu()
d += 3 * d + (b - a).relu()
e = c - d
f = e**2
g = f / 2.0
g += 10.0 / f
print(f'{g.data:.4f}')
print(g)
g.backward()
print(f'{a.grad:.4f}')
print(f'{b.grad:.4f}')
"""


@pytest.mark.parametrize("text", [TRAINING, README], ids=["training", "README"])
def test_a_script_for_micrograd_prints_the_same_on_both_engines(text, tmp_path):
    write(tmp_path, text)
    assert both(tmp_path, "script.py").returncode == 0


def test_the_engine_is_ours(tmp_path):
    write(
        tmp_path,
        "import micrograd, micrograd.nn\n"
        "from micrograd import engine\n"
        "print(engine.Value, micrograd.nn.__name__)\n",
    )
    done = execute([*RUN, "script.py"], tmp_path)
    assert done.stdout == "<class 'micrograd_fast.Value'> micrograd_fast.micrograd.nn\n"
    assert done.stderr == ""


def test_a_copy_of_micrograd_beside_the_script_does_not_get_in_the_way(tmp_path):
    write(tmp_path, "raise SystemExit('the copy')", "micrograd/__init__.py")
    write(tmp_path, "import micrograd.engine; print(micrograd.engine.Value)")
    assert "micrograd_fast" in execute([*RUN, "script.py"], tmp_path).stdout


# What a script sees of how it was started.

SEEN = """
'''Its docstring.'''
import __main__, os, sys
names = sorted(vars(__main__))
print(sys.argv, __name__, __file__, __doc__, __package__, __spec__)
print([name for name in names if name not in ("os", "sys", "__main__")])
print(type(__builtins__), type(__loader__).__name__, __loader__.name, __loader__.path)
print(sys.path[0], sys.modules["__main__"] is __main__, __main__.__file__ == __file__)
print(os.getcwd(), vars(__main__) is globals())
answer: int = 42
print(getattr(__main__, "__annotations__", None) is not None)
"""


@pytest.mark.parametrize(
    ("where", "script"),
    [
        (".", "script.py"),
        (".", "./script.py"),
        (".", "sub/script.py"),
        ("sub", "../script.py"),
        ("sub", "../sub/./script.py"),
        (".", "link.py"),
        (".", "sub/link.py"),
        (".", "linked/script.py"),
        (".", "no_suffix"),
        (".", "ABSOLUTE"),
    ],
)
def test_a_script_finds_itself_as_under_python(where, script, tmp_path):
    for name in ("script.py", "sub/script.py", "no_suffix"):
        write(tmp_path, SEEN, name)
    (tmp_path / "link.py").symlink_to("sub/script.py")
    (tmp_path / "sub" / "link.py").symlink_to("../link.py")
    (tmp_path / "linked").symlink_to("sub")
    script = script.replace("ABSOLUTE", str(tmp_path / "sub" / "script.py"))
    done = both(tmp_path / where, script, "one", "--two", "3")
    assert done.returncode == 0
    assert "Its docstring." in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--help"],
        ["-h"],
        ["--seed=3", "-x", "-5"],
        ["--", "after"],
        ["run", "script.py"],
        ["", "two words", "ä"],
        ["--out", "x", "--", "-y"],
    ],
)
def test_every_argument_after_the_script_is_its_own(arguments, tmp_path):
    write(tmp_path, "import sys; print(sys.argv)")
    done = both(tmp_path, "script.py", *arguments)
    assert done.stdout == f"{['script.py', *arguments]}\n"


def test_modules_beside_the_script_are_found_and_those_in_the_current_directory_are_not(tmp_path):
    write(tmp_path, "import helper; print(helper.NAME)\nimport elsewhere", "sub/script.py")
    write(tmp_path, "NAME = 'beside'", "sub/helper.py")
    write(tmp_path, "NAME = 'current'", "helper.py")
    write(tmp_path, "", "elsewhere.py")
    done = both(tmp_path, "sub/script.py")
    assert done.stdout == "beside\n"
    assert "No module named 'elsewhere'" in done.stderr


@pytest.mark.skipif(sys.version_info < (3, 11), reason="-P came with Python 3.11")
def test_a_safe_path_stays_safe(tmp_path):
    write(tmp_path, "import sys; print(sys.path[0] != sys.path[1], len(sys.path))\nimport helper")
    write(tmp_path, "", "helper.py")
    done = both(tmp_path, "script.py", flags=["-P"])
    assert "No module named 'helper'" in done.stderr


def test_functions_and_classes_of_the_script_can_be_pickled(tmp_path):
    write(
        tmp_path,
        "import pickle\n"
        "class Point: pass\n"
        "def make(): return Point()\n"
        "assert pickle.loads(pickle.dumps(make))().__class__ is Point\n"
        "print(Point, Point.__module__)\n",
    )
    assert "__main__.Point" in both(tmp_path, "script.py").stdout


def test_source_in_another_encoding(tmp_path):
    (tmp_path / "script.py").write_bytes("# coding: latin-1\nprint(ascii('é'))\n".encode("latin-1"))
    assert both(tmp_path, "script.py").stdout == "'\\xe9'\n"
    (tmp_path / "script.py").write_bytes(b"\xef\xbb\xbfprint('a mark of the order of bytes')\n")
    assert both(tmp_path, "script.py").returncode == 0


def test_standard_input_is_the_script_s(tmp_path):
    write(tmp_path, "print(input('name? ').upper())")
    assert both(tmp_path, "script.py", input="ada\n").stdout == "name? ADA\n"


# How it ends.


@pytest.mark.parametrize(
    "text",
    [
        "1 / 0",
        "def inner():\n    raise KeyError('x')\ndef outer():\n    inner()\nouter()",
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError('y') from e",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    {}['z']",
        "raise ExceptionGroup('many', [ValueError(1), TypeError(2)])"
        if sys.version_info >= (3, 11)
        else "raise Exception('many')",
        "def f(:\n    pass",
        "print('x'",
        "  indented",
        "import helper",
        "import broken",
        "import nowhere",
        "exec('1/0')",
        "assert False, 'told you'",
        "from micrograd.engine import Value\nValue(2.0) + 'x'",
        "import threading\nt = threading.Thread(target=lambda: 1 / 0)\nt.start(); t.join()",
        "import sys\nsys.excepthook = lambda k, e, t: print('hook', k, t.tb_lineno)\n1 / 0",
        "import atexit\natexit.register(print, 'at exit')\n1 / 0",
        "import warnings\nwarnings.warn('beware', DeprecationWarning)",
        "class C:\n    def __del__(self): print('gone')\nc = C()",
    ],
)
def test_errors_are_shown_as_python_shows_them(text, tmp_path):
    write(tmp_path, text)
    write(tmp_path, "def f():\n    return 1 / 0\nf()", "helper.py")
    write(tmp_path, "def f(:", "broken.py")
    if "micrograd" not in text:
        both(tmp_path, "script.py")
        return
    # The engines have words of their own, but the frames above them are the script's.
    done = execute([*RUN, "script.py"], tmp_path)
    frames = re.findall(r'^  File "(.*)", line \d+, in', done.stderr, re.MULTILINE)
    assert frames == [str(tmp_path / "script.py")]
    assert done.returncode == 1


@pytest.mark.parametrize(
    "ending",
    [
        "sys.exit()",
        "sys.exit(0)",
        "sys.exit(3)",
        "sys.exit('a message')",
        "sys.exit(None)",
        "sys.exit(2.5)",
        "raise SystemExit(7)",
        "exit(4)",
        "import os; os._exit(5)",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        "import os; os.abort()",
    ],
)
def test_it_exits_as_python_exits(ending, tmp_path):
    write(tmp_path, f"import sys\nprint('before', flush=True)\n{ending}\nprint('after')")
    both(tmp_path, "script.py")


def test_output_is_buffered_as_python_buffers_it(tmp_path):
    write(tmp_path, "import os, sys\nprint(sys.stdout.line_buffering)\nos.write(1, b'first\\n')")
    assert both(tmp_path, "script.py").stdout == "first\nFalse\n"


def test_ctrl_c_is_python_s_own(tmp_path):
    write(tmp_path, "import time\nprint('ready', flush=True); time.sleep(60)")
    ends = []
    for command in (PLAIN, RUN):
        paths = [HOME, *filter(None, [os.environ.get("PYTHONPATH")])]
        with subprocess.Popen(
            [*command, "script.py"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=60)[1]
            # Which of the two calls it interrupts is a matter of luck, marked from Python 3.11 on.
            said = re.sub(r"^ *[~^]+ *\n", "", said, flags=re.MULTILINE)
            ends.append((said, process.returncode))
    assert ends[0] == ends[1]
    assert ends[1][1] == -signal.SIGINT
    assert ends[1][0].startswith("Traceback")


def test_a_reader_that_goes_away_is_python_s_own_affair(tmp_path):
    write(tmp_path, "for i in range(100_000): print(i)")
    ends = []
    for command in (PLAIN, RUN):
        paths = [HOME, *filter(None, [os.environ.get("PYTHONPATH")])]
        with subprocess.Popen(
            [*command, "script.py"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout.readline() == "0\n"
            process.stdout.close()
            ends.append((process.stderr.read(), process.wait(timeout=60)))
    assert ends[0] == ends[1]
    assert "BrokenPipeError" in ends[1][0]


# What it refuses: one line, status 2.


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("missing.py", r"can't open file '.*/missing\.py': No such file or directory"),
        ("folder", r"can't open file '.*/folder': Is a directory"),
        ("script.py/x", r"can't open file '.*/script\.py/x': Not a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_script_that_cannot_be_read(script, complaint, tmp_path):
    write(tmp_path, "print('ran')")
    (tmp_path / "folder").mkdir()
    done = execute([*RUN, script, "--argument"], tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(rf"python -m micrograd_fast run: .*{complaint}\n", done.stderr)
    assert execute([*PLAIN, script], tmp_path).returncode in (1, 2)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_script_without_permission(tmp_path):
    write(tmp_path, "").chmod(0)
    done = execute([*RUN, "script.py"], tmp_path)
    assert done.returncode == 2
    assert "Permission denied" in done.stderr


def test_a_script_that_cannot_be_read_changes_nothing_in_this_process(tmp_path, capsys):
    before = sys.modules["__main__"], sys.argv, list(sys.path)
    assert main(["run", str(tmp_path / "missing.py")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert (sys.modules["__main__"], sys.argv, sys.path) == before
    assert repr(micrograd_fast.Value(1.0)) == "Value(data=1.0)"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run"], r"the following arguments are required: SCRIPT \("),
        (["run", "--fast", "script.py"], "required: SCRIPT|unrecognized arguments: --fast"),
    ],
)
def test_bad_options(arguments, complaint, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert re.search(complaint, said)


def test_help_explains(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["run", "--help"])
    assert stopped.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    for words in ("SCRIPT", "micrograd.nn find this package", "sys.argv[1:]"):
        assert words in said


def test_running_a_script_needs_none_of_the_extras(tmp_path):
    write(
        tmp_path,
        "import sys; print(sorted({'matplotlib', 'graphviz', 'sklearn'} & set(sys.modules)))",
    )
    assert execute([*RUN, "script.py"], tmp_path).stdout == "[]\n"


def test_random_numbers_start_where_they_would(tmp_path):
    write(tmp_path, "import random; random.seed(5); print(random.random())")
    assert float(both(tmp_path, "script.py").stdout) == random.Random(5).random()
