"""What ``export`` writes: runs in the study's raw form, or as they are, in a store of their own."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

from store import carrying, output, publishing, raw
from store.catalog import Catalog

FORMATS = ("json", "parquet")


def export(catalog: Catalog, ids: Sequence[str], *, format: str, out: Path | None) -> list[Path]:  # noqa: A002
    """Write runs and return where they lie; one in raw form may go to stdout.

    ``json`` is the study's raw form, gzip where a file's name ends in .gz.  ``parquet`` loses nothing: ``out``
    is, or becomes, a store that holds the runs with their files, names and layers, and ``import`` takes it back.

    Raises
    ------
    ValueError
        If a run is still running, or ``out`` cannot hold what is asked.
    OSError
        If it cannot be written.
    """
    for run_id in ids:
        if catalog.runs([run_id])["status"].to_pylist() == ["running"]:
            raise ValueError(f"run {run_id} is still running; export it when it has ended")
    if format == "parquet":
        return _as_they_are(catalog, ids, out)
    if len(ids) == 1 and (out is None or not out.is_dir()):
        _raw(catalog, ids[0], out)
        return [] if out is None else [out]
    if out is None:
        raise ValueError(
            f"{len(ids)} runs do not go to stdout; name a directory with --out, or choose one run"
        )
    if not out.is_dir() and (out.exists() or out.suffix in (".json", ".gz")):
        raise ValueError(
            f"{len(ids)} runs do not go into one file {out}; name a directory with --out, or choose one run"
        )
    return _into(catalog, ids, out)


def _as_they_are(catalog: Catalog, ids: Sequence[str], out: Path | None) -> list[Path]:
    if out is None or (out.exists() and not out.is_dir()):
        raise ValueError(
            f"--format parquet needs a directory to write runs into, not {out or 'stdout'}; name one with --out"
        )
    if out.resolve() == catalog.root.resolve():
        raise ValueError(f"{out} is the store itself; name another directory with --out")
    for run_id in ids:
        carrying.carry(publishing.run_directory(catalog.root, run_id), out)
    return [publishing.run_directory(out, run_id) for run_id in ids]


def _into(catalog: Catalog, ids: Sequence[str], out: Path) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    places = [out / _name(catalog, run_id) for run_id in ids]
    for run_id, place in zip(ids, places, strict=True):
        _raw(catalog, run_id, place)
    return places


def _name(catalog: Catalog, run_id: str) -> str:
    [run] = catalog.runs([run_id]).to_pylist()
    return raw.export_name(run, catalog.query("-- one row per condition\nfrom conditions", runs=[run_id]))


def _raw(catalog: Catalog, run_id: str, out: Path | None) -> None:
    text = raw.json_text(raw.export_run(catalog, run_id)).encode()
    packed = out is not None and out.suffix == ".gz"
    with output.opened(out) as stream:
        # Without a time of its own the same run gives the same bytes.
        stream.write(gzip.compress(text, mtime=0) if packed else text)
