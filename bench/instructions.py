"""Instruction counts of the hot paths by callgrind: the yardstick that no noisy machine moves.

    python bench/instructions.py            count and print
    python bench/instructions.py --record   … and write instructions.json
    python bench/instructions.py --check    … and compare with instructions.json

Each count is the difference of two runs of different length, so that the start of the interpreter
cancels. It is for information: another Python or compiler has other counts, and fewer instructions
are not always less time.
"""

import argparse
import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Not the script's own directory: profile.py there would hide the standard library's.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if p != str(HERE))]

from bench import _callgrind, _harness  # noqa: E402

RECORD = HERE / "instructions.json"
CHAIN = 20_000
SHORT, LONG = 10_000, 50_000


def value_loop(name, binary=False):
    def run(count):
        code = value_code()
        a, b = code.Value(1.25), code.Value(0.75)
        getattr(code, name)(*((a, b) if binary else (a,)), count)

    return run


def float_loop(name, binary=False):
    def run(count):
        from bench import workloads

        getattr(workloads, name)(*((1.25, 0.75) if binary else (1.25,)), count)

    return run


def value_code():
    from bench.contenders import all_contenders

    present, missing = all_contenders(only="micrograd_fast")
    if not present:
        sys.exit(f"instructions.py: {missing[0]}")
    return present[0].code


def float_tanh(count):
    import math

    from bench import workloads

    workloads.loop_tanh_function(1.25, math.tanh, count)


def sweeps_of_chain(count):
    root = value_code().Chain(CHAIN).forward()
    for _ in range(count):
        root.backward()


def sweeps_of_net(count):
    root = two_moons(value_code()).forward()
    for _ in range(count):
        root.backward()


def chain_kept(count):
    return value_code().Chain(count).forward()


def chain_freed(count):
    chain_kept(count)


def two_moons(code):
    return code.TwoMoons(100, 16)


def gpt(code):
    return code.CharGPT("abcdefgh", 16, 4)


def training_steps(make):
    def run(count):
        code = value_code()
        problem = make(code)
        for _ in range(count):
            code.train_step(problem)

    return run


def float_steps(make):
    def run(count):
        from bench import workloads

        problem = make(workloads)
        for _ in range(count):
            problem.forward()

    return run


def operations(make):
    def count():
        from bench._contender import count_operations

        return count_operations(lambda code: make(code).forward)

    return count


# name: (what is counted, program, short run, long run, units a repetition)
CASES = {
    "loop": ("an empty pass of the loop", float_loop("loop_nothing"), SHORT, LONG, 1),
    "float_mul": ("float * float", float_loop("loop_mul", True), SHORT, LONG, 1),
    "float_tanh": ("math.tanh(float)", float_tanh, SHORT, LONG, 1),
    "mul": ("a * b", value_loop("loop_mul", True), SHORT, LONG, 1),
    "mul_number": ("a * 2.0", value_loop("loop_mul_number"), SHORT, LONG, 1),
    "number_mul": ("2.0 * a", value_loop("loop_number_mul"), SHORT, LONG, 1),
    "relu": ("a.relu()", value_loop("loop_relu"), SHORT, LONG, 1),
    "tanh": ("a.tanh()", value_loop("loop_tanh"), SHORT, LONG, 1),
    "backward_chain": ("backward, a node of a chain", sweeps_of_chain, 1, 11, CHAIN),
    "backward_net": (
        "backward, an op of the two-moons loss",
        sweeps_of_net,
        1,
        4,
        operations(two_moons),
    ),
    "chain_kept": ("building a chain, a node", chain_kept, SHORT, LONG, 1),
    "chain_freed": ("building and freeing a chain, a node", chain_freed, SHORT, LONG, 1),
    "step": (
        "two-moons training step, an op",
        training_steps(two_moons),
        1,
        4,
        operations(two_moons),
    ),
    "float_step": (
        "the same on floats, forward only",
        float_steps(two_moons),
        1,
        4,
        operations(two_moons),
    ),
    "gpt_step": ("GPT training step, an op", training_steps(gpt), 1, 4, operations(gpt)),
    "float_gpt_step": (
        "the same on floats, forward only",
        float_steps(gpt),
        1,
        4,
        operations(gpt),
    ),
}
# Counted with their loop; the table also shows them without it.
IN_LOOP = ("float_mul", "float_tanh", "mul", "mul_number", "number_mul", "relu", "tanh")


