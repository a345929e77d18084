"""The hypotheses: one module each, found by its name ``hN``.

A new one is a module with ``CLAIM``, ``EXPECTED``, ``Thresholds``, ``VARIANTS`` and ``ASIDES``, its leaf in
``conf/hypothesis`` and its test.

The study published its tests five times, and no two agree.  A module holds one function for each kind of test, with
explicit arguments, and in ``VARIANTS`` a preset for each publication that differs from the protocol.  Readings from
outside, of which nobody knows the cycle, count over time and by their number.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any, cast

from stats.hypotheses.finding import VERDICTS, Criterion, Hypothesis, check

__all__ = ["PROTOCOL", "VERDICTS", "criterion", "known", "thresholds", "variants"]

PROTOCOL = "protocol"
"""The published version that every hypothesis has, and that a version silent on it shares."""

PUBLISHED = (PROTOCOL, "manuscript", "manuscript_summary", "synthesis", "code")
"""Supplement, the manuscript's section on methods, its list of hypotheses, the synthesis of literature, the scripts."""


@cache
def known() -> Mapping[str, Hypothesis]:
    """Return the hypotheses by name, in their order."""
    names = [m.name for m in pkgutil.iter_modules(__path__) if m.name[0] == "h" and m.name[1:].isdigit()]
    names.sort(key=lambda name: int(name[1:]))
    return {name: cast(Hypothesis, importlib.import_module(f"{__name__}.{name}")) for name in names}


def thresholds(name: str, values: Mapping[str, Any], variant: str = PROTOCOL) -> Mapping[str, Any]:
    """Return the thresholds of hypothesis ``name`` in a published version, with ``values`` in their place.

    Raises
    ------
    ValueError
        If there is no such hypothesis, version or threshold in that version, or a value is out of its range.
    """
    if name not in known():
        raise ValueError(f"{name} is not a hypothesis; {_remedy(name, known())}")
    published = criterion(name, variant).thresholds
    allowed = [f"{name}.{key}" for key in published]
    where = "" if variant == PROTOCOL else f" of variant {variant}"
    for key in (f"{name}.{key}" for key in values):
        if key not in allowed:
            raise ValueError(f"{key} is not a threshold{where}; {_remedy(key, allowed)}")
    check(name, values)
    return {**published, **values}


def variants() -> list[str]:
    """Return the published versions of the tests that can be asked for, the default first."""
    return list(PUBLISHED)


def criterion(name: str, variant: str) -> Criterion:
    """Return the test of hypothesis ``name`` in a published version.

    Raises
    ------
    ValueError
        If there is no such version.
    """
    if variant not in variants():
        raise ValueError(
            f"variant={variant} is not a version of the tests; give one of {', '.join(variants())}"
        )
    versions = known()[name].VARIANTS
    return versions.get(variant, versions[PROTOCOL])


def _remedy(word: str, allowed: Iterable[str]) -> str:
    """Return the nearest of ``allowed`` as a question, and all of them."""
    names = list(allowed)
    near = get_close_matches(word, names, n=1)
    return f"{f'did you mean {near[0]}? ' if near else ''}give one of {', '.join(names)}"
