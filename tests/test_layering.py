"""An include or an import points only to the left, in the layers listed here.

    csrc:     status, memory <- ops <- arena <- net, optim <- graph <- value_*
              (Python.h only in value_*)
    package:  _core <- engine <- functional <- nn, draw, arrays <- optim, plot, micrograd
              <- micrograd_fast <- the demo

A new file belongs into one of the two lists below, in the layer of what it builds on.
"""

import ast
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Stems of files, a pattern where there are several. Within a layer files may include each other,
# but not in a circle.
CSRC_LAYERS = [
    ("memory", "status"),
    ("ops", "ops_check", "ops_evaluate", "ops_math", "ops_nary", "ops_second", "ops_text"),
    ("program", "program_bytes"),
    ("chain", "pass_*", "passes", "rewrite"),
    ("schedule", "tape", "replay", "replay_*"),
    ("arena", "cells", "node"),
    ("nary", "net", "net_sweep", "optim", "sweep"),
    ("graph", "lower", "order", "release"),
    ("value", "value_*"),
]
BRIDGE = CSRC_LAYERS[-1]

# Modules, and sub-packages by their name; __init__ is what `import micrograd_fast` runs. The
# layers after it are the program, not the library: nothing that that loads may need them.
PACKAGE_LAYERS = [
    ("_core",),
    ("engine",),
    ("functional",),
    ("_digraph", "_excerpt", "_layout", "draw"),
    ("_c_names", "_emit", "_emit_steps", "_formulas"),
    ("_listing", "_no_grad", "_recording", "_tape_file", "compile"),
    ("_archive", "_arguments", "_fused", "_layers", "_module", "nn"),
    ("arrays",),
    ("_optimizer", "_schedules", "optim"),
    ("plot",),
    ("_install", "micrograd"),
    ("__init__",),
    ("_pure",),
    ("_demo_*", "demo"),
    ("__main__", "_run"),
]
# The reference must not be able to borrow from what it is compared with.
STANDALONE = ("_pure",)

# Pairs that must not know each other, though their layers would let them.
STRANGERS = [
    ("draw", "nn"),
    ("_digraph", "nn"),
    ("nn", "optim"),
    ("nn", "plot"),
    ("nn", "micrograd"),
    ("optim", "plot"),
]

C_SUFFIXES = {".c", ".h", ".def", ".inc"}
PYTHON_SUFFIXES = {".py", ".pyx", ".pxd"}


def layer_of(stem, layers):
    for number, patterns in enumerate(layers):
        if any(fnmatchcase(stem, pattern) for pattern in patterns):
            return number
    return None


def matches(stem, patterns):
    return any(fnmatchcase(stem, pattern) for pattern in patterns)


def without_comments(source):
    """C source without its comments, so that text about an include is not taken for one."""
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", source, flags=re.DOTALL)


