//! What the system says of the process, by the names that all programs use.

use procfs::process::{LimitValue, Process as Proc};
use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::family::{Series, counted, counters, describe, float, gauged, gauges};

const CPU: Series = ("process_cpu_seconds_total", "CPU time, of the process itself and of the system for it.");
const MEMORY: Series = ("process_resident_memory_bytes", "Memory that is in use and not swapped out.");
const VIRTUAL: Series = ("process_virtual_memory_bytes", "Addresses that are in use.");
const OPEN: Series = ("process_open_fds", "Open file descriptors; each connection has one.");
const MAX: Series = ("process_max_fds", "How many file descriptors may be open.");
const STARTED: Series = ("process_start_time_seconds", "When the process began.");
const THREADS: Series = ("process_threads", "Threads of the process.");

/// The process, read when it is scraped.
pub(super) struct Process {
    descriptions: Vec<Desc>,
}

impl Process {
    /// This one.
    ///
    /// # Errors
    /// When a name is none.
    pub(super) fn new() -> prometheus::Result<Self> {
        let series = [CPU, MEMORY, VIRTUAL, OPEN, MAX, STARTED, THREADS].into_iter();
        Ok(Self { descriptions: series.map(|one| describe(one, &[])).collect::<prometheus::Result<_>>()? })
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Without /proc there is nothing to say.
        read().unwrap_or_default()
    }
}

fn read() -> procfs::ProcResult<Vec<MetricFamily>> {
    let process = Proc::myself()?;
    let stat = process.stat()?;
    let ticks = float(procfs::ticks_per_second());
    let gauge = |series, value| gauges(series, vec![gauged(value, &[])]);
    let mut families = vec![
        counters(CPU, vec![counted(float(stat.utime + stat.stime) / ticks, &[])]),
        gauge(MEMORY, float(stat.rss * procfs::page_size())),
        gauge(VIRTUAL, float(stat.vsize)),
        gauge(OPEN, float(process.fd_count()? as u64)),
        gauge(STARTED, float(procfs::boot_time_secs()?) + float(stat.starttime) / ticks),
        gauge(THREADS, float(stat.num_threads.try_into().unwrap_or(0))),
    ];
    if let LimitValue::Value(limit) = process.limits()?.max_open_files.soft_limit {
        families.push(gauge(MAX, float(limit)));
    }
    Ok(families)
}
