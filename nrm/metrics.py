"""What stands in for psutil's answers; its calls, waits and transactions stay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle, repeat
from math import fsum
from pathlib import Path
from random import Random

from nrm import checks
from nrm.substrate import Reading

METRICS = ("live", "constant", "replay", "random")
HEADER = "cpu,mem,disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """The checked choice of ``workload.metrics``; a file to replay is read here, before anything runs.

    The three values are those of constant metrics, and what a run of live ones is planned with.
    """

    metrics: str = "live"
    metrics_file: str | None = None
    cpu_percent: float = 2.24
    memory_percent: float = 71.67
    disk_percent: float = 0.0
    _replayed: tuple[Reading, ...] = field(default=(), init=False, repr=False)

    def __post_init__(self) -> None:
        checks.choice("workload.metrics", self.metrics, METRICS)
        for name in Reading._fields:
            checks.number(f"workload.{name}", getattr(self, name), low=0, high=100)
        if self.metrics_file is not None:
            checks.text("workload.metrics_file", self.metrics_file)
        if self.metrics == "replay":
            object.__setattr__(self, "_replayed", _recorded(self.metrics_file))

    @property
    def typical(self) -> Reading:
        """One reading to plan with: the constant, the mean of what is replayed, or of what is drawn."""
        if self.metrics == "replay":
            rows = self._replayed
            return Reading(*(fsum(values) / len(rows) for values in zip(*rows, strict=True)))
        if self.metrics == "random":
            return Reading(50.0, 50.0, 50.0)
        return Reading(self.cpu_percent, self.memory_percent, self.disk_percent)

    def readings(self, seed: int) -> Iterator[Reading] | None:
        """Return one reading per sample, without end, or ``None`` where psutil's are taken."""
        if self.metrics == "live":
            return None
        if self.metrics == "replay":
            return cycle(self._replayed)
        return uniform(seed) if self.metrics == "random" else repeat(self.typical)


def uniform(seed: int) -> Iterator[Reading]:
    """Draw every field for itself from 0 to 100 percent.

    The seed is spelt out: ``Random(seed)`` would be free to repeat the draws of others that are seeded alike.
    """
    draw = Random(f"metrics {seed}").random  # noqa: S311 (a simulation, no secret)
    while True:
        yield Reading(100 * draw(), 100 * draw(), 100 * draw())


def _recorded(name: str | None) -> tuple[Reading, ...]:
    expected = f"a CSV file with the header {HEADER} and one row a sample"
    if name is None:
        raise ValueError(f"workload.metrics='replay' needs workload.metrics_file; give {expected}")
    key = f"workload.metrics_file={name!r}"
    try:
        header, *lines = Path(name).read_text("utf-8-sig", errors="replace").splitlines() or [""]
    except OSError as error:
        raise ValueError(f"{key} cannot be read ({error.strerror}); give {expected}") from error
    if [word.strip() for word in header.split(",")] != HEADER.split(","):
        raise ValueError(f"{key} begins with {header[:40]!r}; give {expected}")
    rows = tuple(_row(line, f"{key}, line {at},") for at, line in enumerate(lines, start=2) if line.strip())
    if not rows:
        raise ValueError(f"{key} has no row below its header; give {expected}")
    return rows


def _row(line: str, where: str) -> Reading:
    try:
        reading = Reading(*map(float, line.split(",")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where} reads {line[:40]!r}; give three numbers, {HEADER} in percent") from error
    if not all(0 <= value <= 100 for value in reading):  # NaN is in no range
        raise ValueError(f"{where} reads {line[:40]!r}; give percentages from 0 to 100")
    return reading
