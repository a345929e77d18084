"""What a command found, in one sentence: where the time went, and what the change of mode did to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stats.accounts import Level
from stats.text import number

WHERE = {
    "cpu": "computing",
    "runq": "waiting for a CPU",
    "offcpu": "asleep or blocked",
    "gc": "in garbage collection",
    "probe": "in our own probes",
    "sampling": "in the workload's sampling calls",
}


def spent(label: str, level: Level) -> str:
    """Say where a group of runs spent its time."""
    if level.account is None or level.share is None:
        return f"where {label} spent its time is not known: {level.reason}"
    whole = (level.detail or "").partition(";")[0]
    detail = f" ({whole})" if whole.count("+") == 2 else ""  # cpu, run queue and off-CPU add up
    return f"{label} spent {100 * level.share:.0f} % of its cycles' time {WHERE[level.account]}{detail}"


def changed(label: str, comparison: Mapping[str, Any]) -> str:
    """Say what the runs of B did otherwise than those of A; ``comparison`` is the document of ``compare``."""
    calls, speedup = comparison["call_reduction"], comparison["speedup"]
    said = [_calls(calls["value"]), _times(speedup)]
    return f"{label} {' and '.join(part for part in said if part)}"


def together(name: str, entries: Sequence[Mapping[str, Any]]) -> str:
    """Say what the factors of ``name`` do together beyond what they do apart, in each mode."""
    return f"the factors of {name} {' or '.join(dict.fromkeys(map(_beyond, entries)))}"


def _beyond(entry: Mapping[str, Any]) -> str:
    outcome, beyond, kind = entry["outcome"], entry["synergy"], entry["classification"]
    if kind == "ADDITIVE":
        return f"add up: synergy {number(beyond)} in {outcome}"
    side = "above" if beyond > 0 else "below"
    return f"together bring {outcome} {number(abs(beyond))} {side} the sum of their effects ({kind.lower()})"


def _calls(reduction: float | None) -> str:
    if reduction is None:
        return ""
    if abs(reduction) < 0.0005:
        return "takes as many of those calls"
    return f"takes {100 * abs(reduction):.3g} % {'fewer' if reduction > 0 else 'more'} sampling calls"


def _times(speedup: Mapping[str, Any]) -> str:
    value, bounds = speedup["value"], [speedup["low"], speedup["high"]]
    if value is None:
        return f"its speedup cannot be said ({speedup['reason']})"
    faster = value >= 1
    times = (
        f"its runs are {number(value if faster else 1 / value, 3)} times {'faster' if faster else 'slower'}"
    )
    if None in bounds:
        return f"{times} (no interval: too few runs)"
    low, high = bounds if faster else [1 / bounds[1], 1 / bounds[0]]
    unsure = "; 1 is among them, so this may be chance" if low <= 1 <= high else ""
    return f"{times} (95 %: {number(low, 3)} to {number(high, 3)}{unsure})"
