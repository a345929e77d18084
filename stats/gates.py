"""``--fail-if "speedup<2"``: conditions on a judgement that turn it into an exit code."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from stats.hypotheses import VERDICTS, criterion

Document = Mapping[str, Any]
Value = str | float | bool | None
Names = Mapping[str, Value]

SHAPES = ("line", "upwards", "downwards", "unknown")
CLASSES = ("SYNERGISTIC", "ANTAGONISTIC", "ADDITIVE")

_GRAMMAR = re.compile(r"\s*([\w.×-]+)\s*(!=|<=|>=|=|<|>)\s*(.*?)\s*")
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TRUTHS = {"true": True, "false": False}


class Gate(NamedTuple):
    """One condition under which a judgement counts as failed."""

    name: str
    test: str
    bound: str

    def __str__(self) -> str:
        return f"{self.name}{self.test}{self.bound}"


def parse(text: str) -> Gate:
    """Read ``name OP value``.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    match = _GRAMMAR.fullmatch(text)
    if match is None or not match[3]:
        raise ValueError(f'--fail-if {text!r} is no condition; write it like "speedup<2" or "h5=VALIDATED"')
    return Gate(*match.groups())


def tripped(gates: Sequence[Gate], judgements: Iterable[tuple[str, Names]]) -> list[str]:
    """Return a sentence for every gate that trips in one of the judgements.

    A value that is unknown trips its gate: a gate that cannot be evaluated must not pass in silence.

    Parameters
    ----------
    gates : sequence of Gate
        What ``parse`` returned.
    judgements : iterable of (title, names)
        What a gate may name in each, as ``verdict_names`` and its siblings give it; a title stands in the sentence.

    Raises
    ------
    ValueError
        If a name is unknown or cannot be compared so.
    """
    found = [(title, _trips(gate, names)) for title, names in judgements for gate in gates]
    return [f"{sentence}{f', in {title}' if title else ''}" for title, sentence in found if sentence]


def verdict_names(document: Document) -> Names:
    """Return ``h2`` (its verdict), ``h2.delta_r2``, ``level.account`` … of a judgement."""
    names: dict[str, Value] = {}
    for entry in document["verdicts"]:
        name = entry["hypothesis"]
        known = dict.fromkeys(criterion(name, document["variant"]).statistics)
        names[name] = entry["verdict"]
        names |= {f"{name}.{key}": value for key, value in {**known, **entry["statistics"]}.items()}
        names |= {f"{name}.{key}": entry[key] for key in ("p_adjusted", "n_runs", "n_cycles", "reason")}
    return {**names, **dict(_scalars({"level": document["level"]}))}


def comparison_names(document: Document) -> Names:
    """Return ``speedup`` (its value), ``speedup.low``, ``h2_h3_validated.script`` … of a comparison."""
    found = {
        name: value
        for name, value in document.items()
        if isinstance(value, Mapping) and name not in ("a", "b")
    }
    values = {name: entry["value"] for name, entry in found.items() if "value" in entry}
    return {**values, **dict(_scalars(found))}


def synergy_names(entry: Document) -> Names:
    """Return ``synergy``, ``classification``, ``cells.ON-ON`` … of one entry of a synergy."""
    return dict(_scalars(entry))


def timeline_names(entry: Document) -> Names:
    """Return ``excess``, ``shape``, ``fit.delta_r2``, ``phases.late.rate`` … of one run's timeline."""
    phases = {phase["phase"]: phase for phase in entry["phases"]}
    return dict(_scalars({**entry, "phases": phases}))


def _scalars(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Value]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _scalars(value, f"{prefix}{name}.")
        elif value is None or isinstance(value, str | int | float):
            yield prefix + name, value


def _trips(gate: Gate, names: Names) -> str | None:
    group = gate.name.rpartition(".")[0]
    if gate.name not in names:
        raise ValueError(f"--fail-if {gate}: {gate.name!r} is unknown; {_nearest(gate.name, group, names)}")
    value = names[gate.name]
    bound = _bound(gate, value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        reason = names.get(f"{gate.name}.reason") or names.get(f"{group}.reason")
        why = f" ({reason})" if reason else ""
        return f"--fail-if {gate}: {gate.name} cannot be told{why}, which counts as failed"
    if _TESTS[gate.test](value, bound):
        shown = f"{value:.6g}" if isinstance(value, float) else str(value)
        return f"--fail-if {gate}: {gate.name} is {shown}"
    return None


def _nearest(name: str, group: str, names: Names) -> str:
    beside = [known for known in names if known.rpartition(".")[0] == group]
    allowed = beside or [known for known in names if "." not in known]
    near = get_close_matches(name, allowed, n=1)
    return f"{f'did you mean {near[0]}? ' if near else ''}use one of {', '.join(allowed)}"


def _bound(gate: Gate, value: Value) -> Value:
    """Return the bound in the type of ``value``."""
    if isinstance(value, bool) or gate.bound in _TRUTHS:
        return _word(gate, _TRUTHS.get(gate.bound), "true or false")
    if isinstance(value, str):
        allowed = next((words for words in (VERDICTS, CLASSES, SHAPES) if value in words), (gate.bound,))
        return _word(gate, gate.bound if gate.bound in allowed else None, " or ".join(allowed))
    try:
        bound = float(gate.bound)
    except ValueError:
        bound = math.nan
    if math.isnan(bound):  # a comparison with NaN never holds: the gate would pass whatever is found
        raise ValueError(f"--fail-if {gate}: {gate.bound!r} is no number; {gate.name} is compared with one")
    return bound


def _word(gate: Gate, bound: Value, allowed: str) -> Value:
    if bound is None or gate.test not in ("=", "!="):
        raise ValueError(f"--fail-if {gate}: compare {gate.name} by = or != with {allowed}")
    return bound
