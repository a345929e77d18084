"""What can be measured on this machine, what not and why, and what each probe costs here and now."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

from probes import accounts, build, environment, hints
from probes.meters import Meters
from probes.protocols import Probe, Value
from probes.reading import sample_columns

_FACTS = ("os", "kernel", "python", "cpu_model", "cores", "memory_bytes", "allocator")

_FOR_S = 0.1
_MOST = 2000
"""Readings to time, or fewer if they take longer than ``_FOR_S``."""

_WHY = {
    "cpu_ns": "this system has no CPU clock of a thread",
    "runq_ns": "no /proc/thread-self/schedstat: it takes Linux with CONFIG_SCHED_INFO",
    "offcpu_ns": "it is what the CPU clock and the run queue leave of the wall time, and one of them is missing",
}


class Signal(NamedTuple):
    """One column: whether it can be measured here, and what it says now or why it says nothing."""

    table: str
    column: str
    measurable: bool
    value: Value
    reason: str | None


class Cost(NamedTuple):
    """What a reading takes, and the share of the run at the rate that the probe's leaf declares."""

    probe: str
    median_ns: int | None
    slowest_ns: int | None
    readings: int
    rate: str | None
    share_percent: float | None
    note: str | None


class Report(NamedTuple):
    """All findings."""

    machine: Mapping[str, Any]
    cycle_ms: float
    signals: list[Signal]
    costs: list[Cost]
    hints: list[hints.Hint]


def examine(
    leaves: Mapping[str, Mapping[str, Any]], *, cycle_ms: float = 10.0, root: Path = Path("/")
) -> Report:
    """Try everything once, and each probe for a tenth of a second.

    Parameters
    ----------
    leaves : mapping
        Each probe's options by its name; a probe without is read once a second.
    cycle_ms : float
        Length of a cycle, for the share of a probe that is read by cycles.
    root : path
        Where to look for what makes times noisy.
    """
    facts = environment.facts(Path(__file__).parent)
    signals, costs = [], []
    with Meters() as meters:
        signals += _accounts(meters)
        for name in sorted(probe_names(), key=lambda name: (name == "trace", name)):  # it slows what follows
            spec = leaves.get(name, {"_target_": f"probes.{name}.Probe", "every_s": 1.0})
            found, cost = _examined(name, spec, meters, cycle_ms)
            signals += found
            costs.append(cost)
    return Report({key: facts[key] for key in _FACTS}, cycle_ms, signals, costs, hints.hints(root))


def probe_names() -> list[str]:
    """Return the names of all probes."""
    return [target.split(".")[1] for target in build.targets() if target.startswith("probes.")]


