"""What ``python -m stats`` can be asked: each command's options become a judgement."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from stats import comparing, factorial, gates, judging, report, timing
from stats.selecting import Choice, nothing
from stats.text import Row
from store.catalog import Catalog
from store.selection import Selection

Document = Mapping[str, Any]


class Result(NamedTuple):
    """What a command found: its JSON documents (a line each where ``many``), rows and tables, and what gates name."""

    documents: Sequence[Document]
    rows: Sequence[Row]
    table: Callable[..., str]
    names: Sequence[tuple[str, gates.Names]]
    many: bool = False
    explanation: str = ""


def verdict(catalog: Catalog, arguments: argparse.Namespace) -> Result:
    """Judge the hypotheses on the selected runs."""
    thresholds = _thresholds(arguments.set)
    how: dict[str, Any] = {
        "profile": arguments.profile,
        "variant": arguments.variant,
        "thresholds": thresholds,
    }
    explanation = judging.explain(**how) if arguments.explain else ""
    found = judging.judge(catalog, **_selected(catalog, arguments), **how, by=arguments.by)
    documents = [one.to_json() for one in (found if isinstance(found, list) else [found])]
    return Result(
        documents=documents,
        rows=[row for document in documents for row in _of_run(document, arguments.by)],
        table=report.verdict_table,
        names=[(_title(document, arguments.by), gates.verdict_names(document)) for document in documents],
        many=arguments.by is not None,
        explanation=explanation,
    )


def compare(catalog: Catalog, arguments: argparse.Namespace) -> Result:
    """Compare the runs of A with those of each B."""
    documents, many = _comparisons(catalog, arguments), len(arguments.b) > 1
    return Result(
        documents=[*documents.values()],
        rows=[{"b": b, **row} for b, found in documents.items() for row in report.comparison_rows(found)],
        table=report.comparison_table,
        names=[(b if many else "", gates.comparison_names(found)) for b, found in documents.items()],
        many=many,
    )


def _comparisons(catalog: Catalog, arguments: argparse.Namespace) -> dict[str, Document]:
    """Return the comparison of A with each B, by B's predicate."""
    selected = _selected(catalog, arguments)
    where = selected.pop("where")
    expected = {"expected_a_s": arguments.expected_a_s, "expected_b_s": arguments.expected_b_s}
    return {
        b: comparing.compare(
            catalog, a=[*where, arguments.a], b=[*where, b], **expected, **selected
        ).to_json()
        for b in arguments.b
    }


def synergy(catalog: Catalog, arguments: argparse.Namespace) -> Result:
    """Compute the synergy of factors in the selected runs.

    Raises
    ------
    ValueError
        If there is none to compute; the sentence says why.
    """
    found = factorial.synergy(catalog, **_selected(catalog, arguments), outcome=arguments.outcome)
    if not found.entries:
        raise ValueError(found.notes[-1])
    document = found.to_json()
    return Result(
        documents=[document],
        rows=report.synergy_rows(document),
        table=report.synergy_table,
        names=[(_title(entry, "experiment"), gates.synergy_names(entry)) for entry in document["synergy"]],
    )


def timeline(catalog: Catalog, arguments: argparse.Namespace) -> Result:
    """Lay the clock of the selected runs over their progress."""
    document = timing.timeline(
        catalog,
        **_selected(catalog, arguments),
        expected_s=arguments.expected_s,
        clock=arguments.clock,
        until_s=arguments.until_s,
        without_requoted=arguments.without_requoted,
        milestones_s=arguments.milestone_s,
    ).to_json()
    return Result(
        documents=[document],
        rows=report.timeline_rows(document),
        table=report.timeline_table,
        names=[(f"run {entry['run_id']}", gates.timeline_names(entry)) for entry in document["timelines"]],
    )


def _selected(catalog: Catalog, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what the command line asks of the runs, as every judgement takes it.

    Raises
    ------
    ValueError
        If no run satisfies it, or the store is empty.
    """
    asked = {**asdict(Selection.of(arguments)), "across": arguments.across}
    where = asked.pop("where")
    if not Choice(**asked).ids(catalog, where):
        raise ValueError(nothing(catalog, [*where, *(f"--tag {tag}" for tag in asked["tags"])]))
    return {"where": where, **asked}


def _title(found: Document, by: str | None) -> str:
    if by == "run_id":
        return f"run {found['selection']['runs'][0]}"
    return " ".join(filter(None, (found["experiment"], found["optimization"]))) if by else ""


def _of_run(document: Document, by: str | None) -> list[Row]:
    rows = report.verdict_rows(document)
    return [{by: document["selection"]["runs"][0], **row} for row in rows] if by else rows


def _thresholds(settings: Iterable[str]) -> dict[str, dict[str, float]]:
    """Read ``h2.delta_r2_min=0.05``; names and ranges are judged with the hypothesis."""
    found: dict[str, dict[str, float]] = {}
    for text in settings:
        name, _, value = text.partition("=")
        hypothesis, _, key = name.strip().partition(".")
        if not (hypothesis and key):
            raise ValueError(f"--set {text!r} names no threshold; write it like h2.delta_r2_min=0.05")
        try:
            found.setdefault(hypothesis, {})[key] = float(value)
        except ValueError:
            raise ValueError(f"--set {text!r} sets no number; write it like h2.delta_r2_min=0.05") from None
    return found
