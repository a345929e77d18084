"""What a run's own texts say of it that no column holds yet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from store.manifest import Manifest

KEYS = {
    "seed": ("seed", "random_seed"),
    "replicate": ("replicate",),
    "workload": ("workload",),
    "started_at": ("start_time", "started_at"),
    "python": ("python", "python_version"),
    "os": ("os", "platform", "operating_system"),
    "host": ("host", "hostname"),
    "cpu_model": ("cpu_model", "processor"),
    "cores": ("cores", "cpu_count"),
    "git_commit": ("git_commit", "commit"),
}
"""Names by which a configuration or a file's metadata may say a column."""

WORDS = {
    "python": re.compile(r"\bpython[ /-]?(\d+\.\d+(?:\.\d+)?)\b", re.IGNORECASE),
    "os": re.compile(r"\b((?:macOS|Ubuntu|Debian|Fedora|Windows|Linux) \d[\w.]*)", re.IGNORECASE),
    "optimization": re.compile(
        r"(?<![a-z])(unoptimized|optimized|cached|vectorized|lightweight)(?![a-z])", re.IGNORECASE
    ),
}
"""How a text may say a column; the study named its files and scripts after the optimization."""


class Inference(NamedTuple):
    """One value, as the text has it, and the text's place."""

    column: str
    value: Any
    origin: str


class _Said(NamedTuple):
    key: str
    value: Any
    path: str


def infer(run: Manifest) -> list[Inference]:
    """Return what the configuration, metadata and file name of a run say of columns that are NULL.

    Parameters
    ----------
    run : Manifest
        The run.

    Returns
    -------
    list of Inference
        At most one a column: a value under the column's own name goes before words in a text.  Lists are
        not looked into: they hold what differs within a run.
    """
    said = list(_said(run))
    found = (_named(column, said) or _worded(column, said) for column in dict.fromkeys((*KEYS, *WORDS)))
    return [one for one in found if one is not None and run.run[one.column] is None]


def _said(run: Manifest) -> Iterator[_Said]:
    for column in ("source", "config"):
        document = json.loads(run.run[column] or "{}")
        if isinstance(document, dict):
            yield from _leaves(document, column)


def _leaves(document: Mapping[str, Any], path: str) -> Iterator[_Said]:
    for key, value in document.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}.{key}")
        elif value is not None and not isinstance(value, list):
            yield _Said(key, value, f"{path}.{key}")


def _named(column: str, said: list[_Said]) -> Inference | None:
    for key, value, path in said:
        if key in KEYS.get(column, ()) and value != "":
            return Inference(column, value, path)
    return None


def _worded(column: str, said: list[_Said]) -> Inference | None:
    if column in WORDS:
        for _, value, path in said:
            found = WORDS[column].search(value.replace("_", " ")) if isinstance(value, str) else None
            if found:
                text = found[1].lower() if column == "optimization" else found[1]
                return Inference(column, text, f"{path} {value[:60]!r}")
    return None
