"""The verdict on a hypothesis as a row of text, and the accounts of the time as lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from stats import accounts
from stats.hypotheses.finding import LEAST_P, MEDIANS
from stats.text import Row, number

SPANS = "statistics run from the least to the most of the runs"


def spans(entries: Iterable[Mapping[str, Any]]) -> str:
    """Return what to say once of a table whose statistics are spans; nothing where each is of one run."""
    return f"; {SPANS}" if any(MEDIANS in entry["reason"] for entry in entries) else ""


def row(entry: Mapping[str, Any]) -> Row:
    """Return an entry without runs and cycles, which all entries share, its statistics as spans over the runs.

    Medians of several statistics are those of no run, and one that had them all may be impossible.
    """
    values = {
        name: [run["statistics"][name] for run in entry["runs"] if name in run["statistics"]] or [median]
        for name, median in entry["statistics"].items()
    }
    return {
        "hypothesis": entry["hypothesis"],
        "expected": entry["expected"],
        "found": entry["verdict"],
        "statistics": " ".join(_spanned(name, of) for name, of in values.items()),
        "reason": entry["reason"].replace(f"; {MEDIANS}", ""),
    }


def _spanned(name: str, values: Sequence[float]) -> str:
    """Return the least and the most; a probability that double precision has lost lies below something."""
    lost = name.partition("_")[0] == "p"
    ends = [f"<{LEAST_P:g}" if lost and y < LEAST_P else number(y, 3) for y in (min(values), max(values))]
    said = "..".join(dict.fromkeys(ends))
    return f"{name}{said}" if said == f"<{LEAST_P:g}" else f"{name}={said}"


def level(found: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the largest account, then those that add up, and apart from them those that lie inside."""
    if not found:
        return
    if found.get("account") is None or found.get("share") is None:
        yield f"level: unknown, {found.get('reason')}"
        return
    yield f"level: {found['share']:.1%} of the time is {accounts.called(found['account'])}"
    yield from (f"  {part}" for part in (found.get("detail") or "").split("; ") if part)
