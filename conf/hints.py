"""Commands to type next, as the shell takes them and about the store that the runs are in."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from conf.compose import OWN_CODE
from conf.groups import Group, pairs
from conf.jobs import Job
from conf.schema import Store
from conf.words import in_shell
from store.catalog import Catalog

COMPARED = 4
"""Configurations of a sweep that one command compares."""
CYCLE_TIMES = (
    "select experiment, optimization, condition, avg(net_ns) / 1e6 as cycle_ms "
    "from cycles join runs using (run_id) group by all order by all"
)


def program(name: str) -> str:
    """Return how ``run``, ``store`` or ``stats`` is called here: in a clone, or as it is installed."""
    if Path(sys.argv[0]).name == "driftlab":
        return f"driftlab {name}"
    return "python run.py" if name == "run" else f"python -m {name}"


def in_store(job: Job) -> str:
    """Return the option that names the store of ``job``, where it is not the default."""
    root = str(job.config["store"]["root"])
    return "" if root == Store().root else f" --store {in_shell(root)}"


def run_again(job: Job, experiment: str) -> str:
    """Return the command that runs another experiment into the store of ``job``."""
    words = [word for word in job.overrides if word.startswith("store.root=")]
    return " ".join([program("run"), f"experiment={experiment}", *map(in_shell, words)])


def next_commands(catalog: Catalog, groups: Sequence[Group], *, latest: bool) -> list[str]:
    """Return commands about the first experiment's runs; ``latest`` leaves out what they replace."""
    of = [group for group in groups if group.experiment == groups[0].experiment]
    rest = f"{_where(catalog, of, latest=latest)}{in_store(of[0].job)}"
    commands = [
        f"{program('store')} sql {in_shell(CYCLE_TIMES)} {rest}",
        f"{program('stats')} verdict {rest} --by run_id --format json",
    ]
    found = [*_comparison(catalog, of, latest=latest)]
    if of[0].job.config["workload"].get("_target_") == OWN_CODE:
        found.append(f"{program('stats')} timeline {rest}")
    export = f"{program('store')} export {of[0].run_ids[0]} --out run.json{in_store(of[0].job)}"
    return [*commands, *(found or [export])]


def _comparison(catalog: Catalog, groups: Sequence[Group], *, latest: bool) -> Iterator[str]:
    """Yield the comparison of two modes, or of the first configuration of a sweep with the next ones."""
    two = pairs(groups)[:1]
    sides = two[0] if two else tuple(group for group in groups if group.whole)[:COMPARED]
    if len(sides) < 2:
        return
    keys = [] if two else _varied(sides)
    predicates = [
        _chosen(catalog, group, keys, modes=len({each.mode for each in sides}) > 1) for group in sides
    ]
    a, *b = map(in_shell, predicates)
    about = f"{_where(catalog, sides, latest=latest)}{in_store(groups[0].job)}"
    yield f"{program('stats')} compare --a {a} {' '.join(f'--b {each}' for each in b)} {about}"


def _varied(groups: Sequence[Group]) -> list[str]:
    """Return the keys that a sweep varies from one of these configurations to another."""
    words = Counter(word for group in groups for word in group.variant)
    return list(dict.fromkeys(w.partition("=")[0].lstrip("+") for w, n in words.items() if n < len(groups)))


def _chosen(catalog: Catalog, group: Group, keys: Sequence[str], *, modes: bool) -> str:
    """Return what selects a configuration by its mode and its values of ``keys``, or its id where those do not."""
    clauses = [f"optimization={_quoted(str(group.mode))}"] if modes else []
    clauses += [f"config->>'$.{key}' = {_quoted(_text(group.job.config, key))}" for key in keys]
    if not keys:
        return clauses[0]
    said, identified = " and ".join(clauses), f"config_id={_quoted(group.config_id)}"
    experiment = f"experiment={_quoted(group.experiment)}"
    try:
        selected = catalog.select(where=[experiment, said])
    except ValueError:
        return identified
    return said if selected == catalog.select(where=[experiment, identified]) else identified


def _text(config: Mapping[str, Any], key: str) -> str:
    """Return the value of an option as SQL's ``config->>'$.key'`` does; nothing of a group."""
    value: Any = config
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _where(catalog: Catalog, groups: Sequence[Group], *, latest: bool) -> str:
    ids = [run_id for group in groups for run_id in group.run_ids]
    predicate = selecting(catalog, groups, ids, latest=latest)
    return f"--where {in_shell(predicate)}{' --latest' * latest}"


def selecting(catalog: Catalog, groups: Sequence[Group], ids: Sequence[str], *, latest: bool = False) -> str:
    """Return the shortest predicate over ``runs`` that selects just ``ids`` of ``groups``."""
    experiment = f"experiment={_quoted(groups[0].experiment)}"
    configurations = sorted({_quoted(group.config_id) for group in groups})
    among = f"in ({', '.join(configurations)})" if len(configurations) > 1 else f"= {configurations[0]}"
    sweeps = {row["sweep_id"] for group in groups for row in group.rows}
    narrower = [f"optimization={_quoted(str(groups[0].mode))}"] if len(groups) == 1 else []
    narrower += ["status='completed'", f"config_id {among}"]
    tried = [experiment, *(f"{experiment} and {clause}" for clause in narrower)]
    tried += [f"sweep_id={_quoted(str(sweep))}" for sweep in sweeps if sweep and len(sweeps) == 1]
    for predicate in tried:
        if set(catalog.select(where=[predicate], latest=latest)) == set(ids):
            return predicate
    return f"run_id in ({', '.join(map(_quoted, ids))})"


def _quoted(value: str) -> str:
    """Return a value as SQL takes it."""
    return "'{}'".format(value.replace("'", "''"))
