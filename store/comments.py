"""What every column is, in words and units: those of the schema, and those that only some runs have."""

from __future__ import annotations

from store import schema

OBSERVABLES = {
    "population": "agents alive at the cycle's end",
    "births": "agents born since the cycle before",
    "deaths": "agents that died since the cycle before",
    "groups": "groups of agents held",
    "new_groups": "groups formed in this cycle whose members are new",
    "depth_mean": "mean depth of the living in the tree of descent",
    "depth_max": "largest depth of the living in the tree of descent",
    "similarity_mean": "mean similarity of pairs within a group",
    "pattern_memory_size": "events in the pattern memory",
    "visits": "how often an agent was evolved in the cycle",
    "energy": "sum of the living agents' energies",
    "bursts": "groups that burst",
    "energy_released": "energy lost with those who were dissolved",
    "global_memory": "memories held in common",
    "memories": "memories held by all the living together",
}
UNITS = {
    "_ns": "[ns]",
    "_ms": "[ms]",
    "_s": "[s]",
    "_bytes": "[bytes]",
    "_percent": "[%]",
    "_mb": "[2^20 bytes]",
}
"""Units that the ends of names say."""


def of_table(name: str) -> str:
    """Return what one row of a table is."""
    known = schema.TABLES.get(name)
    return known.comment if known else f"one row per reading of probe {name.removeprefix('probe_')}"


def of_column(table: str, column: str) -> str:
    """Return what a column is, with its unit."""
    known = schema.TABLES[table].columns if table in schema.TABLES else ()
    keys = schema.TABLES["probe_memory"].columns[:4]  # what every row of a probe has
    declared = {each.name: each.comment for each in (*keys, *known)}
    if column in declared:
        return declared[column]
    added = (
        OBSERVABLES.get(column, "observable of the workload") if table == "cycles" else "field of the probe"
    )
    unit = next((unit for end, unit in UNITS.items() if column.endswith(end)), "")
    return f"{added} {unit}".rstrip()
