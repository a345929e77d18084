"""What everything stands on: readings of the machine, the oscillator of pi, e and phi, and similarity.

Every order of operations is literal: recorded trajectories are reproduced bit for bit or not at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle
from typing import NamedTuple, Protocol

TAU = 2 * math.pi
PHI = (1 + math.sqrt(5)) / 2
ENERGY_MAX = 200.0
TIE = 1e-9
"""Ties at a threshold occur structurally (collinear phases at similarity 0.85, energies at 10): they count
as reached."""

Phase = tuple[float, float, float]
"""Angles in [0, 2 pi) along pi, e and phi."""

# k * (0.1 pi), not k * pi / 10: the last bits differ.
PI_ANGLES = tuple(k * (0.1 * math.pi) for k in range(20))
E_STEP = (0.1 * math.e) / math.pi
PHI_STEP = (0.1 * PHI) / math.e


class Reading(NamedTuple):
    """What one sample says of the machine, in percent."""

    cpu_percent: float
    memory_percent: float
    disk_percent: float

    @property
    def capacity(self) -> float:
        """What the machine has left, 0 to 200."""
        return (100 - self.cpu_percent) + (100 - self.memory_percent)


class Levels(Protocol):
    """A reading as its users see it; one that is taken into a buffer holds only until the next sample."""

    @property
    def cpu_percent(self) -> float:
        """Share of the CPUs' time in use."""

    @property
    def memory_percent(self) -> float:
        """Share of the memory in use."""

    @property
    def disk_percent(self) -> float:
        """Share of the root file system in use."""

    @property
    def capacity(self) -> float:
        """What the machine has left, 0 to 200."""


class Metrics(Protocol):
    """Where a simulation learns how busy the machine is.

    ``per_visit`` says that nothing is shared, so that the root is born from a sample before cycle 0.
    """

    per_visit: bool

    def refresh(self) -> None:
        """Begin a cycle."""

    def read(self) -> Levels:
        """Return the reading that a birth uses."""

    def capacities(self) -> Iterator[float]:
        """Yield one capacity per agent that asks for itself, without end."""

    def visits(self, own: Callable[[], Iterable[bool]]) -> Iterator[float]:
        """Yield one capacity per visit of a walk; ``own`` tells, if called, which agents are visited for themselves."""


def oscillation() -> Iterator[Phase]:
    """Yield the oscillator's angles after step 1, 2, 3 and so on, from 0, without end."""
    along_e = along_phi = 0.0
    for along_pi in cycle(PI_ANGLES[1:] + PI_ANGLES[:1]):
        along_e = (along_e + E_STEP) % TAU
        along_phi = (along_phi + PHI_STEP) % TAU
        yield along_pi, along_e, along_phi


def birth_phase(reading: Levels, oscillator: Phase) -> Phase:
    """Return the phase of an agent born under this reading while the oscillator stands there."""
    return (
        (((reading.cpu_percent / 100) * (2 * math.pi)) % TAU + oscillator[0]) % TAU,
        (((reading.memory_percent / 100) * (2 * math.e)) % TAU + oscillator[1]) % TAU,
        (((reading.disk_percent / 100) * (2 * PHI)) % TAU + oscillator[2]) % TAU,
    )


def magnitude(phase: Phase) -> float:
    """Return the Euclidean norm."""
    x, y, z = phase
    return math.sqrt(x * x + y * y + z * z)


def similarity(a: Phase, b: Phase) -> float:
    """Return 0.7 of the cosine plus 0.3 of the ratio of magnitudes; 0 where a magnitude is 0."""
    of_a, of_b = magnitude(a), magnitude(b)
    if of_a == 0 or of_b == 0:
        return 0.0
    cosine = (a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) / (of_a * of_b)
    return 0.7 * cosine + 0.3 * (min(of_a, of_b) / max(of_a, of_b))


def plain_sum(values: Iterable[float]) -> float:
    """Add from left to right, rounding each time; ``sum`` compensates since Python 3.12 and ends elsewhere."""
    total = 0.0
    for value in values:
        total += value
    return total
