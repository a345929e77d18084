"""The heavy rules: family trees and one oscillator for all, an array operation for each step of a cycle."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nrm.agent import Limits
from nrm.mechanisms import Mechanism
from nrm.observing import Compositions, Record
from nrm.persistence import Rows
from nrm.substrate import Levels, Metrics, birth_phase, similarity
from nrm.vectorised.effects import split
from nrm.vectorised.holding import Groups
from nrm.vectorised.linking import Places, Resonance
from nrm.vectorised.living import Living
from nrm.vectorised.orbit import Stations, oscillator
from nrm.vectorised.trees import Trees

_NEVER = -(2**62)


class _Walk(NamedTuple):
    """How often each agent is visited in a cycle, all together, and at which steps of the oscillator for good."""

    each: NDArray[np.float64]
    visits: int
    stations: Stations


class HeavyArrays:
    """The agents of one condition; the parameters are those of ``nrm.world.World``.

    What a cycle needs to know of the machine is asked for once, when it begins.
    """

    def __init__(
        self,
        limits: Limits,
        mechanisms: Sequence[Mechanism],
        metrics: Metrics,
        *,
        recursion: bool = True,
        accumulate: bool = True,
        rows: Rows | None = None,
        pairs: bool = False,
        compositions: Compositions | None = None,
        watched_at: float | None = None,
    ) -> None:
        self._effects = split(mechanisms)
        self._metrics = metrics
        self._recursion = recursion
        self._accumulate = accumulate
        self._rows = rows
        self._pairs = pairs
        self._compositions = compositions or Compositions()
        self._watched_at = watched_at
        self._living = Living(limits, rows)
        self._trees = Trees()
        self._last_spawn = np.full(1, _NEVER)
        self._groups = Groups()
        self._walk: _Walk | None = None
        self._phases: NDArray[np.float64] | None = None
        self._steps = self._cycle = 0
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
        reading = self._metrics.read()
        self.capacity = reading.capacity
        if not born:
            living.root()
        if self._watched_at is not None:
            self._groups.clear()
            self._groups.add(self._form(self._watched_at))
        for effect in self._effects.before:
            effect.apply_at_once(self)
        rate = 0.01 * self.capacity - 0.01
        visits = self._evolve(rate)
        for effect in self._effects.after:
            effect.apply_at_once(self)
        self._spawn(reading)
        if rate < 0 or living.born > born:  # nobody else lost energy
            self._bury()
        return self._record(visits)

    def gain(self, amount: float) -> None:
        """Raise the energies of all."""
        self._living.gain(amount)

    def pay_groups(self, threshold: float, share: float) -> None:
        """Form this cycle's groups and pay all that are held."""
        if self._pairs and self._rows is not None:
            self._write_pairs(self._rows)
        if not self._accumulate:
            self._groups.clear()
        self._groups.add(self._form(threshold))
        self._groups.pay(self._living.energy, share)

    def _write_pairs(self, rows: Rows) -> None:
        if self._phases is not None:
            agents = zip(self._living.ident.tolist(), self._phases.T.tolist(), strict=True)
            for (a, phase_a), (b, phase_b) in combinations(agents, 2):
                rows.pair(a, b, similarity(phase_a, phase_b))

    def _form(self, threshold: float) -> list[Places]:
        if self._phases is None:  # the first agent, alone: nobody has asked before
            self._phases = np.ones((3, 1))
        resonance = Resonance(self._phases)
        groups = resonance.groups(threshold)
        self._compositions.see(
            [self._living.event(places, resonance.similarity_mean(places), self._cycle) for places in groups]
        )
        return groups

    def _evolve(self, rate: float) -> int:
        if self._walk is None:
            self._walk = self._planned()
        walk = self._walk
        if rate >= 0:
            self._living.gain(walk.each * rate)
        else:
            self._living.lose(walk.each * -rate)
        if self._phases is not None:
            self._phases = walk.stations.phases(self._steps)
        self._steps += walk.visits
        return walk.visits

    def _planned(self) -> _Walk:
        if not self._recursion:
            n = len(self._living)
            return _Walk(np.ones(n), n, Stations(np.arange(1, n + 1)))
        ends = np.cumsum(self._trees.sizes)
        heads = ends - self._trees.sizes + 1
        return _Walk(self._trees.visits().astype(float), int(ends[-1]), Stations(heads))

    def _spawn(self, reading: Levels) -> None:
        living = self._living
        if living.full:
            return
        allowed: NDArray[np.bool_] | bool = True
        for gate in self._effects.gates:
            allowed = allowed & gate.allows_at_once(self._last_spawn, self._cycle)
        parents = living.parents(allowed)
        if not len(parents):
            return
        self._trees.bear(parents, living.depth[parents])
        living.bear(parents, reading.capacity)
        self._last_spawn[parents] = self._cycle
        self._last_spawn = np.concatenate([self._last_spawn, np.full(len(parents), _NEVER)])
        if self._phases is not None:
            phase = birth_phase(reading, oscillator(self._steps))
            born = np.repeat(np.array(phase)[:, np.newaxis], len(parents), axis=1)
            self._phases = np.concatenate([self._phases, born], axis=1)
        self._walk = None

    def _bury(self) -> None:
        keep = self._living.survivors()
        if keep is None:
            return
        self._living.bury(keep)
        self._trees.bury(keep)
        self._groups.bury(keep)
        self._last_spawn = self._last_spawn[keep]
        if self._phases is not None:
            self._phases = self._phases[:, keep]
        self._walk = None

    def _record(self, visits: int) -> Record:
        return self._compositions.record(
            self._living.turnover(),
            population=len(self._living),
            groups=self._groups.held,
            visits=visits,
            energy=float(self._living.energy.sum()),
        )
