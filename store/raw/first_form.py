"""The recorded first form: a list of conditions, readings of the machine, one row a cycle."""

from __future__ import annotations

import math
from typing import Any

from store.raw import cells, cycles, readings, recording
from store.raw.cycles import Clock, Cycles
from store.raw.fields import Field
from store.raw.recording import Recording

_POPULATION = {
    "population_mean": "final_population_mean",
    "population_sd": "final_population_sd",
    "population_final": "final_population",
    "population_max": "max_population",
}


EXPECTED = "conditions with per_cycle_metrics or system_metrics"


def recognises(document: Field) -> bool:
    """Tell whether a document is an object with a list of conditions, and rows of the run."""
    value = document.value
    return (
        isinstance(value, dict)
        and isinstance(value.get("conditions"), list)
        and ("per_cycle_metrics" in value or "system_metrics" in value)
    )


def read(document: Field, notes: list[str]) -> list[Recording]:
    """Return the run of a file in the first form."""
    run = recording.run(document, notes)
    began = recording.start(document, notes)
    clock = Clock(began.ns if began else None, notes)
    fields = document.get("conditions").elements()
    names = _names(fields)
    declared = [field.get("cycles").whole(at_least=0) for field in fields]
    lengths = dict(zip(names.values(), declared, strict=True))
    found = cycles.read(_rows(document, "per_cycle_metrics"), names, lengths, clock)
    place = (found.timeline, names, clock)
    rows = [
        _condition(field, name, found) | {"position": position}
        for position, (field, name) in enumerate(zip(fields, names.values(), strict=True))
    ]
    tables = {
        "cycles": found.table(),
        **readings.system(_rows(document, "system_metrics"), *place),
        **readings.latency(_rows(document, "io_metrics"), *place),
    }
    kept = {"cycle_scope": found.timeline.scope, "file": recording.leftover(document)}
    return [Recording(run=_totals(run, found), conditions=rows, tables=tables, config=kept)]


def _names(fields: list[Field]) -> dict[str, str]:
    """Return the conditions' names: the file's, and ours."""
    said = [_name(field) for field in fields]
    ours = [cells.name(name, cells.mechanisms(field)) for name, field in zip(said, fields, strict=True)]
    for names in (said, ours):
        cells.check_names([field.get("name") for field in fields], names)
    return dict(zip(said, ours, strict=True))


def _name(field: Field) -> str:
    name = field.get("name").text()
    if not name:
        raise field.get("name").refusal("a condition's name")
    return name


def _rows(document: Field, key: str) -> list[Field]:
    return document.get(key).elements() if document.has(key) else []


def _condition(field: Field, name: str, found: Cycles) -> dict[str, Any]:
    wall_ns = found.of("wall_ns", name)
    counted = {
        "condition_wall_s": math.fsum(wall_ns) / 1e9 if wall_ns and None not in wall_ns else None,
        "condition_cycles": len(wall_ns),
        **cells.population(found.of("population", name)),
    }
    cycles_done = (
        field.get("cycles").whole(at_least=0) if field.has("cycles") else counted["condition_cycles"]
    )
    field.get("runtime_seconds").number(at_least=0)
    return {
        "condition": name,
        "mechanisms": cells.mechanisms(field),
        "condition_cycles": cycles_done,
        **cells.given(field, _POPULATION | {"condition_wall_s": "runtime_seconds"}, counted),
    }


def _totals(run: dict[str, Any], found: Cycles) -> dict[str, Any]:
    """Add what the rows add up to, where the file does not say it."""
    calls = found.columns["sampling_calls"]
    counted = {
        "n_cycles": len(calls) or None,
        "total_sampling_calls": sum(calls) if calls and None not in calls else None,
    }
    return {**counted, **run}
