"""Rank correlations of a run's signals: those that can be judged, in words and in numbers."""

from __future__ import annotations

from collections.abc import Mapping

from stats.hypotheses.finding import FEWEST
from stats.kernels.spearman import Correlation
from stats.kernels.usable import Unfit

Found = Mapping[str, Correlation]
"""Signal → its correlation."""


def judgeable(fits: Mapping[str, Correlation | Unfit]) -> dict[str, Correlation]:
    """Return the correlations of enough readings."""
    return {k: fit for k, fit in fits.items() if not isinstance(fit, Unfit) and fit.n >= FEWEST}


def words(found: Found) -> str:
    """Return each signal's ρ with its p."""
    return ", ".join(f"ρ_{signal} = {fit.rho:.3g} (p = {fit.p:.2g})" for signal, fit in found.items())


def statistics(found: Found) -> dict[str, float]:
    """Return ``r_<signal>`` and ``p_<signal>`` of each signal."""
    return {
        name: y
        for signal, fit in found.items()
        for name, y in ((f"r_{signal}", fit.rho), (f"p_{signal}", fit.p))
    }
