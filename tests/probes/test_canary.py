import time
from types import SimpleNamespace

import pytest

from probes import canary
from probes.canary import Probe, work


def test_the_work_is_pearsons_hash_over_a_permutation():
    assert sorted(canary._TABLE) == list(range(256))
    slow = 0
    for byte in b"drift":
        slow = (167 * (slow ^ byte) + 13) % 256
    assert work(b"drift") == slow


def test_four_times_the_work_takes_two_to_eight_times_as_long():
    probes = [Probe(SimpleNamespace(), every_s=1, size_bytes=size, repeats=30) for size in (2048, 8192)]
    for probe in probes:
        probe.started(0)
    # By turns, so that a clock that changes meanwhile changes for both.
    best = [min(times) for times in zip(*([p.read()[0] for p in probes] for _ in range(5)), strict=True)]
    assert 2 < best[1] / best[0] < 8


def test_a_wait_between_the_clocks_costs_the_canary_nothing(monkeypatch):
    probe = Probe(SimpleNamespace(), every_s=1, repeats=1)
    probe.started(0)
    honest = canary.work

    def waiting(text):
        time.sleep(0.05)
        return honest(text)

    monkeypatch.setattr(canary, "work", waiting)
    assert min(probe.read()[0] for _ in range(3)) < 25_000_000


def test_the_fastest_repetition_counts(monkeypatch):
    ticks = iter([0, 90, 100, 130, 200, 270])
    monkeypatch.setattr(time, "thread_time_ns", lambda: next(ticks))
    assert Probe(SimpleNamespace(), every_s=1, repeats=3).read() == (30,)


@pytest.mark.parametrize("resolution", [None, 0.015625], ids=["no-clock", "windows"])
def test_a_clock_that_tells_no_microseconds_gives_null_and_the_reason(monkeypatch, resolution):
    if resolution is None:
        monkeypatch.delattr(time, "thread_time_ns")
    else:
        monkeypatch.setattr(time, "get_clock_info", lambda _name: SimpleNamespace(resolution=resolution))
    probe = Probe(SimpleNamespace(), every_s=1)
    assert probe.read() == (None,)
    assert "no CPU clock of a thread" in probe.missing["best_ns"]
