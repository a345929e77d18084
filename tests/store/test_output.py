"""Rows leave exactly, and in batches."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from store import open_catalog
from store.catalog import Catalog
from store.output import format_of, write_rows

VALUES = {
    "large": ("9007199254740993", 9007199254740993),
    "sum": ("sum(4611686018427387904) from range(10)", 46116860184273879040),
    "huge": ("170141183460469231731687303715884105727::hugeint", 2**127 - 1),
    "unsigned": ("18446744073709551615::ubigint", 2**64 - 1),
    "decimal": ("1.25::decimal(5, 2)", 1.25),
    "whole-decimal": ("3::decimal(5, 0)", 3),
    "tenth-decimal": ("0.1::decimal(38, 10)", 0.1),
    "long-decimal": (
        "'12345678901234567890.1234567890'::decimal(38, 10)",
        "12345678901234567890.1234567890",
    ),
    "bit-by-name": ("{'BIT': 1}", {"BIT": 1}),
    "null": ("null", None),
    "nan": ("'nan'::double", None),
    "infinite": ("'inf'::double", None),
    "minus-infinite-float": ("'-inf'::float", None),
    "shortest-float": ("0.1::double + 0.2", 0.30000000000000004),
    "true": ("true", True),
    "text": ("'Käse'", "Käse"),
    "time": ("timestamptz '2026-01-02 03:04:05.5+02'", "2026-01-02T01:04:05.500000+00:00"),
    "time-without-zone": ("timestamp '2026-01-02 03:04:05'", "2026-01-02T03:04:05"),
    "nanoseconds": ("timestamp_ns '2026-01-02 03:04:05.123456789'", "2026-01-02T03:04:05.123456789"),
    "endless-time": ("timestamptz 'infinity'", None),
    "endless-date": ("date '-infinity'", None),
    "date": ("date '2026-01-02'", "2026-01-02"),
    "clock": ("time '01:02:03'", "01:02:03"),
    "interval": ("interval '1 month 2 days 3 seconds'", "P1M2DT3S"),
    "blob": ("'\\xAA\\x00'::blob", "aa00"),
    "uuid": ("'01a1fc3c-7b66-79b2-828f-af9a0411978d'::uuid", "01a1fc3c-7b66-79b2-828f-af9a0411978d"),
    "enum": ("'a'::enum('a', 'b')", "a"),
    "list": ("[1.5, null, 'nan'::double]", [1.5, None, None]),
    "struct": ("{'a': 1, 'b': [{'c': 'inf'::double}]}", {"a": 1, "b": [{"c": None}]}),
    "map": ("map {'k': 1}", {"k": 1}),
    "map-of-numbers": ("map {1: date '2026-01-02'}", {"1": "2026-01-02"}),
    "json": ("'{\"a\": 1}'::json", '{"a": 1}'),
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """Return the catalog of an empty store."""
    with open_catalog(tmp_path_factory.mktemp("store")) as opened:
        yield opened


@pytest.fixture
def ask(catalog: Catalog, tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes the answer to a question and returns the text."""

    def answer(question: str, form: str) -> str:
        out = tmp_path / "out"
        with catalog.sql(question) as rows:
            write_rows(rows, format=form, out=out)
        return out.read_text("utf-8")

    return answer


@pytest.mark.parametrize(("expression", "expected"), VALUES.values(), ids=VALUES)
def test_json_has_every_value_exactly(expression: str, expected: Any, ask: Callable[..., str]) -> None:
    column, _, source = expression.partition(" from ")
    [row] = json.loads(
        ask(f"select {column} as v from {source or 'range(1)'}", "json"), parse_constant=pytest.fail
    )
    assert row == {"v": expected}
    assert type(row["v"]) is type(expected)


@pytest.mark.parametrize("expression", [v[0] for v in VALUES.values()], ids=VALUES)
def test_every_value_has_a_text(expression: str, catalog: Catalog, tmp_path: Path) -> None:
    column, _, source = expression.partition(" from ")
    rows = catalog.sql(f"select {column} as v from {source or 'range(1)'}").arrow()
    for form in ("json", "csv", "table", "markdown"):
        write_rows(rows, format=form, out=tmp_path / form)
        assert (tmp_path / form).stat().st_size


def test_a_time_that_python_lacks_is_refused(ask: Callable[..., str]) -> None:
    with pytest.raises(ValueError, match="cast it to VARCHAR"):
        ask("select timestamp '200000-01-01' as t", "json")


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_two_columns_of_one_name_are_refused(form: str, ask: Callable[..., str]) -> None:
    with pytest.raises(ValueError, match="'a' occurs twice"):
        ask("select 1 as a, 2 as a", form)


