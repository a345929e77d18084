"""Agents in resonance gain a share of their group's mean energy; nothing is deducted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nrm import checks
from nrm.mechanisms import Crowd, Herd
from nrm.substrate import ENERGY_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """Pay every member of a group ``share`` of the members' energies, divided by their number."""

    RULES: ClassVar[frozenset[str]] = frozenset({"heavy", "light"})
    PLACE: ClassVar[int] = 2

    share: float = 0.1
    threshold: float = 0.85

    def __post_init__(self) -> None:
        checks.number("mechanism.energy_pooling.share", self.share, low=0)
        checks.number("mechanism.energy_pooling.threshold", self.threshold, low=0, high=1)

    def apply(self, crowd: Crowd) -> None:
        """Pay the groups one after the other: who is in two is paid twice."""
        for group in crowd.groups_to_pay(self.threshold):
            total = 0.0
            for agent in group:
                total += agent.energy
            gain = (total * self.share) / len(group)
            for agent in group:
                energy = agent.energy + gain
                agent.energy = ENERGY_MAX if energy > ENERGY_MAX else energy

    def apply_at_once(self, herd: Herd) -> None:
        """Pay the groups one after the other: who is in two is paid twice."""
        herd.pay_groups(self.threshold, self.share)
