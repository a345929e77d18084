"""Every agent draws energy from what the machine has left, before it evolves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nrm import checks
from nrm.mechanisms import Crowd, Herd
from nrm.substrate import ENERGY_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """Add ``rate`` of the capacity to each agent; where agents sample for themselves, a fresh sample each."""

    RULES: ClassVar[frozenset[str]] = frozenset({"heavy", "light"})
    PLACE: ClassVar[int] = 3

    rate: float = 0.005

    def __post_init__(self) -> None:
        checks.number("mechanism.reality_sources.rate", self.rate, low=0)

    def apply(self, crowd: Crowd) -> None:
        """Raise the energies of all."""
        for agent, capacity in zip(crowd.members, crowd.metrics.capacities(), strict=False):
            agent.energy = min(agent.energy + self.rate * capacity, ENERGY_MAX)

    def apply_at_once(self, herd: Herd) -> None:
        """Raise the energies of all."""
        herd.gain(self.rate * herd.capacity)
