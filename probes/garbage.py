"""Python's cyclic garbage collector: what it counts, what it has done, and how long it took."""

from __future__ import annotations

import gc
import time
from typing import NamedTuple

from probes.protocols import Meters, Value
from probes.rates import checked, whole

_SHARE = 1000
"""Counting all tracked objects may take a thousandth of the time."""


class Sample(NamedTuple):
    """One reading: the counters of the three generations, and totals of all since the process began.

    ``pause_ns`` is the time in collections since the recording began; ``tracked_objects`` is ``None`` where they
    were not counted.
    """

    count0: int | None
    count1: int | None
    count2: int | None
    collections: int | None
    collected: int | None
    pause_ns: int | None
    tracked_objects: int | None


class Probe:
    """Read ``gc.get_count``, ``gc.get_stats`` and the meters; at some readings count the objects themselves.

    A reading takes 1.5 us at any size of the heap, beside 0.05 us of a bare call.  ``gc.get_objects`` makes a list
    of all tracked objects: 0.38 ms at 100,000 of them, 5.7 ms at a million.  So they are counted at the first of
    every ``tracked_every`` readings (0: never) if that takes less than a thousandth of the time.  (Medians of
    20,000 and 7; Linux 6.18, Python 3.11.7, AMD EPYC.)
    """

    def __init__(
        self,
        meters: Meters,
        *,
        every_cycles: int | None = None,
        every_s: float | None = None,
        tracked_every: int = 100,
    ) -> None:
        self.every_cycles, self.every_s = checked(every_cycles, every_s)
        self.missing: dict[str, str] = {}
        self._meters = meters
        self._tracked_every = whole("tracked_every", tracked_every, least=0)
        self._readings = self._not_before_ns = 0

    def read(self) -> tuple[Value, ...]:
        """Take one sample; the counts first, since reading the totals allocates."""
        counts = gc.get_count()
        generations = gc.get_stats()
        return Sample(
            *counts,
            sum(generation["collections"] for generation in generations),
            sum(generation["collected"] for generation in generations),
            self._meters.gc_ns,
            self._tracked(),
        )

    def close(self) -> None:
        """Nothing is held."""

    def _tracked(self) -> int | None:
        due = self._tracked_every and self._readings % self._tracked_every == 0
        self._readings += 1
        start_ns = time.perf_counter_ns()
        if not due or start_ns < self._not_before_ns:
            return None
        count = len(gc.get_objects())
        end_ns = time.perf_counter_ns()
        self._not_before_ns = end_ns + _SHARE * (end_ns - start_ns)
        return count
