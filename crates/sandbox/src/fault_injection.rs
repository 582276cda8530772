//! Fault injection, for tests of what happens when a render process dies or misbehaves. Faults are triggered only by
//! `offprint render-worker --fault`, which only the pools of tests use.

use std::fs::File;
use std::io::Write;
use std::str::FromStr;
use std::time::Duration;

use crate::escape_attempts;

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
    Threads,
    Escape,
    Overlong,
    Babble,
    Hold,
    WithoutLandlock,
}

/// The kinds by their names.
const KINDS: [(&str, FaultKind); 12] = [
    ("panic", FaultKind::Panic),
    ("abort", FaultKind::Abort),
    ("stack", FaultKind::Stack),
    ("memory", FaultKind::Memory),
    ("sleep", FaultKind::Sleep),
    ("spin", FaultKind::Spin),
    ("threads", FaultKind::Threads),
    ("escape", FaultKind::Escape),
    ("overlong", FaultKind::Overlong),
    ("babble", FaultKind::Babble),
    ("hold", FaultKind::Hold),
    ("without-landlock", FaultKind::WithoutLandlock),
];

impl FromStr for FaultInjection {
    type Err = String;

    /// Reads `kind:width`, as `abort:77`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, width) = text.split_once(':').ok_or("write KIND:WIDTH")?;
        let Some((_, kind)) = KINDS.iter().find(|(known, _)| *known == name) else {
            let names: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
            return Err(format!("the kind must be one of {}", names.join(", ")));
        };
        Ok(Self { kind: *kind, width: width.parse().map_err(|_| "the width must be a number of pixels")? })
    }
}

impl FaultInjection {
    /// Triggers the fault if the source has the chosen width. `channel` leads to the service.
    pub(super) fn trigger(self, width: u32, outputs: &[File], channel: &mut File) {
        if width != self.width {
            return;
        }
        match self.kind {
            FaultKind::Panic => panic!("an injected fault"),
            FaultKind::Abort => std::process::abort(),
            FaultKind::Stack => drop(overflow_stack(&[0; 4096])),
            FaultKind::Memory => exhaust_memory(),
            FaultKind::Sleep => sleep_long(),
            FaultKind::Spin => while std::hint::black_box(true) {},
            FaultKind::Threads => start_threads(),
            FaultKind::Escape => escape_attempts::assert_confined(outputs),
            FaultKind::Overlong => while channel.write_all(&[b'x'; 64 << 10]).is_ok() {},
            FaultKind::Babble => drop(channel.write_all(b"{\"rendered\":[\"\\u0000\"]}\n")),
            // Descriptors that nobody closes, as a process would keep that wants to change a file later.
            FaultKind::Hold => outputs.iter().filter_map(|file| file.try_clone().ok()).for_each(std::mem::forget),
            FaultKind::WithoutLandlock => {}
        }
    }

    /// Whether the process behaves as if its kernel had no Landlock, for sources of any width.
    pub(super) fn hides_landlock(self) -> bool {
        self.kind == FaultKind::WithoutLandlock
    }
}

fn sleep_long() {
    std::thread::sleep(Duration::from_secs(3600));
}

/// Allocates until there is no memory left.
fn exhaust_memory() {
    let mut allocated = Vec::new();
    while std::hint::black_box(true) {
        allocated.push(vec![1_u8; 32 << 20]);
    }
}

/// Starts threads that wait, as many as there can be.
fn start_threads() {
    while std::thread::Builder::new().stack_size(16 << 10).spawn(sleep_long).is_ok() {}
    sleep_long();
}

/// Recurses until the stack overflows.
fn overflow_stack(above: &[u8; 4096]) -> u64 {
    let mut here = *above;
    here[usize::from(std::hint::black_box(here[0]))] += 1;
    if std::hint::black_box(true) { overflow_stack(&here) + u64::from(here[1]) } else { 0 }
}
