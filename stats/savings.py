"""What a run of B takes less than one of A, in parts that add up: the calls, the rest of the cycles, what is around."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stats.accounts import CONTAINERS
from stats.text import number
from stats.totals import Totals

Rows = Sequence[Mapping[str, Any]]

SHOWN = 5e-4
"""Share of the difference from which a part of it is named: three digits show no less."""
COMPLETE = 0.02
"""Share of the cycles' time that the accounts may miss and still be said to add up."""


def saved(totals: Totals, a: Rows, b: Rows) -> dict[str, Any] | None:
    """Split the difference of mean run times into what brought it about.

    Parameters
    ----------
    totals : Totals
        Run times and sampling calls of both sides.
    a, b : rows of ``accounts.read``
        One per run of each side; times in ns.

    Returns
    -------
    dict or None
        Seconds a run that B is without, negative where it takes more: ``run_s`` = ``fewer_calls_s`` (priced as A's
        calls) + ``cheaper_calls_s`` + ``rest_of_cycles_s`` + ``outside_cycles_s``.  Where no calls were recorded the
        first two are None.  ``accounts`` splits the cycles' part by account, where those were read throughout.
        None where run times or cycles were not recorded in every run.
    """
    times = [totals.group("runtime", side) for side in "ab"]
    if any(
        time is None or time.n != len(rows) or not all(row["wall"] for row in rows)
        for time, rows in zip(times, (a, b), strict=True)
    ):
        return None
    run_s = times[0].mean - times[1].mean if times[0] and times[1] else 0.0
    cycles_s = _seconds(a, "wall") - _seconds(b, "wall")
    calls = _calls(totals, a, b)
    in_calls = sum(calls[name] or 0.0 for name in ("fewer_calls_s", "cheaper_calls_s"))
    return {
        "run_s": run_s,
        **calls,
        "rest_of_cycles_s": cycles_s - in_calls,
        "outside_cycles_s": run_s - cycles_s,
        "accounts": _accounts(a, b),
    }


def lines(
    found: Mapping[str, Any] | None, calls: Mapping[str, Any], a: str = "A", b: str = "B"
) -> Iterator[str]:
    """Yield the parts in words; ``calls`` is the document of ``call_reduction``, ``a`` and ``b`` call the sides."""
    if found is None:
        return
    parts = {**dict(_in_calls(found, calls)), _rest(found): found["rest_of_cycles_s"]}
    parts["outside of them"] = found["outside_cycles_s"]
    listed = _listed(parts, found)
    how = f"{_amount(found['run_s'])} than" if found["run_s"] else "as long as"
    yield f"a run of {b} takes {how} one of {a}" + f": {listed}" * bool(listed)
    split = {CONTAINERS[name]: y for name, y in (found["accounts"] or {}).items()}
    if by_account := _listed(split, found):
        yield f"the same of the cycles by account: {by_account}"


def _calls(totals: Totals, a: Rows, b: Rows) -> dict[str, float | None]:
    """Price the calls that B is without as A's; what the others became cheaper is the rest of it."""
    n_a, n_b = (totals.group("calls", side) for side in "ab")
    known = n_a is not None and n_b is not None and max(n_a.mean, n_b.mean) > 0
    if n_a is None or n_b is None or not (known and all(_throughout(rows, "sampling") for rows in (a, b))):
        return dict.fromkeys(("fewer_calls_s", "cheaper_calls_s", "call_a_s", "call_b_s"))
    spent_a, spent_b = _seconds(a, "sampling"), _seconds(b, "sampling")
    costs = [spent / n.mean if n.mean else None for spent, n in ((spent_a, n_a), (spent_b, n_b))]
    price = next(cost for cost in costs if cost is not None)
    fewer = (n_a.mean - n_b.mean) * price
    return {
        "fewer_calls_s": fewer,
        "cheaper_calls_s": spent_a - spent_b - fewer,
        "call_a_s": costs[0],
        "call_b_s": costs[1],
    }


def _accounts(a: Rows, b: Rows) -> dict[str, float] | None:
    """Return what each account of the cycles is less; of light runs by its share of the windows' time."""
    sides = [{name: _spent(rows, name) for name in CONTAINERS} for rows in (a, b)]
    for rows, spent in zip((a, b), sides, strict=True):
        wall = _seconds(rows, "wall")
        if None in spent.values() or abs(sum(y or 0.0 for y in spent.values()) - wall) > COMPLETE * wall:
            return None
    return {name: (sides[0][name] or 0.0) - (sides[1][name] or 0.0) for name in CONTAINERS}


def _spent(rows: Rows, account: str) -> float | None:
    covered = sum(row[f"{account}_wall"] or 0 for row in rows)
    if not covered:
        return None
    share: float = sum(row[account] or 0 for row in rows) / covered
    return share * _seconds(rows, "wall")


def _throughout(rows: Rows, account: str) -> bool:
    """Tell whether every run recorded an account, in all of its cycles."""
    return all(row[account] is not None and row[f"{account}_wall"] == row["wall"] for row in rows)


def _seconds(rows: Rows, account: str) -> float:
    return sum(row[account] or 0 for row in rows) / len(rows) / 1e9


def _in_calls(found: Mapping[str, Any], calls: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    if found["fewer_calls_s"] is None:
        return
    n_a, n_b = calls["calls_a"], calls["calls_b"]
    how = "fewer" if n_b < n_a else "more"
    yield f"by {how} sampling calls ({number(n_a)} to {number(n_b)})", found["fewer_calls_s"]
    price_a, price_b = found["call_a_s"], found["call_b_s"]
    if price_a and price_b:
        how = "cheaper" if price_b < price_a else "dearer"
        each = f"{number(1e3 * price_a, 3)} to {number(1e3 * price_b, 3)} ms each"
        yield f"by {how} ones ({each})", found["cheaper_calls_s"]


def _rest(found: Mapping[str, Any]) -> str:
    return "in the cycles" if found["fewer_calls_s"] is None else "in the rest of the cycles"


def _listed(parts: Mapping[str, float], found: Mapping[str, Any]) -> str:
    least = SHOWN * abs(found["run_s"])
    return ", ".join(
        f"{_amount(seconds)} {where}" for where, seconds in parts.items() if abs(seconds) > least
    )


def _amount(seconds: float) -> str:
    return f"{number(float(f'{abs(seconds):.3g}'))} s {'less' if seconds >= 0 else 'more'}"
