"""What a raw file says about a run as a whole: names, times, versions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from store.raw.fields import EXACT, Field
from store.raw.form import OWN, OWN_COUNTS, OWN_TEXTS
from store.raw.times import Instant

_NUMBERED = re.compile(r"(?<![a-z0-9])(?:cycle[ _-]?|c)(\d+)(?![a-z0-9])", re.IGNORECASE)
_ROWS = ("conditions", "system_metrics", "per_cycle_metrics", "io_metrics", "results", "history")
_ZONELESS = "times without a zone were taken as UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One run of a raw file as the rows that it becomes; ``run`` holds the columns of ``runs`` that it gives.

    ``config`` keeps what no table holds.  A file of several runs may name the ``experiment`` of each, and
    ``notes`` are of this run alone.
    """

    run: Mapping[str, Any]
    conditions: Sequence[Mapping[str, Any]]
    tables: Mapping[str, pa.Table]
    config: Mapping[str, Any]
    experiment: str | None = None
    notes: Sequence[str] = ()


class Reader(Protocol):
    """What a module that reads one form offers; ``EXPECTED`` names the form in a refusal."""

    EXPECTED: str

    def recognises(self, document: Field) -> bool:
        """Tell by its outermost names whether a document has this form."""

    def read(self, document: Field, notes: list[str]) -> Sequence[Recording]:
        """Return the runs that a document of this form holds."""


def note(notes: list[str], text: str) -> None:
    """Add a note once."""
    if text not in notes:
        notes.append(text)


def moment(field: Field, notes: list[str]) -> Instant | None:
    """Return the time in ``field``, noting that one without a zone was taken as UTC."""
    found = field.instant()
    if found is not None and not found.zoned:
        note(notes, _ZONELESS)
    return found


def metadata(document: Field) -> Field:
    """Return the object that describes the run: ``metadata``, or the document where it has none."""
    return document.get("metadata") if document.has("metadata") else document


def start(document: Field, notes: list[str]) -> Instant | None:
    """Return when the run started, by the first of the names that the study uses."""
    about = metadata(document)
    for name in ("start_time", "date", "timestamp"):
        found = moment(about.get(name), notes)
        if found is not None:
            if name != "start_time":
                note(notes, f"the file names no start; its {name} stands for it")
            return found
    return None


def run(document: Field, notes: list[str]) -> dict[str, Any]:
    """Return the columns of ``runs`` that the metadata give."""
    about = metadata(document)
    began, ended = start(document, notes), moment(about.get("end_time"), notes)
    if began and ended and ended.ns < began.ns:
        raise about.get("end_time").refusal("a time after start_time")
    return {
        "started_at": began and began.datetime(),
        "ended_at": ended and ended.datetime(),
        "wall_s": _wall_s(about, began, ended, notes),
        **versions(about, notes),
        **_own(about),
    }


def versions(about: Field, notes: list[str]) -> dict[str, Any]:
    """Return what ran the workload and how, as the metadata give it."""
    return {
        "python": about.get("python_version").text(),
        "os": about.get("os").text(),
        "optimization": _optimization(about, notes),
    }


def of_cycles(table: pa.Table, start_ns: int, end_ns: int, config: Mapping[str, Any]) -> Recording:
    """Return the run of a file that holds its cycles and nothing else, all of one condition."""
    wall_ns = table["wall_ns"]
    condition = {
        "condition": "all",
        "position": 0,
        "mechanisms": {},
        "condition_cycles": table.num_rows,
        "condition_wall_s": None if wall_ns.null_count else sum(wall_ns.to_pylist()) / 1e9,
    }
    run = {
        "started_at": Instant(start_ns, zoned=True).datetime(),
        "ended_at": Instant(end_ns, zoned=True).datetime(),
        "wall_s": (end_ns - start_ns) / 1e9,
        "n_cycles": table.num_rows,
    }
    return Recording(run=run, conditions=[condition], tables={"cycles": table}, config=config)


def experiment(document: Field) -> str:
    """Return the experiment's name: our own, ``c<N>`` from a cycle number, else the file's stem."""
    path = Path(document.file)
    about = metadata(document) if isinstance(document.value, dict) else Field(path.name, "", {})
    own = about.get(OWN)
    if own.value is not None and own.get("experiment").text():
        return str(own.get("experiment").value)
    named = (about.get(name).value for name in ("cycle", "cycle_id", "experiment_id", "experiment"))
    texts = [
        f"c{value}" if isinstance(value, int) else value for value in named if not isinstance(value, bool)
    ]
    for text in [*texts, path.name]:
        found = _NUMBERED.search(text.replace("_", " ")) if isinstance(text, str) else None
        if found:
            return f"c{int(found[1])}"
    return path.name.removesuffix(".gz").removesuffix(".json").removesuffix(".csv").removesuffix(".parquet")


def leftover(document: Field) -> dict[str, Any]:
    """Return what no table holds (metadata, the file's own analysis), to be kept in ``runs.config``."""
    return {key: plain(value) for key, value in document.object().items() if key not in _ROWS}


def plain(value: Any) -> Any:
    """Return a JSON value with floats for ``Decimal``."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


def _wall_s(about: Field, began: Instant | None, ended: Instant | None, notes: list[str]) -> float | None:
    hours = about.get("runtime_hours").number(at_least=0)
    span = (ended.ns - began.ns) / 1e9 if began and ended else None
    if hours is None:
        return None if about.has("runtime_hours") else span
    seconds = float(EXACT.multiply(hours, Decimal(3600)))
    if span is not None and abs(seconds - span) > 0.01 * max(seconds, span) + 1:
        note(notes, f"runtime_hours says {seconds:.6g} s, start_time and end_time are {span:.6g} s apart")
    return seconds


def _optimization(about: Field, notes: list[str]) -> str | None:
    version = about.get("version").value
    if isinstance(version, str) and version.lower() in ("unoptimized", "optimized"):
        return version.lower()
    if version is not None:
        note(notes, f"version {plain(version)!r} names no optimization, which stays NULL")
    return None


def _own(about: Field) -> dict[str, Any]:
    own = about.get(OWN)
    if own.value is None:
        return {}
    texts = {name: own.get(name).text() for name in OWN_TEXTS}
    return {
        **texts,
        **{name: own.get(name).whole() for name in OWN_COUNTS},
        "traced": own.get("traced").flag(),
    }
