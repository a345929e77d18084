"""``catalog.runs.*``: the rows of known runs as Parquet, and those added since as lines beside it.

``catalog.index.json`` names the two files and holds the stamp of each of their runs.  Writing a Parquet file of one
row takes 1.3 ms, a line at the end of a file 0.05; replacing a file makes ext4 flush it, which takes 3 to 6 ms.

A line is JSON but for control characters, which stand as they are: so DuckDB's core reads it by a cast, since not
every client has the extension ``json``, and Python with ``strict=False``.  As in RFC 7464, RS precedes each.
"""

from __future__ import annotations

import json
import os
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from store import notes, schema
from store.cache.stamps import Stamp

HEAD: Final = "catalog.index.json"
NAME: Final = "catalog.runs"
"""``catalog.runs.<generation>.<name>.{parquet,seq}``; those of the newest generation hold each run once."""

RS: Final = "\x1e"
"""Record separator of ASCII."""

CONDITION: Final = pa.struct([field for field in schema.arrow("conditions") if field.name != "run_id"])
COLUMNS: Final = pa.schema(
    [*schema.arrow("runs"), pa.field("conditions", pa.list_(CONDITION)), pa.field("layout", pa.string())]
)
"""Of both files: table ``runs`` with its layers, its rows of ``conditions``, the columns of its files (JSON)."""

_TIMES: Final = [field.name for field in COLUMNS if pa.types.is_timestamp(field.type)]

MADE_BY: Final = sha256(f"4 {schema.FORMAT} {COLUMNS} {notes.FORMAT} {notes.COLUMNS}".encode()).hexdigest()[
    :16
]
"""What another version kept is not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """The cache as it lies on the disk; of each file the checksum (CRC-32) of what counts in it."""

    generation: int = 0
    name: str = ""
    base: dict[str, Stamp] = field(default_factory=dict)
    """The runs in the Parquet file."""
    base_crc: int = 0
    added: dict[str, Stamp] = field(default_factory=dict)
    """The runs in the lines."""
    added_crc: int = 0
    end: int = 0
    """Of the lines that count [byte]."""
    torn: bool = False
    """Whether something stands behind: of a builder that was killed, or is at it."""
    views: Mapping[str, Any] = field(default_factory=dict)
    """What the foreign clients' file was made from."""
    files: tuple[pa.Buffer, bytes] = field(default=(pa.py_buffer(b""), b""), repr=False)
    """What was read of both; in memory of Arrow's, since its threads let go of it while an interpreter ends."""

    @property
    def runs(self) -> dict[str, Stamp]:
        """Return every run that is kept."""
        return self.base | self.added

    def parquet(self, root: Path) -> Path:
        """Return the file of most runs."""
        return root / f"{NAME}.{self.generation:08}.{self.name}.parquet"

    def lines(self, root: Path) -> Path:
        """Return the file of the runs added since."""
        return self.parquet(root).with_suffix(".seq")

    def table(self) -> pa.Table:
        """Return the rows of all runs, which ``read`` found."""
        parquet, lines = self.files
        base = pq.read_table(pa.BufferReader(parquet), schema=COLUMNS)
        return pa.concat_tables([base, _parsed(lines)]) if lines else base


def read(root: Path) -> Segments:
    """Return what the cache holds; nothing where it is missing, damaged, of another version or moved.

    The checksums of 10,000 runs take 0.04 ms.
    """
    try:
        first, *later = (root / HEAD).read_bytes().splitlines()
        head = json.loads(first)
        if head.pop("made_by") == MADE_BY and head.pop("root") == os.path.realpath(root):
            for line in json.loads(b"[" + b",".join(later) + b"]"):
                head |= line | {"added": head["added"] | line["added"]}
            kept = Segments(**head)
            parquet, lines = _bytes(kept.parquet(root)), _bytes(kept.lines(root)).to_pybytes()
            kept = replace(kept, torn=len(lines) > kept.end)
            lines = lines[: kept.end]
            if (zlib.crc32(parquet), zlib.crc32(lines)) == (kept.base_crc, kept.added_crc):
                return replace(kept, files=(parquet, lines))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass
    return Segments()


def _bytes(path: Path) -> pa.Buffer:
    with pa.OSFile(os.fspath(path)) as file:
        return file.read_buffer()


def stamp(root: Path) -> tuple[int, ...]:
    """Return what tells one list from the next."""
    try:
        told = os.stat(root / HEAD)  # noqa: PTH116 - half the time
    except OSError:
        return ()
    return told.st_ino, told.st_mtime_ns, told.st_size


def _parsed(lines: bytes) -> pa.Table:
    rows = [json.loads(line, strict=False) for line in lines.decode().split(RS)[1:]]
    for row in rows:
        row |= {name: datetime.fromisoformat(row[name]) for name in _TIMES if row.get(name)}
    return pa.Table.from_pylist(rows, schema=COLUMNS)


def _line(value: Any) -> str:
    """Return a value as JSON whose texts escape only what ends them."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_line(key)}: {_line(each)}' for key, each in value.items())}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_line, value))}]"
    if isinstance(value, datetime):
        value = value.isoformat()
    if not isinstance(value, str):
        return json.dumps(value)
    if RS in value:
        raise ValueError(f"{value!r} holds what stands between lines")
    text = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def create(root: Path, generation: int, rows: pa.Table, runs: dict[str, Stamp]) -> Segments:
    """Write the rows of all runs beside and put them in their place, with no lines yet."""
    kept = Segments(generation=generation, name=uuid.uuid4().hex, base=runs)
    new = root / f"catalog.{uuid.uuid4().hex}.tmp"
    pq.write_table(rows, new, compression="zstd")
    kept.lines(root).touch()  # first: a foreign client finds both
    kept = replace(kept, base_crc=zlib.crc32(_bytes(new)))
    new.replace(kept.parquet(root))
    return kept


def extend(
    root: Path, kept: Segments, rows: Sequence[Mapping[str, Any]], runs: Mapping[str, Stamp]
) -> Segments | None:
    """Return the cache with runs added at the end of the lines that count; None where a text has no line."""
    try:
        lines = "".join(f"{RS}{_line(row)}\n" for row in rows).encode()
    except ValueError:
        return None
    with kept.lines(root).open("r+b") as file:
        file.seek(kept.end)
        file.write(lines)
        file.truncate()
    crc = zlib.crc32(lines, kept.added_crc)
    return replace(kept, added={**kept.added, **runs}, added_crc=crc, end=kept.end + len(lines))


def write(root: Path, kept: Segments) -> None:
    """Put the list in place of the old one."""
    held = {
        field.name: getattr(kept, field.name) for field in fields(kept) if field.name not in ("files", "torn")
    }
    head = {"made_by": MADE_BY, "root": os.path.realpath(root), **held}
    new = root / f"catalog.{uuid.uuid4().hex}.tmp"
    new.write_text(json.dumps(head) + "\n", encoding="utf-8")
    new.replace(root / HEAD)


def append(root: Path, kept: Segments, names: list[str]) -> None:
    """Add what was added to the list; a line that was cut off is no JSON, and the list is made again."""
    with open(root / HEAD, "a", encoding="utf-8") as file:
        line = {
            "end": kept.end,
            "added_crc": kept.added_crc,
            "added": {name: kept.added[name] for name in names},
        }
        file.write(json.dumps(line) + "\n")
