"""Measure a process while it works.  ``track`` records a user's own loop, ``sampling`` charges its own calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from probes.charging import sampling
    from probes.tracking import track

__all__ = ["sampling", "track"]


def __getattr__(name: str) -> Any:
    # On first use: the measured process imports this package and needs nothing of it.
    if name == "track":
        from probes.tracking import track

        return track
    if name == "sampling":
        from probes.charging import sampling

        return sampling
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
