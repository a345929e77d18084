"""What makes this machine's times noisy, and the command that would change it.  Reads, and changes nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psutil

CPUS = Path("sys/devices/system/cpu")
BUSY = 0.5
"""Load per CPU from which others take a share that a run notices."""

_STOLEN = 0.001


class Hint(NamedTuple):
    """One source of noise: ``state`` is ``ok``, ``noisy`` or ``unknown``; ``command`` is what would help."""

    name: str
    state: str
    found: str
    command: str | None


def hints(root: Path = Path("/")) -> list[Hint]:
    """Look at everything once; what the machine does not tell is ``unknown``."""
    looks: tuple[Callable[[Path], Hint], ...] = (
        *(governor, turbo, smt, load, autogroup, steal, huge_pages, swap, sensors),
    )
    return [look(root) for look in looks]


def governor(root: Path) -> Hint:
    """A governor that follows the load makes the first cycles slower than the later ones."""
    policies = sorted((root / CPUS).glob("cpu*/cpufreq/scaling_governor"))
    found = sorted({text for path in policies if (text := _text(path))})
    if not found:
        return Hint(
            "governor", "unknown", "no cpufreq driver: the firmware or a hypervisor sets the clock", None
        )
    command = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
    return _judged("governor", found == ["performance"], ", ".join(found), command)


def turbo(root: Path) -> Hint:
    """A clock that depends on heat and on the neighbours' cores."""
    switches = (("intel_pstate/no_turbo", "0", 1), ("cpufreq/boost", "1", 0))
    for name, on, off in switches:
        text = _text(root / CPUS / name)
        if text:
            command = f"echo {off} | sudo tee /{CPUS / name}"
            return _judged("turbo", text != on, "on" if text == on else "off", command)
    return Hint("turbo", "unknown", "no switch under /sys/devices/system/cpu", None)


def smt(root: Path) -> Hint:
    """Two threads of a core share its units: who computes beside decides how fast."""
    text = _text(root / CPUS / "smt" / "active")
    if text is None:
        return Hint("smt", "unknown", "the system does not say whether cores are shared", None)
    command = "echo off | sudo tee /sys/devices/system/cpu/smt/control"
    return _judged(
        "smt", text == "0", "cores run two threads" if text == "1" else "one thread a core", command
    )


def load(_root: Path) -> Hint:
    """Others that compute."""
    try:
        load_1m, cpus = os.getloadavg()[0], os.cpu_count() or 1
    except (OSError, AttributeError):
        return Hint("load", "unknown", "the system has no load average", None)
    command = "ps -eo pcpu,pid,args --sort=-pcpu | head  # and end what is not needed"
    if sys.platform == "darwin":
        command = "ps -Aro pcpu,pid,command | head  # and end what is not needed"
    return _judged("load", load_1m < BUSY * cpus, f"load {load_1m:.2f} on {cpus} CPUs", command)


def autogroup(root: Path) -> Hint:
    """The scheduler shares by session, and nice counts within one only: -10 did nothing against other logins."""
    text = _text(root / "proc/sys/kernel/sched_autogroup_enabled")
    if text is None:
        return Hint("autogroup", "unknown", "the kernel does not group tasks by session", None)
    # The shell's own number, so that what it starts afterwards belongs to the group.
    command = 'sudo sh -c "echo -20 > /proc/$$/autogroup"'
    found = "nice has no effect against other sessions" if text == "1" else "off"
    return _judged("autogroup", text == "0", found, command)


def steal(root: Path) -> Hint:
    """Time that a hypervisor gave to other guests; it lands in the off-CPU account."""
    fields = (_text(root / "proc" / "stat") or "").split("\n", 1)[0].split()[1:9]
    if len(fields) < 8 or not sum(map(int, fields)):
        return Hint("steal", "unknown", "the system counts no stolen time", None)
    share = int(fields[7]) / sum(map(int, fields))
    found = f"{share:.2%} of the CPU time since boot"
    return _judged(
        "steal", share < _STOLEN, found, "vmstat 1  # column st; only another host, or dedicated CPUs, help"
    )


def huge_pages(root: Path) -> Hint:
    """The kernel merges pages behind the program's back, and resident sizes jump by 2 MiB."""
    text = _text(root / "sys/kernel/mm/transparent_hugepage/enabled")
    if text is None:
        return Hint("huge_pages", "unknown", "the kernel has no transparent huge pages", None)
    chosen = text.partition("[")[2].partition("]")[0] or text
    command = "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled"
    return _judged("huge_pages", chosen != "always", chosen, command)


def swap(_root: Path) -> Hint:
    """A page that was swapped out costs a disk access when it is touched."""
    try:
        used = int(psutil.swap_memory().used)
    except (OSError, RuntimeError, ValueError, psutil.Error) as error:
        return Hint("swap", "unknown", f"psutil.swap_memory: {error}", None)
    return _judged("swap", used == 0, f"{used / 2**20:.0f} MiB in use", "sudo swapoff -a")


def sensors(root: Path) -> Hint:
    """Without a temperature, heat and other slow-downs look the same."""
    if sys.platform == "darwin":
        # On Intel its smc sampler gives degrees; on Apple silicon only a level of thermal pressure and the clocks.
        command = "sudo powermetrics --samplers smc,thermal,cpu_power"
        return Hint("sensors", "unknown", "powermetrics, as root, is the only source of temperature", command)
    files = [
        *root.glob("sys/class/hwmon/hwmon*/temp*_input"),
        *root.glob("sys/class/thermal/thermal_zone*/temp"),
    ]
    if files:
        return Hint("sensors", "ok", f"{len(files)} temperature sensors", None)
    command = (
        "sudo modprobe coretemp || sudo modprobe k10temp  # a virtual machine has none; use probe=[canary]"
    )
    return Hint("sensors", "unknown", "no temperature sensor", command)


def _judged(name: str, good: bool, found: str, command: str) -> Hint:
    return Hint(name, "ok", found, None) if good else Hint(name, "noisy", found, command)


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return None
