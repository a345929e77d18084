"""``catalog.duckdb``: the store as one file for foreign clients.  A cache, derived and deletable.

It holds views alone: ``runs`` and ``conditions`` over the files of ``store/cache/segments.py``, row tables and
``samples`` over the runs' files.  So it is built again only where the columns change, and a new run costs one line.
Our own code never reads from it and never holds it open.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from string import Template

import duckdb

from store import comments, manifest, schema
from store.cache import segments
from store.cache.index import Holding
from store.cache.stamps import HIVE_KEY

NAME = "catalog.duckdb"

# `schema` spares reading every file at bind (`union_by_name` is 8 times slower) and excludes hive
# partitioning; by the file's name DuckDB skips files as it does by a hive key: 1 of 2 read for one run_id.
# Observables are called by identifiers, `filename` among them, so that name is none.
VIEW = Template("""
create view $name as
select regexp_extract("/file", 'run_id=([^/]+)/[^/]+$$', 1) as run_id, * exclude ("/file")
from read_parquet($files, filename = '/file', schema = map {$fields})
where run_id not in ($others)
""")

EMPTY = Template("create view $name as select $nulls where false")

REFUSING = Template("create view $name as select $nulls where error($reason) is null")

# A newer generation replaces all older files, be it empty, and theirs may be damaged; two writers without a lock may
# both have kept a run, and a line that is being written has no run id yet.
HELD = Template("""
with generations as (
    select regexp_extract(file, '[.]runs[.]([0-9]+)[.][^/]+$$', 1) as generation from glob($base)
),
lines as (
    select filename, content
    from read_blob($lines)
    where regexp_extract(filename, '[.]runs[.]([0-9]+)[.][^/]+$$', 1)
        = (select max(generation) from generations)
),
added as (
    select filename, unnest(string_split(decode(content), chr(30))) as line from lines
),
held as (
    select *
    from read_parquet($base, filename = true, hive_partitioning = false)
    where regexp_extract(filename, '[.]runs[.]([0-9]+)[.][^/]+$$', 1)
        = (select max(generation) from generations)
    union all by name
    select filename, unnest(try_cast(line as struct($fields))) from added
),
newest as (
    select *
    from held
    where run_id is not null
    qualify row_number() over (partition by run_id order by filename) = 1
)
""")
RUNS = Template("create view runs as $held select $columns from newest")
CONDITIONS = Template(
    "create view conditions as $held select run_id, unnest(c) from (select run_id, unnest(conditions) as c from newest)"
)


@cache
def made_by() -> str:
    """Return what the views depend on besides the store, as one hash."""
    texts = [
        VIEW.template,
        EMPTY.template,
        REFUSING.template,
        HELD.template,
        RUNS.template,
        CONDITIONS.template,
        _samples(),
    ]
    return hashlib.sha256("\n".join([repr(schema.TABLES), *texts]).encode()).hexdigest()[:16]


def build(root: Path, holdings: Sequence[Holding], others: Sequence[str]) -> None:
    """Build the file beside and put it in place of the old one; readers never see half of it.

    Parameters
    ----------
    root : Path
        The store.
    holdings : sequence of Holding
        Each distinct set of tables once.
    others : sequence of str
        Directories among the runs that are none.

    Raises
    ------
    OSError
        If the store cannot be written.
    """
    new = root / f"catalog.{uuid.uuid4().hex}.tmp"
    try:
        with duckdb.connect(str(new)) as connection:
            connection.begin()  # a flush for all of them, not for each
            for statement in _statements(root, holdings, others):
                connection.execute(statement)
            connection.commit()
        # A journal of the old file would be replayed on the new one.
        (root / f"{NAME}.wal").unlink(missing_ok=True)
        new.replace(root / NAME)
    except duckdb.Error as error:
        raise OSError(str(error).splitlines()[0]) from error
    finally:
        for left in root.glob(f"{new.stem}*.tmp*"):
            left.unlink(missing_ok=True)


def conflicts(holdings: Sequence[Holding]) -> list[str]:
    """Return a sentence for each table that no client can read, since a column of it has two types."""
    found = (manifest.union(holdings, table).conflict for table in _row_tables(holdings))
    return [sentence for sentence in found if sentence]


def _statements(root: Path, holdings: Sequence[Holding], others: Sequence[str]) -> Iterator[str]:
    """Return the views, then a comment on every table and column.

    DDL takes no parameters, so paths and names are quoted into it.
    """
    place = f"{_no_glob(os.path.realpath(root))}/{segments.NAME}"
    held = HELD.substitute(
        base=_literal(f"{place}.*.parquet"),
        lines=_literal(f"{place}.*.seq"),
        fields=", ".join(f"{_identifier(name)} {kind}" for name, kind in _kept_columns()),
    )
    yield RUNS.substitute(held=held, columns=", ".join(_identifier(c.name) for c in schema.RUNS.columns))
    yield CONDITIONS.substitute(held=held)
    for name in _row_tables(holdings):
        yield _view(root, name, holdings, others)
    yield "create view samples as\n" + _samples()
    for name in dict.fromkeys([*schema.TABLES, *_row_tables(holdings)]):
        yield " ".join(["comment on view", _identifier(name), "is", _literal(comments.of_table(name))])
        for column in _columns(name, holdings):
            place = f"{_identifier(name)}.{_identifier(column)}"
            yield " ".join(["comment on column", place, "is", _literal(comments.of_column(name, column))])


def _kept_columns() -> Iterator[tuple[str, str]]:
    """Yield the columns of the lines with their DuckDB types."""
    yield from ((column.name, column.type) for column in schema.RUNS.columns)
    fields = (c for c in schema.CONDITIONS.columns if c.name != "run_id")
    yield "conditions", f"struct({', '.join(f'{_identifier(c.name)} {c.type}' for c in fields)})[]"
    yield "layout", "VARCHAR"


def _columns(table: str, holdings: Sequence[Holding]) -> list[str]:
    derived = table in ("runs", "conditions", "samples")
    return list((schema.arrow(table) if derived else manifest.union(holdings, table).columns).names)


def _samples() -> str:
    return resources.files("store").joinpath("sql/samples.sql").read_text(encoding="utf-8")


def _row_tables(holdings: Iterable[Holding]) -> list[str]:
    files = {name for holding in holdings for name in holding.tables}
    return [*schema.ROW_TABLES, *sorted(files.difference(schema.ROW_TABLES))]


def _view(root: Path, table: str, holdings: Sequence[Holding], others: Sequence[str]) -> str:
    """Return the view of a row table, with the union of all runs' columns as its explicit schema."""
    columns, conflict = manifest.union(holdings, table)
    types = {name: schema.duckdb_type(kind) for name, kind in zip(columns.names, columns.types, strict=True)}
    name = _identifier(table)
    nulls = ", ".join(f"null::{kind} as {_identifier(column)}" for column, kind in types.items())
    if conflict:
        return REFUSING.substitute(name=name, nulls=nulls, reason=_literal(conflict))
    if not any(holding.columns(table) for holding in holdings):
        return EMPTY.substitute(name=name, nulls=nulls)
    files = f"{_no_glob(os.path.realpath(root))}/runs/run_id=*/{_no_glob(table)}.parquet"
    fields = ", ".join(_field(column, kind) for column, kind in types.items() if column != "run_id")
    left_out = ", ".join(_literal(name.removeprefix(HIVE_KEY)) for name in [*others, ""])
    return VIEW.substitute(name=name, files=_literal(files), fields=fields, others=left_out)


def _field(name: str, kind: str) -> str:
    return f"{_literal(name)}: {{name: {_literal(name)}, type: {_literal(kind)}, default_value: null}}"


def _no_glob(path: str) -> str:
    """Return ``path`` so that DuckDB's glob takes it to the letter."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
