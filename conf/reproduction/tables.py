"""The sections as files, Markdown and JSON, and as a checklist for a screen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from conf.reproduction.checks import Row, Section, Value, passed
from stats.text import cell, grid
from store.values import plain

COLUMNS = ("quantity", "published", "expected", "found", "holds", "passed", "how")
MARKS = {True: "pass", False: "FAIL", None: "----"}
LEGEND = (
    "`published` is what the study printed; `expected` what is true of it, recomputed from its own inputs or from the "
    "model; `found` what this run computed.  `holds` judges the published claim, `passed` whether the truth was "
    "reproduced: for a claim that does not hold, its refutation."
)
FIGURES = "Section 6 of the study is its figures; it has no table."


def write(out: Path, sections: Sequence[Section], remarks: Sequence[str]) -> None:
    """Write a file of each kind for every section, and the index over them."""
    out.mkdir(parents=True, exist_ok=True)
    for section in sections:
        _put(out / f"{stem(section)}.md", _markdown(section))
        document = {
            "section": section.number,
            "title": section.title,
            "rows": [each.to_json() for each in section.rows],
        }
        _put(out / f"{stem(section)}.json", _json(document))
    _put(out / "index.md", _index(sections, remarks))
    entries = [{"file": f"{stem(section)}.json", **_counts(section.rows)} for section in sections]
    _put(
        out / "index.json",
        _json({"passed": passed(sections), "remarks": list(remarks), "sections": entries}),
    )


def stem(section: Section) -> str:
    """Return the name of a section's files, without their suffix."""
    return f"section{section.number}_{section.name}"


def checklist(sections: Sequence[Section], remarks: Sequence[str]) -> Iterator[str]:
    """Yield the lines that tell a person what was reproduced."""
    for section in sections:
        yield f"§{section.number} {section.title}"
        for each in section.rows:
            yield f"  {MARKS[each.passed]}  {_line(each)}"
    yield from remarks
    totals = _counts([each for section in sections for each in section.rows])
    yield (
        f"{totals['passed']} of {totals['passed'] + totals['failed']} checks pass, {totals['failed']} fail; "
        f"{totals['unchecked']} rows are reported only or could not be measured here"
    )


def _line(each: Row) -> str:
    expected = "" if each.expected is None else f", expected {_cell(each.expected)}"
    published = "" if each.published is None else f", published {_cell(each.published)}"
    found = each.how if each.found is None else f"found {_cell(each.found)}"
    return f"{each.quantity}: {found}{expected}{published}"


def _markdown(section: Section) -> str:
    rows = [{name: _cell(y) for name, y in each.to_json().items()} for each in section.rows]
    table = grid([{name: each[name] for name in COLUMNS} for each in rows], "markdown")
    more = [f"## {title}\n\n{text.strip()}" for title, text in section.tables.items()]
    return "\n\n".join([f"# §{section.number} {section.title}", table, *more])


def _index(sections: Sequence[Section], remarks: Sequence[str]) -> str:
    rows = [
        {"table": f"[§{each.number} {each.title}]({stem(each)}.md)", **_counts(each.rows)}
        for each in sections
    ]
    verdict = "Everything that could be checked is reproduced." if passed(sections) else "**Not reproduced.**"
    notes = "\n".join(f"- {remark}" for remark in [*remarks, FIGURES])
    return "\n\n".join(["# The study, reproduced", verdict, LEGEND, grid(rows, "markdown"), notes])


def _counts(rows: Sequence[Row]) -> dict[str, int]:
    found = [each.passed for each in rows]
    return {"passed": found.count(True), "failed": found.count(False), "unchecked": found.count(None)}


def _cell(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return cell(value).replace("|", "\\|")


def _json(document: Mapping[str, object]) -> str:
    return json.dumps(plain(document), indent=2, ensure_ascii=False)


def _put(path: Path, text: str) -> None:
    path.write_text(f"{text}\n", encoding="utf-8")
