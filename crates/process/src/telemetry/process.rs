//! `process_*` from `/proc/self`: small enough to own, so that no further crate is needed. A value that cannot be
//! read keeps what it was.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge, IntGauge, Opts};

/// Ticks per second of the times in `/proc/self/stat`; fixed by Linux for user space.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug)]
pub(super) struct ProcessCollector {
    cpu_seconds: Counter,
    resident_bytes: IntGauge,
    virtual_bytes: IntGauge,
    open_fds: IntGauge,
    max_fds: IntGauge,
    start_seconds: Gauge,
    threads: IntGauge,
}

impl ProcessCollector {
    /// `names` in the order of the fields.
    pub(super) fn new(names: [Opts; 7]) -> Result<Self, prometheus::Error> {
        let [cpu, resident, virtual_, open, max, start, threads] = names;
        let collector = Self {
            cpu_seconds: Counter::with_opts(cpu)?,
            resident_bytes: IntGauge::with_opts(resident)?,
            virtual_bytes: IntGauge::with_opts(virtual_)?,
            open_fds: IntGauge::with_opts(open)?,
            max_fds: IntGauge::with_opts(max)?,
            start_seconds: Gauge::with_opts(start)?,
            threads: IntGauge::with_opts(threads)?,
        };
        if let Some(max_fds) = read("/proc/self/limits").as_deref().and_then(max_open_files) {
            collector.max_fds.set(max_fds);
        }
        if let Some(start) = start_time() {
            collector.start_seconds.set(start);
        }
        Ok(collector)
    }

    fn refresh(&self) {
        if let Some(cpu) = read("/proc/self/stat").as_deref().and_then(cpu_seconds) {
            self.cpu_seconds.inc_by((cpu - self.cpu_seconds.get()).max(0.0));
        }
        if let Some(status) = read("/proc/self/status") {
            for (key, gauge, factor) in [
                ("VmRSS:", &self.resident_bytes, 1024),
                ("VmSize:", &self.virtual_bytes, 1024),
                ("Threads:", &self.threads, 1),
            ] {
                if let Some(value) = status_value(&status, key) {
                    gauge.set(value.saturating_mul(factor));
                }
            }
        }
        if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
            self.open_fds.set(i64::try_from(entries.count()).unwrap_or(i64::MAX));
        }
    }

    fn parts(&self) -> [&dyn Collector; 7] {
        [
            &self.cpu_seconds,
            &self.resident_bytes,
            &self.virtual_bytes,
            &self.open_fds,
            &self.max_fds,
            &self.start_seconds,
            &self.threads,
        ]
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.parts().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.refresh();
        self.parts().into_iter().flat_map(Collector::collect).collect()
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// Field `index` of `/proc/self/stat`, counted from the state (field 3 of proc(5)) as 0: the name before it may hold
/// spaces and parentheses.
fn stat_field(stat: &str, index: usize) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(index)?.parse().ok()
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((stat_field(stat, 11)? + stat_field(stat, 12)?) / TICKS_PER_SECOND)
}

fn start_time() -> Option<f64> {
    let ticks = stat_field(&read("/proc/self/stat")?, 19)?;
    let boot: f64 = read("/proc/stat")?
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()?;
    Some(boot + ticks / TICKS_PER_SECOND)
}

fn status_value(status: &str, key: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

fn max_open_files(limits: &str) -> Option<i64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_process_whose_name_has_spaces() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 3 0 4200 1 1 1";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(stat_field(stat, 19), Some(4200.0));
    }

    #[test]
    fn reads_limits_and_memory() {
        assert_eq!(
            max_open_files("Max open files            1024                 4096   files"),
            Some(1024)
        );
        assert_eq!(max_open_files("Max open files            unlimited"), None);
        assert_eq!(status_value("Name:\tx\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12));
    }

    #[test]
    fn this_process_has_memory_threads_and_files() {
        let collector =
            ProcessCollector::new(["a", "b", "c", "d", "e", "f", "g"].map(|name| Opts::new(name, name))).unwrap();
        drop(collector.collect());
        for gauge in [
            &collector.resident_bytes,
            &collector.threads,
            &collector.open_fds,
            &collector.max_fds,
        ] {
            assert!(gauge.get() > 0);
        }
        assert!(collector.start_seconds.get() > 1_000_000_000.0);
    }
}
