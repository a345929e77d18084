"""The parts of a timeline's document: its shape, its fit, its memory and its points."""

from __future__ import annotations

from typing import Any

from stats import phases
from stats.hypotheses.finding import FEWEST
from stats.hypotheses.h2 import Thresholds
from stats.kernels.quadratic import Parabola
from stats.kernels.rates import Estimate
from stats.kernels.usable import Unfit
from stats.progress import Memory, Series

SHOWN = 100
"""Points of a run in the document."""
H2_DELTA_R2 = Thresholds().delta_r2_min


def shape(bend: Estimate, fit: Parabola | Unfit) -> str:
    """Return ``line``, ``upwards``, ``downwards``, or ``unknown``.

    Upwards, the clock advances faster per unit of progress the further the run is: over cycles the run became slower,
    over wall time the process used more CPU.
    """
    if bend.low is None or bend.high is None or isinstance(fit, Unfit):
        return "unknown"
    return "upwards" if bend.low > 0 else "downwards" if bend.high < 0 else "line"


def fitted(fit: Parabola | Unfit) -> dict[str, Any]:
    """Return a line and its parabola as the document has them."""
    if isinstance(fit, Unfit):
        return {
            "r2_linear": None,
            "r2_poly": None,
            "delta_r2": None,
            "slope": None,
            "curvature": None,
            "reason": fit.reason,
        }
    return {
        "r2_linear": fit.r2_linear,
        "r2_poly": fit.r2_poly,
        "delta_r2": fit.delta_r2,
        "slope": fit.slope,
        "curvature": fit.c2,
        "reason": None,
    }


def remembered(memory: Memory) -> dict[str, Any]:
    """Return what readings of memory show, and whether H2's criterion is met."""
    fit = fitted(memory.fit)
    met = None if fit["delta_r2"] is None else fit["delta_r2"] > H2_DELTA_R2
    return {"n": memory.n, "first_mb": memory.first_mb, "last_mb": memory.last_mb, **fit, "h2_met": met}


def told(memory: Memory) -> str:
    """Return what readings of memory show in a sentence."""
    found = remembered(memory)
    way = "fell" if memory.last_mb < memory.first_mb else "did not fall"
    said = f"RSS {way}, {memory.first_mb:.1f} to {memory.last_mb:.1f} MiB, n = {memory.n}"
    if found["delta_r2"] is None:
        return f"{said}; {found['reason']}"
    met = "met" if found["h2_met"] else "not met"
    few = f"; fewer than {FEWEST} readings decide nothing" if memory.n < FEWEST else ""
    return f"{said}; ΔR² = {found['delta_r2']:.2g} over time, H2's criterion (above {H2_DELTA_R2:g}) is {met}{few}"


def thinned(series: Series, expected_s: float | None) -> list[list[float | None]]:
    """Return few enough points of a run, its last always."""
    step = 1 + (len(series.x) - 1) // SHOWN
    kept = [i for i in range(len(series.x)) if i % step == 0 or i == len(series.x) - 1]
    return [[series.x[i], series.y[i], phases.excess(series.y[i], expected_s)] for i in kept]
