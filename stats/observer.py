"""What our own probes took of the runs, by name: the recorder's ledger held against the cycles' time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LIMIT = 0.01
"""Share of the run from which a probe is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one probe took of some runs: of their cycles' wall time, of its own, and as it was asked for."""

    probe: str
    share: float
    reading_ns: float
    blocked: float | None
    as_asked: float | None
    rates: tuple[str, str]

    @property
    def sentence(self) -> str:
        """Return the accusation."""
        each = f"{self.reading_ns / 1e6:.3g} ms a reading"
        if self.blocked is not None and self.blocked >= 0.5:
            each += f", {self.blocked:.0%} of it not on a CPU"
        text = f"probe {self.probe} takes {100 * self.share:.2g} % of the run ({each})"
        if self.as_asked is not None:
            asked, in_effect = self.rates
            text += f"; at {asked} it took {100 * self.as_asked:.2g} %, so it was lowered to {in_effect}"
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


def notes(found: Sequence[Cost]) -> list[str]:
    """Return one sentence a probe."""
    return [cost.sentence for cost in found]


def dearest(found: Sequence[Cost]) -> str | None:
    """Return what to say of the dearest probe where our probes are the largest account."""
    return found[0].sentence if found else None


def _probes(observer: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    # The recorder's own entries (accounts, spool, loop) have no rate.
    for name, entry in observer.items():
        if isinstance(entry, Mapping) and entry.get("asked") and entry.get("reads"):
            yield name, entry


def _cost(name: str, entries: Sequence[Mapping[str, Any]], wall: int) -> Cost:
    ns = sum(entry.get("ns") or 0 for entry in entries)
    timed = [entry for entry in entries if entry.get("cpu_ns") is not None]
    timed_ns = sum(entry["ns"] for entry in timed)
    asked = [entry["share_as_asked"] for entry in entries if entry.get("share_as_asked") is not None]
    return Cost(
        probe=name,
        share=ns / wall,
        reading_ns=ns / sum(entry["reads"] for entry in entries),
        blocked=1 - sum(entry["cpu_ns"] for entry in timed) / timed_ns if timed_ns else None,
        as_asked=max(asked, default=None),
        rates=(_rate(entries[0].get("asked")), _rate(entries[0].get("in_effect"))),
    )


def _rate(rate: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{unit}={value}" for unit, value in (rate or {}).items())
