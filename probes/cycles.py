"""The rows of the cycles: the clocks as they stand at each cycle's end, packed straight into the spool's map.

This is the one path that every cycle takes, so it is one function without a call that is not a clock's or the
record's own.  It takes 2.6 us, 1.3 times its bare readings (rusage, CPU clock, schedstat, wall clock: 2.1 us), and
1.6 us in light mode; taken apart into functions, with differences instead of running totals, it took 4.4 us (CPU
time, pinned, interleaved blocks; Linux 6.18, Python 3.11.7, AMD EPYC).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from os import pread
from statistics import median
from time import perf_counter_ns, thread_time_ns
from typing import Any, NamedTuple

from probes import accounts
from probes.accounts import RUSAGE_THREAD, Accounts, Boundary, getrusage
from probes.meters import Meters
from probes.protocols import Value
from probes.segment import SCHEDSTAT_BYTES, START, Clock, Schedstat
from probes.spool import Page, Stream, scratch

COLUMNS: Mapping[str, type] = {
    "condition": int,
    "cycle": int,
    "wall_ns": Clock,
    "cpu_ns": Clock,
    "runq_ns": Schedstat,
    **dict.fromkeys(accounts.COUNTS, Clock),
}

DERIVED = ("run_id", "process", "t_ns", "offcpu_ns", "net_ns")
"""Columns of table ``cycles`` that follow from these."""

NEVER = 1 << 62
_UNREAD = (0,) * 16
_CPU_BIT = 1 << list(COLUMNS).index("cpu_ns")
_DEAR = _CPU_BIT | sum(1 << i for i, name in enumerate(COLUMNS) if name.endswith(("_faults", "_switches")))
"""What light mode does not read at every cycle: each of the two calls takes as long as writing the record."""
_BLOCKS, _BLOCK = 9, 64


class Cost(NamedTuple):
    """What the end of one cycle takes: the median of some blocks, the second smallest and the second largest.

    That is a 96 % interval for the median of nine."""

    ns: float
    low_ns: float
    high_ns: float


class Cycles:
    """Writes one record a cycle; whoever made it says when something else is due.

    ``end`` asks ``rarely`` once ``due`` (a cycle) or, if ``timed``, ``due_ns`` (a ``perf_counter_ns``) is reached,
    and writes the record itself unless that returns True.  In light mode (``full`` False) CPU clock and rusage are not
    read; after a cycle that ends at ``mark_ns`` or later the next one asks, if ``due_ns`` is reached too, or else reads
    the CPU clock (``closing``) and hands wall clock, CPU clock and schedstat to ``closed``.
    """

    __slots__ = (
        "_buffer",
        "_closed",
        "_cursor",
        "_mask",
        "_meters",
        "_offset",
        "_pack",
        "_rarely",
        "_rows",
        "_schedstat",
        "_size",
        "closing",
        "cycle",
        "due",
        "due_ns",
        "full",
        "mark_ns",
        "position",
        "stream",
        "timed",
    )

    def __init__(
        self,
        clocks: Accounts,
        meters: Meters,
        stream: Stream,
        rarely: Callable[[Sequence[Value]], bool],
        closed: Callable[[int, int, bytes], None],
    ) -> None:
        self._meters, self.stream, self._rarely, self._closed = meters, stream, rarely, closed
        self._schedstat = clocks.schedstat if clocks.schedstat is not None else -1
        self.position = self.cycle = self.due = self.due_ns = 0
        self.full = self.timed = True
        self.closing = False
        self.mark_ns = NEVER
        self._offset = self._rows = self._mask = 0
        self._attach(stream.page)

    def end(self, observables: Sequence[Value]) -> None:
        """Write the record of the cycle that ends now."""
        asked = self.cycle >= self.due or (self.timed and perf_counter_ns() >= self.due_ns)
        if asked and self._rarely(observables):
            return
        # The order matters, see Accounts.
        if self.full:
            used, cpu_ns = getrusage(RUSAGE_THREAD), thread_time_ns()
        else:
            used, cpu_ns = _UNREAD, thread_time_ns() if self.closing else 0
        waited = pread(self._schedstat, SCHEDSTAT_BYTES, 0)
        wall_ns = perf_counter_ns()
        meters = self._meters
        try:
            self._pack(
                self._buffer,
                self._offset,
                self._mask,
                self.position,
                self.cycle,
                wall_ns,
                cpu_ns,
                waited,
                meters.gc_ns,
                meters.probe_ns,
                meters.sampling_ns,
                meters.sampling_calls,
                used[6],
                used[7],
                used[14],
                used[15],
                *observables,
            )
        except struct.error:
            ours = (meters.gc_ns, meters.probe_ns, meters.sampling_ns, meters.sampling_calls)
            counts = (used[6], used[7], used[14], used[15]) if self.full else (None,) * 4
            cpu = cpu_ns if self.full else None
            self._write((wall_ns, cpu, waited, *ours, *counts, *observables))
        self._offset += self._size
        self._rows = rows = self._rows + 1
        self._cursor[0] = rows
        self.cycle += 1
        if wall_ns >= self.mark_ns:
            if self.closing:
                self._closed(wall_ns, cpu_ns, waited)
            elif wall_ns >= self.due_ns:
                self.due = 0
            else:
                self.closing = True

    def write(self, end: Boundary, observables: Sequence[Value]) -> None:
        """Write the record of a cycle that ended at a boundary read elsewhere."""
        self._append(end, observables, 0)
        self.cycle += 1

    def start(self, boundary: Boundary) -> None:
        """Let the next cycle count from here."""
        self.cycle -= 1
        self._append(boundary, [0] * (len(self.stream.columns) - len(COLUMNS)), START)
        self.cycle += 1

    @property
    def full_at(self) -> int:
        """The cycle for which there is no room."""
        return self.cycle + self.stream.page.capacity - self._rows

    def make_room(self, columns: Mapping[str, type] | None = None) -> None:
        """Go on in a new segment, with more columns or because this one is full."""
        last = self._last() if self._rows else None
        if columns is None:
            self.stream.next_segment()
        else:
            self.stream.extend(columns)
        self._attach(self.stream.page)
        if last is not None:
            mask, values = last
            blank = [0] * (len(self.stream.columns) - len(COLUMNS))
            self._pack(self._buffer, self._offset, mask | START, *values, *blank)
            self._forward()

    def last(self) -> tuple[int, int | None, int]:
        """Return the wall clock, the CPU clock and the time waited at the last record."""
        mask, values = self._last()
        waited = values[4].split()
        return values[2], values[3] if mask & _CPU_BIT else None, int(waited[1]) if len(waited) > 1 else 0

    def lengths_ns(self) -> list[int]:
        """Return how long the cycles of this segment took."""
        layout, first = self.stream.page.layout, self.stream.page.offset
        walls: list[int] = [
            layout.unpack_from(self._buffer, first + i * self._size)[3] for i in range(self._rows)
        ]
        return [b - a for a, b in pairwise(walls)]

    def lighten(self) -> None:
        """Go over to light mode; the records of this segment, few as they are, take back what it lacks."""
        self.full = self.timed = False
        self._mask &= ~_DEAR
        first = self.stream.page.offset
        for offset in range(first, self._offset, self._size):
            (mask,) = struct.unpack_from("<Q", self._buffer, offset)
            struct.pack_into("<Q", self._buffer, offset, mask & ~_DEAR)

    def cost(self, *, full: bool) -> Cost:
        """Time the end of a cycle on memory that is no file, before the first cycle."""
        trial = Cycles.__new__(Cycles)
        trial._meters, trial.stream, trial._schedstat = self._meters, self.stream, self._schedstat
        trial._rarely, trial._closed, trial.closing = self._rarely, self._closed, False
        trial.position = trial.cycle = 0
        trial.due, trial.due_ns, trial.mark_ns = NEVER, NEVER, NEVER
        trial.full = trial.timed = full
        page = scratch(self.stream.columns, (_BLOCKS + 1) * _BLOCK)
        trial._attach(page)
        observables = [0] * (len(self.stream.columns) - len(COLUMNS))
        blocks = sorted([trial._block_ns(observables) for _ in range(_BLOCKS + 1)][1:])
        page.release()
        return Cost(median(blocks), blocks[1], blocks[-2])

    def _block_ns(self, observables: Sequence[Value]) -> float:
        start = thread_time_ns()
        for _ in range(_BLOCK):
            self.end(observables)
        return (thread_time_ns() - start) / _BLOCK

    def _append(self, at: Boundary, observables: Sequence[Value], flags: int) -> None:
        wall, cpu, runq, *counts = at[: accounts.MEASURED]
        waited = None if runq is None else b"0 %d 0" % runq
        if not self.full:
            cpu, counts = None, [*counts[:4], *(None,) * 4]
        self._write((wall, cpu, waited, *counts, *observables), flags)
        self._forward()

    def _write(self, values: Sequence[Value | bytes], flags: int = 0) -> None:
        self.stream.append_masked(self._offset, (self.position, self.cycle, *values), flags)

    def _forward(self) -> None:
        self._offset += self._size
        self._rows += 1
        self._cursor[0] = self._rows

    def _last(self) -> tuple[int, tuple[Any, ...]]:
        mask, *values = self.stream.page.layout.unpack_from(self._buffer, self._offset - self._size)
        return mask, tuple(values[: len(COLUMNS)])

    def _attach(self, page: Page) -> None:
        self._buffer, self._cursor = page.buffer, page.cursor
        self._pack, self._size = page.layout.pack_into, page.layout.size
        self._rows = page.cursor[0]
        self._offset = page.offset + self._rows * self._size
        self._mask = (1 << len(self.stream.columns)) - 1
        if not self.full:
            self._mask &= ~_DEAR
