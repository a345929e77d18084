"""Which runs an ad hoc statement can be about, found before it is run.

DuckDB hands a join's keys to Parquet files that it reads itself, and to no Arrow data: joining 10 of 1,000 runs read
all 12 million rows, 18 times its own 28 ms.  So the statement's syntax tree is read here: what a WHERE asks of
``runs``, or of any ``run_id``, holds for every row that a join by ``run_id`` lets through.  A condition that is not
understood is left out, which only keeps more runs; a table of which one use is not understood is read whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any, NamedTuple, TypeAlias

from store import schema
from store.locked import purity, scope
from store.locked.scope import KEY, KEYED, Condition, Node, Scope, column, objects

SERIALIZE = "select json_serialize_sql($text)"
DESERIALIZE = "select json_deserialize_sql($text)"
QUESTION = "select run_id from runs"
FIRST = "select run_id from runs qualify rank() over (order by run_id) <= 0"
"""What ORDER BY and LIMIT may give: of runs that are equal in order, any; so all of them."""

SAMPLED = tuple(table.name for table in schema.PROBES)
"""What the view ``samples`` may read."""

_CHANGES = ("exclude_list", "qualified_exclude_list", "replace_list", "rename_list", "expr")
"""What makes a star give other columns than its table has."""
_UNNEST = ("unnest", "unlist")
_NAMELESS = ("range", "generate_series", *_UNNEST)
"""Table functions that read no table; others may name one in a text."""


class Asked(NamedTuple):
    """What must hold of a run, under an alias of ``runs``; with ``first``, of which only so many in an order."""

    alias: str
    conditions: Sequence[Node]
    orders: Sequence[Node] = ()
    first: Node | None = None


Ask: TypeAlias = Callable[[str, Mapping[str, object]], list[Any]]


def wanted(
    ask: Ask, sql: str, params: Mapping[str, object], tables: Mapping[str, Collection[str]]
) -> dict[str, set[str]]:
    """Return the runs that a statement can be about, for each table of which it needs a part only.

    Parameters
    ----------
    ask : callable
        Runs a statement with its parameters and returns the first column of its rows.
    sql, params
        The statement, already checked, and its parameters.
    tables : mapping of str to collection of str
        Tables of rows and their columns.
    """
    found: dict[str, set[str]] = {}
    if not purity.CLOCKS.isdisjoint(column_.lower() for columns in tables.values() for column_ in columns):
        return found
    (text,) = ask(SERIALIZE, {"text": sql})
    for name, uses in conditions(json.loads(text), tables).items():
        each = (set.intersection(*(_runs(ask, asked, params) for asked in use)) for use in uses)
        found[name] = set().union(*each)
    return found


def _runs(ask: Ask, asked: Asked, params: Mapping[str, object]) -> set[str]:
    (tree,) = ask(SERIALIZE, {"text": FIRST if asked.first else QUESTION})
    (question,) = ask(DESERIALIZE, {"text": _filtered(tree, asked)})
    return set(ask(question, {key: params[key] for key in _parameters(asked)}))


def conditions(tree: Any, tables: Collection[str]) -> dict[str, list[list[Asked]]]:
    """Return, for each table that needs a part of the runs only, what each of its uses asks of a run.

    A use needs the runs of which everything holds that it asks, and a table those of any of its uses.

    Parameters
    ----------
    tree : object
        What ``json_serialize_sql`` makes of one statement.
    tables : collection of str
        Tables of rows.
    """
    named = _named(tree)
    if named is None or named.keys() & KEYED.union(tables):
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
        if kind == "SHOW_REF" or node.get("sample") or not purity.CLOCKS.isdisjoint(purity.given_names(node)):
            return None
        if kind == "TABLE_FUNCTION" and node["function"]["function_name"].lower() not in _NAMELESS:
            return None
        for entry in node["map"] if isinstance(node.get("map"), list) else ():
            name, query = entry["key"].lower(), entry["value"]
            # A name given twice means one here and the other there.
            found[name] = {} if name in found or query.get("aliases") else query.get("query_node") or {}
    return found


def _restricted(select: Node, named: Mapping[str, Node]) -> Iterator[tuple[Node, list[Asked]]]:
    """Yield the uses of tables in one FROM, with what is asked of their runs."""
    read = scope.read(select)
    if read is None:
        return
    sources = list(_sources(read, named))
    for node, group in zip(read.nodes, read.group, strict=True):
        if asked := [each for place, each in sources if read.group[place] == group]:
            yield node, asked


def _sources(read: Scope, named: Mapping[str, Node]) -> Iterator[tuple[int, Asked]]:
    """Yield what is asked of the runs of a table, and so of all tables that share its ``run_id``."""
    for r, (table, node) in enumerate(zip(read.tables, read.nodes, strict=True)):
        if r in read.nullable:
            continue
        if table in named:  # what it names in turn is left out: the way down could double at each name
            yield from ((r, asked) for asked in _inner(named[table], {}))
        elif node["type"] == "SUBQUERY":
            yield from ((r, asked) for asked in _inner(node["subquery"]["node"], named))
        elif kept := [one.node for one in read.conditions if purity.is_about(read, r, one)]:
            yield r, Asked(read.aliases[r], kept)
    for condition in read.conditions:
        yield from _matched(read, condition, named)


def _inner(query: Node, named: Mapping[str, Node]) -> list[Asked]:
    """Return what a query asks of the runs whose ``run_id`` it gives."""
    read = scope.read(query) if query.get("type") == "SELECT_NODE" else None
    given = None if read is None else _given(read, query["select_list"])
    if read is None or given is None:
        return []
    if first := _first(read, query):
        return [first]
    return [asked for r, asked in _sources(read, named) if read.group[r] == read.group[given]]


def _given(read: Scope, items: Sequence[Node]) -> int | None:
    """Return the table whose ``run_id`` a select list gives under that name, if it gives no other so."""
    found: list[int | None] = []
    for item in items:
        if item["class"] == "STAR":
            of_struct = item["relation_name"].lower() not in ("", read.aliases[0])
            if len(read.nodes) > 1 or of_struct or any(item.get(key) for key in _CHANGES):
                return None
            found.append(0)
        elif (item["alias"].lower() or "".join(column(item)[-1:])) == KEY:
            found.append(read.key(item, read.visible()))
        elif any(
            part.get("class") == "STAR" or part.get("function_name") in _UNNEST for part in objects(item)
        ):
            return None  # names its columns itself
    return found[0] if len(found) == 1 else None


def _first(read: Scope, query: Node) -> Asked | None:
    """Read ``select run_id from runs ... order by ... limit n`` where all of it is understood."""
    modifiers = query["modifiers"]
    if read.tables != ["runs"] or [one["type"] for one in modifiers] != ["ORDER_MODIFIER", "LIMIT_MODIFIER"]:
        return None
    orders, limit = modifiers[0]["orders"], modifiers[1]
    number = (limit["limit"] or {}).get("literal") or {}
    counted = number.get("kind") == "INTEGER" and limit["limit_type"] == "ROW_COUNT" and not limit["offset"]
    plain = all(
        item["class"] == "STAR" or item["alias"].lower() in ("", *column(item))
        for item in query["select_list"]
    )
    names = purity.names_of(read, 0, read.visible())
    asked = [one.node for one in read.conditions]
    by = [order["expression"] for order in orders]
    if not (counted and plain and _is_of_rows(query) and all(purity.columns_in(one) for one in by)):
        return None
    return (
        Asked(read.aliases[0], asked, orders, limit["limit"])
        if purity.is_pure([*asked, *by], names)
        else None
    )


def _is_of_rows(query: Node) -> bool:
    """Tell whether a query gives rows that its FROM has, and none where that has none."""
    grouped = any(query.get(key) for key in ("group_expressions", "group_sets", "having", "qualify"))
    simple = all(item["class"] in ("CONSTANT", "COLUMN_REF", "STAR") for item in query["select_list"])
    return simple and not grouped and query["aggregate_handling"] == "STANDARD_HANDLING"


def _matched(read: Scope, condition: Condition, named: Mapping[str, Node]) -> Iterator[tuple[int, Asked]]:
    """Read ``run_id in (select run_id ...)`` and ``exists (select ... where r.run_id = c.run_id)``."""
    node, about = condition
    kind = node.get("subquery_type")
    query = node["subquery"]["node"] if kind else {}
    if (
        kind == "ANY"
        and node["comparison_type"] == "COMPARE_EQUAL"
        and len(query.get("select_list", ())) == 1
    ):
        place = read.key(node["child"], about)
        if place is not None:
            yield from ((place, asked) for asked in _inner(query, named))
    inner = scope.read(query) if kind == "EXISTS" and query["type"] == "SELECT_NODE" else None
    if inner and _is_of_rows(query):
        sources = list(_sources(inner, named))
        for place, r in _correlated(read, about, inner):
            yield from ((place, asked) for s, asked in sources if inner.group[s] == inner.group[r])


def _correlated(read: Scope, about: frozenset[int], inner: Scope) -> Iterator[tuple[int, int]]:
    """Yield tables of an outer and an inner FROM whose ``run_id`` must be equal."""
    # The outer name may be a struct that a query gives; a table has none.
    for node, inside in inner.conditions if KEYED.issuperset(inner.tables) else ():
        if node["type"] != "COMPARE_EQUAL":
            continue
        for ours, theirs in permutations((node["left"], node["right"])):
            place, r = read.key(ours, about), inner.key(theirs, inside)
            if place is not None and r is not None and column(ours)[0] not in (KEY, *inner.aliases):
                yield place, r


def _filtered(text: str, asked: Asked) -> str:
    """Return the syntax tree of ``QUESTION``, or of ``FIRST``, with what is asked."""
    tree = json.loads(text)
    statement = tree["statements"][0]
    select = statement["node"]
    select["from_table"]["alias"] = asked.alias
    if asked.conditions:
        both = {
            "class": "CONJUNCTION",
            "type": "CONJUNCTION_AND",
            "alias": "",
            "children": list(asked.conditions),
        }
        select["where_clause"] = both if len(asked.conditions) > 1 else asked.conditions[0]
    if asked.first:
        select["qualify"]["left"]["orders"] = asked.orders
        select["qualify"]["right"] = asked.first
    statement["named_param_map"] = [
        {"key": key, "value": place} for place, key in enumerate(_parameters(asked), 1)
    ]
    return json.dumps(tree)


def _parameters(asked: Asked) -> list[str]:
    parts = objects([*asked.conditions, *asked.orders])
    return list(dict.fromkeys(part["identifier"] for part in parts if part.get("class") == "PARAMETER"))
