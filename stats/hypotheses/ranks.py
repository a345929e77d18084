"""Rank correlations of a run's signals: those that can be judged, in words and in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stats.hypotheses.finding import FEWEST, Bound, significance
from stats.kernels.spearman import Correlation
from stats.kernels.usable import Unfit

Found = Mapping[str, Correlation]
"""Signal → its correlation."""
Ways = Sequence[Sequence[Bound]]
"""What is asked: all of one list, whichever."""


def judgeable(fits: Mapping[str, Correlation | Unfit]) -> dict[str, Correlation]:
    """Return the correlations of enough readings."""
    return {k: fit for k, fit in fits.items() if not isinstance(fit, Unfit) and fit.n >= FEWEST}


def bounds(
    signal: str,
    fit: Correlation,
    rho_limit: float,
    p_max: float,
    *,
    either_sign: bool = False,
    below: bool = False,
) -> list[Bound]:
    """Return what is asked of one signal: its ρ beyond the limit, and its p below one."""
    rho = abs(fit.rho) if either_sign else fit.rho
    name = f"|ρ_{signal}|" if either_sign else f"ρ_{signal}"
    return [Bound(name, rho, rho_limit, below=below), Bound(f"p_{signal}", fit.p, p_max, below=True)]


def words(found: Found) -> str:
    """Return each signal's ρ with its p."""
    return ", ".join(f"ρ_{signal} = {fit.rho:.3g} ({significance(fit.p)})" for signal, fit in found.items())


def statistics(found: Found) -> dict[str, float]:
    """Return ``r_<signal>`` and ``p_<signal>`` of each signal."""
    return {
        name: y
        for signal, fit in found.items()
        for name, y in ((f"r_{signal}", fit.rho), (f"p_{signal}", fit.p))
    }
