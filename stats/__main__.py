"""``python -m stats verdict | compare | synergy``: judgements on the command line."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from stats import gates, report
from stats.hypotheses import PROTOCOL, variants
from store.catalog import Catalog, open_catalog
from store.output import format_of, opened, plain, write_rows
from store.selection import (
    VALUED,
    Parser,
    Selection,
    add_output_arguments,
    add_selection_arguments,
    add_store_argument,
    subcommand_first,
)

Document = Mapping[str, Any]

OPTIONS = (
    *VALUED,
    *("--fail-if", "--profile", "--variant", "--by", "--set", "--outcome"),
    *("--a", "--b", "--expected-a-s", "--expected-b-s"),
)
"""Options that take a value, which is then no command."""

EXAMPLES = {
    "verdict": """examples:
  python -m stats verdict --where "experiment='c256'"
  python -m stats verdict --latest --set h2.delta_r2_min=0.05 --fail-if "h5=VALIDATED"
  python -m stats verdict --by run_id --format json --out verdicts.ndjson""",
    "compare": """examples:
  python -m stats compare --a "optimization='unoptimized'" --b "optimization='cached'" --where "experiment='demo'"
  python -m stats compare --a "experiment='c256'" --b "experiment='c257'" --expected-a-s 72360 --expected-b-s 720
  python -m stats compare --a "optimization='unoptimized'" --b "optimization='cached'" --fail-if "speedup<2" """,
    "synergy": """examples:
  python -m stats synergy --where "experiment='c255'"
  python -m stats synergy --outcome population_final --format json""",
}
GATE = "exit 1 if this holds, or cannot be told: a name, one of = != < <= > >=, a value; may be repeated"


class Result(NamedTuple):
    """What a command found: its JSON documents (a line each where ``many``), rows and tables, and what gates name."""

    documents: Sequence[Document]
    rows: Sequence[report.Row]
    table: Callable[..., str]
    names: Sequence[tuple[str, gates.Names]]
    many: bool = False
    explanation: str = ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 a gate tripped, 2 refused, 130 after Ctrl-C."""
    try:
        arguments = _parser().parse_args(subcommand_first(sys.argv[1:] if argv is None else argv, OPTIONS))
        return _run(arguments)
    except SystemExit as end:  # argparse's --help and errors
        return end.code if isinstance(end.code, int) else 2
    except KeyboardInterrupt:
        return _refused("interrupted", 130)
    except (ValueError, OSError) as error:
        return _refused(_sentence(error), 2)


