"""What does not add up is said once, where it is; what adds up is not mentioned."""

from __future__ import annotations

import json

import numpy as np
import pytest

from stats import compare, judge, synergy, timeline
from store import __main__ as store_main
from store import open_catalog, raw
from store.checks import claims, proportions, sanity
from store.upkeep.maintenance import refresh

READINGS = "ps_readings_c255_c256_c257.csv"
HOUR_NS = 3600 * 10**9
THREE_UNITS = [(60, "60"), (1000, "1,000"), (3600, "3,600")]


@pytest.fixture
def said(tmp_path):
    """Return all notes on the chosen runs, by default all, without those on n = 1."""

    def notes(*runs, alone=False):
        with open_catalog(tmp_path) as catalog:
            return sanity.notes(catalog, runs or catalog.select(), alone=alone)

    return notes


def readings(*points, threads=1):
    """Windows in no known cycle: (wall hours, CPU minutes) since the start."""
    cpu = [0, *(round(minutes * 60e9) for _, minutes in points)]
    return {
        "t_ns": [round(hours * HOUR_NS) for hours, _ in points],
        "process_cpu_ns": np.diff(cpu).tolist(),
        "threads": [threads] * len(points),
    }


def test_cpu_time_above_wall_time_times_threads_cannot_be(tmp_path, make_run, said):
    for threads in (1, 4):
        windows = {"t_ns": [10**10], "last_cycle": [3], "threads": [threads]}
        make_run(tmp_path, experiment=f"x{threads}", wall_s=10.0, cpu_s=25.0, windows=windows)
    [note] = said()
    assert note.startswith("x1 (run ")
    assert "25 s of CPU time within 10 s of wall time cannot be on one thread" in note


def test_clocks_that_differ_by_ticks_are_no_finding(tmp_path, make_run, said):
    make_run(tmp_path, wall_s=10.0, cpu_s=10.05)
    assert said() == []


@pytest.mark.parametrize(
    ("column", "what"),
    [
        ("gc_ns", "garbage collection"),
        ("probe_ns", "in probes"),
        ("sampling_ns", "in sampling calls"),
        ("cpu_ns", "of CPU time"),
    ],
)
def test_a_part_above_its_whole_is_named(tmp_path, make_run, said, column, what):
    make_run(tmp_path, cycles={"wall_ns": [10**9] * 10, column: [2 * 10**9] * 10})
    [note] = said()
    assert what in note
    assert "20 s" in note
    assert "a part cannot be above the whole" in note


