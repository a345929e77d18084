"""Directories and files that a power loss does not take back."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def named(place: Path) -> None:
    """Refuse a place that Arrow and DuckDB have no word for: what lies there is neither published nor asked.

    Raises
    ------
    OSError
        If its absolute path is no UTF-8 text.
    """
    path = str(place.absolute())
    if (shown := path.encode(errors="backslashreplace").decode()) != path:
        raise OSError(errno.EILSEQ, "its path is no UTF-8 text", shown)


def sync(path: Path) -> None:
    """Flush a file or a directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make(directory: Path) -> None:
    """Make a directory and what is missing above it, each level on the disk in its parent before it is used.

    What lies in a directory that a power loss takes back is lost, whatever was flushed of it.
    """
    if directory.is_dir():
        return
    make(directory.parent)
    directory.mkdir(exist_ok=True)
    sync(directory.parent)
