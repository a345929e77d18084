import errno
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from probes.pressure import Probe, Sample, group, parse

# Linux 6.18; before 5.13 the file of the CPU had the first line only.
CPU = b"""\
some avg10=3.43 avg60=11.62 avg300=8.01 total=1842515693
full avg10=0.00 avg60=0.00 avg300=0.00 total=7
"""
GROUPS = "9:name=systemd:/\n4:memory:/app\n0::/user.slice/run.scope\n"


@pytest.fixture
def machine(tmp_path):
    (tmp_path / "proc" / "pressure").mkdir(parents=True)
    (tmp_path / "proc" / "self").mkdir()
    for i, name in enumerate(("cpu", "memory", "io")):
        (tmp_path / "proc" / "pressure" / name).write_bytes(CPU.replace(b"total=7", b"total=%d" % i))
    return tmp_path


@pytest.fixture
def grouped(machine):
    (machine / "proc" / "self" / "cgroup").write_text(GROUPS)
    own = machine / "sys" / "fs" / "cgroup" / "user.slice" / "run.scope"
    own.mkdir(parents=True)
    (own / "cgroup.type").write_text("domain\n")
    for name in ("cpu", "memory", "io"):
        (own / f"{name}.pressure").write_bytes(CPU.replace(b"1842515693", b"12"))
    return machine


def test_the_totals_are_read_out_of_the_kernels_text():
    assert parse(CPU) == (1842515693, 7)
    assert parse(CPU.splitlines(keepends=True)[0]) == (1842515693, None)
    assert parse(b"") == (None, None)


def test_the_machine_and_the_own_group_are_read(grouped):
    probe = Probe(SimpleNamespace(), every_s=1, root=grouped)
    sample = Sample(*probe.read())
    assert sample[:6] == (1842515693, 0, 1842515693, 1, 1842515693, 2)
    assert sample[6:] == (12, 7) * 3
    assert probe.missing == {}
    probe.close()
    probe.close()


def test_without_a_group_the_groups_totals_are_null_with_the_reason(machine):
    probe = Probe(SimpleNamespace(), every_s=1, root=machine)
    sample = Sample(*probe.read())
    assert sample[:2] == (1842515693, 0)
    assert sample[6:] == (None,) * 6
    assert set(probe.missing) == set(Sample._fields[6:])
    probe.close()


@pytest.mark.parametrize(
    ("text", "made"),
    [
        pytest.param("4:memory:/app\n", "app", id="only-version-1"),
        pytest.param("0::/\n", "", id="root-group-whose-account-is-the-machines"),
        pytest.param("0::/../other\n", "", id="outside-the-namespace"),
    ],
)
def test_who_is_in_no_group_of_its_own_has_none(machine, text, made):
    (machine / "proc" / "self" / "cgroup").write_text(text)
    own = machine / "sys" / "fs" / "cgroup" / made
    own.mkdir(parents=True)
    (own / "cpu.pressure").write_bytes(CPU)
    assert group(machine) is None


def test_a_kernel_without_pressure_gives_null_and_the_reason(tmp_path):
    probe = Probe(SimpleNamespace(), every_s=1, root=tmp_path)
    assert probe.read() == (None,) * 12
    assert probe.missing["cpu_some_us"].endswith("proc/pressure/cpu: No such file or directory")


def test_pressure_that_is_off_at_boot_gives_null_and_the_parameter(machine, monkeypatch):
    def off(*_args):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    probe = Probe(SimpleNamespace(), every_s=1, root=machine)
    monkeypatch.setattr(os, "pread", off)
    assert probe.read() == (None,) * 12
    assert probe.missing["io_full_us"] == "Operation not supported; boot with psi=1"


def live_probe():
    """Open the probe of this very machine, where the kernel keeps pressure and shows it."""
    probe = Probe(SimpleNamespace(), every_s=1)
    if Sample(*probe.read()).cpu_some_us is None:
        probe.close()
        pytest.skip(f"this kernel keeps no pressure: {probe.missing['cpu_some_us']}")
    return probe


def test_this_kernels_totals_only_grow():
    probe = live_probe()
    first, second = probe.read(), probe.read()
    probe.close()
    grown = [b - a for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    assert len(grown) >= 5
    assert min(grown) >= 0


def cpu_s():
    """Return the time that the CPUs of the machine were at work."""
    times = psutil.cpu_times()
    return sum(times[:-2]) - times.idle  # a guest's time, the last two, is user time too


def test_two_tasks_on_one_cpu_wait_for_it_most_of_the_time():
    probe = live_probe()
    hog = f"import os\nos.sched_setaffinity(0, {{{min(os.sched_getaffinity(0))}}})\nwhile True: pass"
    hogs = [subprocess.Popen([sys.executable, "-S", "-c", hog]) for _ in range(2)]
    shares = []
    try:
        # The kernel brings its totals up to date now and then, and the two take a moment to start.
        while not shares or (shares[-1] <= 1 / 2 and len(shares) < 100):
            start_s, worked_s, before = time.perf_counter(), cpu_s(), Sample(*probe.read()).cpu_some_us
            time.sleep(0.3)
            after = Sample(*probe.read()).cpu_some_us
            # The machine's figure is the mean over the CPUs at work, and others may be at work on theirs alone.
            at_work = max(1.0, (cpu_s() - worked_s) / (time.perf_counter() - start_s))
            shares.append((after - before) / 1e6 / (time.perf_counter() - start_s) * at_work)
    finally:
        for process in hogs:
            process.kill()
            process.wait()
        probe.close()
    assert shares[-1] > 1 / 2
