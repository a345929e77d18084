"""The light rules: an agent is an energy and one angle, and nothing is walked.

The similarity of two agents is the cosine of the difference of their angles, over all pairs of a group: also of
those that came together only because each is near to the group's first.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from nrm.agent import ROOT_ENERGY, Limits
from nrm.composition import arcs, turning_events
from nrm.mechanisms import EVOLVE, Effect, Mechanism
from nrm.observing import Census, Compositions, Record
from nrm.persistence import Rows
from nrm.substrate import ENERGY_MAX, PHI, TAU, Metrics, plain_sum


class LightAgent:
    """Energy, depth and an angle drawn at birth."""

    __slots__ = ("angle", "depth", "energy", "ident")

    def __init__(self, ident: int, *, depth: int, energy: float, angle: float) -> None:
        self.ident = ident
        self.depth = depth
        self.energy = energy
        self.angle = angle


class LightWorld:
    """The agents of one condition.

    Parameters
    ----------
    draws
        Gives one angle per birth, the root's first.
    rows
        Where births are written, a transaction each.
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
        draws: Random,
        rows: Rows | None = None,
        compositions: Compositions | None = None,
        watched_at: float | None = None,
    ) -> None:
        effects = (m for m in mechanisms if isinstance(m, Effect) and m.PLACE < EVOLVE)
        self._effects = sorted(effects, key=lambda effect: effect.PLACE)
        self._limits = limits
        self._draws = draws
        self._rows = rows
        self._compositions = compositions or Compositions()
        self._watched_at = watched_at
        self._census = Census()
        self._cycle = 0
        self.metrics = metrics
        self.groups: list[tuple[LightAgent, ...]] = []
        self.agents: list[LightAgent] = []
        self.born = 0

    @property
    def members(self) -> Sequence[LightAgent]:
        """The living, in order of birth."""
        return self.agents

    def step(self, cycle: int) -> Record:
        """Do one cycle; nothing happens any more where all have died."""
        if self.born and not self.agents:
            return Record.of_nobody(self._compositions.memory_size)
        self._cycle = cycle
        self.metrics.refresh()
        if not self.born:
            self._bear(None)
        if self._watched_at is not None:
            self.groups_to_pay(self._watched_at)
        for effect in self._effects:
            effect.apply(self)
        visits = self._evolve()
        self._spawn()
        self._bury()
        return self._record(visits)

    def groups_to_pay(self, threshold: float) -> Sequence[Sequence[LightAgent]]:
        """Form this cycle's groups; none outlives its cycle."""
        self.groups = arcs(self.agents, threshold)
        self._compositions.see(turning_events(self.groups, self._cycle))
        return self.groups

    def _evolve(self) -> int:
        for agent, capacity in zip(self.agents, self.metrics.capacities(), strict=False):
            energy = (agent.energy + 0.01 * capacity) - 0.5
            agent.energy = ENERGY_MAX if energy > ENERGY_MAX else max(energy, 0.0)
            agent.angle = (agent.angle + 0.1 * PHI) % TAU
        return len(self.agents)

    def _spawn(self) -> None:
        limits = self._limits
        for parent in tuple(self.agents):
            if len(self.agents) >= limits.max_agents:
                return
            if limits.may_spawn(parent):
                self._bear(parent)
                parent.energy -= limits.spawn_price

    def _bear(self, parent: LightAgent | None) -> None:
        """Give birth; a child gets what its parent pays."""
        depth, energy = (0, ROOT_ENERGY) if parent is None else (parent.depth + 1, self._limits.spawn_price)
        angle = TAU * self._draws.random()  # RandomState.uniform(0, 2 pi)
        self.agents.append(LightAgent(self.born, depth=depth, energy=energy, angle=angle))
        self._census.born(depth)
        if self._rows is not None:
            self._rows.birth(self.born, None if parent is None else parent.ident, energy)
        self.born += 1

    def _bury(self) -> None:
        least = self._limits.survival_energy
        dead = [agent for agent in self.agents if agent.energy < least]
        for agent in dead:
            self._census.died(agent.depth)
        if dead:
            self.agents = [agent for agent in self.agents if agent.energy >= least]

    def _record(self, visits: int) -> Record:
        return self._compositions.record(
            self._census.turnover(),
            population=len(self.agents),
            groups=len(self.groups),
            visits=visits,
            energy=plain_sum(agent.energy for agent in self.agents),
        )
