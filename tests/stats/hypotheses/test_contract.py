"""What every hypothesis keeps, whichever they are."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from functools import cache
from pathlib import Path

import jsonschema
import pytest
import yaml

from stats import judge
from stats.hypotheses import PROTOCOL, VERDICTS, criterion, known, thresholds, variants
from store.catalog import open_catalog

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "tests/contracts/verdict.schema.json").read_text())
NAMES = list(known())


def judged(root, variant=PROTOCOL):
    with open_catalog(root) as catalog:
        document = judge(catalog, variant=variant).to_json()
    jsonschema.validate(document, SCHEMA)
    json.dumps(document, allow_nan=False)
    return {entry["hypothesis"]: entry for entry in document["verdicts"]}


def test_the_five_hypotheses_of_the_study_are_there_in_order():
    assert NAMES[:5] == ["h1", "h2", "h3", "h4", "h5"]


@pytest.mark.parametrize("variant", variants())
def test_an_empty_store_is_untestable_for_all(tmp_path, variant):
    entries = judged(tmp_path, variant)
    assert list(entries) == NAMES
    assert {entry["verdict"] for entry in entries.values()} == {"UNTESTABLE"}
    assert {entry["n_runs"] for entry in entries.values()} == {0}


def tiny(n):
    """Return a run of ``n`` cycles in which everything rises."""
    readings = {"cycle": range(n), "t_ns": [10**9 * (i + 1) for i in range(n)]}
    rising = [float(i) for i in range(n)]
    probes = {
        "memory": {**readings, "rss_bytes": [2**20 * (50 + i) for i in range(n)]},
        "system": {**readings, "cpu_percent": rising, "memory_percent": rising},
        "latency": {**readings, "call_count": [9 * i for i in range(n)], "call_latency_ns": rising},
        "thermal": {**readings, "temp_celsius": rising, "freq_mhz": rising[::-1]},
    }
    return {"cycles": {"wall_ns": [10**7 + i for i in range(n)]}, "probes": probes}


@pytest.mark.parametrize("variant", variants())
def test_a_tiny_run_decides_nothing_and_says_n(tmp_path, make_run, variant):
    sizes = {make_run(tmp_path, **tiny(n)): n for n in range(5)}
    for entry in judged(tmp_path, variant).values():
        assert entry["verdict"] == "INCONCLUSIVE"
        for run in entry["runs"]:
            n = sizes[run["run_id"]]
            assert run["verdict"] == ("INCONCLUSIVE" if n else "UNTESTABLE"), run
            assert n == 0 or f"n = {n}" in run["reason"]


@pytest.fixture(scope="module")
def apart(tmp_path_factory, make_run):
    """Publish a run of each kind once and return its entries in a version, each run judged by itself."""
    root = tmp_path_factory.mktemp("apart")
    silent = {"cycles": {"population": [3, 4, 5, 6, 7, 8]}}
    make_run(root, experiment="rising", **tiny(9))
    make_run(root, experiment="silent", **silent)
    make_run(root, experiment="imported", status="imported", **silent)

    @cache
    def entries(variant):
        with open_catalog(root) as catalog:
            documents = [one.to_json() for one in judge(catalog, variant=variant, by="run_id")]
        kinds = ("rising", "silent", "imported")
        return {
            kind: {e["hypothesis"]: e for e in document["verdicts"]}
            for kind, document in zip(kinds, documents, strict=True)
        }

    return entries


@pytest.mark.parametrize("variant", variants())
def test_every_statistic_that_is_found_was_announced(apart, variant):
    for name, entry in apart(variant)["rising"].items():
        announced = criterion(name, variant).statistics
        assert entry["statistics"].keys() <= set(announced)
        assert variant != PROTOCOL or list(entry["statistics"]) == list(announced)


@pytest.mark.parametrize("variant", variants())
def test_a_run_without_any_signal_is_untestable_for_all(apart, variant):
    for entry in apart(variant)["silent"].values():
        assert entry["verdict"] == "UNTESTABLE"
        assert entry["reason"].startswith("no "), entry["reason"]


@pytest.mark.parametrize("variant", variants())
def test_of_an_imported_run_the_file_is_said_not_to_hold_a_signal(apart, variant):
    for entry in apart(variant)["imported"].values():
        assert entry["reason"].endswith("was recorded (the imported file does not hold it)")


@pytest.mark.parametrize("name", NAMES)
def test_sql_is_static_says_what_a_row_is_and_the_rule_names_the_thresholds(name):
    hypothesis = known()[name]
    assert hypothesis.EXPECTED in VERDICTS
    assert set(hypothesis.VARIANTS) <= set(variants())
    for variant in hypothesis.VARIANTS:
        test = criterion(name, variant)
        assert all(f"{value}" in test.rule.format(**test.thresholds) for value in test.thresholds.values())
    for read in (*hypothesis.VARIANTS.values(), *hypothesis.ASIDES):
        for sql in (read.sample, read.kernel):
            assert sql.strip().startswith("-- one row per ")
            assert "{" not in sql


@pytest.mark.parametrize("name", NAMES)
def test_the_protocols_preset_is_the_leafs(name):
    assert criterion(name, PROTOCOL).thresholds == asdict(known()[name].Thresholds())


@pytest.mark.parametrize("name", NAMES)
def test_the_leaf_states_the_constructors_defaults(name):
    leaf = yaml.safe_load((ROOT / "conf/hypothesis" / f"{name}.yaml").read_text())[name]
    assert leaf.pop("_target_") == f"stats.hypotheses.{name}.Thresholds"
    assert leaf == asdict(known()[name].Thresholds())


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        (
            "h2",
            {"delta_r2_mn": 0.1},
            "h2.delta_r2_mn is not a threshold; did you mean h2.delta_r2_min? give one of h2.delta_r2_min",
        ),
        ("h99", {}, "h99 is not a hypothesis; give one of h1, h2, h3, h4, h5"),
        ("h5", {"slope_min": "steep"}, "h5.slope_min='steep' is out of range; give a number of 0 or more"),
        ("h1", {"p_max": 2}, "h1.p_max=2 is out of range; give a number in [0, 1]"),
    ],
    ids=["misspelt", "unknown", "no number", "out of range"],
)
def test_a_wrong_threshold_is_refused_by_its_full_key(name, values, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        thresholds(name, values)


@pytest.mark.parametrize(
    ("name", "variant", "key", "sentence"),
    [
        ("h3", "manuscript_summary", "r2_min", "h3.r2_min is not a threshold of variant manuscript_summary"),
        ("h2", "synthesis", "delta_r2_min", "give one of h2.rho_min"),
    ],
    ids=["not asked for", "another statistic"],
)
def test_a_threshold_that_a_variant_does_not_ask_for_is_refused(name, variant, key, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        thresholds(name, {key: 0.2}, variant)


def test_a_variants_own_threshold_can_be_given():
    assert thresholds("h1", {"rho_min": 0.4}, "code") == {"rho_min": 0.4, "p_max": 0.05}
    assert thresholds("h1", {}, "code") == {"rho_min": 0.5, "p_max": 0.05}


@pytest.mark.parametrize("name", NAMES)
def test_a_version_that_is_silent_on_a_hypothesis_shares_the_protocols(name):
    hypothesis = known()[name]
    for variant in set(variants()) - set(hypothesis.VARIANTS):
        assert criterion(name, variant) is criterion(name, PROTOCOL)


def test_the_five_published_versions_are_there_the_protocol_first():
    assert variants() == ["protocol", "manuscript", "manuscript_summary", "synthesis", "code"]


def test_an_unknown_variant_is_refused_with_those_there_are():
    assert variants()[0] == PROTOCOL
    with pytest.raises(ValueError, match=r"variant=synthetic .* give one of protocol"):
        criterion("h1", "synthetic")
