"""The FROM of one SELECT, as DuckDB's syntax tree has it: its tables, and which of them have equal ``run_id``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from store import schema

Node: TypeAlias = Mapping[str, Any]

KEY = "run_id"
KEYED = frozenset(schema.TABLES)
"""Tables that surely have the column; what a query gives may lack it, or have another type in it."""
RUNS = frozenset(column_.name for column_ in schema.RUNS.columns)
_OPAQUE = ("SUBQUERY", "EXPRESSION_LIST", "EMPTY", "TABLE_FUNCTION")


class Condition(NamedTuple):
    """What holds of every row of a FROM, and the tables whose columns it can name."""

    node: Node
    about: frozenset[int]


@dataclass(slots=True)
class Scope:
    """Tables in the order of FROM; ``nullable`` ones may lack a row, ``group`` is the same where ``run_id`` is.

    ``shared`` names are those of two tables, whose values are equal and yet may be of two types.
    What is ``hidden`` on the right of a semi or anti join has no names outside it.  ``run_id`` alone is the one of all
    tables only where they are ``merged``: of some it is theirs, even beside others of another.
    """

    aliases: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    group: list[int] = field(default_factory=list)
    nullable: set[int] = field(default_factory=set)
    hidden: set[int] = field(default_factory=set)
    conditions: list[Condition] = field(default_factory=list)
    shared: set[str] = field(default_factory=set)
    merged: bool = True

    def add(self, node: Node, table: str) -> None:
        self.aliases.append((node["alias"] or table).lower())
        self.tables.append(table)
        self.nodes.append(node)
        self.group.append(len(self.group))

    def equate(self, members: Collection[int]) -> None:
        groups = {self.group[k] for k in members}
        self.group = [min(groups) if group in groups else group for group in self.group]

    def visible(self, start: int = 0) -> frozenset[int]:
        """Return the tables from one on whose columns have names here."""
        return frozenset(range(start, len(self.tables))) - self.hidden

    def key(self, node: Any, about: Collection[int]) -> int | None:
        """Return a table whose ``run_id`` a name is: the only one of that alias, or any if they are all equal."""
        path = column(node)
        if path == [KEY]:
            return min(about) if self.merged and len({self.group[k] for k in about}) == 1 else None
        if len(path) != 2 or path[1] != KEY:
            return None
        return next((k for k in about if self.aliases[k] == path[0]), None)

    def follow(self, lost: range, leader: int, follower: int) -> None:
        """Note that rows of the lost side matter only beside rows of ``leader`` with their ``run_id``.

        Not the other way round: an outer join keeps rows of its other side whatever it asks.
        """
        group = self.group[follower]
        for k in lost:
            if self.group[k] == group:
                self.group[k] = self.group[leader]

    def require(self, nodes: Sequence[Node], about: frozenset[int]) -> None:
        """Add conditions without which there is no row."""
        for node in nodes:
            self.conditions.append(Condition(node, about))
            if pair := self.pair(node, about):
                self.equate(pair)

    def pair(self, condition: Node, about: frozenset[int]) -> tuple[int, int] | None:
        """Return the two tables whose ``run_id`` a condition says to be equal, if that is what it says."""
        if condition["type"] != "COMPARE_EQUAL":
            return None
        sides = [condition["left"], condition["right"]]
        left, right = (self.key(side, about) if len(column(side)) == 2 else None for side in sides)
        return None if left is None or right is None else (left, right)


def read(select: Node) -> Scope | None:
    """Return the FROM of a SELECT with the conditions of its joins and its WHERE.

    None where a row of it need not come of one row of each table, or a name may be of two.
    """
    scope = Scope()
    if not select.get("from_table") or not _join(scope, select["from_table"]):
        return None
    named = [alias for alias in scope.aliases if alias]
    if len(set(named)) < len(named):
        return None
    scope.require(conjuncts(select.get("where_clause")), scope.visible())
    return scope


def conjuncts(node: Node | None) -> list[Node]:
    """Return conditions that must all hold."""
    if not node:
        return []
    if node["type"] == "CONJUNCTION_AND":
        return [part for child in node["children"] for part in conjuncts(child)]
    return [node]


def column(node: Any) -> list[str]:
    """Return the parts of a column's name in lower case; none of what is no column."""
    return [str(name).lower() for name in node.get("column_names") or ()]


