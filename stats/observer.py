"""What our own probes took of the runs, by name: the recorder's ledger held against the cycles' time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from store.configured import within

LIMIT = 0.01
"""Share of the run from which a probe, or the recorder itself, is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one probe took of some runs: of their cycles' wall time, of its own, and as it was asked for.

    ``as_asked`` and ``rates`` are of one run, in which it would have taken most.
    """

    probe: str
    share: float
    reading_ns: float
    blocked: float | None
    as_asked: float | None
    rates: tuple[str, str]
    n_runs: int

    @property
    def sentence(self) -> str:
        """Return the accusation."""
        each = f"{self.reading_ns / 1e6:.3g} ms a reading"
        if self.blocked is not None and self.blocked >= 0.5:
            each += f", {self.blocked:.0%} of it not on a CPU"
        text = f"probe {self.probe} takes {100 * self.share:.2g} % of the run ({each})"
        if self.as_asked is not None:
            asked, in_effect = self.rates
            of = f" of one of {self.n_runs} runs" if self.n_runs > 1 else ""
            text += f"; at {asked} it took {100 * self.as_asked:.2g} %{of}, so it was lowered to {in_effect}"
        return text


Row = Mapping[str, Any]
Ledger = Mapping[str, Any]


def costs(observers: Mapping[str, Ledger], totals: Mapping[str, Row]) -> list[Cost]:
    """Return the probes that took ``LIMIT`` of the runs' cycles or more, or would have as asked; the dearest first.

    Parameters
    ----------
    observers : mapping
        What ``run.json`` says under ``observer``, by run.
    totals : mapping
        What ``accounts.read`` returns.
    """
    wall = sum(row["wall"] or 0 for row in totals.values())
    entries: dict[str, list[Mapping[str, Any]]] = {}
    for run_id in totals.keys() & observers.keys() if wall else ():
        for name, entry in _probes(observers[run_id]):
            entries.setdefault(name, []).append(entry)
    found = [_cost(name, each, wall) for name, each in entries.items()]
    named = [cost for cost in found if max(cost.share, cost.as_asked or 0.0) >= LIMIT]
    return sorted(named, key=lambda cost: -max(cost.share, cost.as_asked or 0.0))


def notes(observers: Mapping[str, Ledger], totals: Mapping[str, Row]) -> list[str]:
    """Return one sentence a probe, and one that says what adds up."""
    return [*(cost.sentence for cost in costs(observers, totals)), *_parts(observers, totals)]


def dearest(observers: Mapping[str, Ledger], totals: Mapping[str, Row]) -> str | None:
    """Return what to say where our probes are the largest account: of the dearest probe, and what adds up."""
    first = [cost.sentence for cost in costs(observers, totals)[:1]]
    return "; ".join([*first, *_parts(observers, totals)]) or None


def _parts(observers: Mapping[str, Ledger], totals: Mapping[str, Row]) -> list[str]:
    """Return what adds up to the account of our probes, and the recorder's cost beside it, where that is ``LIMIT``.

    The readings are the account less the windows and segments: of those before cycle 0 older runs do not tell.
    """
    found = [(totals[run_id], observers[run_id]) for run_id in totals.keys() & observers.keys()]
    told = [
        (row, ledger)
        for row, ledger in found
        if row["wall"] and row["probe"] and {"spool", "accounts"} <= ledger.keys()
    ]
    wall, ours = (sum(row[key] for row, _ in told) for key in ("wall", "probe"))
    rows, ends = (sum(ledger[name].get("ns") or 0 for _, ledger in told) for name in ("spool", "accounts"))
    if not wall or max(ours, ends) < LIMIT * wall:
        return []
    rows = min(rows, ours)  # the last window is in no cycle
    said = [_share(share, wall) for share in (ours, ours - rows, rows, ends)]
    sentence = (
        f"our probes' {said[0]} = {said[1]} readings + {said[2]} the recorder's windows and segments; beside them the "
        f"end of each cycle, its clocks and its row, takes {said[3]}"
    )
    return [sentence]


def _share(ns: int, wall: int) -> str:
    return f"{100 * ns / wall:.2g} %"


def _probes(observer: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    # The recorder's own entries (accounts, spool, loop) have no rate.
    for name, entry in observer.items():
        if entry.get("asked") and entry.get("reads") and entry.get("ns") is not None:
            yield name, entry


def _cost(name: str, entries: Sequence[Mapping[str, Any]], wall: int) -> Cost:
    dearest = max(entries, key=lambda entry: entry.get("share_as_asked") or 0.0)
    ns = sum(entry["ns"] - (entry.get("baseline_ns") or 0) for entry in entries)
    reads = sum(entry["reads"] - ("baseline_ns" in entry) for entry in entries)
    timed = [entry for entry in entries if entry.get("cpu_ns") is not None]
    timed_ns = sum(entry["ns"] for entry in timed)
    return Cost(
        probe=name,
        share=ns / wall,
        reading_ns=ns / max(reads, 1),
        blocked=1 - sum(entry["cpu_ns"] for entry in timed) / timed_ns if timed_ns else None,
        as_asked=dearest.get("share_as_asked"),
        rates=(_rate(within(dearest, "asked")), _rate(within(dearest, "in_effect"))),
        n_runs=len(entries),
    )


def _rate(rate: Mapping[str, Any]) -> str:
    return ", ".join(f"{unit}={value}" for unit, value in rate.items())
