"""The heavy rules as a user of Mesa would write them: agents with methods, called through the model's AgentSet.

The angles, the constants and the search for groups (an agent is compared only with those not yet in a group) are our
own, so that trajectories are equal and what is compared is the way of writing a model.  Groups of one cycle only.
"""

from __future__ import annotations

import math

import mesa  # type: ignore[import-not-found,unused-ignore]

from benchmarks.peers.serving import Case, State, serve
from nrm.substrate import ENERGY_MAX, TIE, Phase, Reading, birth_phase, oscillation, plain_sum

READING = Reading(2.24, 71.67, 0.0)
CAPACITY = READING.capacity


class Resonator(mesa.Agent):  # type: ignore[misc]
    """An agent with energy, a phase and children; the dead are still visited by their ancestors."""

    def __init__(self, model: Resonance, *, depth: int, energy: float) -> None:
        super().__init__(model)
        self.depth = depth
        self.energy = energy
        self.phase = birth_phase(READING, model.oscillator)
        self.magnitude = 0.0
        self.children: list[Resonator] = []
        self.last_spawn: int | None = None

    def evolve(self) -> None:
        """Take over the oscillator's next phase, gain energy, and have all descendants do the same."""
        model = self.model
        model.visits += 1
        model.oscillator = self.phase = next(model.oscillation)
        self.energy = max(0.0, min(ENERGY_MAX, (self.energy - 0.01) + 0.01 * CAPACITY))
        for child in self.children:
            child.evolve()

    def gain(self, amount: float) -> None:
        """Add energy."""
        self.energy = min(ENERGY_MAX, self.energy + amount)

    def spawn(self) -> None:
        """Have a child, if energy, depth, room and the waiting time allow it."""
        model = self.model
        if self.energy < 10 - TIE or self.depth >= 7 or len(model.agents) >= model.max_agents:
            return
        if model.throttled and self.last_spawn is not None and model.cycle - self.last_spawn < 100:
            return
        self.children.append(Resonator(model, depth=self.depth + 1, energy=CAPACITY))
        self.energy -= 10
        self.last_spawn = model.cycle

    def measure(self) -> None:
        """Note the magnitude, which every comparison needs."""
        self.magnitude = math.hypot(*self.phase)

    def resembles(self, other: Resonator) -> bool:
        """Tell whether the two are linked."""
        m, n = self.magnitude, other.magnitude
        (x, y, z), (u, v, w) = self.phase, other.phase
        return 0.7 * ((x * u + y * v + z * w) / (m * n)) + 0.3 * (min(m, n) / max(m, n)) >= 0.85 - TIE


class Resonance(mesa.Model):  # type: ignore[misc]
    """The agents of one condition."""

    def __init__(self, case: Case) -> None:
        super().__init__(seed=0)
        self.max_agents = case.max_agents
        self.on = frozenset(case.mechanisms)
        self.throttled = "spawn_throttling" in self.on
        self.oscillation = oscillation()
        self.oscillator: Phase = (0.0, 0.0, 0.0)
        self.visits = self.cycle = 0
        Resonator(self, depth=0, energy=130.0)

    def step(self) -> None:
        """Do one cycle."""
        self.visits = 0
        if "energy_pooling" in self.on:
            self.pool()
        if "reality_sources" in self.on:
            self.agents.do("gain", 0.005 * CAPACITY)
        self.agents.do("evolve")
        if "energy_recovery" in self.on:
            self.agents.do("gain", 0.02 * CAPACITY)
        if len(self.agents) < self.max_agents:
            for agent in list(self.agents):
                agent.spawn()
        for agent in self.agents.select(lambda agent: agent.energy < 1 - TIE):
            agent.remove()
        self.cycle += 1

    def pool(self) -> None:
        """Pay every member of a group a tenth of the group's mean energy."""
        self.agents.do("measure")
        free = list(self.agents)
        while free:
            group, free = free[:1], free[1:]
            for agent in group:
                apart: list[Resonator] = []
                for other in free:
                    (group if agent.resembles(other) else apart).append(other)
                free = apart
            if len(group) > 1:
                share = plain_sum(agent.energy for agent in group) * 0.1 / len(group)
                for agent in group:
                    agent.gain(share)

    def state(self) -> State:
        """Return the state after the last cycle."""
        return State(len(self.agents), self.visits, plain_sum(agent.energy for agent in self.agents))


class Served:
    """A model that is told the number of its cycle, as ours are."""

    def __init__(self, case: Case) -> None:
        self._model = Resonance(case)

    def step(self, _cycle: int) -> None:
        """Do one cycle."""
        self._model.step()

    def state(self) -> State:
        """Return the state after the last cycle."""
        return self._model.state()


if __name__ == "__main__":
    serve(Served)
