"""What is refused before it is run, and what helps where DuckDB refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping

import duckdb

from store.locked.bounded import Refused, sentence


def check(connection: duckdb.DuckDBPyConnection, sql: str, params: Mapping[str, object]) -> None:
    """Check that a text is exactly one statement of type SELECT, with a value for each of its parameters.

    Raises
    ------
    Refused
        If it is not; one sentence.
    """
    try:
        sql.encode()
        statements = connection.extract_statements(sql)
    except UnicodeEncodeError as error:  # bytes of an argument or of stdin that are no UTF-8
        raise Refused(
            f"the statement is no UTF-8 text (at letter {error.start + 1}); write it anew"
        ) from error
    except duckdb.Error as error:
        raise Refused(sentence(error)) from error
    if len(statements) != 1:
        raise Refused(f"the query holds {len(statements)} statements; give exactly one SELECT")
    if statements[0].type != duckdb.StatementType.SELECT:
        kind = statements[0].type.name
        remedy = (
            "add an IN list to PIVOT" if kind == "MULTI" else "only SELECT, DESCRIBE, SHOW and SUMMARIZE are"
        )
        raise Refused(f"a statement of type {kind} is not allowed; {remedy}")
    asked = statements[0].named_parameters
    if spare := sorted(set(params) - asked):
        raise Refused(f"there is no ${spare[0]} in the statement; leave parameter {spare[0]} out")
    if unknown := sorted(asked - set(params)):
        name = unknown[0]
        remedy = "write $name for it" if name.isdecimal() else f"give it, as --param {name}=VALUE"
        raise Refused(f"parameter {name} of the statement has no value; {remedy}")


def remedied(said: str) -> str:
    """Return what DuckDB says against a predicate with what helps, where it is known."""
    if said.startswith("Catalog Error: Table"):
        return "a predicate sees the columns of runs alone; ask `sql` for the rest"
    if re.search(r"json_extract\(\w+, BOOLEAN\)", said):  # -> binds less than =
        return "-> takes the comparison for its path; write config->>'$.a.b' = 'value'"
    unknown = re.match(r'Binder Error: Referenced column "(.*?)" (not found|was not found)', said)
    return f"{said}; if it is text, write '{unknown[1]}'" if unknown else said
