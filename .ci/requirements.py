"""What the build and the named extras need, one requirement a line, without the package itself.

python .ci/requirements.py pyproject.toml EXTRA...
"""

import re
import sys
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib


def requirements(document, extras):
    """The requirements of the project and of ``extras``, those they refer to included."""
    project = document["project"]
    found = [*document["build-system"]["requires"], *project["dependencies"]]
    waiting, seen = list(extras), set()
    while waiting:
        extra = waiting.pop()
        if extra in seen:
            continue
        seen.add(extra)
        for line in project["optional-dependencies"][extra]:
            own = re.fullmatch(rf"{re.escape(project['name'])}\[([\w,-]+)\]", line)
            if own is None:
                found.append(line)
            else:
                waiting.extend(own[1].split(","))
    return sorted(set(found))


if __name__ == "__main__":
    pyproject = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print("\n".join(requirements(pyproject, sys.argv[2:])))
