"""The names of metrics, as Prometheus wants them: base units at the end, and `_total` for what only counts up."""

from __future__ import annotations

import re

#: By the unit of a process variable: the base unit that its metric is in, and what a value is multiplied by.
UNITS: dict[str, tuple[str, float]] = {
    "": ("", 1),
    "%": ("ratio", 0.01),
    "ns": ("seconds", 1e-9),
    "us": ("seconds", 1e-6),
    "ms": ("seconds", 1e-3),
    "s": ("seconds", 1),
    "h": ("seconds", 3600),
    "B": ("bytes", 1),
    "MB": ("bytes", 1e6),
    "GB": ("bytes", 1e9),
    "MB/s": ("bytes_per_second", 1e6),
    "1/s": ("per_second", 1),
    "MHz": ("hertz", 1e6),
}
#: What a counter ends with, and what no other name may end with: there it would mean a part of a histogram.
_TOTAL, _RESERVED = "_total", ("_sum", "_count", "_bucket", "_created", "_info")
#: What every name begins with.
NAMESPACE = "pixieioc"
_OTHER = re.compile(r"[^a-z0-9]+")

#: The process variables of run control and of the IOC that are metrics, without prefix, and what these are called; a
#: state is one of several, of which one is 1.
OWN = {
    "Acquire_RBV": "run_acquiring",
    "DetectorState_RBV": "run_state",
    "RunEndReason_RBV": "run_end_reason",
    "RunId_RBV": "run_number",
    "Ready_RBV": "run_ready",
    "SimMode_RBV": "run_simulated",
    "ElapsedReal_RBV": "run_elapsed_real",
    "ElapsedLive_RBV": "run_elapsed_live",
    "TimeRemaining_RBV": "run_time_remaining",
    "Progress_RBV": "run_progress",
    "DeadTime_RBV": "run_dead_time",
    "EventRate_RBV": "run_events",
    "State_RBV": "pipeline_state",
    "ConfigDirty_RBV": "settings_pending",
    "SR_status": "settings_saved",
    "FilePathExists_RBV": "file_path_exists",
    "DiskFree_RBV": "disk_free",
    "DiskTimeLeft_RBV": "disk_time_left",
    "DiskFull_RBV": "disk_full",
    "ErrorCount_RBV": "errors_total",
    "ErrorLatched_RBV": "error_latched",
    "SumSevr_RBV": "worst_alarm",
    "AlarmCount_RBV": "alarms",
    "IOC:ERROR": "ioc_error",
    "IOC:START_CNT": "ioc_starts_total",
    "IOC:CA_CLNT_CNT": "ca_clients",
    "IOC:CA_CONN_CNT": "ca_channels",
    "IOC:CA_COALESCED_CNT": "ca_missed_updates_total",
    "IOC:NAME_ERROR_CNT": "ca_name_errors_total",
    "IOC:RECORD_CNT": "process_variables",
    "IOC:FD_CNT": "ioc_open_files",
    "IOC:FD_MAX": "ioc_most_files",
    "IOC:IOC_CPU_LOAD": "ioc_cpu",
    "IOC:MEM_USED": "ioc_memory",
    "IOC:SYS_CPU_LOAD": "host_cpu",
    "IOC:MEM_FREE": "host_memory_free",
    "IOC:LogLost_RBV": "log_lost_lines_total",
    "IOC:PutLogCount_RBV": "put_log_lines_total",
    "IOC:PutLogLost_RBV": "put_log_lost_lines_total",
    "IOC:AccessState_RBV": "access_state",
    "IOC:RecSync:State-Sts": "recsync_state",
}
#: What the IOC knows of each task, by the name of its source.
OF_TASK = {"error": "error", "error_count": "errors_total"}
#: Reports that are no measurements.
LEFT_OUT = {"process_id", "heart_beat"}
#: What reports of tasks, modules and channels are called that would not be understood by their own name.
REPORTS = {
    "counter": "items_total",
    "events": "events_total",
    "dropped": "dropped_items_total",
    "missed": "missed_items_total",
    "missed_bytes": "missed_total",
    "balance": "missing_items",
    "messages_out": "sent_items_total",
    "bytes_in": "received_total",
    "bytes_out": "sent_total",
    "byte_rate": "throughput",
    "mem_used": "memory",
    "cpu_load": "cpu",
    "queue_size": "queue_items",
    "queue_free": "queue_free_items",
    "execution_time": "last_work",
    "execution_time_max": "longest_work",
    "hits_lost": "lost_hits_total",
    "bytes_written": "written_total",
    "events_written": "written_events_total",
    "events_not_written": "events_not_written_total",
    "bytes_read": "read_total",
    "words_read": "read_total",
    "words_made": "made_total",
    "events_made": "made_events_total",
    "buckets": "buckets_total",
    "chunks": "chunks_total",
    "bytes_lost": "corrupt_total",
    "bytes_left_over": "left_over",
    "corrupt_regions": "corrupt_regions_total",
    "late_events": "late_events_total",
    "events_apart": "events_apart_total",
    "events_let_go": "events_let_go_total",
    "events_elsewhere": "events_elsewhere_total",
    "events_left_out": "events_left_out_total",
    "events_delivered": "delivered_events_total",
    "events_undelivered": "undelivered_events_total",
    "messages_delivered": "delivered_messages_total",
    "bytes_delivered": "delivered_total",
    "traces_seen": "traces_total",
    "resets": "clock_restarts_total",
    "counter_resets": "clock_restarts_total",
    "energy_sum": "energy_total",
    "channel_energy_sum": "energy_total",
    "module_adc_bits": "adc_resolution",
    "channel_input_rate": "input_counts",
    "channel_output_rate": "output_counts",
    "channel_events": "events_total",
    "counts": "spectrum_events",
    "module_overflows": "overflows_total",
    "module_adc_mhz": "adc_rate",
    "module_lost": "lost_hits_total",
}


def metric_name(scope: str, name: str, unit: str) -> tuple[str, float]:
    """The name of a metric in its base unit, and what its process variable's values are multiplied by.

    `scope` is what it is about, such as "task"; empty: the IOC. A `name` with `_total` is that of a counter.
    """
    base, factor = UNITS.get(unit) or (_OTHER.sub("_", unit.lower()).strip("_"), 1)
    stem = name.removesuffix(_TOTAL)
    parts = [NAMESPACE, scope, stem, base if not stem.endswith(f"_{base}") else ""]
    made = "_".join(part for part in parts if part)
    if stem != name:
        return made + _TOTAL, factor
    return (f"{made}_value" if made.endswith(_RESERVED) else made), factor
