"""Phases of a study: recorded runs judged, runs of several experiments compared, and what that leaves open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TextIO

from conf.compose import ConfigurationError
from conf.hints import in_store, program, run_again
from conf.jobs import Job, store_root, thresholds
from conf.summary import section
from stats import compare, judge, synergy
from stats.comparing import Comparison
from stats.hypotheses import known
from stats.report import comparison_table, synergy_table, verdict_table
from store.catalog import Catalog, open_catalog

RECORDED = "status = 'imported'"
DECIDED = {"VALIDATED", "REFUTED", "SUPPORTED", "ELIMINATED"}
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
    remedy = f"import recorded files first: {program('store')} import FILE{in_store(job)}"
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
    lines = [
        _preliminary(found),
        f"next, the intervention, which decides: {run_again(job, 'phase1b')}",
        "phase2 is advised only for what that leaves undecided",
    ]
    section(
        out, f"{job.experiment}: what {len(ids)} recorded runs say, and what comes next", "\n".join(lines)
    )


def contrasts(
    catalog: Catalog, ids: Sequence[str], declared: Sequence[Mapping[str, Any]], again: str
) -> Iterator[Section]:
    """Yield each declared comparison among the runs ``ids``, then what they leave open to phase 2, run by ``again``."""
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
        yield Section("What is decided, and what is left open", advice(recorded, intervened, again))


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


def advice(recorded: Found, intervened: Found, again: str) -> str:
    """Return what phase 1B decides, what 1A says of it beforehand, and whether phase 2 is for anything.

    A preliminary verdict decides nothing: its runs were not made to ask.  ``again`` is the command of phase 2.
    """
    left = _open(intervened)
    lines = [
        f"phase1b decides {_listed(intervened)}; open: {', '.join(left) or 'none'}",
        _preliminary(recorded),
    ]
    if not left:
        lines.append(
            "phase2 is not advised: it is for what phases 1A and 1B leave undecided, which is nothing"
        )
    else:
        lines.append(f"phase2 is advised for what is left undecided ({', '.join(left)}): {again}")
    return "\n".join(lines)


def _preliminary(recorded: Found) -> str:
    return f"phase1a finds {_listed(recorded)}; preliminary, so it decides none of them"


def _listed(found: Found) -> str:
    return ", ".join(f"{name} {found[name]}" for name in sorted(set(found) - set(_open(found)))) or "nothing"


def _open(found: Found) -> list[str]:
    return sorted(name for name in known() if found.get(name) not in DECIDED)
