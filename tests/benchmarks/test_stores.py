"""The benchmarks of the store at a size that takes seconds: their documents, and that what they compare is the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from benchmarks import compact, concurrency, fleet, query
from benchmarks.document import Measured, document
from benchmarks.stores import fill
from store import open_catalog
from store.upkeep.damage import verify

SCHEMA = json.loads((Path(__file__).parents[1] / "contracts" / "benchmark.schema.json").read_text())

SMALL: dict[str, Callable[[], Measured]] = {
    "query": lambda: query.carried_out(query.Plan(runs=(10,), cycles=200, rounds=2, judged=10), seed=1),
    "fleet": lambda: fleet.carried_out(fleet.Plan(runs=(5,), rounds=2), seed=1),
    "compact": lambda: compact.carried_out(compact.Plan(runs=(9,), cycles=20, rounds=2), seed=1),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "query" else ()) for name in SMALL]
)
def test_the_document_is_as_its_schema_says(name: str) -> None:
    found = document(name, SMALL[name](), quick=True, seed=1, started_at="2026-01-01T00:00:00Z", wall_s=1.0)
    jsonschema.validate(json.loads(json.dumps(found, allow_nan=False)), SCHEMA)
    assert found["results"]


def test_a_synthetic_store_is_a_store(tmp_path: Path) -> None:
    ids = fill(tmp_path / "store", 12, 30, seed=2)
    assert verify(tmp_path / "store") == []
    with open_catalog(tmp_path / "store") as catalog:
        assert catalog.select() == sorted(ids)
        assert catalog.query("select count(*) as n from cycles") == [{"n": 360}]


@pytest.mark.parametrize(
    "plan",
    [
        concurrency.Plan(writers=2, readers=1, for_s=0.4),
        pytest.param(concurrency.Plan(for_s=8), marks=pytest.mark.slow),
    ],
    ids=["short", "long"],
)
def test_writers_and_readers_at_once_lose_nothing(plan: concurrency.Plan) -> None:
    found = concurrency.carried_out(plan, seed=3)
    assert {result.name: result.value for result in found.results} == {
        "errors": 0,
        "rows_lost": 0,
        "runs_seen_in_part": 0,
        "damaged_files": 0,
    }
