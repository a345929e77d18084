"""Groups held, of one cycle or of all, and what their members gain."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from nrm.substrate import ENERGY_MAX
from nrm.vectorised.linking import Places
from nrm.vectorised.trees import moved

_TOGETHER: Final = 64
"""Groups looked through at once for members who can still gain: of those, payments saturate most."""


class Groups:
    """Living members of the groups held, oldest group first, one after the other in one array."""

    def __init__(self) -> None:
        self.held = 0
        self._members = np.zeros(1024, np.intp)
        self._starts = np.zeros(257, np.int64)  # of each group, and the end of the last
        self._living = 0

    def add(self, groups: list[Places]) -> None:
        """Hold these too."""
        for places in groups:
            start = int(self._starts[self._living])
            end = start + len(places)
            self._members = _grown(self._members, end)
            self._members[start:end] = places
            self._living += 1
            self._starts = _grown(self._starts, self._living + 1)
            self._starts[self._living] = end
        self.held += len(groups)

    def clear(self) -> None:
        """Hold none."""
        self.held = self._living = 0

    def bury(self, keep: NDArray[np.bool_]) -> None:
        """Leave only these members; a group without any is held but never paid."""
        end = int(self._starts[self._living])
        places = moved(keep)[self._members[:end]]
        ends = np.cumsum(places >= 0)[self._starts[1 : self._living + 1] - 1]
        ends = np.unique(ends[ends > 0])
        self._members[: int((places >= 0).sum())] = places[places >= 0]
        self._living = len(ends)
        self._starts[1 : self._living + 1] = ends

    def pay(self, energy: NDArray[np.float64], share: float) -> None:
        """Pay the groups one after the other; who has the most that an agent holds can gain nothing."""
        for first in range(0, self._living, _TOGETHER):
            gaining = energy < ENERGY_MAX
            if not gaining.any():
                return
            starts = self._starts[first : min(first + _TOGETHER, self._living) + 1]
            members = self._members[starts[0] : starts[-1]]
            starts = starts - starts[0]
            for group in np.flatnonzero(np.logical_or.reduceat(gaining[members], starts[:-1])).tolist():
                _pay(energy, members[starts[group] : starts[group + 1]], share)


def _pay(energy: NDArray[np.float64], places: Places, share: float) -> None:
    held = energy[places]
    held += (np.add.reduce(held) * share) / len(places)
    energy[places] = np.minimum(held, ENERGY_MAX)


def _grown(array: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return the array, or a copy of at least this size with room for as much again."""
    if size <= len(array):
        return array
    return np.concatenate([array, np.zeros(max(size, len(array)), array.dtype)])
