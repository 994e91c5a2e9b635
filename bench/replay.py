"""The table of replay speed: micrograd_fast.compile next to other engines and hand-written C.

    python bench/replay.py                      everything (some minutes)
    python bench/replay.py --only dag --contender casadi_sx
    python bench/replay.py --smoke --json out.json

Every contender has a process of its own, and they are sampled in turn. Values and gradients are
compared before anything is timed. See bench/README.md for how to read the result.
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Not the script's own directory: profile.py there would hide the standard library's.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if p != str(HERE))]

from bench import _harness, _replay_peers, _replay_programs  # noqa: E402
from bench._contender import Unavailable  # noqa: E402
from bench._measures import Disagreement, agree  # noqa: E402
from bench._replay_remote import CutOff, Failed, Remote  # noqa: E402
from bench._replay_report import FAST, GRADIENTS, ReplayReport  # noqa: E402

FAMILIES = ("net", "local_dag", "asian")


class Timing:
    """Value and gradient of one program; a unit is one gradient."""

    metrics = ("time",)

    def __init__(self, program):
        self.program = program

    def sampler(self, remote):
        return lambda inner: remote.ask("sample", program=self.program.name, inner=inner)


class Run:
    """All measurements, program by program."""

    def __init__(self, report, settings, limit, firsts):
        self.report, self.remotes, self.settings = report, report.present, settings
        self.limit, self.firsts = limit, firsts
        # How long a contender may go on collecting its first gradients before it is extrapolated.
        self.budget = 0.2 if settings.rounds <= 2 else 5.0

    def start(self, program, remote):
        """The first of all gradients; None, with a note, if the contender does not get there."""
        try:
            remote.ask("warm_up", self.limit, program=program.name)
            return remote.first(program.name, GRADIENTS, self.budget), None
        except CutOff:
            if remote.name == FAST:
                raise
            return None, f"> {self.limit:g} s"
        except Failed as failure:
            if remote.name == FAST:
                raise
            print(f"{remote.label} failed on {program.title}:\n{failure}", file=sys.stderr)
            return None, "failed"

    def check(self, program, remotes):
        """The values that plain floats have, and the gradients of the first contender."""
        count = min(3, len(program.points))
        plain = [
            program.scalar(x.tolist(), extra.tolist(), _replay_programs.FLOATS)
            for x, extra in program.points[:count]
        ]
        expected = None
        for remote in remotes:
            found = remote.ask("results", program=program.name, count=count)["results"]
            if expected is None:
                expected = [gradient for _, gradient in found]
            agree(program.name, remote.name, [value for value, _ in found], plain, "value")
            for (_, gradient), wanted in zip(found, expected, strict=True):
                agree(program.name, remote.name, gradient, wanted, "gradient")

    def measure(self, program):
        """Everything about one program, from the first gradient on."""
        print(f"  {program.title} …", file=sys.stderr, flush=True)
        taking_part = [r for r in self.remotes if program.name not in r.without]
        firsts, runs, notes, present = {}, {}, {}, []
        for remote in taking_part:
            answer, note = self.start(program, remote)
            samples = firsts[remote.name] = _harness.Samples(remote.name, GRADIENTS)
            if answer is None:
                notes[remote.name] = note
                # What is known of a contender that was cut off is that it took so long.
                known = None if note == "failed" else {"ready": self.limit, "first": self.limit}
                samples.add(known, ("ready", "first"))
            else:
                present.append(remote)
                runs[remote.name] = answer["runs"]
                samples.add(answer, ("ready", "first"))
        self.check(program, present)
        for _ in range(1, self.firsts):
            for remote in present:
                samples = firsts[remote.name]
                answer = None
                if samples.minimum("first") < self.budget:
                    answer = remote.first(program.name, GRADIENTS, self.budget)
                samples.add(answer, ("ready", "first"))
        times = _harness.interleave(Timing(program), present, self.settings)
        stats = None
        for remote in present:
            if remote.name == FAST:
                stats = remote.ask("stats", program=program.name)["stats"][0]
            remote.ask("release", program=program.name)
        self.report.add_program(program, stats, times, firsts, runs, notes)

    def record(self, sizes):
        """Recording and lowering at growing sizes."""
        ours = self.remotes[0]
        for family in FAMILIES:
            for size in sizes:
                print(f"  recording {family}, {size:,} …", file=sys.stderr, flush=True)
                # Several, for the best of them; few where one takes long.
                count = min(30, max(3, 10**6 // size))
                made = ours.ask("record", family=family, operations=size, count=count)
                stats = made.pop("stats")[0]
                self.report.recordings.append({"family": family, "stats": stats, **made})


def connect(names, sizes, limit):
    """Those that can take part, and for the others a sentence each that says why not."""
    present, missing = [], []
    try:
        for name in names:
            try:
                present.append(Remote(name, sizes, limit))
            except Unavailable as reason:
                if str(reason) not in missing:
                    missing.append(str(reason))
    except BaseException:
        disconnect(present)
        raise
    return present, missing


def disconnect(remotes):
    for remote in remotes:
        remote.close()


def whole_number(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not at least 1")
    return number


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write every sample and verdict to FILE")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: does everything run?")
    programs, peers = list(_replay_programs.MAKERS), list(_replay_peers.MAKERS)
    parser.add_argument(
        "--only",
        action="append",
        choices=[*programs, "recording"],
        metavar="ROW",
        help="only this; may be repeated: " + ", ".join([*programs, "recording"]),
    )
    parser.add_argument(
        "--contender",
        action="append",
        choices=peers,
        metavar="NAME",
        help="besides micrograd_fast only this one; may be repeated: " + ", ".join(peers[1:]),
    )
    parser.add_argument("--repeat", type=whole_number, metavar="N", help="number of rounds (30)")
    parser.add_argument(
        "--firsts", type=whole_number, default=5, metavar="N", help="new beginnings of each (5)"
    )
    parser.add_argument(
        "--limit",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="processor time a contender may take to be ready (60)",
    )
    parser.add_argument(
        "--largest",
        type=whole_number,
        default=10**6,
        metavar="N",
        help="the largest recording, a power of ten (1,000,000)",
    )
    return parser.parse_args()


def recording_sizes(largest, smoke):
    if smoke:
        return [100, 1000]
    sizes = [10**3]
    while sizes[-1] * 10 <= largest:
        sizes.append(sizes[-1] * 10)
    return sizes


def main():
    options = arguments()
    sizes = _replay_programs.SMOKE if options.smoke else _replay_programs.Sizes()
    settings = _harness.Settings()
    if options.smoke:
        settings = _harness.Settings(rounds=2, sample_time=1e-4, budget=0.1, fewest_samples=1)
        options.firsts = min(options.firsts, 2)
    if options.repeat is not None:
        settings.rounds = options.repeat
    chosen = options.only or [*_replay_programs.DEFAULT, "recording"]
    names = [FAST, *(options.contender or _replay_peers.DEFAULT)]
    remotes, missing = connect(list(dict.fromkeys(names)), sizes, options.limit)
    try:
        if not remotes or remotes[0].name != FAST:
            sys.exit(f"replay.py: {missing[0]}")
        report = ReplayReport(remotes, missing, settings)
        report.head()
        run = Run(report, settings, options.limit, options.firsts)
        for name, make in _replay_programs.MAKERS.items():
            if name in chosen:
                run.measure(make(sizes))
        if "recording" in chosen:
            run.record(recording_sizes(options.largest, options.smoke))
        report.judge()
        report.tables()
        if options.json:
            _harness.write_json(options.json, report.as_json())
    except (CutOff, Disagreement, Failed) as error:
        sys.exit(f"replay.py: {error}")
    finally:
        disconnect(remotes)


if __name__ == "__main__":
    main()
