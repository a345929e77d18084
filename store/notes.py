"""Dated layers over ``runs``: what somebody learnt of a run after it was published, and from where.

``<store>/notes/<run_id>/<UTC time>.json`` holds values of columns and their source.  Layers are applied in the
order of their times, and only where the run itself says nothing: what was recorded never changes.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from probes.durable import make, sync
from store import schema
from store.values import UNREADABLE, typed, whole

FORMAT = 1
"""Version of the layers, in each of them."""

COLUMNS = (
    "optimization", "workload", "seed", "replicate", "started_at", "traced", "sensor_source", "git_commit",
    "git_dirty", "python", "os", "kernel", "host", "boot_id", "cpu_model", "cores", "memory_bytes", "allocator",
)  # fmt: skip
"""Columns of ``runs`` that a layer may hold: what describes a run, never what was measured in it."""

_TIME = "%Y-%m-%dT%H%M%S.%fZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer; ``source`` names the option it came by, and its file or the places it was inferred from.

    ``tag`` is a label given, ``untag`` one taken back.
    """

    written_at: datetime
    values: Mapping[str, Any]
    source: Mapping[str, Any]
    tag: str | None = None
    untag: str | None = None

    @property
    def sentence(self) -> str:
        """Return what a reader of the run is told."""
        file = self.source.get("file")
        by = f"{self.source['by']} {file}" if file else self.source["by"]
        verb = "was" if len(self.values) == 1 else "were"
        return f"{', '.join(self.values)} {verb} added on {self.written_at:%Y-%m-%d} by {by}"


def write(
    root: Path, run_id: str, values: Mapping[str, Any], source: Mapping[str, Any], **labels: str
) -> Path:
    """Add a layer, later than any before it.

    Parameters
    ----------
    root : Path
        The store.
    run_id : str
        A published run.
    values : mapping
        Values of ``COLUMNS``, as JSON has them.
    source : mapping
        ``by``, and whatever else says where the values come from.
    **labels : str
        ``tag`` or ``untag``, and the label.

    Returns
    -------
    Path
        The layer's file.

    Raises
    ------
    OSError
        If the store cannot be written; one sentence.
    """
    directory = root / "notes" / run_id
    document = {"values": values, "source": source, **labels}
    try:
        make(directory)
        return _written(directory, document)
    except OSError as error:
        reason = error.strerror or error
        raise OSError(
            f"nothing can be added to run {run_id} in store {root} ({reason}); make room, or make it writable"
        ) from error


def _written(directory: Path, document: Mapping[str, Any]) -> Path:
    while True:
        moment = _later_than(directory)
        path = directory / moment.strftime(f"{_TIME}.json")
        dated = {"format": FORMAT, "written_at": moment.isoformat(), **document}
        with suppress(FileExistsError):  # somebody else took this moment: the next one is free
            put(path, (json.dumps(dated, indent=1, ensure_ascii=False) + "\n").encode())
            return path


def put(path: Path, data: bytes) -> None:
    """Write a new file, at once and on the disk.

    Raises
    ------
    FileExistsError
        If there is one of that name, which stays as it is.
    """
    new = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        new.write_bytes(data)
        sync(new)
        _name(new, path)
        sync(path.parent)
    finally:
        with suppress(OSError):  # a file system that can only be read refuses even what is not there
            new.unlink(missing_ok=True)


def _name(new: Path, path: Path) -> None:
    """Give a file a name that is free; a rename would take the place of a file of that name."""
    try:
        os.link(new, path)
    except FileExistsError:
        raise
    except OSError:  # no hard links there (FAT, some network mounts): take the name first, then its place
        path.touch(exist_ok=False)
        new.rename(path)


def layers(root: Path, run_id: str, problems: list[str]) -> Iterator[Layer]:
    """Yield the layers of a run, oldest first; one that cannot be read is named in ``problems``."""
    for path in _files(root / "notes" / run_id, problems):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            written = document["format"]
            if written == FORMAT:
                yield _layer(document)
                continue
            problems.append(f"{path} has format {written!r}, this version reads {FORMAT}; update driftlab")
        except UNREADABLE as error:
            reason = getattr(error, "strerror", None) or repr(error)
            problems.append(f"{path} cannot be read ({reason}); restore it or remove it")


def _files(directory: Path, problems: list[str]) -> list[Path]:
    try:
        names = sorted(os.listdir(directory))  # noqa: PTH208 - ten thousand runs ask, and few have any
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        problems.append(f"{directory} cannot be read ({error.strerror}); make it readable")
        return []
    return [directory / name for name in names if name.endswith(".json")]


def annotated(root: Path) -> list[str]:
    """Return the ids of the runs that have layers."""
    return sorted(path.name for path in (root / "notes").glob("*") if path.is_dir())


def applied(run: Mapping[str, Any], found: Sequence[Layer]) -> dict[str, Any]:
    """Return a row of ``runs`` with the values of its layers where it has none, and a note of each layer."""
    added: dict[str, Any] = {}
    notes, tags = list(run["notes"] or ()), list(run["tags"] or ())
    for layer in found:
        tags = _relabelled(tags, layer)
        missing = {name: value for name, value in layer.values.items() if run[name] is None}
        if missing:
            added |= missing
            notes.append(layer.sentence)
    return {**run, **added, "tags": tags, "notes": notes}


def matches(label: str, tags: Iterable[str]) -> bool:
    """Tell whether one of ``tags`` is the label, or has it as its name."""
    return any(label in (tag, tag.partition("=")[0]) for tag in tags)


def _relabelled(tags: Sequence[str], layer: Layer) -> list[str]:
    kept = [tag for tag in tags if layer.untag is None or not matches(layer.untag, [tag])]
    if layer.tag is None:
        return kept
    name, sign, _ = layer.tag.partition("=")
    return [tag for tag in kept if tag != layer.tag and not (sign and tag.startswith(f"{name}="))] + [
        layer.tag
    ]


def _layer(document: Mapping[str, Any]) -> Layer:
    values = {
        column.name: typed(column, document["values"][column.name])
        for column in schema.RUNS.columns
        if column.name in COLUMNS and column.name in document["values"]
    }
    source = document["source"]
    return Layer(
        written_at=datetime.fromisoformat(document["written_at"]),
        values=values,
        source={**source, "by": str(source["by"])},
        tag=_label(document.get("tag")),
        untag=_label(document.get("untag")),
    )


def _label(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"a tag is {value!r}, and a text is expected")
    return value and whole(value)


def _later_than(directory: Path) -> datetime:
    """Return now, or a microsecond after the newest layer if the clock went back."""
    return max([datetime.now(UTC), *_after(directory)])


def _after(directory: Path) -> Iterator[datetime]:
    """Yield the moment after each layer; a file of another name has none, and is nobody's reason to fail."""
    for path in directory.glob("*.json"):
        with suppress(ValueError, OverflowError):
            yield datetime.strptime(path.stem, _TIME).replace(tzinfo=UTC) + timedelta(microseconds=1)
