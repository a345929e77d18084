"""Which column of somebody's table is which of ours, and in which unit: the words of ``--map``."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Final, NamedTuple

from store import schema
from store.raw import cycles

NS: Final = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9}
BYTES: Final = {
    "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip
CORE: Final = tuple(c.name for c in schema.CYCLES.columns if c.name not in ("run_id", "net_ns"))
_LIKE: Final = 0.85
"""How alike a typing error is: ``cycl`` and ``cycle`` 0.89, ``gpu_ns`` and ``cpu_ns`` 0.83."""


class Source(NamedTuple):
    """Where a column of ours comes from: a column of the file, and how many of our units one of its is."""

    name: str
    factor: int


def mapping(words: Sequence[str], names: Sequence[str]) -> dict[str, Source]:
    """Return the meaning of ``--map column=name[:unit]`` for a table with columns of these names.

    Raises
    ------
    ValueError
        If a word is no such pair, its column cannot be given, or its unit does not fit the column.
    """
    found: dict[str, Source] = {}
    for word in words:
        column, sign, rest = word.partition("=")
        # A name may have a colon itself.
        name, colon, unit = rest.rpartition(":") if ":" in rest and rest not in names else (rest, "", "")
        if not sign or not name or not _is_name(column) or column in ("run_id", "net_ns"):
            raise ValueError(
                f"--map {word!r} is no map; write --map column=name or column=name:unit, where column is one of "
                f"{', '.join(CORE)} or an observable's own name"
            )
        _check(word, column, [*found])
        found[column] = Source(name, _factor(word, column, unit) if colon else 1)
    return found


def doubts(columns: Sequence[str]) -> list[str]:
    """Return a note for each observable that may be meant for a column of ours."""
    own = [column for column in columns if column not in CORE and not column.startswith("sampling_")]
    like = {column: _meant(column) for column in own}
    return [
        f"{column} is kept as an observable; if {meant} was meant, import with --map {meant}=NAME"
        for column, meant in like.items()
        if meant
    ]


def _meant(column: str) -> str | None:
    """Return a column of ours that is spelled nearly so, or with letters in another order: ``cycel``, 0.8."""
    near = difflib.get_close_matches(column, CORE, n=1, cutoff=_LIKE)
    swapped = [each for each in CORE if sorted(each) == sorted(column)]
    return next((each for each in (*near, *swapped) if each != column), None)


def example_unit(column: str) -> str | None:
    """Return a unit that a column may be given in, None for one without."""
    return "ms" if column.endswith("_ns") else "MiB" if column.endswith("_bytes") else None


def _is_name(column: str) -> bool:
    return column.isidentifier() and column.isascii()


def _check(word: str, column: str, before: Sequence[str]) -> None:
    """Refuse a column that is there already, or would be to SQL, which ignores case."""
    if column in before:
        raise ValueError(f"--map names {column} twice; name it once")
    if alike := [each for each in before if each.lower() == column.lower()]:
        raise ValueError(
            f"--map {word!r}: {column} is {alike[0]} to SQL, which ignores case; use one spelling"
        )
    table = None if column in CORE else cycles.owner(column)
    if table:
        raise ValueError(
            f"--map {word!r}: {column} is a column of {table} already; give another name, such as own_{column}"
        )


def _factor(word: str, column: str, unit: str) -> int:
    units = NS if column.endswith("_ns") else BYTES if column.endswith("_bytes") else {}
    if unit not in units:
        known = ", ".join(units) or "none: only columns that end in _ns or _bytes have one"
        meant = _meant(column)
        remedy = f"did you mean {meant}?" if meant and not units else f"choose {known}"
        raise ValueError(f"--map {word!r}: {unit!r} is no unit of {column}; {remedy}")
    return units[unit]
