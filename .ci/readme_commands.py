"""The set-up commands of the README's quick start, so that CI runs what a reader runs.

python .ci/readme_commands.py README.md {demo,test}
"""

import re
import sys
from pathlib import Path

NAMES = ("demo", "test")


def quick_start_commands(text):
    """The command lines of the section "Quick start", in their order."""
    section = re.search(r"^## Quick start\n(.*?)(?=^## )", text, re.DOTALL | re.MULTILINE)
    if section is None:
        raise ValueError("README.md has no section '## Quick start'")
    blocks = re.findall(r"^```sh\n(.*?)^```$", section[1], re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def main():
    path, name = sys.argv[1:]
    commands = quick_start_commands(Path(path).read_text(encoding="utf-8"))
    if len(commands) != len(NAMES):
        sys.exit(f"{path}: the quick start has {len(commands)} command lines, not {len(NAMES)}")
    print(commands[NAMES.index(name)])


if __name__ == "__main__":
    main()
