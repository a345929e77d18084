"""Where the time of compared runs goes, as rows."""

from __future__ import annotations

from collections.abc import Sequence

from conf.reproduction.checks import Row, left_out, row
from conf.reproduction.material import Material
from stats import accounts, judge

WAITING = ("sampling", "offcpu")
BLOCKED = 0.2
"""Share of wall time; scaled, 0.55 and 0.000 were found under a loaded machine."""


def levels(material: Material, name: str, sides: Sequence[Sequence[str]]) -> list[Row]:
    """Check where the time of each side goes.

    Cached, psutil's own computing may still be the largest account, so that only blocking tells the sides apart.
    """
    of_a, of_b = (judge(material.catalog, runs=ids).level for ids in sides)
    blocked = [_blocked(material, ids) for ids in sides]
    return [
        row(
            f"{name}: most of the time of A, unoptimised, is spent in samples or blocked",
            published=False,
            expected=True,
            found=of_a.account in WAITING,
            how=f"largest account: {of_a.account}; {of_a.detail}",
        ),
        *(
            left_out(f"{name}: {side} blocks", expected=expected, how="the system does not tell blocked time")
            if share is None
            else row(
                f"{name}: {side} blocks",
                expected=expected,
                found=share > BLOCKED,
                how=f"{share:.1%} of the time",
            )
            for side, share, expected in zip(("A", "B"), blocked, (True, False), strict=True)
        ),
        row(f"{name}: largest account of B, cached", found=of_b.account, how=str(of_b.detail)),
    ]


def _blocked(material: Material, ids: Sequence[str]) -> float | None:
    """Return the share of the runs' wall time that was spent blocked or asleep."""
    rows = list(accounts.read(material.catalog, ids).values())
    wall = sum(each["offcpu_wall"] or 0 for each in rows)
    return sum(each["offcpu"] or 0 for each in rows) / wall if wall else None
