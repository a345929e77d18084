"""One run's rows: cycles, windows and readings, in the order in which they are true.

Used by the measured process and by ``track()``; neither sees a clock itself.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from math import ceil
from types import TracebackType
from typing import NamedTuple

from probes import accounts
from probes.accounts import Accounts, Boundary
from probes.meters import Meters
from probes.protocols import Probe, Value
from probes.reading import READING, Reader, sample_columns
from probes.running import Running, free_bytes
from probes.spool import MOST_COLUMNS, SpoolLost, Stream, segment_size

WINDOW_NS = 1_000_000_000
"""Over a second the kernel's tick tells user from system time (sd 0.05); over a cycle it does not."""

SEGMENT_ROWS = 4096
"""0.7 MB of cycles; larger ones take longer to unmap (1.7 ms at 65,536 rows)."""

WINDOW_ROWS = 256
"""At most one row a second: four minutes a segment."""

CYCLES = {"condition": int, "cycle": int, "process": int, "t_ns": int, **dict.fromkeys(accounts.COLUMNS, int)}
DERIVED = ("run_id", "net_ns")
"""Columns of table ``cycles`` that no row of the spool has."""

WINDOWS = dict.fromkeys(
    (
        *("condition", "first_cycle", "last_cycle", "t_ns"),
        *accounts.CLOCKS,
        *("user_ns", "sys_ns", "process_cpu_ns", "children_cpu_ns", "threads"),
    ),
    int,
)


class Plan(NamedTuple):
    """The rows that one stream will hold at most (``None``: not known), and whether it will hold so many."""

    columns: Mapping[str, type]
    most_rows: int | None
    sure: bool

    @property
    def capacity(self) -> int:
        """Rows of a segment."""
        return SEGMENT_ROWS if self.most_rows is None else min(SEGMENT_ROWS, max(16, self.most_rows))

    @property
    def estimated_bytes(self) -> int:
        """What the stream takes on disk, or its first segment where the number of rows is not sure."""
        segments = ceil((self.most_rows or 1) / self.capacity) if self.sure else 1
        return segments * segment_size(len(self.columns), self.capacity)


