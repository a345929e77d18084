import os
import sys
from types import SimpleNamespace

import psutil
import pytest

from probes.hints import hints

# As a laptop has them that nobody has prepared, and the same after the commands.
NOISY = {
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "performance",
    "sys/devices/system/cpu/intel_pstate/no_turbo": "0",
    "sys/devices/system/cpu/smt/active": "1",
    "proc/sys/kernel/sched_autogroup_enabled": "1",
    "proc/stat": "cpu  100 0 100 780 0 0 0 20 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10",
    "sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never",
}
QUIET = {
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "performance",
    "sys/devices/system/cpu/cpufreq/boost": "0",
    "sys/devices/system/cpu/smt/active": "0",
    "proc/sys/kernel/sched_autogroup_enabled": "0",
    "proc/stat": "cpu  100 0 100 800 0 0 0 0 0 0\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
    "sys/class/hwmon/hwmon0/temp1_input": "45000",
}


@pytest.fixture
def machine(tmp_path, monkeypatch):
    def make(files, *, load, swapped):
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
        monkeypatch.setattr(os, "cpu_count", lambda: 8)
        monkeypatch.setattr(psutil, "swap_memory", lambda: SimpleNamespace(used=swapped))
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        return {hint.name: hint for hint in hints(tmp_path)}

    return make


def test_every_noise_is_named_with_the_command_that_would_help(machine):
    found = machine(NOISY, load=64.0, swapped=1 << 20)
    sensors = found.pop("sensors")
    assert {hint.state for hint in found.values()} == {"noisy"}
    assert found["governor"].found == "performance, powersave"
    assert "echo performance | sudo tee" in found["governor"].command
    assert found["turbo"].command == "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo"
    assert "smt/control" in found["smt"].command
    assert "autogroup" in found["autogroup"].command
    assert "madvise" in found["huge_pages"].command
    assert found["swap"].command == "sudo swapoff -a"
    assert found["steal"].found == "2.00% of the CPU time since boot"
    assert found["load"].found == "load 64.00 on 8 CPUs"
    assert (sensors.state, "modprobe" in sensors.command) == ("unknown", True)


def test_a_prepared_machine_needs_no_command(machine):
    found = machine(QUIET, load=0.0, swapped=0)
    assert {hint.state for hint in found.values()} == {"ok"}
    assert {hint.command for hint in found.values()} == {None}


def test_boost_of_amd_has_its_own_switch(machine):
    found = machine({"sys/devices/system/cpu/cpufreq/boost": "1"}, load=0.0, swapped=0)
    assert found["turbo"].command == "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost"


def test_what_a_machine_does_not_tell_is_unknown_and_no_noise(machine, monkeypatch):
    found = machine({}, load=0.0, swapped=0)
    assert found.pop("load").state == found.pop("swap").state == "ok"
    assert {hint.state for hint in found.values()} == {"unknown"}


def test_a_system_without_load_or_swap_says_so(machine, monkeypatch, tmp_path):
    def lacking():
        raise OSError("not here")

    machine({}, load=0.0, swapped=0)
    monkeypatch.setattr(os, "getloadavg", lacking)
    monkeypatch.setattr(psutil, "swap_memory", lacking)
    found = {hint.name: hint for hint in hints(tmp_path)}
    assert (found["load"].state, found["swap"].state) == ("unknown", "unknown")


def test_on_macos_powermetrics_as_root_is_the_only_source_of_temperature(machine, monkeypatch, tmp_path):
    machine({}, load=64.0, swapped=0)
    monkeypatch.setattr(sys, "platform", "darwin")
    found = {hint.name: hint for hint in hints(tmp_path)}
    assert found["sensors"].command.startswith("sudo powermetrics")
    assert "as root, is the only source of temperature" in found["sensors"].found
    assert found["load"].command.startswith("ps -Aro")
