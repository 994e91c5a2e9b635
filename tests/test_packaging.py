"""What the build compiles, rebuilds and ships, asked of setuptools itself; nothing is compiled."""

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import micrograd_fast

ROOT = Path(__file__).resolve().parent.parent

# What a build or a run may have left behind.
LEFTOVERS = ".git .venv build dist *.egg-info *.so *.o *.gcda *.gcno __pycache__ _core.c .*_cache"
IGNORED = shutil.ignore_patterns(*LEFTOVERS.split())


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the sources, so that nothing is generated beside the ones under test."""
    copy = tmp_path_factory.mktemp("packaging") / "checkout"
    shutil.copytree(ROOT, copy, ignore=IGNORED)
    return copy


def run(arguments, folder):
    """Run Python with ``arguments`` in ``folder``; returns what it printed."""
    finished = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def extensions(checkout):
    """The extensions that setup.py declares: name, sources and depends of each."""
    code = """if True:
        import json, setuptools
        from distutils.core import run_setup
        distribution = run_setup("setup.py", stop_after="init")
        rows = [{"name": e.name, "sources": e.sources, "depends": e.depends}
                for e in distribution.ext_modules]
        print("\\n" + json.dumps(rows))
    """
    return json.loads(run(["-c", code], checkout).splitlines()[-1])


def relative(paths, folder):
    return {(folder / path).resolve().relative_to(folder.resolve()).as_posix() for path in paths}


def test_setup_lists_extensions_and_nothing_else(checkout, extensions):
    assert [extension["name"] for extension in extensions] == ["micrograd_fast._core"]
    source = (checkout / "setup.py").read_text(encoding="utf-8")
    call = source[source.index("setup(") :]
    assert (
        set(re.findall(r"(\w+)=", call)) & {"name", "version", "packages", "extras_require"}
        == set()
    )


def test_every_c_file_is_compiled(checkout, extensions):
    """All of csrc/*.c, and nothing of the kind that is not there any more."""
    compiled = relative(extensions[0]["sources"], checkout)
    assert {name for name in compiled if name.startswith("csrc/")} == relative(
        (checkout / "csrc").glob("*.c"), checkout
    )


def test_an_edit_of_any_header_or_table_rebuilds(checkout, extensions):
    depends = relative(extensions[0]["depends"], checkout)
    included = [
        path for path in (checkout / "csrc").iterdir() if path.suffix in {".h", ".def", ".inc"}
    ]
    assert included
    assert relative(included, checkout) <= depends


def test_an_sdist_has_every_source(checkout, tmp_path):
    run(["setup.py", "-q", "sdist", "--dist-dir", str(tmp_path)], checkout)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        packed = {name.partition("/")[2] for name in tar.getnames() if not name.endswith("/")}
    wanted = {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "setup.py"}
    for folder in ("csrc", "micrograd_fast", "tests", "bench", "examples", ".ci"):
        files = (path for path in (checkout / folder).rglob("*") if path.is_file())
        wanted |= relative(files, checkout)
    wanted.discard("micrograd_fast/_core.c")
    assert wanted - packed == set()
    unwanted = {name for name in packed if re.search(r"\.(so|o|gcda|gcno|pyc)$", name)}
    assert unwanted == set()
    assert "micrograd_fast/_core.c" not in packed


def test_a_wheel_has_no_sources(checkout, tmp_path):
    run(["setup.py", "-q", "build_py", "--build-lib", str(tmp_path)], checkout)
    built = {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()
    }
    package = checkout / "micrograd_fast"
    modules = relative(package.rglob("*.py"), checkout)
    stubs = relative(package.rglob("*.pyi"), checkout)
    assert stubs
    assert "micrograd_fast/micrograd/engine.py" in modules
    assert built == modules | stubs | {"micrograd_fast/py.typed"}


def test_metadata(checkout, tmp_path):
    run(["setup.py", "-q", "egg_info", "--egg-base", str(tmp_path)], checkout)
    metadata = importlib.metadata.PathDistribution(tmp_path / "micrograd_fast.egg-info")
    assert metadata.version == micrograd_fast.__version__
    assert metadata.metadata["License-Expression"] == "MIT"
    assert metadata.metadata["Requires-Python"] == ">=3.10"
    extras = {"bench", "demo", "dev", "draw", "notebook", "plot", "test"}
    assert set(metadata.metadata.get_all("Provides-Extra")) == extras
    required = [line for line in metadata.requires if "extra" not in line]
    assert [re.match(r"[\w-]+", line)[0] for line in required] == ["numpy"]


def test_the_changelog_opens_with_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (\S+)", text, re.MULTILINE)[1] == micrograd_fast.__version__


def test_importing_loads_no_optional_dependency():
    """numpy is the one package that the library itself may need."""
    code = """if True:
        import sys, micrograd_fast, micrograd_fast.micrograd.nn
        optional = {"graphviz", "pygraphviz", "matplotlib", "sklearn", "tqdm", "scipy", "IPython"}
        print(sorted(optional & set(sys.modules)))
    """
    assert run(["-c", code], ROOT) == "[]\n"