IMPOSSIBLE = {
    "probes": (
        {"probe_ns": [1, 9, 1]},
        "probe_ns is above wall_ns in 1 of 3 cycles, first in cycle 1: a part cannot",
    ),
    "all probes": (
        {"probe_ns": [9] * 3},
        "probe_ns is above wall_ns in 3 of 3 cycles, first in cycle 0: a part",
    ),
    "cpu": (
        {"cpu_ns": [9] * 3},
        "of CPU time and waiting for one, 1.2e-08 s for its cycles: a part cannot be above",
    ),
    "clock": (
        {"t_ns": [100, 50, -7]},
        "t_ns falls in 2 of 3 cycles, first in cycle 1: a clock cannot run backwards",
    ),
    "gap": (
        {"t_ns": [100, None, 99]},
        "t_ns falls in 1 of 3 cycles, first in cycle 2: a clock cannot run backwards",
    ),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_an_import_s_rows_that_no_clock_can_have_written_are_named(tmp_path, make_run, said, name):
    columns, sentence = IMPOSSIBLE[name]
    make_run(tmp_path, cycles={"wall_ns": [4] * 3, **columns}, status="imported", wall_s=None)
    [note] = said()
    assert sentence in note


def test_each_process_of_an_import_has_its_own_clock(tmp_path, make_run, said):
    cycles = {"wall_ns": [4] * 4, "probe_ns": [4] * 4, "cpu_ns": [4] * 4}
    workers = {"cycle": [0, 0, 1, 1], "process": [0, 1, 0, 1], "t_ns": [100, 10, 100, 20]}
    make_run(tmp_path, cycles={**cycles, **workers}, status="imported", wall_s=None)
    assert said() == []


def test_waiting_for_a_cpu_is_part_of_the_cycle_too(tmp_path, make_run, said):
    make_run(tmp_path, cycles={"wall_ns": [10**9] * 5, "cpu_ns": [8 * 10**8] * 5, "runq_ns": [8 * 10**8] * 5})
    assert len(said()) == 1


@pytest.mark.parametrize(
    ("offcpu_ns", "sentence"),
    [
        ([0] * 5, "4.5 s on a CPU, waiting for one and off it, 5 s for its cycles: 10 % is in no account"),
        (
            [3 * 10**8] * 5,
            "6 s on a CPU, waiting for one and off it, 5 s for its cycles: the accounts are 20 %",
        ),
        ([10**8] * 5, None),
        ([95 * 10**6] * 5, None),
        ([0] * 4 + [None], None),
        ([None] * 5, None),
    ],
    ids=["short", "above", "whole", "within a hundredth", "partly read", "not read"],
)
def test_accounts_that_do_not_add_up_to_the_cycles_are_named(tmp_path, make_run, said, offcpu_ns, sentence):
    accounts = {"cpu_ns": [8 * 10**8] * 5, "runq_ns": [10**8] * 5, "offcpu_ns": offcpu_ns}
    make_run(tmp_path, cycles={"wall_ns": [10**9] * 5, **accounts}, status="imported", wall_s=None)
    notes = said()
    assert len(notes) == (sentence is not None)
    assert all(sentence in note for note in notes)


def test_a_residual_below_nothing_adds_up(tmp_path, make_run, said):
    accounts = {"cpu_ns": [1001 * 10**6] * 5, "runq_ns": [0] * 5, "offcpu_ns": [-(10**6)] * 5}
    make_run(tmp_path, cycles={"wall_ns": [10**9] * 5, **accounts}, wall_s=None)
    assert said() == []


def test_parts_that_were_not_measured_are_not_held_against_the_whole(tmp_path, make_run, said):
    gc = [10**9] * 2 + [None] * 3
    make_run(tmp_path, cycles={"wall_ns": [10**9] * 5, "gc_ns": gc}, wall_s=None)
    assert said() == []


@pytest.mark.parametrize(("factor", "shown"), THREE_UNITS)
def test_totals_of_an_import_that_lie_a_unit_apart_are_named(tmp_path, make_run, said, factor, shown):
    cycles = {"wall_ns": [10**9] * 5}
    make_run(tmp_path, status="imported", cycles=cycles, wall_s=5.0 * factor)
    [note] = said()
    assert f"about {shown} times apart, so one of them is probably in another unit" in note


def test_a_short_run_of_ours_may_spend_its_time_outside_its_cycles(tmp_path, make_run, said):
    make_run(tmp_path, cycles={"wall_ns": [10**7] * 5}, wall_s=3.0)
    assert said() == []


@pytest.mark.parametrize(("factor", "shown"), THREE_UNITS)
@pytest.mark.parametrize("column", ["wall_s", "cpu_s"])
def test_a_run_a_unit_away_from_its_peers_is_named(tmp_path, make_run, said, column, factor, shown):
    alike = [make_run(tmp_path, **{column: 60.0 + n}) for n in range(4)]
    odd = make_run(tmp_path, **{column: 62.0 / factor})
    assert said(*alike) == []
    [note] = said(odd)
    assert odd in note
    assert f"4 runs like it 1.02 min: about {shown} times apart" in note


@pytest.mark.parametrize(
    "times",
    [
        pytest.param([60, 61, 62, 63, 600], id="ten times"),
        pytest.param([1, 61, 62], id="two peers"),
        pytest.param([1, 1.1, 60, 61, 62, 63, 1.2], id="two kinds"),
    ],
)
def test_other_factors_few_peers_and_two_kinds_of_runs_are_no_finding(tmp_path, make_run, said, times):
    for wall in times:
        make_run(tmp_path, wall_s=float(wall))
    assert said() == []


def test_another_configuration_is_no_peer(tmp_path, make_run, said):
    for n in range(4):
        make_run(tmp_path, wall_s=60.0 + n, config_id="a")
    make_run(tmp_path, wall_s=1.0, config_id="b")
    assert said() == []


def climbing(top, n=60):
    return [min(top, 1 + 2 * i) for i in range(n)]


def two_conditions(first, second):
    names = ["OFF"] * len(first) + ["ON"] * len(second)
    return {"population": [*first, *second], "condition": names}


def test_conditions_that_rise_to_one_value_and_stop_are_at_a_cap(tmp_path, make_run, said):
    make_run(tmp_path, cycles=two_conditions(climbing(20), climbing(20)))
    [note] = said()
    assert note.endswith(
        "at its cap for the last half or more of OFF, ON (20): means and synergies measure the cap"
    )


@pytest.mark.parametrize(
    ("max_agents", "capped"), [(20, True), (100, False)], ids=["its cap", "a level below it"]
)
def test_a_cap_is_that_of_the_configuration_where_there_is_one(tmp_path, make_run, said, max_agents, capped):
    config = json.dumps({"workload": {"max_agents": max_agents}})
    make_run(tmp_path, cycles=two_conditions(climbing(20), climbing(14)), config=config)
    notes = said()
    assert [("of OFF (20)" in note) for note in notes] == ([True] if capped else [])


@pytest.mark.parametrize(
    "config",
    [
        '"no JSON"',  # a text, which table runs holds bare
        "7",
        "[1]",
        '{"workload": [20]}',
        '{"workload": {"max_agents": {}}}',
        f'{{"workload": {{"max_agents": {10**400}}}}}',
    ],
)
def test_a_configuration_of_another_shape_names_no_cap(tmp_path, make_run, said, config):
    make_run(tmp_path, cycles=two_conditions(climbing(20), climbing(14)), config=config)
    assert said() == []


@pytest.mark.parametrize(
    "population",
    [
        pytest.param([5] * 60, id="never below"),
        pytest.param([1 + i % 20 for i in range(60)], id="up and down"),
        pytest.param([*range(1, 50), *[50] * 11], id="at the end alone"),
        pytest.param([1, 2, 2, 2], id="a few cycles"),
    ],
)
def test_a_series_that_does_not_stop_at_a_cap_is_no_finding(tmp_path, make_run, said, population):
    make_run(tmp_path, cycles=two_conditions(population, population))
    assert said() == []


def test_one_run_is_said_to_be_one(tmp_path, make_run, said):
    one = make_run(tmp_path, wall_s=1.0)
    [note] = said(one, alone=True)
    assert note == f"x (run {one}): n = 1: one run does not show how much runs differ"
    make_run(tmp_path, wall_s=1.0)
    assert "n = 1, of 2 runs of its configuration in the store" in said(one, alone=True)[0]
    assert said(alone=True) == []


def test_single_runs_among_many_configurations_are_counted(tmp_path, make_run, said):
    for name in ("a", "a", "b", "c"):
        make_run(tmp_path, experiment=name, config_id=name, wall_s=1.0)
    assert said(alone=True)[0].startswith("b, c: n = 1 in 2 of 3 configurations")


def test_a_run_cut_short_is_told_from_one_of_another_configuration(tmp_path, make_run, said):
    for n, status in ((300, "completed"), (300, "completed"), (41, "interrupted")):
        make_run(tmp_path, experiment="a", config_id="a", n_cycles=n, status=status)
    [note] = said(alone=True)
    assert note.startswith("a: n = 1 by cycles done, 41 (interrupted), beside runs of the same configuration")
    assert "configurations" not in note


def test_a_rate_that_is_a_total_over_a_constant_is_named(tmp_path, make_run, said):
    excess = [0.01 * i * i + 1 for i in range(30)]
    births = [i % 7 for i in range(30)]
    cycles = {
        "excess": excess,
        "excess_rate": [y / 20.1 for y in excess],
        "births": births,
        "birth_rate": [y / (i + 1) for i, y in enumerate(births)],
    }
    make_run(tmp_path, cycles=cycles)
    [note] = said()
    assert "excess_rate is excess divided by 20.1 in every cycle: a constant" in note


@pytest.mark.parametrize(
    ("pairs", "found"),
    [
        pytest.param([(0.493, 0.0245), (0.542, 0.0271), (0.716, 0.0356)], 20.1, id="as published"),
        pytest.param([(0.493, 0.0164), (0.542, 0.0175), (0.716, 0.0208)], None, id="per elapsed hour"),
        pytest.param([(0.5, 0.1)], None, id="one pair"),
        pytest.param([(0.5, 0.0), (0.6, 0.0)], None, id="no rate"),
    ],
)
def test_printed_rates_give_their_divisor_away(pairs, found):
    constant = proportions.divisor(pairs)
    assert constant == (None if found is None else pytest.approx(found, rel=0.005))


def test_a_kind_of_finding_is_said_once_with_the_number_of_runs(tmp_path, make_run, said):
    for _ in range(3):
        make_run(tmp_path, wall_s=10.0, cpu_s=25.0)
    [note] = said()
    assert note.endswith("; so in 2 more runs")


@pytest.mark.parametrize(
    ("claimed_h", "words"),
    [
        pytest.param(34.5, "60 times less, reached at about 14 h of wall time", id="minutes read as hours"),
        pytest.param(100.0, "the readings end after 66 h of wall time", id="above all wall time"),
        pytest.param(2.0, None, id="reached"),
        pytest.param(3.5, None, id="not reached and possible"),
    ],
)
def test_a_claimed_cpu_time_is_held_against_the_readings(claimed_h, words):
    rows = [{"wall_s": 3600.0 * h, "cpu_s": 150.0 * h, "threads": 1} for h in (1, 6, 12, 24, 48, 66)]
    found = claims.claim(rows, 3600 * claimed_h)
    assert found is None if words is None else words in found


def test_more_threads_can_use_more(tmp_path):
    rows = [{"wall_s": 3600.0 * h, "cpu_s": 150.0 * h, "threads": 4} for h in (1, 6, 12, 24, 48, 66)]
    assert claims.claim(rows, 34.5 * 3600) is None


def test_readings_above_their_wall_time_are_named(tmp_path, make_run, said):
    make_run(tmp_path, status="imported", windows=readings((1.0, 30), (2.0, 34.5 * 60)))
    [note] = said()
    assert "34.5 h of CPU time within 2 h of wall time cannot be on one thread" in note


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.5, "0.5 s"), (90, "1.5 min"), (124_200, "34.5 h"), (59.999, "60 s")]
)
def test_a_duration_is_written_in_the_unit_that_fits(seconds, text):
    assert claims.duration(seconds) == text


