"""The document of a raw file: strict reading, exact writing.

Both directions keep every digit: numbers are read as ``int`` or ``Decimal`` and written as they are.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from store.errors import REMEDIES
from store.raw.fields import Field, NotImportable

_TABLE = "ps_time_field"
"""The column that tells a table of process readings."""

_GZIP = b"\x1f\x8b"


def read_bytes(path: Path) -> bytes:
    """Return what a file holds, refusing one that cannot be read in a sentence."""
    try:
        return path.read_bytes()
    except OSError as error:
        remedy = REMEDIES.get(error.errno or 0, "check the name")
        raise NotImportable(f"{path} cannot be read ({error.strerror}); {remedy}") from error


def document(name: str, data: bytes) -> Field:
    """Return the document in ``data``, plain or gzip (by its first bytes, whatever its name).

    A table in CSV becomes a list of objects of texts, an empty cell None.

    Raises
    ------
    NotImportable
        If it is damaged, neither JSON nor a table, or holds NaN, an infinity or a key twice.
    """
    text = unpacked_text(name, data)
    try:
        value = _table(text) if _TABLE in text.partition("\n")[0].split(",") else _json(text)
    except UnicodeError as error:
        raise _unreadable(name, f"is no UTF-8 text ({error})") from error
    except RecursionError as error:
        raise _unreadable(name, "is nested too deeply") from error
    except csv.Error as error:
        raise _unreadable(name, f"is not valid CSV ({error})") from error
    except (ValueError, ArithmeticError) as error:
        raise _unreadable(name, f"is not valid JSON ({error})") from error
    return Field(name, "", value)


def json_text(document: Mapping[str, Any]) -> str:
    """Return an exported run as JSON text, one row a line, every number to its last digit.

    Parameters
    ----------
    document : mapping
        What ``export_run`` returned.  ``Decimal`` is written digit for digit, a float by its shortest exact
        form, NaN and infinities as null (JSON has no word for them).

    Returns
    -------
    str
        Text that ends with a newline.
    """
    members = ",\n".join(f" {json.dumps(key)}: {_member(value)}" for key, value in document.items())
    return f"{{\n{members}\n}}\n"


def _json(text: str) -> Any:
    value = json.loads(
        text, parse_float=_number, parse_constant=_constant, object_pairs_hook=_without_repeats
    )
    _check_text(text, value)
    return value


def _table(text: str) -> list[dict[str, str | None]]:
    names, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    if len({*names}) < len(names):
        raise csv.Error("a column stands twice")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(names):
            raise csv.Error(f"row {number} has {len(row)} cells under {len(names)} columns")
    return [dict(zip(names, (cell or None for cell in row), strict=True)) for row in rows]


def unpacked_text(name: str, data: bytes) -> str:
    """Return the text of a file, plain or gzip.

    Raises
    ------
    NotImportable
        If it is damaged or no UTF-8.
    """
    try:
        return _unpacked(data).decode("utf-8-sig")
    except (EOFError, OSError, zlib.error) as error:
        raise _unreadable(name, f"is damaged gzip ({error})") from error
    except UnicodeError as error:
        raise NotImportable(
            f"{name} is no UTF-8 text ({error}), expected a result file or a table of cycles; save it as UTF-8"
        ) from error


def is_readings(data: bytes) -> bool:
    """Tell whether a table is one of process readings."""
    try:
        return _TABLE in _unpacked(data).partition(b"\n")[0].decode("utf-8-sig").strip().split(",")
    except (EOFError, OSError, zlib.error, UnicodeError):
        return False


def _unpacked(data: bytes) -> bytes:
    return gzip.decompress(data) if data.startswith(_GZIP) else data


def _unreadable(name: str, found: str) -> NotImportable:
    return NotImportable(
        f"{name} {found}, expected a result file in JSON or process readings in CSV, plain or gzip; fetch it again"
    )


def _number(text: str) -> Decimal:
    if not math.isfinite(float(text)):
        raise ValueError(f"{text} is beyond any float")
    return Decimal(text)


def _constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"name {next(n for n in names if names.count(n) > 1)!r} stands twice in one object")
    return found


def _check_text(text: str, value: Any) -> None:
    """Refuse half of a surrogate pair, which an escape can spell and no file can hold."""
    if "\\ud" in text.lower():
        json.dumps(value, ensure_ascii=False, default=str).encode()


def _member(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        return "[\n" + ",\n".join(f"  {_flat(row)}" for row in value) + "\n ]"
    return _flat(value)


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)}: {_flat(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_flat, value)) + "]"
    if isinstance(value, Decimal):
        return str(value) if value.is_finite() else "null"
    if isinstance(value, float) and not math.isfinite(value):
        return "null"
    return json.dumps(value, ensure_ascii=False)
