"""Fields of the living, one array each, in the order of birth: a place in one is a place in all."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from nrm.agent import ROOT_ENERGY, Limits
from nrm.observing import Turnover
from nrm.pattern_memory import Event
from nrm.persistence import Rows
from nrm.substrate import ENERGY_MAX, TIE
from nrm.vectorised.linking import Places

_MET_MAX: Final = 64


class Living:
    """Energies, depths and numbers of the living; births and deaths since the last ``turnover``."""

    def __init__(self, limits: Limits, rows: Rows | None) -> None:
        self._limits = limits
        self._rows = rows
        self.energy = np.zeros(0)
        self.depth = np.zeros(0, np.int64)
        self.ident = np.zeros(0, np.int64)
        self.born = 0
        self._met: dict[bytes, tuple[int, ...]] = {}
        self._births = self._deaths = 0
        self._depth_mean: float | None = None
        self._depth_max: int | None = None

    def __len__(self) -> int:
        return len(self.energy)

    def gain(self, amount: float | NDArray[np.float64]) -> None:
        """Raise the energies of all, up to the most that an agent holds."""
        self.energy += amount
        np.minimum(self.energy, ENERGY_MAX, out=self.energy)

    def lose(self, amount: float | NDArray[np.float64]) -> None:
        """Lower the energies of all, down to 0; what is still above the most that an agent holds is lost too."""
        self.energy -= amount
        np.clip(self.energy, 0.0, ENERGY_MAX, out=self.energy)

    def event(self, places: Places, similarity_mean: float, cycle: int) -> Event:
        """Return what is worth remembering of a group."""
        return Event(self._members(places), similarity_mean, cycle, float(self.energy[places].sum()))

    def _members(self, places: Places) -> tuple[int, ...]:
        """Return the numbers of these; the same few groups come again, and 1,000 numbers take 24 us to write down."""
        numbers = self.ident[places]
        key = numbers.tobytes()
        if key not in self._met:
            if len(self._met) == _MET_MAX:
                self._met.clear()
            self._met[key] = tuple(numbers.tolist())
        return self._met[key]

    def root(self) -> None:
        """Bear the first agent."""
        self._append(np.zeros(1, np.int64), np.full(1, -1), ROOT_ENERGY)

    @property
    def full(self) -> bool:
        """Whether there is no room for births."""
        return len(self) >= self._limits.max_agents

    def parents(self, allowed: NDArray[np.bool_] | bool = True) -> Places:
        """Return who has a child in this cycle: the first that may, as many as there is room for."""
        if self.full:
            return np.zeros(0, np.intp)
        able = (self.energy >= self._limits.spawn_threshold - TIE) & (self.depth < self._limits.max_depth)
        return np.flatnonzero(able & allowed)[: self._limits.max_agents - len(self)]

    def bear(self, parents: Places, energy: float) -> None:
        """Give each of these a child with this energy; they pay the price."""
        self.energy[parents] -= self._limits.spawn_price
        self._append(self.depth[parents] + 1, self.ident[parents], energy)

    def survivors(self) -> NDArray[np.bool_] | None:
        """Return who lives on, or ``None`` where all do."""
        keep = self.energy >= self._limits.survival_energy
        return None if keep.all() else keep

    def bury(self, keep: NDArray[np.bool_]) -> None:
        """Let all others go."""
        self._deaths += len(self) - int(keep.sum())
        self.energy, self.depth, self.ident = self.energy[keep], self.depth[keep], self.ident[keep]
        self._measure()

    def turnover(self) -> Turnover:
        """Return births and deaths since the last time, and depths."""
        births, deaths = self._births, self._deaths
        self._births = self._deaths = 0
        return Turnover(births, deaths, self._depth_mean, self._depth_max)

    def _append(self, depth: NDArray[np.int64], parents: NDArray[np.int64], energy: float) -> None:
        births = len(depth)
        ident = np.arange(self.born, self.born + births)
        self.energy = np.concatenate([self.energy, np.full(births, energy)])
        self.depth = np.concatenate([self.depth, depth])
        self.ident = np.concatenate([self.ident, ident])
        self.born += births
        self._births += births
        self._measure()
        if self._rows is not None:
            for child, parent in zip(ident.tolist(), parents.tolist(), strict=True):
                self._rows.birth(child, None if parent < 0 else parent, energy)

    def _measure(self) -> None:
        n = len(self)
        self._depth_mean = int(self.depth.sum()) / n if n else None
        self._depth_max = int(self.depth.max()) if n else None
