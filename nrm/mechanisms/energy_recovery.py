"""Every agent recovers energy after it evolved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nrm import checks
from nrm.mechanisms import Crowd, Herd
from nrm.substrate import ENERGY_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """Add ``factor`` times the ordinary gain to each agent; per-agent sampling takes a fresh sample each."""

    RULES: ClassVar[frozenset[str]] = frozenset({"heavy"})
    PLACE: ClassVar[int] = 5

    factor: float = 2.0

    def __post_init__(self) -> None:
        checks.number("mechanism.energy_recovery.factor", self.factor, low=0)

    def apply(self, crowd: Crowd) -> None:
        """Raise the energies of all."""
        rate = 0.01 * self.factor
        for agent, capacity in zip(crowd.members, crowd.metrics.capacities(), strict=False):
            agent.energy = min(agent.energy + rate * capacity, ENERGY_MAX)

    def apply_at_once(self, herd: Herd) -> None:
        """Raise the energies of all."""
        herd.gain(0.01 * self.factor * herd.capacity)
