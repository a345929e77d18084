"""Tables of cycles of one's own: what is taken, what is refused by its line, and under which names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from store import manifest, open_catalog
from store.raw import ImportResult, NotImportable, import_file, own_cycles


def bring(place: Path, text: str, *words: str) -> ImportResult:
    file = place / "mine.csv"
    file.write_text(text)
    return import_file(file, place / "s", columns=words)


def rows(place: Path, columns: str) -> list[tuple[Any, ...]]:
    """Return columns of all cycles of the store, whose runs can all be read."""
    assert all(manifest.load(path) for path in manifest.published(place / "s"))
    with open_catalog(place / "s") as catalog:
        found = catalog.query(f"select {columns} from cycles order by run_id, cycle")
        return [tuple(row.values()) for row in found]


REFUSED = {
    "condition": ("cycle,wall_ns,condition\n0,1,ON\n1,1,\n", [], "line 3: condition is '', expected a name"),
    "cycle": ("wall_ns,cycle\n5,\n", [], "line 2: cycle is '', expected a whole number of at least 0"),
    "process": ("wall_ns,process\n5,0\n6,NULL\n", [], "line 3: process is 'NULL', expected a whole number"),
    "underscores": ("wall_ns\n1_000\n", [], "line 2: wall_ns is '1_000', expected a number"),
    "digits": ("wall_ns\n٣\n", [], "line 2: wall_ns is '٣', expected a number"),
    "beyond": ("wall_ns,x\n1,1e400\n", ["x=x"], "line 2: x is '1e400', expected a finite number"),
    "unit-forgotten": (
        "d\n2.0\n2.1344\n",
        ["wall_ns=d"],
        "line 3: d is 2.1344, expected a whole number; give its unit, as in --map wall_ns=d:ms, or correct",
    ),
    "typing-error": (
        "d\n2.5\n",
        ["wall_nss=d:ms"],
        "--map 'wall_nss=d:ms': 'ms' is no unit of wall_nss; did you mean wall_ns?",
    ),
    "no-unit": (
        "wall_ns,d\n1,2.5\n",
        ["cycle=d"],
        "line 2: d is 2.5, expected a whole number; correct the file or leave it out",
    ),
    "decimal-comma": (
        "wall_ns;x\n1;2,5\n",
        ["x=x"],
        "line 2: x is '2,5', expected a number with a point before its decimals",
    ),
    "after-a-blank-line": ("wall_ns,x\n1,1\n\n2,b\n", ["x=x"], "line 4: x is 'b', expected a number"),
    "after-a-long-cell": ('wall_ns,x\n1,"a\nb"\nc,1\n', [], "line 4: wall_ns is 'c'"),
    "named-twice": ("a,a\n1,2\n", ["wall_ns=a"], "is twice among a, a; rename one of them in the file"),
    "of-runs": ("wall_ns,x\n1,2\n", ["seed=x"], "seed is a column of runs already; give another name, such as"),
    "of-runs-by-case": ("wall_ns,x\n1,2\n", ["Status=x"], "Status is a column of runs already"),
    "of-cycles-by-case": ("wall_ns,x\n1,2\n", ["Wall_ns=x"], "Wall_ns is a column of cycles already"),
    "key-by-case": ("wall_ns,x\n1,2\n", ["Run_id=x"], "Run_id is a column of cycles already"),
    "twice-by-case": ("wall_ns,x\n1,2\n", ["A=x", "a=x"], "a is A to SQL, which ignores case; use one spelling"),
    "script": ("wall_ns,x\n1,2\n", ["énergie=x"], "is no map"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_where_it_stands_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    text, words, sentence = REFUSED[name]
    with pytest.raises(ValueError, match=re.escape(sentence)):
        bring(tmp_path, text, *words)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("mark", [";", "\t"], ids=["semicolon", "tab"])
def test_a_table_may_part_its_cells_by_another_mark(mark: str, tmp_path: Path) -> None:
    bring(tmp_path, f"wall_ns{mark}note, mine{mark}x\n1{mark}a{mark}0.5\n", "x=x")
    assert rows(tmp_path, "wall_ns, x") == [(1, 0.5)]


def test_a_name_with_a_colon_or_a_line_in_it_is_a_name(tmp_path: Path) -> None:
    found = bring(tmp_path, 'w:x,"a\nb",w\n1.5,2,3\n', "wall_ns=w:x:ms", "own=w:x", "sampling_db_ns=w:us")
    assert rows(tmp_path, "wall_ns, own, sampling_db_ns") == [(1_500_000, 1.5, 3000)]
    assert found.notes == ("columns left out: a b; name them with --map to keep them",)


def test_a_map_that_looks_like_a_typing_error_is_noted_and_taken(tmp_path: Path) -> None:
    found = bring(tmp_path, "wall_ns,step,g\n1,7,2\n", "cycl=step", "cycel=step", "gpu_ns=g")
    assert rows(tmp_path, "cycle, cycl, cycel, gpu_ns") == [(0, 7, 7, 2)]
    meant = "is kept as an observable; if cycle was meant, import with --map cycle=NAME"
    assert found.notes == (f"cycl {meant}", f"cycel {meant}")


def test_an_observable_has_the_type_that_it_has_in_every_run(tmp_path: Path) -> None:
    text = "wall_ns,p,e,tiny,long\n1,17.0,3,1e-10,1760000000000000001\n"
    bring(tmp_path, text, "population=p", "energy=e", "tiny=tiny", "long=long")
    assert rows(tmp_path, "population, energy, tiny, long") == [(17, 3.0, 1e-10, 1760000000000000001)]
    assert rows(tmp_path, "typeof(population), typeof(energy)") == [("BIGINT", "DOUBLE")]


WHOLE, REAL = ["0", "17", "999999999999999999"], ["0.5", "12.25", "123456789012345.000000000000001"]


@pytest.mark.parametrize(
    ("column", "words"),
    [("wall_ns", WHOLE), ("t_ns", WHOLE), ("population", WHOLE), ("other", WHOLE), ("other", REAL)],
)
def test_the_quick_way_reads_what_the_long_way_does(column: str, words: list[str]) -> None:
    quick = own_cycles._quick(column, 1, words)
    assert quick is not None
    spaced = own_cycles.Cells("f", column, "line", range(9), [f" {word}" for word in words])
    slow = own_cycles._values(column, own_cycles.Source(column, 1), spaced)
    assert [(type(value), value) for value in quick] == [(type(value), value) for value in slow]


def test_a_table_in_parquet_is_read_by_the_same_map(tmp_path: Path) -> None:
    file = tmp_path / "mine.parquet"
    columns = {
        "step": [1, 2, 3],
        "took": [1.5, 0.25, 2.0],
        "phase": pa.array(["ON", "OFF", "ON"]).dictionary_encode(),
        "x": pa.array([0.5, float("nan"), None]),
        "n": pa.array([1, None, 3], pa.uint8()),
        "when": pa.array([1, 2, 3], pa.timestamp("ns")),
    }
    pq.write_table(pa.table(columns), file)
    words = ("wall_ns=took:ms", "cycle=step", "condition=phase", "x=x", "n=n")
    found = import_file(file, tmp_path / "s", columns=words)
    assert found.notes == ("columns left out: when; name them with --map to keep them",)
    assert rows(tmp_path, "cycle, condition, wall_ns, x, n") == [
        (1, "ON", 1_500_000, 0.5, 1),
        (2, "OFF", 250_000, None, None),
        (3, "ON", 2_000_000, None, 3),
    ]
    [run] = map(manifest.load, manifest.published(tmp_path / "s"))
    assert (run.run["experiment"], json.loads(run.run["source"])["file"]) == ("mine", "mine.parquet")
    assert import_file(file, tmp_path / "s", columns=words).skipped


WRONG_PARQUET = {
    "times": ({"wall_ns": pa.array([1], pa.timestamp("ns"))}, "column wall_ns is timestamp[ns], expected numbers"),
    "half": ({"wall_ns": [1, 1.5]}, "row 2: wall_ns is 1.5, expected a whole number"),
    "nameless": ({"wall_ns": [1, 2], "condition": ["ON", None]}, "row 2: condition is missing, expected a name"),
    "infinite": ({"wall_ns": [1.0, float("inf")]}, "row 2: wall_ns is inf, expected a finite number"),
    "cycle-twice": ({"wall_ns": [1, 2], "cycle": [3, 3]}, "rows 1 and 2 are both cycle 3"),
    "rowless": ({"wall_ns": pa.array([], pa.int64())}, "has no rows"),
    "foreign": ({"x": [1]}, "no column is the cycle's wall time among x"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_PARQUET)
def test_a_wrong_table_in_parquet_is_one_sentence(name: str, tmp_path: Path) -> None:
    columns, sentence = WRONG_PARQUET[name]
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    with pytest.raises(NotImportable, match=re.escape(sentence)):
        import_file(tmp_path / "x.parquet", tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_what_is_only_called_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_text("wall_ns\n1\n")
    with pytest.raises(NotImportable, match=r"x\.parquet is no whole Parquet file .*; fetch it again"):
        import_file(tmp_path / "x.parquet", tmp_path / "s")