def includes(path):
    """The includes of a C file as pairs: the name, and whether it was quoted."""
    source = without_comments(path.read_text(encoding="utf-8"))
    found = re.findall(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', source, re.MULTILINE)
    return [(name, mark == '"') for mark, name in found]


def own_name(dotted, level, names, modules):
    """The modules of ours that one import statement loads, of the package that is one level up."""
    if level == 0:
        head, _, rest = dotted.partition(".")
        if head != "micrograd_fast":
            return set()
    else:
        rest = dotted
    if rest:
        return {rest.partition(".")[0]}
    # `from . import x`: a module where there is one, else something that __init__ defines.
    return {name if name in modules else "__init__" for name in names}


def python_imports(path, modules, up=1):
    """The modules of this package, ``up`` dots away, that a Python file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            if 0 < node.level < up:
                continue  # something of its own sub-package
            names = [alias.name for alias in node.names]
            found |= own_name(node.module or "", node.level, names, modules)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                found |= own_name(alias.name, 0, ["__init__"], modules)
    return found


def cython_imports(path, modules):
    """The same for a Cython file, whose statements must stand on one line or in parentheses."""
    source = re.sub(r"#[^\n]*", "", path.read_text(encoding="utf-8"))
    found = set()
    pattern = r"^[ \t]*from[ \t]+(\.*)([\w.]*)[ \t]+c?import[ \t]+(\([^)]*\)|[^\n]*)"
    for dots, dotted, names in re.findall(pattern, source, re.MULTILINE):
        imported = [name.split()[0] for name in names.strip("()").split(",") if name.strip()]
        found |= own_name(dotted, len(dots), imported, modules)
    for names in re.findall(r"^[ \t]*c?import[ \t]+([^\n]+)", source, re.MULTILINE):
        for name in names.split(","):
            found |= own_name(name.split()[0], 0, ["__init__"], modules)
    return found


def edges_of_csrc(folder):
    """File name -> names of the files of ours that it includes."""
    return {
        path.name: {name for name, quoted in includes(path) if quoted}
        for path in sorted(folder.iterdir())
        if path.suffix in C_SUFFIXES
    }


def edges_of_package(folder):
    """Module -> modules of ours that it imports; a sub-package is one of them."""
    paths = [path for path in sorted(folder.iterdir()) if path.suffix in PYTHON_SUFFIXES]
    inner = sorted(folder.glob("*/*.py"))
    modules = {path.stem for path in paths} | {path.parent.name for path in inner}
    edges = {module: set() for module in modules}
    for path in paths:
        read = python_imports if path.suffix == ".py" else cython_imports
        edges[path.stem] |= read(path, modules) - {path.stem}
    for path in inner:
        edges[path.parent.name] |= python_imports(path, modules, up=2) - {path.parent.name}
    return edges


def circle(edges):
    """Some circle in a graph given as name -> names, as a list of names; None without one."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        path.append(name)
        for other in sorted(edges.get(name, ())):
            found = visit(other)
            if found:
                return found
        path.pop()
        done.add(name)
        return None

    for start in sorted(edges):
        found = visit(start)
        if found:
            return found
    return None


def complaints(edges, layers, list_name, stem=lambda name: name):
    """What is wrong with ``edges``, a sentence each."""
    found = []
    for name, others in edges.items():
        own = layer_of(stem(name), layers)
        if own is None:
            found.append(
                f"{name} is in no layer: add it to {list_name} in tests/test_layering.py, "
                "in the layer of what it builds on"
            )
            continue
        for other in sorted(others):
            theirs = layer_of(stem(other), layers)
            if other not in edges:
                found.append(f"{name} uses {other}, which does not exist")
            elif theirs is not None and theirs > own:
                found.append(f"{name} uses {other}, which lies in a layer above it")
    ring = circle(edges)
    if ring:
        found.append("these use each other in a circle: " + " -> ".join(ring))
    return found


def csrc_complaints(folder):
    found = complaints(
        edges_of_csrc(folder), CSRC_LAYERS, "CSRC_LAYERS", lambda name: name.partition(".")[0]
    )
    for path in sorted(folder.iterdir()):
        if path.suffix in C_SUFFIXES and not matches(path.stem, BRIDGE):
            found += [
                f"{path.name} includes <{name}>: only the bridge ({BRIDGE[-1]}) may know Python"
                for name, _ in includes(path)
                if name.startswith(("Python.h", "structmember.h", "numpy/", "cpython/"))
            ]
    return found


def package_complaints(folder):
    edges = edges_of_package(folder)
    found = complaints(edges, PACKAGE_LAYERS, "PACKAGE_LAYERS")
    for module in STANDALONE:
        found += [
            f"{module} imports {other}: it must stand alone" for other in edges.get(module, ())
        ]
    for one, other in STRANGERS:
        for a, b in ((one, other), (other, one)):
            if b in edges.get(a, ()):
                found.append(f"{a} imports {b}: neither may know the other")
    return found


def test_csrc_includes_point_to_lower_layers():
    assert csrc_complaints(ROOT / "csrc") == []


def test_package_imports_point_to_lower_layers():
    assert package_complaints(ROOT / "micrograd_fast") == []


def test_cython_declares_only_headers_that_exist():
    named = set()
    for path in sorted((ROOT / "micrograd_fast").iterdir()):
        if path.suffix in (".pyx", ".pxd"):
            source = path.read_text(encoding="utf-8")
            named |= set(re.findall(r'cdef extern from "([^"<>]+)"', source))
    own = {name for name in named if name not in {"Python.h", "math.h", "stdint.h"}}
    assert own, "the extension uses no header of csrc: has this test lost its subject?"
    missing = {name for name in own if not (ROOT / "csrc" / Path(name).name).is_file()}
    assert missing == set()


def test_every_layer_pattern_has_a_file():
    """A list that names what is gone would let a later file of that name in unseen."""
    stems = {path.stem for path in (ROOT / "csrc").iterdir() if path.suffix in C_SUFFIXES}
    modules = set(edges_of_package(ROOT / "micrograd_fast"))
    for layers, present in ((CSRC_LAYERS, stems), (PACKAGE_LAYERS, modules)):
        for pattern in (pattern for layer in layers for pattern in layer):
            assert any(fnmatchcase(name, pattern) for name in present), pattern


# The checks themselves, on small trees made for them.


def write(folder, **files):
    for name, text in files.items():
        base, _, suffix = name.rpartition("__")
        (folder / f"{base}.{suffix}").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"memory__h": '#include "graph.h"', "graph__h": ""}, "memory.h uses graph.h"),
        ({"arena__c": '  #  include "value_slots.h"', "value_slots__h": ""}, "layer above"),
        ({"ops__h": "#include <Python.h>"}, "only the bridge"),
        ({"graph__h": '#include "gone.h"'}, "which does not exist"),
        ({"elsewhere__c": ""}, "add it to CSRC_LAYERS"),
        (
            {"order__h": '#include "graph.h"', "graph__h": '#include "order.h"'},
            "in a circle: graph.h -> order.h -> graph.h",
        ),
    ],
)
def test_a_wrong_include_is_found(tmp_path, files, complaint):
    found = csrc_complaints(write(tmp_path, **files))
    assert len(found) == 1
    assert complaint in found[0]


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"engine__py": "from .nn import MLP", "nn__py": ""}, "engine uses nn"),
        ({"engine__py": "def f():\n    from . import draw", "draw__py": ""}, "engine uses draw"),
        ({"nn__py": "import micrograd_fast.demo", "demo__py": ""}, "nn uses demo"),
        ({"nn__py": "from micrograd_fast import Value", "__init____py": ""}, "nn uses __init__"),
        ({"nn__py": "from .draw import trace", "draw__py": ""}, "neither may know the other"),
        ({"_core__pyx": "from .engine cimport f", "engine__py": ""}, "_core uses engine"),
        ({"_core__pyx": "cimport micrograd_fast.engine", "engine__py": ""}, "_core uses engine"),
        ({"_pure__py": "from .engine import Value", "engine__py": ""}, "it must stand alone"),
        ({"other__py": ""}, "add it to PACKAGE_LAYERS"),
    ],
)
def test_a_wrong_import_is_found(tmp_path, files, complaint):
    found = package_complaints(write(tmp_path, **files))
    assert len(found) == 1
    assert complaint in found[0]


