"""When the end of a cycle has more to do than write its row, and whether the accounts are full or light."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from time import perf_counter_ns

from probes.cycles import NEVER, Cycles
from probes.pacing import Pace
from probes.windows import LIGHT_NS, Windows

TRIAL_CYCLES = 32
"""Cycles, and 10 ms at least, after which a run chooses its accounts."""

LIGHT_BELOW_NS = 4_000_000
"""Median cycle of the trial below which the accounts are light.

A CPU clock read that often is a preemption point: two competitors' switches per second went from 204 to 478.
"""


class Schedule:
    """Tells the cycles when to ask again: for a reading, a window, a segment, or the choice of the accounts.

    ``idle_ns`` is the time in which no cycle ran; the clock of the rates is ``perf_counter_ns`` less that.
    """

    def __init__(
        self, cycles: Cycles, windows: Windows, paces: Sequence[Pace], *, trial: bool, portable: bool
    ) -> None:
        self._cycles, self._windows, self._paces = cycles, windows, paces
        self._trial, self._portable = trial, portable
        self._tried_at = cycles.cycle + TRIAL_CYCLES - 1
        self.idle_ns = self._ended_ns = 0

    def resume(self, wall_ns: int) -> None:
        """Let cycles run from here on."""
        self.idle_ns += wall_ns - self._ended_ns
        self.plan()

    def pause(self, wall_ns: int) -> None:
        """Let none run from here on."""
        self._ended_ns = wall_ns

    def tried(self) -> bool:
        """Whether the cycle that ends is the one after which to choose the accounts."""
        reached = self._trial and self._cycles.cycle >= self._tried_at
        return reached and perf_counter_ns() - self._windows.start_ns >= LIGHT_NS

    def choose(self) -> bool:
        """End the trial and tell whether the accounts are to be light."""
        self._trial = False
        return median(self._cycles.lengths_ns()) < LIGHT_BELOW_NS

    def plan(self) -> None:
        """Tell the cycles when to ask again."""
        ours, paces = self._cycles, self._paces
        after = [pace.next_cycle for pace in paces if pace.next_cycle is not None]
        at_ns = [pace.next_ns + self.idle_ns for pace in paces if pace.next_ns is not None]
        if self._trial and ours.cycle >= self._tried_at:
            at_ns.append(self._windows.start_ns + LIGHT_NS)
        elif self._trial:
            after.append(self._tried_at)
        ours.due = 0 if self._portable else min([ours.full_at, *after])
        # In light mode the clock is not read to ask: the end of one cycle has the next one ask, or close the window.
        ours.due_ns = min([self._windows.next_ns if ours.full else NEVER, *at_ns])
        ours.mark_ns = NEVER if ours.full else min(self._windows.next_ns, ours.due_ns)
        ours.closing = False
