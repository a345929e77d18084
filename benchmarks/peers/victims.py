"""Loops whose off-CPU time is known: ``python -m benchmarks.peers.victims NAME CYCLES STORE`` records one of them.

Each cycle observes ``blocked_ns``, the time off the CPU that the loop can account for itself: what its blocking calls
took beyond their CPU time and their waiting for a CPU.
"""

from __future__ import annotations

import gc
import mmap
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from probes import track

CPU: Final = 0
WORK: Final = 60_000
"""Turns of an empty loop: 1-3 ms."""
SLEEP_S: Final = 0.005
SYNCS: Final = 10
FAULTS: Final = 2048
SYNCED: Final = bytes(16 * 1024)

Block = Callable[[Callable[[], object]], int]


def compute(_block: Block) -> int:
    """Work without a system call: nothing is off the CPU."""
    for _ in range(WORK):
        pass
    return 0


def sleep(block: Block) -> int:
    """Work a little, then sleep."""
    for _ in range(WORK // 4):
        pass
    return block(partial(time.sleep, SLEEP_S))


def fsync(block: Block) -> int:
    """Write to a file and wait for the disk; a page on its way there makes the next write wait, too."""
    return sum(block(_synced) for _ in range(SYNCS))


def _synced() -> None:
    with Path("synced").open("r+b", buffering=0) as file:
        file.write(SYNCED)
        os.fsync(file.fileno())


def faults(_block: Block) -> int:
    """Touch pages for the first time: 8 MiB, 2,048 minor faults."""
    with mmap.mmap(-1, FAULTS * mmap.PAGESIZE) as fresh:
        for page in range(FAULTS):
            fresh[page * mmap.PAGESIZE] = 1
    return 0


def garbage(_block: Block) -> int:
    """Make cycles of references and collect them."""
    for _ in range(1_000):
        ring: list[object] = []
        ring.append(ring)
    gc.collect()
    return 0


VICTIMS: Final = {victim.__name__: victim for victim in (compute, sleep, fsync, faults, garbage)}


def main() -> int:
    """Record the loop that the command line names."""
    name, cycles, store = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    os.sched_setaffinity(0, {CPU})
    schedstat = os.open("/proc/thread-self/schedstat", os.O_RDONLY)

    def on_cpu() -> int:
        # The CPU clock first: reading it may reschedule, and the run queue must already hold that.
        return time.thread_time_ns() + int(os.pread(schedstat, 96, 0).split()[1])

    def block(call: Callable[[], object]) -> int:
        used, began = on_cpu(), time.perf_counter_ns()
        call()
        used = on_cpu() - used
        return time.perf_counter_ns() - began - used

    Path("synced").write_bytes(SYNCED)
    with track(experiment=name, store=store) as rec:
        for _ in range(cycles):
            rec.observe(blocked_ns=VICTIMS[name](block))
            rec.cycle()
    return 0


if __name__ == "__main__":
    sys.exit(main())
