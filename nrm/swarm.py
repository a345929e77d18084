"""The swarm rules: groups rich in energy burst, and what their agents noted is handed to those who are left.

The population's limit and the depth's hold as elsewhere; nobody starves, since evolving only adds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from random import Random

from nrm.agent import Agent, Limits, descent
from nrm.composition import RESONANCE, components, events
from nrm.family import Family
from nrm.memories import POOLED, Archive, Memories, strongest
from nrm.observing import Compositions, Record, SwarmRecord
from nrm.persistence import Rows
from nrm.substrate import TIE, Metrics, magnitude, plain_sum

MEMORIES = ("recorded", "never")
BURST_ENERGY = 500.0
CHILD_SHARE = 0.3


class Swarm:
    """The agents of one condition.

    Parameters
    ----------
    draws
        Chooses who has a child: of those who may, in order of birth, the one at ``int(random() * n)``.
    spawn_every : int
        Cycles from one birth to the next; cycle 0 has one.
    recorded : bool
        Whether each of the living notes its phase once a cycle, after all have evolved.  Never, as archived, all
        memories stay empty.
    recursion : bool
        Visit each agent's whole tree, the dead included; otherwise each living agent once.
    rows
        Where births are written, a transaction each.
    compositions
        What takes note of the groups formed.
    """

    def __init__(
        self,
        limits: Limits,
        metrics: Metrics,
        *,
        draws: Random,
        spawn_every: int = 10,
        recorded: bool = True,
        recursion: bool = True,
        rows: Rows | None = None,
        compositions: Compositions | None = None,
    ) -> None:
        self._limits = limits
        self._metrics = metrics
        self._draws = draws
        self._spawn_every = spawn_every
        self._recorded = recorded
        self._compositions = compositions or Compositions()
        self._family = Family(metrics, recursion=recursion, rows=rows)
        self.groups: list[tuple[Agent, ...]] = []
        self.memories: dict[int, Memories] = {}
        self.archive = Archive()

    @property
    def members(self) -> Sequence[Agent]:
        """The living, in order of birth."""
        return self._family.agents

    @property
    def born(self) -> int:
        """All births so far."""
        return self._family.born

    def step(self, cycle: int) -> SwarmRecord:
        """Do one cycle; where nobody lives nothing happens until the next birth is due."""
        due = cycle % self._spawn_every == 0
        if not self._family.agents and not due:
            self._compositions.see([])
            return self._record(Record.of_nobody(self._compositions.memory_size), [])
        self._metrics.refresh()
        if due:
            self._spawn()
        visits = self._family.evolve()
        if self._recorded:
            for agent in self._family.agents:
                self.memories[agent.ident].note(agent.phase, magnitude(agent.phase), cycle)
        self.groups = components(self._family.agents, RESONANCE)
        self._compositions.see(events(self.groups, cycle))
        released = list(self._decompose())
        self.archive.hand_out([self.memories[agent.ident] for agent in self._family.agents])
        return self._record(self._observed(visits), released)

    def _spawn(self) -> None:
        """Give one agent a child, and where nobody lives a root first."""
        if not self._family.agents:
            self._remember(self._family.bear())
        able = [agent for agent in self._family.agents if self._limits.may_spawn(agent)]
        if not able or len(self._family.agents) >= self._limits.max_agents:
            return
        parent = able[int(self._draws.random() * len(able))]
        given = CHILD_SHARE * parent.energy
        self._remember(self._family.bear(parent, energy=given))
        parent.energy -= given

    def _remember(self, agent: Agent) -> None:
        self.memories[agent.ident] = Memories()

    def _decompose(self) -> Iterator[float]:
        """Let every group that holds enough energy burst, in the order of first members; yield what each releases."""
        for group in self.groups:
            living = [agent for agent in group if agent.alive]  # an earlier burst may have taken some
            if plain_sum(agent.energy for agent in living) >= BURST_ENERGY - TIE:
                yield self._burst(living)

    def _burst(self, members: Sequence[Agent]) -> float:
        # A dict keeps the order and drops those who come again, below a member who is another's descendant.
        dissolved = list(dict.fromkeys(agent for agent in descent(members) if agent.alive))
        self._family.bury(dissolved)
        pooled = [memory for agent in dissolved for memory in self.memories.pop(agent.ident)]
        self.archive.add(strongest(pooled, POOLED))
        return math.fsum(agent.energy for agent in dissolved)

    def _observed(self, visits: int) -> Record:
        return self._compositions.record(
            self._family.census.turnover(),
            population=len(self._family.agents),
            groups=len(self.groups),
            visits=visits,
            energy=plain_sum(agent.energy for agent in self._family.agents),
        )

    def _record(self, record: Record, released: Sequence[float]) -> SwarmRecord:
        return SwarmRecord(
            *record,
            bursts=len(released),
            energy_released=math.fsum(released),
            global_memory=len(self.archive),
            memories=sum(map(len, self.memories.values())),
        )
