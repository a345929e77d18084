from types import SimpleNamespace

from probes.latency import Probe, Sample


def test_sampling_calls_move_the_count_and_the_mean_of_the_new_ones():
    meters = SimpleNamespace(sampling_calls=0, sampling_ns=0)
    probe = Probe(meters, every_cycles=1)
    readings = []
    for calls, ns in ((0, 0), (2, 3_001), (0, 0), (1, 40)):
        meters.sampling_calls += calls
        meters.sampling_ns += ns
        readings.append(Sample(*probe.read()))
    assert readings == [(0, None), (2, 1500.5), (2, None), (3, 40.0)]
    probe.close()


def test_calls_before_the_probe_existed_are_counted_but_not_averaged():
    meters = SimpleNamespace(sampling_calls=10, sampling_ns=10_000_000)
    probe = Probe(meters, every_cycles=1)
    meters.sampling_calls, meters.sampling_ns = 11, 10_000_007
    assert probe.read() == (11, 7.0)
