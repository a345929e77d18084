"""The reason of a verdict: which bound a run does not meet, by how much, and what the criterion does not look at."""

from __future__ import annotations

import pytest

from stats.hypotheses.finding import Bound, combine, decided, significance

N = 300
AT = {"cycle": range(N)}
UP = [float(i) for i in range(N)]
ROUGH = [float(i * 7919 % 300) for i in range(N)]


@pytest.mark.parametrize(
    ("hypothesis", "variant", "planted", "unmet"),
    [
        ("h1", "protocol", {"system": {"cpu_percent": UP[::-1]}}, "ρ -1 is not above 0.3"),
        ("h1", "manuscript", {"system": {"cpu_percent": ROUGH}}, "is not below 0.05"),
        (
            "h2",
            "protocol",
            {"memory": {"rss_bytes": [2**20 * (50 + i) for i in range(N)]}},
            "is not above 0.1",
        ),
        (
            "h2",
            "synthesis",
            {"memory": {"rss_bytes": [2**20 * (500 - i) for i in range(N)]}},
            "ρ_rss -1 is not above 0.3",
        ),
        (
            "h3",
            "protocol",
            {"latency": {"call_count": range(N), "call_latency_ns": UP[::-1]}},
            "slope -0.001 is not above 0.001 ms per 1,000 calls",
        ),
        ("h4", "protocol", {"thermal": {"temp_celsius": UP, "freq_mhz": UP}}, "ρ_freq 1 is not below -0.3"),
        (
            "h4",
            "code",
            {"thermal": {"temp_celsius": UP[::-1], "freq_mhz": UP}},
            "ρ_temp -1 is not above 0.5, ρ_freq",
        ),
        ("h5", "protocol", {}, "slope 0.005 is not above 0.01 ms per cycle"),
        ("h5", "code", {}, None),
    ],
)
def test_a_refuted_run_names_what_it_does_not_meet_with_value_and_limit(
    found, hypothesis, variant, planted, unmet
):
    cycles = {"wall_ns": [int(1e6 * (2 + 0.005 * i + 0.001 * (i * 7919 % 13))) for i in range(N)]}
    probes = {name: {**AT, **readings} for name, readings in planted.items()}
    finding = found(hypothesis, variant=variant, cycles=cycles, probes=probes)
    assert finding.verdict == ("REFUTED" if unmet else "VALIDATED")
    assert (unmet or "n = 300") in finding.reason
    assert ("is not" in finding.reason) == bool(unmet)


def of(slope, r2=0.9):
    return decided([[Bound("slope", slope, 0.01, "ms"), Bound("R²", r2, 0.3)]], "said", slope=slope)


def test_several_runs_say_how_far_each_bound_was_missed_and_by_how_many():
    reason = combine([of(0.001), of(0.003, 0.2), of(0.02)]).reason
    assert "slope 0.001 to 0.003 is not above 0.01 ms in 2 runs; R² 0.2 is not above 0.3 in 1 run" in reason


def test_a_number_next_to_its_limit_is_told_from_it():
    assert "slope 0.0099999 is not above 0.01" in of(0.0099999).reason
    assert "slope 0.01 is not above 0.01" in of(0.01).reason


def test_a_bound_on_what_is_not_known_is_not_met():
    assert of(float("nan")).verdict == "REFUTED"


def test_memory_that_levels_off_is_validated_with_what_the_criterion_overlooks(found):
    saturating = {"memory": {**AT, "rss_bytes": [int(2**20 * (50 - 40 * 0.97**i)) for i in range(N)]}}
    finding = found("h2", probes=saturating)
    assert finding.verdict == "VALIDATED"
    assert "bends downwards" in finding.reason
    assert "does not look at the sign" in finding.reason
    both = combine([finding, found("h2", probes=saturating)])
    assert "in 2 of 2 runs RSS bends downwards" in both.reason


@pytest.mark.parametrize(("p", "said"), [(0.0, "p < 1e-300"), (1e-290, "p = 1e-290"), (0.04, "p = 0.04")])
def test_no_probability_is_said_to_be_nought(p, said):
    assert significance(p) == said
