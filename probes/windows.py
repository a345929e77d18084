"""The rows of the windows: stretches of cycles that end at a cycle's end, with what is read only there.

With full accounts a window is a second: over that the kernel's tick tells user from system time (sd 0.05 of the
share); over a cycle it does not.  In light mode, where the CPU clock is read for windows only, they are 10 ms; what
needs a second stands, for the whole second, in the window that completes it.
"""

from __future__ import annotations

from probes import accounts
from probes.accounts import Boundary
from probes.protocols import Value
from probes.spool import Stream

SECOND_NS = 1_000_000_000
LIGHT_NS = 10_000_000
"""A CPU clock read twice as often as this raises the switches between competitors: it ends a used-up slice."""

COLUMNS = dict.fromkeys(
    (
        *("condition", "first_cycle", "last_cycle", "t_ns"),
        *accounts.CLOCKS,
        *("user_ns", "sys_ns", "process_cpu_ns", "children_cpu_ns", "threads"),
    ),
    int,
)

Last = tuple[int, int | None, int]
"""Wall clock, CPU clock and time waited as the last row holds them."""

_NOTHING = (None,) * 5
_UNREAD = (0,) * len(_NOTHING)
_LIGHT_MASK = (1 << len(COLUMNS) - len(_NOTHING)) - 1


class Windows:
    """Writes one row for what lies between two boundaries."""

    def __init__(self, stream: Stream, origin_ns: int) -> None:
        self._stream, self._origin_ns = stream, origin_ns
        self.position = self.first = 0
        self.light = False

    def begin(self, position: int, cycle: int, boundary: Boundary) -> None:
        """Start the first window of a condition."""
        self.position, self.first = position, cycle
        self._start, self._second = _clocks(boundary), boundary
        self._totals = accounts.totals()

    @property
    def start_ns(self) -> int:
        """The wall clock at which the window began."""
        return wall(self._start)

    @property
    def next_ns(self) -> int:
        """The wall clock from which on a cycle's end ends the window."""
        return wall(self._start) + (LIGHT_NS if self.light else SECOND_NS)

    @property
    def second_ns(self) -> int:
        """The wall clock from which on a window's end completes a second."""
        return wall(self._second) + SECOND_NS

    def end(self, next_cycle: int, end: Boundary) -> bool:
        """Write the window; tell whether it completed a second."""
        complete = not self.light or wall(end) >= self.second_ns
        self._append(next_cycle, end, self._slow(end) if complete else _NOTHING)
        return complete

    def end_light(self, next_cycle: int, wall_ns: int, cpu_ns: int, runq_ns: int) -> None:
        """Write a window that completes no second.

        Packed with a known mask: with caches gone cold, ``end`` and its plan took 60 us, at every tenth cycle of 1 ms.
        """
        wall, cpu, runq = self._start
        lasted, used, waited = wall_ns - wall, cpu_ns - cpu, runq_ns - runq  # type: ignore[operator]
        self._stream.put(
            _LIGHT_MASK,
            (
                self.position,
                self.first,
                next_cycle - 1,
                wall_ns - self._origin_ns,
                lasted,
                used,
                waited,
                lasted - used - waited,
                *_UNREAD,
            ),
        )
        self._start, self.first = (wall_ns, cpu_ns, runq_ns), next_cycle

    def end_last(self, next_cycle: int, last: Last, now: Boundary) -> None:
        """Write what a condition leaves over; less than a second, in light mode, tells no user time."""
        end = at_row(last, now)
        slow = self._slow(end)
        self._append(next_cycle, end, (None, None, *slow[2:]) if self.light else slow)

    def break_off(self, next_cycle: int, last: Last, now: Boundary) -> None:
        """Write what a broken condition leaves over; the process's clocks have gone on, so not those."""
        end = at_row(last, now)
        if self.light:
            end = (end[0], None, *end[2:])
        split = (None, None) if self.light else accounts.split_ns(self._second, end)
        self._append(next_cycle, end, (*split, None, None, None))

    def _slow(self, end: Boundary) -> tuple[Value, ...]:
        before, self._totals = self._totals, accounts.totals()
        split = accounts.split_ns(self._second, end)
        self._second = end
        return (*split, *accounts.spent(before, self._totals))

    def _append(self, next_cycle: int, end: Boundary, slow: tuple[Value, ...]) -> None:
        clocks = accounts.between(self._start, _clocks(end))
        self._stream.append(
            (self.position, self.first, next_cycle - 1, wall(end) - self._origin_ns, *clocks, *slow)
        )
        self._start, self.first = _clocks(end), next_cycle


def wall(boundary: Boundary) -> int:
    """Return the wall clock of a boundary."""
    return boundary[0]  # type: ignore[return-value]


def at_row(last: Last, now: Boundary) -> Boundary:
    """Return the boundary at the last row's end.

    In light mode that row has no CPU clock; the moments since then were ours, on a CPU or waiting for one.
    """
    wall_ns, cpu_ns, runq_ns = last
    if now[2] is None:
        return (wall_ns, cpu_ns, *now[2:])
    if cpu_ns is None and now[1] is not None:
        cpu_ns = int(now[1]) - (wall(now) - wall_ns - (int(now[2]) - runq_ns))
    return (wall_ns, cpu_ns, runq_ns, *now[3:])


def _clocks(boundary: Boundary) -> Boundary:
    return boundary[: len(accounts.CLOCKS) - 1]
