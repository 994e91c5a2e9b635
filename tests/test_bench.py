"""The benchmark scripts run, and what they write is well formed. Nothing here judges a time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parent.parent / "bench"


def run(script, tmp_path, *options):
    """The JSON that a smoke run of the script writes."""
    output = tmp_path / "result.json"
    done = subprocess.run(
        [sys.executable, BENCH / script, "--smoke", "--json", output, *options],
        capture_output=True,
        text=True,
        check=False,
        # Not the checkout: the scripts find it themselves.
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(output.read_text())
    assert result["schema"] == 1
    assert result["environment"]["python"].startswith("CPython 3.")
    return result, done.stdout


def test_eager_measures_every_row(tmp_path):
    result, printed = run("eager.py", tmp_path)
    rows = {(row["workload"], row["metric"]): row for row in result["rows"]}
    timed = ["mul", "mul_number", "number_mul", "tanh", "readme", "two_moons", "gpt"]
    expected = [(name, "time") for name in timed]
    expected += [
        (graph, metric)
        for graph in ("net", "chain", "dag")
        for metric in ("build", "backward", "free")
    ]
    expected += [("memory", "bytes_per_operation"), ("kept_leaves", "grown_bytes")]
    assert list(rows) == expected
    for key, row in rows.items():
        assert row["title"] in printed
        if "contenders" not in row:
            assert "micrograd_fast" in row["bytes"]
            continue
        entry = row["contenders"]["micrograd_fast"]
        taken = [x for x in entry["seconds"] if x is not None]
        assert taken, key
        assert 0.0 < entry["minimum"] == min(taken) <= entry["median"]
        if key[0] not in ("net", "chain", "dag"):
            assert row["contenders"]["floats"]["minimum"] > 0.0


def test_eager_judges_every_target(tmp_path):
    result, _ = run("eager.py", tmp_path, "--repeat", "1", "--only", "mul", "--only", "chain")
    assert [target["bound"] for target in result["targets"]] == [1.25, 5.0, 3.5]
    for target in result["targets"]:
        assert target["minimum"] > 0.0
        reached = [target[kind] <= target["bound"] for kind in ("minimum", "median")]
        verdict = "met" if all(reached) else "borderline" if any(reached) else "missed"
        assert target["verdict"] == verdict


def test_nets_measures_every_row_and_judges_every_target(tmp_path):
    result, printed = run("nets.py", tmp_path)
    rows = {(row["workload"], row["metric"]): row for row in result["rows"]}
    expected = [("dot", metric) for metric in ("forward", "backward", "free")]
    assert list(rows) == [*expected, ("two_moons", "time"), ("gpt", "time")]
    for row in rows.values():
        assert row["title"] in printed
        assert {"fused", "micrograd_fast", "micrograd_nogc"} <= row["contenders"].keys()
        for name, entry in row["contenders"].items():
            if (row["metric"], name) == ("free", "micrograd_nogc"):
                assert entry["minimum"] is None  # cycles: letting go frees nothing
            else:
                assert entry["minimum"] > 0.0
    assert [target["bound"] for target in result["targets"]] == [6.0, 20.0, 400.0, 5.0]


@pytest.mark.parametrize("script", ["eager.py", "nets.py"])
def test_names_that_are_not_there_are_refused(script, tmp_path):
    done = subprocess.run(
        [sys.executable, BENCH / script, "--smoke", "--names", tmp_path / "none.txt"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "none.txt" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("workload", "phases"),
    [
        ("two_moons", ["forward", "zero", "backward", "update", "free"]),
        ("readme", ["leaves and forward", "backward", "free"]),
    ],
)
def test_profile_times_the_phases(tmp_path, workload, phases):
    result, printed = run("profile.py", tmp_path, "--workload", workload, "--tool", "none")
    assert result["workload"] == workload
    assert list(result["phases"]) == phases
    assert all(phase["minimum"] > 0.0 for phase in result["phases"].values())
    assert result["tool"] is None
    assert "No functions: not asked for." in printed


def test_profile_names_functions_or_says_what_is_missing(tmp_path):
    result, printed = run("profile.py", tmp_path, "--tool", "perf")
    if result["tool"] is None:
        assert "perf" in printed.partition("No functions:")[2]
    else:
        assert 0.5 < sum(f["share"] for f in result["functions"]) <= 1.01
        # Few samples on a busy machine: all of them may be the interpreter's.
        ours = ("_core", "libpython", "python")
        assert any(f["library"].startswith(ours) for f in result["functions"])


def test_instruction_counts(tmp_path):
    result, _ = run("instructions.py", tmp_path)
    if result["environment"]["valgrind"] is None:
        assert result["counts"] == {}
    else:
        # An empty pass of a loop: a few bytecodes, each a few instructions.
        assert 5.0 < result["counts"]["loop"]["instructions"] < 1000.0


def test_recorded_instruction_counts_are_complete():
    recorded = json.loads((BENCH / "instructions.json").read_text())
    assert recorded["schema"] == 1
    assert recorded["environment"]["valgrind"].startswith("valgrind-")
    names = {"mul", "mul_number", "number_mul", "relu", "backward_chain", "backward_net", "free"}
    assert names <= recorded["counts"].keys()
    for name, entry in recorded["counts"].items():
        assert entry["instructions"] > 0.0, name
