"""What each command of ``python -m store`` does; every one returns its exit code."""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from probes import ownership
from store import damage, enriching, maintenance, manifest, output, publishing, raw, sanity, schema
from store.adopting import adopt
from store.catalog import Catalog, open_catalog
from store.commandline import note, sentence
from store.selection import Selection

LISTED = (
    "run_id", "experiment", "optimization", "seed", "replicate",
    "status", "started_at", "wall_s", "n_cycles", "error",
)  # fmt: skip

DONE = """
-- one row per run with cycles: (run_id, n_cycles)
select run_id, count(*) as n_cycles from cycles where process = 0 group by run_id
"""


def _open(arguments: argparse.Namespace) -> Catalog:
    catalog = open_catalog(arguments.store, live=arguments.live, timeout_s=arguments.timeout_s)
    for problem in catalog.problems[:2]:
        note(problem)
    if len(catalog.problems) > 2:
        note(f"{len(catalog.problems) - 2} more runs cannot be read; `python -m store verify` lists them")
    return catalog


def _write(arguments: argparse.Namespace, data: output.Data) -> None:
    output.write_rows(data, format=output.format_of(arguments.format, arguments.out), out=arguments.out)


def ls(arguments: argparse.Namespace) -> int:
    """List the selected runs."""
    with _open(arguments) as catalog:
        ids = Selection.of(arguments).ids(catalog, running=True)
        runs = catalog.runs(ids).select(LISTED)
        if arguments.live:
            runs = _with_cycles(catalog, runs)
    _mention_unpublished(arguments.store)
    format_ = output.format_of(arguments.format, arguments.out)
    if runs.num_rows or arguments.out or format_ not in ("table", "markdown"):
        _write(arguments, runs)
    return 0


def _with_cycles(catalog: Catalog, runs: pa.Table) -> pa.Table:
    """Fill in how many cycles the running runs have done."""
    rows = runs.to_pylist()
    running = [row["run_id"] for row in rows if row["status"] == "running"]
    done = {row["run_id"]: row["n_cycles"] for row in catalog.query(DONE, runs=running)}
    counts = [done.get(row["run_id"], row["n_cycles"]) for row in rows]
    column = runs.schema.get_field_index("n_cycles")
    return runs.set_column(column, "n_cycles", pa.array(counts, pa.int64()))


def _mention_unpublished(store: Path) -> None:
    dead = [
        spool
        for spool in manifest.spools(store)
        if ownership.state(spool) == "dead"
        and not publishing.is_published(publishing.run_directory(store, spool.name))
    ]
    if dead:
        ended = "1 run" if len(dead) == 1 else f"{len(dead)} runs"
        pronoun = "it" if len(dead) == 1 else "them"
        command = f"python -m store refresh --store {store}"
        note(f"{ended} ended without being published; `{command}` publishes {pronoun}")


def sql(arguments: argparse.Namespace) -> int:
    """Ask one statement over the tables of the selected runs."""
    with _open(arguments) as catalog:
        ids = Selection.of(arguments).ids(catalog, running=True)
        with catalog.sql(arguments.query, runs=ids, timeout_s=arguments.timeout_s) as rows:
            _write(arguments, rows)
    return 0


def describe(arguments: argparse.Namespace) -> int:
    """List the tables, or the columns of one."""
    with _open(arguments) as catalog:
        tables = catalog.columns(Selection.of(arguments).ids(catalog, running=True))
    if arguments.table is None:
        rows: output.Data = [
            {"table": name, "columns": len(columns), "comment": _comment(name)}
            for name, columns in tables.items()
        ]
    elif arguments.table in tables:
        rows = _columns(arguments.table, tables[arguments.table])
    else:
        raise ValueError(f"there is no table {arguments.table!r}; the store has {', '.join(tables)}")
    _write(arguments, rows)
    return 0


def _comment(table: str) -> str:
    return schema.TABLES[table].comment if table in schema.TABLES else "one row per reading"


def _columns(table: str, columns: pa.Schema) -> list[dict[str, str | int]]:
    known = schema.TABLES[table].columns if table in schema.TABLES else ()
    comments = {column.name: column.comment for column in known}
    added = "observable of the workload" if table == "cycles" else "field of the probe"
    return [
        {"column": c.name, "type": schema.duckdb_type(c.type), "comment": comments.get(c.name, added)}
        for c in columns
    ]


