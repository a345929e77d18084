"""Directories and files that a power loss does not take back."""

from __future__ import annotations

import os
from pathlib import Path


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
