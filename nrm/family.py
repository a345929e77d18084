"""Agents of the heavy rules and of the swarm: born under one oscillator, evolved by a walk down every family tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nrm.agent import ROOT_ENERGY, Agent, descent
from nrm.observing import Census
from nrm.persistence import Rows
from nrm.substrate import ENERGY_MAX, Metrics, Phase, birth_phase, oscillation


class Family:
    """The living in order of birth, their trees and the oscillator that all share.

    Parameters
    ----------
    recursion : bool
        Visit each agent's whole tree, the dead included; otherwise each living agent once.
    rows
        Where births are written, a transaction each.
    """

    def __init__(self, metrics: Metrics, *, recursion: bool, rows: Rows | None) -> None:
        self._metrics = metrics
        self._recursion = recursion
        self._rows = rows
        self._oscillation = oscillation()
        self._walk: list[Agent] | None = None
        self.oscillator: Phase = (0.0, 0.0, 0.0)
        self.agents: list[Agent] = []
        self.born = 0
        self.census = Census()

    def evolve(self) -> int:
        """Visit the agents in order, each for itself and for every living ancestor; return the number of visits."""
        # The walk changes with births and deaths only: a visit costs 0.13 us, to find the way again 0.14 us more.
        if self._walk is None:
            self._walk = list(descent(self.agents)) if self._recursion else list(self.agents)
        phase = self.oscillator
        steps = zip(self._walk, self._oscillation, self._metrics.visits(self._own_visits), strict=False)
        for agent, phase, capacity in steps:
            agent.phase = phase
            energy = (agent.energy - 0.01) + 0.01 * capacity
            agent.energy = ENERGY_MAX if energy > ENERGY_MAX else max(energy, 0.0)
        self.oscillator = phase
        return len(self._walk)

    def _own_visits(self) -> Iterator[bool]:
        """Tell of each visit of the walk whether the agent is visited for itself, or as a descendant."""
        for agent in self.agents:
            yield True
            if self._recursion:
                yield from (False for _ in descent(agent.children))

    def bear(self, parent: Agent | None = None, *, energy: float | None = None) -> Agent:
        """Give birth to a root, or to a child with this energy, by default what the machine has left."""
        reading = self._metrics.read()
        phase = birth_phase(reading, self.oscillator)
        if parent is None:
            agent = Agent(self.born, depth=0, energy=ROOT_ENERGY, phase=phase)
        else:
            given = reading.capacity if energy is None else energy
            agent = Agent(self.born, depth=parent.depth + 1, energy=given, phase=phase)
            parent.children.append(agent)
        self.agents.append(agent)
        self.born += 1
        self.census.born(agent.depth)
        self._walk = None
        if self._rows is not None:
            self._rows.birth(agent.ident, None if parent is None else parent.ident, agent.energy)
        return agent

    def bury(self, dead: Sequence[Agent]) -> None:
        """Take these from the living; they stay in their parents' trees."""
        for agent in dead:
            agent.alive = False
            self.census.died(agent.depth)
        if dead:
            self.agents = [agent for agent in self.agents if agent.alive]
            self._walk = None