def test_the_import_of_the_readings_says_that_34_5_cannot_be_hours(archive, tmp_path, capsys):
    assert store_main.main(["import", str(archive / READINGS), "--store", str(tmp_path)]) == 0
    notes = capsys.readouterr().err
    assert "34.5 h of CPU time cannot be" in notes
    assert "60 times less" in notes
    assert "the excess divided by 20.1 each time: a constant" in notes
    assert "c255, c256, c257: n = 1 in 3 of 3 configurations" in notes


@pytest.mark.parametrize(
    ("name", "config", "claims_made"),
    [
        pytest.param("c256", None, 0, id="another run of that name"),
        pytest.param(
            "c256", {"readings": [{"commit": "0123abcd"}, {"commit": []}, None, 7]}, 0, id="other readings"
        ),
        pytest.param("c256", {"readings": "e983d001"}, 0, id="no readings"),
        pytest.param("mine", {"readings": [{"commit": "e983d001"}]}, 2, id="the study's, by another name"),
    ],
)
def test_what_the_study_published_is_held_against_its_own_readings_alone(
    tmp_path, make_run, said, name, config, claims_made
):
    windows = readings((6.0, 14), (12.5, 31), (22.8, 55))
    config = json.dumps(config)
    run = make_run(tmp_path, experiment=name, status="imported", windows=windows, config=config)
    notes = said()
    assert len(notes) == claims_made
    assert all(note.startswith(f"{name} (run {run}): ") and "published" in note for note in notes)
    with open_catalog(tmp_path) as catalog:
        [entry] = timeline(catalog).entries
    assert len(entry.milestones) == 2 * claims_made


