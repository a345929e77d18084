"""The light rules, an array operation for each step of a cycle."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np

from nrm.agent import Limits
from nrm.mechanisms import Mechanism
from nrm.observing import Compositions, Record
from nrm.persistence import Rows
from nrm.substrate import PHI, TAU, Metrics
from nrm.vectorised.effects import split
from nrm.vectorised.holding import Groups
from nrm.vectorised.linking import Places
from nrm.vectorised.living import Living


class LightArrays:
    """The agents of one condition; the parameters are those of ``nrm.light.LightWorld``.

    All angles turn alike, so an angle less all turns before its birth says who is near to whom for good: groups
    change with births and deaths only.
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
        self._effects = split(mechanisms).before
        self._child_energy = limits.spawn_price
        self._metrics = metrics
        self._draws = draws
        self._compositions = compositions or Compositions()
        self._watched_at = watched_at
        self._living = Living(limits, rows)
        self._groups = Groups()
        self._formed: list[Places] | None = None
        self._formed_at = 0.0
        self._means: list[float] = []
        self._angles = np.zeros(0)
        self._turned = 0.0
        self._cycle = 0
        self.capacity = 0.0

    @property
    def born(self) -> int:
        """All births so far."""
        return self._living.born

    @property
    def energies(self) -> list[float]:
        """The energies of the living, in order of birth."""
        energies: list[float] = self._living.energy.tolist()
        return energies

    def step(self, cycle: int) -> Record:
        """Do one cycle; nothing happens any more where all have died."""
        living = self._living
        if living.born and not len(living):
            return Record.of_nobody(self._compositions.memory_size)
        self._cycle, born = cycle, living.born
        self._metrics.refresh()
        self.capacity = self._metrics.read().capacity
        if not born:
            living.root()
            self._draw(1)
        if self._watched_at is not None:
            self._hold(self._watched_at)
        for effect in self._effects:
            effect.apply_at_once(self)
        visits = self._evolve()
        self._spawn()
        if 0.01 * self.capacity < 0.5 or living.born > born:  # nobody else lost energy
            self._bury()
        return self._record(visits)

    def gain(self, amount: float) -> None:
        """Raise the energies of all."""
        self._living.gain(amount)

    def pay_groups(self, threshold: float, share: float) -> None:
        """Pay this cycle's groups; none outlives its cycle."""
        self._hold(threshold)
        self._groups.pay(self._living.energy, share)

    def _hold(self, threshold: float) -> None:
        if self._formed is None or threshold != self._formed_at:
            self._formed, self._formed_at = self._arcs(threshold), threshold
            self._means = [self._cosine_mean(places) for places in self._formed]
            self._groups.clear()
            self._groups.add(self._formed)
        events = zip(self._formed, self._means, strict=True)
        self._compositions.see([self._living.event(places, mean, self._cycle) for places, mean in events])

    def _arcs(self, threshold: float) -> list[Places]:
        """Let each agent without a group collect all later ones without that are near it."""
        free = np.arange(len(self._living))
        groups = []
        while len(free):
            angles = self._angles[free]
            near = np.cos(angles - angles[0]) >= threshold
            near[0] = True
            if np.count_nonzero(near) > 1:
                groups.append(free[near])
            free = free[~near]
        return groups

    def _cosine_mean(self, places: Places) -> float:
        angles, n = self._angles[places], len(places)
        x, y = float(np.cos(angles).sum()), float(np.sin(angles).sum())
        return ((x * x + y * y - n) / 2) / (n * (n - 1) / 2)

    def _evolve(self) -> int:
        self._living.energy += 0.01 * self.capacity  # two sums, as the object engine rounds
        self._living.lose(0.5)
        self._turned = (self._turned + 0.1 * PHI) % TAU
        return len(self._living)

    def _spawn(self) -> None:
        parents = self._living.parents()
        if len(parents):
            self._living.bear(parents, self._child_energy)
            self._draw(len(parents))

    def _draw(self, births: int) -> None:
        drawn = np.array([TAU * self._draws.random() for _ in range(births)])
        self._angles = np.concatenate([self._angles, drawn - self._turned])
        self._formed = None

    def _bury(self) -> None:
        keep = self._living.survivors()
        if keep is not None:
            self._living.bury(keep)
            self._angles = self._angles[keep]
            self._formed = None

    def _record(self, visits: int) -> Record:
        return self._compositions.record(
            self._living.turnover(),
            population=len(self._living),
            groups=self._groups.held,
            visits=visits,
            energy=float(self._living.energy.sum()),
        )
