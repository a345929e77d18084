"""One agent of the heavy rules, and the limits that rule births and deaths under every rule set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from nrm import checks
from nrm.substrate import TIE, Phase

ROOT_ENERGY = 130.0


class Member(Protocol):
    """What limits, mechanisms and groups may know of an agent of any rule set."""

    ident: int
    depth: int
    energy: float


class Agent:
    """A node of the family tree; the dead stay in it, and are still visited."""

    __slots__ = ("alive", "children", "depth", "energy", "ident", "last_spawn", "phase")

    def __init__(self, ident: int, *, depth: int, energy: float, phase: Phase) -> None:
        self.ident = ident
        self.depth = depth
        self.energy = energy
        self.phase = phase
        self.children: list[Agent] = []
        self.last_spawn: int | None = None
        self.alive = True


def descent(agents: Iterable[Agent]) -> Iterator[Agent]:
    """Yield, for each agent in order, its whole tree in pre-order: an agent comes once per ancestor listed."""
    for agent in agents:
        waiting = [agent]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When agents are born and die."""

    max_agents: int = 100
    max_depth: int = 7
    spawn_threshold: float = 10.0
    spawn_price: float = 10.0
    death_threshold: float = 1.0

    def __post_init__(self) -> None:
        checks.integer("workload.max_agents", self.max_agents, low=1)
        checks.integer("workload.max_depth", self.max_depth, low=0)
        checks.number("workload.spawn_threshold", self.spawn_threshold, low=0)
        checks.number("workload.spawn_price", self.spawn_price, low=0)
        checks.number("workload.death_threshold", self.death_threshold, low=0)

    def may_spawn(self, agent: Member) -> bool:
        """Tell whether energy and depth allow the agent a child."""
        return agent.energy >= self.spawn_threshold - TIE and agent.depth < self.max_depth

    @property
    def survival_energy(self) -> float:
        """The least energy that keeps an agent among the living."""
        return self.death_threshold - TIE
