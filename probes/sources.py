"""What a run's probes do to its comparability: traced allocations, and sensors that are a recording."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from probes import thermal

Specs = Mapping[str, Mapping[str, Any]]


def traced(specs: Specs, *, here: bool = False) -> bool:
    """Tell whether allocations are traced in a run with these probes, which makes it many times slower.

    Parameters
    ----------
    specs : mapping
        The probes' leaves by name.
    here : bool
        Whether the run is recorded in this process; if not, in a child, which inherits the environment only.
    """
    if any(spec.get("_target_") == "probes.trace.Probe" for spec in specs.values()):
        return True
    if here:
        import _tracemalloc  # ``tracemalloc`` would bring pickle into the user's process

        return _tracemalloc.is_tracing()
    return os.environ.get("PYTHONTRACEMALLOC", "0") not in ("", "0")


def sensor_source(specs: Specs) -> str | None:
    """Return ``replay:<sha256>``, ``live``, or ``None`` where no sensor is read.

    Raises
    ------
    ValueError
        If the trace to be replayed cannot be used.
    """
    spec = specs.get("thermal")
    if spec is None:
        return None
    if spec.get("replay") is not None:
        return f"replay:{_sha256(spec['replay'])}"
    return "live" if thermal.live() else None


def pinned(specs: Specs) -> dict[str, dict[str, Any]]:
    """Return the specs with the content of a trace fixed: what is replayed is what ``sensor_source`` says."""
    pinned = {name: dict(spec) for name, spec in specs.items()}
    if "thermal" in pinned and pinned["thermal"].get("replay") is not None:
        path = Path(pinned["thermal"]["replay"]).expanduser().absolute()
        pinned["thermal"] |= {"replay": str(path), "replay_sha256": _sha256(str(path))}
    return pinned


def _sha256(path: str) -> str:
    from probes import replay  # brings csv and hashlib, which a tracked program need not have

    return replay.load(path).sha256
