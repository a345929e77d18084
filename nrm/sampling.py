"""How the workload samples the machine: what ``optimization`` chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from time import monotonic_ns, perf_counter_ns

import psutil

from nrm import checks
from nrm.persistence import JOURNALS, SYNCHRONOUS, Rows, check_path
from nrm.substrate import Levels, Reading
from probes.protocols import Meters

SAMPLING = ("per_visit", "per_cycle", "ttl")
SHARE = ("all", "own", "none")
PERSIST = ("none", "sqlite")

Hold = Callable[[float, float, float], Levels]
"""Makes a reading of three percentages, or takes them into one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When a sample is taken, who shares it, how long it blocks, and what is written of it.

    Parameters
    ----------
    sampling : {"per_visit", "per_cycle", "ttl"}
        At every visit and birth; when a cycle begins; or when the last sample is ``ttl_s`` old, looked at whenever
        one is asked for.
    share : {"all", "own", "none"}
        Who gets the cycle's sample: all; all but the visits of descendants, each of which takes a fresh one; nobody.
    reuse_buffers : bool
        Take each sample into the same reading.
    """

    name: str = "cached"
    sampling: str = "per_cycle"
    share: str = "all"
    ttl_s: float = 1.0
    cpu_interval_s: float | None = None
    persist: str = "none"
    persist_pairs: bool = False
    journal: str = "delete"
    synchronous: str = "full"
    path: str | None = None
    keep_connection: bool = False
    reuse_buffers: bool = False

    def __post_init__(self) -> None:
        checks.text("optimization.name", self.name)
        checks.choice("optimization.sampling", self.sampling, SAMPLING)
        checks.choice("optimization.share", self.share, SHARE)
        if self.share != "all" and self.sampling != "per_cycle":
            raise ValueError(
                f"optimization.share={self.share!r} says who gets the sample of a cycle, but "
                f"optimization.sampling={self.sampling!r} takes none; set optimization.share=all"
            )
        checks.number("optimization.ttl_s", self.ttl_s, low=0)
        if self.ttl_s == 0:
            raise ValueError(
                "optimization.ttl_s=0 is no time to live; give more than 0 seconds or optimization.sampling=per_visit"
            )
        if self.cpu_interval_s is not None:
            checks.number("optimization.cpu_interval_s", self.cpu_interval_s, low=0)
        checks.choice("optimization.persist", self.persist, PERSIST)
        checks.flag("optimization.persist_pairs", self.persist_pairs)
        checks.choice("optimization.journal", self.journal, JOURNALS)
        checks.choice("optimization.synchronous", self.synchronous, SYNCHRONOUS)
        if self.path is not None:
            checks.text("optimization.path", self.path)
            check_path(self.path)
        checks.flag("optimization.keep_connection", self.keep_connection)
        checks.flag("optimization.reuse_buffers", self.reuse_buffers)

    @property
    def per_visit(self) -> bool:
        """Whether whoever asks takes a fresh sample."""
        return self.sampling == "per_visit" or self.share == "none"

    @property
    def shared(self) -> bool:
        """Whether no visit takes a sample for itself alone."""
        return self.sampling != "per_visit" and self.share == "all"

    def samples(self, *, cycles: int, requests: int, descendants: int) -> int:
        """Return how many samples so many cycles take; with ``ttl``, whose number hangs on the time, the least.

        ``requests`` are visits, births and what mechanisms ask for, ``descendants`` the visits of descendants.
        """
        if self.sampling == "per_visit":
            return requests
        if self.sampling == "ttl":
            return min(1, cycles)
        return cycles + {"all": 0, "own": descendants, "none": requests}[self.share]

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

    def visits(self, own: Callable[[], Iterable[bool]]) -> Iterator[float]:  # noqa: ARG002 (one for all)
        """Yield the capacity without end."""
        return repeat(self._capacity)


@dataclass(slots=True)
class Buffer:
    """A reading that samples are taken into, one after the other.

    A ``Reading`` is the one block that a sample allocates here and the garbage collector counts: the tuple that SQLite
    is handed comes from CPython's free list.  psutil's five calls allocate 875 blocks (0.25 MB).
    """

    cpu_percent: float = 0.0
    memory_percent: float = 0.0
    disk_percent: float = 0.0

    def hold(self, cpu_percent: float, memory_percent: float, disk_percent: float) -> Buffer:
        """Replace what is held."""
        self.cpu_percent = cpu_percent
        self.memory_percent = memory_percent
        self.disk_percent = disk_percent
        return self

    @property
    def capacity(self) -> float:
        """What the machine has left, 0 to 200."""
        return (100 - self.cpu_percent) + (100 - self.memory_percent)


class Sampler:
    """Take samples with psutil, each timed with its transaction, and hand them out as the policy says.

    ``values`` replaces the values only, one a sample: calls, waits and transactions stay.
    """

    def __init__(
        self,
        policy: Policy,
        meters: Meters,
        *,
        rows: Rows | None = None,
        values: Iterator[Reading] | None = None,
    ) -> None:
        self.per_visit = policy.per_visit
        self._per_cycle = policy.sampling == "per_cycle"
        self._apart = policy.share == "own"
        self._ttl_ns = policy.ttl_s * 1e9 if policy.sampling == "ttl" else 0.0
        self._interval_s = policy.cpu_interval_s
        self._meters = meters
        self._rows = rows
        self._values = values
        # Two buffers: a descendant's sample must not overwrite the one that its cycle shares.
        self._hold: Hold = Buffer().hold if policy.reuse_buffers else Reading
        self._hold_apart: Hold = Buffer().hold if policy.reuse_buffers else Reading
        self._latest: Levels | None = None
        self._taken_ns = 0
        psutil.cpu_percent(None)  # the first non-blocking call of a process returns 0

    def refresh(self) -> None:
        """Begin a cycle: take its sample where it has one."""
        if self._per_cycle:
            self._latest = self._take(self._hold)

    def read(self) -> Levels:
        """Return the latest sample while it may be shared, else a fresh one."""
        if self._latest is None or not self._lasts():
            self._latest = self._take(self._hold)
            self._taken_ns = monotonic_ns()
        return self._latest

    def capacities(self) -> Iterator[float]:
        """Yield a capacity per agent that asks for itself, without end."""
        if self._per_cycle and not self.per_visit:
            return repeat(self.read().capacity)
        return (reading.capacity for reading in iter(self.read, None))

    def visits(self, own: Callable[[], Iterable[bool]]) -> Iterator[float]:
        """Yield a capacity per visit of a walk: descendants may have to take a fresh sample each."""
        if not self._apart:
            return self.capacities()
        shared, hold = self.read().capacity, self._hold_apart
        return (shared if for_itself else self._take(hold).capacity for for_itself in own())

    def _lasts(self) -> bool:
        if self._ttl_ns:
            return monotonic_ns() - self._taken_ns < self._ttl_ns
        return self._per_cycle and not self.per_visit

    def _take(self, hold: Hold) -> Levels:
        began_ns = perf_counter_ns()
        cpu = psutil.cpu_percent(self._interval_s)
        memory = psutil.virtual_memory().percent
        disk = psutil.disk_usage("/").percent
        psutil.net_io_counters()
        psutil.pids()
        if self._values is not None:
            cpu, memory, disk = next(self._values)
        reading = hold(cpu, memory, disk)
        if self._rows is not None:
            self._rows.sample(reading)
        self._meters.sampled(perf_counter_ns() - began_ns)
        return reading
