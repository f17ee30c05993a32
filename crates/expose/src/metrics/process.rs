//! The process's own figures, under the names that all Prometheus clients give them.
//!
//! Read from Linux's `/proc` (proc(5)); elsewhere, and where a file cannot be read, they are absent.

use std::fmt;
use std::fs;

use super::catalogue::{MetricDoc, MetricKind};
use super::writer::Writer;

const fn doc(name: &'static str, kind: MetricKind, help: &'static str) -> MetricDoc {
    MetricDoc { name, kind, labels: &[], help }
}

/// The metrics that [`write`] writes.
pub(crate) const DOCS: &[MetricDoc] = &[
    doc("process_cpu_seconds_total", MetricKind::Counter, "User and system CPU time spent"),
    doc("process_resident_memory_bytes", MetricKind::Gauge, "Resident memory"),
    doc("process_virtual_memory_bytes", MetricKind::Gauge, "Virtual memory"),
    doc("process_start_time_seconds", MetricKind::Gauge, "Start of the process since the Unix epoch"),
    doc("process_open_fds", MetricKind::Gauge, "Open file descriptors"),
    doc("process_max_fds", MetricKind::Gauge, "File descriptors that may be open"),
    doc("process_threads", MetricKind::Gauge, "Threads"),
];

/// USER_HZ, which Linux has fixed at 100 in everything it shows to programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// What `/proc/self/stat` and `/proc/stat` say.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    started_after_boot_seconds: f64,
}

impl Stat {
    /// Fields 14, 15 and 22 of the line. The second, the program's name, is in brackets and may have blanks.
    fn parse(line: &str) -> Option<Self> {
        let (_, after_name) = line.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
        let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
        Some(Self {
            cpu_seconds: (ticks(14)? + ticks(15)?) / TICKS_PER_SECOND,
            started_after_boot_seconds: ticks(22)? / TICKS_PER_SECOND,
        })
    }
}

/// The number after a key at the start of a line.
fn number(text: &str, key: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

pub(crate) fn write(writer: &mut Writer<'_, '_>) -> fmt::Result {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let stat = Stat::parse(&read("/proc/self/stat"));
    let status = read("/proc/self/status");
    let kibibytes = |key| number(&status, key).map(|kibibytes| kibibytes * 1024.0);
    let booted = number(&read("/proc/stat"), "btime ");
    let started = booted.zip(stat.as_ref()).map(|(booted, stat)| booted + stat.started_after_boot_seconds);
    // The listing itself holds one open.
    let open = fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count().saturating_sub(1) as f64);
    writer.counter("process_cpu_seconds_total", stat.map(|stat| stat.cpu_seconds))?;
    writer.gauge("process_resident_memory_bytes", kibibytes("VmRSS:"))?;
    writer.gauge("process_virtual_memory_bytes", kibibytes("VmSize:"))?;
    writer.gauge("process_start_time_seconds", started)?;
    writer.gauge("process_open_fds", open)?;
    writer.gauge("process_max_fds", number(&read("/proc/self/limits"), "Max open files"))?;
    writer.gauge("process_threads", number(&status, "Threads:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_name_does_not_shift_the_fields() {
        let line = "1 (a b) c) S 2 3 4 5 6 7 8 9 10 11 250 50 12 13 14 15 16 17 12345 18 19";
        let stat = Stat { cpu_seconds: 3.0, started_after_boot_seconds: 123.45 };
        assert_eq!(Stat::parse(line), Some(stat));
        assert_eq!(Stat::parse("1 (a) S 2 3"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn numbers_are_found_by_key() {
        let text = "Name:\tdriftline\nVmRSS:\t   1234 kB\nThreads:\tmany\n";
        assert_eq!(number(text, "VmRSS:"), Some(1234.0));
        assert_eq!(number(text, "Threads:"), None);
        assert_eq!(number(text, "VmSize:"), None);
    }
}
