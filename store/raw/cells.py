"""The conditions of a raw file: names, mechanisms, populations."""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from store.raw.fields import Field
from store.raw.form import MECHANISMS, RECORDED

_BY_FACTOR = re.compile(r"H\d(×H\d)*|H\d-only")


def mechanisms(flags: Field) -> dict[str, bool]:
    """Return the mechanisms named by flags such as ``h1_pooling``, by our words, in the order of the file."""
    found: dict[str, bool] = {}
    for word, field in flags.get("mechanisms").members() if flags.has("mechanisms") else ():
        _add(found, word, field)
    for key, field in flags.members():
        if key in RECORDED or (key[:3] in MECHANISMS and isinstance(field.value, bool)):
            _add(found, MECHANISMS[key[:3]], field)
    return found


def name(recorded: str, on: Mapping[str, bool]) -> str:
    """Return a condition's name: the archive's ``H1-only`` and ``H1×H2`` by the words of its flags."""
    if on and _BY_FACTOR.fullmatch(recorded):
        return "-".join("ON" if flag else "OFF" for flag in on.values())
    return recorded


def check_names(fields: Sequence[Field], names: Sequence[str]) -> None:
    """Refuse a file that names a condition twice."""
    for i, (field, found) in enumerate(zip(fields, names, strict=True)):
        if found in names[:i]:
            raise field.refusal(f"another name than {found}, which stands there already")


def population(values: Sequence[float | int | None]) -> dict[str, Any]:
    """Return mean, standard deviation (ddof 0), last and largest value; empty if any is missing."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return {}
    return {
        "population_mean": float(statistics.fmean(known)),
        "population_sd": float(statistics.pstdev(known)),
        "population_final": float(known[-1]),
        "population_max": float(max(known)),
    }


def given(field: Field, keys: Mapping[str, str], otherwise: Mapping[str, Any]) -> dict[str, Any]:
    """Return columns from the file's own keys, and from ``otherwise`` where a key is absent (null stays NULL)."""
    return {
        column: field.get(key).real() if field.has(key) else otherwise.get(column)
        for column, key in keys.items()
    }


def _add(found: dict[str, bool], word: str, field: Field) -> None:
    value = field.flag()
    if value is None or found.get(word, value) != value:
        raise field.refusal("true or false, the same wherever it is said")
    found[word] = value
