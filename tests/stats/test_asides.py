from __future__ import annotations

import numpy as np
import pytest

from stats import judge
from stats.hypotheses import variants
from store.catalog import open_catalog

N = 600
MIB = 2**20


def notes(root, start, **options):
    with open_catalog(root) as catalog:
        said = judge(catalog, **options).notes
    return [note for note in said if note.startswith(start)]


@pytest.fixture(scope="module")
def said(tmp_path_factory, make_run):
    """Publish every planted run once, judge each by itself, and return its notes by the name of its cause."""
    root = tmp_path_factory.mktemp("planted")
    for name, run in PLANTED.items():
        make_run(root, experiment=name, **run)
    with open_catalog(root) as catalog:
        found = dict(zip(PLANTED, judge(catalog, by="run_id"), strict=True))
    return lambda cause, start: [note for note in found[cause].notes if note.startswith(start)]


def wall(ms):
    return {"wall_ns": [int(1e6 * each) for each in ms]}


def noise(scale, seed=1):
    return scale * np.random.default_rng(seed).normal(size=N)


def loaded(spread, load):
    cpu = (30 + load / 10 + noise(0.5, seed=2)).tolist()
    system = {"cycle": range(N), "t_ns": [10**9 * (i + 1) for i in range(N)], "cpu_percent": cpu}
    return {"cycles": wall(50 + spread * noise(1.0)), "probes": {"system": system}}


def paused(rise):
    pause = [int(1e6 * (5 + rise * i / N + e)) if i % 7 == 0 else 0 for i, e in enumerate(noise(0.2))]
    return {"cycles": {**wall([20.0] * N), "gc_ns": pause}}


def growing(curve):
    rss = [int(MIB * (50 + 200 * curve(i / N))) for i in range(N)]
    memory = {"cycle": range(N), "t_ns": [10**9 * (i + 1) for i in range(N)], "rss_bytes": rss}
    return {"cycles": wall([20.0] * N), "probes": {"memory": memory}}


SETTLING = np.minimum(np.arange(N), N / 3)
PLANTED = {
    "both settle": loaded(np.ones(N), SETTLING),
    "spread goes on": loaded(np.linspace(0.2, 4, N) ** 2, SETTLING),
    "load goes on": loaded(np.ones(N), np.arange(N) ** 2 / N),
    **{f"pauses {rise:+}": paused(rise) for rise in (2.0, 0.0, -2.0)},
    "a line": {"cycles": wall(20 + np.linspace(0, 12, N) + noise(0.01))},
    "a jump": {"cycles": wall(20 + 12.0 * (np.arange(N) > 560) + noise(0.01))},
    "no rise": {"cycles": wall(np.full(N, 20.0) + noise(0.01))},
    # A noise-free t² gains 1/16, between 0.05 and 0.1.
    "between": growing(lambda t: t**2),
    "straight": growing(lambda t: t),
    "clear": growing(lambda t: 1 - np.exp(-5 * t)),
}


@pytest.mark.parametrize(
    ("cause", "answer"),
    [("both settle", "yes"), ("spread goes on", "no"), ("load goes on", "cannot be told")],
)
def test_h1_the_spread_levels_off_once_load_does(said, cause, answer):
    [note] = said(cause, "side prediction, h1")
    assert f"levels off once load does: {answer}, cpu × " in note
    assert ("load still rises" in note) == (answer == "cannot be told")


@pytest.mark.parametrize(
    ("cause", "answer"), [("pauses +2.0", "yes"), ("pauses +0.0", "no"), ("pauses -2.0", "no")]
)
def test_h2_the_collectors_pauses_lengthen(said, cause, answer):
    [note] = said(cause, "side prediction, h2")
    assert f"the collector's pauses lengthen: {answer}, ρ = " in note
    assert "n = 86" in note