def as_json(report: Report) -> str:
    """Return the report as one JSON object."""
    document = {
        "machine": dict(report.machine),
        "cycle_ms": report.cycle_ms,
        "signals": [signal._asdict() for signal in report.signals],
        "costs": [cost._asdict() for cost in report.costs],
        "hints": [hint._asdict() for hint in report.hints],
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def as_text(report: Report) -> str:
    """Return the report for reading."""
    machine = ", ".join(f"{key} {value}" for key, value in report.machine.items() if value is not None)
    signals = [
        (f"{one.table}.{one.column}", "yes" if one.measurable else "no", one.reason or _shown(one.value))
        for one in report.signals
    ]
    costs = [
        (cost.probe, _us(cost.median_ns), _us(cost.slowest_ns), cost.rate, _share(cost), cost.note)
        for cost in report.costs
    ]
    noise = [(hint.name, hint.state, hint.found, hint.command) for hint in report.hints]
    rates = f"share of the run, at cycles of {report.cycle_ms:g} ms"
    return "\n".join(
        (
            machine,
            "\nWhat can be measured here",
            *_table(("signal", "measurable", "now, or why not"), signals),
            "\nWhat a reading costs here and now",
            *_table(("probe", "median us", "slowest us", "rate of its leaf", rates, "note"), costs),
            "\nWhat makes times noisy",
            *_table(("what", "state", "found", "the command that would help"), noise),
            "",
        )
    )


def _accounts(meters: Meters) -> list[Signal]:
    clocks = accounts.Accounts(meters)
    try:
        start = clocks.read()
        sum(range(100_000))  # a millisecond, so that clocks have something to say
        found = accounts.between(start, clocks.read())
    finally:
        clocks.close()
    named = zip(accounts.COLUMNS, found, strict=False)
    return [
        Signal("cycles", name, value is not None, value, _why_not(name) if value is None else None)
        for name, value in named
    ]


def _why_not(column: str) -> str:
    return _WHY.get(column, "this system does not count it")


def _examined(
    name: str, spec: Mapping[str, Any], meters: Meters, cycle_ms: float
) -> tuple[list[Signal], Cost]:
    probe: Probe | None = None
    try:
        probe = build.probes({name: spec}, meters)[name]
        return _tried(name, probe, spec, cycle_ms)
    except Exception as error:  # a doctor must outlive what it finds
        why = f"{type(error).__name__}: {error}"
        none = Signal(f"probe_{name}", "*", measurable=False, value=None, reason=why)
        return [none], Cost(name, None, None, 0, _rate(spec), None, why)
    finally:
        if probe is not None:
            probe.close()


def _tried(name: str, probe: Probe, spec: Mapping[str, Any], cycle_ms: float) -> tuple[list[Signal], Cost]:
    getattr(probe, "started", lambda _origin_ns: None)(time.perf_counter_ns())
    times_ns, sample = _timed(probe)
    missing: Mapping[str, str] = getattr(probe, "missing", {})
    signals = [_signal(name, field, value, missing) for field, value in sample.items()]
    share = _share_percent(spec, fmean(times_ns), cycle_ms)
    note = "opt-in: the program itself runs 7 to 22 times slower" if name == "trace" else None
    cost = Cost(name, round(median(times_ns)), max(times_ns), len(times_ns), _rate(spec), share, note)
    return signals, cost


def _signal(name: str, field: str, value: Value, missing: Mapping[str, str]) -> Signal:
    reason = missing.get(field) if value is None else None
    # Nothing is wrong with a signal that has nothing to say yet, such as the latency of calls when there were none.
    return Signal(f"probe_{name}", field, reason is None, value, reason)


def _timed(probe: Probe) -> tuple[list[int], dict[str, Value]]:
    """Return what the readings after the first took, and the latest value of each field."""
    sample: dict[str, Value] = dict.fromkeys(sample_columns(probe))
    times_ns: list[int] = []
    end_ns = time.perf_counter_ns() + round(_FOR_S * 1e9)
    while len(times_ns) < 2 or (len(times_ns) <= _MOST and time.perf_counter_ns() < end_ns):
        start_ns = time.perf_counter_ns()
        read = probe.read()
        times_ns.append(time.perf_counter_ns() - start_ns)
        # Dear fields come at some readings only, rates from the second one on.
        sample.update((field, value) for field, value in zip(sample, read, strict=True) if value is not None)
    return times_ns[1:], sample


def _rate(spec: Mapping[str, Any]) -> str | None:
    rates = [f"{key}={spec[key]:g}" for key in ("every_cycles", "every_s") if spec.get(key) is not None]
    return rates[0] if rates else None


def _share_percent(spec: Mapping[str, Any], reading_ns: float, cycle_ms: float) -> float:
    apart_ns = spec["every_s"] * 1e9 if spec.get("every_s") else spec["every_cycles"] * cycle_ms * 1e6
    return float(100.0 * reading_ns / apart_ns)


def _shown(value: Value) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else f"{value:,}"


def _us(ns: int | None) -> str | None:
    return None if ns is None else f"{ns / 1000:.1f}"


def _share(cost: Cost) -> str | None:
    return None if cost.share_percent is None else f"{cost.share_percent:.3f} %"


def _table(header: Sequence[str], rows: Sequence[Sequence[str | None]]) -> Iterator[str]:
    lines = [list(header), *([cell or "" for cell in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
