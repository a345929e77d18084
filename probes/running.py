"""A spool that this process owns: its start, and the record of its end, which has room on any disk."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from probes.accounts import peak_rss_bytes
from probes.ownership import Owner
from probes.spool import allocate

Status = Literal["completed", "failed", "interrupted"]

FORMAT = 2
"""Of ``end.json``."""

_RESERVES = (128 * 1024, 4096)
"""Bytes kept for ``end.json``: 600 modules take 12 KiB; a page holds everything but the modules."""


class Running:
    """A claimed spool directory, from the claim to the unlock.

    ``origin_ns`` is the ``perf_counter_ns`` at which ``t_ns`` is 0, ``started_at_ns`` the Unix time then.
    """

    def __init__(self, spool: Path) -> None:
        self.spool = spool
        self._owner = Owner.claim(spool)
        self.started_at_ns, self.origin_ns = time.time_ns(), time.perf_counter_ns()
        self._cpu_ns = time.process_time_ns()
        self._reserve = spool / "end.json.new"
        try:
            self._reserved = _reserve(self._reserve)
        except BaseException:
            self._owner.release()
            raise
        self.totals: dict[str, int] = {}
        self.observer: dict[str, dict[str, Any]] = {}
        self.notes: list[str] = []

    @property
    def owned(self) -> bool:
        """False in a child that this process forked: nothing here is the child's to end."""
        return os.getpid() == self._owner.pid

    @property
    def roomy(self) -> bool:
        """Whether the disk had room for the end; if not, it has none for rows."""
        return self._reserved == _RESERVES[0]

    def end(self, status: Status, error: str | None) -> None:
        """Write ``end.json`` and unlock: the owner's last act."""
        if not self.owned:
            return
        try:
            self._write(self._document(status, error))
        except FileNotFoundError:
            return  # the spool is gone: nobody is left to tell
        except OSError as trouble:
            write_note(f"{self.spool / 'end.json'} cannot be written ({trouble.strerror}); free some space")
        finally:
            self._owner.release()

    def _document(self, status: Status, error: str | None) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "status": status,
            "error": error,
            "started_at": _iso(self.started_at_ns),
            "ended_at": _iso(time.time_ns()),
            "wall_ns": time.perf_counter_ns() - self.origin_ns,
            "cpu_ns": time.process_time_ns() - self._cpu_ns,
            "peak_rss_bytes": peak_rss_bytes(),
            "totals": self.totals,
            "modules": sorted(sys.modules),
            "observer": self.observer,
            "notes": self.notes,
        }

    def _write(self, document: Mapping[str, Any]) -> None:
        text = json.dumps(document).encode()
        if len(text) > self._reserved:
            with suppress(OSError):
                return self._replace(text)
            text = json.dumps({**document, "modules": [], "notes": self.notes[:3]}).encode()
        return self._replace(text)

    def _replace(self, text: bytes) -> None:
        """Write over the reserve: its blocks are there already, and a rename takes none."""
        with self._reserve.open("r+b") as file:
            file.write(text)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        self._reserve.rename(self.spool / "end.json")


def write_note(sentence: str) -> None:
    """Tell the user on stderr; a stderr that is full or closed must not end a run."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"driftlab: {sentence}\n")
        sys.stderr.flush()


def _reserve(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        for size in _RESERVES:
            with suppress(OSError):
                allocate(descriptor, size)
                return size
        return 0
    finally:
        os.close(descriptor)


def _iso(unix_ns: int) -> str:
    return datetime.fromtimestamp(unix_ns / 1e9, UTC).isoformat()
