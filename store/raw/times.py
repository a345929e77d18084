"""Times of the recorded form: ISO 8601 down to the nanosecond.

``datetime`` keeps microseconds and cuts the rest without a word, so the fraction is read here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[T ](?P<clock>\d\d:\d\d:\d\d)"
    r"(?:[.,](?P<fraction>\d{1,9})\d*)?(?P<zone>Z|[+-]\d\d:?\d\d)?",
    re.ASCII | re.IGNORECASE,
)


class Instant(NamedTuple):
    """A moment in nanoseconds of the Unix clock; ``zoned`` is false where the text named no zone."""

    ns: int
    zoned: bool

    def datetime(self) -> datetime:
        """Return the moment in UTC, cut to the microsecond that a table holds."""
        return _EPOCH + timedelta(microseconds=self.ns // 1000)


def instant(text: str) -> Instant:
    """Read an ISO 8601 time; one without a zone is UTC.

    Raises
    ------
    ValueError
        If ``text`` is no such time.
    """
    found = _ISO.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not an ISO 8601 time; write 2025-10-27T03:15:00.25+00:00")
    whole = datetime.fromisoformat(f"{found['day']}T{found['clock']}{(found['zone'] or 'Z').upper()}")
    fraction = int((found["fraction"] or "").ljust(9, "0"))
    return Instant((whole - _EPOCH) // timedelta(seconds=1) * 10**9 + fraction, found["zone"] is not None)


def unix_ns(moment: datetime) -> int:
    """Return an aware time as nanoseconds of the Unix clock."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def iso(ns: int) -> str:
    """Return nanoseconds of the Unix clock as ISO 8601 in UTC with nine fractional digits."""
    seconds, fraction = divmod(ns, 10**9)
    moment = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None)
    return f"{moment.isoformat()}.{fraction:09d}+00:00"
