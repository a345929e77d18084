"""Family trees of the living: how often each agent is visited in a cycle, and when."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nrm.vectorised.linking import Places


class Trees:
    """For each of the living its living ancestors, and the size of its tree, the dead included.

    A walk visits the trees of the living one after the other, hence an agent once for itself and once per living
    ancestor.  Ancestors are older, so the visit at the head of its own tree is its last.
    """

    def __init__(self) -> None:
        self._ancestors = np.full((1, 1), -1)  # places: a row an agent, a column a depth; -1 = none, or dead
        self.sizes = np.ones(1, np.int64)

    def visits(self) -> NDArray[np.int64]:
        """Return how often each agent is visited in a cycle."""
        ancestors: NDArray[np.int64] = np.count_nonzero(self._ancestors >= 0, axis=1)
        return ancestors + 1

    def bear(self, parents: Places, depths: NDArray[np.int64]) -> None:
        """Add a child to each of these, who are at these depths."""
        old, births = len(self.sizes), len(parents)
        width = max(self._ancestors.shape[1], int(depths.max()) + 1)
        ancestors = np.full((old + births, width), -1)
        ancestors[:old, : self._ancestors.shape[1]] = self._ancestors
        lines = ancestors[old:]
        lines[:] = ancestors[parents]
        lines[np.arange(births), depths] = parents
        self.sizes = np.concatenate([self.sizes, np.ones(births, np.int64)])
        np.add.at(self.sizes, lines[lines >= 0], 1)
        self._ancestors = ancestors

    def bury(self, keep: NDArray[np.bool_]) -> None:
        """Forget the places of all others; the trees that they are in keep their sizes."""
        self.sizes = self.sizes[keep]
        self._ancestors = moved(keep)[self._ancestors[keep]]


def moved(keep: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the new place of each, -1 of those not kept, and -1 at the end: the place of -1."""
    places = np.full(len(keep) + 1, -1)
    places[:-1][keep] = np.arange(int(keep.sum()))
    return places
