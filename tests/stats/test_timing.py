"""The timeline: the study's readings as they are, and a planted slow-down that is found."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from stats import timeline
from stats.report import timeline_rows, timeline_table
from store import open_catalog, raw
from store.upkeep.maintenance import refresh

SCHEMA = json.loads((Path(__file__).parents[1] / "contracts" / "timeline.schema.json").read_text())
READINGS = "ps_readings_c255_c256_c257.csv"
EXPECTED_S, FINE_UNTIL_S = 20.1 * 3600, 27.2 * 3600


@pytest.fixture(scope="module")
def recorded(archive, tmp_path_factory):
    """The store of the real readings."""
    root = tmp_path_factory.mktemp("recorded")
    raw.import_file(archive / READINGS, root)
    refresh(root)
    with open_catalog(root) as catalog:
        yield catalog


@pytest.fixture
def laid_out(tmp_path):
    def lay_out(**options):
        with open_catalog(tmp_path) as catalog:
            document = timeline(catalog, **options).to_json()
        jsonschema.validate(document, SCHEMA)
        return document

    return lay_out


@cache
def of_c256(catalog, **options):
    found = timeline(catalog, where="experiment='c256'", expected_s=EXPECTED_S, **options).to_json()
    jsonschema.validate(found, SCHEMA)
    [entry] = found["timelines"]
    return entry, found["notes"]


@pytest.mark.parametrize(
    ("options", "n", "r2", "gain", "sign", "shape"),
    [
        pytest.param({"until_s": FINE_UNTIL_S}, 42, 0.998, 0.0002, -1, "line", id="42 rows to 27.2 h"),
        pytest.param(
            {"until_s": FINE_UNTIL_S, "without_requoted": True},
            40,
            0.9993,
            0.0005,
            -1,
            "line",
            id="without the two quoted again",
        ),
        pytest.param({}, 51, 0.9899, 0.0070, +1, "upwards", id="all 51 rows"),
    ],
)
def test_the_readings_of_c256_are_a_line_and_slightly_faster_later(
    recorded, options, n, r2, gain, sign, shape
):
    entry, _ = of_c256(recorded, **options)
    fit = entry["fit"]
    assert entry["n"] == n
    assert fit["r2_linear"] == pytest.approx(r2, abs=5e-4 if r2 == 0.998 else 5e-5)
    assert fit["delta_r2"] == pytest.approx(gain, abs=5e-5)
    assert np.sign(fit["curvature"]) == sign
    assert entry["shape"] == shape


def test_slightly_faster_is_far_from_the_studys_criterion_for_a_bend(recorded):
    entry, notes = of_c256(recorded)
    assert 0 < entry["change"]["low"] < entry["change"]["value"] < 1
    [said] = [note for note in notes if "more CPU time per hour later" in note]
    assert "ΔR² of a parabola = 0.007" in said
    assert "(above 0.1) is not met" in said


def test_resident_memory_fell_and_the_number_of_its_readings_is_said(recorded):
    entry, notes = of_c256(recorded)
    memory = entry["memory"]
    assert memory["n"] == 4
    assert memory["last_mb"] * 1.024 == pytest.approx(27.2, abs=0.05)  # in 1,000 KiB, as the notes have it
    assert memory["last_mb"] < memory["first_mb"]
    assert memory["h2_met"] is False
    assert any("RSS fell" in note and "n = 4" in note for note in notes)


def test_the_published_rate_is_the_excess_over_a_constant(recorded):
    entry, notes = of_c256(recorded)
    late = {milestone["elapsed_s"] / 3600: milestone for milestone in entry["milestones"]}
    assert list(late) == [30.0, 31.0, 34.4, 34.5]
    assert [round(100 * m["per_expected_h"], 2) for m in late.values()] == [2.45, 2.70, 3.54, 3.56]
    assert [round(100 * m["per_elapsed_h"], 2) for m in late.values()] == [1.64, 1.75, 2.07, 2.08]
    assert all(m["reached_at"] is None for m in late.values())
    assert any("divided by that constant again" in note for note in notes)


def test_a_claim_that_the_readings_exclude_is_said_with_its_unit(recorded):
    _, notes = of_c256(recorded)
    assert any("34.5 h of CPU time cannot be" in note and "60 times less" in note for note in notes)
    _, notes = of_c256(recorded, milestones_s=(30 * 3600,))
    assert any("30 h of CPU time cannot be: the readings hold 30 min" in note for note in notes)


def test_on_the_wall_clock_the_milestones_of_the_cpu_clock_are_not_shown(recorded):
    entry, _ = of_c256(recorded, clock="wall")
    assert (entry["clock"], entry["progress"]) == ("wall", "cpu_s")
    assert entry["milestones"] == []
    assert entry["elapsed_s"] == pytest.approx(66.51 * 3600, rel=1e-3)
    assert entry["excess"] == pytest.approx(66.51 / 20.1 - 1, rel=1e-3)


def test_a_reading_quoted_again_makes_no_rate(recorded):
    with_them, _ = of_c256(recorded, until_s=FINE_UNTIL_S)
    without, _ = of_c256(recorded, until_s=FINE_UNTIL_S, without_requoted=True)
    assert [p["rate"] for p in with_them["phases"]] == pytest.approx([p["rate"] for p in without["phases"]])
    assert with_them["bend"] == without["bend"]


def slowing(rng, rise, n=2000):
    """Wall times whose mean rises by a share over the run, CV 20 %, and half of them CPU."""
    wall = 1e6 * (1 + rise * np.arange(n) / n) * np.exp(0.2 * rng.normal(size=n))
    return {"wall_ns": wall.astype(int).tolist(), "cpu_ns": (wall // 2).astype(int).tolist()}


@pytest.mark.parametrize(("rise", "shape"), [(0.5, "upwards"), (-0.4, "downwards")], ids=["slower", "faster"])
def test_a_planted_change_of_speed_is_found_with_its_size(tmp_path, make_run, laid_out, rise, shape):
    make_run(tmp_path, cycles=slowing(np.random.default_rng(5), rise))
    document = laid_out()
    [entry] = document["timelines"]
    assert (entry["source"], entry["clock"], entry["shape"]) == ("cycles", "wall", shape)
    truth = rise / (1 + rise / 2)
    assert entry["change"]["low"] < truth < entry["change"]["high"]
    assert any(f"cycles took {'longer' if rise > 0 else 'less'} later" in n for n in document["notes"])


def test_a_bend_over_several_conditions_may_be_theirs(tmp_path, make_run, laid_out):
    cycles = {"wall_ns": [10**6 + i % 7 for i in range(60)] + [3 * 10**6 + i % 7 for i in range(60)]}
    make_run(tmp_path, cycles={**cycles, "condition": ["OFF"] * 60 + ["ON"] * 60})
    make_run(tmp_path, cycles=cycles)
    bent = [note for note in laid_out()["notes"] if "cycles took longer later" in note]
    assert ["its 2 conditions, one after the other, may bring about" in note for note in bent] == [
        True,
        False,
    ]


def test_a_steady_run_is_a_line_and_nothing_is_said_of_a_bend(tmp_path, make_run, laid_out):
    make_run(tmp_path, cycles=slowing(np.random.default_rng(6), 0.0))
    document = laid_out(expected_s=2.0)
    [entry] = document["timelines"]
    assert entry["shape"] == "line"
    assert not any("later" in note for note in document["notes"])
    assert entry["excess"] == pytest.approx(entry["elapsed_s"] / 2 - 1)


def test_phases_and_milestones_are_those_of_the_cycles(tmp_path, make_run, laid_out):
    make_run(tmp_path, cycles={"wall_ns": [10**9] * 30 + [2 * 10**9] * 30})
    [entry] = laid_out(expected_s=60, milestones_s=[40, 1000])["timelines"]
    assert [phase["rate"] for phase in entry["phases"]] == pytest.approx([1.0, 1.5, 2.0], abs=0.03)
    assert sum(phase["n"] for phase in entry["phases"]) == 60
    reached, never = entry["milestones"]
    assert reached["reached_at"] == pytest.approx(35)
    assert reached["excess"] == pytest.approx(-1 / 3)
    assert never["reached_at"] is None


def test_each_clock_is_its_own_series(tmp_path, make_run, laid_out):
    make_run(tmp_path, cycles=slowing(np.random.default_rng(7), 0.0, n=50))
    wall, cpu = (laid_out(clock=clock)["timelines"][0]["elapsed_s"] for clock in ("wall", "cpu"))
    assert cpu == pytest.approx(wall / 2, rel=1e-3)


def test_until_cuts_what_lies_later(tmp_path, make_run, laid_out):
    make_run(tmp_path, cycles={"wall_ns": [10**9] * 30})
    [entry] = laid_out(until_s=20.5)["timelines"]
    assert (entry["n"], entry["elapsed_s"]) == (20, 20.0)


def crowded(rng, n=2000):
    """Cycles whose CPU time rises by half over the run, in wall times that are mostly waiting for a CPU."""
    cpu = (1e5 * (1 + 0.5 * np.arange(n) / n)).astype(int)
    runq = rng.gamma(0.2, 1e6, n).astype(int)
    return {"wall_ns": (cpu + runq).tolist(), "cpu_ns": cpu.tolist(), "runq_ns": runq.tolist()}


def in_windows(cycles, size=20):
    """The same in light mode: cycles without a CPU clock, and windows of so many with one."""
    cpu = np.reshape(cycles["cpu_ns"], (-1, size)).sum(axis=1)
    end = np.cumsum(np.reshape(cycles["wall_ns"], (-1, size)).sum(axis=1))
    last = [size * (k + 1) - 1 for k in range(len(cpu))]
    windows = {
        "condition": ["all"] * len(cpu),
        "last_cycle": last,
        "t_ns": end.tolist(),
        "cpu_ns": cpu.tolist(),
    }
    return {name: y for name, y in cycles.items() if name != "cpu_ns"}, windows


@pytest.mark.parametrize(
    ("light", "source"), [(False, "cycles"), (True, "windows")], ids=["cycle by cycle", "light"]
)
def test_on_a_busy_machine_the_cpu_clock_shows_what_wall_times_hide(
    tmp_path, make_run, laid_out, light, source
):
    cycles, windows = crowded(np.random.default_rng(1)), None
    if light:
        cycles, windows = in_windows(cycles)
    make_run(tmp_path, cycles=cycles, windows=windows)
    hidden, shown = laid_out(), laid_out(clock="cpu")
    assert [entry["shape"] for entry in hidden["timelines"]] == ["line"]
    [note] = [note for note in hidden["notes"] if note.startswith("waiting for a CPU is ")]
    assert note.endswith(
        "% of the time: wall times say little; `stats timeline --clock cpu` judges the CPU time"
    )
    assert not any(note.startswith("waiting") for note in shown["notes"])
    [entry] = shown["timelines"]
    assert (entry["source"], entry["shape"]) == (source, "upwards")
    assert entry["change"]["value"] == pytest.approx(0.5 / 1.25, rel=0.05)
    assert entry["elapsed_s"] == pytest.approx(0.25, rel=1e-3)


def test_a_long_run_is_thinned_and_keeps_its_end(tmp_path, make_run, laid_out):
    make_run(tmp_path, cycles={"wall_ns": [10**6] * 5000})
    [entry] = laid_out()["timelines"]
    assert entry["n"] == 5000
    assert len(entry["points"]) <= 101
    assert entry["points"][-1][:2] == [5000, pytest.approx(5.0)]
    assert sum(phase["n"] for phase in entry["phases"]) == 5000


def test_conditions_stand_in_where_no_cycle_has_a_time(tmp_path, make_run, laid_out):
    conditions = [
        {"condition": name, "position": place, "condition_cycles": 10, "condition_wall_s": 5.0}
        for place, name in enumerate(("OFF", "ON"))
    ]
    make_run(tmp_path, conditions=conditions)
    [entry] = laid_out()["timelines"]
    assert (entry["source"], entry["n"], entry["elapsed_s"]) == ("conditions", 2, 10.0)
    assert entry["shape"] == "unknown"
    assert entry["bend"]["reason"]


def test_a_run_without_times_is_named_and_an_empty_selection_too(tmp_path, make_run, laid_out):
    make_run(tmp_path, experiment="blank", cycles={"population": [1, 2]})
    document = laid_out()
    assert document["timelines"] == []
    assert "no times were recorded in 1 run (blank)" in document["notes"]
    with pytest.raises(ValueError, match=r"\(false\) selects no run: .* holds 1 run \(1 of blank\)"):
        laid_out(where="false")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"clock": "sun"}, "clock=sun"),
        ({"expected_s": 0.0}, "expected_s=0"),
        ({"until_s": -1.0}, "until_s=-1"),
        ({"milestones_s": [float("nan")]}, "milestone_s=nan"),
    ],
    ids=["clock", "expected", "until", "milestone"],
)
def test_what_is_no_clock_or_time_is_refused_by_name(tmp_path, laid_out, options, word):
    with pytest.raises(ValueError, match=word):
        laid_out(**options)


@pytest.mark.parametrize("style", ["table", "markdown"])
def test_the_text_of_a_timeline_has_readable_units_and_every_note(recorded, style):
    found = timeline(recorded, where="experiment='c256'", expected_s=EXPECTED_S)
    text = timeline_table(found, style=style)
    assert text == timeline_table(found.to_json(), style=style)
    assert all(words in text for words in ("3.18 h", "34.5 h", "never", "+71.6%", "-84.2%"))
    assert all(note in text for note in found.notes)


def test_the_rows_of_a_timeline_are_numbers(recorded):
    [row] = timeline_rows(timeline(recorded, where="experiment='c256'").to_json())
    assert row["elapsed_s"] == pytest.approx(11460)
    assert row["change_low"] < row["change"] < row["change_high"]
    json.dumps(row)
