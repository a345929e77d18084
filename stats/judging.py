"""Judge runs: each hypothesis on each run, then on the selection, with the account that holds the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack, overload

from stats import accounts, asides, batches, observer, remarks, signals, within
from stats.accounts import Level
from stats.asides import Observed
from stats.comparable import alike, pooled
from stats.hypotheses import PROTOCOL, criterion, known
from stats.hypotheses import thresholds as bind
from stats.hypotheses.finding import Aside, Criterion, Finding, Row, combine, explained
from stats.remarks import Record
from stats.selecting import Choice, Options, chosen
from store.checks import sanity
from store.choosing import several

if TYPE_CHECKING:
    from store.catalog import Catalog

PROFILES = ("paper",)

Limits = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The verdict on one hypothesis over a selection, and on each of its runs."""

    hypothesis: str
    finding: Finding
    expected: str | None
    thresholds: Mapping[str, float]
    n_cycles: int
    runs: Mapping[str, Finding]

    def to_json(self) -> dict[str, Any]:
        """Return its entry in the document of ``stats verdict``."""
        return {
            "hypothesis": self.hypothesis,
            "verdict": self.finding.verdict,
            "expected": self.expected,
            "statistics": dict(self.finding.statistics),
            "thresholds": dict(self.thresholds),
            "p_adjusted": None,
            "n_runs": len(self.runs),
            "n_cycles": self.n_cycles,
            "reason": self.finding.reason,
            "runs": [
                {
                    "run_id": run_id,
                    "verdict": finding.verdict,
                    "statistics": dict(finding.statistics),
                    "p_adjusted": None,
                    "reason": finding.reason,
                }
                for run_id, finding in self.runs.items()
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdicts on a selection of runs, the level of its accounts, and what a reader must know."""

    profile: str
    variant: str
    where: tuple[str, ...]
    runs: tuple[str, ...]
    verdicts: tuple[Entry, ...]
    level: Level
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the document that ``stats verdict --format json`` prints."""
        return {
            "profile": self.profile,
            "variant": self.variant,
            "selection": {"where": list(self.where), "runs": list(self.runs)},
            "verdicts": [entry.to_json() for entry in self.verdicts],
            "level": self.level.to_json(),
            "notes": list(self.notes),
        }


class Question(Options, total=False):
    """What ``judge`` takes besides the unit of judgement, by keyword."""

    where: str | Sequence[str]
    profile: str
    variant: str
    thresholds: Mapping[str, Mapping[str, Any]] | None


@overload
def judge(catalog: Catalog, *, by: None = None, **question: Unpack[Question]) -> Judgement: ...
@overload
def judge(catalog: Catalog, *, by: str, **question: Unpack[Question]) -> list[Judgement]: ...


def judge(
    catalog: Catalog,
    *,
    where: str | Sequence[str] = (),
    profile: str = "paper",
    variant: str = PROTOCOL,
    by: str | None = None,
    thresholds: Mapping[str, Mapping[str, Any]] | None = None,
    **options: Unpack[Options],
) -> Judgement | list[Judgement]:
    """Judge every hypothesis on the selected runs.

    Parameters
    ----------
    catalog : Catalog
        An open store.
    where, runs, tags, latest, last, across
        The selection: predicates over table ``runs`` (all must hold), run ids, tags, the newest of each
        configuration, the last so many; ``across`` judges unlike runs together.
    profile : str
        ``paper``: the study's own criteria, uncorrected for their number and for dependent data.
    variant : str
        Which published version of the criteria: ``protocol``, ``manuscript``, ``manuscript_summary``,
        ``synthesis`` or ``code``.  A version that says nothing else of a hypothesis judges it as the protocol.
    by : str, optional
        ``run_id``: one judgement per run instead of one of all.
    thresholds : mapping, optional
        ``{"h2": {"delta_r2_min": 0.05}}`` in place of those that the version published.

    Returns
    -------
    Judgement or list of Judgement
        An entry is VALIDATED or REFUTED where all runs in which the signal was recorded agree; its statistics are
        those of the run, or the medians over the runs.

    Raises
    ------
    ValueError
        If profile, variant, ``by``, a threshold of that variant or the selection is unknown or out of range, or no
        run is selected of a store that has some; ``NotComparable`` if the runs are unlike.
    """
    criteria, limits = _criteria(profile, variant, by), _limits(variant, thresholds or {})
    choice = Choice(**options)
    ids = chosen(catalog, where, choice)
    unlike = [] if by else [*alike(catalog, ids, across=choice.across), *pooled(catalog, ids)]
    evidence = _gather(catalog, ids, criteria, limits)
    units = [evidence.records] if by is None else [[record] for record in evidence.records]
    found = [
        Judgement(
            profile=profile,
            variant=variant,
            where=several(where),
            runs=tuple(record.run_id for record in records),
            verdicts=tuple(_entry(name, evidence, records, limits[name]) for name in criteria),
            level=_level(evidence, records),
            notes=(
                *remarks.mixed(records),
                *unlike,
                *_notes(evidence, records, limits if variant == PROTOCOL else {}),
            ),
        )
        for records in units
    ]
    return found if by else found[0]


def explain(*, profile: str = "paper", variant: str = PROTOCOL, thresholds: Any = None) -> str:
    """Return what each hypothesis claims, when it counts as validated, and the SQL that is run for it."""
    criteria = _criteria(profile, variant)
    limits = _limits(variant, thresholds or {})
    parts: list[tuple[str, Criterion | Aside]] = [
        (f"{name}: {known()[name].CLAIM}\nVALIDATED if {test.rule.format(**limits[name])}", test)
        for name, test in criteria.items()
    ]
    parts += [(f"{aside.claim} (never decides)", aside) for aside in asides.each()]
    return "\n\n\n".join(
        f"{head}\n\nrelation sample:\n{read.sample.strip()}\n\nreduced by:\n{read.kernel.strip()}"
        for head, read in parts
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    records: Sequence[Record]
    findings: Mapping[str, Mapping[str, Finding]]
    totals: Mapping[str, Row]
    observers: Mapping[str, observer.Ledger]
    asides: Sequence[Observed]
    batches: Mapping[str, batches.Signals]
    sanity: sanity.Survey


def _criteria(profile: str, variant: str, by: str | None = None) -> dict[str, Criterion]:
    if by not in (None, "run_id"):
        raise ValueError(f"by={by} is not a unit of judgement; give run_id")
    if profile not in PROFILES:
        raise ValueError(
            f"profile={profile} is not a profile of judgement; give one of {', '.join(PROFILES)}"
        )
    return {name: criterion(name, variant) for name in known()}


def _limits(variant: str, given: Mapping[str, Mapping[str, Any]]) -> Limits:
    values = {name: bind(name, options, variant) for name, options in given.items()}
    return {name: values.get(name, bind(name, {}, variant)) for name in known()}


def _gather(
    catalog: Catalog, ids: Sequence[str], criteria: Mapping[str, Criterion], limits: Limits
) -> _Evidence:
    """Read each hypothesis' evidence for all runs in one pass of SQL."""
    records = remarks.read(catalog, ids)
    read = signals.reader(catalog, ids)
    imported = {record.run_id for record in records if record.status == "imported"}
    findings = {
        name: {
            run_id: explained(test.judge(rows, **limits[name]), imported=run_id in imported)
            for run_id, rows in read(test).items()
        }
        for name, test in criteria.items()
    }
    totals = accounts.read(catalog, ids)
    observed = asides.observe(read)
    return _Evidence(
        records=records,
        findings=findings,
        totals=totals,
        observers=catalog.observers([run_id for run_id, row in totals.items() if row["probe"]]),
        asides=observed,
        batches=batches.read(catalog, _decided(findings)),
        sanity=sanity.survey(catalog, ids),
    )


def _decided(findings: Mapping[str, Mapping[str, Finding]]) -> dict[str, list[str]]:
    """Return, by hypothesis, the runs on which there is a verdict."""
    clear = ("VALIDATED", "REFUTED")
    return {
        name: [run for run, found in by.items() if found.verdict in clear] for name, by in findings.items()
    }


def _level(evidence: _Evidence, records: Sequence[Record]) -> Level:
    totals = _totals(evidence, records)
    return accounts.level(list(totals.values()), dearest=observer.dearest(evidence.observers, totals))


def _totals(evidence: _Evidence, records: Sequence[Record]) -> dict[str, Row]:
    return {r.run_id: evidence.totals[r.run_id] for r in records if r.run_id in evidence.totals}


def _notes(evidence: _Evidence, records: Sequence[Record], limits: Limits) -> tuple[str, ...]:
    """Return what limits the verdicts, and what else the study says; other versions declare no thresholds."""
    ids = [record.run_id for record in records]
    said = asides.notes(evidence.asides, ids)
    totals = _totals(evidence, records)
    ours = observer.notes(evidence.observers, totals)
    return (
        *remarks.waiting(totals.values()),
        *ours,
        *within.notes(evidence.batches, ids, evidence.findings, limits),
        *remarks.notes(records, limits),
        *said,
        *evidence.sanity.notes(ids),
    )


def _entry(name: str, evidence: _Evidence, records: Sequence[Record], limits: Mapping[str, float]) -> Entry:
    found = {record.run_id: evidence.findings[name][record.run_id] for record in records}
    return Entry(
        hypothesis=name,
        finding=combine(list(found.values())),
        expected=remarks.expected(records, name),
        thresholds=limits,
        n_cycles=sum(record.n_cycles for record in records),
        runs=found,
    )
