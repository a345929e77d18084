import os
import sys
from collections import namedtuple
from types import SimpleNamespace
from typing import NamedTuple

import psutil
import pytest

from probes.system import Memory, Probe, Sample, parse_meminfo, use


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
    assert use(BOOT._asdict(), LATER._asdict()).cpu_percent == pytest.approx(50.0)


def test_iowait_that_goes_back_counts_as_none():
    assert use(BOOT._asdict(), LATER._replace(iowait=30.0)._asdict()).cpu_percent == pytest.approx(500 / 9)


def test_the_first_reading_has_no_cpu_percent(frozen):
    frozen(BOOT, LATER)
    probe = Probe(SimpleNamespace(), every_cycles=1)
    assert [probe.read()[0], probe.read()[0]] == [None, pytest.approx(50.0)]
    probe.close()


def test_a_reading_within_a_tick_is_none_and_the_next_covers_its_time_too(frozen):
    frozen(BOOT, BOOT, LATER)
    probe = Probe(SimpleNamespace(), every_cycles=1)
    assert [probe.read()[0] for _ in range(3)] == [None, None, pytest.approx(50.0)]
    probe.close()


def test_reading_leaves_the_workloads_own_cpu_percent_alone(monkeypatch):
    def shared_state(*_args, **_kwargs):
        raise AssertionError("psutil.cpu_percent shares its state with the workload")

    monkeypatch.setattr(psutil, "cpu_percent", shared_state)
    held = dict(psutil._last_cpu_times)
    probe = Probe(SimpleNamespace(), every_cycles=1)
    probe.read()
    probe.read()
    assert psutil._last_cpu_times == held
    probe.close()


def test_this_machines_reading_is_in_range():
    before = os.getloadavg()[0]
    probe = Probe(SimpleNamespace(), every_s=0.5)
    sample = Sample(*probe.read())
    assert 0 < sample.memory_percent < 100
    assert sample.load_1m in (before, os.getloadavg()[0])
    probe.close()


def test_time_that_the_hypervisor_took_is_a_share_of_its_own():
    assert use(BOOT._asdict(), LATER._asdict()).steal_percent == pytest.approx(10.0)


# Linux 6.18, shortened; HugePages and the lines below have no kB.
MEMINFO = b"""\
MemTotal:       1000 kB
MemFree:         100 kB
MemAvailable:    750 kB
Buffers:          20 kB
Cached:          300 kB
SwapCached:        7 kB
Dirty:            42 kB
Writeback:         3 kB
SwapTotal:       500 kB
SwapFree:        380 kB
HugePages_Total:       0
"""
KIB = 1024


def test_memory_is_read_out_of_the_kernels_text():
    assert parse_meminfo(MEMINFO) == Memory(25.0, 320 * KIB, 42 * KIB, 120 * KIB)
    assert parse_meminfo(b"MemTotal: 1000 kB\nBuffers: 20 kB\n") == (None, None, None, None)


def test_a_machine_without_swap_uses_none():
    assert parse_meminfo(b"SwapTotal: 0 kB\nSwapFree: 0 kB\n").swap_used_bytes == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_64_mib_written_to_a_file_are_page_cache(tmp_path):
    probe = Probe(SimpleNamespace(), every_s=1)
    grown = [0]
    # Others write and drop pages of the same cache meanwhile, all of this in the moment in which one removes its files.
    while grown[-1] <= 32 << 20 and len(grown) < 6:
        before = Sample(*probe.read())
        (tmp_path / "file").write_bytes(bytes(64 << 20))
        grown.append(Sample(*probe.read()).page_cache_bytes - before.page_cache_bytes)
        (tmp_path / "file").unlink()
    probe.close()
    assert grown[-1] > 32 << 20


def test_without_procfs_psutil_knows_the_share_in_use(tmp_path):
    probe = Probe(SimpleNamespace(), every_s=1, root=tmp_path)
    sample = Sample(*probe.read())
    assert 0 < sample.memory_percent < 100
    assert sample[3:6] == (None, None, None)
    assert "meminfo" in probe.missing["swap_used_bytes"]


def test_a_system_that_counts_no_stolen_time_gives_null_and_the_reason(monkeypatch):
    times = namedtuple("Times", "user idle")
    left = iter([times(1.0, 1.0), times(2.0, 2.0)])
    monkeypatch.setattr(psutil, "cpu_times", lambda: next(left))
    probe = Probe(SimpleNamespace(), every_cycles=1)
    samples = [Sample(*probe.read()) for _ in range(2)]
    probe.close()
    assert (samples[1].cpu_percent, samples[1].steal_percent) == (50.0, None)
    assert "no stolen time" in probe.missing["steal_percent"]


def test_what_the_machine_lacks_is_null_with_the_reason(monkeypatch, tmp_path):
    def lacking(*_args):
        raise OSError("not on this machine")

    for module, name in ((psutil, "cpu_times"), (psutil, "virtual_memory"), (os, "getloadavg")):
        monkeypatch.setattr(module, name, lacking)
    probe = Probe(SimpleNamespace(), every_cycles=1, root=tmp_path)
    assert probe.read() == (None,) * 7
    assert set(probe.missing) == set(Sample._fields)
    assert probe.missing["load_1m"] == "os.getloadavg: not on this machine"
