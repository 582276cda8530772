//! Fault injection, for tests of what happens when a render process dies. Faults are triggered only by
//! `offprint render-worker --fault`, which only the pools of tests use.

use std::fs::File;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::str::FromStr;
use std::time::Duration;

/// A fault that a render triggers before it renders a source of a certain width in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultInjection {
    kind: FaultKind,
    width: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FaultKind {
    Panic,
    Abort,
    Stack,
    Memory,
    Sleep,
    Spin,
    Escape,
}

impl FromStr for FaultInjection {
    type Err = String;

    /// Reads `kind:width`, as `abort:77`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, width) = text.split_once(':').ok_or("write KIND:WIDTH")?;
        let kind = match kind {
            "panic" => FaultKind::Panic,
            "abort" => FaultKind::Abort,
            "stack" => FaultKind::Stack,
            "memory" => FaultKind::Memory,
            "sleep" => FaultKind::Sleep,
            "spin" => FaultKind::Spin,
            "escape" => FaultKind::Escape,
            _ => return Err("the kind must be panic, abort, stack, memory, sleep, spin or escape".into()),
        };
        Ok(Self { kind, width: width.parse().map_err(|_| "the width must be a number of pixels")? })
    }
}

impl FaultInjection {
    /// Triggers the fault if the source has the chosen width.
    pub(super) fn trigger(self, width: u32) {
        if width != self.width {
            return;
        }
        match self.kind {
            FaultKind::Panic => panic!("an injected fault"),
            FaultKind::Abort => std::process::abort(),
            FaultKind::Stack => drop(overflow_stack(&[0; 4096])),
            FaultKind::Memory => exhaust_memory(),
            FaultKind::Sleep => std::thread::sleep(Duration::from_secs(3600)),
            FaultKind::Spin => while std::hint::black_box(true) {},
            FaultKind::Escape => probe_sandbox(),
        }
    }
}

/// Allocates until there is no memory left.
fn exhaust_memory() {
    let mut allocated = Vec::new();
    while std::hint::black_box(true) {
        allocated.push(vec![1_u8; 32 << 20]);
    }
}

/// Panics when the process can do something that its confinement should prevent.
fn probe_sandbox() {
    let is_denied =
        |result: std::io::Result<()>| result.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
    assert!(is_denied(File::open("/proc/self/environ").map(drop)), "it can read files");
    assert!(is_denied(File::create("elsewhere").map(drop)), "it can write files");
    assert!(is_denied(File::options().write(true).open("in/source").map(drop)), "it can change its source");
    assert!(is_denied(TcpStream::connect("127.0.0.1:9").map(drop)), "it can reach the network");
    let is_harmless = |name: &str| ["PATH", "LANG"].contains(&name) || name.starts_with("MALLOC_");
    assert!(std::env::vars().all(|(name, _)| is_harmless(&name)), "it has the environment of the service");
}

/// Recurses until the stack overflows.
fn overflow_stack(above: &[u8; 4096]) -> u64 {
    let mut here = *above;
    here[usize::from(std::hint::black_box(here[0]))] += 1;
    if std::hint::black_box(true) { overflow_stack(&here) + u64::from(here[1]) } else { 0 }
}
