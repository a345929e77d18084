"""What a command found, in sentences: where the time went, what the change of mode did to it, and what was asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stats import savings
from stats.accounts import Level
from stats.growth import Growth
from stats.judging import Judgement
from stats.text import number

STEADY = 0.1
"""Half the width of an interval around no change from which it tells that there is none worth speaking of."""

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
    detail = (
        f" ({whole})" if len(re.findall(" [+-] ", whole)) == 2 else ""
    )  # cpu, run queue and off-CPU add up
    return f"{label} spent {100 * level.share:.0f} % of its cycles' time {WHERE[level.account]}{detail}"


def changed(label: str, comparison: Mapping[str, Any]) -> str:
    """Say what the runs of B did otherwise than those of A; ``comparison`` is the document of ``compare``."""
    calls, speedup = comparison["call_reduction"], comparison["speedup"]
    said = [_calls(calls["value"]), _times(speedup)]
    return f"{label} {' and '.join(part for part in said if part)}"


def parted(names: tuple[str, str], comparison: Mapping[str, Any]) -> Iterator[str]:
    """Yield what brought the difference about, in parts that add up, and what else was changed with it."""
    a, b = names
    yield from savings.lines(comparison["speedup"].get("saved"), comparison["call_reduction"], a, b)
    for note in comparison["notes"]:
        if note.startswith("A and B differ in optimization."):
            yield note.replace("A and B", f"{a} and {b}", 1)


def drifts(label: str, found: Growth) -> str:
    """Say whether the cycles of some runs became slower as these went on."""
    clock = f"by its CPU time ({found.busy}), " if found.busy else ""
    if found.value is None:
        return f"whether {label} drifts cannot be told: {found.reason}"
    if found.low is None or found.high is None:
        return f"whether {label} drifts cannot be told of one run"
    low, high = _signed(found.low), _signed(found.high)
    change = (
        f"{clock}a cycle's time changes by {_signed(found.value)} over a condition (95 %: {low} to {high})"
    )
    if found.low > 0 or found.high < 0:
        return f"{label} {'slows' if found.low > 0 else 'quickens'} as it goes on: {change}"
    if max(-found.low, found.high) > STEADY:
        return f"whether {label} drifts cannot be told from so little: {change}"
    return f"{label} does not drift as far as can be told: {change}"


def judged(label: str, judgement: Judgement) -> str:
    """Say which hypotheses hold, by verdict."""
    names: dict[str, list[str]] = {}
    for entry in judgement.verdicts:
        names.setdefault(entry.finding.verdict, []).append(entry.hypothesis)
    return (
        f"of {label}: {'; '.join(f'{verdict} {chr(44).join(of)}' for verdict, of in sorted(names.items()))}"
    )


def takes(label: str, seconds: Sequence[float]) -> str:
    """Say how long a run takes."""
    return f"a run of {label} takes {number(sum(seconds) / len(seconds), 3)} s"


def works(recorded: int, whole: int) -> str:
    """Say how many of the recorded runs came to their end."""
    does = "it does" if whole == recorded else "it does not"
    return f"{does}: {whole} of {recorded} runs are recorded to their end, kept and judged"


def _signed(share: float) -> str:
    return f"{100 * share + 0.0:+.1f} %"


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
