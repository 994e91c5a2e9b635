"""Write seed_notebook.ipynb anew: the cells of seed_notebook.py, run, with what they printed.

With --check nothing is written; status 1 says that the notebook is no longer what would be. In
the script `# %%` starts a cell and `# %% [markdown]` one of text; `# %% script` starts one that
only the script has, `# %% notebook` one that only the notebook has, as comments. Needs nbclient,
ipykernel and matplotlib. Not an example itself.
"""

import ast
import json
import sys
from itertools import zip_longest
from pathlib import Path

from _script import Parser, need, run

HERE = Path(__file__).resolve().parent
SCRIPT, NOTEBOOK = HERE / "seed_notebook.py", HERE / "seed_notebook.ipynb"

CELLS_IN_COMMENTS = {" [markdown]": "markdown", " notebook": "code"}


def cells_of(script):
    """``(kind, text)`` of every cell; the kind is markdown or code. The docstring is the first."""
    found = [("markdown", ast.get_docstring(ast.parse(script)))]
    for piece in script.split("\n# %%")[1:]:
        title, _, text = piece.partition("\n")
        text = text.strip("\n")
        if title == "":
            found.append(("code", text))
        elif title != " script":
            uncommented = "\n".join(line[2:] for line in text.split("\n"))
            found.append((CELLS_IN_COMMENTS[title], uncommented))
    return found


def executed(cells):
    """A notebook of the cells with the output of each."""
    nbformat = need("nbformat", "nbformat", "notebook")
    nbclient = need("nbclient", "nbclient", "notebook")
    need("ipykernel", "ipykernel", "notebook")
    made = nbformat.v4.new_notebook(
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for number, (kind, text) in enumerate(cells):
        new_cell = getattr(nbformat.v4, f"new_{kind}_cell")
        made.cells.append(new_cell(text, id=f"cell-{number}"))
    metadata = dict(made.metadata)
    # Sockets of the file system: no port of the machine is opened.
    settings = need("traitlets.config", "traitlets", "notebook").Config()
    settings.KernelManager.transport = "ipc"
    nbclient.NotebookClient(made, timeout=120, record_timing=False, config=settings).execute()
    # What the kernel says about itself changes from version to version.
    made.metadata = nbformat.from_dict(metadata)
    return nbformat.writes(made, version=4)


def words(notebook):
    """Kind, source and printed text of every cell; pictures depend on who drew them."""
    found = []
    for cell in json.loads(notebook)["cells"]:
        outputs = cell.get("outputs", [])
        printed = [line for output in outputs for line in output.get("text", [])]
        found.append((cell["cell_type"], "".join(cell["source"]), "".join(printed)))
    return found


def main():
    parser = Parser(__doc__)
    parser.add_argument("--check", action="store_true", help="only compare")
    options = parser.parse_args()
    notebook = executed(cells_of(SCRIPT.read_text(encoding="utf-8")))
    if not options.check:
        NOTEBOOK.write_text(notebook + "\n", encoding="utf-8")
        return
    committed = words(NOTEBOOK.read_text(encoding="utf-8"))
    for new, old in zip_longest(words(notebook), committed):
        if new != old:
            sys.exit(f"{NOTEBOOK.name} has\n{old}\nwhere its script now gives\n{new}")


if __name__ == "__main__":
    run(main)
