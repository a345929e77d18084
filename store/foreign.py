"""``catalog.duckdb``: the store as one file for foreign clients.  A cache, derived and deletable.

Tables ``runs`` and ``conditions`` are copied into it, row tables and ``samples`` are views over the runs'
files.  Our own code never reads from it and never holds it open.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from string import Template

import duckdb
import pyarrow as pa

from store import manifest, schema
from store.manifest import Manifest

NAME = "catalog.duckdb"

# `schema` spares reading every file at bind (`union_by_name` is 8 times slower) and excludes hive
# partitioning; by `filename` DuckDB skips files as it does by a hive key: 1 of 2 read for one run_id.
VIEW = Template("""
create view $name as
select regexp_extract(filename, 'run_id=([^/]+)/[^/]+$$', 1) as run_id, * exclude (filename)
from read_parquet($files, filename = true, schema = map {$fields})
where run_id not in ($others)
""")

EMPTY = Template("create view $name as select $nulls where false")


def is_fresh(root: Path, manifests: Sequence[Manifest]) -> bool:
    """Tell whether the cache exists, can be read, and was built here from exactly these runs."""
    path = root / NAME
    if not path.is_file():
        return False
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            found = connection.execute("select value from fingerprint").fetchall()
    except duckdb.Error:
        return False
    return found == [(fingerprint(root, manifests),)]


def rebuild(root: Path, manifests: Sequence[Manifest]) -> None:
    """Build the cache beside and put it in place of the old one; readers never see half of it.

    Raises
    ------
    OSError
        If the store cannot be written.
    ValueError
        If the runs do not fit into one table; see ``manifest.columns``.
    """
    new = root / f"catalog.{uuid.uuid4().hex}.tmp"
    with _exclusive(root):
        if is_fresh(root, manifests):  # somebody else built it while we waited
            return
        try:
            _build(new, root, manifests)
            # A journal of the old file would be replayed on the new one.
            (root / f"{NAME}.wal").unlink(missing_ok=True)
            new.replace(root / NAME)
        except (duckdb.IOException, duckdb.TransactionException) as error:
            raise OSError(str(error).splitlines()[0]) from error
        finally:
            _sweep(root, new.stem)


def fingerprint(root: Path, manifests: Sequence[Manifest]) -> str:
    """Return what the cache depends on as one hash: where the store lies, its runs and their layers."""
    layout = [str(schema.FORMAT), repr(schema.TABLES), VIEW.template, EMPTY.template, _samples()]
    runs = (f"{m.run_id} {m.layers}" if m.layers else m.run_id for m in manifests)
    lines = [str(root.absolute()), *layout, *sorted(runs)]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()


@contextmanager
def _exclusive(root: Path) -> Iterator[None]:
    """Hold the lock of the cache's builders; where there are no locks, go on: the last replace wins."""
    descriptor = os.open(root / "catalog.lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _sweep(root, "catalog.")  # nobody else builds now: what lies there is of killed builders
        yield
    finally:
        os.close(descriptor)


def _sweep(root: Path, start: str) -> None:
    for left in root.glob(f"{start}*.tmp*"):
        left.unlink(missing_ok=True)


def _build(path: Path, root: Path, manifests: Sequence[Manifest]) -> None:
    with duckdb.connect(str(path)) as connection:
        _copy(connection, "runs", manifest.runs_table(manifests))
        _copy(connection, "conditions", manifest.conditions_table(manifests))
        for statement in _statements(root, manifests):
            connection.execute(statement)
        connection.execute(
            "create table fingerprint as select $value as value", {"value": fingerprint(root, manifests)}
        )


def _copy(connection: duckdb.DuckDBPyConnection, name: str, data: pa.Table) -> None:
    connection.register("copied", data)
    connection.execute(" ".join(["create table", _identifier(name), "as from copied"]))
    connection.unregister("copied")


def _statements(root: Path, manifests: Sequence[Manifest]) -> Iterator[str]:
    """Return the views, then a comment on every table and column.

    DDL takes no parameters, so paths and names are quoted into it.
    """
    for name in _row_tables(manifests):
        yield _view(root, name, manifests)
    yield "create view samples as\n" + _samples()
    for table in schema.TABLES.values():
        kind = "table" if table.name in ("runs", "conditions") else "view"
        yield " ".join(["comment on", kind, table.name, "is", _literal(table.comment)])
        for column in table.columns:
            place = f"{table.name}.{_identifier(column.name)}"
            yield " ".join(["comment on column", place, "is", _literal(column.comment)])


def _samples() -> str:
    return (Path(__file__).with_name("sql") / "samples.sql").read_text(encoding="utf-8")


def _row_tables(manifests: Iterable[Manifest]) -> list[str]:
    files = {Path(name).stem for m in manifests for name, file in m.files.items() if file.columns}
    return [*schema.ROW_TABLES, *sorted(files.difference(schema.ROW_TABLES))]


def _view(root: Path, table: str, manifests: Sequence[Manifest]) -> str:
    """Return the view of a row table, with the union of all runs' columns as its explicit schema."""
    columns = manifest.columns(manifests, table)
    types = {name: schema.duckdb_type(kind) for name, kind in zip(columns.names, columns.types, strict=True)}
    name = _identifier(table)
    if not any(m.columns(table) for m in manifests):
        nulls = ", ".join(f"null::{kind} as {_identifier(column)}" for column, kind in types.items())
        return EMPTY.substitute(name=name, nulls=nulls)
    files = f"{_no_glob(str(root.absolute()))}/runs/run_id=*/{_no_glob(table)}.parquet"
    fields = ", ".join(_field(column, kind) for column, kind in types.items() if column != "run_id")
    return VIEW.substitute(name=name, files=_literal(files), fields=fields, others=_others(root, manifests))


def _others(root: Path, manifests: Sequence[Manifest]) -> str:
    """Return what lies among the runs but is none of these (unreadable, or newer than the cache) as a list."""
    known = {m.directory.name for m in manifests}
    names = sorted(path.name for path in (root / "runs").glob("run_id=*") if path.name not in known)
    return ", ".join(_literal(name.removeprefix("run_id=")) for name in [*names, ""])


def _field(name: str, kind: str) -> str:
    return f"{_literal(name)}: {{name: {_literal(name)}, type: {_literal(kind)}, default_value: null}}"


def _no_glob(path: str) -> str:
    """Return ``path`` so that DuckDB's glob takes it to the letter."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
