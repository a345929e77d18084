"""Stores that older versions wrote, kept as they were: every later version reads them, beside its own runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from store import open_catalog, schema
from store.__main__ import main
from store.upkeep.damage import verify
from store.upkeep.maintenance import refresh

KEPT = Path(__file__).parents[1] / "data" / "store"
NAMES = sorted(path.name for path in KEPT.iterdir())
TOTALS = """
select experiment, status, optimization, n_cycles, sum(wall_ns)::bigint as wall_ns, max(population) as people
from runs left join cycles using (run_id) group by all order by experiment
"""


def test_every_format_up_to_todays_is_kept() -> None:
    assert {f"format{number}" for number in range(1, schema.FORMAT + 1)} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_kept_store_is_read_as_it_was_written(name: str) -> None:
    with open_catalog(KEPT / name) as catalog:
        assert catalog.problems == ()
        assert [tuple(row.values()) for row in catalog.query(TOTALS)] == [
            ("c900", "imported", "cached", 3, None, 3),
            ("spooled", "completed", "cached", 100, 104950, 99),
        ]
        assert catalog.query("select count(*) as n, sum(memory_rss_mb) > 0 as read from samples") == [
            {"n": 101, "read": True}
        ]
        [note] = catalog.runs(catalog.select("experiment = 'c900'"))["notes"].to_pylist()[0][-1:]
        assert "optimization was added on" in note
    assert verify(KEPT / name) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_kept_store_takes_new_runs_with_new_columns(
    name: str, tmp_path: Path, make_run: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    shutil.copytree(KEPT / name, store)
    make_run(
        store,
        cycles={"wall_ns": [1], "depth": [0.5]},
        probes={"mine": {"cycle": [0], "t_ns": [1], "field_bytes": [7]}},
    )
    refresh(store)
    question = "select count(*) as n, count(depth) as deep, count(wall_ns) as timed from cycles"
    assert main(["sql", question, "--store", str(store), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"n": 104, "deep": 1, "timed": 101}]
    main(["describe", "probe_mine", "--store", str(store), "--format", "json"])
    comments = {row["column"]: row["comment"] for row in json.loads(capsys.readouterr().out)}
    assert comments["field_bytes"] == "field of the probe [bytes]"
    assert all(comments.values())
    assert main(["tag", "kept", "--where", "true", "--store", str(store)]) == 0
    assert verify(store) == []


def test_a_manifest_without_what_came_later_is_read(tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(KEPT / "format1", store)
    for path in store.glob("runs/*/run.json"):
        document = json.loads(path.read_text())
        for name in ("modules", "observer", "sensor_source", "allocator", "tags"):
            del document[name]
        path.write_text(json.dumps(document))
    with open_catalog(store) as catalog:
        assert catalog.problems == ()
        assert catalog.runs()["allocator"].null_count == 2
        assert catalog.query("select count(*) as n from cycles") == [{"n": 103}]