def test_no_rows_are_an_empty_array_or_a_heading(ask: Callable[..., str]) -> None:
    nothing = "select 1 as a, 2 as b where false"
    assert ask(nothing, "json") == "[]\n"
    assert ask(nothing, "csv") == "a,b\n"
    assert ask(nothing, "table").split() == ["a", "b", "---", "---"]
    assert ask(nothing, "markdown").startswith("| a")


def test_json_is_one_array_over_all_batches(ask: Callable[..., str]) -> None:
    rows = json.loads(ask("select range as n from range(140000)", "json"))
    assert [row["n"] for row in rows] == list(range(140_000))


def test_csv_reads_back(ask: Callable[..., str]) -> None:
    text = ask("select 'a,\"b\"\nc' as t, 0.1 as d, null as n, [1, 2] as l, true as b", "csv")
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["t", "d", "n", "l", "b"],
        ['a,"b"\nc', "0.1", "", "[1, 2]", "true"],
    ]


def test_csv_has_all_digits_of_a_decimal(ask: Callable[..., str]) -> None:
    digits = ["12345678901234567890.1234567890", "-0.0000000001", "3.0000000000"]
    question = f"select unnest({digits})::decimal(38, 10) as d"
    assert ask(question, "csv").split() == ["d", *digits]


def test_parquet_keeps_types(tmp_path: Path) -> None:
    question = "select range as n, now() as t, 'x' as s, [1.5] as l, null::double as d from range(100000)"
    with open_catalog(tmp_path) as catalog, catalog.sql(question) as rows:
        write_rows(rows, format="parquet", out=tmp_path / "o.parquet")
    table = pq.read_table(tmp_path / "o.parquet")
    assert table.num_rows == 100_000
    assert table.schema.field("n").type == pa.int64()
    assert table.schema.field("t").type.tz is not None


def test_a_terminal_gets_no_parquet(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, screen = os.openpty()
    with open(terminal, "rb"), open(screen, "w", encoding="utf-8") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        with pytest.raises(ValueError, match="name a file with --out, or write it to a pipe"):
            write_rows([{"a": 1}], format="parquet")


def test_a_type_that_parquet_lacks_is_refused(ask: Callable[..., str]) -> None:
    with pytest.raises(ValueError, match="cast that column"):
        ask("select interval 1 day as i", "parquet")


def test_a_long_table_starts_again_with_a_heading(ask: Callable[..., str]) -> None:
    lines = ask("select range as n from range(25000)", "table").splitlines()
    assert sum(line.strip() == "n" for line in lines) == 3
    assert sum(line.strip().isdecimal() for line in lines) == 25_000


def test_a_table_stays_one_line_a_row(ask: Callable[..., str]) -> None:
    text = ask("select 'a\nb' as t, repeat('x', 500) as long, 'p|q' as pipe", "table")
    assert len(text.splitlines()) == 3
    assert "…" in text
    assert r"p\|q" in ask("select 'p|q' as pipe", "markdown")


class Trickle:
    """Batches that count how many were asked for before the first was written."""

    def __init__(self, out: Path) -> None:
        self.schema = pa.schema([("n", pa.int64())])
        self.out = out

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for k in range(7):
            if k == 5:
                assert sum(path.stat().st_size for path in self.out.parent.iterdir()) > 0
            yield pa.record_batch([pa.array(range(5000))], schema=self.schema)


@pytest.mark.parametrize("form", ["json", "csv", "table"])
def test_rows_leave_before_the_last_one_has_come(form: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_rows(Trickle(out), format=form, out=out)
    assert out.stat().st_size > 150_000


@pytest.mark.parametrize(
    ("chosen", "name", "expected"),
    [
        ("csv", "x.json", "csv"),
        (None, "x.parquet", "parquet"),
        (None, "x.md", "markdown"),
        (None, "x", "table"),
        (None, "x.TXT", "table"),
        ("json", "x.log", "json"),
    ],
    ids=["chosen", "parquet", "markdown", "none", "text", "own"],
)
def test_the_suffix_says_the_format_unless_one_is_chosen(
    chosen: str | None, name: str, expected: str
) -> None:
    assert format_of(chosen, Path(name)) == expected


def test_a_suffix_of_no_format_is_refused() -> None:
    with pytest.raises(ValueError, match=r"--out a\.xlsx: \.xlsx is no known form .*--format"):
        format_of(None, Path("a.xlsx"))


def test_mappings_can_be_written_too(tmp_path: Path) -> None:
    write_rows([{"a": 1, "b": None}, {"a": 2, "b": "x"}], format="json", out=tmp_path / "o")
    assert json.loads((tmp_path / "o").read_text()) == [{"a": 1, "b": None}, {"a": 2, "b": "x"}]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_full_place_is_named_and_stays(form: str) -> None:
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        write_rows([{"x": 1}], format=form, out=Path("/dev/full"))
    assert Path("/dev/full").is_char_device()
