"""Compare two groups of runs, A before a change and B after it: what became faster, steadier, and by how much.

The unit of inference is the run.  Cycles of one run depend on each other: with "no difference" as the truth a
Welch test over cycles finds p < .001 in 90 % of comparisons, over run means in 5 %.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Unpack

from stats import accounts, elimination, gains, remarks
from stats.comparable import alike, copied, differences, pooled
from stats.published import joint_verdict, predicted, studied, with_prediction
from stats.quantity import Quantity
from stats.savings import Rows as Spent
from stats.selecting import Choice, Options, Selected, pick
from store.catalog import Catalog
from store.checks import sanity

HEAT = """
-- one row: how many readings of the temperature there are
select count(temp_celsius) as n from probe_thermal
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What sets the runs of B apart from those of A; ``to_json`` is its published shape."""

    a: Selected
    b: Selected
    quantities: Mapping[str, Quantity]
    predicted: Mapping[str, Mapping[str, float]]
    """What the study predicted of each quantity; empty unless its own experiments are compared."""
    h2_h3_validated: Mapping[str, bool | None]
    elimination: Sequence[elimination.Row] = ()
    notes: Sequence[str] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Return the document of ``stats compare``."""
        return {
            "a": self.a.to_json(),
            "b": self.b.to_json(),
            **{
                name: with_prediction(found, self.predicted.get(name))
                for name, found in self.quantities.items()
            },
            "elimination": [row._asdict() for row in self.elimination],
            "h2_h3_validated": dict(self.h2_h3_validated),
            "notes": list(self.notes),
        }


def compare(
    catalog: Catalog,
    *,
    a: str | Sequence[str],
    b: str | Sequence[str],
    expected_a_s: float | None = None,
    expected_b_s: float | None = None,
    **options: Unpack[Options],
) -> Comparison:
    """Compare the run totals of two groups of runs.

    Parameters
    ----------
    catalog : Catalog
        The store, opened.
    a, b : str or sequence of str
        Predicates over ``runs`` (several: all must hold) that select the group before and after a change.
    expected_a_s, expected_b_s : float, optional
        Expected duration of one run of each group [s]; without them there is no excess to speak of.
    runs, tags, latest, last, across
        Further restrictions of both groups, and whether unlike runs may be mixed, as everywhere.

    Returns
    -------
    Comparison
        Speedup, t-tests, effect size, Levene's test, reductions of variance, excess and sampling calls, and the
        overhead of sampling; intervals are 95 %.  What cannot be said is ``None`` with its reason.  The rule of
        the elimination table stands in ``stats.elimination``.

    Raises
    ------
    ValueError
        If a predicate is not valid or selects no whole run, a run is in both groups, or an expected duration is
        not above zero; ``NotComparable`` if the runs are unlike.
    """
    expected = {"a": _positive("expected_a_s", expected_a_s), "b": _positive("expected_b_s", expected_b_s)}
    side_a, side_b, notes = _sides(catalog, a, b, Choice(**options))
    spent = [list(accounts.read(catalog, side.runs).values()) for side in (side_a, side_b)]
    of_the_study = studied(catalog.runs([*side_a.runs, *side_b.runs]).to_pylist())
    found = gains.found(catalog, side_a.runs, side_b.runs, expected, spent, of_the_study=of_the_study)
    heat = bool(catalog.query(HEAT, runs=[*side_a.runs, *side_b.runs])[0]["n"])
    eliminated = elimination.table(catalog, side_b.runs, found, heat=heat)
    caveats = elimination.by_run_time(eliminated, found) if of_the_study else []
    return Comparison(
        a=side_a,
        b=side_b,
        quantities=found,
        predicted=predicted(*(remarks.read(catalog, side.runs) for side in (side_a, side_b))),
        h2_h3_validated=joint_verdict(found),
        elimination=eliminated,
        notes=[
            *notes,
            *caveats,
            *_levels(*spent),
            *_cautions(catalog, side_a, side_b),
        ],
    )


def _sides(
    catalog: Catalog, a: str | Sequence[str], b: str | Sequence[str], choice: Choice
) -> tuple[Selected, Selected, list[str]]:
    """Return both sides, and what their selection says."""
    side_a, notes_a = pick(catalog, a, choice, "A")
    side_b, notes_b = pick(catalog, b, choice, "B")
    for side, notes in ((side_a, notes_a), (side_b, notes_b)):
        if not side.runs:
            raise ValueError(notes[0])
    _disjoint(side_a.runs, side_b.runs)
    mixed = alike(catalog, (*side_a.runs, *side_b.runs), across=choice.across)
    return side_a, side_b, [*mixed, *notes_a, *notes_b, *_alone(side_a, side_b)]


def _cautions(catalog: Catalog, a: Selected, b: Selected) -> Iterator[str]:
    """Yield what else is to bear in mind of the runs of both sides."""
    for name, side in (("A", a), ("B", b)):
        yield from (f"{name}: {note}" for note in pooled(catalog, side.runs))
    yield from copied(catalog, a.runs, b.runs)
    yield from differences(catalog, a.runs, b.runs, (*a.where, *b.where))
    yield from sanity.notes(catalog, (*a.runs, *b.runs), alone=False)


def _positive(name: str, seconds: float | None) -> float | None:
    if seconds is not None and not 0 < seconds < float("inf"):
        raise ValueError(f"{name}={seconds} is no duration; give the expected seconds of one run, above 0")
    return seconds


def _disjoint(a: Sequence[str], b: Sequence[str]) -> None:
    shared = sorted(set(a) & set(b))
    if shared:
        runs = f"{len(shared)} runs are" if len(shared) > 1 else "1 run is"
        raise ValueError(f"{runs} in both A and B ({shared[0]}); make the predicates exclude each other")


def _alone(a: Selected, b: Selected) -> list[str]:
    single = [name for name, side in (("A", a), ("B", b)) if len(side.runs) == 1]
    if not single:
        return []
    where = " and in ".join(single)
    return [f"n = 1 in {where}: one run total has no variance, so t-test and Levene's test are undefined"]


def _levels(a: Spent, b: Spent) -> list[str]:
    """Say of the largest account of each side what it is of both, where they are not the same."""
    largest = [accounts.level(rows).account for rows in (a, b)]
    if largest[0] == largest[1]:
        return []
    of_a, of_b = accounts.divided(a), accounts.divided(b)
    said = [
        f"{accounts.called(account)} {of_a[account]:.0%} of A's time and {of_b[account]:.0%} of B's"
        for account in largest
        if account in of_a and account in of_b
    ]
    return [f"the level differs: {', '.join(said)}"] if said else []
