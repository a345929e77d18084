from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from scipy import stats as scipy_stats

from stats.cells import cell, contrasts, names, value
from stats.factorial import synergy
from store.catalog import open_catalog

SCHEMA = jsonschema.Draft202012Validator(
    json.loads((Path(__file__).parents[1] / "contracts" / "synergy.schema.json").read_text())
)
CELLS = tuple(names(2))
PAPER = dict(zip(CELLS, [13.974, 99.69066666666667, 99.72066666666667, 99.75333333333333], strict=True))
ORDER = "every run had the conditions in the same order"


def conditions(
    means: dict[str, float | None], factors=("energy_pooling", "reality_sources")
) -> list[dict[str, Any]]:
    return [
        {
            "condition": name,
            "position": position,
            "mechanisms": dict(zip(factors, (flag == "ON" for flag in name.split("-")), strict=False)),
            "condition_cycles": 10,
            "population_mean": mean,
            "population_final": 14.0,
            "condition_wall_s": None,
        }
        for position, (name, mean) in enumerate(means.items())
    ]


@pytest.fixture
def factorial(tmp_path: Path, make_run) -> Callable[..., dict[str, Any]]:
    """Publish runs by the mean population of their cells and return the document of their synergy."""

    def publish(
        *runs: dict[str, float | None], where=(), outcome="population_mean", **columns: Any
    ) -> dict[str, Any]:
        for means in runs:
            make_run(tmp_path, conditions=conditions(means), **columns)
        with open_catalog(tmp_path) as catalog:
            document = synergy(catalog, where=where, outcome=outcome).to_json()
        SCHEMA.validate(document)
        return document

    return publish


def test_synergy_of_the_published_cells_is_antagonistic(factorial):
    (entry,) = factorial(PAPER, experiment="c255", status="imported")["synergy"]
    assert entry["synergy"] == pytest.approx(-85.684, abs=1e-9)
    assert entry["classification"] == "ANTAGONISTIC"
    assert entry["additive"] == pytest.approx(185.43733333333333)
    assert entry["fold_change"] == pytest.approx(99.75333333333333 / 13.974)
    assert entry["effects"] == pytest.approx(
        {"energy_pooling": 85.71666666666667, "reality_sources": 85.74666666666667}
    )
    assert (entry["experiment"], entry["optimization"], entry["n_runs"]) == ("c255", None, 1)


def test_cells_are_means_over_runs_and_keep_every_digit(factorial):
    thirds = dict.fromkeys(CELLS, 1 / 3)
    (entry,) = factorial(thirds, dict.fromkeys(CELLS, 1.0), thirds)["synergy"]
    assert entry["cells"]["OFF-OFF"] == pytest.approx(5 / 9, rel=1e-15)
    assert entry["n_runs"] == 3


@pytest.mark.parametrize(
    ("together", "classification"),
    [
        (14.1, "ADDITIVE"), (14.2, "SYNERGISTIC"), (13.8, "ANTAGONISTIC"), (13.95, "ADDITIVE"),
    ],
)  # fmt: skip
def test_synergy_beyond_a_tenth_of_an_agent_is_named(factorial, together, classification):
    cells = dict(zip(CELLS, [10.0, 12.0, 12.0, together], strict=True))
    assert factorial(cells)["synergy"][0]["classification"] == classification


def test_each_experiment_and_optimization_has_its_own_entry(tmp_path, make_run, factorial):
    make_run(tmp_path, experiment="c256", optimization="cached", conditions=conditions(PAPER))
    make_run(tmp_path, experiment="c256", optimization="unoptimized", conditions=conditions(PAPER))
    document = factorial(PAPER, experiment="c255")
    found = [(entry["experiment"], entry["optimization"]) for entry in document["synergy"]]
    assert found == [("c255", None), ("c256", "cached"), ("c256", "unoptimized")]


def test_one_order_of_conditions_is_said(factorial):
    assert any(ORDER in note for note in factorial(PAPER, PAPER)["notes"])


def test_orders_that_vary_need_no_caution(factorial):
    assert not factorial(PAPER, dict(reversed(PAPER.items())))["notes"]


