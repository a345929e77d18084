"""The disk under a spool: what it takes, and that there is enough for it."""

from __future__ import annotations

import os
from pathlib import Path

PUBLISHED = 0.5
"""Bytes that publishing takes for each byte of rows (measured: 0.05-0.25; random reals shrink less).

Both stand on the disk for a while."""


class SpoolLost(OSError):  # noqa: N818 - reads as the sentence it is
    """The spool takes no more rows; those in it are good."""


class Room:
    """The disk under a spool: its streams ask before they take, so that what they hold can still be published."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.taken_bytes = 0
        self.segments = 0

    def check(self, wanted: int) -> None:
        """Refuse what would leave no room for publishing.

        Raises
        ------
        SpoolLost
            If the disk has not so much left.
        """
        needed = wanted + PUBLISHED * (self.taken_bytes + wanted)
        free = free_bytes(self._directory)
        if needed > free:
            raise SpoolLost(
                f"No space left on device: rows and their publishing need {needed / 2**20:.1f} MiB and "
                f"{self._directory} has {free / 2**20:.1f} MiB; free some space, or put the store "
                "on another disk (store.root=, store= of track)"
            )

    def take(self, size: int) -> None:
        """Count a segment."""
        self.taken_bytes += size
        self.segments += 1

    def give_back(self, size: int) -> None:
        """Count what a segment did not use."""
        self.taken_bytes -= size


def free_bytes(directory: Path) -> int:
    """Return what a user without privileges may still write there."""
    system = os.statvfs(directory)
    return system.f_bavail * system.f_frsize
