"""Every table of a store, once: names, DuckDB types, units.

``run_id`` is the hive key of the row tables: it stands in the directory's name and never in their files.
JSON columns hold text (VARCHAR): ``config->>'cycles'`` works on it in DuckDB, and every client reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

FORMAT = 1
"""Version of the layout on disk, in every ``run.json``."""

ARROW: dict[str, pa.DataType] = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
    "VARCHAR[]": pa.list_(pa.string()),
}
"""The types a column may have: DuckDB's name and Arrow's."""


class Column(NamedTuple):
    """One column: ``type`` is a key of ``ARROW``, ``comment`` says what it is and its unit."""

    name: str
    type: str
    comment: str


class Table(NamedTuple):
    """One table; files may add columns (a workload's observables) behind these."""

    name: str
    comment: str
    columns: tuple[Column, ...]


def _columns(text: str) -> tuple[Column, ...]:
    return tuple(Column(*line.split(maxsplit=2)) for line in text.strip().splitlines())


_RUN = "run_id VARCHAR run (UUIDv7, sorts by start)"
_ROW = f"""{_RUN}
condition VARCHAR condition of the run
cycle BIGINT index over all conditions, from 0; -1 is the baseline reading
t_ns BIGINT monotonic time since the run's start, at the reading [ns]"""

RUNS = Table(
    "runs",
    "one row per run",
    _columns(f"""{_RUN}
experiment VARCHAR declared experiment
config_id VARCHAR hash of the resolved configuration, without seed and replicate
sweep_id VARCHAR sweep that the run belongs to
sweep_index BIGINT job of the sweep, from 0
optimization VARCHAR how the workload samples the machine
workload VARCHAR workload's name
seed BIGINT seed of the random generators
replicate BIGINT index among repeats of one configuration
status VARCHAR running, completed, failed, interrupted or imported
started_at TIMESTAMPTZ start, UTC
ended_at TIMESTAMPTZ end, UTC
wall_s DOUBLE wall time of the run [s]
cpu_s DOUBLE CPU time of the measured process [s]
n_cycles BIGINT cycles done, over all conditions
total_sampling_calls BIGINT samples that the workload took, those for building a condition (in no cycle) included
peak_rss_bytes BIGINT peak resident set of the measured process [bytes]
traced BOOLEAN allocation tracing was on, so times are not comparable
sensor_source VARCHAR live sensors or replay:<sha256 of the trace>; NULL = none was read
continues VARCHAR run that this one continues
git_commit VARCHAR commit of the code
git_dirty BOOLEAN the code had uncommitted changes
python VARCHAR version of Python
packages VARCHAR installed distributions and versions (JSON)
os VARCHAR operating system
kernel VARCHAR kernel release
host VARCHAR host name
boot_id VARCHAR boot of the host
cpu_model VARCHAR model of the CPU
cores BIGINT logical CPUs
memory_bytes BIGINT memory of the machine [bytes]
allocator VARCHAR memory allocator's settings
concurrent_runs BIGINT other runs of the store alive at the start
config VARCHAR resolved configuration (JSON)
source VARCHAR file and sha256 of an import (JSON)
error VARCHAR why it failed or was interrupted
tags VARCHAR[] labels given later
notes VARCHAR[] what a reader of the numbers must know"""),
)

CONDITIONS = Table(
    "conditions",
    "one row per condition of a run",
    _columns(f"""{_RUN}
condition VARCHAR cell of the factorial design, such as OFF-ON
position BIGINT place in the run's order, from 0
mechanisms VARCHAR which mechanisms are on (JSON)
condition_cycles BIGINT cycles done in it
population_mean DOUBLE mean of the observable population over its cycles
population_sd DOUBLE standard deviation of population (ddof 0)
population_final DOUBLE population at its last cycle
population_max DOUBLE largest population
condition_wall_s DOUBLE sum of its cycles' wall times [s]"""),
)

CYCLES = Table(
    "cycles",
    "one row per cycle (of the measured process, and of each worker)",
    _columns(f"""{_RUN}
condition VARCHAR condition of the run
cycle BIGINT index over all conditions, from 0
process BIGINT 0 = the measured process, 1... = its workers
t_ns BIGINT monotonic time since the run's start, at the cycle's end [ns]
wall_ns BIGINT wall time [ns]
cpu_ns BIGINT CPU time of the thread [ns]
runq_ns BIGINT time runnable but waiting for a CPU [ns]
offcpu_ns BIGINT time blocked or asleep: wall - cpu - runq, never clamped [ns]
gc_ns BIGINT time in the garbage collector [ns]
probe_ns BIGINT time in our own probes [ns]
sampling_ns BIGINT time in the workload's sampling calls [ns]
sampling_calls BIGINT samples that the workload took
net_ns BIGINT cycle time as tests use it: wall - probe [ns]
minor_faults BIGINT page faults without I/O
major_faults BIGINT page faults with I/O
voluntary_switches BIGINT context switches by blocking
involuntary_switches BIGINT context switches by preemption"""),
)

WINDOWS = Table(
    "windows",
    "one row per stretch of at least 1 s that ends at a cycle's end, and one for the rest",
    _columns(f"""{_RUN}
condition VARCHAR condition at the window's end
first_cycle BIGINT first cycle in it
last_cycle BIGINT last cycle in it
t_ns BIGINT monotonic time since the run's start, at the window's end [ns]
wall_ns BIGINT wall time [ns]
cpu_ns BIGINT CPU time of the main thread [ns]
runq_ns BIGINT main thread runnable but waiting for a CPU [ns]
offcpu_ns BIGINT main thread blocked or asleep [ns]
user_ns BIGINT user CPU time of the main thread [ns]
sys_ns BIGINT system CPU time of the main thread [ns]
process_cpu_ns BIGINT CPU time of all threads within the window [ns]
children_cpu_ns BIGINT CPU time of children whose end was waited for within the window [ns]
threads BIGINT threads at the window's end"""),
)

SAMPLES = Table(
    "samples",
    "one row per (run, cycle) where anything was read: each probe's last reading in it, by the study's names",
    _columns(f"""{_ROW}
cpu_percent DOUBLE CPU use of the machine [%]
memory_percent DOUBLE memory use of the machine [%]
memory_rss_mb DOUBLE resident set [2^20 bytes]
memory_vms_mb DOUBLE virtual size [2^20 bytes]
cpu_temp_celsius DOUBLE CPU temperature [degrees Celsius]
cpu_freq_mhz DOUBLE CPU frequency [MHz]
call_count BIGINT sampling calls so far
call_latency_ms DOUBLE mean latency of the sampling calls since the last reading [ms]"""),
)

PROBES = (
    Table(
        "probe_memory",
        "one row per reading of the process's memory",
        _columns(f"""{_ROW}
rss_bytes BIGINT resident set [bytes]
vms_bytes BIGINT virtual size [bytes]
pss_bytes BIGINT proportional set [bytes]
uss_bytes BIGINT pages of this process alone [bytes]
swap_bytes BIGINT swapped out [bytes]"""),
    ),
    Table(
        "probe_pymalloc",
        "one row per reading of Python's small-object allocator",
        _columns(f"""{_ROW}
arenas BIGINT arenas allocated
arena_bytes BIGINT size of the arenas [bytes]
allocated_bytes BIGINT in live blocks [bytes]
available_bytes BIGINT in free blocks of used pools [bytes]
free_pools BIGINT pools without a live block"""),
    ),
    Table(
        "probe_garbage",
        "one row per reading of the garbage collector",
        _columns(f"""{_ROW}
count0 BIGINT objects counted in generation 0
count1 BIGINT collections counted in generation 1
count2 BIGINT collections counted in generation 2
collections BIGINT collections so far, all generations
collected BIGINT objects collected so far
pause_ns BIGINT time in collections since the recording began [ns]
tracked_objects BIGINT objects that the collector tracks, NULL where they were not counted"""),
    ),
    Table(
        "probe_system",
        "one row per reading of the machine",
        _columns(f"""{_ROW}
cpu_percent DOUBLE CPU use since the last reading [%]
memory_percent DOUBLE memory use [%]
load_1m DOUBLE load average over one minute
page_cache_bytes BIGINT pages of files and disks in memory, tmpfs and shared memory included [bytes]
dirty_bytes BIGINT pages that wait to be written to disk [bytes]
swap_used_bytes BIGINT swap space in use [bytes]
steal_percent DOUBLE CPU time that the hypervisor took since the last reading [%]"""),
    ),
    Table(
        "probe_thermal",
        "one row per reading of the sensors",
        _columns(f"""{_ROW}
temp_celsius DOUBLE CPU temperature [degrees Celsius]
freq_mhz DOUBLE CPU frequency [MHz]"""),
    ),
    Table(
        "probe_latency",
        "one row per reading of the workload's sampling calls",
        _columns(f"""{_ROW}
call_count BIGINT sampling calls so far
call_latency_ns DOUBLE mean latency of the calls since the last reading [ns]"""),
    ),
    Table(
        "probe_glibc",
        "one row per reading of the C library's heap",
        _columns(f"""{_ROW}
arena_bytes BIGINT taken from the system but for mmapped blocks: used + free [bytes]
used_bytes BIGINT in live blocks [bytes]
free_bytes BIGINT in free blocks [bytes]
mmapped_bytes BIGINT in blocks mapped one by one [bytes]
top_bytes BIGINT of the free ones, at the top: could go back to the system [bytes]"""),
    ),
    Table(
        "probe_trace",
        "one row per reading of tracemalloc",
        _columns(f"""{_ROW}
current_bytes BIGINT in traced live blocks [bytes]
peak_bytes BIGINT most so far [bytes]
overhead_bytes BIGINT taken by the tracing itself [bytes]"""),
    ),
    Table(
        "probe_pressure",
        "one row per reading of the kernel's pressure stall information, totals since boot",
        _columns(f"""{_ROW}
cpu_some_us BIGINT time so far in which a task of the machine waited for a CPU [us]
cpu_full_us BIGINT time so far in which every task of the machine waited for a CPU [us]
memory_some_us BIGINT time so far in which a task of the machine waited for memory [us]
memory_full_us BIGINT time so far in which every task of the machine waited for memory [us]
io_some_us BIGINT time so far in which a task of the machine waited for a disk [us]
io_full_us BIGINT time so far in which every task of the machine waited for a disk [us]
group_cpu_some_us BIGINT time so far in which a task of the process's control group waited for a CPU [us]
group_cpu_full_us BIGINT time so far in which every task of the process's control group waited for a CPU [us]
group_memory_some_us BIGINT time so far in which a task of the process's control group waited for memory [us]
group_memory_full_us BIGINT time so far in which every task of the process's control group waited for memory [us]
group_io_some_us BIGINT time so far in which a task of the process's control group waited for a disk [us]
group_io_full_us BIGINT time so far in which every task of the process's control group waited for a disk [us]"""),
    ),
    Table(
        "probe_disk",
        "one row per reading of the process's input and output, totals since it began, and the disks'",
        _columns(f"""{_ROW}
call_read_bytes BIGINT read by system calls, from anywhere [bytes]
call_write_bytes BIGINT written by system calls, to anywhere [bytes]
read_calls BIGINT system calls that read
write_calls BIGINT system calls that wrote
read_bytes BIGINT fetched from storage [bytes]
write_bytes BIGINT made to be written to storage [bytes]
machine_read_bytes BIGINT read by the machine's disks since boot [bytes]
machine_write_bytes BIGINT written by the machine's disks since boot [bytes]"""),
    ),
    Table(
        "probe_descriptors",
        "one row per reading of the process's descriptors and threads",
        _columns(f"""{_ROW}
open_descriptors BIGINT open descriptors (handles on Windows)
threads BIGINT threads"""),
    ),
    Table(
        "probe_canary",
        "one row per reading of a fixed piece of work",
        _columns(f"""{_ROW}
best_ns BIGINT CPU time of the fastest of its repetitions [ns]"""),
    ),
)

TABLES: dict[str, Table] = {
    table.name: table for table in (RUNS, CONDITIONS, CYCLES, WINDOWS, SAMPLES, *PROBES)
}
"""Core tables: they exist, typed and empty, in an empty store."""

ROW_TABLES = tuple(name for name in TABLES if name not in ("runs", "conditions", "samples"))
"""Core tables that are files of a run."""

_DUCKDB = {arrow: name for name, arrow in ARROW.items()}


def arrow(name: str, *, run_id: bool = True) -> pa.Schema:
    """Return the Arrow schema of a core table, with or without the hive key."""
    columns = TABLES[name].columns
    return pa.schema([(c.name, ARROW[c.type]) for c in columns if run_id or c.name != "run_id"])


def duckdb_type(kind: pa.DataType) -> str:
    """Return DuckDB's name of an Arrow type that a table may hold.

    Raises
    ------
    ValueError
        If tables of a store hold no such type.
    """
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if kind not in _DUCKDB:
        raise ValueError(f"type {kind} is not stored; use one of {', '.join(map(str, _DUCKDB))}")
    return _DUCKDB[kind]


def rows(name: str, values: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Return rows of a core table from mappings; what a mapping lacks is NULL."""
    return pa.Table.from_pylist([dict(row) for row in values], schema=arrow(name))


def conformed(table: pa.Table, columns: pa.Schema) -> pa.Table:
    """Return a table in these columns; what it lacks is NULL."""
    absent = pa.nulls(table.num_rows)
    return pa.table(
        [(table[c.name] if c.name in table.column_names else absent).cast(c.type) for c in columns],
        schema=columns,
    )
