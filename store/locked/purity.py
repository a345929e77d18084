"""Which conditions can be asked of ``runs`` alone, beforehand, and have the same answer in the statement."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from store.locked.scope import KEY, KEYED, RUNS, Condition, Node, Scope, column, objects

_PURE = ("CONSTANT", "COMPARISON", "CONJUNCTION", "BETWEEN", "OPERATOR", "CAST", "TYPE", "CASE", "PARAMETER")
# Nothing random, nothing that can run for long: this is evaluated once more than was asked, in the same transaction,
# for which now() stands still.
_FUNCTIONS = frozenset((
    "%", "+", "-", "*", "/", "//", "||", "~~", "!~~", "~~*", "!~~*", "->", "->>", "lower", "upper", "abs",
    "contains", "prefix", "suffix", "starts_with", "ends_with", "list_contains", "list_has", "list_value",
    "json_extract", "now", "get_current_timestamp", "current_date", "today", "date_trunc", "trunc", "to_years",
    "to_months", "to_weeks", "to_days", "to_hours", "to_minutes", "to_seconds",
))  # fmt: skip
CLOCKS = frozenset(("current_date", "current_timestamp"))
"""Functions written without parentheses; a column of that name comes before them."""


def given_names(node: Node) -> Iterator[str]:
    """Yield the names that a node gives to what it holds."""
    yield (node.get("alias") or "").lower()
    for key in ("column_name_alias", "aliases"):
        yield from (str(name).lower() for name in node.get(key) or ())


def columns_in(node: Any) -> list[tuple[str, ...]]:
    return [tuple(path) for part in objects(node) if (path := column(part))]


def is_about(read: Scope, r: int, condition: Condition) -> bool:
    """Tell whether a condition reads one table, of that only what runs have, and is the same at every reading."""
    if r not in condition.about or not is_pure(condition.node, names_of(read, r, condition.about)):
        return False
    return not {*columns_in(condition.node)}.issubset((name,) for name in CLOCKS)


def names_of(read: Scope, r: int, about: frozenset[int]) -> set[tuple[str, ...]]:
    """Return what the columns of ``runs`` are called, or the one of them that another table has."""
    table = read.tables[r]
    columns = RUNS if table == "runs" else {KEY} if table in KEYED else frozenset()
    names: set[tuple[str, ...]] = {(name,) for name in CLOCKS}
    names.update((read.aliases[r], name) for name in columns)
    if table == "runs" and [read.tables[k] for k in about].count(table) == 1:
        names.update((name,) for name in columns - read.shared if name != KEY)
    if columns and read.key({"column_names": [KEY]}, about) is not None:
        first = min(about - read.nullable)  # whose it is; of a query it may have a collation, or another type
        names.update({(KEY,)} if read.tables[first] in KEYED else ())
    return names


def is_pure(node: Any, names: set[tuple[str, ...]]) -> bool:
    if isinstance(node, list):
        return all(is_pure(part, names) for part in node)
    if not isinstance(node, dict):
        return True
    kind = node.get("class")
    if kind == "COLUMN_REF":
        return tuple(column(node)) in names
    if kind == "FUNCTION" and node["function_name"].lower() not in _FUNCTIONS:
        return False
    return kind in (None, "FUNCTION", *_PURE) and all(is_pure(part, names) for part in node.values())
