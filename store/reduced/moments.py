"""Sums of pairs that a line, a parabola or a rank correlation is found from, centred before they are squared.

NaN and infinities pair with nothing.  The columns are those of the kernels in SQL, which prove them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Sums: TypeAlias = Mapping[str, float | None]


def line(x: Floats, y: Floats) -> Sums:
    """Return counts, means and centred sums: what a least-squares line needs."""
    counts, x, y = _finite(x, y)
    if not len(x):
        return {**counts, "x_mean": None, "y_mean": None, "sxx": None, "sxy": None, "syy": None}
    return {**counts, **centred(x, y)}


def centred(x: Floats, y: Floats) -> dict[str, float]:
    """Return means and centred sums of finite pairs, in two passes: one loses four digits at 1e9 ± 1e-4."""
    n, moving = len(x), (bool(np.ptp(x)), bool(np.ptp(y)))
    dx, dy = x - x.mean(), y - y.mean()
    left, right = float(dx.sum()), float(dy.sum())
    return {
        "x_mean": float(x.mean()) + left / n,
        "y_mean": float(y.mean()) + right / n,
        "sxx": _product(dx, dx) - left * left / n if moving[0] else 0.0,
        "sxy": _product(dx, dy) - left * right / n if all(moving) else 0.0,
        "syy": _product(dy, dy) - right * right / n if moving[1] else 0.0,
    }


def ranks(x: Floats, y: Floats) -> Sums:
    """Return counts and centred sums of average ranks; ranks are halves of integers, so the sums are exact."""
    counts, x, y = _finite(x, y)
    if not len(x):
        return {**counts, "sxx": None, "sxy": None, "syy": None}
    dx, dy = (_ranked(values) - (len(x) + 1) / 2 for values in (x, y))
    return {**counts, "sxx": _product(dx, dx), "sxy": _product(dx, dy), "syy": _product(dy, dy)}


def parabola(x: Floats, y: Floats) -> Sums:
    """Return counts, scale and centred sums of u in [-1, 1], of u² and of y: what a parabola needs."""
    counts, x, y = _finite(x, y)
    if not len(x):
        return {**counts, "sxx": 0.0}
    low, high = float(x.min()) / 2, float(x.max()) / 2
    flat = not np.ptp(y)
    found: dict[str, float | None] = {
        **counts,
        "middle": low + high,
        "sxx": 0.0,
        "syy": 0.0 if flat else None,
    }
    half = high - low
    if not half:
        return found
    u, v = (x - (low + high)) / half, y - y.mean()
    q = u * u
    du, dq, dv = u - u.mean(), q - q.mean(), v - v.mean()
    suu, svv = _product(du, du), 0.0 if flat else _product(dv, dv)
    means = {"u_mean": float(u.mean()), "q_mean": float(q.mean()), "y_mean": float(y.mean() + v.mean())}
    products = {
        "suq": _product(du, dq),
        "sqq": _product(dq, dq),
        "suv": _product(du, dv),
        "sqv": _product(dq, dv),
    }
    return {**found, "half": half, **means, **products, "suu": suu, "sxx": suu, "syy": svv}


def _product(x: Floats, y: Floats) -> float:
    """Return the sum of products; BLAS takes threads for it, which on a busy machine cost 40 times the sum."""
    return float((x * y).sum())


def _finite(x: Floats, y: Floats) -> tuple[dict[str, int], Floats, Floats]:
    known = np.isfinite(x), np.isfinite(y)
    paired = known[0] & known[1]
    counts = {"n_x": int(known[0].sum()), "n_y": int(known[1].sum()), "n": int(paired.sum())}
    return counts, x[paired], y[paired]


def _ranked(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    found: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return found
