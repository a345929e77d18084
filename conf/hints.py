"""Commands to type next, as the shell takes them and about the store that the runs are in."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from conf.groups import Group, pairs
from conf.jobs import Job
from conf.schema import Store
from conf.words import in_shell
from store.catalog import Catalog

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
    """Return three commands about the first experiment's runs; ``latest`` leaves out what they replace."""
    of = [group for group in groups if group.experiment == groups[0].experiment]
    rest = f"{_where(catalog, of, latest=latest)}{in_store(of[0].job)}"
    commands = [
        f"{program('store')} sql {in_shell(CYCLE_TIMES)} {rest}",
        f"{program('stats')} verdict {rest} --by run_id --format json",
    ]
    for pair in pairs(of)[:1]:
        a, b = (in_shell(f"optimization={_quoted(str(group.mode))}") for group in pair)
        about = f"{_where(catalog, pair, latest=latest)}{in_store(of[0].job)}"
        return [*commands, f"{program('stats')} compare --a {a} --b {b} {about}"]
    return [*commands, f"{program('store')} export {of[0].run_ids[0]} --out run.json{in_store(of[0].job)}"]


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
