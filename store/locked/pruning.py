"""Which runs an ad hoc statement can be about, found before it is run.

DuckDB hands a join's keys to Parquet files that it reads itself, and to no Arrow data: joining 10 of 1,000 runs read
all 12 million rows, 18 times its own 28 ms.  So the statement's syntax tree is read here: what a WHERE asks of ``runs``
holds for every row that a join by ``run_id`` lets through.  A condition that is not understood is left out, which only
keeps more runs; a table of which one use is not understood is read whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from store import schema
from store.locked import scope
from store.locked.scope import KEY, Node, Scope, column, objects

SERIALIZE = "select json_serialize_sql($text)"
DESERIALIZE = "select json_deserialize_sql($text)"
QUESTION = "select run_id from runs"

SAMPLED = tuple(table.name for table in schema.PROBES)
"""What the view ``samples`` may read."""

_RUNS = frozenset(column_.name for column_ in schema.RUNS.columns)
_NAMELESS = ("range", "generate_series", "unnest")
"""Table functions that read no table; others may name one in a text."""
_PURE = ("CONSTANT", "COMPARISON", "CONJUNCTION", "BETWEEN", "OPERATOR", "CAST", "TYPE", "CASE", "PARAMETER")
# Nothing random, nothing that can run for long: this is evaluated once more than was asked.
_FUNCTIONS = frozenset((
    "%", "+", "-", "*", "/", "//", "||", "~~", "!~~", "~~*", "!~~*", "->", "->>", "lower", "upper", "abs",
    "contains", "prefix", "suffix", "starts_with", "ends_with", "list_contains", "list_has", "json_extract",
))  # fmt: skip


class Asked(NamedTuple):
    """What must hold of a run, under an alias of ``runs``."""

    alias: str
    conditions: Sequence[Node]


Ask: TypeAlias = Callable[[str, Mapping[str, object]], list[Any]]


def wanted(ask: Ask, sql: str, params: Mapping[str, object], tables: Sequence[str]) -> dict[str, set[str]]:
    """Return the runs that a statement can be about, for each table of which it needs a part only.

    Parameters
    ----------
    ask : callable
        Runs a statement with its parameters and returns the first column of its rows.
    sql, params
        The statement, already checked, and its parameters.
    tables : sequence of str
        Tables of rows.
    """
    (text,) = ask(SERIALIZE, {"text": sql})
    found: dict[str, set[str]] = {}
    for name, alternatives in conditions(json.loads(text), tables).items():
        found[name] = set()
        for asked in alternatives:
            (tree,) = ask(SERIALIZE, {"text": QUESTION})
            (question,) = ask(DESERIALIZE, {"text": _filtered(tree, asked)})
            found[name].update(ask(question, {key: params[key] for key in _parameters(asked)}))
    return found


def conditions(tree: Any, tables: Sequence[str]) -> dict[str, list[Asked]]:
    """Return, for each table that needs a part of the runs only, what its uses ask of a run: one must let it through.

    Parameters
    ----------
    tree : object
        What ``json_serialize_sql`` makes of one statement.
    tables : sequence of str
        Tables of rows.
    """
    named = _named(tree)
    if named is None or named.keys() & {*tables, "runs", "samples"}:
        return {}
    selects = (node for node in objects(tree) if node.get("type") == "SELECT_NODE")
    found = {id(node): asked for select in selects for node, asked in _restricted(select, named)}
    uses: dict[str, list[int]] = {}
    for node in objects(tree):
        if node.get("type") == "BASE_TABLE":
            name = node["table_name"].lower()
            for read in SAMPLED if name == "samples" else (name,):
                uses.setdefault(read, []).append(id(node))
    return {
        name: [found[node] for node in nodes]
        for name, nodes in uses.items()
        if name in tables and all(node in found for node in nodes)
    }


def _named(tree: Any) -> dict[str, Node] | None:
    """Return the WITH queries of a statement; None where a table can be read without being named, or by chance."""
    found: dict[str, Node] = {}
    for node in objects(tree):
        kind = node.get("type")
        if kind == "SHOW_REF" or node.get("sample"):
            return None
        if kind == "TABLE_FUNCTION" and node["function"]["function_name"].lower() not in _NAMELESS:
            return None
        for entry in node["map"] if isinstance(node.get("map"), list) else ():
            name, query = entry["key"].lower(), entry["value"]
            # A name given twice means one here and the other there.
            found[name] = {} if name in found or query.get("aliases") else query.get("query_node") or {}
    return found


def _restricted(select: Node, named: Mapping[str, Node]) -> Iterator[tuple[Node, Asked]]:
    """Yield the uses of tables in one FROM, with what is asked of their runs."""
    read = scope.read(select)
    if read is None:
        return
    sources = dict(_sources(read, named))
    for k, node in enumerate(read.nodes):
        for r, asked in sources.items():
            if k != r and read.group[k] == read.group[r]:
                yield node, asked
                break
        else:
            for condition in read.conditions:
                if asked_of := _listed(read, k, condition):
                    yield node, asked_of
                    break


def _sources(read: Scope, named: Mapping[str, Node]) -> Iterator[tuple[int, Asked]]:
    """Yield the tables of a FROM that hold some runs: ``runs`` under conditions, and queries of such."""
    for r, (table, node) in enumerate(zip(read.tables, read.nodes, strict=True)):
        if r in read.nullable:
            continue
        asked: Asked | None = None
        if table == "runs":
            asked = _asked(read, r)
        elif table in named:
            asked = _inner(named[table])
        elif node["type"] == "SUBQUERY":
            asked = _inner(node["subquery"]["node"])
        if asked:
            yield r, asked


def _asked(read: Scope, r: int) -> Asked | None:
    alone = read.tables.count("runs") == 1
    kept = [condition for condition in read.conditions if _is_about(condition, read.aliases[r], alone)]
    return Asked(read.aliases[r], kept) if kept else None


def _inner(query: Node) -> Asked | None:
    """Return what a query asks of the runs whose ``run_id`` it gives; LIMIT and the like only leave runs out."""
    if query.get("type") != "SELECT_NODE":
        return None
    read = scope.read(query)
    if read is None or read.tables != ["runs"] or not _gives_key(query["select_list"]):
        return None
    return _asked(read, 0)


def _gives_key(items: Sequence[Node]) -> bool:
    """Tell whether a select list gives the ``run_id`` of its one table under that name, and no other."""
    plain = 0
    for item in items:
        if item["class"] == "STAR":
            if any(
                item.get(key)
                for key in ("exclude_list", "qualified_exclude_list", "replace_list", "rename_list", "expr")
            ):
                return False
            plain += 1
        elif column(item)[-1:] == [KEY] and item["alias"].lower() in ("", KEY):
            plain += 1
        elif item["alias"].lower() == KEY:
            return False
    return plain == 1


def _listed(read: Scope, k: int, condition: Node) -> Asked | None:
    """Read ``run_id in (select run_id from runs where ...)``."""
    if condition.get("subquery_type") != "ANY" or condition.get("comparison_type") != "COMPARE_EQUAL":
        return None
    place = read.find(condition["child"])
    whole = column(condition["child"]) == [KEY] and len(set(read.group)) == 1
    query = condition["subquery"]["node"]
    if not whole and (place is None or read.group[place] != read.group[k]):
        return None
    return _inner(query) if len(query.get("select_list", ())) == 1 else None


def _is_about(condition: Node, alias: str, alone: bool) -> bool:
    """Tell whether a condition reads ``runs`` of that alias and nothing else, and is the same at every reading."""
    return any(column(part) for part in objects(condition)) and _is_pure(condition, alias, alone)


def _is_pure(node: Any, alias: str, alone: bool) -> bool:
    if isinstance(node, list):
        return all(_is_pure(part, alias, alone) for part in node)
    if not isinstance(node, dict):
        return True
    kind = node.get("class")
    if kind == "COLUMN_REF":
        path = column(node)
        unqualified = alone and len(path) == 1 and path[0] != KEY
        return path[-1] in _RUNS and (unqualified or (len(path) == 2 and path[0] == alias))
    if kind == "FUNCTION" and node["function_name"].lower() not in _FUNCTIONS:
        return False
    return kind in (None, "FUNCTION", *_PURE) and all(_is_pure(part, alias, alone) for part in node.values())


def _filtered(text: str, asked: Asked) -> str:
    """Return the syntax tree of ``QUESTION`` with a WHERE."""
    tree = json.loads(text)
    statement = tree["statements"][0]
    both = {
        "class": "CONJUNCTION",
        "type": "CONJUNCTION_AND",
        "alias": "",
        "children": list(asked.conditions),
    }
    statement["node"]["from_table"]["alias"] = asked.alias
    statement["node"]["where_clause"] = both if len(asked.conditions) > 1 else asked.conditions[0]
    statement["named_param_map"] = [
        {"key": key, "value": place} for place, key in enumerate(_parameters(asked), 1)
    ]
    return json.dumps(tree)


def _parameters(asked: Asked) -> list[str]:
    parts = (part for condition in asked.conditions for part in objects(condition))
    return list(dict.fromkeys(part["identifier"] for part in parts if part.get("class") == "PARAMETER"))
