"""A comparison as text: its quantities in a table, and under it what each one is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from stats import savings
from stats.published import (
    MANUSCRIPT_P,
    MANUSCRIPT_VARIANCE,
    SCRIPT_SPEEDUP,
    SUPPLEMENT_EXCESS,
    SUPPLEMENT_SPEEDUP,
)
from stats.text import Row, between, number

Document = Mapping[str, Any]

MEANINGS = {
    "speedup": "mean run time of A over B's; interval and p by Welch's t on the logarithms of run times",
    "t_test": "Welch's t of run times",
    "effect_size": "Cohen's d of run times: their difference in pooled standard deviations",
    "levene": "W for equal variances, around medians",
    "variance_reduction": "1 - variance of B's run times over A's",
    "excess_reduction": "1 - excess of B over A's; excess = run time / expected - 1",
    "call_reduction": "1 - sampling calls of B over A's",
    "overhead_factor": "overhead of A over B's; overhead = time in sampling calls / rest of the cycles, "
    "our probes left out (1 doubles them)",
}
CRITERIA = {
    "supplement": f"speedup above {SUPPLEMENT_SPEEDUP} and excess reduction above {SUPPLEMENT_EXCESS:.0%}",
    "manuscript": f"Levene's p below {MANUSCRIPT_P} and variance reduction above {MANUSCRIPT_VARIANCE:.0%}",
    "script": f"speedup from {SCRIPT_SPEEDUP[0]} to {SCRIPT_SPEEDUP[1]}",
}
ELIMINATION = (
    "if true, if false: what A's excess should do once sampling is cut, were the hypothesis its cause, or were it not",
    "outcome: by the side on which the whole 95 % interval of what was observed lies",
)
NEARLY = 0.9999999
"""The share next to 1 that is shown as it is."""
ANSWERS = {True: "yes", False: "no", None: "cannot be said"}


def rows(document: Document, without: Collection[str] = ()) -> list[Row]:
    """Return one row per quantity, its numbers with the digits that matter; none for those ``without`` a value."""
    found = []
    for name in _shown(document, without):
        quantity, said = document[name], _reduction if name.endswith("_reduction") else number
        bounds = [quantity["low"], quantity["high"]]
        found.append(
            {
                "quantity": name,
                "value": said(quantity["value"]),
                "95_%_interval": "-" if None in bounds else f"[{', '.join(map(said, bounds))}]",
                "p": number(quantity["p"], 2),
                "runs": f"{quantity['n_a']}, {quantity['n_b']}",
                "predicted": quantity.get("predicted"),
                "remark": quantity["reason"] or "",
            }
        )
    return found


def lines(document: Document, without: Collection[str] = ()) -> Iterator[str]:
    """Yield what each quantity is, with what else was found of it."""
    for name in _shown(document, without):
        meaning = MEANINGS[name]
        more = "; ".join(_MORE[name](document[name])) if name in _MORE else ""
        yield f"{name}: {meaning}{f'; {more}' if more else ''}"
        if name == "speedup":
            saved = savings.lines(document[name].get("saved"), document["call_reduction"])
            yield from (f"  {line}" for line in saved)
    for side, other in (("a", "b"), ("b", "a")):
        yield from _overhead(document["overhead_factor"].get(side), side.upper(), other.upper())


def elimination(table: Sequence[Document]) -> tuple[str, list[Row]]:
    """Return what all hypotheses are judged by, and the rows with what else one of them is judged by."""
    common = str(min((row["observed"] for row in table), key=len))
    return common, [
        {
            **{name: row[name] for name in ("hypothesis", "if_true", "if_false")},
            "also_observed": row["observed"].removeprefix(common).removeprefix("; "),
            "outcome": row["outcome"],
        }
        for row in table
    ]


def verdict(joint: Mapping[str, bool | None]) -> Iterator[str]:
    """Yield whether H2 and H3 together are the cause, by each of the study's criteria."""
    yield "h2 and h3 together the cause, by the study's three published criteria:"
    for form, criterion in CRITERIA.items():
        yield f"  {form}: {ANSWERS[joint[form]]} ({criterion})"


def _shown(document: Document, without: Collection[str]) -> list[str]:
    return [name for name in MEANINGS if name not in without or document[name]["value"] is not None]


def _reduction(value: float | None) -> str:
    """Return a number of which only 1 itself is shown as 1: then nothing is left."""
    shown = number(value)
    return f"> {NEARLY}" if shown == "1" and value != 1 else shown


def _t_test(found: Document) -> Iterator[str]:
    if "student" in found:
        yield f"Student's t = {number(found['student']['t'])} (p = {number(found['student']['p'], 2)})"


def _effect_size(found: Document) -> Iterator[str]:
    if "hedges_g" in found:
        yield f"Hedges' g = {number(found['hedges_g'])}"


def _levene(found: Document) -> Iterator[str]:
    if "mean" in found:
        yield f"around means {number(found['mean']['w'])} (p = {number(found['mean']['p'], 2)})"


def _variance(found: Document) -> Iterator[str]:
    if "from_speedup_alone" in found:
        yield f"the speedup alone would give {number(found['from_speedup_alone'])}"


def _excess(found: Document) -> Iterator[str]:
    if "excess_a" in found:
        yield f"A {found['excess_a']:.1%}, B {found['excess_b']:.1%}"


def _calls(found: Document) -> Iterator[str]:
    if "calls_a" in found:
        yield f"{number(found['calls_a'])} against {number(found['calls_b'])} a run"
    if found.get("ratio") is not None:
        yield f"{number(found['ratio'])} times as many in A"


_MORE = {
    "t_test": _t_test,
    "effect_size": _effect_size,
    "levene": _levene,
    "variance_reduction": _variance,
    "excess_reduction": _excess,
    "call_reduction": _calls,
}


def _overhead(found: Document | None, side: str, other: str) -> Iterator[str]:
    if not found:
        return
    interval = f" {between(found['low'], found['high'])}" if found["low"] is not None else ""
    predicted = found["predicted"]
    said = f"  overhead of {side}: {number(found['value'])}{interval}"
    if predicted:
        whose = "its own" if predicted["unit_cost_of"] == side.lower() else f"{other}'s"
        cost = _duration(predicted["unit_cost_ns"])
        said += f"; its calls at {whose} {cost} each (harmonic mean of runs) would give {number(predicted['value'])}"
    yield said


def _duration(ns: float) -> str:
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size:
            return f"{number(ns / size, 3)} {unit}"
    return f"{number(ns, 3)} ns"
