"""What the system said about a file, as a sentence with its remedy."""

from __future__ import annotations

import errno
from pathlib import Path

REMEDIES = {
    errno.ENOSPC: "free some space there, or write to another disk",
    errno.EDQUOT: "free some of your quota, or write to another disk",
    errno.EROFS: "it can only be read: write to another place with --out or --store",
    errno.EACCES: "ask for the permission, or name another place",
    errno.EPERM: "ask for the permission, or name another place",
    errno.EISDIR: "name a file in it",
    errno.ENOTDIR: "name a directory",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.EILSEQ: "rename it, or name another place",
}


def sentence(error: OSError) -> str:
    """Return path, reason and remedy; the exception's own words where it has no path."""
    reason = error.strerror or " ".join(str(error).split()) or type(error).__name__
    if not error.filename:
        remedy = REMEDIES.get(error.errno or 0)
        return f"{reason}; {remedy}" if remedy and error.strerror else reason
    if error.errno == errno.ENOENT:
        return _missing(Path(str(error.filename)), reason)
    remedy = REMEDIES.get(error.errno or 0)
    return f"{error.filename}: {reason}; {remedy}" if remedy else f"{error.filename}: {reason}"


def _missing(path: Path, reason: str) -> str:
    if not path.parent.exists():
        return f"{path}: {reason}; create directory {path.parent} first, or name another"
    return f"{path}: {reason}; check the name"
