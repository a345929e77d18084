"""When a probe is due, what it has cost, and a lower rate where that is too much."""

from __future__ import annotations

from collections import deque
from math import ceil

LIMIT = 0.01
"""Share of the run that one probe may take."""

_AIM = 0.8
"""Of the limit, when a rate is lowered: a rate set exactly to it would be lowered again by the next noise."""

_LARGEST_STEP = 128
"""Where readings are nearly all of the run, what is left for the cycles is a difference of noise."""

_FEWEST = 3
"""Readings before a rate is judged: the first one also opens files and fills caches."""


class Pace:
    """The rate of one probe over a clock that runs only while cycles do."""

    __slots__ = (
        "_asked",
        "_costs",
        "_cycles",
        "_next",
        "_period",
        "_reads_before",
        "_since_ns",
        "ns",
        "reads",
    )

    def __init__(self, every_cycles: int | None, every_s: float | None, *, first_cycle: int = 0) -> None:
        self._asked = {"every_cycles": every_cycles} if every_cycles is not None else {"every_s": every_s}
        self._cycles = every_cycles is not None
        self._period = every_cycles or round((every_s or 0.0) * 1e9)
        # The first period counts from the baseline, before the first cycle and at 0 ns.
        self._next = first_cycle + self._period - 1 if self._cycles else self._period
        self._since_ns = 0
        self._reads_before = 1
        self.reads = 0
        self.ns = 0
        # The median of the last few: one reading that lost its CPU for 10 ms must not decide.
        self._costs: deque[int] = deque(maxlen=9)

    @property
    def last_ns(self) -> int:
        """What the last reading took."""
        return self._costs[-1] if self._costs else 0

    @property
    def next_cycle(self) -> int | None:
        """The cycle after which the probe is due, if its rate counts cycles."""
        return self._next if self._cycles else None

    @property
    def next_ns(self) -> int | None:
        """The time at which it is due, if its rate counts seconds."""
        return None if self._cycles else self._next

    def due(self, cycle: int, clock_ns: int) -> bool:
        """Whether the probe is to be read after this cycle."""
        return (cycle if self._cycles else clock_ns) >= self._next

    def spent(self, cycle: int, clock_ns: int, cost_ns: int) -> None:
        """Note a reading that took ``cost_ns``."""
        self.reads += 1
        self.ns += cost_ns
        self._costs.append(cost_ns)
        self._next = (cycle if self._cycles else clock_ns) + self._period

    def excess(self, clock_ns: int) -> str | None:
        """Return a clause that says by how much the rate costs too much, or ``None``."""
        cost_ns, apart_ns = self._cost_ns(), self._apart_ns(clock_ns)
        if apart_ns is None or cost_ns <= LIMIT * apart_ns:
            return None
        return f"a reading takes {cost_ns / 1e6:.3g} ms, {cost_ns / apart_ns:.1%} of the run at {self}"

    def share(self, clock_ns: int) -> float | None:
        """Return the share of the run that the readings take at the present rate, once that can be told."""
        apart_ns = self._apart_ns(clock_ns)
        return self._cost_ns() / apart_ns if apart_ns else None

    def lower(self, cycle: int, clock_ns: int) -> None:
        """Read so much less often that the readings take less than the limit."""
        cost_ns, apart_ns = self._cost_ns(), self._apart_ns(clock_ns) or 1
        rest_ns = cost_ns / (_AIM * LIMIT) - cost_ns
        if self._cycles:
            work_ns = max((apart_ns - cost_ns) / self._period, 1.0)
            wanted = ceil(rest_ns / work_ns)
            self._period = max(self._period + 1, min(wanted, _LARGEST_STEP * self._period))
        else:
            self._period = max(self._period + 1, ceil(rest_ns + cost_ns))
        self._next = (cycle if self._cycles else clock_ns) + self._period
        self._since_ns, self._reads_before = clock_ns, self.reads

    def asked(self) -> dict[str, int | float | None]:
        """Return the rate as it was declared."""
        return dict(self._asked)

    def in_effect(self) -> dict[str, int | float | None]:
        """Return the rate that holds now."""
        if self._cycles:
            return {"every_cycles": self._period}
        unchanged = self._period == round((self._asked["every_s"] or 0.0) * 1e9)
        return self.asked() if unchanged else {"every_s": self._period / 1e9}

    def __str__(self) -> str:
        ((unit, value),) = self.in_effect().items()
        return f"{unit}={value}"

    def _cost_ns(self) -> int:
        return sorted(self._costs)[len(self._costs) // 2]

    def _apart_ns(self, clock_ns: int) -> float | None:
        """Return the time from one reading to the next, once there have been enough of them."""
        reads = self.reads - self._reads_before
        return (clock_ns - self._since_ns) / reads if reads >= _FEWEST else None
