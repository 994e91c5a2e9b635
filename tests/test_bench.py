"""The benchmark scripts run, and what they write is well formed. Nothing here judges a time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import _replay_programs, replay
from bench._measures import Disagreement
from bench._replay_remote import CutOff, Failed, Remote

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


def test_replay_measures_every_row(tmp_path):
    peers = ["c_strict", "c_fast", "xad"]
    options = [text for peer in peers for text in ("--contender", peer)]
    result, printed = run("replay.py", tmp_path, *options)
    rows = {(row["workload"], row["metric"]): row for row in result["rows"]}
    programs = _replay_programs.DEFAULT
    assert list(rows) == [(p, metric) for p in programs for metric in ("time", "ready", "first")]
    # A peer takes part, or it is said why it does not.
    absent = set(peers) - result["contenders"].keys()
    assert bool(absent) == bool(result["missing"])
    for (program, _), row in rows.items():
        assert row["title"] in printed
        present = {"micrograd_fast"} if program == "numbers" else result["contenders"].keys()
        assert row["contenders"].keys() == present
        assert row["notes"] == {}
        for entry in row["contenders"].values():
            taken = [x for x in entry["seconds"] if x is not None]
            assert 0.0 < entry["minimum"] == min(taken) <= entry["median"]
    for program in programs:
        # On a busy machine a slow contender may be extrapolated even here, but not this one.
        assert all(0 < n <= 1000 for n in rows[program, "first"]["runs"].values())
        assert rows[program, "first"]["runs"]["micrograd_fast"] == 1000
        ready, first = (rows[program, metric]["contenders"] for metric in ("ready", "first"))
        for name in ready:
            assert ready[name]["minimum"] < first[name]["minimum"]
    families = [row["family"] for row in result["recordings"]]
    assert families == [f for f in ("net", "local_dag", "asian") for _ in range(2)]
    for row in result["recordings"]:
        assert min(row["seconds"]) > 0.0
        assert row["stats"]["operations_recorded"] == row["operations"]


def test_replay_judges_every_target(tmp_path):
    chosen = [text for row in ("dag", "small", "recording") for text in ("--only", row)]
    result, printed = run("replay.py", tmp_path, "--contender", "micrograd_fast", *chosen)
    bounds = [target["bound"] for target in result["targets"]]
    assert bounds == [9.0, 1.0, *([0.3, 2.0] * 3)]
    for target in result["targets"]:
        assert target["quantity"] in printed
        reached = [0.0 < target[kind] <= target["bound"] for kind in ("minimum", "median")]
        verdict = "met" if all(reached) else "borderline" if any(reached) else "missed"
        assert target["verdict"] == verdict


class Answers:
    """A contender that answers with given gradients."""

    name = "answers"

    def __init__(self, gradient, value=0.0):
        self.results = [(value, gradient)]

    def ask(self, do, program, count):
        assert (do, count) == ("results", 1)
        return {"results": self.results}


@pytest.mark.parametrize(("error", "fits"), [(1e-10, True), (1e-8, False)])
def test_replay_compares_before_it_times(error, fits):
    program = _replay_programs.MAKERS["small"](_replay_programs.SMOKE)
    (x, extra) = program.points[0]
    value = program.scalar(x.tolist(), extra.tolist(), _replay_programs.FLOATS)
    good = Answers([1.0, 2.0, 3.0], value)
    check = replay.Run.check
    for other in (
        Answers([1.0, 2.0 * (1.0 + error), 3.0], value),
        Answers([1.0, 2.0, 3.0], value * (1.0 - error)),
    ):
        if fits:
            check(None, program, [good, other])
        else:
            with pytest.raises(Disagreement):
                check(None, program, [good, other])


def test_replay_cuts_a_contender_off_and_starts_it_anew():
    remote = Remote("micrograd_fast", _replay_programs.SMOKE, limit=60.0)
    try:
        process = remote.process
        with pytest.raises(CutOff):
            remote.ask("record", 0.2, family="local_dag", operations=10**6, count=1)
        assert remote.process is None
        assert process.returncode < 0
        remote.ask("warm_up", program="small")
        assert remote.first("small", 10, 5.0)["runs"] == 10
        assert 0.0 < remote.clock()
        with pytest.raises(Failed, match="KeyError"):
            remote.ask("sample", program="net", inner=1)
        # An exception does not end the process.
        assert remote.ask("sample", program="small", inner=5)["time"] > 0.0
    finally:
        remote.close()


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
