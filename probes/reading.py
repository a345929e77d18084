"""One probe's readings: its rows, what they cost, and how often they are worth it."""

from __future__ import annotations

import sys
import time
from typing import get_args, get_type_hints

from probes.pacing import LIMIT, Pace
from probes.protocols import Probe, Value
from probes.spool import Stream

READING = dict.fromkeys(("condition", "cycle", "t_ns"), int)
"""Columns that stand before those of every sample."""

FEW, DEAR_NS = 4, 50_000
"""The first readings, and those that take so long, are timed by the CPU clock too."""


class TooDear(ValueError):  # noqa: N818 - reads as the sentence it is
    """A probe costs more than the limit, and the job says that it must not be read less often."""


class Reader:
    """A probe, its stream and its pace."""

    __slots__ = (
        "_cpu_ns",
        "_failed",
        "_fields",
        "_nothing",
        "_probe",
        "_stream",
        "_timed_ns",
        "_why",
        "at_asked",
        "baseline_ns",
        "name",
        "note",
        "pace",
    )

    def __init__(self, name: str, probe: Probe, stream: Stream, *, first_cycle: int = 0) -> None:
        self.name, self._probe, self._stream = name, probe, stream
        self.pace = Pace(probe.every_cycles, probe.every_s, first_cycle=first_cycle)
        self._fields = tuple(stream.columns)[len(READING) :]
        self._nothing: tuple[Value, ...] = (None,) * len(self._fields)
        self._failed, self._why = 0, ""
        self.note: str | None = None
        self.at_asked: float | None = None
        self._timed_ns = self._cpu_ns = self.baseline_ns = 0

    def read(self, position: int, cycle: int, origin_ns: int, clock_ns: int) -> int:
        """Take a reading, write its row, and return what both cost."""
        # Two readings of the CPU clock take 0.9 us, as much as the cheap probes themselves.
        timed = self.pace.reads < FEW or self.pace.last_ns > DEAR_NS
        cpu_ns = time.thread_time_ns() if timed else 0
        start = time.perf_counter_ns()
        try:
            sample = self._probe.read()
        except OSError as error:  # one signal less is no reason to end the run
            self._failed, self._why, sample = self._failed + 1, str(error), self._nothing
        self._stream.append((position, cycle, time.perf_counter_ns() - origin_ns, *sample))
        cost_ns = time.perf_counter_ns() - start
        if timed:
            self._cpu_ns += time.thread_time_ns() - cpu_ns
            self._timed_ns += cost_ns
        if cycle < 0:  # in no cycle, so in no probe_ns
            self.baseline_ns = cost_ns
        self.pace.spent(cycle, clock_ns, cost_ns)
        return cost_ns

    def keep_within(self, budget: str, cycle: int, clock_ns: int) -> None:
        """Lower a rate that costs too much, or refuse it."""
        excess = self.pace.excess(clock_ns)
        if excess is None:
            return
        if budget == "refuse":
            raise TooDear(
                f"probe {self.name}: {excess}, more than {LIMIT:.0%}; read it less often or set probe_budget=lower"
            )
        if self.at_asked is None:
            self.at_asked = self.pace.share(clock_ns)
        self.pace.lower(cycle, clock_ns)
        self.note = self.note or f"probe {self.name}: {excess}, more than {LIMIT:.0%}; lowered to"

    def notes(self) -> list[str]:
        """Return what a reader of the run must know of this probe: a lower rate, what the machine lacks."""
        missing: dict[str, str] = dict(getattr(self._probe, "missing", {}))
        if self._failed:
            failed = f"{self._failed} of {self.pace.reads} readings failed: {self._why}"
            missing = {field: missing.get(field, failed) for field in self._fields}
        fields = {why: [field for field in missing if missing[field] == why] for why in missing.values()}
        lacking = [
            f"probe {self.name}: {', '.join(names)} {'is' if len(names) == 1 else 'are'} NULL ({why})"
            for why, names in fields.items()
        ]
        return [*([f"{self.note} {self.pace}"] if self.note else []), *lacking]

    def observer(self) -> dict[str, object]:
        """Return this probe's part of ``end.json``."""
        return {
            "reads": self.pace.reads,
            "ns": self.pace.ns,
            "baseline_ns": self.baseline_ns,
            "cpu_ns": round(self.pace.ns * self._cpu_ns / self._timed_ns) if self._timed_ns else None,
            "bytes": self._stream.rows * self._stream.record_bytes,
            "asked": self.pace.asked(),
            "in_effect": self.pace.in_effect(),
            **({} if self.at_asked is None else {"share_as_asked": round(self.at_asked, 4)}),
        }


def sample_columns(probe: Probe) -> dict[str, type]:
    """Return the columns of a probe's rows: the fields of ``Sample`` in its module."""
    hints = get_type_hints(sys.modules[type(probe).__module__].Sample)
    return {name: float if float in (hint, *get_args(hint)) else int for name, hint in hints.items()}