class Recorder:
    """Rows of one run.  Open it, ``begin`` each condition, end each cycle, ``end_condition``.

    A cycle costs 4.4 us where no probe is due: 20 columns, no system call but the clocks (Linux 6.18, Python
    3.11.7, AMD EPYC).

    Raises
    ------
    SpoolLost
        If the disk cannot hold the spool (at once), or takes no more rows (later).
    reading.TooDear
        From ``end_cycle``, with ``budget="refuse"``.
    """

    def __init__(
        self,
        running: Running,
        *,
        meters: Meters,
        observables: Mapping[str, type],
        probes: Mapping[str, Probe],
        cycles: int | None = None,
        budget: str = "lower",
        first_cycle: int = 0,
    ) -> None:
        self._running, self._meters, self._budget = running, meters, budget
        self._origin_ns = running.origin_ns
        self._spool = running.spool
        plans = {
            "cycles": Plan({**CYCLES, **observables}, cycles, sure=True),
            "windows": Plan(WINDOWS, min(cycles or WINDOW_ROWS, WINDOW_ROWS), sure=False),
            **{f"probe_{name}": _plan(probe, cycles) for name, probe in probes.items()},
        }
        _check_space(running, sum(plan.estimated_bytes for plan in plans.values()))
        self._cycles, self._windows, *readings = (
            Stream(
                self._spool,
                name,
                plan.columns,
                capacity=plan.capacity,
                started_at_ns=running.started_at_ns,
            )
            for name, plan in plans.items()
        )
        self._readers = [
            Reader(name, probe, stream)
            for (name, probe), stream in zip(probes.items(), readings, strict=True)
        ]
        for probe in probes.values():
            getattr(probe, "started", lambda _origin_ns: None)(self._origin_ns)
        self._accounts = Accounts(meters)
        self._position = 0
        self._cycle = self._first = first_cycle
        # The clock of the rates: perf_counter_ns less the time in which no cycle ran.
        self._idle_ns = 0
        self._last: Boundary = self._accounts.read()
        self._window = self._last
        self._totals = accounts.totals()
        self._started = False

    def begin(self, position: int) -> None:
        """Start the cycles of a condition: what happened since the last cycle's end belongs to none.

        Before the first cycle every probe takes its baseline, which is cycle -1.
        """
        self._position = position
        if not self._started:
            self._baseline()
        idle_from = _wall(self._last) if self._started else 0
        self._started = True
        self._totals = accounts.totals()
        self._last = self._window = self._accounts.read()
        self._idle_ns += _wall(self._last) - idle_from
        self._first = self._cycle

    def end_cycle(self, observables: Sequence[Value]) -> None:
        """Read what is due, read the accounts, write the row; their cost stands in this row's ``probe_ns``."""
        self._read_due()
        start = self._last
        end = self._last = self._accounts.read()
        t_ns = _wall(end) - self._origin_ns
        self._cycles.append(
            (self._position, self._cycle, 0, t_ns, *accounts.between(start, end), *observables)
        )
        self._cycle += 1
        if _wall(end) - _wall(self._window) >= WINDOW_NS:
            self._end_window()

    def add_observables(self, columns: Mapping[str, type]) -> None:
        """Take more columns from the next cycle on: its values are the observables so far, then these.

        A segment has one schema, so the rows go on in a new one; the cycles before have NULL there.  An observable
        of integers given as float goes on as one.

        Raises
        ------
        ValueError
            If a name is taken, a type is neither int nor float, or there is no room for so many columns.
        """
        _check_observables(self._cycles.columns, columns)
        start = time.perf_counter_ns()
        self._cycles.extend(columns)
        self._meters.probe_ns += time.perf_counter_ns() - start

    def end_condition(self) -> None:
        """Write the window that is left over."""
        if self._cycle > self._first:
            self._end_window()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None
    ) -> None:
        if not self._running.owned:
            return  # a forked child: the maps are shared
        try:
            self._end_broken_window()
        finally:
            self.close()

    def close(self) -> None:
        """Close all streams and probes, and leave to the run's end the totals and what the probes cost."""
        meters = self._meters
        self._running.totals.update(
            gc_ns=meters.gc_ns,
            probe_ns=meters.probe_ns,
            sampling_ns=meters.sampling_ns,
            sampling_calls=meters.sampling_calls,
        )
        for reader in self._readers:
            self._running.observer[reader.name] = reader.observer()
            self._running.notes.extend(reader.notes())
            reader.close()
        self._cycles.close()
        self._windows.close()
        self._accounts.close()

    def _baseline(self) -> None:
        for reader in self._readers:
            reader.read(self._position, -1, self._origin_ns, 0)

    def _read_due(self) -> None:
        clock_ns = time.perf_counter_ns() - self._idle_ns
        for reader in self._readers:
            if reader.pace.due(self._cycle, clock_ns):
                cost_ns = reader.read(self._position, self._cycle, self._origin_ns, clock_ns)
                self._meters.probe_ns += cost_ns
                clock_ns += cost_ns
                reader.keep_within(self._budget, self._cycle, clock_ns)
        if self._cycles.full:
            self._make_room()

    def _make_room(self) -> None:
        """Open a segment here, where its time is charged to us, and not while a row is written."""
        start = time.perf_counter_ns()
        self._cycles.make_room()
        self._meters.probe_ns += time.perf_counter_ns() - start

    def _end_window(self) -> None:
        """Write the window up to the last cycle's end; its time is charged to the next cycle's probes."""
        start = time.perf_counter_ns()
        before, self._totals = self._totals, accounts.totals()
        self._append_window(accounts.spent(before, self._totals))
        self._window, self._first = self._last, self._cycle
        if not self._spool.exists():
            raise SpoolLost(f"{self._spool} is gone; the run ends with what was in it")
        self._meters.probe_ns += time.perf_counter_ns() - start

    def _end_broken_window(self) -> None:
        """Write what a condition that was broken off leaves; the process's clocks have gone on, so not those."""
        if self._started and self._cycle > self._first:
            try:
                self._append_window((None, None, None))
            except SpoolLost:
                return  # what broke it off
            self._first = self._cycle

    def _append_window(self, totals: tuple[Value, ...]) -> None:
        start, end = self._window, self._last
        clocks = accounts.between(start, end)[: len(accounts.CLOCKS)]
        t_ns = _wall(end) - self._origin_ns
        self._windows.append(
            (
                self._position,
                self._first,
                self._cycle - 1,
                t_ns,
                *clocks,
                *accounts.split_ns(start, end),
                *totals,
            )
        )


def _check_observables(taken: Mapping[str, type], columns: Mapping[str, type]) -> None:
    for name, kind in columns.items():
        widened = name not in CYCLES and taken.get(name) is int and kind is float
        if (name in taken and not widened) or name in DERIVED:
            raise ValueError(f"observable {name!r} is a column of cycles already; give it another name")
        if not name.isidentifier() or kind not in (int, float):
            raise ValueError(f"observable {name!r} of type {kind}: expected an identifier, and int or float")
    wanted = len({**taken, **columns})
    if wanted > MOST_COLUMNS:
        raise ValueError(f"{wanted} columns of cycles; {MOST_COLUMNS} is the most")


def _wall(boundary: Boundary) -> int:
    return boundary[0]  # type: ignore[return-value]


def _plan(probe: Probe, cycles: int | None) -> Plan:
    columns = {**READING, **sample_columns(probe)}
    if cycles is None or probe.every_cycles is None:
        # A rate in seconds: at most once a cycle, and how long the cycles take is not known.
        return Plan(columns, None if cycles is None else cycles + 1, sure=False)
    return Plan(columns, cycles // probe.every_cycles + 1, sure=True)


def _check_space(running: Running, needed: int) -> None:
    free = free_bytes(running.spool)
    if needed > free or not running.roomy:
        raise SpoolLost(
            f"the spool needs {needed / 2**20:.1f} MiB and {running.spool} has {free / 2**20:.1f} MiB free; "
            "free some space or set store.root to another disk"
        )