def export(arguments: argparse.Namespace) -> int:
    """Write one run in the study's raw form."""
    with open_catalog(arguments.store) as catalog:
        [run_id] = catalog.select(runs=[arguments.run_id], running=True)
        [status] = catalog.runs([run_id])["status"].to_pylist()
        if status == "running":
            raise ValueError(f"run {run_id} is still running; export it when it has ended")
        text = raw.json_text(raw.export_run(catalog, run_id)).encode()
    packed = arguments.out is not None and arguments.out.suffix == ".gz"
    with output.opened(arguments.out) as stream:
        # Without a time of its own the same run gives the same bytes.
        stream.write(gzip.compress(text, mtime=0) if packed else text)
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Check every published run."""
    _require(arguments.store)
    problems = damage.verify(arguments.store)
    runs = {problem.run_id for problem in problems}
    if problems or arguments.format is not None:
        columns = pa.schema([(name, pa.string()) for name in damage.Problem._fields])
        rows = pa.Table.from_pylist([problem._asdict() for problem in problems], schema=columns)
        _write(arguments, rows)
    note(f"damaged runs: {len(runs)} of {len(manifest.published(arguments.store))}")
    return 2 if problems else 0


def _require(store: Path) -> None:
    with open_catalog(store):
        pass


def refresh(arguments: argparse.Namespace) -> int:
    """Publish what died; rebuild what is derived."""
    if not arguments.store.is_dir():
        _require(arguments.store)
    _write_ids(arguments, maintenance.refresh(arguments.store, note=note))
    return 0


def adopt_(arguments: argparse.Namespace) -> int:
    """Publish one spool."""
    spool: Path = arguments.spool.absolute()
    if not (spool / "job.json").is_file() and not publishing.is_published(_run_of(spool)):
        raise ValueError(f"{arguments.spool} is no spool directory; name one as <store>/spool/<run id>")
    run_id = adopt(spool, wait=_has_ended(spool), force=arguments.force)
    if run_id is None:
        raise ValueError(
            f"{arguments.spool} belongs to a run that lives, is younger than a minute, or lies where locks do "
            "not work; wait for its end, or add --force if it has ended"
        )
    maintenance.refresh_catalog(spool.parent.parent, note)
    _write_ids(arguments, [run_id])
    return 0


def _run_of(spool: Path) -> Path:
    return publishing.run_directory(spool.parent.parent, spool.name)


def _has_ended(spool: Path) -> bool:
    """Tell whether only another adopter can hold the lock: the owner is gone, or it started us and waits."""
    try:
        owner = int((spool / "owner.pid").read_text(encoding="ascii"))
        if owner != os.getppid():
            os.kill(owner, 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):
        return False
    return owner == os.getppid()


def import_(arguments: argparse.Namespace) -> int:
    """Bring raw files in; one that is refused does not stop the others."""
    if arguments.store.exists() and not arguments.store.is_dir():
        _require(arguments.store)
    ids: list[str] = []
    code = 0
    for path in arguments.files:
        try:
            result = raw.import_file(path, arguments.store, experiment=arguments.experiment)
        except (ValueError, OSError) as error:
            note(sentence(error))
            code = 2
            continue
        for remark in result.notes:
            note(f"{path.name}: {remark}" if len(arguments.files) > 1 else remark)
        ids.extend(result.run_ids)
    if ids:
        maintenance.refresh_catalog(arguments.store, note)
        with open_catalog(arguments.store) as catalog:
            for doubt in sanity.notes(catalog, ids):
                note(doubt)
    _write_ids(arguments, ids)
    return code


def enrich(arguments: argparse.Namespace) -> int:
    """Add to the selected runs what was not recorded with them."""
    if not (arguments.runs or arguments.run or arguments.where or arguments.latest or arguments.last):
        raise ValueError("no run is named; give ids, or choose runs with --where")
    chosen = replace(Selection.of(arguments), runs=(*arguments.runs, *arguments.run))
    with _open(arguments) as catalog:
        ids = chosen.ids(catalog, running=True)
    if arguments.infer:
        found = enriching.enrich_by_inference(arguments.store, ids, note=note)
        if len(found) < len(ids):
            note(f"nothing more can be inferred of {len(ids) - len(found)} of {len(ids)} runs")
    elif arguments.from_file is not None:
        values, source = _from_file(arguments.from_file)
        found = enriching.enrich(arguments.store, ids, values, source=source)
    else:
        found = enriching.enrich(arguments.store, ids, _pairs(arguments.set), source={"by": "--set"})
    if found:
        maintenance.refresh_catalog(arguments.store, note)
    _write_ids(arguments, found)
    return 0


def _pairs(words: Sequence[str]) -> dict[str, str]:
    pairs = [word.partition("=") for word in words]
    for word, (name, sign, _) in zip(words, pairs, strict=True):
        if not name or not sign:
            raise ValueError(f"--set {word!r} is no pair; write --set key=value")
    found = {name: value for name, _, value in pairs}
    if len(found) < len(pairs):
        raise ValueError(f"--set names a key twice ({', '.join(name for name, _, _ in pairs)}); name it once")
    return found


def _from_file(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    data = path.read_bytes()
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is not valid JSON ({error}); write an object of values by column"
        ) from error
    if not isinstance(values, dict):
        raise ValueError(f"{path} holds no object; write one of values by column of runs")
    return values, {"by": "--from", "file": path.name, "sha256": hashlib.sha256(data).hexdigest()}


def _write_ids(arguments: argparse.Namespace, ids: Sequence[str]) -> None:
    """Write run ids, bare unless a format is asked for."""
    if arguments.format or arguments.out:
        _write(arguments, pa.table({"run_id": pa.array(ids, pa.string())}))
        return
    for run_id in ids:
        sys.stdout.write(f"{run_id}\n")
