"""What every cycle records, under all rules and engines alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, get_args, get_type_hints

from nrm.pattern_memory import Event, PatternMemory


class Record(NamedTuple):
    """One cycle.  ``None`` becomes NULL: there was nothing to measure.

    Attributes
    ----------
    population, energy
        The living at the cycle's end, and the sum of their energies.
    births, deaths
        Since the record before; the root's birth counts for cycle 0, so that all births less all deaths are the
        population.
    groups
        Groups held: those of this cycle, and where pooling accumulates them those of all cycles before.  0 where none
        are looked for (no pooling, no pattern memory).
    new_groups
        Groups formed in this cycle whose set of members is new: not in the pattern memory where there is one,
        otherwise not among the groups of the cycle before.
    depth_mean, depth_max
        Of the living; ``None`` where nobody lives.
    similarity_mean
        Over all pairs of agents that share a group formed in this cycle (a group of n counts n(n - 1)/2 times);
        ``None`` where none was formed.
    pattern_memory_size
        Events held; ``None`` without a pattern memory.
    visits
        How often an agent was evolved.
    """

    population: int
    births: int
    deaths: int
    groups: int
    new_groups: int
    depth_mean: float | None
    depth_max: int | None
    similarity_mean: float | None
    pattern_memory_size: int | None
    visits: int
    energy: float

    @classmethod
    def of_nobody(cls, pattern_memory_size: int | None) -> Record:
        """Return the record of a cycle in which nobody lives and nothing happens."""
        return cls(0, 0, 0, 0, 0, None, None, None, pattern_memory_size, 0, 0.0)


class SwarmRecord(NamedTuple):
    """One cycle of the swarm rules: the fields of ``Record``, and these.

    Attributes
    ----------
    bursts, energy_released
        Groups that burst, and the energy lost with all who were dissolved.
    global_memory, memories
        Memories held in common, and by all the living together.
    """

    population: int
    births: int
    deaths: int
    groups: int
    new_groups: int
    depth_mean: float | None
    depth_max: int | None
    similarity_mean: float | None
    pattern_memory_size: int | None
    visits: int
    energy: float
    bursts: int
    energy_released: float
    global_memory: int
    memories: int


def columns(record: type[Record] | type[SwarmRecord]) -> dict[str, type[int] | type[float]]:
    """Return the record's fields, each ``int`` or ``float``."""
    hints = get_type_hints(record)
    return {name: float if float in (get_args(kind) or (kind,)) else int for name, kind in hints.items()}


class Turnover(NamedTuple):
    """Births and deaths since the last, depths of the living."""

    births: int
    deaths: int
    depth_mean: float | None
    depth_max: int | None


class Census:
    """Births, deaths and depths, counted as they happen: asking costs the same at any population."""

    def __init__(self) -> None:
        self._at_depth: list[int] = []
        self._living = self._depths = self._births = self._deaths = 0

    def born(self, depth: int) -> None:
        """Count a birth."""
        self._at_depth.extend([0] * (depth + 1 - len(self._at_depth)))
        self._at_depth[depth] += 1
        self._births += 1
        self._living += 1
        self._depths += depth

    def died(self, depth: int) -> None:
        """Count a death."""
        self._at_depth[depth] -= 1
        self._deaths += 1
        self._living -= 1
        self._depths -= depth
        while self._at_depth and not self._at_depth[-1]:
            self._at_depth.pop()

    def turnover(self) -> Turnover:
        """Return the counts, and begin births and deaths from 0."""
        births, deaths = self._births, self._deaths
        self._births = self._deaths = 0
        if not self._living:
            return Turnover(births, deaths, None, None)
        return Turnover(births, deaths, self._depths / self._living, len(self._at_depth) - 1)


class Compositions:
    """What the groups formed in this cycle are like, and whether they were met before."""

    def __init__(self, memory: PatternMemory | None = None) -> None:
        self._memory = memory
        self._before: set[tuple[int, ...]] = set()
        self.new = 0
        self.similarity_mean: float | None = None

    @property
    def memory_size(self) -> int | None:
        """Events held; ``None`` without a memory."""
        return None if self._memory is None else len(self._memory)

    def see(self, events: Sequence[Event]) -> None:
        """Take this cycle's groups, all at once."""
        memory, before = self._memory, self._before
        if memory is None:
            self._before = {event.members for event in events}
            self.new = len(self._before - before)
        else:
            self.new = sum(not memory.meet(event) for event in events)
        pairs, similarities = 0, 0.0
        for event in events:
            n = len(event.members)
            pairs += n * (n - 1) // 2
            similarities += event.similarity_mean * (n * (n - 1) // 2)
        self.similarity_mean = similarities / pairs if pairs else None

    def record(
        self, turnover: Turnover, *, population: int, groups: int, visits: int, energy: float
    ) -> Record:
        """Return the record of the cycle whose groups were seen last."""
        births, deaths, depth_mean, depth_max = turnover
        return Record(
            population,
            births,
            deaths,
            groups,
            self.new,
            depth_mean,
            depth_max,
            self.similarity_mean,
            self.memory_size,
            visits,
            energy,
        )
