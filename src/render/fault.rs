//! Faults on order, for the tests of what happens when a render dies. Only `offprint render-worker --fault` knows them,
//! and only the tests' pools say that.

use std::str::FromStr;
use std::time::Duration;

/// What a render does instead of rendering, when its source is so many pixels wide.
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
            _ => return Err("the kinds are panic, abort, stack, memory, sleep and spin".into()),
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
            Kind::Memory => drop((0..).map(|number: u64| vec![number | 1; 8 << 20]).collect::<Vec<_>>()),
            Kind::Sleep => std::thread::sleep(Duration::from_secs(3600)),
            Kind::Spin => while std::hint::black_box(true) {},
        }
    }
}

/// Has no end but the stack's.
fn deeper(above: &[u8; 4096]) -> u64 {
    let mut here = *above;
    here[usize::from(std::hint::black_box(here[0]))] += 1;
    if std::hint::black_box(true) { deeper(&here) + u64::from(here[1]) } else { 0 }
}