def _run(arguments: argparse.Namespace) -> int:
    conditions = [gates.parse(text) for text in arguments.fail_if]
    with open_catalog(arguments.store, live=arguments.live, timeout_s=arguments.timeout_s) as catalog:
        _say(catalog.problems)
        result = arguments.command(catalog, arguments)
    sentences = gates.tripped(conditions, result.names)
    try:
        _write(result, arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough; the gates still count
        _mute()
    _say(sentences)
    return 1 if sentences else 0


def _refused(sentence: str, code: int) -> int:
    _say([sentence])
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        _mute()
    return code


def _mute() -> None:
    """Let nothing more go to stdout: the interpreter flushes it at exit."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - lives until exit


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split())


def _verdict(catalog: Catalog, arguments: argparse.Namespace) -> Result:
    # Imported here and below: --help must not wait for SciPy.
    from stats.judging import explain, judge

    thresholds = _thresholds(arguments.set)
    how: dict[str, Any] = {
        "profile": arguments.profile,
        "variant": arguments.variant,
        "thresholds": thresholds,
    }
    explanation = explain(**how) if arguments.explain else ""
    found = judge(catalog, **_selected(arguments), **how, by=arguments.by)
    documents = [one.to_json() for one in (found if isinstance(found, list) else [found])]
    return Result(
        documents=documents,
        rows=[row for document in documents for row in _of_run(document, arguments.by)],
        table=report.verdict_table,
        names=[(_title(document, arguments.by), gates.verdict_names(document)) for document in documents],
        many=arguments.by is not None,
        explanation=explanation,
    )


def _compare(catalog: Catalog, arguments: argparse.Namespace) -> Result:
    from stats.comparing import compare

    selected, many = _selected(arguments), len(arguments.b) > 1
    where = selected.pop("where")
    documents = [
        compare(
            catalog,
            a=[*where, arguments.a],
            b=[*where, b],
            expected_a_s=arguments.expected_a_s,
            expected_b_s=arguments.expected_b_s,
            **selected,
        ).to_json()
        for b in arguments.b
    ]
    return Result(
        documents=documents,
        rows=[
            {"b": b, **row}
            for b, document in zip(arguments.b, documents, strict=True)
            for row in report.comparison_rows(document)
        ],
        table=report.comparison_table,
        names=[
            (b if many else "", gates.comparison_names(document))
            for b, document in zip(arguments.b, documents, strict=True)
        ],
        many=many,
    )


def _synergy(catalog: Catalog, arguments: argparse.Namespace) -> Result:
    from stats.factorial import synergy

    found = synergy(catalog, **_selected(arguments), outcome=arguments.outcome)
    if not found.entries:
        raise ValueError(found.notes[-1])
    document = found.to_json()
    return Result(
        documents=[document],
        rows=report.synergy_rows(document),
        table=report.synergy_table,
        names=[(_title(entry, "experiment"), gates.synergy_names(entry)) for entry in document["synergy"]],
    )


def _selected(arguments: argparse.Namespace) -> dict[str, Any]:
    chosen = Selection.of(arguments)
    return {"where": chosen.where, "runs": chosen.runs, "latest": chosen.latest, "last": chosen.last}


def _title(found: Document, by: str | None) -> str:
    if by == "run_id":
        return f"run {found['selection']['runs'][0]}"
    return " ".join(filter(None, (found["experiment"], found["optimization"]))) if by else ""


def _of_run(document: Document, by: str | None) -> list[report.Row]:
    rows = report.verdict_rows(document)
    return [{by: document["selection"]["runs"][0], **row} for row in rows] if by else rows


def _thresholds(settings: Iterable[str]) -> dict[str, dict[str, float]]:
    """Read ``h2.delta_r2_min=0.05``; names and ranges are judged with the hypothesis."""
    found: dict[str, dict[str, float]] = {}
    for text in settings:
        name, _, value = text.partition("=")
        hypothesis, _, key = name.strip().partition(".")
        try:
            found.setdefault(hypothesis, {})[key] = float(value)
        except ValueError:
            raise ValueError(f"--set {text!r} sets no number; write it like h2.delta_r2_min=0.05") from None
    return found


def _write(result: Result, arguments: argparse.Namespace) -> None:
    chosen = format_of(arguments.format, arguments.out)
    prose = chosen in ("table", "markdown")
    if chosen == "json":
        _write_text(_json(result), arguments)
    elif prose:
        tables = [result.table(document, style=chosen) for document in result.documents]
        _write_text("\n\n\n".join([*tables, result.explanation]).rstrip(), arguments)
    else:
        write_rows([_flat(row) for row in result.rows], format=chosen, out=arguments.out)
    if not prose:
        _say(result.explanation.splitlines())
    if chosen in ("csv", "parquet"):
        _say(dict.fromkeys(f"note: {note}" for document in result.documents for note in document["notes"]))


def _json(result: Result) -> str:
    """Return one document to read, or one a line."""
    indent = None if result.many else 2
    return "\n".join(json.dumps(plain(one), indent=indent, ensure_ascii=False) for one in result.documents)


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: json.dumps(plain(y)) if isinstance(y, Mapping) else y for key, y in row.items()}


def _write_text(text: str, arguments: argparse.Namespace) -> None:
    with opened(arguments.out) as stream:
        stream.write(f"{text}\n".encode() if text else b"")


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, file=sys.stderr)


def _parser() -> Parser:
    parser = Parser(
        prog="python -m stats",
        description="Judge runs: verdicts on H1 to H5, comparisons of two groups, synergy of two factors.",
        epilog="example: python -m stats verdict --where \"experiment='c256'\"; COMMAND --help shows more",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    verdict = _command(commands, "verdict", _verdict, "is each hypothesis on why runs drift validated?")
    verdict.add_argument(
        "--profile", default="paper", metavar="NAME", help="criteria to judge by (default paper)"
    )
    verdict.add_argument(
        "--variant",
        default=PROTOCOL,
        metavar="NAME",
        help=f"published version of the criteria: {', '.join(variants())}",
    )
    verdict.add_argument("--by", choices=["run_id"], help="one judgement per run")
    verdict.add_argument(
        "--set", action="append", default=[], metavar="hN.NAME=VALUE", help="judge by another threshold"
    )
    verdict.add_argument(
        "--explain", action="store_true", help="show claims, criteria and the SQL that is run"
    )

    compare = _command(commands, "compare", _compare, "what changed from the runs of A to the runs of B?")
    compare.add_argument("--a", required=True, metavar="PREDICATE", help="runs before the change")
    compare.add_argument(
        "--b",
        required=True,
        action="append",
        metavar="PREDICATE",
        help="runs after it; repeated: one comparison each",
    )
    for side in ("a", "b"):
        compare.add_argument(
            f"--expected-{side}-s",
            type=float,
            metavar="N",
            help=f"expected seconds of one run of {side.upper()}; without them there is no excess",
        )

    synergy = _command(
        commands, "synergy", _synergy, "is the effect of two factors together more than their sum?"
    )
    synergy.add_argument(
        "--outcome", default="population_mean", metavar="COLUMN", help="numeric column of table conditions"
    )
    return parser


def _command(
    commands: Any, name: str, run: Callable[[Catalog, argparse.Namespace], Result], question: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=question,
        description=question,
        epilog=EXAMPLES[name],
    )
    add_store_argument(parser)
    add_selection_arguments(parser)
    add_output_arguments(parser)
    parser.add_argument("--fail-if", action="append", default=[], metavar="CONDITION", help=GATE)
    parser.set_defaults(command=run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