def test_a_wrong_import_of_a_sub_package_is_found(tmp_path):
    (tmp_path / "micrograd").mkdir()
    write(tmp_path, engine__py="", demo__py="")
    inner = write(tmp_path / "micrograd", __init____py="", engine__py="from ..engine import Value")
    write(inner, nn__py="from .engine import Value\nfrom . import engine")
    assert package_complaints(tmp_path) == []
    write(inner, nn__py="from ..demo import run")
    assert package_complaints(tmp_path) == ["micrograd uses demo, which lies in a layer above it"]


def test_what_is_right_is_left_alone(tmp_path):
    csrc, package = tmp_path / "csrc", tmp_path / "package"
    csrc.mkdir()
    package.mkdir()
    write(
        csrc,
        ops__h='#include <math.h>\n#include "status.h"\n/* unlike\n#include "graph.h"\n */',
        status__h="",
        graph__h='#include "ops.h"',
        value_slots__h='#include <Python.h>\n#include "graph.h"',
    )
    write(package, engine__py="from . import _core\nimport micrograd", _core__pyx="import math")
    write(package, nn__py="from .engine import Value", demo__py="from . import nn, Value")
    write(package, __init____py="from .engine import Value")
    assert csrc_complaints(csrc) == []
    assert package_complaints(package) == []
