"""Python's cyclic garbage collector: what it counts and what it has done."""

from __future__ import annotations

import gc
from typing import NamedTuple

from probes.protocols import Meters, Value
from probes.rates import checked


class Sample(NamedTuple):
    """One reading: the counters of the three generations, and totals of all since the process began."""

    count0: int | None
    count1: int | None
    count2: int | None
    collections: int | None
    collected: int | None


class Probe:
    """Read ``gc.get_count`` and ``gc.get_stats``: 1.5 us at any size of the heap.

    Median of 20,000 at 16 MiB and at 0.86 GiB resident; Linux 6.18, Python 3.11.7, AMD EPYC.
    ``gc.get_objects`` and ``gc.get_freeze_count`` walk the heap (107 ms at 9 million objects): not read.
    """

    def __init__(
        self, _meters: Meters, *, every_cycles: int | None = None, every_s: float | None = None
    ) -> None:
        self.every_cycles, self.every_s = checked(every_cycles, every_s)
        self.missing: dict[str, str] = {}

    def read(self) -> tuple[Value, ...]:
        """Take one sample; the counts first, since reading the totals allocates."""
        counts = gc.get_count()
        generations = gc.get_stats()
        return Sample(
            *counts,
            sum(generation["collections"] for generation in generations),
            sum(generation["collected"] for generation in generations),
        )

    def close(self) -> None:
        """Nothing is held."""
