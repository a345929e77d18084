"""The machine that the process runs on: CPU and memory in use, load."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

import psutil

from probes.protocols import Meters, Value
from probes.rates import checked

_IDLE = ("idle", "iowait")
# Linux counts a guest's time in user and nice already.
_COUNTED_TWICE = ("guest", "guest_nice")


class Sample(NamedTuple):
    """One reading; ``cpu_percent`` is over the time since the last reading, ``None`` at the first."""

    cpu_percent: float | None
    memory_percent: float | None
    load_1m: float | None


def busy_percent(before: Mapping[str, float], after: Mapping[str, float]) -> float | None:
    """Return the share of CPU time spent between two totals that was not idle, in percent.

    The same definition as ``psutil.cpu_percent``, unrounded.  ``None`` if no counter moved: they move in
    ticks of 10 ms, so nothing was measured.
    """
    # iowait may go back (proc_stat(5)); psutil counts that as no time, and so do we.
    spent = {name: max(0.0, after[name] - before[name]) for name in after if name not in _COUNTED_TWICE}
    total = sum(spent.values())
    return 100.0 * (total - sum(spent.get(name, 0.0) for name in _IDLE)) / total if total else None


class Probe:
    """Read the machine's CPU times, memory and load: 43 us.

    Median of 3,000 with 2 CPUs; Linux 6.18, Python 3.11.7, AMD EPYC, psutil 7.2.2.

    ``psutil.cpu_percent`` keeps its last totals in the module: called here it would shorten the stretch that
    the workload's next call of it looks at, and change what the workload sees.  So the totals are held here.
    """

    def __init__(
        self, _meters: Meters, *, every_cycles: int | None = None, every_s: float | None = None
    ) -> None:
        self.every_cycles, self.every_s = checked(every_cycles, every_s)
        self.missing: dict[str, str] = {}
        self._totals: Mapping[str, float] | None = None

    def read(self) -> tuple[Value, ...]:
        """Take one sample."""
        return Sample(self._cpu_percent(), self._memory_percent(), self._load_1m())

    def close(self) -> None:
        """Nothing is held."""

    def _cpu_percent(self) -> float | None:
        try:
            totals = psutil.cpu_times()._asdict()
        except (OSError, RuntimeError, psutil.Error) as error:
            self.missing["cpu_percent"] = f"psutil.cpu_times: {error}"
            return None
        percent = busy_percent(self._totals, totals) if self._totals is not None else None
        if percent is not None or self._totals is None:
            self._totals = totals
        return percent

    def _memory_percent(self) -> float | None:
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
