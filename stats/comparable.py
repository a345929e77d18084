"""Which runs may be compared, and what else than the question sets two groups of runs apart."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from probes.identity import NOT_CONFIGURATION
from store.catalog import Catalog

WHOLE = ("completed", "imported")
"""Runs that hold all that they declared; a part of a run has no comparable total."""

SHOWN = 6
"""Differing options that one note names."""

FACTS = """
-- one row per run: what it was and where it ran
with designs as (
    select
        run_id,
        string_agg(
            condition || ' x ' || condition_cycles || ' ' || coalesce(mechanisms::varchar, ''), ', '
            order by position
        ) as conditions
    from conditions
    group by run_id
)
select experiment, workload, conditions, n_cycles as cycles, config, host, kernel, cpu_model, python
from runs left join designs using (run_id)
"""


class Selected(NamedTuple):
    """The runs of one side: the predicates that chose them, and their ids."""

    where: tuple[str, ...]
    runs: tuple[str, ...]

    def to_json(self) -> dict[str, list[str]]:
        """Return the ``selection`` of the JSON documents."""
        return {"where": list(self.where), "runs": list(self.runs)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """How runs are chosen, the same for every judgement; see ``store.selection``."""

    runs: Sequence[str] = ()
    tags: Sequence[str] = ()
    latest: bool = False
    last: int | None = None


def predicates(where: str | Sequence[str]) -> tuple[str, ...]:
    """Return one predicate or many as a tuple."""
    return (where,) if isinstance(where, str) else tuple(where)


def pick(
    catalog: Catalog, where: str | Sequence[str], choice: Choice, name: str
) -> tuple[Selected, list[str]]:
    """Choose the whole runs that satisfy ``where``; notes say which were left out, or why none is left."""
    texts = predicates(where)
    ids = catalog.select(
        where=texts, runs=choice.runs, tags=choice.tags, latest=choice.latest, last=choice.last
    )
    status = {row["run_id"]: row["status"] for row in catalog.runs(ids).to_pylist()}
    whole = tuple(run for run in ids if status[run] in WHOLE)
    left_out = Counter(status[run] for run in ids if status[run] not in WHOLE)
    if not whole:
        return Selected(texts, ()), [_nothing(name, texts, left_out)]
    notes = [
        f"{name}: {n} {kind} run(s) left out, they are not whole" for kind, n in sorted(left_out.items())
    ]
    return Selected(texts, whole), notes


def differences(catalog: Catalog, a: Sequence[str], b: Sequence[str]) -> list[str]:
    """Return a note for everything but the optimization in which the runs of ``a`` and ``b`` differ."""
    left, right = (_facts(catalog, runs) for runs in (a, b))
    differing = [key for key in {**left, **right} if left.get(key) != right.get(key)]
    notes = [
        f"A and B differ in {key} ({_show(left.get(key))} against {_show(right.get(key))}): "
        "what is found is confounded with it"
        for key in differing[:SHOWN]
    ]
    if len(differing) > SHOWN:
        notes.append(f"A and B differ in {len(differing) - SHOWN} more: {', '.join(differing[SHOWN:])}")
    return notes


def _nothing(name: str, where: Sequence[str], left_out: Mapping[str, int]) -> str:
    chosen = " and ".join(where) or "everything"
    if left_out:
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(left_out.items()))
        return f"{name} ({chosen}) selects no whole run, only {kinds}; select completed or imported ones"
    return f"{name} ({chosen}) selects no run; list what there is with: python -m store ls"


def _facts(catalog: Catalog, runs: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return the values that each fact and each option takes among ``runs``, as text."""
    found: dict[str, set[str]] = {}
    for row in catalog.query(FACTS, runs=runs):
        options = _flat(json.loads(row.pop("config") or "{}"))
        for key, value in (*row.items(), *options):
            if value is not None:
                found.setdefault(key, set()).add(str(value))
    return {key: frozenset(values) for key, values in found.items()}


def _flat(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    # cycles and conditions stand in FACTS, where imported runs have them too.
    skipped = NOT_CONFIGURATION | {"optimization", "cycles", "conditions", "factors", "progress"}
    for key, value in config.items():
        if key not in skipped:
            yield from _leaves(key, value)


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        yield key, value
        return
    for name, inner in value.items():
        yield from _leaves(f"{key}.{name}", inner)


def _show(values: Iterable[str] | None) -> str:
    if not values:
        return "nothing"
    text = ", ".join(sorted(values))
    return text if len(text) <= 80 else text[:77] + "..."
