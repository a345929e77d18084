"""The CPU's temperature and clock, where the machine has sensors for them.

Temperature: psutil on Linux and FreeBSD; macOS gives it to no unprivileged process.  Frequency: psutil where a
driver measures it (cpufreq on Linux); on macOS and Windows psutil knows the nominal clock only.

Or a recorded trace in place of both, for machines without sensors.  What is correlated with a replayed trace must
come from the recording of that trace, not from the run that replays it.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil

from probes.protocols import Meters, Value
from probes.rates import checked

if TYPE_CHECKING:
    from probes.replay import Trace

# hwmon's and the thermal zones' names of what sits in or on a CPU: coretemp and x86_pkg_temp (Intel), k10temp and
# zenpower (AMD), cpu_thermal, cpu0-thermal, soc_thermal (ARM).  acpitz is the board's, often a constant.
_CPU = re.compile(
    r"coretemp|k10temp|k8temp|zenpower|x86_pkg_temp|(cpu|soc|cluster).*thermal|cpu$", re.IGNORECASE
)
_BY_ROOT = {"darwin": "; powermetrics, as root, is the only source of temperature there"}


class Sample(NamedTuple):
    """One reading.  ``None`` becomes NULL and means "no such sensor", never zero."""

    temp_celsius: float | None
    freq_mhz: float | None


class Reading(NamedTuple):
    """What one sensor says, or why it says nothing."""

    value: float | None
    lacking: str


def temperature(reader: Any) -> Reading:
    """Return the hottest of the CPU's sensors that ``reader`` (psutil, or its like) lists.

    Throttling looks at the hottest one.  k10temp's Tctl may lie above the silicon's by 10 to 27 degrees: Tdie
    takes its place where there is one.
    """
    if not hasattr(reader, "sensors_temperatures"):
        return Reading(None, f"psutil reads no temperature on {sys.platform}{_BY_ROOT.get(sys.platform, '')}")
    try:
        chips: Mapping[str, Sequence[Any]] = reader.sensors_temperatures()
    except (OSError, RuntimeError, psutil.Error) as error:
        return Reading(None, f"psutil.sensors_temperatures: {error}")
    if not chips:
        return Reading(None, "the machine shows no temperature sensor")
    cpu = [entry for name, entries in chips.items() if _CPU.match(name) for entry in entries]
    if any(entry.label == "Tdie" for entry in cpu):
        cpu = [entry for entry in cpu if entry.label != "Tctl"]
    # Firmware says 0 of a sensor that is not fitted.
    warm = [float(entry.current) for entry in cpu if entry.current and entry.current > 0]
    if not warm:
        return Reading(None, f"none of the sensors {', '.join(sorted(chips))} gives the CPU's temperature")
    return Reading(max(warm), "")


def frequency(reader: Any) -> Reading:
    """Return the mean clock of the running CPUs by ``reader`` (psutil, or its like)."""
    if not hasattr(reader, "cpu_freq"):
        return Reading(None, f"psutil reads no CPU frequency on {sys.platform}")
    try:
        cpus = reader.cpu_freq(percpu=True) or ()
    except (OSError, RuntimeError, NotImplementedError, psutil.Error) as error:
        return Reading(None, f"psutil.cpu_freq: {error}")
    # psutil says 0 of a CPU that is offline, and would count it in its own mean.
    running = [float(cpu.current) for cpu in cpus if cpu.current and cpu.current > 0]
    return Reading(fmean(running), "") if running else Reading(None, "the machine shows no CPU frequency")


def nominal(root: Path, platform: str) -> str:
    """Return why psutil's CPU frequency is no measurement here, or nothing where a driver measures it."""
    if platform in ("darwin", "win32"):
        return f"psutil knows only the nominal clock on {platform}"
    cpus = root / "devices" / "system" / "cpu"
    measured = (cpus / "cpu0" / "cpufreq").is_dir() or any(cpus.glob("cpufreq/policy*"))
    if platform == "linux" and not measured:
        return "no cpufreq driver: /proc/cpuinfo holds the nominal clock, which is no sensor"
    return ""


def live() -> bool:
    """Tell whether psutil reads a temperature or a measured clock here."""
    if temperature(psutil).value is not None:
        return True
    return not nominal(Path("/sys"), sys.platform) and frequency(psutil).value is not None


class Probe:
    """Read psutil's CPU sensors, 0.25 ms with four thermal zones and two CPUs, or a trace, 0.9 us.

    psutil looks for the files anew at each reading.  A sensor that is lacking at the first reading is not asked
    for again: without any, a reading takes 0.3 us.  (Medians of 2,000; Linux 6.18, Python 3.11.7, psutil 7.2.2,
    AMD EPYC; the zones and cpufreq files lay on a tmpfs, so what a real sensor takes to answer comes on top.)

    With ``replay`` the sensors are not asked: each reading is what the trace holds for its time since the run's
    start, NULL before its first and behind its last row.  ``replay_sha256`` refuses a file that has changed.
    """

    def __init__(
        self,
        _meters: Meters,
        *,
        every_cycles: int | None = None,
        every_s: float | None = None,
        replay: str | None = None,
        replay_sha256: str | None = None,
        root: Path | str = Path("/sys"),
    ) -> None:
        self.every_cycles, self.every_s = checked(every_cycles, every_s)
        self.missing: dict[str, str] = {}
        self._trace = None if replay is None else _trace(replay, replay_sha256)
        self._origin_ns = time.perf_counter_ns()
        self._sensors = {"temp_celsius": temperature, "freq_mhz": frequency}
        unmeasured = nominal(Path(root), sys.platform)
        if unmeasured and self._trace is None:
            self._lack("freq_mhz", unmeasured)
        self._first = True

    def started(self, origin_ns: int) -> None:
        """Take the ``perf_counter_ns`` at which the run's time is 0."""
        self._origin_ns = origin_ns

    def read(self) -> tuple[Value, ...]:
        """Take one sample."""
        if self._trace is not None:
            return self._replayed(self._trace, (time.perf_counter_ns() - self._origin_ns) / 1e9)
        sample = Sample(self._value("temp_celsius"), self._value("freq_mhz"))
        self._first = False
        return sample

    def close(self) -> None:
        """Nothing is held."""

    def _replayed(self, trace: Trace, t_s: float) -> Sample:
        sample = Sample(*trace.at(t_s))
        for field, value in zip(Sample._fields, sample, strict=True):
            if value is None and trace.lacking(t_s) not in self.missing.get(field, ""):
                said = self.missing.get(field, "at some readings")
                self.missing[field] = f"{said}; from {t_s:.3g} s: {trace.lacking(t_s)}"
        return sample

    def _value(self, field: str) -> float | None:
        if field not in self._sensors:
            return None
        value, lacking = self._sensors[field](psutil)
        if value is None and self._first:
            self._lack(field, lacking)
        elif value is None:
            self.missing[field] = f"at some readings: {lacking}"
        return value

    def _lack(self, field: str, why: str) -> None:
        self.missing[field] = why
        del self._sensors[field]


def _trace(path: str, sha256: str | None) -> Trace:
    from probes import replay  # brings csv and hashlib, for those who replay

    trace = replay.load(path)
    if sha256 not in (None, trace.sha256):
        raise ValueError(
            f"replay={path} has changed: its sha256 is {trace.sha256}, expected {sha256}; start the run anew"
        )
    return trace
