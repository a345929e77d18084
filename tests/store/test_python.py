"""The store from Python, as docs/python.md shows it; other clients see the same."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from store import open_catalog
from store.upkeep.maintenance import refresh

DOCUMENT = Path(__file__).parents[2] / "docs" / "python.md"
BLOCKS = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def store(tmp_path: Path, make_run: Callable[..., str]) -> Path:
    for seed in range(3):
        make_run(
            tmp_path / "data",
            experiment="demo",
            seed=seed,
            cycles={"wall_ns": [5, 6, 7], "cpu_ns": [1, None, 2**60 + 1], "depth": [0.5, None, 1]},
            probes={
                "mine": {"cycle": [0], "t_ns": [1], "level_bytes": [2]},
                "memory": {"cycle": [0, 1], "t_ns": [5, 11], "rss_bytes": [2**20, 2**21]},
            },
        )
    return tmp_path / "data"


def test_every_example_of_the_document_runs(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(store.parent)
    refresh(store)
    names: dict[str, Any] = {}
    for block in BLOCKS:
        exec(compile(block, str(DOCUMENT), "exec"), names)
    assert (names["total"], len(names["frame"]), names["table"].num_rows) == (9, 9, 3)
    assert names["wall_ns"].tolist() == [5, 6, 7]
    assert list(names["slopes"].values()) == [1.0] * 3
    assert [row["y_median"] for row in names["medians"].to_pylist() if row["place"] == 500] == [6.0] * 3


def test_cycles_are_one_runs_rows_in_order(store: Path) -> None:
    with open_catalog(store) as catalog:
        run_id = catalog.select("seed = 1")[0]
        cycles = catalog.cycles(run_id)
        assert cycles["cycle"].to_pylist() == [0, 1, 2]
        assert set(cycles["run_id"].to_pylist()) == {run_id}
        assert cycles.schema.field("depth").type == pa.float64()
        with pytest.raises(ValueError, match="'nothing' is not there"):
            catalog.cycles("nothing")


def test_answers_are_exact_in_arrow_and_frames_in_pandas(store: Path) -> None:
    question = "select cpu_ns, depth from cycles order by run_id, cycle limit 3"
    with open_catalog(store) as catalog:
        assert catalog.sql(question).arrow()["cpu_ns"].to_pylist() == [1, None, 2**60 + 1]
        frame = catalog.sql(question).pandas()
        assert frame["cpu_ns"].isna().tolist() == [False, True, False]
        assert catalog.sql("select 1 as a where false").arrow().num_rows == 0


def test_polars_gets_the_arrow_table(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    polars = pytest.importorskip("polars", reason="polars is no dependency; install it to test with it")
    with open_catalog(store) as catalog:
        assert isinstance(catalog.sql("from runs").polars(), polars.DataFrame)


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_what_is_not_installed_is_said(name: str, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with open_catalog(store) as catalog, pytest.raises(ModuleNotFoundError, match=f"`pip install {name}`"):
        getattr(catalog.sql("select 1 as a"), name)()


def test_other_clients_see_the_same_tables_rows_and_comments(store: Path) -> None:
    refresh(store)
    with (
        open_catalog(store) as catalog,
        duckdb.connect(str(store / "catalog.duckdb"), read_only=True) as client,
    ):
        client.execute("set TimeZone = 'UTC'")
        for table, columns in catalog.columns().items():
            order = ", ".join(f'"{name}"' for name in columns.names)
            question = f"select {order} from {table} order by all"
            assert client.execute(question).fetchall() == [
                tuple(row.values()) for row in catalog.query(question)
            ]
        bare = "select view_name from duckdb_views() where comment is null and not internal"
        assert client.execute(bare).fetchall() == []
        bare = "select table_name, column_name from duckdb_columns() where comment is null and not internal"
        assert client.execute(bare).fetchall() == []
