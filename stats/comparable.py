"""Which runs may be judged together, and what else than the question sets them, or two groups of them, apart."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from probes.identity import NOT_CONFIGURATION
from stats.text import title
from store.catalog import Catalog
from store.configured import mapping

SHOWN = 6
"""Differing options that one note names."""

DATA = frozenset({"results", "readings"})
"""What imported files keep beside their parameters: found, not chosen."""

Row = Mapping[str, Any]
Values = dict[str, frozenset[str]]

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
select workload, conditions, n_cycles as cycles, config, host, kernel, cpu_model, python
from runs left join designs using (run_id)
"""


class NotComparable(ValueError):  # noqa: N818
    """Runs that one judgement must not mix unless it is asked to."""


class Rule(NamedTuple):
    """A column of ``runs`` that all runs of a judgement must share, and why."""

    column: str
    kind: Callable[[Any], str]
    why: str


RULES = (
    Rule("traced", lambda on: "traced" if on else "untraced", "tracing slows every allocation"),
    Rule(
        "sensor_source",
        lambda source: source or "live",
        "a replayed trace is not the temperature of the machine that ran",
    ),
)


def alike(catalog: Catalog, ids: Sequence[str], *, across: bool = False) -> list[str]:
    """Check that the runs ``ids`` may be judged together.

    Returns
    -------
    list of str
        A note for each difference that ``across`` overrides.

    Raises
    ------
    NotComparable
        If they differ in one of ``RULES``, without ``across``.
    """
    rows = catalog.runs(ids).to_pylist() if ids else []
    notes = []
    for rule in RULES:
        kinds: dict[str, list[str]] = {}
        for row in rows:
            kinds.setdefault(rule.kind(row[rule.column]), []).append(row["run_id"])
        if len(kinds) < 2:
            continue
        said = " against ".join(f"{kind} ({_some(runs)})" for kind, runs in kinds.items())
        sentence = f"the runs differ in {rule.column}: {said}; {rule.why}"
        if not across:
            raise NotComparable(
                f"{sentence}: select one kind with --where, or mix them with --across (across=True)"
            )
        notes.append(f"{sentence}, and they are mixed as --across asks")
    return notes


def pooled(catalog: Catalog, ids: Sequence[str], *, apart: Collection[str] = ()) -> list[str]:
    """Say which runs of a selection are copies, or repeat others, and which of one name are configured differently.

    Parameters
    ----------
    catalog : Catalog
        The store, opened.
    ids : sequence of str
        The runs of one group.
    apart : collection of str
        Keys of the configuration that the judgement itself keeps apart.
    """
    rows = catalog.runs(ids).to_pylist() if ids else []
    return [*_copies(rows), *_repeated(rows), *_configurations(rows, apart)]


def copied(catalog: Catalog, a: Sequence[str], b: Sequence[str]) -> Iterator[str]:
    """Say which runs of ``b`` are copies of runs of ``a``, with which they are compared."""
    of_a = {key: row["run_id"] for row in catalog.runs(a).to_pylist() for key in _recording(row)}
    rows = catalog.runs(b).to_pylist()
    found = {row["run_id"]: of_a[key] for row in rows for key in _recording(row) if key in of_a}
    if found:
        said = _copied(len(found), f"{len(rows)} runs of B", "one of A", *next(iter(found.items())))
        yield f"{said}: compared with itself; leave it out of one side"


def differences(catalog: Catalog, a: Sequence[str], b: Sequence[str], asked: Iterable[str] = ()) -> list[str]:
    """Return notes on what sets the runs of ``a`` and ``b`` apart: what is compared, and what confounds it.

    Compared are the options of the optimization, and what the predicates ``asked`` select by; names are nothing.
    """
    left, right = (_facts(catalog, runs) for runs in (a, b))
    found = {
        key: f"{key} ({_show(left.get(key))} against {_show(right.get(key))})"
        for key in {**left, **right}
        if left.get(key) != right.get(key)
    }
    words = [re.findall(r"\w+", text) for text in asked]
    compared = [key for key in found if key.startswith("optimization.") or _selected(key, words)]
    others = [key for key in found if key not in compared]
    notes = [f"A and B differ in {found[key]}: what is found is confounded with it" for key in others[:SHOWN]]
    if len(others) > SHOWN:
        notes.append(f"A and B differ in {len(others) - SHOWN} more: {', '.join(others[SHOWN:])}")
    together = ", all of it together" * (len(compared) > 1)
    named = ", ".join(found[key] for key in compared)
    return [*([f"A and B differ in {named}: that is what is compared{together}"] if compared else []), *notes]


def _selected(key: str, predicates: Iterable[Sequence[str]]) -> bool:
    """Tell whether a predicate, given in words, selects by a column or by an option, in any of SQL's ways to it."""
    parts = key.split(".")
    option = len(parts) > 1
    return any(
        (set(parts) <= set(words) and (not option or "config" in words)) or (option and "config_id" in words)
        for words in predicates
    )


