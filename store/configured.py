"""What a run's configuration holds: JSON text that somebody else's run may have filled with anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def mapping(text: str | None, *keys: str) -> Mapping[str, Any]:
    """Return the mapping under ``keys`` of a JSON text, such as ``runs.config``.

    Parameters
    ----------
    text : str or None
        Of any content; a text that is no JSON holds nothing.
    keys : str
        The way down to the mapping.

    Returns
    -------
    mapping
        Empty where there is none.
    """
    try:
        value = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return {}
    return within(value, *keys)


def within(value: object, *keys: str) -> Mapping[str, Any]:
    """Return the mapping under ``keys`` of a value of a JSON document; an empty one where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
