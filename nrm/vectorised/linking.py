"""Connected components of the similarity graph, and the mean similarity within one."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from nrm.substrate import TIE

Places = NDArray[np.intp]
_BLOCK: Final = 12
"""Agents compared with all others at once.  Two to four blocks do: 35 us at 100 agents, 100 us at 1,000, 1.5 ms at
10,000; with 8 and with 24 at once it takes longer."""
_ONE_THREAD: Final = 65_536
"""OpenBLAS splits a product over threads from 262,144 multiplications on; four are needed a comparison."""


class Resonance:
    """Agents as unit vectors and magnitudes, so that a block of similarities is two matrix products.

    0.7 cos + 0.3 ratio is a scalar product of four numbers once the larger magnitude is known; the ratio is the
    smaller of both quotients, hence the similarity the smaller of both products.
    """

    def __init__(self, phases: NDArray[np.float64]) -> None:
        magnitudes = np.sqrt(np.einsum("ij,ij->j", phases, phases))
        self._placed: Places | None = None
        if not magnitudes.all():  # who stands at the origin resembles nobody
            self._placed = np.flatnonzero(magnitudes)
            phases, magnitudes = phases[:, self._placed], magnitudes[self._placed]
        self.size = len(magnitudes)
        self._over = np.empty((4, self.size))  # unit vector, 1 / magnitude
        np.divide(1.0, magnitudes, out=self._over[3])
        np.multiply(phases, self._over[3], out=self._over[:3])
        self._under = self._over.copy()  # unit vector, magnitude
        self._under[3] = magnitudes

    def groups(self, threshold: float) -> list[Places]:
        """Return the components with at least two members, in the order of their first members."""
        size = self.size
        groups = [_places(part, size) for part in self._components(threshold - TIE) if part.bit_count() > 1]
        groups.sort(key=lambda places: int(places[0]))
        return groups if self._placed is None else [self._placed[places] for places in groups]

    def similarity_mean(self, places: Places) -> float:
        """Return the mean over all pairs of these agents in O(n log n).

        The cosines of all pairs add up to half of what the squared sum of the unit vectors exceeds n; sorted by
        magnitude, each agent is the larger of a pair with all before it.
        """
        if self._placed is not None:
            places = np.searchsorted(self._placed, places)
        whole = len(places) == self.size
        under = self._under if whole else self._under[:, places]
        n = under.shape[1]
        cosines = (float(np.square(under[:3].sum(axis=1)).sum()) - n) / 2
        magnitudes = np.sort(under[3])
        ratios = float((np.add.accumulate(magnitudes[:-1]) / magnitudes[1:]).sum())
        mean: float = (0.7 * cosines + 0.3 * ratios) / (n * (n - 1) // 2)
        return mean

    def _components(self, least: float) -> list[int]:
        """Split the agents into components, sets of bits.

        Comparing an agent with all others finds its links.  While two components or more have members not compared,
        a link between them may be missing; the largest may keep such members, since whoever could link to them was
        compared.  So 16 to 32 of 1,000 agents are compared, not all.
        """
        if not self.size:
            return []
        everyone = (1 << self.size) - 1
        block = max(1, min(_BLOCK, _ONE_THREAD // self.size))
        components: list[int] = []
        compared = 0
        chosen = _spread(np.arange(self.size), block)
        while len(chosen):
            for row in self._linked(chosen, least):
                components = _joined(components, row)
            for place in chosen.tolist():
                compared |= 1 << place
            rest = everyone & ~compared & ~max(components, key=int.bit_count)
            chosen = _spread(_places(rest, self.size), block) if rest else chosen[:0]
        return components

    def _linked(self, chosen: Places, least: float) -> list[int]:
        """Return, for each chosen agent, who is linked to it, itself included, as a set of bits."""
        weights = self._over[:, chosen].T * 0.7
        weights[:, 3] = 0.3 * self._under[3, chosen]
        similarities = weights @ self._over
        weights[:, 3] = 0.3 * self._over[3, chosen]
        np.minimum(similarities, weights @ self._under, out=similarities)
        raw = np.packbits(similarities >= least, axis=1, bitorder="little").tobytes()
        width = (self.size + 7) // 8
        rows = (raw[start : start + width] for start in range(0, len(raw), width))
        return [
            int.from_bytes(row, "little") | 1 << place
            for row, place in zip(rows, chosen.tolist(), strict=True)
        ]


def _joined(components: list[int], row: int) -> list[int]:
    """Return the components with all that share a member with ``row`` made one."""
    apart = []
    for component in components:
        if component & row:
            row |= component
        else:
            apart.append(component)
    apart.append(row)
    return apart


def _places(bits: int, size: int) -> Places:
    """Return the positions of the bits that are set."""
    raw = np.frombuffer(bits.to_bytes((size + 7) // 8, "little"), np.uint8)
    return np.flatnonzero(np.unpackbits(raw, bitorder="little", count=size))


def _spread(places: Places, number: int) -> Places:
    """Return so many places, evenly spread over those given."""
    if len(places) <= number:
        return places
    return places[np.arange(number) * (len(places) - 1) // max(1, number - 1)]
