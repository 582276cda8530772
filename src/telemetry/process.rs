//! The `process_*` metrics that Prometheus' client libraries have in common. They are read when `/metrics` is asked for.

use std::fmt::Write;
use std::fs;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::Resource;
use rustix::time::ClockId;

/// When the process started, to within what it needs to initialise metrics.
static STARTED_AT: LazyLock<f64> =
    LazyLock::new(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since_epoch| since_epoch.as_secs_f64()));

/// Notes the start time. The first thing that a process does about metrics.
pub(super) fn note_start() {
    LazyLock::force(&STARTED_AT);
}

/// CPU time, memory, open files and start time of this process as Prometheus text. What the system does not tell is left
/// out.
pub fn format_process_metrics() -> String {
    let cpu = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
    let cpu = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let open = fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count().saturating_sub(1) as f64);
    let max_open = rustix::process::getrlimit(Resource::Nofile).current.map(|limit| limit as f64);
    let rows = [
        ("cpu_seconds_total", "counter", "User and system CPU time in seconds.", Some(cpu)),
        ("resident_memory_bytes", "gauge", "Resident memory in bytes.", read_status_bytes(&status, "VmRSS")),
        ("virtual_memory_bytes", "gauge", "Virtual memory in bytes.", read_status_bytes(&status, "VmSize")),
        ("threads", "gauge", "Threads.", read_status_number(&status, "Threads")),
        ("open_fds", "gauge", "Open file descriptors.", open),
        ("max_fds", "gauge", "Limit of open file descriptors.", max_open),
        ("start_time_seconds", "gauge", "Start of the process in seconds since 1970.", Some(*STARTED_AT)),
    ];
    let mut text = String::new();
    for (name, kind, about, value) in rows {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ =
                write!(text, "# HELP process_{name} {about}\n# TYPE process_{name} {kind}\nprocess_{name} {value}\n");
        }
    }
    text
}

/// A number in `/proc/self/status`.
fn read_status_number(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// The same for a number of kibibytes, in bytes.
fn read_status_bytes(status: &str, name: &str) -> Option<f64> {
    read_status_number(status, name).map(|kibibytes| kibibytes * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_itself() {
        note_start();
        let text = format_process_metrics();
        let read = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("process_{name} ")));
            line.unwrap_or_else(|| panic!("{name} is missing in\n{text}")).parse::<f64>().unwrap()
        };
        assert!(read("resident_memory_bytes") > 1e6 && read("virtual_memory_bytes") >= read("resident_memory_bytes"));
        assert!(read("open_fds") >= 3.0 && read("max_fds") > read("open_fds"));
        assert!(read("start_time_seconds") > 1.7e9 && read("cpu_seconds_total") >= 0.0 && read("threads") >= 1.0);
    }

    #[test]
    fn lines_are_found_by_their_whole_name() {
        let status = "VmPeak:\t 9 kB\nVmRSS:\t  12 kB\nVmRSSx:\t 7 kB\nThreads:\t3\n";
        assert_eq!(read_status_bytes(status, "VmRSS"), Some(12.0 * 1024.0));
        assert_eq!(read_status_number(status, "Threads"), Some(3.0));
        assert_eq!(read_status_number(status, "VmSwap"), None);
    }
}
