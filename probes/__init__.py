"""Measure a process while it works.  ``track`` records a user's own loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from probes.tracking import track

__all__ = ["track"]


def __getattr__(name: str) -> Any:
    # On first use: the measured process imports this package and needs nothing of it.
    if name == "track":
        from probes.tracking import track

        return track
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
