import gc
from types import SimpleNamespace

from probes.garbage import Probe, Sample


def test_a_collection_of_100_cycles_is_one_collection_and_100_objects_or_more():
    probe = Probe(SimpleNamespace(), every_cycles=1)
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


def test_totals_are_over_all_generations(monkeypatch):
    monkeypatch.setattr(gc, "get_count", lambda: (5, 6, 7))
    monkeypatch.setattr(gc, "get_stats", lambda: [{"collections": n, "collected": 10 * n} for n in (4, 2, 1)])
    assert Probe(SimpleNamespace(), every_s=1).read() == (5, 6, 7, 7, 70)
