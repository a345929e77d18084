"""Statistics over runs: judge hypotheses, compare groups, find synergy, lay out timelines.

The functions are imported when first asked for: composing a configuration needs the thresholds alone, and SciPy's
``stats`` with statsmodels takes 1.3 s to import.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stats.comparing import compare
    from stats.factorial import synergy
    from stats.judging import judge
    from stats.timing import timeline

__all__ = ["compare", "judge", "synergy", "timeline"]

_HOMES = {
    "compare": "stats.comparing",
    "judge": "stats.judging",
    "synergy": "stats.factorial",
    "timeline": "stats.timing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