def child(name, count):
    """The counted program. It leaves at once: what it still holds is not freed one by one."""
    _held = CASES[name][1](count)
    os._exit(0)


def command(name, count):
    return [sys.executable, str(Path(__file__).resolve()), "--child", name, str(count)]


def measure(name):
    """Instructions a unit."""
    _, _, short, long, units = CASES[name]
    units = units() if callable(units) else units
    difference = _callgrind.total(command(name, long)) - _callgrind.total(command(name, short))
    return difference / ((long - short) * units)


def derived(counts):
    """The counts, and what only a difference of them shows."""
    result = {}
    for name, count in counts.items():
        result[name] = {"what": CASES[name][0], "instructions": round(count, 2)}
        if name in IN_LOOP and "loop" in counts:
            result[name]["without_loop"] = round(count - counts["loop"], 2)
    if {"chain_kept", "chain_freed"} <= counts.keys():
        freed = counts["chain_freed"] - counts["chain_kept"]
        result["free"] = {"what": "free, a node of a chain", "instructions": round(freed, 2)}
    return result


def versions():
    e = _harness.environment()
    kept = ("date", "cpu", "python", "python_compiler", "extension_compiler", "numpy")
    return {**{key: e[key] for key in kept}, "valgrind": _callgrind.version()}


def print_counts(counts):
    rows = [
        [
            entry["what"],
            f"{entry['instructions']:,.1f}",
            f"{entry['without_loop']:,.1f}" if "without_loop" in entry else "–",
        ]
        for entry in counts.values()
    ]
    print(_harness.table(["", "instructions", "without the loop"], rows))


def compare(counts, environment, tolerance):
    """Print recorded and present counts; how many grew or shrank by more than the tolerance."""
    recorded = json.loads(RECORD.read_text())
    for key in ("python", "python_compiler", "extension_compiler", "valgrind"):
        if recorded["environment"][key] != environment[key]:
            print(f"note: recorded with {key} {recorded['environment'][key]}; ", end="")
            print(f"this is {environment[key]}")
    rows, beyond = [], 0
    for name, entry in counts.items():
        if name not in recorded["counts"]:
            continue
        old, new = recorded["counts"][name]["instructions"], entry["instructions"]
        change = new / old - 1.0
        # Half an instruction is no finding, however small the count.
        differs = abs(change) > tolerance and abs(new - old) > 0.5
        beyond += differs
        rows.append(
            [entry["what"], f"{old:,.1f}", f"{new:,.1f}", f"{change:+.1%}", "!" if differs else ""]
        )
    print(_harness.table(["", "recorded", "now", "change", ""], rows))
    print(f"{beyond} beyond the tolerance of {tolerance:.0%}")
    return beyond


def smoke():
    """Run every program once without counting, and count the one that needs no extension."""
    for _, program, *_ in CASES.values():
        program(1)
    counts = {"loop": measure("loop")} if _callgrind.available() else {}
    return derived(counts)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--record", action="store_true", help=f"write {RECORD.name}")
    action.add_argument("--check", action="store_true", help=f"compare with {RECORD.name}")
    parser.add_argument("--tolerance", type=float, default=0.03, help="of --check (0.03)")
    parser.add_argument("--only", action="append", choices=CASES, metavar="CASE")
    parser.add_argument("--json", metavar="FILE", help="write the counts to FILE")
    parser.add_argument("--smoke", action="store_true", help="does everything run?")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    options = arguments()
    if options.record and (options.only or options.smoke):
        sys.exit(
            "instructions.py: --record writes all counts; it goes with neither --only nor --smoke"
        )
    if options.child:
        child(options.child[0], int(options.child[1]))
    try:
        if options.smoke:
            counts = smoke()
        else:
            value_code()
            counts = derived({name: measure(name) for name in options.only or CASES})
    except _callgrind.CallgrindError as error:
        sys.exit(f"instructions.py: {error}")
    content = {"schema": 1, "environment": versions(), "counts": counts}
    print_counts(counts)
    if options.json:
        _harness.write_json(options.json, content)
    if options.record:
        _harness.write_json(RECORD, content)
    if options.check:
        sys.exit(1 if compare(counts, content["environment"], options.tolerance) else 0)


if __name__ == "__main__":
    main()
