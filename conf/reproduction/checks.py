"""A row of a table: a published claim beside what it should have been and what is found, each judged by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

Value = float | int | str | bool | None

# A half unit of the last printed digit, and room for the binary fraction of a number that lies on it.
ROUNDING = Decimal("0.50001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One quantity.

    ``holds`` tells whether the published claim is true, ``None`` where that cannot be measured here.  ``passed`` tells
    whether the truth was reproduced, which for a false claim is its refutation; ``None`` where nothing was checked.
    """

    quantity: str
    published: Value
    expected: Value
    found: Value
    holds: bool | None
    passed: bool | None
    how: str

    def to_json(self) -> dict[str, Any]:
        """Return the row as the tables publish it; where nothing was published, nothing holds or does not."""
        said = {True: "yes", False: "no", None: "not measurable"}
        return {**asdict(self), "holds": None if self.published is None else said[self.holds]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The rows of one part of the study, and the tables that they were taken from, in Markdown, by their titles."""

    number: int
    name: str
    title: str
    rows: tuple[Row, ...]
    tables: Mapping[str, str] = field(default_factory=dict)


class Default:
    """The type of a ``holds`` that is left to the numbers."""


DEFAULT = Default()


def row(
    quantity: str,
    *,
    published: Value = None,
    expected: Value = None,
    found: Value,
    how: str,
    within: float = 0.0,
    holds: bool | Default | None = DEFAULT,
) -> Row:
    """Compare what is found with what is expected, and with what was published.

    Parameters
    ----------
    quantity : str
        What it is, with its unit.
    published, expected : number, text or bool
        The claim, and what is true of it.  Text that is a number, such as ``"2.70"``, stands for all that rounds to
        it; other text must be met to the letter.
    found : number, text or bool
        Computed, never copied.
    how : str
        Where the found value comes from.
    within : float
        How far from ``expected`` a number may lie besides rounding.
    holds : bool or None, optional
        Whether the published claim is true; left to rounding by default.
    """
    said = agrees(found, published) if isinstance(holds, Default) else holds
    passed = None if expected is None else bool(agrees(found, expected, within))
    return Row(
        quantity=quantity,
        published=published,
        expected=expected,
        found=found,
        holds=said,
        passed=passed,
        how=how,
    )


def left_out(quantity: str, *, published: Value = None, expected: Value = None, how: str) -> Row:
    """Return a row for what cannot be found here; ``how`` says why."""
    return Row(
        quantity=quantity,
        published=published,
        expected=expected,
        found=None,
        holds=None,
        passed=None,
        how=how,
    )


def agrees(found: Value, said: Value, within: float = 0.0) -> bool | None:
    """Tell whether ``found`` is what was ``said``; None where there is nothing to compare."""
    if found is None or said is None:
        return None
    if isinstance(found, str | bool):
        return found == said
    try:
        printed = Decimal(str(said).replace(",", ""))
    except InvalidOperation:
        return None
    exponent = printed.as_tuple().exponent
    rounding = isinstance(said, str) and isinstance(exponent, int)
    room = (
        ROUNDING.scaleb(exponent)
        if rounding and isinstance(exponent, int)
        else abs(printed) * Decimal("1e-9")
    )
    return abs(Decimal(repr(found)) - printed) <= max(room, Decimal(repr(within)))


def passed(sections: Iterable[Section]) -> bool:
    """Tell whether everything that could be checked was reproduced, and anything was checked at all."""
    checked = [each.passed for section in sections for each in section.rows if each.passed is not None]
    return bool(checked) and all(checked)
