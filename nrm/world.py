"""The heavy rules: one object per agent, one oscillator for all, and a walk down every family tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from nrm.agent import Agent, Limits
from nrm.composition import components, events
from nrm.family import Family
from nrm.mechanisms import EVOLVE, Effect, Gate, Mechanism
from nrm.observing import Compositions, Record
from nrm.persistence import Rows
from nrm.substrate import Metrics, Phase, plain_sum, similarity


class World:
    """The agents of one condition.

    Parameters
    ----------
    recursion : bool
        Visit each agent's whole tree, the dead included; otherwise each living agent once.
    accumulate : bool
        Keep and pay the groups of all cycles, as the study's code did: a cycle then takes longer than the last,
        by 3 us at 100 agents (16 us in the study's code).
    rows, pairs
        Where births, and if ``pairs`` all comparisons of two agents, are written, a transaction each.
    compositions
        What takes note of the groups formed.
    watched_at
        The threshold at which groups are formed for ``compositions`` alone, where no mechanism asks for them.
    """

    def __init__(
        self,
        limits: Limits,
        mechanisms: Sequence[Mechanism],
        metrics: Metrics,
        *,
        recursion: bool = True,
        accumulate: bool = True,
        rows: Rows | None = None,
        pairs: bool = False,
        compositions: Compositions | None = None,
        watched_at: float | None = None,
    ) -> None:
        effects = sorted((m for m in mechanisms if isinstance(m, Effect)), key=lambda effect: effect.PLACE)
        self._before = [effect for effect in effects if effect.PLACE < EVOLVE]
        self._after = [effect for effect in effects if effect.PLACE > EVOLVE]
        self._gates = [m for m in mechanisms if isinstance(m, Gate)]
        self._limits = limits
        self._accumulate = accumulate
        self._rows = rows
        self._pairs = pairs
        self._compositions = compositions or Compositions()
        self._watched_at = watched_at
        self._family = Family(metrics, recursion=recursion, rows=rows)
        self._cycle = 0
        self.metrics = metrics
        self.groups: list[tuple[Agent, ...]] = []
        if metrics.per_visit:
            self._family.bear()

    @property
    def members(self) -> Sequence[Agent]:
        """The living, in order of birth."""
        return self._family.agents

    @property
    def born(self) -> int:
        """All births so far."""
        return self._family.born

    @property
    def oscillator(self) -> Phase:
        """Where the oscillator stands."""
        return self._family.oscillator

    def step(self, cycle: int) -> Record:
        """Do one cycle; nothing happens any more where all have died."""
        family = self._family
        if family.born and not family.agents:
            return Record.of_nobody(self._compositions.memory_size)
        self._cycle = cycle
        self.metrics.refresh()
        if not family.born:
            family.bear()  # from the sample that cycle 0 shares
        if self._watched_at is not None:
            self.groups = self._form(self._watched_at)
        for effect in self._before:
            effect.apply(self)
        visits = family.evolve()
        for effect in self._after:
            effect.apply(self)
        self._spawn(cycle)
        least = self._limits.survival_energy
        family.bury([agent for agent in family.agents if agent.energy < least])
        return self._record(visits)

    def groups_to_pay(self, threshold: float) -> Iterator[Sequence[Agent]]:
        """Form this cycle's groups and yield the living members of every group held, oldest group first."""
        agents = self._family.agents
        if self._pairs and self._rows is not None:
            for a, b in combinations(agents, 2):
                self._rows.pair(a.ident, b.ident, similarity(a.phase, b.phase))
        if not self._accumulate:
            self.groups.clear()
        self.groups += self._form(threshold)
        if self._family.born == len(agents):
            return iter(self.groups)
        living = ([agent for agent in group if agent.alive] for group in self.groups)
        return (group for group in living if group)

    def _form(self, threshold: float) -> list[tuple[Agent, ...]]:
        groups = components(self._family.agents, threshold)
        self._compositions.see(events(groups, self._cycle))
        return groups

    def _record(self, visits: int) -> Record:
        return self._compositions.record(
            self._family.census.turnover(),
            population=len(self._family.agents),
            groups=len(self.groups),
            visits=visits,
            energy=plain_sum(agent.energy for agent in self._family.agents),
        )

    def _spawn(self, cycle: int) -> None:
        limits, gates, agents = self._limits, self._gates, self._family.agents
        for parent in tuple(agents):
            if len(agents) >= limits.max_agents:
                return
            if limits.may_spawn(parent) and all(gate.allows(parent, cycle) for gate in gates):
                self._family.bear(parent)  # the price is lost: a child's energy comes from the machine
                parent.energy -= limits.spawn_price
                parent.last_spawn = cycle
