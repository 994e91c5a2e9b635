"""One contender of the replay table in a process of its own, which does as it is told.

    python bench/_replay_worker.py CONTENDER '{"dag": 10000, ...}'

Commands come as lines of JSON on standard input, answers go out likewise. A process each keeps the
contenders' libraries and threads apart, and a compiler that does not come to an end can be ended.
Seconds are processor time of all threads, and of compilers that ran as processes of their own.
"""

import json
import os
import resource
import sys
import traceback
from itertools import cycle, islice
from pathlib import Path
from time import process_time

HERE = Path(__file__).resolve().parent
# Not the script's own directory: profile.py there would hide the standard library's.
sys.path[:] = [str(HERE.parent), *(p for p in sys.path if p != str(HERE))]

from bench import _replay_peers, _replay_programs  # noqa: E402
from bench._contender import Unavailable  # noqa: E402
from bench._harness import extension_compiler  # noqa: E402


def spent():
    """Processor time until now, that of ended child processes included."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return process_time() + children.ru_utime + children.ru_stime


def repeat(run, arguments, count):
    """Seconds that so many gradients take, at one point after the other."""
    points = list(islice(cycle(arguments), min(count, len(arguments))))
    start = process_time()
    for point in islice(cycle(points), count):
        run(*point)
    return process_time() - start


class Session:
    """What is kept between two commands: programs, and what is prepared of them."""

    def __init__(self, peer, sizes):
        self.peer, self.sizes = peer, sizes
        self.programs, self.arguments, self.prepared = {}, {}, {}

    def program(self, name, sizes=None):
        return _replay_programs.MAKERS[name](sizes or self.sizes)

    def warm_up(self, program):
        """Do everything once at a tiny size: what a library loads on its first use is not timed."""
        tiny = self.program(program, _replay_programs.SMOKE)
        repeat(self.peer.prepare(tiny), self.peer.arguments(tiny), 2)
        self.programs[program] = self.program(program)
        self.arguments[program] = self.peer.arguments(self.programs[program])
        return {}

    def first(self, program, count, budget):
        """From nothing to the first `count` gradients; what takes too long is extrapolated."""
        self.prepared.pop(program, None)
        arguments = self.arguments[program]
        start = spent()
        run = self.peer.prepare(self.programs[program])
        run(*arguments[0])
        ready = spent() - start
        done, seconds = 1, ready
        while done < count and seconds - ready < budget:
            more = min(count - done, max(1, done))
            seconds += repeat(run, arguments, more)
            done += more
        if done < count:
            seconds += (seconds - ready) / max(1, done - 1) * (count - done)
        self.prepared[program] = run
        return {"ready": ready, "first": seconds, "runs": done}

    def results(self, program, count):
        """Value and gradient at the first points."""
        run, result = self.prepared[program], self.peer.result
        return {"results": [result(run(*point)) for point in self.arguments[program][:count]]}

    def sample(self, program, inner):
        seconds = repeat(self.prepared[program], self.arguments[program], inner)
        return {"time": seconds / inner}

    def release(self, program):
        for kept in (self.prepared, self.arguments, self.programs):
            kept.pop(program, None)
        return {}

    def record(self, family, operations, count):
        """For micrograd_fast alone: seconds until a function that is new has its first gradient."""
        program = _replay_programs.of_length(family, operations)
        points = self.peer.arguments(program)[0]
        seconds, plain = [], []
        for _ in range(count):
            function = self.peer.function(program)
            start = process_time()
            function.value_and_grad(*points)
            seconds.append(process_time() - start)
            stats = function.stats
            # Its memory goes back before the next is timed.
            del function
        numbers = [part.tolist() for part in program.points[0]]
        for _ in range(min(count, 3)):
            start = process_time()
            program.scalar(*numbers, _replay_programs.FLOATS)
            plain.append(process_time() - start)
        return {
            "operations": program.operations(),
            "seconds": seconds,
            "floats": min(plain),
            "stats": stats,
        }

    def stats(self, program):
        """What micrograd_fast says about the program."""
        function = self.peer.function(self.programs[program])
        function.value_and_grad(*self.arguments[program][0])
        return {"stats": function.stats}


def main():
    name, sizes = sys.argv[1], _replay_programs.Sizes(**json.loads(sys.argv[2]))
    # Libraries print; only answers go out on what was standard output.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**content):
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    try:
        peer = _replay_peers.MAKERS[name]()
    except Unavailable as reason:
        answer(unavailable=str(reason))
        return
    answer(
        label=peer.label,
        version=peer.version,
        without=sorted(peer.without),
        extension_compiler=extension_compiler(),
    )
    session = Session(peer, sizes)
    for line in sys.stdin:
        command = json.loads(line)
        before = spent()
        try:
            made = getattr(session, command.pop("do"))(**command)
        except Exception:
            answer(error=traceback.format_exc())
        else:
            answer(spent=spent() - before, **made)


if __name__ == "__main__":
    main()