def test_two_factors_keep_two_effects_with_an_interval_over_runs(factorial):
    others = {name: mean + k for k, (name, mean) in enumerate(PAPER.items())}
    (entry,) = factorial(PAPER, others)["synergy"]
    assert set(entry["effects"]) == {"energy_pooling", "reality_sources"}
    assert set(entry["intervals"]) == {*entry["effects"], "synergy"}
    mean, half = 85.71666666666667 + 0.5, 12.706204736 * 0.5
    assert entry["intervals"]["energy_pooling"] == pytest.approx([mean - half, mean + half])


def test_runs_of_one_condition_each_make_up_the_cells(factorial):
    document = factorial(*({name: mean} for name, mean in PAPER.items()))
    (entry,) = document["synergy"]
    assert entry["synergy"] == pytest.approx(-85.684, abs=1e-9)
    assert entry["intervals"] == {}
    assert document["notes"] == [
        "x: a cell rests on n = 1 run, so its effects are without an interval; add replicates of every cell"
    ]


def test_runs_of_one_condition_each_are_independent_groups(factorial):
    samples = {name: [mean, mean + 1, mean + 3] for name, mean in PAPER.items()}
    runs = [{name: y} for name, ys in samples.items() for y in ys]
    (entry,) = factorial(*runs)["synergy"]
    expected = scipy_stats.ttest_ind(samples["ON-OFF"], samples["OFF-OFF"], equal_var=False)
    assert entry["intervals"]["energy_pooling"] == pytest.approx([*expected.confidence_interval()])
    low, high = entry["intervals"]["synergy"]
    assert low < entry["synergy"] < high


def test_runs_of_different_parts_have_no_interval_where_they_differ(factorial):
    half = {name: PAPER[name] for name in CELLS[:2]}
    rest = {name: PAPER[name] for name in CELLS[2:]}
    document = factorial(half, half, rest, rest)
    assert not document["synergy"][0]["intervals"]
    assert any("hold different parts of the factorial" in note for note in document["notes"])


def test_cells_of_unequal_weight_are_said(factorial):
    document = factorial(PAPER, {"OFF-OFF": 14.0})
    assert any("unequal numbers of runs (OFF-OFF 2," in note for note in document["notes"])


def test_base_of_zero_has_no_fold_change(factorial):
    assert factorial(PAPER | {"OFF-OFF": 0.0})["synergy"][0]["fold_change"] is None


def test_outcome_of_its_own_scale_is_said(factorial):
    document = factorial(PAPER, outcome="condition_cycles")
    assert document["synergy"][0]["outcome"] == "condition_cycles"
    assert any("its own scale" in note for note in document["notes"])


def test_outcome_that_is_no_number_is_refused_with_the_list(factorial):
    with pytest.raises(
        ValueError, match=r"'mechanisms' is no numeric column .* population_mean, population_sd"
    ):
        factorial(PAPER, outcome="mechanisms")


@pytest.mark.parametrize(
    ("cells", "options", "sentence"),
    [
        (PAPER, {"outcome": "condition_wall_s"}, "recorded no condition_wall_s in OFF-OFF"),
        ({"OFF-OFF": 1.0, "ON-ON": 2.0}, {}, "also needs ON-OFF, OFF-ON"),
        (
            dict.fromkeys(["OFF-OFF-OFF", "ON-OFF-OFF"], 1.0),
            {},
            "also needs OFF-ON-OFF, ON-ON-OFF, OFF-OFF-ON, ON-OFF-ON, OFF-ON-ON, ON-ON-ON",
        ),
        (PAPER | {"OFF-OFF-OFF": 1.0}, {}, "mixes cells of 2 and of 3 factors"),
        ({"all": 1.0}, {}, "has the conditions all"),
        ({}, {}, "recorded no conditions"),
        (PAPER, {"status": "interrupted"}, "no whole run, only 1 interrupted"),
    ],
    ids=[
        "not recorded",
        "missing cells",
        "three factors",
        "two designs",
        "no factors",
        "no conditions",
        "parts only",
    ],
)
def test_what_has_no_synergy_has_no_entry_and_a_reason(factorial, cells, options, sentence):
    document = factorial(cells, **options)
    assert not document["synergy"]
    assert sentence in document["notes"][-1]


