"""The published synergy of C255 is the cap on its population."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from conf.reproduction.checks import Row, row
from conf.reproduction.course import course

CAP, HIGH = 100, 1000
FACTORS = ("energy_pooling", "reality_sources")


def capped(name: str, means: Mapping[str, float], *, within: float) -> list[Row]:
    """Say what the synergy is, and what a cap alone makes of it: all three cells above the base stand at the cap."""
    base, least = means["OFF-OFF"], min(means[cell] for cell in ("ON-OFF", "OFF-ON", "ON-ON"))
    return [
        row(
            f"{name}: synergy [agents]",
            published="-85.684",
            expected="-85.684",
            within=within,
            found=means["synergy"],
            how="ANTAGONISTIC below -0.1" + (f"; random angles move it by up to {within}" if within else ""),
            holds=abs(means["synergy"] + 85.684) <= max(within, 5e-4),
        ),
        row(
            f"{name}: the base less the cap [agents]",
            expected=means["synergy"],
            within=0.5,
            found=base - CAP,
            how=f"{base:.3f} - {CAP}, the synergy but for half an agent: that of cells at the cap is nothing else",
        ),
        row(
            f"{name}: the synergy is of the mechanisms, not of the cap",
            published=True,
            expected=False,
            found=least < 0.99 * CAP,
            how=f"each cell but OFF-OFF holds {least / CAP:.1%} of the cap or more",
        ),
    ]


def raised() -> Row:
    """Run the light C255 with room for ten times as many: the synergy follows the cap."""
    words = ("workload.rules=light", "workload.engine=numpy", f"workload.max_agents={HIGH}")
    a, b = FACTORS
    cells = {on: statistics.fmean(course(on=on, words=words).population) for on in ((), (a,), (b,), FACTORS)}
    return row(
        f"C255 light with a cap of {HIGH:,}: synergy [agents]",
        published="-85.684",
        expected="-977.6",
        found=cells[FACTORS] - cells[(a,)] - cells[(b,)] + cells[()],
        how="the model, 4 × 3,000 cycles at the study's constant metrics, seed 0",
    )
