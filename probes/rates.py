"""How often a probe is read: every so many cycles or every so many seconds, one of the two."""

from __future__ import annotations

import math


def checked(every_cycles: int | None, every_s: float | None) -> tuple[int | None, float | None]:
    """Return both rates if exactly one is given and it can be kept; a bool is not a number.

    Raises
    ------
    ValueError
        Otherwise; the message begins with the option's name.
    """
    if every_cycles is not None and every_s is not None:
        raise ValueError(
            f"every_cycles={every_cycles} and every_s={every_s} exclude each other; set one of them to null"
        )
    if every_s is not None:
        return None, positive_s("every_s", every_s)
    if every_cycles is None:
        raise ValueError(
            "every_cycles and every_s are both missing; give one of them, such as every_cycles=1"
        )
    return whole("every_cycles", every_cycles, least=1), None


def whole(option: str, value: object, *, least: int) -> int:
    """Return ``value`` if it is a whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{option}={value} is not a whole number of at least {least}; give one")
    return value


def positive_s(option: str, value: object) -> float:
    """Return ``value`` if it is a finite number of seconds above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"{option}={value} is not a number of seconds above 0; give one, such as 0.1")
    return float(value)
