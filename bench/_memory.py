"""Memory of one contender, measured in a process of its own: one line of JSON on standard output.

    python bench/_memory.py CONTENDER graph OPERATIONS
    python bench/_memory.py CONTENDER leaves KEPT

`graph` holds a chain of that many operations: resident bytes an operation. `leaves` keeps one leaf
for every 1,000 temporaries: how much resident memory grows after the first tenth, in bytes, and
how much of that the kept leaves and the list of them account for.
"""

import gc
import json
import os
import sys
from itertools import repeat
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Not the script's own directory: profile.py there would hide the standard library's.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if p != str(HERE))]

from bench import contenders  # noqa: E402
from bench._harness import resident_bytes  # noqa: E402

TEMPORARIES = 1000


def graph(contender, operations):
    # A collection of 10^6 closures would only take time: nothing here is garbage.
    gc.disable()
    problem = contender.code.Chain(1000)
    contender.ready(problem)
    contender.value(problem.forward())
    problem = contender.code.Chain(operations)
    contender.ready(problem)
    before = resident_bytes()
    root = problem.forward()
    after = resident_bytes()
    assert contender.value(root) > 0.0
    return {"bytes_per_operation": (after - before) / operations}


def leaves(contender, kept):
    make = contender.code.Value
    factor = make(1.0)

    def temporaries(v):
        for _ in repeat(None, TEMPORARIES // 2):
            v = v * factor
        return v

    keep = []
    start = kept // 10
    for i in range(kept):
        if i == start:
            gc.collect()
            before = resident_bytes()
        # The kept leaf is made in the midst of the temporaries, all of which go.
        v = temporaries(factor)
        keep.append(make(float(i)))
        v = temporaries(v)
        del v
    gc.collect()
    after = resident_bytes()
    assert sum(contender.value(v) for v in keep) == kept * (kept - 1) / 2
    return {"grown_bytes": after - before, "kept": kept - start}


def main():
    name, measure, size = sys.argv[1:]
    present, _ = contenders.all_contenders(only=name)
    result = {"graph": graph, "leaves": leaves}[measure](present[0], int(size))
    print(json.dumps(result), flush=True)
    # The interpreter's own way out would take a deep graph of closures apart recursively.
    os._exit(0)


if __name__ == "__main__":
    main()
