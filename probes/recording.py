"""One run's rows: cycles, windows and readings, in the order in which they are true.

Used by the measured process and by ``track()``; neither sees a clock itself.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Literal

from probes import cycles as rows
from probes import ledger
from probes.accounts import Accounts, Boundary
from probes.cycles import Cycles
from probes.meters import Meters
from probes.planning import Plan, check_observables, plans
from probes.protocols import Probe, Value
from probes.reading import Reader
from probes.room import Room, SpoolLost
from probes.running import Running
from probes.schedule import Schedule
from probes.spool import Stream
from probes.windows import Windows, wall

Mode = Literal["auto", "full", "light"]

CYCLES = rows.COLUMNS
"""Columns of every cycle."""

DERIVED = rows.DERIVED
"""Columns of table ``cycles`` that follow from them."""

SEGMENT_ROWS = 4096
"""0.7 MB of cycles; larger ones take longer to unmap (1.7 ms at 65,536 rows)."""


class Recorder:
    """Rows of one run.  Open it, ``begin`` each condition, end each cycle, ``end_condition``.

    Parameters
    ----------
    accounts : {"auto", "full", "light"}
        ``light`` reads the CPU clock, faults and switches not at every cycle but each 10 ms, for ``windows``.
        ``auto`` decides once, after ``schedule.TRIAL_CYCLES``: light if their median is below 4 ms.
    first_cycle : int
        The number of the first cycle, where a program goes on with another run.

    Raises
    ------
    SpoolLost
        If the disk cannot hold the spool (at once), or takes no more rows (later).
    reading.TooDear
        From ``end_cycle``, with ``budget="refuse"``.
    """

    end_cycle: Callable[[Sequence[Value]], None]
    """Read what is due, read the accounts, write the row; called with the values of the observables."""

    def __init__(
        self,
        running: Running,
        *,
        meters: Meters,
        observables: Mapping[str, type],
        probes: Mapping[str, Probe],
        cycles: int | None = None,
        budget: str = "lower",
        accounts: Mode = "auto",
        first_cycle: int = 0,
    ) -> None:
        self._running, self._meters, self._budget = running, meters, budget
        self._origin_ns, self._spool = running.origin_ns, running.spool
        self._room = Room(running.spool)
        with ExitStack() as opened:
            for probe in probes.values():
                opened.callback(probe.close)
            self._open(
                plans({**CYCLES, **observables}, probes, cycles, SEGMENT_ROWS), probes, first_cycle, opened
            )
            self._opened = opened.pop_all()
        self.end_cycle = self._cycles.end
        self._portable = self._accounts.schedstat is None
        self._first = self._first_cycle = first_cycle
        self._started = False
        self._schedule = Schedule(
            self._cycles,
            self._windows,
            [reader.pace for reader in self._readers],
            trial=accounts == "auto" and not self._portable,
            portable=self._portable,
        )
        if accounts == "light" and not self._portable:
            self._lighten()
        _let_children_go(self)

    def begin(self, position: int) -> None:
        """Start the cycles of a condition: what happened since the last cycle's end belongs to none.

        Before the first cycle every probe takes its baseline, which is cycle -1.
        """
        if not self._started:
            self._baseline(position)
        if self._cycles.full_at == self._cycles.cycle:
            self._cycles.make_room()
        self._cycles.position, self._first = position, self._cycles.cycle
        boundary = self._accounts.read()
        self._windows.begin(position, self._cycles.cycle, boundary)
        self._cycles.start(boundary)
        self._schedule.resume(wall(boundary))
        self._started = True

    def add_observables(self, columns: Mapping[str, type]) -> None:
        """Take more columns from the next cycle on: its values are the observables so far, then these.

        A segment has one schema, so the rows go on in a new one; the cycles before have NULL there.  An observable
        of integers given as float goes on as one.

        Raises
        ------
        ValueError
            If a name is taken, a type is neither int nor float, or there is no room for so many columns.
        """
        check_observables(self._cycles.stream.columns, columns)
        start = time.perf_counter_ns()
        self._cycles.make_room(columns)
        self._schedule.plan()
        self._charge(start)

    @property
    def cycles(self) -> int:
        """Cycles that have ended."""
        return self._cycles.cycle - self._first_cycle

    def end_condition(self) -> None:
        """Write the window that is left over."""
        if self._cycles.cycle > self._first:
            now, last = self._accounts.read(), self._cycles.last()
            self._schedule.pause(last[0])
            if self._cycles.cycle > self._windows.first:
                self._windows.end_last(self._cycles.cycle, last, now)

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
        """Close all streams and probes, and leave to the run's end the totals and what we cost."""
        meters, running = self._meters, self._running
        running.totals.update(
            gc_ns=meters.gc_ns,
            probe_ns=meters.probe_ns,
            sampling_ns=meters.sampling_ns,
            sampling_calls=meters.sampling_calls,
        )
        running.observer.update({reader.name: reader.observer() for reader in self._readers})
        running.notes.extend(note for reader in self._readers for note in reader.notes())
        self._opened.close()
        running.observer.update(self._ledger.entries(self._cycles, self._room, meters))
        running.notes.extend(self._ledger.notes(self._cycles))

    def _open(
        self, planned: Mapping[str, Plan], probes: Mapping[str, Probe], first_cycle: int, opened: ExitStack
    ) -> None:
        self._check_space(planned)
        streams = {name: self._stream(name, plan, opened) for name, plan in planned.items()}
        self._readers = [
            Reader(name, probe, streams[f"probe_{name}"], first_cycle=first_cycle)
            for name, probe in probes.items()
        ]
        for probe in probes.values():
            getattr(probe, "started", lambda _origin_ns: None)(self._origin_ns)
        self._accounts = Accounts(self._meters)
        opened.callback(self._accounts.close)
        self._cycles = Cycles(self._accounts, self._meters, streams["cycles"], self._rarely, self._closed)
        self._cycles.cycle = first_cycle
        self._windows = Windows(streams["windows"], self._origin_ns)
        self._ledger = ledger.Ledger(self._cycles, portable=self._accounts.schedstat is None)

    def _stream(self, name: str, plan: Plan, opened: ExitStack) -> Stream:
        stream = Stream(
            self._spool,
            name,
            plan.columns,
            capacity=plan.capacity,
            started_at_ns=self._running.started_at_ns,
            origin_ns=self._origin_ns,
            most_rows=plan.most_rows if plan.sure else None,
            room=self._room,
        )
        opened.callback(stream.close)
        return stream

    def _check_space(self, planned: Mapping[str, Plan]) -> None:
        self._room.check(sum(plan.estimated_bytes for plan in planned.values()))
        if not self._running.roomy:
            raise SpoolLost(f"{self._spool} has no room for end.json; free some space")

    def _baseline(self, position: int) -> None:
        for reader in self._readers:
            reader.read(position, -1, self._origin_ns, 0)

    def _rarely(self, observables: Sequence[Value]) -> bool:
        """Do what is not done at every cycle; return whether this cycle's row is written by that."""
        if not self._running.owned:
            return True  # a forked child that goes on: the map is its parent's
        self._read_due()
        if self._cycles.full_at == self._cycles.cycle:
            self._make_room()
        closing = time.perf_counter_ns() >= self._windows.next_ns or self._schedule.tried()
        if closing or self._portable:
            end = self._accounts.read()
            self._cycles.write(end, observables)
            if closing:
                self._end_window(end)
        self._schedule.plan()
        return closing or self._portable

    def _closed(self, wall_ns: int, cpu_ns: int, waited: bytes) -> None:
        """Write the window that the last record closed, in light mode."""
        ours, windows = self._cycles, self._windows
        ours.closing = False
        runq_ns = int(waited.split()[1])
        if wall_ns >= windows.second_ns:
            self._end_window((wall_ns, cpu_ns, runq_ns, *self._accounts.read()[3:]))
        else:
            windows.end_light(ours.cycle, wall_ns, cpu_ns, runq_ns)
            self._charge(wall_ns)
        ours.mark_ns = min(windows.next_ns, ours.due_ns)

    def _read_due(self) -> None:
        clock_ns = time.perf_counter_ns() - self._schedule.idle_ns
        cycle = self._cycles.cycle
        for reader in self._readers:
            if reader.pace.due(cycle, clock_ns):
                cost_ns = reader.read(self._cycles.position, cycle, self._origin_ns, clock_ns)
                self._meters.probe_ns += cost_ns
                clock_ns += cost_ns
                reader.keep_within(self._budget, cycle, clock_ns)

    def _make_room(self) -> None:
        """Open a segment here, where its time is charged to us, and not while a row is written."""
        start = time.perf_counter_ns()
        self._cycles.make_room()
        self._charge(start)

    def _end_window(self, end: Boundary) -> None:
        """Write the window up to the last cycle's end; its time is charged to the next cycle's probes."""
        start = time.perf_counter_ns()
        if self._schedule.tried():
            if not self._schedule.choose():
                return
            self._lighten()
        if self._windows.end(self._cycles.cycle, end) and not self._spool.exists():
            raise SpoolLost(f"{self._spool} is gone; the run ends with what was in it")
        self._charge(start)

    def _end_broken_window(self) -> None:
        if self._started and self._cycles.cycle > self._windows.first:
            now, last = self._accounts.read(), self._cycles.last()
            with suppress(SpoolLost):  # what broke it off
                self._windows.break_off(self._cycles.cycle, last, now)

    def _lighten(self) -> None:
        self._cycles.lighten()
        self._windows.light = True

    def _charge(self, start_ns: int) -> None:
        cost_ns = time.perf_counter_ns() - start_ns
        self._meters.probe_ns += cost_ns
        self._ledger.spool_ns += cost_ns


def _let_children_go(recorder: Recorder) -> None:
    """Have a forked child's next cycle ask whose spool it is; a dead recorder is not kept for that."""
    reference = weakref.ref(recorder)

    def disarm() -> None:
        found = reference()
        if found is not None:
            found._cycles.due = 0

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=disarm)
