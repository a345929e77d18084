"""A sequence of runs, one run time each: ``c265``, ``c277``, ``cycle148`` (a list), ``cycle264`` (by name).

Every entry is a run of its own: its seed and run time are columns, its parameters and whatever else it found
stand in ``runs.config``, and ``sweep_index`` keeps the order of the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from probes.identity import config_id
from store.raw import cells, recording
from store.raw.fields import Field
from store.raw.recording import Recording

EXPECTED = "results with runtime_seconds"

RUN_TIMES = ("runtime_seconds", "duration")
PARAMETERS = (
    "threshold", "diversity", "spawn_freq_pct", "agent_cap", "e_consume",
    "frequency", "pooling_rate", "sources_rate", "cycles",
)  # fmt: skip
"""What an entry was given; its other values are what came out."""

_POPULATION = {"mean_population": "population_mean"}
_FINAL = ("final_population", "final_agents")


def recognises(document: Field) -> bool:
    """Tell whether a document holds entries, the first with a run time and without a history."""
    entries = _entries(document)
    first = entries[0].value if entries else None
    return (
        isinstance(first, dict)
        and any(name in first for name in RUN_TIMES)
        and "population_history" not in first
    )


def read(document: Field, notes: list[str]) -> list[Recording]:
    """Return a run for every entry, in the order of the file."""
    entries = _entries(document)
    about = recording.metadata(document)
    said = _said(document, "total_experiments")
    if said.value is not None and said.whole() != len(entries):
        recording.note(notes, f"the file announces {said.value} runs and holds {len(entries)}")
    if _said(document, "equilibrium_start").value is not None:
        first, last = (_said(document, f"equilibrium_{end}").value for end in ("start", "end"))
        recording.note(notes, f"population_mean is that of cycles {first} to {last}, as the file counts")
    shared = recording.versions(about, notes)
    file = recording.leftover(document)
    return [
        _run(entry, index, shared, {"file": file}, _said(document, "cycles_per_condition"), notes)
        for index, entry in enumerate(entries)
    ]


def _entries(document: Field) -> Sequence[Field]:
    if not isinstance(document.value, dict):
        return ()
    if isinstance(document.value.get("results"), list):
        return document.get("results").elements()
    if isinstance(document.value.get("conditions"), dict):
        return [field for _, field in document.get("conditions").members()]
    return ()


def _said(document: Field, name: str) -> Field:
    """Return what the file says of all entries, wherever it says it."""
    for place in ("metadata", "parameters", "config"):
        if isinstance(document.get(place).value, dict) and document.get(place).has(name):
            return document.get(place).get(name)
    return document.get(name)


def _run(
    entry: Field,
    index: int,
    shared: Mapping[str, Any],
    kept: Mapping[str, Any],
    cycles: Field,
    notes: list[str],
) -> Recording:
    wall_s = _wall_s(entry)
    on = cells.mechanisms(entry)
    given = {key: recording.plain(value) for key, value in entry.object().items() if key in PARAMETERS}
    found = {key: recording.plain(value) for key, value in entry.object().items() if key not in PARAMETERS}
    n_cycles = (entry.get("cycles") if entry.has("cycles") else cycles).whole(at_least=0)
    condition = {
        "condition": "-".join("ON" if flag else "OFF" for flag in on.values()) or "all",
        "position": 0,
        "mechanisms": on,
        "condition_cycles": n_cycles,
        "condition_wall_s": wall_s,
        **_population(entry),
    }
    run = {
        **shared,
        **_times(entry, wall_s, notes),
        "config_id": config_id({**given, "mechanisms": on}),
        "sweep_index": index,
        "seed": entry.get("seed").whole(),
        "wall_s": wall_s,
        "n_cycles": n_cycles,
    }
    config = {"parameters": given, "results": found, **kept}
    return Recording(run=run, conditions=[condition], tables={}, config=config)


def _wall_s(entry: Field) -> float:
    for name in RUN_TIMES:
        found = entry.get(name).real(at_least=0)
        if found is not None:
            return found
    raise entry.get(RUN_TIMES[0]).refusal("seconds of at least 0")


def _times(entry: Field, wall_s: float, notes: list[str]) -> dict[str, Any]:
    """Return start and end: in c265 the time of an entry lies its run time after the one before."""
    ended = recording.moment(entry.get("timestamp"), notes)
    if ended is None:
        recording.note(
            notes, "the file does not say when each run started; sweep_index is their order in the file"
        )
        return {}
    recording.note(notes, "a run's timestamp was taken as its end, its start is the run time before")
    return {
        "started_at": ended.datetime() - timedelta(seconds=wall_s),
        "ended_at": ended.datetime(),
    }


def _population(entry: Field) -> dict[str, float | None]:
    # Their standard deviations differ in ddof (c265: 1) and stay in config.
    found = {column: entry.get(key).real() for key, column in _POPULATION.items()}
    final = next((entry.get(key) for key in _FINAL if entry.has(key)), None)
    return {**found, "population_final": None if final is None else final.real()}
