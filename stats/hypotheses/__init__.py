"""The hypotheses: one module each, found by its name ``hN``.

A new one is a module with ``CLAIM``, ``EXPECTED``, ``Thresholds`` and ``VARIANTS``, its leaf in
``conf/hypothesis`` and its test.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from functools import cache
from typing import Any, cast

from stats.hypotheses.finding import VERDICTS, Criterion, Hypothesis

__all__ = ["PROTOCOL", "VERDICTS", "criterion", "known", "thresholds", "variants"]

PROTOCOL = "protocol"
"""The published version that every hypothesis has, and that a version silent on it shares."""


@cache
def known() -> Mapping[str, Hypothesis]:
    """Return the hypotheses by name, in their order."""
    names = [m.name for m in pkgutil.iter_modules(__path__) if m.name[0] == "h" and m.name[1:].isdigit()]
    names.sort(key=lambda name: int(name[1:]))
    return {name: cast(Hypothesis, importlib.import_module(f"{__name__}.{name}")) for name in names}


def thresholds(name: str, values: Mapping[str, Any]) -> Any:
    """Return the thresholds of hypothesis ``name``: its defaults with ``values`` in their place.

    Raises
    ------
    ValueError
        If there is no such hypothesis or threshold, or a value is out of its range.
    """
    if name not in known():
        raise ValueError(f"{name} is not a hypothesis; {_remedy(name, known())}")
    allowed = [f"{name}.{field.name}" for field in fields(known()[name].Thresholds())]
    for key in (f"{name}.{key}" for key in values):
        if key not in allowed:
            raise ValueError(f"{key} is not a threshold; {_remedy(key, allowed)}")
    return known()[name].Thresholds(**values)


def variants() -> list[str]:
    """Return the published versions of the tests that can be asked for, the default first."""
    return list(dict.fromkeys(name for hypothesis in known().values() for name in hypothesis.VARIANTS))


def criterion(name: str, variant: str) -> Criterion:
    """Return the test of hypothesis ``name`` in a published version.

    Raises
    ------
    ValueError
        If no hypothesis has that version.
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
