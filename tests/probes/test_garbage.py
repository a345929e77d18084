import gc
import time
from types import SimpleNamespace

import pytest

from probes.garbage import Probe, Sample
from probes.meters import Meters


def test_a_collection_of_100_cycles_is_one_collection_and_100_objects_or_more():
    probe = Probe(SimpleNamespace(gc_ns=0), every_cycles=1)
    gc.collect()
    gc.disable()
    try:
        before = Sample(*probe.read())
        for _ in range(100):
            loop = []
            loop.append(loop)
        del loop
        filled = Sample(*probe.read())
        gc.collect()
        after = Sample(*probe.read())
    finally:
        gc.enable()
    assert after.collections - before.collections == 1
    assert 100 <= after.collected - before.collected < 200
    assert filled.count0 - before.count0 >= 100
    assert after.count0 < filled.count0
    probe.close()


def test_totals_are_over_all_generations_and_pauses_are_the_meters(monkeypatch):
    monkeypatch.setattr(gc, "get_count", lambda: (5, 6, 7))
    monkeypatch.setattr(gc, "get_stats", lambda: [{"collections": n, "collected": 10 * n} for n in (4, 2, 1)])
    probe = Probe(SimpleNamespace(gc_ns=123), every_s=1, tracked_every=0)
    assert probe.read() == (5, 6, 7, 7, 70, 123, None)


def test_a_collection_is_a_pause():
    with Meters() as meters:
        probe = Probe(meters, every_cycles=1)
        before = Sample(*probe.read())
        gc.collect()
        after = Sample(*probe.read())
    assert before.pause_ns < after.pause_ns == meters.gc_ns


def test_a_thousand_lists_are_a_thousand_tracked_objects_more():
    probe = Probe(SimpleNamespace(gc_ns=0), every_cycles=1, tracked_every=1)
    gc.collect()
    gc.disable()  # a collection in between would free what others leave meanwhile
    try:
        before = Sample(*probe.read()).tracked_objects
        lists = [[] for _ in range(1000)]
        probe._not_before_ns = 0
        after = Sample(*probe.read()).tracked_objects
    finally:
        gc.enable()
    del lists
    assert after - before == pytest.approx(1000, abs=50)


def test_objects_are_counted_at_the_first_of_every_so_many_readings():
    probe = Probe(SimpleNamespace(gc_ns=0), every_cycles=1, tracked_every=3)
    counted = []
    for _ in range(7):
        counted.append(probe.read()[-1] is not None)
        probe._not_before_ns = 0
    assert counted == [True, False, False] * 2 + [True]


def test_a_count_that_took_over_a_thousandth_of_the_time_waits(monkeypatch):
    now = iter([0, 1_000_000, 999_000_000, 1_001_500_000, 1_002_000_000])
    monkeypatch.setattr(time, "perf_counter_ns", lambda: next(now))
    probe = Probe(SimpleNamespace(gc_ns=0), every_cycles=1, tracked_every=1)
    assert [probe.read()[-1] is not None for _ in range(3)] == [True, False, True]
