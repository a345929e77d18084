import pytest

from probes.pacing import Pace

MS = 1_000_000


def paced(pace: Pace, *, cycles: int, cycle_ns: int, cost_ns: int | list[int]) -> list[int]:
    """Play cycles of one length; return those after which the probe was read."""
    read, clock = [], 0
    pace.spent(-1, 0, 20 * MS)  # the baseline opens files and fills caches
    for cycle in range(cycles):
        clock += cycle_ns
        if pace.due(cycle, clock):
            cost = cost_ns if isinstance(cost_ns, int) else cost_ns[len(read) % len(cost_ns)]
            pace.spent(cycle, clock, cost)
            clock += cost
            read.append(cycle)
            if pace.excess(clock):
                pace.lower(cycle, clock)
    return read


def test_periods_count_from_the_baseline():
    assert paced(Pace(10, None), cycles=35, cycle_ns=MS, cost_ns=1000) == [9, 19, 29]


def test_seconds_are_kept_at_cycle_ends():
    read = paced(Pace(None, 0.01), cycles=40, cycle_ns=4 * MS, cost_ns=1000)
    assert read == [2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 32, 35, 38]


def test_a_cheap_probe_keeps_its_rate():
    pace = Pace(5, None)
    paced(pace, cycles=1000, cycle_ns=10 * MS, cost_ns=MS // 10)
    assert pace.in_effect() == pace.asked() == {"every_cycles": 5}


@pytest.mark.parametrize(
    ("asked", "unit"), [((1, None), "every_cycles"), ((None, 0.001), "every_s")], ids=str
)
def test_a_dear_probe_is_lowered_below_one_percent(asked, unit):
    pace = Pace(*asked)
    read = paced(pace, cycles=20_000, cycle_ns=MS, cost_ns=MS)
    assert pace.asked() == {unit: asked[0] or asked[1]}
    assert pace.in_effect()[unit] > 90 * pace.asked()[unit]
    late = [cycle for cycle in read if cycle > 1000]
    assert 0.005 < len(late) / 19_000 <= 0.01


def test_three_readings_are_taken_before_a_rate_is_judged():
    pace = Pace(1, None)
    assert paced(pace, cycles=10, cycle_ns=MS, cost_ns=MS) == [0, 1, 2]


def test_one_reading_that_lost_its_cpu_does_not_lower_a_rate():
    pace = Pace(1, None)
    paced(pace, cycles=100, cycle_ns=10 * MS, cost_ns=[1000] * 6 + [15 * MS])
    assert pace.in_effect() == {"every_cycles": 1}


def test_what_was_read_is_summed():
    pace = Pace(2, None)
    paced(pace, cycles=6, cycle_ns=MS, cost_ns=500)
    assert (pace.reads, pace.ns) == (4, 20 * MS + 3 * 500)
    assert str(pace) == "every_cycles=2"
