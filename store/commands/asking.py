"""What each reading command of ``python -m store`` does; every one returns its exit code."""

from __future__ import annotations

import argparse
from pathlib import Path

import pyarrow as pa

from store import comments, output, publishing, schema
from store.catalog import Catalog, open_catalog
from store.commandline import note
from store.commands import listing, statement
from store.commands.shell import Shell
from store.selection import Selection
from store.upkeep import damage, maintenance, quarantine


def opened(arguments: argparse.Namespace) -> Catalog:
    """Open the store that a command line names, and say which of its runs cannot be read."""
    catalog = open_catalog(arguments.store, live=arguments.live, timeout_s=arguments.timeout_s)
    for problem in catalog.problems[:2]:
        note(problem)
    if len(catalog.problems) > 2:
        note(f"{len(catalog.problems) - 2} more runs cannot be read; `python -m store verify` lists them")
    return catalog


def write(arguments: argparse.Namespace, data: output.Data) -> None:
    """Write rows as the command line asks."""
    output.write_rows(data, format=output.format_of(arguments.format, arguments.out), out=arguments.out)


def required(store: Path) -> None:
    """Refuse a store that is no directory."""
    with open_catalog(store):
        pass


def ls(arguments: argparse.Namespace) -> int:
    """List the selected runs."""
    names = listing.columns(arguments.columns)
    with opened(arguments) as catalog:
        ids = Selection.of(arguments).ids(catalog, running=True)
        runs = catalog.runs(ids)
        everybody = catalog.select(running=True)
    runs = listing.ordered(runs, arguments.sort).select(names)
    _mention_unpublished(arguments.store)
    if everybody and not runs.num_rows:
        note(f"no run of store {arguments.store} is selected; it holds {len(everybody)}")
    format_ = output.format_of(arguments.format, arguments.out)
    if format_ == "table" and arguments.columns is None and not arguments.out:
        if runs.num_rows:
            write(arguments, listing.shown(runs, everybody))
    elif runs.num_rows or arguments.out or format_ not in ("table", "markdown"):
        write(arguments, runs)
    return 0


def _mention_unpublished(store: Path) -> None:
    dead = maintenance.unpublished(store)
    if dead:
        ended = "1 run" if len(dead) == 1 else f"{len(dead)} runs"
        pronoun = "it" if len(dead) == 1 else "them"
        command = f"python -m store refresh --store {store}"
        note(f"{ended} ended without being published; `{command}` publishes {pronoun}")


def sql(arguments: argparse.Namespace) -> int:
    """Ask one statement over the tables of the selected runs."""
    query = statement.text(arguments.query, arguments.file)
    params = statement.parameters(arguments.param)
    with opened(arguments) as catalog:
        ids = Selection.of(arguments).ids(catalog, running=True)
        limits = {"timeout_s": arguments.timeout_s, "memory_limit": arguments.memory_limit}
        with catalog.sql(query, params, runs=ids, **limits) as rows:
            write(arguments, statement.Limited(rows, arguments.limit))
    return 0


def shell(arguments: argparse.Namespace) -> int:
    """Ask one statement after another."""
    required(arguments.store)
    return Shell(arguments.store, Selection.of(arguments), arguments).run()


def describe(arguments: argparse.Namespace) -> int:
    """List the tables, or the columns of one."""
    with opened(arguments) as catalog:
        tables = catalog.columns(Selection.of(arguments).ids(catalog, running=True))
    # As in SQL, whatever its case.
    table = next((name for name in tables if name.lower() == str(arguments.table).lower()), None)
    if arguments.table is None:
        rows: output.Data = [
            {"table": name, "columns": len(columns), "comment": comments.of_table(name)}
            for name, columns in tables.items()
        ]
    elif table is not None:
        rows = [
            {
                "column": column.name,
                "type": schema.duckdb_type(column.type),
                "comment": comments.of_column(table, column.name),
            }
            for column in tables[table]
        ]
    else:
        raise ValueError(f"there is no table {arguments.table!r}; the store has {', '.join(tables)}")
    write(arguments, rows)
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Check every published run; put the damaged ones aside if asked to."""
    required(arguments.store)
    published = len(damage.directories(arguments.store))
    problems = damage.verify(arguments.store)
    aside = quarantine.repair(arguments.store, problems) if arguments.repair else {}
    if problems or arguments.format is not None:
        names = [*damage.Problem._fields, *(["quarantined"] if arguments.repair else [])]
        rows = [
            problem._asdict() | {"quarantined": str(aside[problem]) if aside.get(problem) else None}
            for problem in problems
        ]
        write(arguments, pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in names])))
    named = {problem.run_id for problem in problems}
    newer = {each for each in named if damage.is_newer(publishing.run_directory(arguments.store, each))}
    note(f"damaged runs: {len(named - newer)} of {published}")
    if named - newer and not arguments.repair:
        note(
            f"`python -m store verify --repair --store {arguments.store}` puts them aside and deletes nothing"
        )
    if newer:
        note(f"written by a later version, and not checked: {len(newer)} of {published}; update driftlab")
    moved = quarantine.moved(aside.values())
    if moved:
        note(f"put aside in {arguments.store / quarantine.NAME}: {len(moved)}; nothing was deleted")
        maintenance.refresh_catalog(arguments.store, note)
    return 2 if len(problems) > sum(path is not None for path in aside.values()) else 0
