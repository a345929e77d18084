"""Cycles of about 1 ms of fixed work, recorded: ``python -m benchmarks.peers.steady CYCLES STORE``.

It prints when the first cycle begins, so that whoever disturbs it knows when to start.
"""

from __future__ import annotations

import os
import sys

from probes import track

CPU = 0
WORK = 25_000
"""Turns of an empty loop: about 1 ms."""


def main() -> int:
    """Record the loop."""
    cycles, store = int(sys.argv[1]), sys.argv[2]
    os.sched_setaffinity(0, {CPU})
    for cycle in track(range(cycles), experiment="steady", store=store):
        if cycle == 0:
            print("begun", flush=True)  # noqa: T201
        for _ in range(WORK):
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
