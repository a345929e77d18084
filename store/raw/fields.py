"""Values of a foreign JSON document, each checked where it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

from store.raw import times

EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
"""A 64-bit count of bytes over 2^20 has up to 33 decimal digits; nothing is rounded on the way."""

INT64 = 2**63


class NotImportable(ValueError):  # noqa: N818 - reads as the sentence it is
    """The file is not what the study recorded; one sentence names it, what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a document, with the file and the path that name it in a message.

    Numbers are ``int`` or ``Decimal``: a float would lose the digits that the text has.
    """

    file: str
    path: str
    value: Any

    def refusal(self, expected: str, remedy: str = "correct the file or leave it out") -> NotImportable:
        """Return the sentence that names this value."""
        where = f"{self.file}: {self.path}" if self.path else self.file
        return NotImportable(f"{where} {_shown(self.value)}, expected {expected}; {remedy}")

    def has(self, key: str) -> bool:
        """Tell whether this object holds ``key``, if only with null."""
        return key in self.object()

    def get(self, key: str) -> Field:
        """Return a member of this object; an absent one holds None."""
        return Field(self.file, f"{self.path}.{key}" if self.path else key, self.object().get(key))

    def object(self) -> Mapping[str, Any]:
        """Return this JSON object."""
        if isinstance(self.value, dict):
            return self.value
        raise self.refusal("an object")

    def members(self) -> list[tuple[str, Field]]:
        """Return the members of this object in the order of the file."""
        return [(key, self.get(key)) for key in self.object()]

    def elements(self) -> list[Field]:
        """Return the elements of this list."""
        if isinstance(self.value, list):
            return [Field(self.file, f"{self.path}[{i}]", value) for i, value in enumerate(self.value)]
        raise self.refusal("a list")

    def text(self) -> str | None:
        """Return this text."""
        if self.value is None or isinstance(self.value, str):
            return self.value
        raise self.refusal("a text")

    def flag(self) -> bool | None:
        """Return this boolean."""
        if self.value is None or isinstance(self.value, bool):
            return self.value
        raise self.refusal("true or false")

    def number(self, *, at_least: int | None = None) -> Decimal | None:
        """Return this number, digit for digit."""
        if self.value is None:
            return None
        if isinstance(self.value, bool) or not isinstance(self.value, int | Decimal):
            raise self.refusal("a number")
        if at_least is not None and self.value < at_least:
            raise self.refusal(f"a number of at least {at_least}")
        return Decimal(self.value)

    def real(self, *, at_least: int | None = None) -> float | None:
        """Return this number as the nearest float."""
        number = self.number(at_least=at_least)
        return None if number is None else float(number)

    def whole(self, *, at_least: int | None = None) -> int | None:
        """Return this number as an integer of 64 bits; 14.0 is one."""
        number = self.number(at_least=at_least)
        return None if number is None else self._integer(number, exact=True)

    def scaled(self, factor: int, *, at_least: int | None = None) -> int | None:
        """Return this number times ``factor`` as the nearest integer of 64 bits."""
        number = self.number(at_least=at_least)
        return None if number is None else self._integer(EXACT.multiply(number, Decimal(factor)), exact=False)

    def instant(self) -> times.Instant | None:
        """Return this time: ISO 8601, or seconds of the Unix clock."""
        if self.value is None:
            return None
        if not isinstance(self.value, str):
            return times.Instant(self.scaled(10**9, at_least=0) or 0, zoned=True)
        try:
            return times.instant(self.value)
        except ValueError as error:
            raise self.refusal("a time such as 2025-10-27T03:15:00.25+00:00") from error

    def _integer(self, number: Decimal, *, exact: bool) -> int:
        # The range first: as an integer, 1e300 has 301 digits and 1e-300 none.
        if abs(number) > INT64:
            raise self.refusal("a number within 64 bits")
        whole = int(number.to_integral_value(ROUND_HALF_EVEN))
        if exact and whole != number:
            raise self.refusal("a whole number")
        if not -INT64 <= whole < INT64:
            raise self.refusal("a number within 64 bits")
        return whole


def _shown(value: Any) -> str:
    if value is None:
        return "is missing"
    if isinstance(value, dict):
        return f"is an object with {_shortened(', '.join(value)) or 'nothing in it'}"
    if isinstance(value, list):
        return f"is a list of {len(value)}"
    if isinstance(value, bool):
        return f"is {str(value).lower()}"
    return f"is {_shortened(repr(value) if isinstance(value, str) else str(value))}"


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
