"""The FROM of one SELECT, as DuckDB's syntax tree has it: its tables, and which of them have equal ``run_id``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Node: TypeAlias = Mapping[str, Any]

KEY = "run_id"
_OPAQUE = ("SUBQUERY", "EXPRESSION_LIST", "EMPTY", "TABLE_FUNCTION")
_JOINS = ("INNER", "LEFT")


@dataclass(slots=True)
class Scope:
    """Tables in the order of FROM; ``nullable`` ones may lack a row, ``group`` is the same where ``run_id`` is."""

    aliases: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    group: list[int] = field(default_factory=list)
    nullable: set[int] = field(default_factory=set)
    conditions: list[Node] = field(default_factory=list)

    def add(self, node: Node, table: str) -> None:
        self.aliases.append((node["alias"] or table).lower())
        self.tables.append(table)
        self.nodes.append(node)
        self.group.append(len(self.group))

    def equate(self, members: Sequence[int]) -> None:
        groups = {self.group[k] for k in members}
        self.group = [min(groups) if group in groups else group for group in self.group]

    def find(self, node: Any) -> int | None:
        """Return the table whose ``run_id`` a qualified name is, if it is one."""
        path = column(node)
        if len(path) != 2 or path[1] != KEY or self.aliases.count(path[0]) != 1:
            return None
        return self.aliases.index(path[0])

    def follow(self, right: range, leader: int, follower: int) -> None:
        """Note that rows of the right side matter only beside rows of ``leader`` with their ``run_id``.

        Not the other way round: an outer join keeps rows of the left side whatever it asks.
        """
        group = self.group[follower]
        for k in right:
            if self.group[k] == group:
                self.group[k] = self.group[leader]

    def pair(self, condition: Node) -> tuple[int, int] | None:
        """Return the two tables whose ``run_id`` a condition says to be equal, if that is what it says."""
        if condition["type"] != "COMPARE_EQUAL":
            return None
        left, right = self.find(condition["left"]), self.find(condition["right"])
        return None if left is None or right is None else (left, right)


def read(select: Node) -> Scope | None:
    """Return the FROM of a SELECT with the conditions of its inner joins and its WHERE.

    None where a row of it need not come of one row of each table.
    """
    scope = Scope()
    if not select.get("from_table") or not _join(scope, select["from_table"]):
        return None
    scope.conditions += conjuncts(select.get("where_clause"))
    for condition in scope.conditions:
        if pair := scope.pair(condition):
            scope.equate(pair)
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
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from objects(value)


def _join(scope: Scope, node: Node) -> bool:
    if node["type"] == "BASE_TABLE":
        scope.add(node, node["table_name"].lower())
        return not node["column_name_alias"]
    if node["type"] in _OPAQUE:
        scope.add(node, "")
        return not node.get("column_name_alias")
    known = node["type"] == "JOIN" and node["ref_type"] in ("REGULAR", "CROSS")
    return known and node["join_type"] in _JOINS and _joined(scope, node)


def _joined(scope: Scope, node: Node) -> bool:
    start = len(scope.tables)
    if not _join(scope, node["left"]):
        return False
    middle = len(scope.tables)
    if not _join(scope, node["right"]):
        return False
    merged = KEY in (name.lower() for name in node["using_columns"])
    if node["join_type"] == "INNER":
        if merged:
            scope.equate(range(start, len(scope.tables)))
        scope.conditions += conjuncts(node.get("condition"))
    else:
        _outer(scope, range(start, middle), range(middle, len(scope.tables)), node, merged)
    return True


def _outer(scope: Scope, left: range, right: range, node: Node, merged: bool) -> None:
    scope.nullable.update(right)
    if merged:
        leader = next((k for k in left if scope.tables[k]), left[0])
        for k in right:
            scope.follow(right, leader, k)
    for condition in conjuncts(node.get("condition")):
        pair = scope.pair(condition)
        if pair and (pair[0] in right) != (pair[1] in right):
            leader, follower = sorted(pair)
            if scope.group[follower] in right:  # else it follows another already
                scope.follow(right, leader, follower)