def test_every_verdict_on_the_readings_says_it_too(archive, tmp_path):
    raw.import_file(archive / READINGS, tmp_path)
    refresh(tmp_path)
    with open_catalog(tmp_path) as catalog:
        notes = judge(catalog, where="experiment='c256'").notes
        others = judge(catalog, where="experiment='c257'").notes
    assert any("34.5 h of CPU time cannot be" in note for note in notes)
    assert not any("cannot be" in note for note in others)


def test_comparisons_and_synergies_say_what_does_not_add_up(tmp_path, make_run):
    for name in ("a", "b"):
        names = [cell for cell in ("OFF-OFF", "ON-OFF", "OFF-ON", "ON-ON") for _ in range(40)]
        cycles = {"wall_ns": [10**6] * 160, "population": climbing(20, 40) * 4, "condition": names}
        make_run(tmp_path, experiment=name, cycles=cycles)
    with open_catalog(tmp_path) as catalog:
        for found in (synergy(catalog), compare(catalog, a="experiment='a'", b="experiment='b'")):
            assert any("measure the cap" in note for note in found.to_json()["notes"])


def test_nothing_but_n_is_said_of_the_recorded_sequences(archive, tmp_path, said):
    for name in ("cycle148_temporal_regime_boundary_mapping.json", "cycle271_v3_pilot.json"):
        raw.import_file(archive / name, tmp_path)
    refresh(tmp_path)
    assert said() == []


def test_of_the_recorded_populations_only_the_cap_is_said(archive, tmp_path, said):
    raw.import_file(archive / "cycle255_h1h2_lightweight_results.json", tmp_path)
    refresh(tmp_path)
    [note] = said()
    assert "of ON-OFF, OFF-ON, ON-ON (100)" in note
