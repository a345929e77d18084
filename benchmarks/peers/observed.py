"""A loop under observation: ``python -m benchmarks.peers.observed VARIANT LENGTH_S CYCLES DIRECTORY``.

It prints the CPU and the wall time of one cycle [ns], beginning and end left out.  A cycle sleeps for its length, so
that nobody but the observer needs a CPU, and finds the caches as cold as a program would have left them.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, Literal

import psutil

from probes import build
from probes.accounts import Accounts
from probes.meters import Meters
from probes.recording import Recorder
from probes.running import Running
from probes.tracking import PROBES

CPU: Final = 0
WARM_CYCLES: Final = 20

End = Callable[[], object]


@contextmanager
def bare() -> Iterator[End]:
    """Observe nothing."""
    yield lambda: None


@contextmanager
def clocks() -> Iterator[End]:
    """Read the four clocks of a cycle's accounts as numbers, and keep nothing."""
    schedstat = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    getrusage, who, pread = resource.getrusage, resource.RUSAGE_THREAD, os.pread
    thread_time_ns, perf_counter_ns = time.thread_time_ns, time.perf_counter_ns

    def end() -> None:
        getrusage(who)
        thread_time_ns()
        int(pread(schedstat, 96, 0).split()[1])
        perf_counter_ns()

    yield end
    os.close(schedstat)


@contextmanager
def unparsed() -> Iterator[End]:
    """Read the four clocks, the run queue's as the text that the kernel gives, and keep nothing."""
    schedstat = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    getrusage, who, pread = resource.getrusage, resource.RUSAGE_THREAD, os.pread
    thread_time_ns, perf_counter_ns = time.thread_time_ns, time.perf_counter_ns

    def end() -> None:
        getrusage(who)
        thread_time_ns()
        pread(schedstat, 96, 0)
        perf_counter_ns()

    yield end
    os.close(schedstat)


@contextmanager
def accounts() -> Iterator[End]:
    """Read the accounts, and keep nothing."""
    with Meters() as meters:
        yield Accounts(meters).read


@contextmanager
def recorded(mode: Literal["full", "light"], *, probes: bool = False) -> Iterator[End]:
    """Record as ``track()`` does."""
    spool = Path(sys.argv[4])
    spool.mkdir(parents=True)
    with Meters() as meters:
        made = build.probes(PROBES, meters) if probes else {}
        with Recorder(Running(spool), meters=meters, observables={}, probes=made, accounts=mode) as recorder:
            recorder.begin(0)
            end_cycle = recorder.end_cycle
            yield partial(end_cycle, ())


@contextmanager
def snapshot() -> Iterator[End]:
    """Ask psutil for five metrics, as programs do that log the machine's state once a cycle."""
    process = psutil.Process()
    kept = []

    def end() -> None:
        kept.append(
            (
                psutil.cpu_percent(),
                psutil.virtual_memory().percent,
                psutil.disk_usage("/").percent,
                process.cpu_times(),
                process.memory_info().rss,
            )
        )

    yield end


VARIANTS: Final = {
    "bare": bare,
    "clocks": clocks,
    "unparsed": unparsed,
    "accounts": accounts,
    "spool": lambda: recorded("full"),
    "light": lambda: recorded("light"),
    "probes": lambda: recorded("full", probes=True),
    "psutil": snapshot,
}


def main() -> int:
    """Run the loop and print what a cycle took."""
    variant, length_s, cycles = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    os.sched_setaffinity(0, {CPU})
    with VARIANTS[variant]() as end:
        for cycle in range(-WARM_CYCLES, cycles):
            if cycle == 0:
                wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
            if length_s:
                time.sleep(length_s)
            end()
        cpu, wall = time.thread_time_ns() - cpu, time.perf_counter_ns() - wall
    print(json.dumps([cpu / cycles, wall / cycles]))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
