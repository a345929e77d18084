-- one row per (run, cycle) where anything was read: each probe's last reading in it, by the study's names;
-- a reading of no known cycle stands alone
with readings as (
    select 'memory' as probe, run_id, condition, cycle, t_ns, rss_bytes, vms_bytes from probe_memory
    union all by name
    select 'system' as probe, run_id, condition, cycle, t_ns, cpu_percent, memory_percent from probe_system
    union all by name
    select 'thermal' as probe, run_id, condition, cycle, t_ns, temp_celsius, freq_mhz from probe_thermal
    union all by name
    select 'latency' as probe, run_id, condition, cycle, t_ns, call_count, call_latency_ns from probe_latency
    union all by name
    select 'garbage' as probe, run_id, condition, cycle, t_ns from probe_garbage
    union all by name
    select 'pymalloc' as probe, run_id, condition, cycle, t_ns from probe_pymalloc
    union all by name
    select 'glibc' as probe, run_id, condition, cycle, t_ns from probe_glibc
    union all by name
    select 'trace' as probe, run_id, condition, cycle, t_ns from probe_trace
    union all by name
    select 'pressure' as probe, run_id, condition, cycle, t_ns from probe_pressure
    union all by name
    select 'disk' as probe, run_id, condition, cycle, t_ns from probe_disk
    union all by name
    select 'descriptors' as probe, run_id, condition, cycle, t_ns from probe_descriptors
    union all by name
    select 'canary' as probe, run_id, condition, cycle, t_ns from probe_canary
),
by_cycle as (
    select
        run_id,
        arg_max(condition, t_ns) as condition,
        cycle,
        max(t_ns) as t_ns,
        arg_max_null(cpu_percent, t_ns) filter (where probe = 'system') as cpu_percent,
        arg_max_null(memory_percent, t_ns) filter (where probe = 'system') as memory_percent,
        arg_max_null(rss_bytes, t_ns) filter (where probe = 'memory') / 1048576.0 as memory_rss_mb,
        arg_max_null(vms_bytes, t_ns) filter (where probe = 'memory') / 1048576.0 as memory_vms_mb,
        arg_max_null(temp_celsius, t_ns) filter (where probe = 'thermal') as cpu_temp_celsius,
        arg_max_null(freq_mhz, t_ns) filter (where probe = 'thermal') as cpu_freq_mhz,
        arg_max_null(call_count, t_ns) filter (where probe = 'latency') as call_count,
        arg_max_null(call_latency_ns, t_ns) filter (where probe = 'latency') / 1e6 as call_latency_ms
    from readings
    group by run_id, cycle, case when cycle is null then t_ns end
)
select * from by_cycle
