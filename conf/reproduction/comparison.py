"""Section 4: the unoptimised runs against the optimised ones, scaled: predictions beside what is observed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from conf.compose import compose_one, composer
from conf.reproduction.checks import Row, Section, row
from conf.reproduction.intervention import SCALED, eliminated, joint
from conf.reproduction.levels import levels
from conf.reproduction.material import Material
from stats import compare
from stats.report import comparison_table

NUMBER, TITLE = 4, "Comparison of unoptimised and optimised runs"

CALLS = """
-- one row: what makes a sampling call in the selected runs: a visit or a birth (the root's, too) where each takes its
-- own, a cycle where all share one
select sum(visits + births)::bigint as requests, count(*) as cycles
from cycles
"""


def section(material: Material) -> Section:
    """Make the comparisons that phase 1B declares."""
    with composer():
        declared = compose_one(["experiment=phase1b"]).config["comparisons"]
    rows: list[Row] = []
    tables = {}
    for contrast in declared:
        sides = [_runs(material, contrast[side]) for side in ("a", "b")]
        found = compare(material.catalog, a=_of(sides[0]), b=_of(sides[1])).to_json()
        name = "C256 against C257-C260" if contrast["caveat"] else "C256 unoptimised against cached"
        rows += [
            *_quantities(name, found),
            *_calls(material, name, sides, found),
            *levels(material, name, sides),
        ]
        rows += [*joint(name, found), *eliminated(name, found)]
        title = f"{name}: {contrast['caveat'] or 'nothing else differs'}"
        tables[title] = comparison_table(found, style="markdown")
    return Section(number=NUMBER, name="comparison", title=TITLE, rows=tuple(rows), tables=tables)


def _runs(material: Material, predicate: str) -> list[str]:
    ids = material.catalog.select(where=[predicate, "status = 'completed'"], latest=True)
    if not ids:
        raise ValueError(f"phase1b left no completed run where {predicate}; its log says why")
    return ids


def _of(ids: Sequence[str]) -> str:
    return f"run_id in ({', '.join(map(repr, ids))})"


def _quantities(name: str, found: Mapping[str, Any]) -> list[Row]:
    def said(quantity: str, value: str = "value") -> float | None:
        y: float | None = found[quantity][value]
        return y

    d, spread = said("effect_size"), said("variance_reduction")
    student, levene = said("t_test", "p"), said("levene", "p")
    faster = found["speedup"]["low"] is not None and found["speedup"]["low"] > 1
    measured = [
        row(f"{name}: speedup", published="160–190", found=said("speedup"), holds=None, how=SCALED),
        row(
            f"{name}: B is faster, its interval above 1",
            published=True,
            expected=True,
            found=faster,
            how=f"95 % interval from {found['speedup']['low']:.4g} to {found['speedup']['high']:.4g}"
            if faster
            else SCALED,
        ),
    ]
    criteria = [
        ("Welch's p", "< 0.001", student, None if student is None else student < 0.001),
        ("Cohen's d", "> 2.0", d, None if d is None else d > 2),
        ("Levene's p", "< 0.05", levene, None if levene is None else levene < 0.05),
        ("variance reduction", "> 0.80", spread, None if spread is None else spread > 0.8),
    ]
    for what, published, value, holds in criteria:
        measured.append(row(f"{name}: {what}", published=published, found=value, holds=holds, how=SCALED))
    for side, published in (("a", "40"), ("b", "0.5")):
        overhead = found["overhead_factor"][side]
        value = None if overhead is None else overhead["value"]
        what = f"{name}: overhead factor of {side.upper()}"
        measured.append(row(what, published=published, found=value, holds=None, how=SCALED))
    return measured


def _calls(
    material: Material, name: str, sides: Sequence[Sequence[str]], found: Mapping[str, Any]
) -> list[Row]:
    """Check the ratio of calls against what the model visited in these very runs."""
    a, b = (material.catalog.query(CALLS, runs=ids)[0] for ids in sides)
    configured = (a["requests"] / len(sides[0])) / (b["cycles"] / len(sides[1]))
    reduction = found["call_reduction"]
    return [
        row(
            f"{name}: ratio of sampling calls",
            published="90",
            expected=configured,
            found=reduction["ratio"],
            how="expected: visits and births of A over cycles of B, from the model's own record; 416 at full size",
        ),
        row(
            f"{name}: reduction of sampling calls",
            published=0.99,
            expected=1 - 1 / configured,
            found=reduction["value"],
            holds=None,
            how=SCALED,
        ),
    ]