def objects(node: Any) -> Iterator[Node]:
    """Yield a node of a syntax tree and everything inside."""
    left = [node]
    while left:  # not by recursion: a sum of 300 terms is 900 deep
        one = left.pop()
        if isinstance(one, dict):
            yield one
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)


def _join(scope: Scope, node: Node) -> bool:
    if node["type"] == "BASE_TABLE":
        scope.add(node, node["table_name"].lower())
        return not node["column_name_alias"]
    if node["type"] in _OPAQUE:
        scope.add(node, "")
        return not node.get("column_name_alias")
    return node["type"] == "JOIN" and _joined(scope, node)


def _joined(scope: Scope, node: Node) -> bool:
    kind, start, held = node["join_type"], len(scope.tables), len(scope.conditions)
    if node["ref_type"] not in ("REGULAR", "CROSS", "NATURAL") or not _join(scope, node["left"]):
        return False
    left, held_left = range(start, len(scope.tables)), len(scope.conditions)
    if not _join(scope, node["right"]):
        return False
    right = range(left.stop, len(scope.tables))
    scope.shared.update(_shared(scope, node, start))
    on, about = conjuncts(node.get("condition")), scope.visible(start)
    merged = about if _merges(scope, node, left, right) else frozenset()
    if kind in ("INNER", "SEMI"):
        scope.equate(merged)
        scope.require(on, about)
    elif kind in ("LEFT", "ANTI"):
        del scope.conditions[held_left:]  # what one side asks does not hold of rows that do without it
        _outer(scope, left, right, [scope.pair(condition, about) for condition in on], merged)
    elif kind == "RIGHT":
        del scope.conditions[held:held_left]
        _outer(scope, right, left, [scope.pair(condition, about) for condition in on], merged)
    else:
        return False
    if kind in ("SEMI", "ANTI"):
        scope.hidden.update(right)
    else:
        scope.merged &= bool(merged)
    return True


def _merges(scope: Scope, node: Node, left: range, right: range) -> bool:
    """Tell whether a join is one by ``run_id`` under its one name, and that of each side is all its tables'."""
    for side in (left, right):
        shown = scope.visible().intersection(side)
        if len({scope.group[k] for k in shown}) > 1:
            return False
        if node["ref_type"] == "NATURAL" and not any(scope.tables[k] in KEYED for k in shown):
            return False
    return node["ref_type"] == "NATURAL" or KEY in (name.lower() for name in node["using_columns"])


def _shared(scope: Scope, node: Node, start: int) -> Collection[str]:
    """Return the names by which a join merges columns; of the natural one of a query, any that ``runs`` has."""
    if node["ref_type"] == "NATURAL" and not KEYED.issuperset(scope.tables[start:]):
        return RUNS
    return [name.lower() for name in node["using_columns"]]


def _outer(
    scope: Scope,
    kept: range,
    lost: range,
    pairs: Sequence[tuple[int, int] | None],
    merged: frozenset[int],
) -> None:
    scope.nullable.update(lost)
    if merged:
        shown = sorted(merged.intersection(kept), key=lambda k: (scope.tables[k] not in KEYED, k))
        for k in merged.intersection(lost):
            scope.follow(lost, shown[0], k)
    for pair in pairs:
        if pair and (pair[0] in lost) != (pair[1] in lost):
            follower, leader = pair if pair[0] in lost else pair[::-1]
            if scope.group[follower] in lost:  # else it follows another already
                scope.follow(lost, leader, follower)
