"""The heavy rules: one object per agent, one oscillator for all, and a walk down every family tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from nrm.agent import ROOT_ENERGY, Agent, Limits, descent
from nrm.composition import components
from nrm.mechanisms import EVOLVE, Effect, Gate, Mechanism
from nrm.persistence import Rows
from nrm.substrate import (
    ENERGY_MAX,
    Metrics,
    Phase,
    birth_phase,
    oscillation,
    plain_sum,
    similarity,
)

Record = tuple[int, int, int, float]
"""Population, visits, groups held, sum of energies."""


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
    ) -> None:
        effects = sorted((m for m in mechanisms if isinstance(m, Effect)), key=lambda effect: effect.PLACE)
        self._before = [effect for effect in effects if effect.PLACE < EVOLVE]
        self._after = [effect for effect in effects if effect.PLACE > EVOLVE]
        self._gates = [m for m in mechanisms if isinstance(m, Gate)]
        self._limits = limits
        self._recursion = recursion
        self._accumulate = accumulate
        self._rows = rows
        self._pairs = pairs
        self._oscillation = oscillation()
        self._walk: list[Agent] | None = None
        self.metrics = metrics
        self.oscillator: Phase = (0.0, 0.0, 0.0)
        self.agents: list[Agent] = []
        self.groups: list[tuple[Agent, ...]] = []
        self.born = 0
        if metrics.per_visit:
            self._bear(None)

    @property
    def members(self) -> Sequence[Agent]:
        """The living, in order of birth."""
        return self.agents

    def step(self, cycle: int) -> Record:
        """Do one cycle; nothing happens any more where all have died."""
        if self.born and not self.agents:
            return 0, 0, 0, 0.0
        self.metrics.refresh()
        if not self.born:
            self._bear(None)  # from the sample that cycle 0 shares
        for effect in self._before:
            effect.apply(self)
        visits = self._evolve()
        for effect in self._after:
            effect.apply(self)
        self._spawn(cycle)
        self._bury()
        return len(self.agents), visits, len(self.groups), plain_sum(a.energy for a in self.agents)

    def groups_to_pay(self, threshold: float) -> Iterator[Sequence[Agent]]:
        """Form this cycle's groups and yield the living members of every group held, oldest group first."""
        if self._pairs and self._rows is not None:
            for a, b in combinations(self.agents, 2):
                self._rows.pair(a.ident, b.ident, similarity(a.phase, b.phase))
        if not self._accumulate:
            self.groups.clear()
        self.groups += components(self.agents, threshold)
        if self.born == len(self.agents):
            return iter(self.groups)
        living = ([agent for agent in group if agent.alive] for group in self.groups)
        return (group for group in living if group)

    def _evolve(self) -> int:
        # The walk changes with births and deaths only: a visit costs 0.13 us, to find the way again 0.14 us more.
        if self._walk is None:
            self._walk = list(descent(self.agents)) if self._recursion else list(self.agents)
        phase = self.oscillator
        steps = zip(self._walk, self._oscillation, self.metrics.capacities(), strict=False)
        for agent, phase, capacity in steps:
            agent.phase = phase
            energy = (agent.energy - 0.01) + 0.01 * capacity
            agent.energy = ENERGY_MAX if energy > ENERGY_MAX else max(energy, 0.0)
        self.oscillator = phase
        return len(self._walk)

    def _spawn(self, cycle: int) -> None:
        limits, gates = self._limits, self._gates
        for parent in tuple(self.agents):
            if len(self.agents) >= limits.max_agents:
                return
            if limits.may_spawn(parent) and all(gate.allows(parent, cycle) for gate in gates):
                self._bear(parent)
                parent.energy -= limits.spawn_price
                parent.last_spawn = cycle

    def _bear(self, parent: Agent | None) -> None:
        """Give birth; a child's energy comes from the machine, the price that its parent pays is lost."""
        reading = self.metrics.read()
        phase = birth_phase(reading, self.oscillator)
        if parent is None:
            agent = Agent(self.born, depth=0, energy=ROOT_ENERGY, phase=phase)
        else:
            agent = Agent(self.born, depth=parent.depth + 1, energy=reading.capacity, phase=phase)
            parent.children.append(agent)
        self.agents.append(agent)
        self.born += 1
        self._walk = None
        if self._rows is not None:
            self._rows.birth(agent.ident, None if parent is None else parent.ident, agent.energy)

    def _bury(self) -> None:
        least = self._limits.survival_energy
        living = [agent for agent in self.agents if agent.energy >= least]
        if len(living) < len(self.agents):
            for agent in self.agents:
                agent.alive = agent.energy >= least
            self.agents = living
            self._walk = None
