import os
from types import SimpleNamespace
from typing import NamedTuple

import psutil
import pytest

from probes.system import Probe, Sample, busy_percent


class Times(NamedTuple):
    user: float
    system: float
    idle: float
    iowait: float
    steal: float
    guest: float


# Seconds since boot of one CPU, as in /proc/stat: 10 s later 3 + 1 + 1 were busy; a guest's time is user time too.
BOOT = Times(user=100.0, system=50.0, idle=800.0, iowait=40.0, steal=10.0, guest=0.0)
LATER = Times(user=103.0, system=51.0, idle=804.0, iowait=41.0, steal=11.0, guest=2.0)


@pytest.fixture
def frozen(monkeypatch):
    def freeze(*readings):
        left = iter(readings)
        monkeypatch.setattr(psutil, "cpu_times", lambda: next(left))

    return freeze


def test_busy_is_what_is_neither_idle_nor_waiting_for_a_disk():
    assert busy_percent(BOOT._asdict(), LATER._asdict()) == pytest.approx(50.0)


def test_iowait_that_goes_back_counts_as_none():
    assert busy_percent(BOOT._asdict(), LATER._replace(iowait=30.0)._asdict()) == pytest.approx(500 / 9)


def test_the_first_reading_has_no_cpu_percent(frozen):
    frozen(BOOT, LATER)
    probe = Probe(SimpleNamespace(), every_cycles=1)
    assert [probe.read()[0], probe.read()[0]] == [None, pytest.approx(50.0)]
    probe.close()


def test_a_reading_within_a_tick_is_none_and_the_next_covers_its_time_too(frozen):
    frozen(BOOT, BOOT, LATER)
    probe = Probe(SimpleNamespace(), every_cycles=1)
    assert [probe.read()[0] for _ in range(3)] == [None, None, pytest.approx(50.0)]


def test_reading_leaves_the_workloads_own_cpu_percent_alone(monkeypatch):
    def shared_state(*_args, **_kwargs):
        raise AssertionError("psutil.cpu_percent shares its state with the workload")

    monkeypatch.setattr(psutil, "cpu_percent", shared_state)
    held = dict(psutil._last_cpu_times)
    probe = Probe(SimpleNamespace(), every_cycles=1)
    probe.read()
    probe.read()
    assert psutil._last_cpu_times == held


def test_this_machines_reading_is_in_range():
    sample = Sample(*Probe(SimpleNamespace(), every_s=0.5).read())
    assert 0 < sample.memory_percent < 100
    assert sample.load_1m == pytest.approx(os.getloadavg()[0], abs=1)


def test_what_the_machine_lacks_is_null_with_the_reason(monkeypatch):
    def lacking(*_args):
        raise OSError("not on this machine")

    for module, name in ((psutil, "cpu_times"), (psutil, "virtual_memory"), (os, "getloadavg")):
        monkeypatch.setattr(module, name, lacking)
    probe = Probe(SimpleNamespace(), every_cycles=1)
    assert probe.read() == (None, None, None)
    assert set(probe.missing) == set(Sample._fields)
    assert probe.missing["load_1m"] == "os.getloadavg: not on this machine"