@pytest.mark.parametrize(
    ("cause", "answer"),
    [
        ("a line", "yes, 0.02 ms × 600 = 12 ms"),
        ("a jump", "no, "),
        ("no rise", "cannot be told, cycle time does not rise"),
    ],
)
def test_h5_slope_times_cycles_is_the_slow_down(said, cause, answer):
    [note] = said(cause, "side prediction, h5")
    assert f"total slow-down of a cycle: {answer}" in note


@pytest.mark.parametrize(("cause", "n"), [("between", 1), ("straight", 0), ("clear", 0)])
def test_the_zone_that_some_protocols_leave_undecided_is_named(said, cause, n):
    found = said(cause, "some protocols leave 0.05 < ΔR² < 0.1 undecided, h2")
    assert len(found) == n
    assert all(note.endswith("yes, ΔR² = 0.0623") or "ΔR² = 0.062" in note for note in found)


def test_the_curve_that_some_protocols_ask_of_h5_is_told_where_a_line_explains_enough(tmp_path, make_run):
    t = np.linspace(0, 1, N)
    make_run(tmp_path, experiment="line", cycles=wall(20 + 12 * t + noise(0.1)))
    make_run(tmp_path, experiment="curve", cycles=wall(20 + 12 * t**3 + noise(0.1)))
    make_run(tmp_path, experiment="flat", cycles=wall(20 + noise(0.1)))
    start = "some protocols ask ΔR² > 0.05 of a parabola as well, h5"
    with open_catalog(tmp_path) as catalog:
        apart = [
            [note for note in one.notes if note.startswith(start)] for one in judge(catalog, by="run_id")
        ]
    [[line], [curve], flat] = apart
    assert line.startswith(f"{start}: no,")
    assert curve.startswith(f"{start}: yes,")
    assert flat == []
    assert notes(tmp_path, start) == [f"{start}: yes in 1, no in 1 of 2 runs"]


def test_asides_decide_nothing_and_are_the_same_in_all_versions(tmp_path, make_run):
    make_run(tmp_path, cycles=wall(20 + np.linspace(0, 12, N) + noise(0.1)))
    said = {tuple(notes(tmp_path, ("side", "some"), variant=variant)) for variant in variants()}
    assert len(said) == 1


def test_by_run_each_judgement_has_its_own_asides(tmp_path, make_run):
    for rise in (12.0, 24.0):
        make_run(tmp_path, cycles=wall(20 + np.linspace(0, rise, N) + noise(0.01)))
    with open_catalog(tmp_path) as catalog:
        apart = judge(catalog, by="run_id")
        together = judge(catalog)
    assert [any("= 12 ms" in note for note in one.notes) for one in apart] == [True, False]
    assert (
        "side prediction, h5: slope × cycles is the total slow-down of a cycle: yes in 2 of 2 runs"
        in together.notes
    )


def short(length):
    """Return a run of ``length`` cycles in which everything rises."""
    wall_ns = [1_000_000 * (k + 1) for k in range(length)]
    at = {"cycle": range(length), "t_ns": wall_ns}
    probes = {
        "system": {**at, "cpu_percent": [float(k) for k in range(length)]},
        "memory": {**at, "rss_bytes": [k * k for k in range(length)]},
    }
    return {"cycles": {"wall_ns": wall_ns}, "probes": probes}


@pytest.fixture(scope="module")
def of_any_length(tmp_path_factory, make_run):
    """Publish runs of 1 to 12 cycles; returns the store and their ids."""
    root = tmp_path_factory.mktemp("short")
    return root, [make_run(root, **short(length)) for length in range(1, 13)]


@pytest.mark.parametrize("variant", variants())
def test_a_run_of_any_length_is_judged_in_every_version(variant, of_any_length):
    root, ids = of_any_length
    with open_catalog(root) as catalog:
        found = judge(catalog, variant=variant, by="run_id")
    assert [one.runs for one in found] == [(run_id,) for run_id in ids]
    assert {len(one.verdicts) for one in found} == {5}
