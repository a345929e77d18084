from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from stats.factorial import CELLS, synergy
from store.catalog import open_catalog

SCHEMA = json.loads((Path(__file__).parents[1] / "contracts" / "synergy.schema.json").read_text())
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
        jsonschema.validate(document, SCHEMA)
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


def test_runs_of_one_condition_each_make_up_the_cells(factorial):
    document = factorial(*({name: mean} for name, mean in PAPER.items()))
    assert document["synergy"][0]["synergy"] == pytest.approx(-85.684, abs=1e-9)
    assert not document["notes"]


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
        (dict.fromkeys(["OFF-OFF-OFF", "ON-OFF-OFF"], 1.0), {}, "has 3 factors"),
        ({"all": 1.0}, {}, "has the conditions all"),
        ({}, {}, "recorded no conditions"),
        (PAPER, {"where": "experiment = 'nowhere'"}, "selects no run"),
        (PAPER, {"status": "interrupted"}, "no whole run, only 1 interrupted"),
    ],
    ids=[
        "not recorded",
        "missing cells",
        "three factors",
        "no factors",
        "no conditions",
        "empty",
        "parts only",
    ],
)
def test_what_has_no_synergy_has_no_entry_and_a_reason(factorial, cells, options, sentence):
    document = factorial(cells, **options)
    assert not document["synergy"]
    assert sentence in document["notes"][-1]


def test_experiment_without_cells_is_noted_beside_one_that_has_them(tmp_path, make_run, factorial):
    make_run(tmp_path, experiment="other", conditions=conditions({"all": 1.0}))
    document = factorial(PAPER, experiment="c255")
    assert len(document["synergy"]) == 1
    assert any(note.startswith("other has the conditions all") for note in document["notes"])
