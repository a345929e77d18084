"""The tables are declared once, and the probes write what is declared."""

import importlib
import typing

import pytest

from store import schema

KINDS = {int: "BIGINT", float: "DOUBLE"}
MODULES = [name.removeprefix("probe_") for name in schema.TABLES if name.startswith("probe_")]


@pytest.mark.parametrize("name", MODULES)
def test_a_probes_sample_is_its_tables_schema(name):
    sample = importlib.import_module(f"probes.{name}").Sample
    hints = typing.get_type_hints(sample)
    fields = {field: KINDS[typing.get_args(hints[field])[0]] for field in sample._fields}
    declared = {column.name: column.type for column in schema.TABLES[f"probe_{name}"].columns[4:]}
    assert fields == declared


@pytest.mark.parametrize("table", schema.TABLES.values(), ids=lambda table: table.name)
def test_every_measured_column_says_its_unit(table):
    units = {
        "_ns": "[ns]",
        "_us": "[us]",
        "_s": "[s]",
        "_bytes": "[bytes]",
        "_ms": "[ms]",
        "_mhz": "[MHz]",
        "_percent": "[%]",
    }
    for column in table.columns:
        for ending, unit in units.items():
            if column.name.endswith(ending):
                assert column.comment.endswith(unit), column


def test_only_run_id_is_common_to_runs_and_the_row_tables():
    runs = {column.name for column in schema.RUNS.columns}
    for name in (*schema.ROW_TABLES, "conditions", "samples"):
        assert runs & {column.name for column in schema.TABLES[name].columns} == {"run_id"}