def _some(runs: Sequence[str]) -> str:
    return f"run {runs[0]}" if len(runs) == 1 else f"{len(runs)} runs, the first {runs[0]}"


def _copies(rows: Sequence[Row]) -> Iterator[str]:
    """Name recordings that are there twice: a run beside its own import, or a file under two names."""
    held: dict[Any, list[str]] = {}
    for row in rows:
        for key in _recording(row):
            held.setdefault(key, []).append(row["run_id"])
    groups = dict.fromkeys(tuple(ids) for ids in held.values() if len(ids) > 1)
    extra = len({run_id for ids in groups for run_id in ids[1:]})
    if extra:
        first, copy = next(iter(groups))[:2]
        said = _copied(extra, f"{len(rows)} runs", "another one", copy, first)
        yield f"{said}: no further evidence, but counted; leave it out with --where"


def _copied(n: int, runs: str, whose: str, copy: str, first: str) -> str:
    are = "is a copy" if n == 1 else "are copies"
    return (
        f"{n} of {runs} {are} of {whose} (run {copy} of {first}: the same recording, by its file, or by start, cycles "
        "and wall time)"
    )


def _recording(row: Row) -> Iterator[tuple[Any, ...]]:
    """Yield what no two recordings share, where it is known."""
    source = mapping(row["source"])
    if source.get("sha256"):
        yield ("file", source["sha256"], json.dumps(source.get("entry")))
    moment = (row["started_at"], row["n_cycles"], row["wall_s"])
    if None not in moment:
        yield ("moment", *moment)


def _repeated(rows: Sequence[Row]) -> list[str]:
    """Name runs that were made again; a run without a replicate's number was not declared as one of several."""
    keys = [
        (row["experiment"], row["config_id"], row["seed"], row["replicate"])
        for row in rows
        if row["status"] == "completed" and row["config_id"] and row["replicate"] is not None
    ]
    again = {key[0]: n - 1 for key, n in Counter(keys).items() if n > 1}
    extra = len(keys) - len(set(keys))
    if not extra:
        return []
    said = f"{extra} of {len(rows)} runs repeat the configuration, seed and replicate of another one"
    return [f"{said} ({', '.join(map(str, again))}) and count as well; --latest keeps the newest of each"]


def _configurations(rows: Sequence[Row], apart: Collection[str]) -> Iterator[str]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(title(row["experiment"], row["optimization"]), []).append(row)
    for name, of in groups.items():
        n = len({row["config_id"] for row in of if row["config_id"]})
        found = _options(of, NOT_CONFIGURATION | DATA | {*apart}) if n > 1 else {}
        differing = {key: values for key, values in found.items() if len(values) > 1}
        if differing:
            listed = [f"{key} ({_show(values)})" for key, values in differing.items()]
            more = [f"{len(listed) - SHOWN} more"] * (len(listed) > SHOWN)
            key, values = next(iter(differing.items()))
            value = min(values - {"null"})  # of JSON; in SQL nothing equals it
            yield (
                f"{name} pools {n} configurations, which differ in {', '.join([*listed[:SHOWN], *more])}; keep one "
                f"""with --where "config->>'$.{key}' = '{value}'" """.rstrip()
            )


def _options(rows: Iterable[Row], skipped: Collection[str]) -> Values:
    """Return the values that each option takes among runs; ``nothing`` where a run does not have it."""
    given = [dict(_flat(mapping(row["config"]), skipped)) for row in rows if row["config"]]
    keys = dict.fromkeys(key for options in given for key in options)
    return {key: frozenset(_text(options.get(key)) for options in given) for key in keys}


def _facts(catalog: Catalog, runs: Sequence[str]) -> Values:
    """Return the values that each fact and each option takes among ``runs``, as text."""
    # cycles and conditions stand in FACTS, where imported runs have them too.
    skipped = NOT_CONFIGURATION | DATA | {"cycles", "conditions", "factors"}
    found: dict[str, set[str]] = {}
    for row in catalog.query(FACTS, runs=runs):
        options = _flat(mapping(row.pop("config")), skipped)
        for key, value in (*row.items(), *options):
            if value is not None and key != "optimization.name":
                found.setdefault(key, set()).add(str(value))
    return {key: frozenset(values) for key, values in found.items()}


def _flat(config: Mapping[str, Any], skipped: Collection[str]) -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if key not in skipped:
            yield from _leaves(key, value)


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        yield key, value
        return
    for name, inner in value.items():
        yield from _leaves(f"{key}.{name}", inner)


def _text(value: Any) -> str:
    """Return a value as SQL's ``config->>'$.key'`` does."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _show(values: Iterable[str] | None) -> str:
    if not values:
        return "nothing"
    text = ", ".join(sorted(values))
    return text if len(text) <= 80 else text[:77] + "..."
