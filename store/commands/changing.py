"""What each command of ``python -m store`` that writes does; every one returns its exit code."""

from __future__ import annotations

import argparse
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
from store import exporting, importing, publishing, spooled
from store.adopting import adopt
from store.cache import compacting
from store.catalog import open_catalog
from store.checks import sanity
from store.commandline import note
from store.commands.asking import opened, required, write
from store.importing import Wanted
from store.layers import enriching, tagging
from store.selection import Selection
from store.upkeep import maintenance, removing


def export(arguments: argparse.Namespace) -> int:
    """Write the selected runs in the study's raw form, or as they are."""
    with opened(arguments) as catalog:
        ids = _chosen(arguments).ids(catalog, running=True)
        written = exporting.export(catalog, ids, format=arguments.format, out=arguments.out)
    if len(written) > 1 or arguments.format == "parquet":
        note(
            f"{len(written)} runs are in {arguments.out}"
            if len(written) != 1
            else f"1 run is in {arguments.out}"
        )
    return 0


def _chosen(arguments: argparse.Namespace, lacking: str = "no run is named; give ids") -> Selection:
    """Return the selection of a command that must not take all runs for want of a word."""
    chosen = Selection.of(arguments)
    chosen = replace(chosen, runs=(*arguments.runs, *chosen.runs))
    if not chosen:
        raise ValueError(f"{lacking}, or choose runs with --where, --tag, --latest or --last")
    return chosen


def tag(arguments: argparse.Namespace) -> int:
    """Give the selected runs a label, or take it back."""
    label = arguments.label
    tagging.checked(label)
    with opened(arguments) as catalog:
        alone = f"no run is named, or no label: {label!r} stands alone; write RUN LABEL"
        ids = _chosen(arguments, alone).ids(catalog, running=True)
    change = tagging.untag if arguments.remove else tagging.tag
    gone: list[str] = []
    changed = change(arguments.store, ids, label, gone)
    if gone:
        note(f"{len(gone)} of {len(ids)} runs were removed meanwhile, {gone[0]} first")
    if same := len(ids) - len(gone) - len(changed):
        already = "did not have it" if arguments.remove else "had it already"
        note(f"{same} of {len(ids)} runs {already}")
    if changed:
        maintenance.refresh_catalog(arguments.store, note)
    _write_ids(arguments, changed)
    return 0


def rm(arguments: argparse.Namespace) -> int:
    """Show which runs would go; with --yes they go."""
    with opened(arguments) as catalog:
        ids = _chosen(arguments).ids(catalog, running=True)
    going = removing.going(arguments.store, ids)
    if going or arguments.format or arguments.out:
        write(arguments, [run._asdict() for run in going] or pa.table({"run_id": pa.array([], pa.string())}))
    runs = "1 run" if len(going) == 1 else f"{len(going)} runs"
    size = sum(run.bytes for run in going)
    if not going:
        note(f"no run of store {arguments.store} is selected; nothing would go")
    elif arguments.yes:
        removing.remove(arguments.store, ids, note)
        maintenance.refresh_catalog(arguments.store, note)
        note(f"removed {runs}, {size} bytes")
    else:
        note(f"{runs}, {size} bytes, would go for good; add --yes to remove them")
    return 0


def refresh(arguments: argparse.Namespace) -> int:
    """Publish what died; rebuild what is derived."""
    if not arguments.store.is_dir():
        required(arguments.store)
    dead = maintenance.unpublished(arguments.store)
    _write_ids(arguments, maintenance.refresh(arguments.store, note=note))
    # One that died meanwhile is the next refresh's.
    return 2 if {*dead}.intersection(maintenance.unpublished(arguments.store)) else 0


def compact(arguments: argparse.Namespace) -> int:
    """Merge the rows of all runs into a cache."""
    required(arguments.store)
    maintenance.refresh_catalog(arguments.store, note)
    rows = compacting.compact(arguments.store, note)
    columns = pa.schema([("table", pa.string()), ("rows", pa.int64())])
    found = [{"table": table, "rows": count} for table, count in sorted(rows.items())]
    write(arguments, pa.Table.from_pylist(found, schema=columns))
    return 0


def adopt_(arguments: argparse.Namespace) -> int:
    """Publish one spool."""
    spool: Path = arguments.spool.absolute()
    if not (spool / "job.json").is_file() and not publishing.is_published(_run_of(spool)):
        raise ValueError(f"{arguments.spool} is no spool directory; name one as <store>/spool/<run id>")
    run_id = adopt(spool, wait=_has_ended(spool), force=arguments.force)
    if run_id is None and arguments.force:
        raise ValueError(f"{arguments.spool} belongs to a run that lives; wait for its end, or stop it")
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
        # In a store that several hosts share, the number may be of a process elsewhere.
        if spooled.read_job(spool).run["boot_id"] != ownership.boot_id():
            return False
        if owner != os.getppid():
            os.kill(owner, 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):
        return False
    return owner == os.getppid()


def import_(arguments: argparse.Namespace) -> int:
    """Bring files and trees in; what is refused does not stop the others."""
    if arguments.store.exists() and not arguments.store.is_dir():
        required(arguments.store)
    wanted = Wanted(arguments.experiment, tuple(arguments.map))
    brought = importing.bring(arguments.files, arguments.store, wanted, note)
    if brought.run_ids:
        maintenance.refresh_catalog(arguments.store, note)
        with open_catalog(arguments.store) as catalog:
            for doubt in sanity.notes(catalog, brought.run_ids):
                note(doubt)
    _write_ids(arguments, brought.run_ids)
    return 0 if brought.whole else 2


def enrich(arguments: argparse.Namespace) -> int:
    """Add to the selected runs what was not recorded with them."""
    with opened(arguments) as catalog:
        ids = _chosen(arguments).ids(catalog, running=True)
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
        write(arguments, pa.table({"run_id": pa.array(ids, pa.string())}))
        return
    for run_id in ids:
        sys.stdout.write(f"{run_id}\n")
