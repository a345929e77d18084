"""The level entry of a judgement: which account holds the largest share of the wall time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from store.checks import spending

if TYPE_CHECKING:
    from store.catalog import Catalog

# wall = cpu + runq + offcpu; the sub-accounts lie inside those three.
CONTAINERS = {"cpu": "cpu", "runq": "run queue", "offcpu": "off-CPU"}
INSIDE = {"sampling": "the workload's sampling calls", "gc": "garbage collection", "probe": "our probes"}

NEARLY = 0.95
"""Share of the largest account from which one inside it is named instead: it says more of the same time."""


def read(catalog: Catalog, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Return a row of ``spending.SQL`` for each run that has cycles; of light ones CPU time as windows have it."""
    rows = spending.of_runs(catalog, ids)
    return {run_id: _with_windows(row) for run_id, row in rows.items() if row["cycles"]}


def _with_windows(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Fill in what is read for windows only where cycles are short."""
    keys = ("cpu", "cpu_wall", "offcpu", "offcpu_wall")
    return {**row, **{key: row[f"light_{key}"] for key in keys if row[key] is None}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Where the time of the selected runs went; without an account where none was recorded."""

    account: str | None
    share: float | None
    detail: str | None
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return ``level`` of the document of ``stats verdict``."""
        return {"account": self.account, "share": self.share, "detail": self.detail, "reason": self.reason}


def level(rows: Sequence[Mapping[str, Any]], *, dearest: str | None = None) -> Level:
    """Name the largest account of the cycles of several runs, or one inside it that holds nearly all of it.

    Parameters
    ----------
    rows : rows of ``read``, one per run
        Times in ns; an account that was not read is None.
    dearest : str, optional
        What to add where our own probes are the largest account: which one, and its share.

    Returns
    -------
    Level
        ``share`` of the wall time of the cycles where the account was read, in [0, 1] but for the rounding of a
        residual off-CPU time, which is never clamped.
    """
    wall = _sum(rows, "wall")
    if not wall:
        return Level(account=None, share=None, detail=None, reason="no cycle times were recorded")
    shares = divided(rows)
    if not shares:
        reason = "cycle times were recorded, but no accounts of where they went"
        return Level(account=None, share=None, detail=None, reason=reason)
    inside = max((account for account in INSIDE if account in shares), key=shares.__getitem__, default=None)
    largest = max(shares, key=shares.__getitem__)
    if inside is not None and shares[inside] >= NEARLY * shares[largest]:
        largest = inside
    return Level(
        account=largest,
        share=shares[largest],
        detail="; ".join([_decomposed(shares), *([dearest] if dearest and largest == "probe" else [])]),
        reason=_basis(rows, shares, wall),
    )


def divided(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return each account's share of the wall time where it was read, of rows as ``level`` takes them."""
    return {
        account: _sum(rows, account) / covered
        for account in (*CONTAINERS, *INSIDE)
        if (covered := _sum(rows, f"{account}_wall"))
    }


def called(account: str) -> str:
    """Return what an account is called in a sentence."""
    return {**CONTAINERS, **INSIDE}[account]


def _sum(rows: Sequence[Mapping[str, Any]], key: str) -> int:
    return sum(row[key] or 0 for row in rows)


def _percent(share: float) -> str:
    digits = 0 if abs(share) >= 0.095 else 1
    # Adding 0.0 takes the sign off a residual that rounds to nothing.
    return f"{round(100 * share, digits) + 0.0:.{digits}f} %"


def _seconds(ns: int) -> str:
    return f"{ns / 1e9:,.0f} s" if ns >= 1e11 else f"{ns / 1e9:.3g} s"


def _decomposed(shares: Mapping[str, float]) -> str:
    outer = [f"{_percent(shares[k])} {name}" for k, name in CONTAINERS.items() if k in shares]
    inner = [f"{_percent(shares[k])} {name}" for k, name in INSIDE.items() if k in shares]
    parts = (
        f"wall = {' + '.join(outer).replace('+ -', '- ')}" * bool(outer),
        f"inside these: {', '.join(inner)}" * bool(inner),
    )
    return "; ".join(filter(None, parts))


def _basis(rows: Sequence[Mapping[str, Any]], shares: Mapping[str, float], wall: int) -> str:
    cycles = f"{_sum(rows, 'cycles'):,} cycles, {_seconds(wall)} of wall time"
    said = [f"the largest of {len(shares)} accounts over {cycles}"]
    absent = [account for account in (*CONTAINERS, *INSIDE) if account not in shares]
    partly = [account for account in shares if _sum(rows, f"{account}_wall") < wall]
    if absent:
        said.append(f"not recorded: {', '.join(map(called, absent))}")
    if partly:
        said.append(f"read in a part of the cycles: {', '.join(map(called, partly))}")
    return "; ".join(said)
