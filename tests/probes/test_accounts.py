import gc
import mmap
import os
import subprocess
import sys
import time
from contextlib import suppress
from itertools import pairwise

import psutil
import pytest

from probes import accounts
from probes.accounts import Account, Accounts, between
from probes.meters import Meters

MS = 1_000_000
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="full accounts are Linux's")


@pytest.fixture
def account():
    """Return a function that accounts for one call."""
    with Meters() as meters:
        clocks = Accounts(meters)

        def of(work) -> Account:
            start = clocks.read()
            work()
            return Account(*between(start, clocks.read()))

        yield of
        clocks.close()


def busy(ms: float) -> None:
    until = time.thread_time_ns() + ms * MS
    while time.thread_time_ns() < until:
        pass


@linux
def test_wall_is_cpu_and_waiting_and_off_cpu_in_every_cycle(account):
    for work in (lambda: busy(1), lambda: time.sleep(0.002), lambda: None, gc.collect):
        found = account(work)
        assert found.wall_ns == found.cpu_ns + found.runq_ns + found.offcpu_ns


def test_sums_over_any_window_equal_the_clocks_at_its_ends():
    meters = Meters()
    clocks = Accounts(meters)
    readings = []
    for i in range(20):
        busy(0.2)
        meters.sampled(i)
        readings.append(clocks.read())
    laps = [between(a, b) for a, b in pairwise(readings)]
    for first, last in [(0, 19), (3, 11)]:
        assert tuple(map(sum, zip(*laps[first:last], strict=True))) == between(
            readings[first], readings[last]
        )
    clocks.close()


@linux
def test_sleep_is_off_cpu(account):
    found = account(lambda: time.sleep(0.05))
    assert found.offcpu_ns > 45 * MS
    assert found.cpu_ns < 25 * MS
    assert found.voluntary_switches >= 1


@linux
def test_a_busy_loop_is_cpu(account):
    stolen_s = psutil.cpu_times().steal
    found = account(lambda: busy(50))
    stolen_s = psutil.cpu_times().steal - stolen_s
    assert found.cpu_ns >= 50 * MS
    assert found.offcpu_ns < 25 * MS + stolen_s * 1e9  # what a hypervisor takes is in neither clock


@linux
def test_waiting_for_a_cpu_is_neither(account):
    cpu = min(os.sched_getaffinity(0))
    spin = f"import os; os.sched_setaffinity(0, [{cpu}]); print(flush=True)\nwhile True: pass"
    before = os.sched_getaffinity(0)
    hogs = [subprocess.Popen([sys.executable, "-c", spin], stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for hog in hogs:
            hog.stdout.readline()
        os.sched_setaffinity(0, [cpu])
        found = account(lambda: busy(60))
    finally:
        os.sched_setaffinity(0, before)
        for hog in hogs:
            hog.kill()
            hog.communicate()
    assert found.runq_ns > 10 * MS
    assert found.offcpu_ns < found.runq_ns


def test_a_storm_of_collections_moves_gc_ns(account):
    assert account(lambda: [gc.collect() for _ in range(5)]).gc_ns > 0
    gc.disable()
    try:
        assert account(lambda: busy(1)).gc_ns == 0
    finally:
        gc.enable()


@linux
def test_page_faults_are_counted(account):
    pages, size = 2048, mmap.PAGESIZE
    with mmap.mmap(-1, pages * size) as fresh:  # of its own: an allocator may hand out pages that are there
        with suppress(OSError):  # a kernel without huge pages
            fresh.madvise(mmap.MADV_NOHUGEPAGE)
        found = account(lambda: [fresh.__setitem__(page * size, 1) for page in range(pages)])
    assert found.minor_faults >= pages


@linux
def test_the_clocks_are_read_in_the_only_right_order(monkeypatch):
    order = []

    def noted(name, call):
        return lambda *args: (order.append(name), call(*args))[1]

    monkeypatch.setattr(accounts.resource, "getrusage", noted("rusage", accounts.resource.getrusage))
    monkeypatch.setattr(accounts.time, "thread_time_ns", noted("cpu", time.thread_time_ns))
    monkeypatch.setattr(accounts.os, "pread", noted("runq", os.pread))
    monkeypatch.setattr(accounts.time, "perf_counter_ns", noted("wall", time.perf_counter_ns))
    clocks = Accounts(Meters())
    order.clear()
    clocks.read()
    monkeypatch.undo()
    clocks.close()
    assert order == ["rusage", "cpu", "runq", "wall"]


@linux
@pytest.mark.parametrize(
    ("text", "kept"),
    [(b"0 0 0\n", False), (b"", False), (b"0 3280408 1\n", True), (b"119920 41602866 2\n", True)],
    ids=["not kept", "empty", "a thread that has just begun", "a thread that ran"],
)
def test_waiting_is_read_where_the_kernel_keeps_it(monkeypatch, text, kept):
    monkeypatch.setattr(accounts.os, "pread", lambda *_: text)
    clocks = Accounts(Meters())
    assert (clocks.schedstat is not None) == kept
    clocks.close()


def test_what_the_system_lacks_is_none(monkeypatch):
    monkeypatch.setattr(accounts, "_open_schedstat", lambda: None)
    clocks = Accounts(Meters())
    start = clocks.read()
    found = Account(*between(start, clocks.read()))
    assert found.wall_ns > 0
    assert found.cpu_ns is not None
    assert (found.runq_ns, found.offcpu_ns, found.minor_faults) == (None, None, None)
    assert found.gc_ns == 0
    assert accounts.split_ns(start, clocks.read()) == (None, None)
    clocks.close()


@linux
def test_user_and_system_time_are_told_apart_over_a_second():
    clocks = Accounts(Meters())
    start = clocks.read()
    busy(100)
    user, system = accounts.split_ns(start, clocks.read())
    clocks.close()
    assert 80 * MS < user + system < 130 * MS


@linux
def test_the_peak_is_this_programs_and_not_its_parents():
    script = "from probes.accounts import peak_rss_bytes; print(peak_rss_bytes())"
    ballast = bytearray(200 * 2**20)
    ballast[::4096] = b"x" * len(ballast[::4096])
    peak = int(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)
    assert 2**20 < peak < 150 * 2**20


def test_threads_and_children_are_in_the_totals():
    before = accounts.totals()
    subprocess.run([sys.executable, "-c", "sum(range(10**6))"], check=True)
    after = accounts.totals()
    assert after.children_cpu_ns > before.children_cpu_ns
    assert after.process_cpu_ns > before.process_cpu_ns
    assert after.threads is None or after.threads >= 1


def test_a_second_recording_in_a_process_is_an_error():
    with Meters(), pytest.raises(RuntimeError, match="recorded already"):
        Meters().__enter__()
    with Meters():
        pass
    assert not any(isinstance(getattr(one, "__self__", None), Meters) for one in gc.callbacks)
