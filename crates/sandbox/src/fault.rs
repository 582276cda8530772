//! Faults on order, for the tests of what happens when a render dies. Only `offprint render-worker --fault` knows them,
//! and only the tests' pools say that.

use std::fs::File;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::str::FromStr;
use std::time::Duration;

/// What a render does before or instead of rendering, when its source is so many pixels wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    kind: Kind,
    width: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Panic,
    Abort,
    Stack,
    Memory,
    Sleep,
    Spin,
    Escape,
}

impl FromStr for Fault {
    type Err = String;

    /// Reads `kind:width`, as `abort:77`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, width) = text.split_once(':').ok_or("write KIND:WIDTH")?;
        let kind = match kind {
            "panic" => Kind::Panic,
            "abort" => Kind::Abort,
            "stack" => Kind::Stack,
            "memory" => Kind::Memory,
            "sleep" => Kind::Sleep,
            "spin" => Kind::Spin,
            "escape" => Kind::Escape,
            _ => return Err("the kinds are panic, abort, stack, memory, sleep, spin and escape".into()),
        };
        Ok(Self { kind, width: width.parse().map_err(|_| "the width is a number of pixels")? })
    }
}

impl Fault {
    /// Goes wrong, if the source is the one that is meant.
    pub(super) fn strike(self, width: u32) {
        if width != self.width {
            return;
        }
        match self.kind {
            Kind::Panic => panic!("a fault on order"),
            Kind::Abort => std::process::abort(),
            Kind::Stack => drop(deeper(&[0; 4096])),
            Kind::Memory => eat(),
            Kind::Sleep => std::thread::sleep(Duration::from_secs(3600)),
            Kind::Spin => while std::hint::black_box(true) {},
            Kind::Escape => escape(),
        }
    }
}

/// Takes memory until there is none.
fn eat() {
    let mut eaten = Vec::new();
    while std::hint::black_box(true) {
        eaten.push(vec![1_u8; 32 << 20]);
    }
}

/// Looks for a hole in the walls, and panics when there is one.
fn escape() {
    let denied = |done: std::io::Result<()>| done.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
    assert!(denied(File::open("/proc/self/environ").map(drop)), "it reads files");
    assert!(denied(File::create("elsewhere").map(drop)), "it writes files");
    assert!(denied(File::options().write(true).open("in/source").map(drop)), "it changes its source");
    assert!(denied(TcpStream::connect("127.0.0.1:9").map(drop)), "it reaches the network");
    let harmless = |name: &str| ["PATH", "LANG"].contains(&name) || name.starts_with("MALLOC_");
    assert!(std::env::vars().all(|(name, _)| harmless(&name)), "it has secrets");
}

/// Has no end but the stack's.
fn deeper(above: &[u8; 4096]) -> u64 {
    let mut here = *above;
    here[usize::from(std::hint::black_box(here[0]))] += 1;
    if std::hint::black_box(true) { deeper(&here) + u64::from(here[1]) } else { 0 }
}
