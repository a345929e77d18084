"""Phases of a study: recorded runs judged, runs of several experiments compared, and what that leaves open."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TextIO

from conf.compose import ConfigurationError
from conf.jobs import Job, store_root, thresholds
from conf.summary import section
from stats import compare, judge, synergy
from stats.comparing import Comparison
from stats.hypotheses import known
from stats.report import comparison_table, synergy_table, verdict_table
from store.catalog import Catalog, open_catalog

RECORDED = "status = 'imported'"
DECIDED = {"VALIDATED", "REFUTED", "SUPPORTED", "ELIMINATED"}
LAST = "python run.py experiment=phase2"
PRELIMINARY = (
    "Preliminary: these runs were recorded before the question was asked, so nothing was held fixed for it."
)

Found = Mapping[str, str]
"""Hypothesis → verdict or outcome."""


class Section(NamedTuple):
    """A part of what a command prints."""

    title: str
    text: str


def review(out: TextIO, job: Job) -> None:
    """Judge the recorded runs that ``job`` selects, experiment by experiment; start none.

    Raises
    ------
    ConfigurationError
        If it selects no run.
    """
    root, where = store_root(job), str(job.config["where"])
    remedy = f"import recorded files first: python -m store import FILE --store {shlex.quote(str(root))}"
    nothing = ConfigurationError(f"{job.experiment} found no run where {where} in {root}; {remedy}")
    if not root.exists():
        raise nothing
    with open_catalog(root) as catalog:
        ids = catalog.select(where=[where])
        if not ids:
            raise nothing
        out.write(f"{PRELIMINARY}\n")
        for title, text in _recorded(catalog, ids, thresholds(job)):
            section(out, title, text)
        found = _verdicts(catalog, ids)
    section(
        out,
        f"{job.experiment}: what {len(ids)} recorded runs decide, and what they leave open",
        _first(found),
    )


def contrasts(
    catalog: Catalog, ids: Sequence[str], declared: Sequence[Mapping[str, Any]]
) -> Iterator[Section]:
    """Yield each declared comparison among the runs ``ids``, then what phases 1A and 1B leave open together."""
    intervened: dict[str, str] = {}
    if not ids:
        return
    for contrast in declared:
        title = f"A against B: {contrast['caveat'] or 'nothing else differs'}"
        try:
            found = compare(catalog, a=contrast["a"], b=contrast["b"], runs=ids)
        except ValueError as error:
            yield Section(title, f"A = {contrast['a']}\nB = {contrast['b']}\ncannot be compared: {error}")
            continue
        yield Section(title, comparison_table(found))
        if not contrast["caveat"]:
            intervened |= _outcomes(found)
    if declared:
        recorded = _verdicts(catalog, catalog.select(where=[RECORDED]))
        yield Section("What is decided, and what is left open", advice(recorded, intervened))


def _recorded(catalog: Catalog, ids: Sequence[str], limits: Mapping[str, Any]) -> Iterator[Section]:
    rows = catalog.runs(list(ids)).to_pylist()
    for name in sorted({row["experiment"] for row in rows}):
        of = [row["run_id"] for row in rows if row["experiment"] == name]
        yield Section(
            f"{name}: verdicts", verdict_table(judge(catalog, runs=of, thresholds=limits, across=True))
        )
        factorial = synergy(catalog, runs=of, across=True)
        if factorial.entries:
            yield Section(f"{name}: synergy of the factorial", synergy_table(factorial))


def _verdicts(catalog: Catalog, ids: Sequence[str]) -> Found:
    entries = judge(catalog, runs=ids, across=True).verdicts if ids else ()
    return {entry.hypothesis: entry.finding.verdict for entry in entries}


def _outcomes(found: Comparison) -> Found:
    return {str(row["hypothesis"]): str(row["outcome"]) for row in found.to_json()["elimination"]}


def advice(recorded: Found, intervened: Found) -> str:
    """Return what phases 1A and 1B decide and leave open, and whether phase 2 is for anything."""
    lines = [_said("phase1b", intervened), _said("phase1a, preliminary,", recorded)]
    left = sorted(set(_open(recorded)) & set(_open(intervened)))
    return "\n".join([*lines, _last(left)])


def _first(recorded: Found) -> str:
    lines = [
        _said("phase1a, preliminary,", recorded),
        "next, the intervention: python run.py experiment=phase1b",
    ]
    return "\n".join([*lines, _last(_open(recorded))])


def _said(phase: str, found: Found) -> str:
    decided = ", ".join(f"{name} {found[name]}" for name in sorted(found) if name not in _open(found))
    return f"{phase} decides {decided or 'nothing'}; open: {', '.join(_open(found)) or 'none'}"


def _open(found: Found) -> list[str]:
    return sorted(name for name in known() if found.get(name) not in DECIDED)


def _last(left: Sequence[str]) -> str:
    if not left:
        return "phase2 is not advised: it is for what phases 1A and 1B leave undecided, which is nothing"
    return f"phase2 is advised for what phases 1A and 1B leave undecided ({', '.join(left)}): {LAST}"
