"""The archive's second form: an object of conditions, each with its population at every cycle."""

from __future__ import annotations

import math
from itertools import chain
from typing import Any

import pyarrow as pa

from store import schema
from store.raw import cells, recording
from store.raw.fields import Field
from store.raw.recording import Recording

_POPULATION = {
    "population_mean": "mean_population",
    "population_sd": "population_sd",
    "population_final": "final_population",
    "population_max": "max_population",
}


EXPECTED = "named conditions with population_history"


def recognises(document: Field) -> bool:
    """Tell whether a document is an object with an object of conditions."""
    return isinstance(document.value, dict) and isinstance(document.value.get("conditions"), dict)


def read(document: Field, notes: list[str]) -> list[Recording]:
    """Return the run of a file in the second form."""
    fields = [field for _, field in document.get("conditions").members()]
    rows = [_condition(key, field, notes) for key, field in document.get("conditions").members()]
    cells.check_names(fields, [row["condition"] for row in rows])
    histories = [row.pop("history") for row in rows]
    run = recording.run(document, notes)
    run["n_cycles"] = sum(map(len, histories))
    if run["wall_s"] is None:
        run["wall_s"] = _wall_s(rows, notes)
    found = Recording(
        run=run,
        conditions=[{**row, "position": position} for position, row in enumerate(rows)],
        tables={"cycles": _cycles([row["condition"] for row in rows], histories)},
        config={"cycle_scope": "condition", "file": recording.leftover(document)},
    )
    return [found]


def _condition(key: str, field: Field, notes: list[str]) -> dict[str, Any]:
    history = [value.whole(at_least=0) for value in field.get("population_history").elements()]
    if None in history:
        raise field.get("population_history").refusal("one whole number a cycle, without null")
    # The flags stand in the cell itself, or in its member ``condition``, which is else a sentence.
    flags = field.get("condition") if isinstance(field.get("condition").value, dict) else field
    on = cells.mechanisms(flags)
    counted = cells.population(history)
    row = {
        "condition": cells.name(key, on),
        "mechanisms": on,
        "condition_cycles": len(history),
        **cells.given(field, _POPULATION, counted),
        "condition_wall_s": field.get("runtime_seconds").real(at_least=0),
        "history": history,
    }
    _compare(row, counted, notes)
    return row


def _compare(row: dict[str, Any], counted: dict[str, Any], notes: list[str]) -> None:
    said, mean = row["population_mean"], counted.get("population_mean")
    if said is not None and mean is not None and not math.isclose(said, mean, rel_tol=1e-9):
        recording.note(
            notes, f"{row['condition']}: the file's mean population {said} is not its history's, {mean}"
        )


def _wall_s(rows: list[dict[str, Any]], notes: list[str]) -> float | None:
    times = [row["condition_wall_s"] for row in rows]
    if not times or None in times:
        return None
    recording.note(notes, "wall_s is the sum of the conditions' runtime_seconds")
    return math.fsum(times)


def _cycles(names: list[str], histories: list[list[int]]) -> pa.Table:
    total = sum(map(len, histories))
    columns = {
        "condition": list(chain.from_iterable([n] * len(h) for n, h in zip(names, histories, strict=True))),
        "cycle": range(total),
        "process": [0] * total,
        "population": list(chain.from_iterable(histories)),
    }
    types = schema.arrow("cycles", run_id=False)
    return pa.table(
        {
            key: pa.array(values, types.field(key).type if key in types.names else pa.int64())
            for key, values in columns.items()
        }
    )
