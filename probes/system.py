"""The machine that the process runs on: CPU and memory in use, load, page cache, swap, stolen time."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import psutil

from probes.protocols import Meters, Value
from probes.rates import checked

_IDLE = ("idle", "iowait")
# Linux counts a guest's time in user and nice already.
_COUNTED_TWICE = ("guest", "guest_nice")


_LINE = re.compile(
    rb"^(MemTotal|MemAvailable|Buffers|Cached|Dirty|Swap(?:Total|Free)): +(\d+) kB$", re.MULTILINE
)


class Sample(NamedTuple):
    """One reading; ``cpu_percent`` and ``steal_percent`` are over the time since the last one, ``None`` at the first.

    ``page_cache_bytes`` are the pages of files and disks in memory, those of tmpfs and shared memory among them;
    ``dirty_bytes`` those that wait to be written.
    """

    cpu_percent: float | None
    memory_percent: float | None
    load_1m: float | None
    page_cache_bytes: int | None
    dirty_bytes: int | None
    swap_used_bytes: int | None
    steal_percent: float | None


class Memory(NamedTuple):
    """What ``/proc/meminfo`` says."""

    memory_percent: float | None
    page_cache_bytes: int | None
    dirty_bytes: int | None
    swap_used_bytes: int | None


def parse_meminfo(text: bytes) -> Memory:
    """Return what a kernel says of the machine's memory; what it does not name is ``None``.

    ``memory_percent`` as psutil defines it: the share that is not available without swapping, unrounded here.
    """
    found = {name: 1024 * int(kibibytes) for name, kibibytes in _LINE.findall(text)}
    total, available = found.get(b"MemTotal"), found.get(b"MemAvailable")
    cached, swap = (_all(found, *names) for names in ((b"Buffers", b"Cached"), (b"SwapTotal", b"SwapFree")))
    return Memory(
        100.0 * (total - available) / total if total and available is not None else None,
        sum(cached) if cached else None,
        found.get(b"Dirty"),
        swap[0] - swap[1] if swap else None,
    )


def _all(found: Mapping[bytes, int], *names: bytes) -> list[int] | None:
    return [found[name] for name in names] if all(name in found for name in names) else None


class Use(NamedTuple):
    """What the CPUs did between two totals, in percent of their time."""

    cpu_percent: float | None
    steal_percent: float | None


def use(before: Mapping[str, float], after: Mapping[str, float]) -> Use:
    """Return the share of CPU time between two totals that was not idle, and the share that a hypervisor took.

    The former as ``psutil.cpu_percent`` defines it, unrounded: stolen time is in it.  ``None`` if no counter
    moved: they move in ticks of 10 ms, so nothing was measured.
    """
    # iowait may go back (proc_stat(5)); psutil counts that as no time, and so do we.
    spent = {name: max(0.0, after[name] - before[name]) for name in after if name not in _COUNTED_TWICE}
    total = sum(spent.values())
    if not total:
        return Use(None, None)
    idle = sum(spent.get(name, 0.0) for name in _IDLE)
    return Use(100.0 * (total - idle) / total, 100.0 * spent["steal"] / total if "steal" in spent else None)


class Probe:
    """Read the machine's CPU times, memory and load.

    A reading takes 30 us with 2 CPUs, 12 of it in psutil's ``cpu_times``, beside 1.1 us of a bare ``pread`` of statm
    (median of 20,000; Linux 6.18, Python 3.11.7, AMD EPYC, psutil 7.2.2).

    ``psutil.cpu_percent`` keeps its last totals in the module: called here it would shorten the stretch that
    the workload's next call of it looks at, and change what the workload sees.  So the totals are held here.
    """

    def __init__(
        self,
        _meters: Meters,
        *,
        every_cycles: int | None = None,
        every_s: float | None = None,
        root: Path | str = Path("/proc"),
    ) -> None:
        self.every_cycles, self.every_s = checked(every_cycles, every_s)
        self.missing: dict[str, str] = {}
        self._totals: Mapping[str, float] | None = None
        try:
            self._meminfo: int | None = os.open(Path(root) / "meminfo", os.O_RDONLY)
        except OSError:
            self._meminfo = None  # psutil knows the share in use everywhere

    def read(self) -> tuple[Value, ...]:
        """Take one sample."""
        used, memory = self._use(), self._memory()
        return Sample(
            used.cpu_percent,
            memory.memory_percent,
            self._load_1m(),
            *memory[1:],
            used.steal_percent,
        )

    def close(self) -> None:
        """Close the held descriptor."""
        if self._meminfo is not None:
            os.close(self._meminfo)
            self._meminfo = None

    def _use(self) -> Use:
        try:
            totals = psutil.cpu_times()._asdict()
        except (OSError, RuntimeError, psutil.Error) as error:
            self.missing.update(dict.fromkeys(Use._fields, f"psutil.cpu_times: {error}"))
            return Use(None, None)
        if "steal" not in totals:
            self.missing["steal_percent"] = "the system counts no stolen time"
        found = use(self._totals, totals) if self._totals is not None else Use(None, None)
        if found.cpu_percent is not None or self._totals is None:
            self._totals = totals
        return found

    def _memory(self) -> Memory:
        found = Memory(None, None, None, None)
        if self._meminfo is not None:
            found = parse_meminfo(os.pread(self._meminfo, 4096, 0))
        if found.memory_percent is None:
            found = found._replace(memory_percent=self._psutil_percent())
        for field, value in zip(Memory._fields, found, strict=True):
            if value is None:
                self.missing.setdefault(field, "there is no /proc/meminfo that says it")
        return found

    def _psutil_percent(self) -> float | None:
        try:
            return float(psutil.virtual_memory().percent)
        except (OSError, RuntimeError, psutil.Error) as error:
            self.missing["memory_percent"] = f"psutil.virtual_memory: {error}"
            return None

    def _load_1m(self) -> float | None:
        try:
            return os.getloadavg()[0]
        except (OSError, AttributeError) as error:
            self.missing["load_1m"] = f"os.getloadavg: {error}"
            return None
