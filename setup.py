"""Lists the extension module; everything else is in pyproject.toml.

Build switches, read from the environment:

MICROGRAD_FAST_WERROR=1     warnings of csrc are errors
MICROGRAD_FAST_DEBUG=1      no optimisation, assertions on
MICROGRAD_FAST_SANITIZE=x   -fsanitize=x (for example address,undefined)
MICROGRAD_FAST_COVERAGE=1   line coverage for gcov
"""

import os
from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup

WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes"]


def switch(name):
    return os.environ.get(f"MICROGRAD_FAST_{name}", "")


def flags():
    """Compiler and linker flags for the switches that are set."""
    # No contraction: a * b + c must round twice, as Python does. errno is not looked at.
    compile_flags = ["-std=c11", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden"]
    compile_flags += WARNINGS
    link_flags = []
    compile_flags += ["-O0", "-g", "-UNDEBUG"] if switch("DEBUG") else ["-O3"]
    if switch("WERROR"):
        compile_flags.append("-Werror")
    if switch("SANITIZE"):
        compile_flags += [f"-fsanitize={switch('SANITIZE')}", "-g"]
        link_flags.append(f"-fsanitize={switch('SANITIZE')}")
    if switch("COVERAGE"):
        # Threads count, too: without atomic counters gcov would find negative ones.
        compile_flags += ["--coverage", "-O1", "-fprofile-update=atomic"]
        link_flags.append("--coverage")
    return {"extra_compile_args": compile_flags, "extra_link_args": link_flags}


core = Extension(
    "micrograd_fast._core",
    ["micrograd_fast/_core.pyx", *sorted(glob("csrc/*.c"))],
    include_dirs=["csrc"],
    depends=sorted(
        glob("csrc/*.def") + glob("csrc/*.h") + glob("csrc/*.inc") + glob("micrograd_fast/*.pxi")
    ),
    **flags(),
)

setup(ext_modules=cythonize([core], language_level=3))
