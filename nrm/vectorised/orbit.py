"""Where the oscillator stands after any number of steps, without taking them one by one."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nrm.substrate import E_STEP, PHI_STEP, PI_ANGLES, TAU, Phase

_BITS: Final = 120
_TURN: Final = int(Fraction(TAU) * 2**_BITS)
# A sum taken step by step, as the walk of the object engine takes it, loses the same in every turn: so much a step,
# measured after 3,000,000 steps (per step the same to 4 digits after 100,000).  Without it the engines' angles would
# be 1e-9 apart, the tolerance of ties, after 10,000,000 visits; with it 1e-12.
_LOST_E: Final = 5.1719e-17
_LOST_PHI: Final = 1.17845e-16
_E: Final = int((Fraction(E_STEP) - Fraction(_LOST_E)) * 2**_BITS)
_PHI: Final = int((Fraction(PHI_STEP) - Fraction(_LOST_PHI)) * 2**_BITS)
_PI_TWICE: Final = np.array(PI_ANGLES + PI_ANGLES)


def oscillator(steps: int) -> Phase:
    """Return the three angles after so many steps."""
    return PI_ANGLES[steps % 20], (steps * _E % _TURN) / 2**_BITS, (steps * _PHI % _TURN) / 2**_BITS


class Stations:
    """The steps of a cycle at which agents take over the oscillator's angles: the same until births or deaths."""

    def __init__(self, steps: NDArray[np.int64]) -> None:
        self._pi = steps % 20
        self._along_e = steps * E_STEP % TAU
        self._along_phi = steps * PHI_STEP % TAU

    def phases(self, before: int) -> NDArray[np.float64]:
        """Return angles along pi, e and phi, a row each, where so many steps were taken ``before`` the cycle."""
        _, e, phi = oscillator(before)
        phases = np.empty((3, len(self._pi)))
        np.take(_PI_TWICE, self._pi + before % 20, out=phases[0], mode="clip")
        np.add(self._along_e, e, out=phases[1])
        np.add(self._along_phi, phi, out=phases[2])
        turned = phases[1:]
        turned -= TAU * (turned >= TAU)  # a subtraction with ``where`` takes twice as long
        return phases
