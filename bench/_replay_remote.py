"""The other end of _replay_worker.py: a contender that _harness.interleave can sample."""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from bench._contender import Unavailable

WORKER = Path(__file__).resolve().parent / "_replay_worker.py"

# One thread each, by whatever name their libraries ask for the number.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "NPROC": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


class CutOff(Exception):
    """The contender did not answer in time; its process has been ended."""


class Failed(Exception):
    """The contender raised an exception."""


def group_time(group):
    """Processor time of the processes of a group; None where there is no /proc to read it from."""
    ticks, found = 0, False
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in parentheses may hold anything, blanks too.
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            # Its own, and of children that have ended.
            ticks += sum(map(int, fields[11:15]))
            found = True
    return ticks / os.sysconf("SC_CLK_TCK") if found else None


class Remote:
    """A contender in a process of its own, started anew after it had to be ended."""

    collector = True
    makes_cycles = False

    def __init__(self, name, sizes, limit):
        self.name, self.sizes, self.limit = name, sizes, limit
        self.process = None
        self.spent = 0.0
        self.start()

    # --- the process ---

    def start(self):
        # What goes wrong in a library is said on standard error; a pipe nobody reads could fill up.
        self.messages = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER), self.name, json.dumps(asdict(self.sizes))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.messages,
            env={**os.environ, **ONE_THREAD},
            # A group of its own, so that its compilers end with it.
            start_new_session=True,
        )
        self.unread = b""
        greeting = self.read(120.0)
        if "unavailable" in greeting:
            self.close()
            raise Unavailable(greeting["unavailable"])
        self.label, self.version = greeting["label"], greeting["version"]
        self.without = frozenset(greeting["without"])
        self.extension_compiler = greeting["extension_compiler"]

    def close(self):
        if self.process is None:
            return
        process, self.process = self.process, None
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        process.stdin.close()
        process.stdout.close()
        self.messages.close()

    def read(self, limit):
        """The next answer, waited for while the processes take that much processor time at most.

        A wait of ten times that length is too long in any case.
        """
        begun, taken = time.monotonic(), group_time(self.process.pid)
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self.unread:
                if not selector.select(min(1.0, limit)):
                    waited = time.monotonic() - begun
                    used = waited if taken is None else group_time(self.process.pid) - taken
                    if used > limit or waited > 10.0 * limit:
                        self.close()
                        raise CutOff(f"{self.name} did not answer within {limit:g} s")
                    continue
                received = os.read(self.process.stdout.fileno(), 1 << 16)
                if not received:
                    self.messages.seek(0)
                    text = self.messages.read()
                    self.close()
                    raise Failed(f"the process of {self.name} ended:\n{text}")
                self.unread += received
        line, _, self.unread = self.unread.partition(b"\n")
        return json.loads(line)

    def ask(self, do, limit=None, **arguments):
        """The answer to one command. Without a limit of its own it may take ten minutes."""
        if self.process is None:
            self.start()
        try:
            self.process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            # read() says how the process ended.
            pass
        answer = self.read(600.0 if limit is None else limit)
        if "error" in answer:
            raise Failed(f"{self.name}, {do} {arguments}:\n{answer['error']}")
        self.spent += answer.pop("spent")
        return answer

    # --- what the harness wants of a contender ---

    def clock(self):
        """Processor time of the contender's process, as far as it was for commands."""
        return self.spent

    def first(self, program, count, budget):
        return self.ask(
            "first", self.limit + 2.0 * budget, program=program, count=count, budget=budget
        )
