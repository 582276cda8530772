//! What a render process uses, measured by the service: the process's own word does not count.

use std::fs;
use std::time::Duration;

use rustix::param::{clock_ticks_per_second, page_size};

/// A measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProcessUsage {
    /// Processor time since its start, to 10 ms.
    pub(super) cpu_time: Duration,
    /// Memory that it keeps, in bytes.
    pub(super) resident_bytes: u64,
    pub(super) threads: u64,
}

impl ProcessUsage {
    /// `None` when there is no such process, or `/proc` hides it.
    pub(super) fn measure(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Reads the line of `/proc/PID/stat`; its fields are counted behind the name, which may contain anything.
    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<u64> =
            line.rsplit_once(')')?.1.split_ascii_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
        // The first field here is the third of proc(5).
        let field = |number: usize| fields.get(number - 3).copied();
        let milliseconds = (field(14)? + field(15)?) * 1000 / clock_ticks_per_second().max(1);
        Some(Self {
            cpu_time: Duration::from_millis(milliseconds),
            resident_bytes: field(24)? * page_size() as u64,
            threads: field(20)?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let line =
            "7 (a ) R 9 (x) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 3 0 99 4096 10 18446744073709551615 1\n";
        let usage = ProcessUsage::parse(line).unwrap();
        let ticks = clock_ticks_per_second();
        assert_eq!(usage.cpu_time, Duration::from_millis(200_000 / ticks));
        assert_eq!((usage.threads, usage.resident_bytes), (3, 10 * page_size() as u64));
        assert_eq!(ProcessUsage::parse("7 (short) S 1"), None);
    }

    #[test]
    fn this_process_has_memory_and_threads() {
        let usage = ProcessUsage::measure(std::process::id()).unwrap();
        assert!(usage.threads > 0 && usage.resident_bytes > 1 << 16, "{usage:?}");
    }
}
