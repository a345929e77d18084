"""How the workload samples the machine: what ``optimization`` chooses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from time import perf_counter_ns

import psutil

from nrm import checks
from nrm.persistence import JOURNALS, SYNCHRONOUS, Rows
from nrm.substrate import Reading
from probes.protocols import Meters

SAMPLING = ("per_visit", "per_cycle")
PERSIST = ("none", "sqlite")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When a sample is taken, how long it blocks, and what is written of it."""

    name: str = "cached"
    sampling: str = "per_cycle"
    cpu_interval_s: float | None = None
    persist: str = "none"
    persist_pairs: bool = False
    journal: str = "delete"
    synchronous: str = "full"
    path: str | None = None
    keep_connection: bool = False

    def __post_init__(self) -> None:
        checks.text("optimization.name", self.name)
        checks.choice("optimization.sampling", self.sampling, SAMPLING)
        if self.cpu_interval_s is not None:
            checks.number("optimization.cpu_interval_s", self.cpu_interval_s, low=0)
        checks.choice("optimization.persist", self.persist, PERSIST)
        checks.flag("optimization.persist_pairs", self.persist_pairs)
        checks.choice("optimization.journal", self.journal, JOURNALS)
        checks.choice("optimization.synchronous", self.synchronous, SYNCHRONOUS)
        if self.path is not None:
            checks.text("optimization.path", self.path)
        checks.flag("optimization.keep_connection", self.keep_connection)

    @property
    def per_visit(self) -> bool:
        """Whether agents sample for themselves, instead of sharing one sample a cycle."""
        return self.sampling == "per_visit"

    @property
    def pairs(self) -> bool:
        """Whether every comparison of two agents is a transaction."""
        return self.persist_pairs and self.persist == "sqlite"

    def open_rows(self, scratch: Path) -> Rows | None:
        """Open the file of transactions, by default in the run's scratch directory."""
        if self.persist == "none":
            return None
        return Rows(
            scratch / (self.path or "samples.sqlite"),
            journal=self.journal,
            synchronous=self.synchronous,
            keep_connection=self.keep_connection,
        )


class Steady:
    """Metrics that never change and cost nothing: for counting what a run will do."""

    per_visit = False

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._capacity = reading.capacity

    def refresh(self) -> None:
        """Begin a cycle."""

    def read(self) -> Reading:
        """Return the reading."""
        return self._reading

    def capacities(self) -> Iterator[float]:
        """Yield the capacity without end."""
        return repeat(self._capacity)


class Sampler:
    """Take samples with psutil, each timed with its transaction, and hand them out as the policy says.

    ``constant`` replaces the values only: calls, waits and transactions stay.
    """

    def __init__(
        self, policy: Policy, meters: Meters, *, rows: Rows | None = None, constant: Reading | None = None
    ) -> None:
        self.per_visit = policy.per_visit
        self._interval_s = policy.cpu_interval_s
        self._meters = meters
        self._rows = rows
        self._constant = constant
        self._shared: Reading | None = None
        psutil.cpu_percent(None)  # the first non-blocking call of a process returns 0

    def refresh(self) -> None:
        """Begin a cycle: take its sample where one is shared."""
        if not self.per_visit:
            self._shared = self._take()

    def read(self) -> Reading:
        """Return the cycle's sample, or a fresh one where agents sample for themselves."""
        return self._take() if self._shared is None else self._shared

    def capacities(self) -> Iterator[float]:
        """Yield a capacity per visit, without end: a fresh sample each where agents sample for themselves."""
        if self._shared is not None:
            return repeat(self._shared.capacity)
        return (reading.capacity for reading in iter(self._take, None))

    def _take(self) -> Reading:
        began_ns = perf_counter_ns()
        cpu = psutil.cpu_percent(self._interval_s)
        memory = psutil.virtual_memory().percent
        reading = Reading(cpu, memory, psutil.disk_usage("/").percent)
        psutil.net_io_counters()
        psutil.pids()
        if self._constant is not None:
            reading = self._constant
        if self._rows is not None:
            self._rows.sample(reading)
        self._meters.sampled(perf_counter_ns() - began_ns)
        return reading
