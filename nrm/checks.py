"""Checks of single options; each refusal names the full key, the value, what was expected and the remedy."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any


def choice(key: str, value: object, allowed: Collection[str]) -> None:
    """Refuse a value that is not one of the allowed words."""
    if not isinstance(value, str) or value not in allowed:
        yaml = ", in quotes" if isinstance(value, bool) else ""  # YAML reads a bare off as false
        raise ValueError(f"{key}={value!r} is not known; choose one of {', '.join(allowed)}{yaml}")


def flag(key: str, value: object) -> None:
    """Refuse anything but a boolean."""
    if not isinstance(value, bool):
        raise ValueError(f"{key}={value!r} is not a boolean; write true or false")


def integer(key: str, value: object, *, low: int, high: int | None = None) -> None:
    """Refuse what is not an integer (a boolean is none) or lies outside the closed range."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{key}={value!r} is not an integer; give {_span(low, high)}")
    if value < low or (high is not None and value > high):
        raise ValueError(f"{key}={value!r} is out of range; give {_span(low, high)}")


def number(key: str, value: object, *, low: float, high: float | None = None) -> None:
    """Refuse what is not a finite number (a boolean is none) or lies outside the closed range."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{key}={value!r} is not a finite number; give {_span(low, high)}")
    if value < low or (high is not None and value > high):
        raise ValueError(f"{key}={value!r} is out of range; give {_span(low, high)}")


def text(key: str, value: object) -> None:
    """Refuse anything but a non-empty string."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key}={value!r} is not a non-empty string; give one or leave the key out")


def mapping(key: str, value: object) -> None:
    """Refuse anything but a mapping."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{key}={value!r} is not a mapping; give its options as {key}.<key>=<value>")


def known(group: str, given: Collection[str], allowed: Collection[str]) -> None:
    """Refuse a key that the group does not have, and suggest the nearest one that it has."""
    for key in given:
        if key not in allowed:
            near = difflib.get_close_matches(str(key), allowed, 1)
            remedy = f"did you mean {near[0]}?" if near else f"choose among {', '.join(allowed)}"
            raise ValueError(f"{group}.{key} is not an option; {remedy}")


def build(target: type[Any], group: str, options: Mapping[str, Any]) -> Any:
    """Make the dataclass ``target`` from the mapping that stands at key ``group``."""
    mapping(group, options)
    name = f"{target.__module__}.{target.__qualname__}"
    if options.get("_target_", name) != name:
        raise ValueError(
            f"{group}._target_={options['_target_']!r} is not {name}; leave it as the leaf has it"
        )
    given = {key: value for key, value in options.items() if key != "_target_"}
    known(group, given, [field.name for field in fields(target)])
    return target(**given)


def _span(low: float, high: float | None) -> str:
    return f"a value of at least {low}" if high is None else f"a value from {low} to {high}"
