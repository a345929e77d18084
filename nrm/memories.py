"""What agents of the swarm note, and what outlives them: always the strongest, of equal ones the earlier."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle
from operator import attrgetter
from typing import NamedTuple

from nrm.substrate import Phase

KEPT = 100
"""By an agent."""
POOLED = 50
"""Of all who are dissolved in one burst."""
ARCHIVED = 1000
"""In common."""
HANDED_OUT = 100
"""Every cycle."""


class Memory(NamedTuple):
    """A phase that an agent had at the end of a cycle."""

    phase: Phase
    magnitude: float
    cycle: int


def strongest(memories: Iterable[Memory], number: int) -> list[Memory]:
    """Return so many of largest magnitude, the largest first, equal ones in the order given."""
    return sorted(memories, key=attrgetter("magnitude"), reverse=True)[:number]  # stable also in reverse


class Memories:
    """The strongest of one agent, the largest first."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: list[Memory] = []

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Memory]:
        return iter(self._held)

    def note(self, phase: Phase, magnitude: float, cycle: int) -> None:
        """Note where the agent stands."""
        self.take(Memory(phase, magnitude, cycle))

    def take(self, memory: Memory) -> None:
        """Keep it if it is among the strongest."""
        held = self._held
        if len(held) >= KEPT:
            if memory.magnitude <= held[-1].magnitude:
                return
            held.pop()
        insort(held, memory, key=_weakness)  # behind its equals


class Archive:
    """The global memory."""

    def __init__(self) -> None:
        self._held: list[Memory] = []

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Memory]:
        return iter(self._held)

    def add(self, memories: Iterable[Memory]) -> None:
        """Append what a burst leaves."""
        self._held += memories

    def hand_out(self, survivors: Sequence[Memories]) -> None:
        """Sort, cut, and copy the strongest to the survivors in turn; without survivors all stays as it is."""
        if not self._held or not survivors:
            return
        self._held = strongest(self._held, ARCHIVED)
        for memory, survivor in zip(self._held[:HANDED_OUT], cycle(survivors), strict=False):
            survivor.take(memory)


def _weakness(memory: Memory) -> float:
    return -memory.magnitude