@pytest.mark.parametrize(
    ("seeds", "means", "said"),
    [
        ((42, 42), (2.0, 2.0), True),
        ((42, 43), (2.0, 2.0), False),
        ((42, 42), (2.0, 2.5), False),
        ((None, None), (2.0, 2.0), False),
    ],
    ids=["one seed", "two seeds", "one seed, other outcomes", "no seed"],
)
def test_identical_repeats_of_one_seed_are_said_to_tell_nothing_of_others(
    tmp_path, make_run, seeds, means, said
):
    for replicate, (seed, mean) in enumerate(zip(seeds, means, strict=True)):
        cells = conditions({**PAPER, "ON-ON": mean})
        make_run(tmp_path, experiment="c256", seed=seed, replicate=replicate, conditions=cells)
    with open_catalog(tmp_path) as catalog:
        notes = [note for note in synergy(catalog).notes if "repeat seed" in note]
    assert len(notes) == said
    assert not said or notes[0].startswith(
        "c256: its 2 runs repeat seed 42 and are identical in population_mean"
    )


def test_an_empty_selection_is_refused(factorial):
    with pytest.raises(ValueError, match=r"\(experiment = 'nowhere'\) selects no run: .* holds 1 run"):
        factorial(PAPER, where="experiment = 'nowhere'")


def test_experiment_without_cells_is_noted_beside_one_that_has_them(tmp_path, make_run, factorial):
    make_run(tmp_path, experiment="other", conditions=conditions({"all": 1.0}))
    document = factorial(PAPER, experiment="c255")
    assert len(document["synergy"]) == 1
    assert any(note.startswith("other has the conditions all") for note in document["notes"])


FOUR = ("energy_pooling", "reality_sources", "spawn_throttling", "energy_recovery")


@pytest.mark.parametrize("n", [2, 3, 4])
def test_effects_rebuild_every_cell(n):
    cells = dict(zip(names(n), random.Random(n).sample(range(1000), 2**n), strict=True))
    effects = {name: value(weights, cells) for name, weights in contrasts(FOUR[:n]).items()}
    for name, mean in cells.items():
        on = {factor for factor, flag in zip(FOUR, name.split("-"), strict=False) if flag == "ON"}
        inside = [y for effect, y in effects.items() if set(effect.split("×")) <= on]
        assert cells[cell(n, [])] + sum(inside) == mean


def test_four_factors_have_interactions_of_every_order(tmp_path, make_run):
    rng = random.Random(4)
    truth = {"energy_pooling": 3.0, "reality_sources×spawn_throttling": -2.0, "×".join(FOUR): 5.0}
    for _ in range(3):
        level = 10 + rng.gauss(0, 1)
        means = {}
        for name in names(4):
            on = {factor for factor, flag in zip(FOUR, name.split("-"), strict=True) if flag == "ON"}
            means[name] = level + sum(y for effect, y in truth.items() if set(effect.split("×")) <= on)
        make_run(tmp_path, experiment="c263", conditions=conditions(means, FOUR))
    with open_catalog(tmp_path) as catalog:
        document = synergy(catalog).to_json()
    SCHEMA.validate(document)
    (entry,) = document["synergy"]
    assert len(entry["effects"]) == 15
    assert [name.count("×") for name in entry["effects"]] == [0] * 4 + [1] * 6 + [2] * 4 + [3]
    assert entry["effects"] == pytest.approx(dict.fromkeys(entry["effects"], 0.0) | truth, abs=1e-9)
    assert entry["additive"] == pytest.approx(entry["cells"]["OFF-OFF-OFF-OFF"] + 3)
    assert entry["synergy"] == pytest.approx(3.0, abs=1e-9)
    assert entry["intervals"]["energy_pooling"] == pytest.approx([3.0, 3.0]), "the runs' own levels cancel"


def test_recorded_c262_gives_the_published_interactions(archive, tmp_path, capfd):
    from store.__main__ import main as store_main

    store = tmp_path / "data"
    file = archive / "cycle262_h1h2h5_3way_factorial_results.json"
    assert store_main(["import", str(file), "--store", str(store)]) == 0
    capfd.readouterr()
    with open_catalog(store) as catalog:
        document = synergy(catalog).to_json()
    SCHEMA.validate(document)
    (entry,) = document["synergy"]
    assert entry["effects"] == {
        "energy_pooling": 0.0,
        "reality_sources": pytest.approx(0.9663, abs=5e-5),
        "energy_recovery": pytest.approx(0.9663, abs=5e-5),
        "energy_pooling×reality_sources": 0.0,
        "energy_pooling×energy_recovery": 0.0,
        "reality_sources×energy_recovery": pytest.approx(-0.9663, abs=5e-5),
        "energy_pooling×reality_sources×energy_recovery": 0.0,
    }
