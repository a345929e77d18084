"""What ``job.json`` and ``end.json`` of a spool say, checked: any version, or a hand, may have written them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from store import schema, values

FORMAT = 1
"""Version of both documents, in each ``job.json``."""

ENDED = ("completed", "failed", "interrupted")
POSITIONS = 2**16
"""A condition stands in its rows by position; a greater one is of no job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A run before its first cycle: its row of table ``runs`` as far as it is known, and its conditions' rows."""

    run: Mapping[str, Any]
    conditions: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The owner's last word: what it says of the run's row, and what of the process."""

    run: Mapping[str, Any]
    modules: Sequence[str] = ()
    observer: Mapping[str, Any] = field(default_factory=dict)


def read_job(spool: Path) -> Job:
    """Return ``job.json`` of a spool.

    Raises
    ------
    ValueError
        If it cannot be read; one sentence that names it.
    """
    path = spool / "job.json"
    try:
        job: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if job["format"] == FORMAT and job["run_id"] == spool.name:
            return _job(job)
    except values.UNREADABLE as error:
        raise ValueError(
            f"{path} cannot be read ({reason(error)}); remove {spool} if the run is lost"
        ) from error
    raise ValueError(
        f"{path} is no job of this version for {spool.name}; adopt it with the version that wrote it"
    )


def read_end(spool: Path) -> tuple[End | None, list[str]]:
    """Return ``end.json``, or None if the owner left none; and what is wrong with it."""
    path = spool / "end.json"
    try:
        return _end(json.loads(path.read_text(encoding="utf-8"))), []
    except FileNotFoundError:
        return None, []
    except values.UNREADABLE as error:
        return None, [f"end.json could not be read ({reason(error)})"]


def names(conditions: Sequence[Mapping[str, Any]]) -> list[str | None]:
    """Return the names of conditions by position."""
    found = {condition["position"]: condition["condition"] for condition in conditions}
    return [found.get(position) for position in range(max(found, default=-1) + 1)]


def reason(error: Exception) -> str:
    """Return why a document cannot be read."""
    if isinstance(error, KeyError):
        return f"it lacks {error.args[0]!r}"
    if isinstance(error, json.JSONDecodeError):
        return f"it is no whole JSON: {error}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _job(job: Mapping[str, Any]) -> Job:
    run = values.row(schema.RUNS, {**job["environment"], **job})
    return Job(run=run, conditions=tuple(_condition(run["run_id"], each) for each in job["conditions"]))


def _condition(run_id: str, condition: Mapping[str, Any]) -> dict[str, Any]:
    name, position = condition["name"], condition["position"]
    if not isinstance(name, str) or type(position) is not int or not 0 <= position < POSITIONS:
        raise ValueError(f"condition {name!r} has position {position!r}; a name and a place are expected")
    mechanisms = dict(condition["mechanisms"])
    known = {"run_id": run_id, "condition": name, "position": position, "mechanisms": mechanisms}
    return values.row(schema.CONDITIONS, known)


def _end(end: Mapping[str, Any]) -> End:
    if end["status"] not in ENDED:
        raise ValueError(f"status is {end['status']!r}, and one of {', '.join(ENDED)} is expected")
    calls = (end.get("totals") or {}).get("sampling_calls")
    times = {"wall_s": _seconds(end.get("wall_ns")), "cpu_s": _seconds(end.get("cpu_ns"))}
    run = values.row(schema.RUNS, {**end, **times, "total_sampling_calls": calls})
    modules = end.get("modules") or ()
    if not all(isinstance(module, str) for module in modules):
        raise ValueError(f"modules are {modules!r}, and names are expected")
    return End(run=run, modules=list(modules), observer=values.ledger(end.get("observer") or {}))


def _seconds(nanoseconds: Any) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e9
