"""What the recorder itself costs a run, beside the probes: the end of each cycle, and the spool."""

from __future__ import annotations

from typing import Any

from probes.cycles import Cost, Cycles
from probes.meters import Meters
from probes.room import Room

LIGHT = (
    "light accounts, since the cycles are short: CPU and off-CPU time, faults and switches are NULL in "
    "cycles; wall = cpu + runq + offcpu holds in windows of 10 ms and more"
)


class Ledger:
    """Our own costs; those of a cycle's end are timed before the first cycle, in both modes.

    ``spool_ns``, the time for new segments and windows, is part of the run's ``probe_ns``.
    """

    def __init__(self, cycles: Cycles, *, portable: bool) -> None:
        self._full = None if portable else cycles.cost(full=True)
        self._light = None if portable else cycles.cost(full=False)
        self._first = cycles.cycle
        self.spool_ns = 0

    def entries(self, cycles: Cycles, room: Room, meters: Meters) -> dict[str, dict[str, Any]]:
        """Return the entries ``accounts``, ``spool`` and ``loop`` of the run's ``observer``."""
        cost = self._full if cycles.full else self._light
        number = cycles.cycle - self._first
        ends = _times(cost, number)
        return {
            "accounts": {
                "mode": "full" if cycles.full else "light",
                "reads": number,
                **ends,
                "bytes": cycles.stream.rows * cycles.stream.record_bytes,
            },
            "spool": {"reads": room.segments, "ns": self.spool_ns, "bytes": room.taken_bytes},
            "loop": {name: None if ns is None else ns + meters.probe_ns for name, ns in ends.items()},
        }

    def notes(self, cycles: Cycles) -> list[str]:
        """Say what a reader of the rows must know of the mode."""
        return [] if cycles.full else [LIGHT]


def _times(cost: Cost | None, cycles: int) -> dict[str, int | None]:
    if cost is None:
        return dict.fromkeys(("ns", "low_ns", "high_ns"))
    return {
        name: round(value * cycles) for name, value in zip(("ns", "low_ns", "high_ns"), cost, strict=True)
    }
